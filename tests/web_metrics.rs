//! `/metrics` is in the form that is asked for, whatever the names in the store.

#![expect(clippy::unwrap_used, reason = "tests may panic")]

#[path = "support/site.rs"]
#[allow(dead_code, reason = "each test uses a part of it")]
mod site;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read;

use axum::http::{StatusCode, header};
use http_body_util::BodyExt;
use rocketmq_store_exporter::observe::picture::Collector;
use site::Site;

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
