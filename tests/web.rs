//! Every path answers as promised, whatever the store holds.

#![expect(clippy::unwrap_used, reason = "tests may panic")]

#[path = "support/stores.rs"]
mod stores;
#[path = "support/watcher.rs"]
#[allow(dead_code, reason = "each test uses a part of it")]
mod watcher;

use std::fs;
use std::io::Read;
use std::sync::Arc;

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use axum::{Router, response::Response};
use http_body_util::BodyExt;
use rocketmq_store_exporter::broker::BrokerConf;
use rocketmq_store_exporter::metrics::StoreCollector;
use rocketmq_store_exporter::metrics::collector::MetricOptions;
use rocketmq_store_exporter::web::{Shared, router};
use serde_json::Value;
use stores::unpack;
use tower::ServiceExt;
use watcher::{Watcher, now};

struct Site {
    dir: tempfile::TempDir,
    watcher: Watcher,
    router: Router,
}

impl Site {
    /// Over a store that has not been looked at yet.
    fn new(prepare: impl FnOnce(&std::path::Path)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        unpack("5.2.0-plain-killed.tar.gz", "killed", &path("store"));
        prepare(&path("store"));
        let watcher = Watcher::start(&path("store"), &path("logs"), &path("state"));
        let options = MetricOptions {
            topics_limit: 50,
            bad_queues_limit: 20,
            broker: BrokerConf::default(),
            is_broker_told: false,
        };
        let registry = prometheus::Registry::new();
        let collector = StoreCollector::new(Arc::clone(&watcher.observer), options, now);
        registry.register(Box::new(collector)).unwrap();
        let shared = Shared {
            observer: Arc::clone(&watcher.observer),
            registry,
            telemetry_path: "/metrics".to_owned(),
        };
        Self { dir, watcher, router: router(shared) }
    }

    fn seen(prepare: impl FnOnce(&std::path::Path)) -> Self {
        let mut site = Self::new(prepare);
        site.watcher.look();
        site
    }

    async fn get_with(&self, path: &str, headers: &[(header::HeaderName, &str)]) -> Response {
        let mut request = Request::get(path);
        for (name, value) in headers {
            request = request.header(name, *value);
        }
        self.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
    }

    async fn get(&self, path: &str) -> (StatusCode, String) {
        let response = self.get_with(path, &[]).await;
        let status = response.status();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(bytes.to_vec()).unwrap())
    }

    async fn json(&self, path: &str) -> (StatusCode, Value) {
        let (status, text) = self.get(path).await;
        (status, serde_json::from_str(&text).unwrap())
    }
}

#[tokio::test]
async fn health_depends_on_nothing() {
    let site = Site::new(|_| {});
    fs::remove_dir_all(site.dir.path().join("store")).unwrap();
    for path in ["/-/healthy", "/-/ready", "/", "/metrics", "/api/v1/store", "/api/v1/events"] {
        assert_eq!(site.get(path).await.0, StatusCode::OK, "{path}");
    }
}

#[tokio::test]
async fn metrics_come_in_the_form_that_is_asked_for_and_packed() {
    let site = Site::seen(|_| {});
    let text = site.get_with("/metrics", &[]).await;
    assert!(text.headers()[header::CONTENT_TYPE].to_str().unwrap().starts_with("text/plain; version=0.0.4"));
    let accept = "application/openmetrics-text;version=1.0.0;q=0.8,text/plain;version=0.0.4;q=0.5";
    let open = site.get_with("/metrics", &[(header::ACCEPT, accept)]).await;
    assert!(
        open.headers()[header::CONTENT_TYPE].to_str().unwrap().starts_with("application/openmetrics-text")
    );
    let body = open.into_body().collect().await.unwrap().to_bytes();
    assert!(body.ends_with(b"# EOF\n"));
    let packed = site.get_with("/metrics", &[(header::ACCEPT_ENCODING, "gzip")]).await;
    assert_eq!(packed.headers()[header::CONTENT_ENCODING], "gzip");
    let bytes = packed.into_body().collect().await.unwrap().to_bytes();
    let mut text = String::new();
    flate2::read::GzDecoder::new(&bytes[..]).read_to_string(&mut text).unwrap();
    assert!(text.contains("rocketmq_store_up 1"));
}

