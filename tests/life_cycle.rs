//! The broker's phase follows its lines and its lock, and hangs on no single one of them.

#![expect(clippy::unwrap_used, reason = "tests may panic")]

use std::path::Path;

use rocketmq_store_exporter::format::log_line::{LineSplitter, RawLine};
use rocketmq_store_exporter::observe::phase::{Change, Life, Phase, PreviousShutdown};
use rocketmq_store_exporter::store::lock::LockState;
use rocketmq_store_exporter::units::EpochMillis;
use rocketmq_store_exporter::watch::lines::occurrence;
use rocketmq_store_exporter::watch::{Event, LogFile, Occurrence};

const HELD: LockState = LockState::Held { pid: 1 };

fn lines(name: &str) -> Vec<Occurrence> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/log").join(name);
    let bytes = std::fs::read(path).unwrap();
    let mut splitter = LineSplitter::default();
    let entries = bytes.split(|byte| *byte == b'\n').filter_map(|line| match splitter.split(line) {
        RawLine::Entry(entry) => occurrence(LogFile::Store, &entry),
        RawLine::Continuation(_) => None,
    });
    entries.collect()
}

fn hear(life: &mut Life, lines: &[Occurrence]) -> Vec<Change> {
    lines.iter().filter_map(|line| life.hear(line)).collect()
}

fn starts(life: &Life, kind: PreviousShutdown) -> u64 {
    life.starts[PreviousShutdown::ALL.iter().position(|each| *each == kind).unwrap()]
}

#[test]
fn the_start_of_a_killed_broker_is_told_with_its_cut_and_its_cost() {
    let mut life = Life::default();
    let changes = hear(&mut life, &lines("5.2.0-dledger-killed.store.log"));
    assert_eq!(changes, [Change::StartBegan, Change::RecoveryOver]);
    assert_eq!(starts(&life, PreviousShutdown::Unclean), 1);
    let start = life.start.as_ref().unwrap();
    assert_eq!((start.truncated_to, start.max_offset), (Some(0), Some(1_189_738)));
    assert_eq!(life.recovery_millis, [Some(89), Some(4), Some(85)]);
    assert_eq!(life.cut_due(), Some(Some(0)));
}

#[test]
fn an_equal_pair_of_numbers_is_no_cut() {
    let mut life = Life::default();
    hear(&mut life, &lines("5.2.0-plain-killed.store.log"));
    assert_eq!(life.start.unwrap().truncated_to, None);
}

#[test]
fn two_starts_in_one_log_are_two() {
    let mut life = Life::default();
    hear(&mut life, &lines("5.5.0-dledger-twice.store.log"));
    assert_eq!(starts(&life, PreviousShutdown::Unclean), 1);
    assert_eq!(starts(&life, PreviousShutdown::Clean), 1);
    assert_eq!(starts(&life, PreviousShutdown::Unknown), 0);
}

#[test]
fn what_a_start_says_after_it_failed_is_no_other_start() {
    let mut life = Life::default();
    life.look(LockState::Free, true, EpochMillis(0));
    let all = lines("5.2.0-plain-failed.store.log");
    let second = all.iter().rposition(|line| line.text.starts_with("Load default HA")).unwrap();
    assert_eq!(hear(&mut life, &all[..second]), [Change::StartBegan]);
    assert_eq!((life.phase, life.loaded_end), (Some(Phase::Failed), None));
    assert_eq!(hear(&mut life, &all[second..]), [Change::StartBegan]);
    assert_eq!((life.phase, life.load_failures), (Some(Phase::Loading), 1));
    assert_eq!((life.starts.iter().sum::<u64>(), starts(&life, PreviousShutdown::Unclean)), (2, 2));
}

#[test]
fn whichever_line_is_dropped_the_start_is_seen_and_comes_to_its_end() {
    let all = lines("5.3.3-dledger-killed.store.log");
    for dropped in 0..all.len() {
        let mut life = Life::default();
        for line in all.iter().enumerate().filter(|(index, _)| *index != dropped).map(|(_, line)| line) {
            life.hear(line);
        }
        life.look(HELD, true, EpochMillis(all.last().unwrap().at.0 + 1_000));
        assert_eq!(life.phase, Some(Phase::Running), "without {}", all[dropped].text);
        assert_eq!(life.starts.iter().sum::<u64>(), 1, "without {}", all[dropped].text);
        let start = life.start.unwrap();
        assert!(start.recovered_at.is_some(), "without {}", all[dropped].text);
        let is_cut = all[dropped].event == Event::DirtyLogicTruncated;
        assert_eq!(start.truncated_to.is_none(), is_cut, "without {}", all[dropped].text);
    }
}

#[test]
fn with_every_info_line_dropped_warnings_and_the_lock_still_tell_a_start() {
    let mut life = Life::default();
    life.look(LockState::Free, true, EpochMillis(0));
    let warnings: Vec<_> = lines("5.3.3-dledger-killed.store.log")
        .into_iter()
        .filter(|line| line.level >= rocketmq_store_exporter::format::log_line::Level::Warn)
        .collect();
    hear(&mut life, &warnings);
    assert!(life.is_starting());
    life.look(HELD, true, EpochMillis(warnings.last().unwrap().at.0 + 1_000));
    assert_eq!(life.phase, Some(Phase::Running));
    assert_eq!(life.starts.iter().sum::<u64>(), 1);
    assert!(life.start.unwrap().truncated_to.is_some());
}

