//! Stores made by real brokers: the forecast is what the broker's own store code then did (see `fixtures/recovery/README.md`).
//!
//! `RECOVERY_FIXTURES` names another directory of cases.

#![allow(clippy::unwrap_used, reason = "a test says by failing what was not there")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use rocketmq_store_exporter::broker::BrokerConf;
use rocketmq_store_exporter::broker::release;
use rocketmq_store_exporter::format::java_properties::JavaProperties;
use rocketmq_store_exporter::recovery::{Budget, Forecast, Question, Reach, Shutdown, Without, forecast};
use rocketmq_store_exporter::store::layout::LogKind;
use serde_json::{Value, json};

/// Cases whose forecast is known to differ, and why.
const KNOWN_DIFFERENCES: [(&str, &str); 0] = [];

/// Kinds of file that recovery decides about.
const FOLLOWED: [&str; 5] = ["commitlog", "consumequeue", "batchconsumequeue", "index", "dledger-"];

struct Case {
    meta: Value,
    store: tempfile::TempDir,
}

impl Case {
    fn unpack(path: &Path) -> Self {
        let store = tempfile::tempdir().unwrap();
        let file = std::fs::File::open(path).unwrap();
        let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(file));
        let mut meta = Value::Null;
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let name = entry.path().unwrap().into_owned();
            if name == Path::new("case.json") {
                meta = serde_json::from_reader(&mut entry).unwrap();
            } else {
                let to = store.path().join(name.strip_prefix("store").unwrap());
                std::fs::create_dir_all(to.parent().unwrap()).unwrap();
                std::io::copy(&mut entry, &mut std::fs::File::create(&to).unwrap()).unwrap();
            }
        }
        // Zeros at the end of files are not packed.
        for (name, len) in meta["lengths"].as_object().unwrap() {
            let to = store.path().join(name);
            if name.ends_with('/') {
                std::fs::create_dir_all(&to).unwrap();
                continue;
            }
            std::fs::create_dir_all(to.parent().unwrap()).unwrap();
            let file = std::fs::OpenOptions::new().create(true).append(true).open(&to).unwrap();
            file.set_len(len.as_u64().unwrap()).unwrap();
        }
        Self { meta, store }
    }

    fn text(&self, key: &str) -> &str {
        self.meta[key].as_str().unwrap()
    }

    fn is_started(&self) -> bool {
        self.text("phase") == "start"
    }

    fn conf(&self) -> BrokerConf {
        let root = self.store.path().display().to_string();
        let mut text = format!("storePathRootDir={root}\ndLegerSelfId=n0\ndLegerGroup=g0\n");
        for part in ["cfg", "broker"] {
            for (key, value) in self.meta[part].as_object().into_iter().flatten() {
                let value = value.as_str().unwrap().replace("<store>", &root);
                writeln!(text, "{key}={value}").unwrap();
            }
        }
        BrokerConf::as_broker_takes_it(&JavaProperties::parse(text.as_bytes()).unwrap()).0
    }

    fn forecast(&self) -> Forecast {
        let question = Question {
            root: self.store.path().to_owned(),
            conf: self.conf(),
            release: release::parse(self.text("version")).unwrap(),
            mode: Some(match self.text("mode") {
                "dledger" => LogKind::DLedger,
                "controller" => LogKind::Controller,
                _ => LogKind::Plain,
            }),
            shutdown: Shutdown::AsFound,
            without: Without::default(),
            reach: if self.is_started() { Reach::Start } else { Reach::Load },
            digest: true,
        };
        forecast(&question, &Budget::default()).unwrap()
    }

    fn files_before(&self) -> BTreeSet<String> {
        self.meta["lengths"].as_object().unwrap().keys().filter(|name| is_followed(name)).cloned().collect()
    }

    /// Field by field, what differs.
    fn differences(&self) -> BTreeMap<&'static str, String> {
        let expected = &self.meta["expected"];
        let found = self.forecast();
        let mut differences = BTreeMap::new();
        let mut compare = |field, expected: Value, found: Value| {
            if expected != found {
                differences.insert(field, format!("broker {expected}, forecast {found}"));
            }
        };
        let load = match found.start.exit_code {
            None => json!(true),
            Some(255) => json!("exit:-1"),
            Some(_) => json!(false),
        };
        let starts = load == json!(true);
        compare("load", expected["load"].clone(), load);
        if !self.is_started() {
            let mut files = self.files_before();
            for gone in &found.files.unlinked {
                files.remove(gone.to_str().unwrap());
            }
            let created = found.files.created.iter().map(|path| path.to_str().unwrap().to_owned());
            files.extend(created.filter(|name| is_followed(name)));
            let expected: BTreeSet<String> = serde_json::from_value(expected["files"].clone()).unwrap();
            let only =
                |a: &BTreeSet<String>, b: &BTreeSet<String>| json!(a.difference(b).collect::<Vec<_>>());
            compare("files", only(&expected, &files), only(&files, &expected));
        }
        if !starts || expected["load"] != json!(true) {
            return differences;
        }
        if !self.is_started() {
            // After start a leader has committed the rest.
            compare("maxPhy", expected["maxPhy"].clone(), json!(found.commitlog.max_offset));
        }
        compare("minPhy", expected["minPhy"].clone(), json!(found.commitlog.min_offset));
        compare("reputStart", expected["reputStart"].clone(), json!(found.reput_from));
        let truncation = found.truncation.filter(|truncation| truncation.fires);
        let numbers = truncation.map(|t| (t.consumequeue_max_physical_offset, t.process_offset));
        compare("truncation", expected["truncation"].clone(), json!(numbers));
        if let Some(ledger) = found.ledger {
            let found = json!({
                "beginIndex": ledger.begin_index, "endIndex": ledger.end_index,
                "committedIndex": ledger.committed_index, "committedPos": ledger.committed_offset,
                "endPos": ledger.end_offset,
            });
            if !self.is_started() {
                compare("ledger", expected["ledger"].clone(), found);
            }
        }
        if !self.is_started() {
            compare("newIndexFiles", expected["new_index_files"].clone(), json!(found.index.begun));
        }
        let mut queues = BTreeMap::new();
        for queue in &found.queues {
            let after = if self.is_started() { queue.after_start.as_ref() } else { Some(&queue.after_load) };
            if let Some(after) = after {
                queues.insert((queue.topic.clone(), i64::from(queue.queue)), (after, queue.next_offset));
            }
        }
        let listed = expected["queues"].as_array().unwrap();
        let key = |queue: &Value| (queue[0].as_str().unwrap().to_owned(), queue[1].as_i64().unwrap());
        let names: Vec<_> = listed.iter().map(key).collect();
        // 4.9.x makes queues without files for all delay levels.
        let is_listed = |queue: &&Value| queue[8] != json!([]) || queues.contains_key(&key(queue));
        let mut sorted: Vec<_> = listed.iter().filter(is_listed).map(key).collect();
        sorted.sort();
        compare("queueNames", json!(sorted), json!(queues.keys().collect::<Vec<_>>()));
        for (expected, name) in listed.iter().zip(&names) {
            let Some((after, next)) = queues.get(name) else { continue };
            let label = |value: &Value| json!([name.0.get(..12.min(name.0.len())), name.1, value]);
            let mut one = |field, at: usize, found: Value| {
                compare(field, label(&expected[at]), label(&found));
            };
            one("queueMin", 2, json!(after.min_offset));
            one("queueMax", 3, json!(after.max_offset));
            one("queueMaxPhysic", 4, json!(after.max_physical_offset));
            one("queueUnits", 6, json!(after.units));
            one("queueSha1", 7, json!(after.units_sha1));
            if !self.is_started() {
                one("queueNext", 5, json!(next));
            }
        }
        if self.is_started() {
            let missing: BTreeMap<String, u64> = found
                .queues
                .iter()
                .filter_map(|queue| Some((format!("{}-{}", queue.topic, queue.queue), queue.units_lost?)))
                .filter(|(_, lost)| *lost > 0)
                .collect();
            compare("lostMessages", expected["lost"]["messages"].clone(), json!(found.messages_with_unit));
            compare("lost", expected["lost"]["perQueue"].clone(), json!(missing));
        }
        differences
    }
}

