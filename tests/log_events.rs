//! Each text of the catalogue is known as its event, and as no other.

#![allow(clippy::unwrap_used, reason = "a test may panic, its helpers too")]

use std::collections::BTreeSet;
use std::path::Path;

use rocketmq_store_exporter::format::log_line::{Level, LineSplitter, RawLine};
use rocketmq_store_exporter::units::EpochMillis;
use rocketmq_store_exporter::watch::event_table::patterns;
use rocketmq_store_exporter::watch::lines::occurrence;
use rocketmq_store_exporter::watch::matcher::Matcher;
use rocketmq_store_exporter::watch::{Event, Fact, LogFile, Occurrence, PhaseHint, Releases};

fn fixture(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/log").join(name);
    std::fs::read_to_string(path).unwrap()
}

/// Event id, log and whole line of each sample.
fn samples() -> Vec<(String, LogFile, String)> {
    fixture("lines.txt")
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| {
            let mut parts = line.splitn(3, '|');
            let (event, log, line) = (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap());
            let log = LogFile::ALL.into_iter().find(|known| known.id() == log).unwrap();
            (event.to_owned(), log, line.to_owned())
        })
        .collect()
}

fn read(log: LogFile, line: &str) -> Option<Occurrence> {
    match LineSplitter::default().split(line.as_bytes()) {
        RawLine::Entry(entry) => occurrence(log, &entry),
        RawLine::Continuation(_) => panic!("no entry: {line}"),
    }
}

fn text(text: &str) -> Occurrence {
    read(LogFile::Store, &format!("2026-11-23 14:54:51 INFO main - {text}")).unwrap()
}

#[test]
fn each_sample_is_its_event() {
    for (event, log, line) in samples() {
        let found = read(log, &line).map(|found| found.event.id());
        assert_eq!(found, Some(event.as_str()), "{line}");
    }
}

#[test]
fn each_event_and_each_text_has_a_sample() {
    let mut events: BTreeSet<&str> = Event::ALL.iter().map(|event| event.id()).collect();
    let mut rows: Vec<_> = patterns().collect();
    for (event, log, line) in samples() {
        events.remove(event.as_str());
        let RawLine::Entry(entry) = LineSplitter::default().split(line.as_bytes()).to_owned() else {
            continue;
        };
        let found = Matcher::get().find(log, entry.text).unwrap();
        rows.retain(|row| !std::ptr::eq(*row, found));
    }
    assert!(events.is_empty(), "events without sample: {events:?}");
    assert!(
        rows.is_empty(),
        "texts without sample: {:#?}",
        rows.iter().map(|row| row.start).collect::<Vec<_>>()
    );
}

#[test]
fn what_a_text_promises_can_be_read_from_its_sample() {
    for (_, log, line) in samples() {
        let RawLine::Entry(entry) = LineSplitter::default().split(line.as_bytes()) else { continue };
        let row = Matcher::get().find(log, entry.text).unwrap();
        assert_eq!(row.fact.is_some(), read(log, &line).unwrap().fact.is_some(), "{line}");
    }
}

#[test]
fn the_decisive_lines_of_an_index_loss_are_read() {
    let found =
        text("dledger maxPhyOffsetOfConsumeQueue(1189738) >= processOffset(0), truncate dirty logic files");
    assert_eq!(found.event, Event::DirtyLogicTruncated);
    assert_eq!(found.fact, Some(Fact::Truncation { consumequeue_max: 1_189_738, process_offset: 0 }));
    assert_eq!(found.at, EpochMillis(1_795_416_891_000));
    assert_eq!(found.level, Level::Info);
    assert_eq!(found.releases, Some(Releases { from: Some((5, 2, 0)), to: None }));
    let found =
        text("maxPhyOffsetOfConsumeQueue(1092018) >= processOffset(1092018), truncate dirty logic files");
    assert_eq!(found.event, Event::DirtyLogicChecked);
    assert_eq!(text("DupInfo in properties check failed. dupInfo=null").event, Event::DupInfoFailed);
    assert_eq!(text("found a illegal magic code 0x0").event, Event::EndOfData);
    assert_eq!(text("found a illegal magic code 0x0badbeef").event, Event::IllegalMagic);
}

#[test]
fn facts_are_read() {
    let path = "/home/rocketmq/store/dledger-n0/data/00000000000000000000";
    let cases = [
        (
            format!("dledger recover physics file end, {path} pos=591"),
            Fact::ScanStopped { path: path.into(), pos: Some(591) },
        ),
        (format!("recover physics file end, {path}"), Fact::ScanStopped { path: path.into(), pos: None }),
        (format!("dledger recover from this mappFile {path}"), Fact::ScanStart { path: path.into() }),
        (format!("recover next physics file, {path}"), Fact::ScanNext { path: path.into() }),
        (format!("delete file[REF:0] {path} OK, W:0 M:0, 0,59671"), Fact::FileDeleted { path: path.into() }),
        (
            format!("recover current consume queue over {path} 3340"),
            Fact::QueueScanned { path: path.into(), end: 3340 },
        ),
        (
            "message store recover total cost: 89 ms, recoverConsumeQueue: 4 ms, recoverCommitLog: 85 ms, recoverOffsetTable: 0 ms"
                .into(),
            Fact::RecoveryCost { consumequeue_ms: Some(4), commitlog_ms: Some(85), total_ms: 89 },
        ),
        ("load over, and the max phy offset = 1189738".into(), Fact::LoadOver { max_offset: 1_189_738 }),
        (
            "MessageStoreState transition from INIT to LOAD_BEGIN; Time in previous state=1191ms, Total time=1191ms".into(),
            Fact::StateTransition { from: "INIT".into(), to: "LOAD_BEGIN".into(), millis: 1191 },
        ),
        (
            "DeleteTopic: ConsumeQueue has been cleaned, topic=%RETRY%G1, queueId=3".into(),
            Fact::TopicDeleted { topic: "%RETRY%G1".into(), queue: Some(3) },
        ),
        ("cleanUnusedTopic: TopicA,topic destroyed".into(), Fact::TopicDeleted { topic: "TopicA".into(), queue: None }),
        ("found a half message at 1092, it will be truncated.".into(), Fact::LogCut { at: 1092 }),
    ];
    for (line, fact) in cases {
        assert_eq!(text(&line).fact, Some(fact), "{line}");
    }
}

#[test]
fn a_text_is_bounded_and_valid() {
    let long =
        format!("CommitLog#checkAndDispatchMessage: failed to check message CRC, {}", "é".repeat(1000));
    let found = text(&long);
    assert_eq!(found.event, Event::PropertyCrcFailed);
    assert!(found.text.len() <= 512 && long.starts_with(&found.text));
    let mut line = b"2026-11-23 14:54:51 INFO main - load ".to_vec();
    line.extend_from_slice(&[0xff; 600]);
    line.extend_from_slice(b" OK");
    let RawLine::Entry(entry) = LineSplitter::default().split(&line) else { panic!() };
    assert!(occurrence(LogFile::Store, &entry).unwrap().text.len() <= 512);
}

#[test]
fn each_phase_of_a_start_is_told_by_several_texts() {
    use PhaseHint::{
        LoadOver, Loading, Opening, RecoveringCommitLog, RecoveringConsumeQueue, Running, Starting, Stopping,
    };
    for phase in
        [Opening, Loading, RecoveringConsumeQueue, RecoveringCommitLog, LoadOver, Starting, Running, Stopping]
    {
        let texts = patterns().filter(|row| row.phase == Some(phase)).count();
        assert!(texts >= 3, "{phase:?}: {texts}");
    }
}
