//! Every path answers as promised, whatever the store holds.

#![expect(clippy::unwrap_used, reason = "tests may panic")]

#[path = "support/stores.rs"]
mod stores;
#[path = "support/watcher.rs"]
#[allow(dead_code, reason = "each test uses a part of it")]
mod watcher;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use axum::{Router, response::Response};
use http_body_util::BodyExt;
use rocketmq_store_exporter::broker::BrokerConf;
use rocketmq_store_exporter::confine::Confinement;
use rocketmq_store_exporter::metrics::StoreCollector;
use rocketmq_store_exporter::metrics::collector::MetricOptions;
use rocketmq_store_exporter::observe::picture::Collector;
use rocketmq_store_exporter::observe::turns::Turns;
use rocketmq_store_exporter::observe::vitals::{Task, Vitals};
use rocketmq_store_exporter::preview::{Asked, Surroundings};
use rocketmq_store_exporter::watch::wake::Wake;
use rocketmq_store_exporter::web::access::Access;
use rocketmq_store_exporter::web::{Answers, Shared, router};
use serde_json::Value;
use stores::unpack;
use tower::ServiceExt;
use watcher::{Watcher, now};

struct Site {
    dir: tempfile::TempDir,
    watcher: Watcher,
    vitals: Arc<Vitals>,
    turns: Turns,
    router: Router,
}

impl Site {
    /// Over a store that has not been looked at yet.
    fn new(prepare: impl FnOnce(&std::path::Path)) -> Self {
        Self::patient_for(Duration::from_secs(60), prepare)
    }

    /// The same, with so much time for a forecast and for its turn.
    fn patient_for(time: Duration, prepare: impl FnOnce(&std::path::Path)) -> Self {
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
            )),
            access: Arc::new(Access::open()),
            broker: None,
            clock: now,
        };
        Self { dir, watcher, vitals, turns, router: router(shared) }
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
    }
    assert_eq!(site.get("/-/healthy").await.0, StatusCode::OK);
}

