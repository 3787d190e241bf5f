//! What lies beside log, queues and index and decides about a start: tables, the timer's files, keys of the properties. The
//! outcomes are those of real brokers (see `fixtures/tables/README.md`).

#![allow(clippy::unwrap_used, reason = "a test says by failing what was not there")]

#[path = "support/recovery_case.rs"]
mod recovery_case;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use recovery_case::Case;
use rocketmq_store_exporter::broker::release::{self, Release};
use rocketmq_store_exporter::broker::{BrokerConf, StoreType};
use rocketmq_store_exporter::recovery::release::Rules;
use rocketmq_store_exporter::recovery::reput::waits_for_confirm;
use rocketmq_store_exporter::recovery::{Budget, Forecast, Question, Verdict, forecast, table_form};
use rocketmq_store_exporter::store::layout::LogKind;
use serde::Deserialize;

const STORE: &str = "5.2.0-plain-f0";

fn told(case: &Case, release: Release, change: impl FnOnce(&mut Question)) -> Forecast {
    let mut question = Question { release, ..case.question() };
    change(&mut question);
    forecast(&question, &Budget::default()).unwrap()
}

fn with(files: &[(&str, &[u8])]) -> Case {
    let case = Case::named(STORE);
    for (name, bytes) in files {
        let path = case.root().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    case
}

fn exit_code(files: &[(&str, &[u8])], release: Release) -> Option<i32> {
    told(&with(files), release, |_| {}).start.exit_code
}

/// Texts by table, and which of them each release takes.
#[derive(Deserialize)]
struct Tables {
    texts: BTreeMap<String, BTreeMap<String, String>>,
    takes: BTreeMap<String, BTreeMap<String, Vec<String>>>,
}

#[test]
fn a_table_is_taken_where_the_release_took_it() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tables/tables.json");
    let tables: Tables = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    let (mut count, mut wrong) = (0, Vec::new());
    for (version, takes) in &tables.takes {
        for (table, taken) in takes {
            for (name, text) in &tables.texts[table] {
                let found = table_form::read(table, release::parse(version).unwrap(), text.as_bytes());
                let is_unsure = found.is_none() && table_form::is_lenient(text.as_bytes());
                // Words without a colon, and strings that are cut off.
                assert!(
                    !is_unsure || !name.starts_with("w_") && !name.starts_with("s_cut"),
                    "{table} {name}"
                );
                if !is_unsure && found.is_some() != taken.contains(name) {
                    wrong.push(format!("{version} {table} {name}: {text:?} is taken: {}", found.is_some()));
                }
                count += 1;
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {count}: {wrong:#?}", wrong.len());
    assert!(count > 5_000, "{count} texts");
}

#[test]
fn a_damaged_backup_of_a_missing_or_empty_table_was_taken_for_a_start() {
    for release in [(5, 2, 0), (5, 5, 0)] {
        let code = if release < (5, 4, 0) { 255 } else { 253 };
        assert_eq!(exit_code(&[("config/topics.json.bak", b"{")], release), Some(code));
        let both: &[(&str, &[u8])] = &[("config/topics.json", b""), ("config/topics.json.bak", b"{")];
        assert_eq!(exit_code(both, release), Some(code));
    }
}

#[test]
fn an_array_without_elements_was_taken_for_damage_in_all_releases() {
    let both: &[(&str, &[u8])] = &[("config/topics.json", b"[]"), ("config/topics.json.bak", b"[]")];
    assert_eq!(exit_code(both, (5, 2, 0)), None);
    assert_eq!(exit_code(both, (5, 5, 0)), Some(253));
}

#[test]
fn a_light_broker_reads_its_offsets_from_another_table() {
    let both: &[(&str, &[u8])] =
        &[("config/consumerOffset.json", b"{"), ("config/consumerOffset.json.bak", b"{")];
    let case = with(both);
    assert_eq!(told(&case, (5, 2, 0), |_| {}).start.exit_code, Some(255));
    assert_eq!(told(&case, (5, 2, 0), |question| question.conf.enable_lmq = true).start.exit_code, None);
}

#[test]
fn a_table_that_a_new_release_unlinks_was_not_among_the_files_that_go() {
    let case = with(&[("config/topics.json", b"{")]);
    let unlinked = |release| told(&case, release, |_| {}).files.unlinked;
    let table = PathBuf::from("config/topics.json");
    assert!(!unlinked((5, 3, 3)).contains(&table));
    assert!(unlinked((5, 4, 0)).contains(&table));
}

#[test]
fn the_timers_files_end_a_start_as_they_ended_real_brokers() {
    let timer_log = format!("timerlog/{:020}", 0);
    let both: &[(&str, &[u8])] = &[("config/timermetrics", b"{"), ("config/timermetrics.bak", b"{")];
    for (files, old, new) in [
        (&[("timerwheel", &[0; 100][..])][..], Some(255), Some(253)),
        (&[(timer_log.as_str(), &[0; 100])], Some(253), Some(253)),
        (&[(timer_log.as_str(), &[])], None, None),
        (&[("timerlog/notes", &[0; 5200])], Some(255), Some(255)),
        (&[("config/timercheck/file", b"")], Some(253), Some(253)),
        (both, Some(253), Some(253)),
    ] {
        let case = with(files);
        let small = |question: &mut Question| question.conf.mapped_file_size_timer_log = 5200;
        assert_eq!(told(&case, (5, 2, 0), small).start.exit_code, old, "5.2.0 {}", files[0].0);
        assert_eq!(told(&case, (5, 5, 0), small).start.exit_code, new, "5.5.0 {}", files[0].0);
        let off = |question: &mut Question| question.conf.timer_wheel_enable = false;
        assert_eq!(told(&case, (5, 2, 0), off).start.exit_code, None, "without timer: {}", files[0].0);
        assert_eq!(told(&case, (4, 9, 7), |_| {}).start.exit_code, None, "before timers: {}", files[0].0);
    }
}

#[test]
fn files_that_every_start_makes_were_not_among_those_that_come() {
    let case = Case::named(STORE);
    for name in ["lock", "checkpoint"] {
        let _ = fs::remove_file(case.root().join(name));
    }
    let made = |release| -> Vec<String> {
        let created = told(&case, release, |_| {}).files.created;
        let names = created.iter().map(|path| path.to_str().unwrap().to_owned());
        names.filter(|name| !name.starts_with("consumequeue")).collect()
    };
    assert_eq!(made((5, 2, 0)), ["checkpoint", "lock"]);
    assert_eq!(made((4, 9, 7)), ["checkpoint", "lock"]);
}

#[test]
fn a_topic_with_dots_for_a_name_had_its_files_beside_where_they_come() {
    let case = Case::named(STORE);
    let log = case.root().join("commitlog").join(format!("{:020}", 0));
    let mut bytes = fs::read(&log).unwrap();
    // The first message's topic, two bytes long.
    let at = 88 + usize::try_from(u32::from_be_bytes(bytes[84..88].try_into().unwrap())).unwrap();
    assert_eq!((bytes[at], bytes[at + 1]), (2, b'T'));
    bytes[at + 1..at + 3].copy_from_slice(b"..");
    fs::write(&log, bytes).unwrap();
    let _ = fs::remove_file(case.root().join("checkpoint"));
    let found = told(&case, (5, 2, 0), |_| {});
    assert!(found.queues.iter().any(|queue| &*queue.topic == ".."), "it is dispatched again");
    let created: Vec<_> = found.files.created.iter().map(|path| path.to_str().unwrap()).collect();
    assert!(
        created.iter().any(|path| path.starts_with("0/0000")
            || path.starts_with("1/0000")
            || path.starts_with("2/0000")),
        "{created:?}"
    );
    assert!(created.iter().all(|path| !path.contains("..")), "{created:?}");
}

#[test]
fn a_bad_delay_level_ends_the_start() {
    let case = Case::named(STORE);
    for (levels, code) in [("1s 5x", Some(253)), ("1s  5s", Some(253)), ("1s 2d", None)] {
        for release in [(4, 9, 7), (5, 2, 0), (5, 5, 0)] {
            let found =
                told(&case, release, |question| levels.clone_into(&mut question.conf.message_delay_level));
            assert_eq!(found.start.exit_code, code, "{levels} {release:?}");
        }
    }
}

#[test]
fn keys_that_only_newer_releases_know_changed_the_answer_of_older_ones() {
    let case = Case::named(STORE);
    let entries = |release| {
        told(&case, release, |question| question.conf.index_file_write_enable = false).index.next_entry
    };
    assert_eq!(entries((5, 3, 3)), told(&case, (5, 3, 3), |_| {}).index.next_entry);
    assert_ne!(entries((5, 4, 0)), told(&case, (5, 4, 0), |_| {}).index.next_entry);
}

#[test]
fn dispatch_that_reads_uncommitted_was_said_to_wait_for_the_confirm_offset() {
    let mut conf = Case::named(STORE).conf();
    conf.duplication_enable = true;
    let waits =
        |conf: &BrokerConf, release| waits_for_confirm(conf, &Rules::of(release).unwrap(), LogKind::Plain);
    assert!(waits(&conf, (5, 3, 0)));
    conf.read_un_committed = true;
    assert!(!waits(&conf, (5, 3, 0)));
    assert!(waits(&conf, (5, 2, 0)), "the key is not known yet");
}

#[test]
fn an_empty_segment_that_loading_deletes_was_not_among_the_segments_that_go() {
    let case = Case::named("5.2.0-multipath-plain-r0");
    let found = told(&case, (5, 2, 0), |_| {});
    assert_eq!(found.commitlog.segments_unlinked, [Path::new("commitlog2/00000000000000065536")]);
}

#[test]
fn of_two_segments_with_one_name_the_last_by_path_was_taken_for_the_last_that_the_broker_takes() {
    let case = Case::named("5.2.0-multipath-plain-r0");
    let other = case.root().join("commitlog");
    fs::create_dir_all(&other).unwrap();
    fs::write(other.join("00000000000000065536"), [0; 16]).unwrap();
    let found = told(&case, (5, 2, 0), |_| {});
    assert_eq!(found.verdict, Verdict::Inconclusive);
    assert!(found.not_modelled[0].contains("two directories have a file 00000000000000065536"));
}

#[test]
fn what_is_not_modelled_is_named_where_it_can_matter() {
    let case = with(&[("compaction/compactionLog/T/0/file", b"")]);
    let notes = |release, set: fn(&mut Question)| told(&case, release, set).not_modelled;
    let is_said = |notes: Vec<String>, what: &str| notes.iter().any(|note| note.starts_with(what));
    assert!(is_said(notes((5, 2, 0), |_| {}), "compaction/"));
    assert!(!is_said(notes((5, 0, 0), |_| {}), "compaction/"));
    assert!(!is_said(notes((5, 2, 0), |question| question.conf.enable_compaction = false), "compaction/"));
    let apart: fn(&mut Question) = |question| question.conf.enable_build_consume_queue_concurrently = true;
    assert!(is_said(notes((5, 1, 0), apart), "enableBuildConsumeQueueConcurrently"));
    assert!(!is_said(notes((5, 0, 0), apart), "enableBuildConsumeQueueConcurrently"));
}

/// The start with this `queue.type` for the topic of a fixture that has queues, or for one that has none.
fn with_kind(topic: &str, kind: &str, release: Release) -> Forecast {
    let table = format!(r#"{{"topicConfigTable":{{"{topic}":{{"attributes":{{"queue.type":{kind}}}}}}}}}"#);
    told(&with(&[("config/topics.json", table.as_bytes())]), release, |_| {})
}

#[test]
fn a_queue_type_that_is_no_kind_of_queue_was_taken_for_a_simple_queue() {
    let case = Case::named(STORE);
    let topic = told(&case, (5, 2, 0), |_| {}).queues[0].topic.clone();
    for (kind, word) in [
        (r#""batchcq""#, "No enum constant org.apache.rocketmq.common.attribute.CQType.batchcq"),
        (r#""""#, "No enum constant org.apache.rocketmq.common.attribute.CQType."),
        ("7", "No enum constant org.apache.rocketmq.common.attribute.CQType.7"),
        ("null", "Name is null"),
    ] {
        for release in [(5, 0, 0), (5, 2, 0), (5, 5, 0)] {
            let found = with_kind(&topic, kind, release);
            assert_eq!(found.start.reason, Some("QUEUE_KIND_UNKNOWN"), "{kind} {release:?}");
            assert!(
                found.log.iter().any(|line| line.level == "ERROR" && line.text.ends_with(word)),
                "{kind}"
            );
            assert_eq!(with_kind("nobody", kind, release).start.reason, None, "a topic without queues");
        }
        assert_eq!(with_kind(&topic, kind, (4, 9, 7)).start.reason, None, "{kind} before there were kinds");
    }
}

#[test]
fn a_queue_in_rocksdb_was_taken_for_one_in_files() {
    let topic = told(&Case::named(STORE), (5, 2, 0), |_| {}).queues[0].topic.clone();
    let reason = |release| with_kind(&topic, r#""RocksDBCQ""#, release).start.reason;
    assert_eq!(reason((5, 1, 4)), Some("QUEUE_KIND_UNKNOWN"));
    assert_eq!(reason((5, 2, 0)), Some("QUEUE_KIND_MISMATCH"));
}

#[test]
fn rocksdb_and_controller_mode_were_honoured_by_releases_that_do_not_know_them() {
    let case = Case::named(STORE);
    let rocksdb: fn(&mut Question) = |question| question.conf.store_type = StoreType::DefaultRocksDb;
    assert_ne!(told(&case, (5, 0, 0), rocksdb).verdict, Verdict::Inconclusive);
    assert_eq!(told(&case, (5, 2, 0), rocksdb).verdict, Verdict::Inconclusive);
    let controller: fn(&mut Question) = |question| {
        question.mode = None;
        question.conf.enable_controller_mode = true;
    };
    assert_eq!(told(&case, (4, 9, 7), controller).mode, LogKind::Plain);
    assert_eq!(told(&case, (5, 0, 0), controller).mode, LogKind::Controller);
}

#[test]
fn a_table_with_a_comment_was_said_to_end_a_start_that_takes_it() {
    for text in [
        "// note\n{}",
        "{/* note */}",
        "{'dataVersion':{}}",
        r#"{"topicConfigTable":{},}"#,
        "{dataVersion:{}}",
    ] {
        let both: &[(&str, &[u8])] =
            &[("config/topics.json", text.as_bytes()), ("config/topics.json.bak", text.as_bytes())];
        for release in [(4, 9, 7), (5, 2, 0), (5, 5, 0)] {
            let found = told(&with(both), release, |_| {});
            assert_eq!(found.verdict, Verdict::Inconclusive, "{text} {release:?}");
            assert!(found.not_modelled[0].starts_with("config/topics.json is no JSON"), "{text}");
        }
    }
}

#[test]
fn positions_of_compacted_topics_that_are_damaged_are_unlinked_by_new_releases_and_refuse_nothing() {
    let case = with(&[("compaction/position-checkpoint", b"{")]);
    let path = PathBuf::from("compaction/position-checkpoint");
    for (release, is_gone) in [((5, 0, 0), false), ((5, 3, 3), false), ((5, 4, 0), true), ((5, 5, 1), true)] {
        let found = told(&case, release, |_| {});
        assert_eq!(
            (found.start.exit_code, found.files.unlinked.contains(&path)),
            (None, is_gone),
            "{release:?}"
        );
    }
    let off = told(&case, (5, 4, 0), |question| question.conf.enable_compaction = false);
    assert!(!off.files.unlinked.contains(&path));
}
