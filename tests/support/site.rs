//! Every path of the exporter over a small store, without a network.

#[path = "stores.rs"]
mod stores;
#[path = "watcher.rs"]
#[allow(dead_code, reason = "each test uses a part of it")]
mod watcher;

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use axum::{Router, response::Response};
use http_body_util::BodyExt;
use rocketmq_store_exporter::broker::BrokerConf;
use rocketmq_store_exporter::confine::Confinement;
use rocketmq_store_exporter::metrics::StoreCollector;
use rocketmq_store_exporter::metrics::collector::MetricOptions;
use rocketmq_store_exporter::observe::turns::Turns;
use rocketmq_store_exporter::observe::vitals::Vitals;
use rocketmq_store_exporter::preview::{Asked, Surroundings};
use rocketmq_store_exporter::web::access::Access;
use rocketmq_store_exporter::web::{Answers, Shared, router};
use serde_json::Value;
use stores::unpack;
use tower::ServiceExt;
use watcher::{Watcher, now};

/// Paths over a store of a broker that was killed.
pub struct Site {
    /// Holds store, logs and state.
    pub dir: tempfile::TempDir,
    /// What looks at them.
    pub watcher: Watcher,
    /// How the exporter's own tasks fare.
    pub vitals: Arc<Vitals>,
    /// Who may make a forecast.
    pub turns: Turns,
    /// All paths.
    pub router: Router,
}

impl Site {
    /// Over a store that has not been looked at yet.
    pub fn new(prepare: impl FnOnce(&std::path::Path)) -> Self {
        Self::patient_for(Duration::from_secs(60), prepare)
    }

    /// The same, with so much time for a forecast and for its turn.
    pub fn patient_for(time: Duration, prepare: impl FnOnce(&std::path::Path)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        unpack("5.2.0-plain-killed.tar.gz", "killed", &path("store"));
        prepare(&path("store"));
        let watcher = Watcher::start(&path("store"), &path("logs"), &path("state"));
        let vitals = Arc::new(Vitals::default());
        let options = MetricOptions {
            topics_limit: 50,
            bad_queues_limit: 20,
            broker: BrokerConf::default(),
            is_broker_told: false,
            confinement: Confinement::default(),
            vitals: Arc::clone(&vitals),
        };
        let registry = prometheus::Registry::new();
        let collector = StoreCollector::new(Arc::clone(&watcher.observer), options, now);
        registry.register(Box::new(collector)).unwrap();
        let turns = Turns::default();
        let shared = Shared {
            observer: Arc::clone(&watcher.observer),
            vitals: Arc::clone(&vitals),
            confinement: Arc::default(),
            registry,
            telemetry_path: "/metrics".to_owned(),
            answers: Arc::new(Answers::new(
                Asked {
                    root: path("store"),
                    overrides: vec![
                        ("mappedFileSizeCommitLog".to_owned(), "16384".to_owned()),
                        ("mappedFileSizeConsumeQueue".to_owned(), "200".to_owned()),
                    ],
                    ..Asked::default()
                },
                Surroundings::default(),
                u64::MAX,
                time,
                turns.clone(),
                Arc::clone(&vitals),
            )),
            access: Arc::new(Access::open()),
            broker: None,
            clock: now,
        };
        Self { dir, watcher, vitals, turns, router: router(shared) }
    }

    pub fn seen(prepare: impl FnOnce(&std::path::Path)) -> Self {
        let mut site = Self::new(prepare);
        site.watcher.look();
        site
    }

    pub async fn get_with(&self, path: &str, headers: &[(header::HeaderName, &str)]) -> Response {
        let mut request = Request::get(path);
        for (name, value) in headers {
            request = request.header(name, *value);
        }
        self.answer(request).await
    }

    pub async fn answer(&self, request: axum::http::request::Builder) -> Response {
        self.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
    }

    pub async fn get(&self, path: &str) -> (StatusCode, String) {
        let response = self.get_with(path, &[]).await;
        let status = response.status();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(bytes.to_vec()).unwrap())
    }

    pub async fn json(&self, path: &str) -> (StatusCode, Value) {
        let (status, text) = self.get(path).await;
        (status, serde_json::from_str(&text).unwrap())
    }
}