#[test]
fn without_a_log_the_lock_alone_tells_starts_and_stops() {
    let mut life = Life::default();
    assert_eq!(life.look(LockState::Free, true, EpochMillis(0)), Some(Change::Stopped));
    assert_eq!(life.look(HELD, true, EpochMillis(10_000)), Some(Change::StartBegan));
    assert_eq!(life.phase, Some(Phase::Running));
    assert_eq!(life.look(HELD, true, EpochMillis(20_000)), None);
    assert_eq!(life.look(LockState::Free, true, EpochMillis(30_000)), Some(Change::Stopped));
    assert_eq!(starts(&life, PreviousShutdown::Unknown), 1);
}

#[test]
fn late_lines_of_a_start_that_the_lock_has_told_do_not_begin_another() {
    let all = lines("5.2.0-dledger-killed.store.log");
    let mut life = Life::default();
    life.look(LockState::Free, true, EpochMillis(0));
    life.look(HELD, true, EpochMillis(all.last().unwrap().at.0));
    hear(&mut life, &all);
    assert_eq!(life.starts.iter().sum::<u64>(), 1);
    assert_eq!(life.phase, Some(Phase::Running));
    // Its cut is learned all the same.
    assert_eq!(life.cut_due(), Some(Some(0)));
}

#[test]
fn a_broker_killed_while_it_recovers_starts_anew_and_silence_ends_a_start() {
    let all = lines("5.2.0-dledger-killed.store.log");
    let in_recovery = all.iter().position(|line| line.event == Event::DupInfoFailed).unwrap();
    let mut life = Life::default();
    let changes = [&all[..in_recovery], &all[..in_recovery]].map(|part| hear(&mut life, part));
    assert_eq!(changes, [[Change::StartBegan], [Change::StartBegan]]);
    let last = all[in_recovery].at.0;
    assert_eq!(life.look(LockState::Free, true, EpochMillis(last + 1_000)), None);
    assert_eq!(life.look(LockState::Free, true, EpochMillis(last + 400_000)), Some(Change::Stopped));
}

#[test]
fn the_log_of_the_timer_is_loaded_after_recovery_and_begins_no_start() {
    let mut all = lines("5.2.0-dledger-killed.store.log");
    let over = all.iter().rposition(|line| line.event == Event::LoadOk).unwrap();
    let mut splitter = LineSplitter::default();
    let raw = b"2026-11-23 14:54:51 INFO main - load /home/rocketmq/store/timerlog/00000000000000000000 OK";
    let RawLine::Entry(entry) = splitter.split(raw) else { panic!("a line of the broker") };
    all.insert(over + 1, occurrence(LogFile::Store, &entry).unwrap());
    let mut life = Life::default();
    assert_eq!(hear(&mut life, &all), [Change::StartBegan, Change::RecoveryOver]);
}

#[test]
fn a_life_comes_out_of_a_file_as_it_went_in() {
    let all = lines("5.2.0-dledger-killed.store.log");
    let mut life = Life::default();
    let mut lives = vec![life.clone()];
    for line in &all {
        life.hear(line);
        lives.push(life.clone());
    }
    for cut in [life.cut_due().unwrap(), None] {
        life.cut_applied(cut);
        lives.push(life.clone());
    }
    for life in lives {
        let read: Life = serde_json::from_str(&serde_json::to_string(&life).unwrap()).unwrap();
        assert_eq!(read, life);
    }
}

#[test]
fn progress_and_the_expected_end_follow_the_lines_of_a_recovery() {
    use rocketmq_store_exporter::observe::picture::{Log, Picture, QueueRow, Queues};
    use rocketmq_store_exporter::store::consumequeue::UnitFormat;
    use rocketmq_store_exporter::store::layout::RootState;
    use rocketmq_store_exporter::units::{PhysicalOffset, QueueOffset};

    let row = |queue| QueueRow {
        topic: "TopicA".into(),
        queue,
        format: UnitFormat::Simple,
        files: 1,
        min: QueueOffset(0),
        max: QueueOffset(1),
        max_physical: PhysicalOffset(1),
        bad: None,
    };
    let picture = Picture {
        queues: Queues { rows: (0..14).map(row).collect::<Vec<_>>().into(), ..Queues::default() },
        log: Log { max: Some(1_189_738), ..Log::default() },
        ..Picture::blank(Path::new("/store"), RootState::Store, EpochMillis(0))
    };
    let all = lines("5.2.0-dledger-killed.store.log");
    let mut life = Life::default();
    let mut scanned = 0;
    for line in &all {
        life.hear(line);
        scanned += usize::from(line.event == Event::RecoverCqDone);
        if scanned == 7 {
            break;
        }
    }
    let progress = life.progress(&picture).unwrap();
    assert_eq!((progress.queues, progress.log), (Some(0.5), None));
    // Half of the first of two parts is a quarter: 10 s so far, 40 s in all.
    let began = life.start.as_ref().unwrap().began_at.0;
    assert_eq!(life.estimated_end(&progress, EpochMillis(began + 10_000)), Some(EpochMillis(began + 40_000)));
    hear(&mut life, &all);
    life.look(HELD, true, EpochMillis(began + 60_000));
    assert_eq!(life.progress(&picture), None, "nothing is under way");
}
