//! Requests through the router, over the store of a real broker.

use std::cell::RefCell;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Method, Request};
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;

use super::Answer;
use super::plain_router::plain_router;
use super::seeds::case;
use super::watcher::Watcher;

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
        let router = plain_router(&watcher, case.root(), 50);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Self { router, runtime, _kept: (case, dir, watcher) }
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