fn is_followed(name: &str) -> bool {
    let is_log_kind = !name.starts_with("dledger-") || name.contains("/data/") || name.contains("/index/");
    !name.ends_with('/') && is_log_kind && FOLLOWED.iter().any(|prefix| name.starts_with(prefix))
}

fn cases() -> Vec<PathBuf> {
    let dir = std::env::var_os("RECOVERY_FIXTURES")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/recovery"), PathBuf::from);
    let mut paths: Vec<_> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ext| ext == "gz"))
        .collect();
    paths.sort();
    paths
}

#[test]
fn the_forecast_is_what_the_broker_then_did() {
    let (mut report, mut fields) = (String::new(), BTreeMap::new());
    let mut groups: BTreeMap<String, (u32, u32)> = BTreeMap::new();
    let mut wrong = Vec::new();
    let cases = cases();
    for path in &cases {
        let case = Case::unpack(path);
        let name = path.file_name().unwrap().to_str().unwrap().trim_end_matches(".tar.gz");
        let differences = case.differences();
        let group = format!("{} {} {}", case.text("version"), case.text("mode"), case.text("kind"));
        let (right, all) = groups.entry(group).or_default();
        *all += 1;
        let known = KNOWN_DIFFERENCES.iter().find(|(known, _)| *known == name);
        match (differences.is_empty(), known) {
            (true, Some(_)) => wrong.push(format!("{name}: listed as different, and is not any more")),
            (true, None) => *right += 1,
            (false, known) => {
                for (field, text) in &differences {
                    *fields.entry(*field).or_insert(0) += 1;
                    let text: String = text.chars().take(600).collect();
                    writeln!(report, "{name} {}\n    {field}: {text}", case.meta["damage"]).unwrap();
                }
                if known.is_none() {
                    wrong.push(name.to_owned());
                }
            }
        }
    }
    let table: String =
        groups.iter().map(|(group, (right, all))| format!("{group}: {right}/{all}\n")).collect();
    assert!(
        wrong.is_empty(),
        "{report}\n{table}\nfields that differ: {fields:?}\n{} of {} cases differ: {wrong:?}",
        wrong.len(),
        cases.len()
    );
}