#[tokio::test]
async fn every_collector_tells_when_it_last_came_through() {
    let site = Site::seen(|store| fs::create_dir(store.with_file_name("logs")).unwrap());
    let metrics = site.get("/metrics").await.1;
    for collector in Collector::ALL {
        let series = format!(
            "rocketmq_store_collector_last_success_timestamp_seconds{{collector=\"{}\"}} ",
            collector.as_str()
        );
        assert!(metrics.contains(&series), "{series} is missing in {metrics}");
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

#[derive(Debug)]
struct Sample {
    name: String,
    labels: BTreeMap<String, String>,
}

/// Reads a scrape as strictly as the format is written down: every line is a comment that is known, or a sample of the metric
/// that was announced last.
fn samples(text: &str) -> Vec<Sample> {
    let mut samples = Vec::new();
    let mut announced = String::new();
    assert!(text.ends_with('\n'));
    for line in text.trim_end_matches('\n').split('\n') {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert!(["counter", "gauge"].contains(&kind), "{line}");
            announced = name.to_owned();
            continue;
        }
        if line.starts_with("# HELP ") || line == "# EOF" {
            continue;
        }
        let is_of_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let mut rest = line.trim_start_matches(is_of_name);
        let name = line[..line.len() - rest.len()].to_owned();
        assert!(name == announced || name.strip_suffix("_total") == Some(&announced), "{line}");
        let mut labels = BTreeMap::new();
        if let Some(inner) = rest.strip_prefix('{') {
            rest = inner;
            loop {
                let (label, value) = rest.split_once("=\"").unwrap();
                assert!(!label.is_empty() && label.chars().all(is_of_name), "{line}");
                let (mut text, mut chars) = (String::new(), value.chars());
                loop {
                    match chars.next().unwrap() {
                        '"' => break,
                        '\\' => text.push(match chars.next().unwrap() {
                            'n' => '\n',
                            escaped @ ('\\' | '"') => escaped,
                            other => panic!("\\{other} in {line}"),
                        }),
                        c => text.push(c),
                    }
                }
                assert_eq!(labels.insert(label.to_owned(), text), None, "{line}");
                rest = chars.as_str();
                match rest.strip_prefix(',') {
                    Some(more) => rest = more,
                    None => break,
                }
            }
            rest = rest.strip_prefix('}').unwrap_or_else(|| panic!("{line}"));
        }
        let value = rest.strip_prefix(' ').unwrap_or_else(|| panic!("{line}"));
        assert!(value.parse::<f64>().is_ok(), "{line}");
        samples.push(Sample { name, labels });
    }
    samples
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
    for accept in ["text/plain", "application/openmetrics-text; version=1.0.0"] {
        let response = site.get_with("/metrics", &[(header::ACCEPT, accept)]).await;
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        let samples = samples(std::str::from_utf8(&bytes).unwrap());
        let topics: BTreeSet<&str> = samples
            .iter()
            .filter(|sample| sample.name == "rocketmq_store_topic_queues")
            .map(|sample| sample.labels["topic"].as_str())
            .collect();
        for name in ["a\"b\\c", "new\nline", "<script>alert(1)<script>", "主题"] {
            assert!(topics.contains(name), "{name:?} in {topics:?}");
        }
        let series: BTreeSet<_> = samples.iter().map(|sample| (&sample.name, &sample.labels)).collect();
        assert_eq!(series.len(), samples.len(), "no series comes twice");
    }
    let (status, queues) = site.json("/api/v1/queues?limit=10000").await;
    assert_eq!(status, StatusCode::OK);
    assert!(queues["queues"].as_array().unwrap().iter().any(|queue| queue["topic"] == "主题"));
}

#[tokio::test]
async fn the_next_start_is_told_as_the_command_tells_it() {
    let site = Site::seen(|_| {});
    let (status, found) = site.json("/api/v1/preview?version=5.2.0&queues=all").await;
    assert_eq!(status, StatusCode::OK, "{found}");
    assert_eq!(found["schema_version"], 1);
    assert_eq!(found["assumed"]["version"], "5.2.0");
    let total = usize::try_from(found["totals"]["queues"].as_u64().unwrap()).unwrap();
    assert_eq!(found["queues"].as_array().unwrap().len(), total);
    let (_, changed) = site.json("/api/v1/preview?version=5.2.0").await;
    assert!(changed["queues"].as_array().unwrap().len() < found["queues"].as_array().unwrap().len());
    let (_, clean) = site.json("/api/v1/preview?version=5.2.0&shutdown=clean&without=index").await;
    assert_eq!(
        (&clean["assumed"]["shutdown"], &clean["assumed"]["without"]),
        (&"clean".into(), &serde_json::json!(["index"]))
    );
    let (_, set) = site.json("/api/v1/preview?version=5.2.0&set=mappedFileSizeCommitLog%3D4096").await;
    assert_eq!(
        (&set["verdict"], &set["start"]["reason"]),
        (&"refuse_start".into(), &"FILE_WRONG_LENGTH".into())
    );
    let (status, table) = site.json("/api/v1/compare?versions=5.2.0,5.5.0&remedies=true").await;
    assert_eq!(status, StatusCode::OK, "{table}");
    assert_eq!(table["rows"].as_array().unwrap().len(), 2);
    assert_eq!(table["columns"][0], "as_it_stands");
}

#[tokio::test]
async fn a_bad_question_is_refused_with_its_parameter() {
    let site = Site::seen(|_| {});
    for (query, name) in [
        ("version=latest", "version"),
        ("shutdown=dirty", "shutdown"),
        ("set=x", "set"),
        ("set=noSuchKey%3D1", "set"),
        ("without=log", "without"),
        ("queues=some", "queues"),
        ("topic=x", "topic"),
        ("version=5.2.0&version=5.3.0", "version"),
    ] {
        let (status, told) = site.json(&format!("/api/v1/preview?{query}")).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{query}: {told}");
        assert!(told["message"].as_str().unwrap().contains(name), "{query}: {told}");
    }
    for (query, name) in [("versions=5", "versions"), ("remedies=some", "remedies")] {
        let (status, told) = site.json(&format!("/api/v1/compare?{query}")).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{query}: {told}");
        assert!(told["message"].as_str().unwrap().contains(name), "{query}: {told}");
    }
}

#[tokio::test]
async fn an_answer_holds_until_a_file_changes() {
    let site = Site::seen(|_| {});
    let question = "/api/v1/preview?version=5.2.0&queues=all";
    let path = site.dir.path().join("store/consumequeue/T0/0/00000000000000000000");
    let metadata = fs::metadata(&path).unwrap();
    let (_, first) = site.json(question).await;
    fs::write(&path, vec![0; usize::try_from(metadata.len()).unwrap()]).unwrap();
    fs::File::options().write(true).open(&path).unwrap().set_modified(metadata.modified().unwrap()).unwrap();
    let (_, unseen) = site.json(question).await;
    assert_eq!(unseen, first, "nothing that a stamp shows has changed, so nothing was read");
    fs::write(&path, vec![0; usize::try_from(metadata.len()).unwrap()]).unwrap();
    let (_, seen) = site.json(question).await;
    assert_ne!(seen, first);
}

#[tokio::test]
async fn questions_wait_for_their_turn() {
    let site = Site::seen(|_| {});
    let ask = |version: &'static str| site.get_with(version, &[]);
    let turn = site.turns.next().await;
    let waiting = async {
        tokio::join!(
            ask("/api/v1/preview?version=5.2.0"),
            ask("/api/v1/preview?version=5.3.0"),
            ask("/api/v1/preview?version=5.2.0"),
        )
    };
    let mut waiting = std::pin::pin!(waiting);
    assert!(futures_now(waiting.as_mut()).await.is_none(), "somebody else makes a forecast");
    turn.end();
    let (first, second, same) = waiting.await;
    assert_eq!([first.status(), second.status(), same.status()], [StatusCode::OK; 3]);
}

#[tokio::test]
async fn a_question_whose_turn_does_not_come_is_told_to_come_back() {
    let site = Site::patient_for(Duration::from_millis(20), |_| {});
    let ask = |version: &'static str| site.get_with(version, &[]);
    let turn = site.turns.next().await;
    let late = ask("/api/v1/preview?version=5.4.0").await;
    assert_eq!(late.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(late.headers()[header::RETRY_AFTER], "1");
    turn.end();
    assert_eq!(ask("/api/v1/preview?version=5.4.0").await.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_question_whose_client_has_gone_still_takes_its_turn() {
    let site = Site::seen(|_| {});
    let turn = site.turns.next().await;
    let mut gone = Box::pin(site.get_with("/api/v1/preview?version=5.2.0", &[]));
    assert!(futures_now(gone.as_mut()).await.is_none());
    turn.end();
    // Its turn has come, and its forecast begins.
    assert!(futures_now(gone.as_mut()).await.is_none());
    drop(gone);
    let other = site.get_with("/api/v1/preview?version=5.3.0", &[]).await;
    assert_eq!(other.status(), StatusCode::OK);
}

/// What a future gives if it is looked at once.
async fn futures_now<T>(mut future: std::pin::Pin<&mut impl Future<Output = T>>) -> Option<T> {
    std::future::poll_fn(|context| {
        std::task::Poll::Ready(match future.as_mut().poll(context) {
            std::task::Poll::Ready(found) => Some(found),
            std::task::Poll::Pending => None,
        })
    })
    .await
}

#[tokio::test]
async fn without_a_store_there_is_no_answer() {
    let site = Site::seen(|store| fs::remove_dir_all(store).unwrap());
    let (status, told) = site.json("/api/v1/preview?version=5.2.0").await;
    assert_eq!((status, &told["error"]), (StatusCode::SERVICE_UNAVAILABLE, &"not_yet".into()));
}
