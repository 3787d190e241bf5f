//! The page is served whole, and what it shows is in the answers.

#![expect(clippy::unwrap_used, reason = "tests may panic")]

#[path = "support/site.rs"]
#[allow(dead_code, reason = "each test uses a part of it")]
mod site;

use std::collections::BTreeSet;

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use serde_json::Value;
use site::Site;
use tower::ServiceExt;

#[tokio::test]
async fn the_page_is_made_of_parts_that_are_served_and_asks_no_other_host() {
    let site = Site::new(|_| {});
    let (mut waiting, mut seen) = (vec!["/".to_owned(), "/preview".to_owned()], BTreeSet::new());
    while let Some(path) = waiting.pop() {
        if !seen.insert(path.clone()) {
            continue;
        }
        let (status, text) = site.get(&path).await;
        assert_eq!(status, StatusCode::OK, "{path}");
        assert!(path.ends_with("preact.js") || !text.contains("src=\"http"), "{path}");
        let named = text.split(['"', '\'']).filter_map(|word| {
            word.strip_prefix("./").map(|name| format!("/assets/{name}")).or_else(|| Some(word.to_owned()))
        });
        waiting.extend(named.filter(|name| name.starts_with("/assets/") && !name.contains(' ')));
    }
    assert!(seen.len() > 12, "{seen:?}");
    assert_eq!(site.get("/assets/page.html").await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_part_of_the_page_that_a_browser_has_is_not_sent_again() {
    let site = Site::new(|_| {});
    let request = |tag: &str| {
        Request::get("/assets/main.js").header(header::IF_NONE_MATCH, tag).body(Body::empty()).unwrap()
    };
    let first = site.router.clone().oneshot(request("\"other\"")).await.unwrap();
    assert_eq!(first.status(), StatusCode::OK);
    let tag = first.headers()[header::ETAG].to_str().unwrap().to_owned();
    assert_eq!(site.router.clone().oneshot(request(&tag)).await.unwrap().status(), StatusCode::NOT_MODIFIED);
}

#[tokio::test]
async fn what_the_page_shows_beside_the_store_is_in_its_answer() {
    let mut site = Site::new(|_| {});
    let (_, blank) = site.json("/api/v1/store").await;
    assert_eq!(blank["next_start"], Value::Null);
    assert_eq!(blank["disk"]["threshold_ratio"]["refuse_writes"], 0.9);
    assert_eq!(blank["exporter"]["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(site.json("/api/v1/history").await.1["points"], serde_json::json!([]));
    site.watcher.look();
    let (_, seen) = site.json("/api/v1/store").await;
    assert!(seen["disk"]["used_ratio"]["commitlog"].as_f64().unwrap() > 0.0);
    let (_, history) = site.json("/api/v1/history").await;
    let point = &history["points"][0];
    assert_eq!(point["log_max"], seen["store"]["commitlog"]["max_offset"]);
    assert_eq!(point["queues_max"], seen["store"]["consumequeue"]["max_physical_offset"]);
    let (_, none) = site.json(&format!("/api/v1/history?since={}", point["at"])).await;
    assert_eq!(none["points"], serde_json::json!([]));
    assert_eq!(site.get("/api/v1/history?since=now").await.0, StatusCode::BAD_REQUEST);
}
