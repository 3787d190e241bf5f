//! `/-/healthy` and `/-/ready` tell of the exporter alone, and so does what it says of itself.

#![expect(clippy::unwrap_used, reason = "tests may panic")]

#[path = "support/site.rs"]
#[allow(dead_code, reason = "each test uses a part of it")]
mod site;

use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use rocketmq_store_exporter::confine::Part;
use rocketmq_store_exporter::observe::vitals::Task;
use rocketmq_store_exporter::watch::wake::Wake;
use site::Site;

#[tokio::test]
async fn health_depends_on_nothing() {
    let site = Site::new(|_| {});
    fs::remove_dir_all(site.dir.path().join("store")).unwrap();
    for path in ["/-/healthy", "/-/ready", "/", "/metrics", "/api/v1/store", "/api/v1/events"] {
        assert_eq!(site.get(path).await.0, StatusCode::OK, "{path}");
    }
}

#[tokio::test]
async fn a_task_that_hangs_makes_the_exporter_unhealthy_and_is_named() {
    let site = Site::seen(|_| {});
    let (release, released) = std::sync::mpsc::channel::<()>();
    let vitals = Arc::clone(&site.vitals);
    let (mut wake, _waker) = Wake::new();
    let task = std::thread::spawn(move || {
        vitals.keep_running(Task::Pass, Duration::from_millis(1), &mut wake, |_| {
            let _ = released.recv();
        });
    });
    while site.vitals.stuck(Instant::now()).is_empty() {
        std::thread::yield_now();
    }
    let (status, text) = site.get("/-/healthy").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(text.starts_with("pass has given no sign of life for "), "{text}");
    assert_eq!(site.get("/-/ready").await.0, StatusCode::OK);
    let metrics = site.get("/metrics").await.1;
    assert!(metrics.contains("rocketmq_store_exporter_task_stuck{task=\"pass\"} 1\n"), "{metrics}");
    let own = site.json("/api/v1/store").await.1["exporter"]["tasks"].clone();
    assert!(own["pass"]["stuck_ms"].as_u64().unwrap() > 1, "{own}");
    assert!(own["tail"]["stuck_ms"].is_null(), "{own}");
    release.send(()).unwrap();
    task.join().unwrap();
    assert_eq!(site.get("/-/healthy").await, (StatusCode::OK, "healthy\n".to_owned()));
}

#[tokio::test]
async fn a_task_that_panics_is_counted_at_the_metrics_and_started_again() {
    let site = Site::seen(|_| {});
    let (mut wake, _waker) = Wake::new();
    let mut runs = 0;
    site.vitals.keep_running(Task::Tail, Duration::from_secs(60), &mut wake, |_| {
        runs += 1;
        assert!(runs > 1, "the first run ends badly");
    });
    let metrics = site.get("/metrics").await.1;
    for (task, panics) in [("tail", 1), ("pass", 0)] {
        let line = format!("rocketmq_store_exporter_panics_total{{task=\"{task}\"}} {panics}\n");
        assert!(metrics.contains(&line), "{metrics}");
        assert_eq!(site.json("/api/v1/store").await.1["exporter"]["tasks"][task]["panics"], panics, "{task}");
    }
    assert_eq!(site.get("/-/healthy").await.0, StatusCode::OK);
}

#[tokio::test]
async fn an_exporter_that_is_not_confined_says_so_of_each_part() {
    let own = Site::new(|_| {}).json("/api/v1/store").await.1["exporter"].clone();
    for part in Part::ALL {
        assert_eq!(own["confined"][part.as_str()], false, "{own}");
    }
    assert_eq!(own["confinement_gaps"], serde_json::json!([]));
}
