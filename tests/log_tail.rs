//! The logs of a broker as a stream of events, from the begin of its last start on.

#![allow(clippy::unwrap_used, reason = "a test may panic, its helpers too")]

#[path = "support/tail.rs"]
mod tail;

use std::fs;
use std::path::Path;

use rocketmq_store_exporter::format::log_line::Level;
use rocketmq_store_exporter::watch::{Event, LogFile, LogTail, Occurrence, PhaseHint, TailPosition};
use tail::{LogDir, pack};

fn fixture(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/log").join(name)).unwrap()
}

fn poll(tail: &mut LogTail) -> Vec<Occurrence> {
    let mut seen = Vec::new();
    for _ in 0..20 {
        let report = tail.poll(&mut |occurrence| seen.push(occurrence));
        assert_eq!(report.failed_logs, 0, "{:?}", LogFile::ALL.map(|log| &tail.stats(log).last_error));
        if report.caught_up {
            return seen;
        }
    }
    panic!("does not come to an end");
}

fn count(seen: &[Occurrence], event: Event) -> usize {
    seen.iter().filter(|occurrence| occurrence.event == event).count()
}

fn restart(logs: &LogDir, tail: &LogTail) -> LogTail {
    let saved: TailPosition =
        serde_json::from_str(&serde_json::to_string(&tail.position()).unwrap()).unwrap();
    LogTail::new(&logs.path(), Some(saved))
}

#[test]
fn an_index_loss_is_told_from_all_three_logs() {
    let logs = LogDir::new();
    logs.append(&fixture("5.2.0-dledger-killed.store.log"));
    fs::write(logs.path().join("storeerror.log"), fixture("5.2.0-dledger-segments.storeerror.log")).unwrap();
    let default = "2026-11-23 14:00:00 INFO main - Recover to get committed index=1 from checkpoint\n"
        .to_owned()
        + &fixture("5.2.0-dledger-killed.broker_default.log");
    fs::write(logs.path().join("broker_default.log"), default).unwrap();
    let mut tail = LogTail::new(&logs.path(), None);
    let seen = poll(&mut tail);
    assert_eq!(seen.first().unwrap().event, Event::StartBegun);
    for (event, times) in [
        (Event::ShutdownUnclean, 1),
        (Event::DupInfoFailed, 1),
        (Event::DirtyLogicTruncated, 1),
        (Event::FileDeleted, 14),
        (Event::LogicFileDestroyed, 14),
        (Event::IndexDestroyed, 1),
        (Event::LoadOk, 1),
        (Event::OffsetNotMatched, 5),
        // The one from before the start is left out.
        (Event::DledgerCommitted, 1),
    ] {
        assert_eq!(count(&seen, event), times, "{event}");
    }
    let stats = tail.stats(LogFile::Store);
    assert_eq!(stats.lines.iter().sum::<u64>(), 212);
    assert_eq!((stats.unparsed_lines, stats.unread_bytes), (0, 0));
    assert!(stats.last_line_at.is_some());
}

#[test]
fn only_the_last_start_is_told() {
    let logs = LogDir::new();
    logs.append(&fixture("5.5.0-dledger-twice.store.log"));
    let seen = poll(&mut LogTail::new(&logs.path(), None));
    assert_eq!((count(&seen, Event::ShutdownUnclean), count(&seen, Event::ShutdownClean)), (0, 1));
    assert!(seen[0].text.starts_with("MessageStoreState initialized"), "{}", seen[0].text);
}

#[test]
fn a_start_is_found_in_rotated_files() {
    let text = fixture("5.3.3-dledger-killed.store.log");
    let lines: Vec<_> = text.split_inclusive('\n').collect();
    for cut in [3, 40, 90, lines.len() - 1] {
        let logs = LogDir::new();
        logs.append("2026-11-23 10:00:00 INFO main - [STORETPS] put_tps 0\n");
        logs.append(&lines[..cut].concat());
        logs.rotate_by_gzip();
        logs.append(&lines[cut..].concat());
        let seen = poll(&mut LogTail::new(&logs.path(), None));
        assert!(count(&seen, Event::StoreRunning) == 0, "cut at {cut}");
        assert_eq!(
            (count(&seen, Event::ShutdownUnclean), count(&seen, Event::LoadOk)),
            (1, 1),
            "cut at {cut}"
        );
    }
}

