//! Names of a store may hold anything: metrics stay parseable, JSON stays JSON, a terminal shows text, a log line stays one.

#![expect(clippy::unwrap_used, reason = "tests may panic")]

#[path = "support/hostile_store.rs"]
mod hostile_store;
#[path = "support/plain_router.rs"]
mod plain_router;
#[path = "support/stores.rs"]
mod stores;
#[path = "support/watcher.rs"]
#[allow(dead_code, reason = "each test uses a part of it")]
mod watcher;

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use http_body_util::BodyExt;
use plain_router::plain_router;
use serde_json::Value;
use tower::ServiceExt;
use watcher::Watcher;

struct Site {
    dir: tempfile::TempDir,
    watcher: Watcher,
}

impl Site {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        hostile_store::make(&path("store"));
        let mut watcher = Watcher::start(&path("store"), &path("logs"), &path("state"));
        watcher.look();
        Self { dir, watcher }
    }

    fn store(&self) -> PathBuf {
        self.dir.path().join("store")
    }

    async fn get(&self, topics_limit: usize, path: &str, accept: &str) -> String {
        let router = plain_router(&self.watcher, &self.store(), topics_limit);
        let request = Request::get(path).header(header::ACCEPT, accept).body(Body::empty()).unwrap();
        let response = router.oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
    }
}

/// The series of a sample line, labels unescaped; fails where the line is none.
fn series(line: &str) -> (String, Vec<(String, String)>) {
    let end = line.find(['{', ' ']).unwrap();
    let (name, mut rest) = line.split_at(end);
    assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'), "{line}");
    let mut labels = Vec::new();
    if let Some(inner) = rest.strip_prefix('{') {
        rest = inner;
        loop {
            let (label, value) = rest.split_once("=\"").unwrap_or_else(|| panic!("{line}"));
            let (mut text, mut chars) = (String::new(), value.char_indices());
            let end = loop {
                match chars.next().unwrap_or_else(|| panic!("{line}")) {
                    (_, '\\') => text.push(match chars.next().unwrap().1 {
                        'n' => '\n',
                        char @ ('\\' | '"') => char,
                        other => panic!("\\{other} in {line}"),
                    }),
                    (at, '"') => break at + 1,
                    (_, char) => text.push(char),
                }
            };
            labels.push((label.to_owned(), text));
            rest = &value[end..];
            match rest.strip_prefix(',') {
                Some(more) => rest = more,
                None => break,
            }
        }
        rest = rest.strip_prefix('}').unwrap_or_else(|| panic!("{line}"));
    }
    let value = rest.strip_prefix(' ').unwrap();
    assert!(value.parse::<f64>().is_ok(), "{line}");
    (name.to_owned(), labels)
}

#[tokio::test]
async fn metrics_stay_parseable_and_no_series_comes_twice() {
    let site = Site::new();
    let open = "application/openmetrics-text;version=1.0.0";
    for (limit, accept) in
        [(50, "text/plain"), (50, open), (2, "text/plain"), (0, open), (1000, "text/plain")]
    {
        let text = site.get(limit, "/metrics", accept).await;
        let mut seen = BTreeSet::new();
        for line in text.split('\n').filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let series = series(line);
            assert!(seen.insert(series), "twice, with a limit of {limit}: {line}");
        }
        if limit == 1000 {
            let topics: BTreeSet<_> =
                seen.iter().flat_map(|(_, labels)| labels).filter(|(name, _)| name == "topic").collect();
            for name in hostile_store::names() {
                let name = name.to_string_lossy().into_owned();
                assert!(
                    name.contains('\u{fffd}') || topics.contains(&("topic".to_owned(), name.clone())),
                    "{name:?}"
                );
            }
        }
        checked_by_promtool(&text, accept);
    }
}

/// By the rules of Prometheus, where its tool is there.
fn checked_by_promtool(text: &str, accept: &str) {
    let Ok(mut tool) = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
    else {
        return;
    };
    if accept == "text/plain" {
        tool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        let output = tool.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    } else {
        tool.kill().unwrap();
        tool.wait().unwrap();
    }
}

