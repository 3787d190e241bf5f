//! Requests through the router, over the store of a real broker.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Method, Request};
use http_body_util::BodyExt as _;
use rocketmq_store_exporter::broker::BrokerConf;
use rocketmq_store_exporter::metrics::StoreCollector;
use rocketmq_store_exporter::metrics::collector::MetricOptions;
use rocketmq_store_exporter::observe::turns::Turns;
use rocketmq_store_exporter::preview::{Asked, Surroundings};
use rocketmq_store_exporter::web::access::Access;
use rocketmq_store_exporter::web::{Answers, Shared, router};
use tower::ServiceExt as _;

use super::Answer;
use super::seeds::case;
use super::watcher::{Watcher, now};

struct Site {
    router: Router,
    runtime: tokio::runtime::Runtime,
    /// What it serves, as long as it is served.
    _kept: (super::recovery_case::Case, tempfile::TempDir, Watcher),
}

impl Site {
    fn new() -> Self {
        let (case, dir) = (case("5.2.0-plain-f0"), tempfile::tempdir().unwrap());
        let mut watcher = Watcher::start(case.root(), &dir.path().join("logs"), &dir.path().join("state"));
        watcher.look();
        let options = MetricOptions {
            topics_limit: 50,
            bad_queues_limit: 20,
            broker: BrokerConf::default(),
            is_broker_told: false,
            confinement: rocketmq_store_exporter::confine::Confinement::default(),
            vitals: Arc::default(),
        };
        let registry = prometheus::Registry::new();
        let collector = StoreCollector::new(Arc::clone(&watcher.observer), options, now);
        registry.register(Box::new(collector)).unwrap();
        let base = Asked { root: case.root().to_owned(), goes_by_files: true, ..Asked::default() };
        let time = Duration::from_secs(60);
        let shared = Shared {
            observer: Arc::clone(&watcher.observer),
            vitals: Arc::default(),
            confinement: Arc::default(),
            registry,
            telemetry_path: "/metrics".to_owned(),
            answers: Arc::new(Answers::new(
                base,
                Surroundings::default(),
                u64::MAX,
                time,
                Turns::default(),
                Arc::default(),
            )),
            access: Arc::new(Access::open()),
            broker: None,
            clock: now,
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Self { router: router(shared), runtime, _kept: (case, dir, watcher) }
    }
}

/// A request: method, target and headers, one a line. What is no request is none that the server would hand on.
pub fn run(bytes: &[u8], answer: &mut Answer) {
    thread_local! {
        static SITE: RefCell<Option<Site>> = const { RefCell::new(None) };
    }
    let mut lines = bytes.split(|byte| *byte == b'\n');
    let Ok(method) = Method::from_bytes(lines.next().unwrap_or_default()) else { return };
    let Ok(target) = str::from_utf8(lines.next().unwrap_or_default()) else { return };
    let mut request = Request::builder().method(method).uri(target);
    for line in lines {
        let (name, value) = line.split_at(line.iter().position(|byte| *byte == b':').unwrap_or(line.len()));
        let value = value.get(1..).unwrap_or_default();
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) {
            request = request.header(name, value);
        }
    }
    let Ok(request) = request.body(Body::empty()) else { return };
    SITE.with_borrow_mut(|site| {
        let site = site.get_or_insert_with(Site::new);
        let (status, body) = site.runtime.block_on(async {
            let response = site.router.clone().oneshot(request).await.unwrap();
            let (head, body) = response.into_parts();
            (head.status, body.collect().await.unwrap().to_bytes())
        });
        assert_ne!(status.as_u16(), 500, "{}", String::from_utf8_lossy(&body));
        // Bodies tell the time; the kind of an answer is that of its question.
        answer.tell(&status);
    });
}