#[test]
fn a_restart_tells_nothing_twice() {
    let text = fixture("5.2.0-dledger-killed.store.log");
    let all = {
        let logs = LogDir::new();
        logs.append(&text);
        poll(&mut LogTail::new(&logs.path(), None))
    };
    let lines: Vec<_> = text.split_inclusive('\n').collect();
    let logs = LogDir::new();
    let mut tail = LogTail::new(&logs.path(), None);
    let mut seen = poll(&mut tail);
    for (index, piece) in lines.chunks(20).enumerate() {
        logs.append(&piece.concat());
        if index % 3 == 1 {
            logs.rotate_by_gzip();
        }
        tail = restart(&logs, &tail);
        seen.extend(poll(&mut tail));
    }
    assert_eq!(seen.len(), all.len());
    assert_eq!(seen, all);
}

#[test]
fn all_lines_of_a_broker_that_has_never_loaded_are_told() {
    let logs = LogDir::new();
    let mut tail = LogTail::new(&logs.path(), None);
    assert!(poll(&mut tail).is_empty());
    logs.append("2026-11-23 15:00:00 INFO StoreStatsService - [STORETPS] put_tps 0\n");
    fs::write(logs.path().join("storeerror.log"), "2026-11-23 15:00:01 ERROR main - load exception\n")
        .unwrap();
    let seen = poll(&mut tail);
    assert_eq!(seen.len(), 2);
    assert_eq!(
        (seen[1].level, seen[1].log, seen[1].phase),
        (Level::Error, LogFile::StoreError, Some(PhaseHint::Failed))
    );
}

#[test]
fn lines_that_are_none_are_counted_apart() {
    let logs = LogDir::new();
    logs.append("2026-11-23 15:00:00 ERROR main - load exception\n");
    logs.append(
        "java.lang.RuntimeException: The queue type of topic: B1 should be BatchCQ, but is SimpleCQ\n",
    );
    logs.append(
        "\tat org.apache.rocketmq.store.DefaultMessageStore.load(DefaultMessageStore.java)\n\t... 12 more\n",
    );
    logs.append("what is this\n");
    let mut tail = LogTail::new(&logs.path(), None);
    poll(&mut tail);
    let stats = tail.stats(LogFile::Store);
    assert_eq!((stats.lines, stats.continuation_lines, stats.unparsed_lines), ([0, 0, 0, 0, 1], 3, 1));
}

#[test]
fn a_log_that_cannot_be_read_is_told_and_the_others_go_on() {
    let logs = LogDir::new();
    fs::create_dir(logs.path().join("storeerror.log")).unwrap();
    logs.append("2026-11-23 15:00:00 INFO main - load commit log OK\n");
    let mut tail = LogTail::new(&logs.path(), None);
    let mut seen = 0;
    let report = tail.poll(&mut |_| seen += 1);
    assert_eq!((report.failed_logs, seen), (1, 1));
    assert!(tail.stats(LogFile::StoreError).last_error.is_some());
    assert!(tail.stats(LogFile::Store).last_error.is_none());
}

#[test]
fn an_archive_made_while_the_start_is_looked_for_does_no_harm() {
    let logs = LogDir::new();
    logs.append(&fixture("5.2.0-plain-killed.store.log"));
    logs.shift();
    pack(&logs.live(), &logs.old(1, "log.gz"));
    let seen = poll(&mut LogTail::new(&logs.path(), None));
    assert_eq!(count(&seen, Event::LoadOk), 1);
}