#[tokio::test]
async fn queues_come_in_pages_that_are_together_all_of_them() {
    let site = Site::seen(|_| {});
    let (_, all) = site.json("/api/v1/queues?limit=10000").await;
    let all = all["queues"].as_array().unwrap().clone();
    assert!(all.len() > 5);
    let (mut paged, mut path) = (Vec::new(), "/api/v1/queues?limit=3".to_owned());
    loop {
        let (status, page) = site.json(&path).await;
        assert_eq!(status, StatusCode::OK);
        paged.extend(page["queues"].as_array().unwrap().clone());
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("/api/v1/queues?limit=3&cursor={}", cursor.replace('%', "%25"));
    }
    assert_eq!(paged, all);
    let (_, one) = site.json("/api/v1/queues?topic=T0").await;
    assert!(one["queues"].as_array().unwrap().iter().all(|queue| queue["topic"] == "T0"));
}

#[tokio::test]
async fn a_bad_parameter_is_named_and_a_bad_path_is_not_found() {
    let site = Site::seen(|_| {});
    for (path, parameter) in [
        ("/api/v1/queues?limit=0", "limit"),
        ("/api/v1/queues?limit=many", "limit"),
        ("/api/v1/queues?cursor=x", "cursor"),
        ("/api/v1/events?since=yesterday", "since"),
    ] {
        let (status, body) = site.json(path).await;
        assert_eq!((status, &body["error"]), (StatusCode::BAD_REQUEST, &"bad_parameter".into()), "{path}");
        assert!(body["message"].as_str().unwrap().starts_with(parameter), "{body}");
    }
    let (status, body) = site.json("/api/v2").await;
    assert_eq!((status, &body["error"]), (StatusCode::NOT_FOUND, &"not_found".into()));
}

#[tokio::test]
async fn before_the_first_pass_queues_are_not_made_up() {
    let (status, body) = Site::new(|_| {}).json("/api/v1/queues").await;
    assert_eq!((status, &body["error"]), (StatusCode::SERVICE_UNAVAILABLE, &"not_yet".into()));
}

#[tokio::test]
async fn events_are_told_behind_a_number() {
    let site = Site::seen(|store| {
        let logs = store.parent().unwrap().join("logs");
        fs::create_dir(&logs).unwrap();
        let line = "2026-11-23 14:54:51 WARN main - DupInfo in properties check failed. dupInfo=<script>alert(1)</script>\n";
        fs::write(logs.join("store.log"), line).unwrap();
    });
    let (_, all) = site.json("/api/v1/events").await;
    let first = all["events"][0].clone();
    assert_eq!(first["event"], "dup_info_failed");
    let (_, rest) = site.json(&format!("/api/v1/events?since={}", first["seq"])).await;
    assert_eq!(rest["events"].as_array().unwrap().len(), all["events"].as_array().unwrap().len() - 1);
    let (_, page) = site.get("/").await;
    assert!(page.contains("&lt;script&gt;") && !page.contains("<script>"), "{page}");
}

#[tokio::test]
async fn hostile_names_of_topics_break_nothing() {
    use std::os::unix::ffi::OsStrExt;
    let names: [&[u8]; 5] =
        [b"a\"b\\c", b"new\nline", b"<script>alert(1)</script>", b"\xff\xfe", "主题".as_bytes()];
    let site = Site::seen(|store| {
        for name in names {
            // A slash cannot stand in a name.
            let name: Vec<u8> = name.iter().filter(|byte| **byte != b'/').copied().collect();
            let dir = store.join("consumequeue").join(std::ffi::OsStr::from_bytes(&name)).join("0");
            fs::create_dir_all(&dir).unwrap();
            fs::File::create(dir.join("00000000000000000000")).unwrap().set_len(200).unwrap();
        }
    });
    let (_, text) = site.get("/metrics").await;
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (series, value) = line.rsplit_once(' ').unwrap();
        assert!(value.parse::<f64>().is_ok(), "{line}");
        assert!(series.starts_with("rocketmq_store_") || series.starts_with("process_"), "{line}");
        assert_eq!(series.contains('{'), series.ends_with('}'), "{line}");
    }
    assert!(text.contains(r#"topic="a\"b\\c""#) && text.contains(r#"topic="new\nline""#));
    let (status, queues) = site.json("/api/v1/queues?limit=10000").await;
    assert_eq!(status, StatusCode::OK);
    assert!(queues["queues"].as_array().unwrap().iter().any(|queue| queue["topic"] == "主题"));
}
