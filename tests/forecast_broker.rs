//! Stores made by real brokers: the forecast is what the broker's own store code then did (see `fixtures/recovery/README.md`).

#![allow(clippy::unwrap_used, reason = "a test says by failing what was not there")]

#[path = "support/recovery_case.rs"]
mod recovery_case;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use recovery_case::Case;
use rocketmq_store_exporter::recovery::forecast::LogLine;
use rocketmq_store_exporter::recovery::{Budget, Question, Shutdown, forecast};
use serde_json::{Value, json};

/// Cases whose forecast is known to differ, and why.
const KNOWN_DIFFERENCES: [(&str, &str); 0] = [];

/// Kinds of file that recovery decides about.
const FOLLOWED: [&str; 5] = ["commitlog", "consumequeue", "batchconsumequeue", "index", "dledger-"];

/// Field by field, what differs.
fn differences(case: &Case) -> BTreeMap<&'static str, String> {
    let expected = &case.meta["expected"];
    // What was run is the store's own `load()`, and nobody beside it has a timer to shut down.
    let mut question = case.question();
    question.conf.timer_wheel_enable = false;
    let found = forecast(&question, &Budget::default()).unwrap();
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
    if !case.is_started() {
        let mut files = files_before(case);
        for gone in &found.files.unlinked {
            files.remove(gone.to_str().unwrap());
        }
        let created = found.files.created.iter().map(|path| path.to_str().unwrap().to_owned());
        files.extend(created.filter(|name| is_followed(name)));
        let expected: BTreeSet<String> = serde_json::from_value(expected["files"].clone()).unwrap();
        let only = |a: &BTreeSet<String>, b: &BTreeSet<String>| json!(a.difference(b).collect::<Vec<_>>());
        compare("files", only(&expected, &files), only(&files, &expected));
    }
    if !starts || expected["load"] != json!(true) {
        return differences;
    }
    if !case.is_started() {
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
        if !case.is_started() {
            compare("ledger", expected["ledger"].clone(), found);
        }
    }
    if !case.is_started() {
        compare("newIndexFiles", expected["new_index_files"].clone(), json!(found.index.begun));
        if found.index.begun <= 1 && expected.get("next_index_entry").is_some() {
            // A file that has just been begun says 0, and counts from 1.
            let next = expected["next_index_entry"].as_i64().map(|next| next.max(1));
            compare("nextIndexEntry", json!(next), json!(found.index.next_entry));
        }
    }
    if let Some(expected) = expected.get("dropped").and_then(Value::as_array) {
        let dropped = json!(found.commitlog.messages_dropped);
        if !expected.contains(&dropped) {
            compare("dropped", json!(expected), dropped);
        }
    }
    if let Some(expected) = expected.get("lines").filter(|_| !case.is_started()) {
        let of =
            |prefix: &str| found.log.iter().filter(|line| line.text.starts_with(prefix)).collect::<Vec<_>>();
        let count = |prefix: &str| of(prefix).iter().map(|line| line.count).sum::<u64>();
        let magic: Vec<_> =
            of("found a illegal magic").iter().filter_map(|line| line.text.rsplit(' ').next()).collect();
        let mut found = json!({
            "repeated": count("Maybe try to build"), "below": count("Build consume queue repeatedly"),
            "order": count("[BUG]logic queue order"), "magic": magic, "crc": count("CRC check failed"),
            "dup": count("DupInfo"), "half": count("found a half message"),
            "no_room": count("[BUG]put commit log position info"),
            "ext": count("Save consume queue extend error"),
            "minimum_missing": count("[Bug] Failed to scan consume queue entries"),
            "minimum_failed": count("Exception thrown when correctMinOffset"),
        });
        // Older cases have not counted all.
        found.as_object_mut().unwrap().retain(|name, _| expected.get(name).is_some());
        compare("lines", expected.clone(), found);
    }
    let mut queues = BTreeMap::new();
    for queue in &found.queues {
        let after = if case.is_started() { queue.after_start.as_ref() } else { Some(&queue.after_load) };
        if let Some(after) = after {
            queues.insert((queue.topic.to_string(), i64::from(queue.queue)), (after, queue.next_offset));
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
        if !case.is_started() {
            one("queueNext", 5, json!(next));
        }
    }
    if case.is_started() {
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

fn files_before(case: &Case) -> BTreeSet<String> {
    case.meta["lengths"].as_object().unwrap().keys().filter(|name| is_followed(name)).cloned().collect()
}

fn is_followed(name: &str) -> bool {
    let is_log_kind = !name.starts_with("dledger-") || name.contains("/data/") || name.contains("/index/");
    !name.ends_with('/') && is_log_kind && FOLLOWED.iter().any(|prefix| name.starts_with(prefix))
}

#[test]
fn the_forecast_is_what_the_broker_then_did() {
    let (mut report, mut fields) = (String::new(), BTreeMap::new());
    let mut groups: BTreeMap<String, (u32, u32)> = BTreeMap::new();
    let mut wrong = Vec::new();
    let cases = Case::all();
    for path in &cases {
        let case = Case::unpack(path);
        let name = path.file_name().unwrap().to_str().unwrap().trim_end_matches(".tar.gz");
        let differences = differences(&case);
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

#[test]
fn a_foreign_name_among_index_files_is_told_as_the_broker_tells_it() {
    let case = Case::named("5.5.0-ext-plain-d101x1");
    let path = case.root().join("index/zz");
    let text = format!("load file {} error NumberFormatException: For input string: \"zz\"", path.display());
    let told = case.forecast().log.into_iter().filter(|line| line.text == text && line.level == "ERROR");
    assert_eq!(told.count(), 1);
}

#[test]
fn a_foreign_name_among_segments_is_told_as_the_broker_tells_it() {
    let case = Case::named("5.2.0-plain-f0");
    std::fs::write(case.root().join("commitlog/.hidden"), vec![0; 16384]).unwrap();
    let found = case.forecast();
    assert_eq!(found.start.reason, Some("FILE_FOREIGN_NAME"));
    let text = "load exception NumberFormatException: For input string: \".hidden\"";
    assert!(found.log.iter().any(|line| line.text == text && line.level == "ERROR"), "{:?}", found.log);
}

#[test]
fn a_log_that_is_mapped_for_reading_alone_cannot_be_closed_by_a_migration() {
    let case = Case::named("4.9.4-base-dledger-d9001x24");
    let mut question = case.question();
    question.release = (5, 4, 0);
    // The end of the last segment is torn, so that a blank has to be written there.
    let last = case.root().join("commitlog/00000000000000131072");
    std::fs::write(last, vec![0; 65536]).unwrap();
    let reason = |question: &_| forecast(question, &Budget::default()).unwrap().start.reason;
    assert_eq!(reason(&question), None);
    question.conf.write_without_mmap = true;
    assert_eq!(reason(&question), Some("LOAD_EXCEPTION"));
    question.release = (5, 3, 3);
    assert_eq!(reason(&question), None);
}

#[test]
fn queue_files_of_the_wrong_length_are_told_of_both_kinds_of_queues() {
    let case = Case::named("5.0.0-batch-dledger-d9201x0");
    let log = case.forecast().log;
    for (path, len) in [
        ("consumequeue/SCHEDULE_TOPIC_XXXX/8/00000000000000000000", 460),
        ("batchconsumequeue/B0/0/00000000000000000460", 200),
    ] {
        let text = format!(
            "{}\t{len} length not matched message store config value, please check it manually",
            case.root().join(path).display()
        );
        assert_eq!(log.iter().filter(|line| line.text == text).count(), 1, "{text}: {log:?}");
    }
}

#[test]
fn a_half_message_is_told_with_the_length_of_its_body_as_written() {
    let log = Case::named("5.3.3-plain-plain-d9201x14").forecast().log;
    assert!(log.iter().any(|line| line.text.contains(", bodyLen=-1, ")), "{log:?}");
}

/// Those lines of the log that are wanted.
fn texts(question: &Question, is_wanted: impl Fn(&LogLine) -> bool) -> Vec<String> {
    let log = forecast(question, &Budget::default()).unwrap().log;
    log.into_iter().filter(is_wanted).map(|line| line.text).collect()
}

#[test]
fn a_gap_among_segments_is_told_by_releases_that_look_for_one() {
    let case = Case::named("5.2.0-plain-f0");
    let segment = |base: i64| case.root().join(format!("commitlog/{base:020}"));
    std::fs::remove_file(segment(16384)).unwrap();
    let mut question = case.question();
    let mut told = |release| {
        question.release = release;
        texts(&question, |line| line.text.starts_with("[BUG]The mappedFile queue's data is damaged"))
    };
    let text = format!(
        "[BUG]The mappedFile queue's data is damaged, the adjacent mappedFile's offset don't match. pre file {}, cur file {}",
        segment(0).display(),
        segment(32768).display()
    );
    assert_eq!(told((5, 2, 0)), [text]);
    assert!(told((4, 9, 7)).is_empty());
}

#[test]
fn what_the_ledgers_library_prints_is_told() {
    let case = Case::named("4.9.7-dledger-o3");
    let data = |base: i64| case.root().join(format!("dledger-n0/data/{base:020}"));
    let told = || texts(&case.question(), |line| line.level != "INFO");
    let without_index = format!("Compare data to index failed {}", data(65536).display());
    assert!(told().contains(&without_index), "{:?}", told());
    std::fs::rename(data(65536), data(32768)).unwrap();
    let gap = format!(
        "[BUG]The mappedFile queue's data is damaged, the adjacent mappedFile's offset don't match pre file {}, cur file {}",
        data(0).display(),
        data(32768).display()
    );
    assert_eq!(told()[0], gap);
    std::fs::write(data(32768), "").unwrap();
    let length = format!(
        "{}\t0 length not matched message store config value, please check it manually. You should delete old files before changing mapped file size",
        data(32768).display()
    );
    let exit = "Load file failed, this usually indicates fatal error, you should check it manually";
    assert_eq!(told(), [length.as_str(), exit]);
}

#[test]
fn states_that_load_does_not_reach_are_told_by_releases_that_have_them() {
    let case = Case::named("5.2.0-plain-f0");
    std::fs::write(case.root().join("commitlog/00000000000000000000"), "short").unwrap();
    let mut question = case.question();
    let mut told = |release, compaction| {
        question.release = release;
        question.conf.enable_compaction = compaction;
        texts(&question, |line| line.text.contains("transition"))
    };
    let line = |state| format!("MessageStoreState transition from LOAD_BEGIN to {state} failed");
    let [log, queues, compaction] =
        ["LOAD_COMMITLOG_OK", "LOAD_CONSUME_QUEUE_OK", "LOAD_COMPACTION_OK"].map(line);
    assert!(told((5, 3, 3), true).is_empty());
    assert_eq!(told((5, 3, 4), true), [log.clone(), queues.clone(), compaction]);
    assert_eq!(told((5, 5, 0), false), [log, queues]);
}

#[test]
fn an_offset_of_delayed_messages_outside_of_its_queue_is_told_by_releases_that_correct_it() {
    let case = Case::named("4.9.7-start-dledger-s3");
    std::fs::create_dir_all(case.root().join("config")).unwrap();
    std::fs::write(case.root().join("config/delayOffset.json"), "{\"offsetTable\":{1:-1,18:9000}}").unwrap();
    let mut question = case.question();
    let mut told = |release| {
        question.release = release;
        texts(&question, |line| line.text.contains("delay"))
    };
    let corrected = told((4, 9, 7));
    assert_eq!(corrected.len(), 2, "{corrected:?}");
    assert!(corrected[0].starts_with("correct delay offset [ delayLevel 1 ] from -1 to "), "{corrected:?}");
    assert!(
        corrected[1].starts_with("correct delay offset [ delayLevel 18 ] from 9000 to "),
        "{corrected:?}"
    );
    assert!(told((5, 0, 0)).is_empty());
}

#[test]
fn a_confirm_offset_is_refused_in_dledger_mode() {
    let log = Case::named("5.0.0-batch-dledger-d9201x0").question();
    let told = |release| {
        let found = forecast(&Question { release, ..log.clone() }, &Budget::default()).unwrap();
        found.log.iter().any(|line| line.text == "Should not set confirm offset 0 for dleger commitlog")
    };
    assert!(!told((5, 1, 0)));
    assert!(told((5, 1, 4)));
}

#[test]
fn a_filler_with_the_smallest_length_ends_the_log_as_the_broker_computes_its_bounds() {
    let case = Case::named("5.2.0-plain-f0");
    let path = case.root().join(format!("commitlog/{:020}", 0));
    let mut bytes = std::fs::read(&path).unwrap();
    let magic = bytes.windows(4).rposition(|word| word == [0xCB, 0xD4, 0x31, 0x94]).unwrap();
    bytes[magic - 4..magic].copy_from_slice(&i32::MIN.to_be_bytes());
    std::fs::write(&path, bytes).unwrap();
    std::fs::remove_file(case.root().join("checkpoint")).unwrap();
    let end = |release| {
        let question = Question { release, shutdown: Shutdown::Unclean, ..case.question() };
        forecast(&question, &Budget::default()).unwrap().commitlog.max_offset
    };
    let filler = i64::try_from(magic).unwrap() - 4;
    assert_eq!([(5, 3, 2), (5, 5, 0), (5, 5, 1)].map(end), [filler; 3]);
    assert!(end((5, 3, 1)) > filler, "it takes the magic alone");
}