#[tokio::test]
async fn json_stays_json_and_has_the_names_as_they_are() {
    let site = Site::new();
    for path in [
        "/api/v1/store",
        "/api/v1/events",
        "/api/v1/preview?version=5.2.0&queues=all",
        "/api/v1/compare?version=5.2.0",
    ] {
        let text = site.get(50, path, "*/*").await;
        let _: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}"));
    }
    let mut topics = BTreeSet::new();
    let mut cursor = String::new();
    loop {
        // Page by page, so that each name is once a cursor.
        let text = site.get(50, &format!("/api/v1/queues?limit=1{cursor}"), "*/*").await;
        let page: Value = serde_json::from_str(&text).unwrap();
        topics.extend(
            page["queues"].as_array().unwrap().iter().map(|row| row["topic"].as_str().unwrap().to_owned()),
        );
        let Some(next) = page["next_cursor"].as_str() else { break };
        let escaped: String = next.bytes().map(|byte| format!("%{byte:02x}")).collect();
        cursor = format!("&cursor={escaped}");
    }
    for name in hostile_store::names().iter().filter_map(|name| name.to_str()) {
        assert!(topics.contains(name), "{name:?} is not among {topics:?}");
    }
}

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rocketmq-store-exporter"));
    command.env_clear();
    command
}

/// Lines of text, and nothing that a terminal obeys.
fn is_plain(what: &str, bytes: &[u8]) {
    let text = std::str::from_utf8(bytes).unwrap_or_else(|_| panic!("{what}: no text"));
    let obeyed = text
        .chars()
        .find(|char| (char.is_control() && *char != '\n') || "\u{202e}\u{2028}\u{200b}".contains(*char));
    assert_eq!(obeyed, None, "{what}: {text:?}");
}

#[test]
fn a_terminal_gets_text_whatever_the_names_are() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["store".as_bytes(), b"st\x1b[2J\nore", "st\u{9b}2J\u{202e}ore".as_bytes(), b"st\xffore"] {
        let root = dir.path().join(std::ffi::OsStr::from_bytes(name));
        hostile_store::make(&root);
        let absent = dir.path().join("absent").join(root.file_name().unwrap());
        let commands: [&[&str]; 6] = [
            &["inspect"],
            &["inspect", "--format=json"],
            &[
                "preview",
                "--broker.version=5.2.0",
                "--set=mappedFileSizeCommitLog=16384",
                "--set=mappedFileSizeConsumeQueue=200",
            ],
            &["preview", "--broker.version=5.2.0"],
            &["preview", "--broker.version=5.2.0", "--format=json", "--queues=all"],
            &["compare", "--broker.version=5.2.0"],
        ];
        for command in commands {
            for root in [&root, &absent] {
                let output = program().args(command).arg("--store.path").arg(root).output().unwrap();
                let what = format!("{command:?} of {}", root.display());
                is_plain(&what, &output.stdout);
                is_plain(&what, &output.stderr);
                assert!([Some(0), Some(3)].contains(&output.status.code()), "{what}: {output:?}");
                if command.contains(&"--format=json") && output.status.code() == Some(0) {
                    let _: Value = serde_json::from_slice(&output.stdout).unwrap();
                }
            }
        }
    }
}

/// The begin of the exporter's own log over a store at `root` that is not there.
fn log_of(root: &Path, state: &Path, format: &str) -> Vec<String> {
    let mut exporter = program()
        .args(["--web.listen-address=127.0.0.1:0", "--log.format", format, "--store.path"])
        .arg(root)
        .arg("--state.path")
        .arg(state)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = Vec::new();
    for line in BufReader::new(exporter.stderr.take().unwrap()).split(b'\n') {
        let line = line.unwrap();
        is_plain(format, &line);
        lines.push(String::from_utf8(line).unwrap());
        if lines.iter().any(|line| line.contains("collector fails"))
            && lines.iter().any(|line| line.contains("listening"))
        {
            break;
        }
    }
    exporter.kill().unwrap();
    exporter.wait().unwrap();
    lines
}

#[test]
fn a_line_of_the_exporters_log_stays_one_whatever_the_names_are() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("st\n\u{1b}[2J\u{9b}2J\u{202e}\"ore");
    let state = dir.path().join("state");
    for line in log_of(&root, &state, "json") {
        let line: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(line["error"].as_str().is_none_or(|error| error.contains("\u{9b}2J")), "{line}");
    }
    for line in log_of(&root, &state, "logfmt") {
        assert!(line.starts_with("ts=") && line.contains(" level="), "{line}");
    }
}
