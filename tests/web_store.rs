//! `/api/v1/store`, `/api/v1/queues` and `/api/v1/events` tell what is known, and make nothing up.

#![expect(clippy::unwrap_used, reason = "tests may panic")]

#[path = "support/site.rs"]
#[allow(dead_code, reason = "each test uses a part of it")]
mod site;

use std::fs;

use axum::http::{Request, StatusCode, header};
use http_body_util::BodyExt;
use serde_json::Value;
use site::Site;

#[tokio::test]
async fn what_is_known_of_a_store_is_told_as_json() {
    let site = Site::seen(|_| {});
    let (status, body) = site.json("/api/v1/store").await;
    assert_eq!(status, StatusCode::OK);
    let store = &body["store"];
    assert_eq!(
        (&store["root_state"], &store["log_kind"], &store["queue_kind"]),
        (&"store".into(), &"plain".into(), &"file".into())
    );
    assert_eq!(store["commitlog"]["files"], 7);
    assert_eq!(store["commitlog"]["max_offset"], store["consumequeue"]["max_physical_offset"]);
    assert_eq!(store["commitlog"]["max_offset"], 88_392);
    assert_eq!(store["is_lock_held"], false);
    assert!(store["collectors"]["consumequeue"]["error"].is_null(), "{store}");
    assert_eq!(body["losses"]["recovery"]["units_removed"], 0);
    let (_, before) = Site::new(|_| {}).json("/api/v1/store").await;
    assert!(before["store"].is_null(), "nothing is made up before the first pass");
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
    let one = one["queues"].as_array().unwrap();
    assert!(!one.is_empty() && one.iter().all(|queue| queue["topic"] == "T0"), "{one:?}");
    let (_, none) = site.json("/api/v1/queues?topic=T").await;
    assert_eq!(none["queues"], serde_json::json!([]), "a whole name, no begin of one");
}

#[tokio::test]
async fn a_page_may_end_between_the_two_kinds_of_one_queue() {
    let site = Site::seen(|store| {
        let dir = store.join("batchconsumequeue/T0/0");
        fs::create_dir_all(&dir).unwrap();
        fs::File::create(dir.join("00000000000000000000")).unwrap().set_len(460).unwrap();
    });
    let (mut kinds, mut path) = (Vec::new(), "/api/v1/queues?topic=T0&limit=1".to_owned());
    loop {
        let (_, page) = site.json(&path).await;
        let queue = &page["queues"][0];
        kinds.push((queue["queue"].as_u64().unwrap(), queue["kind"].as_str().unwrap().to_owned()));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("/api/v1/queues?topic=T0&limit=1&cursor={cursor}");
    }
    assert_eq!(kinds, [(0, "simple".to_owned()), (0, "batch".to_owned()), (1, "simple".to_owned())]);
}

#[tokio::test]
async fn a_bad_parameter_is_named_and_a_bad_path_is_not_found() {
    let site = Site::seen(|_| {});
    for (path, parameter) in [
        ("/api/v1/queues?limit=0", "limit"),
        ("/api/v1/queues?limit=many", "limit"),
        ("/api/v1/queues?cursor=x", "cursor"),
        ("/api/v1/queues?limit=10001", "limit"),
        ("/api/v1/queues?limit=-1", "limit"),
        ("/api/v1/queues?limit=1&limit=2", "limit"),
        ("/api/v1/queues?topic=a&topic=b", "topic"),
        ("/api/v1/queues?cursor=:T0", "cursor"),
        ("/api/v1/events?since=yesterday", "since"),
        ("/api/v1/events?since=1&since=2", "since"),
    ] {
        let (status, body) = site.json(path).await;
        assert_eq!((status, &body["error"]), (StatusCode::BAD_REQUEST, &"bad_parameter".into()), "{path}");
        assert!(body["message"].as_str().unwrap().starts_with(parameter), "{body}");
    }
    let (status, body) = site.json("/api/v2").await;
    assert_eq!((status, &body["error"]), (StatusCode::NOT_FOUND, &"not_found".into()));
}

#[tokio::test]
async fn what_would_change_something_is_refused() {
    let site = Site::seen(|_| {});
    for path in ["/", "/metrics", "/api/v1/events", "/-/healthy"] {
        let response = site.answer(Request::post(path)).await;
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED, "{path}");
        assert_eq!(response.headers()[header::ALLOW], "GET,HEAD", "{path}");
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(serde_json::from_slice::<Value>(&body).unwrap()["error"], "method_not_allowed", "{path}");
    }
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
}
