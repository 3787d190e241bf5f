//! The whole recorded incident, lived through on a clock that does not wait.

#![expect(clippy::unwrap_used, reason = "what cannot be had ends the test")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rocketmq_store_exporter::demo::manifest::{Happening, StageFiles};
use rocketmq_store_exporter::demo::{Capture, Clock, Narration, Pace, Player, Stage, StoreFiles, TimeShift};
use rocketmq_store_exporter::format::log_line::{LineSplitter, RawLine};
use rocketmq_store_exporter::store::lock::{LockState, query};
use rocketmq_store_exporter::units::EpochMillis;

const BEGIN: EpochMillis = EpochMillis(1_900_000_000_123);

/// Jumps over every wait, looks at the store before it, and says to end in place of the wait number `ends_before`.
struct JumpingClock<'a> {
    now: EpochMillis,
    waits: usize,
    ends_before: usize,
    look: Box<dyn FnMut(EpochMillis) + 'a>,
}

impl<'a> JumpingClock<'a> {
    fn new(ends_before: usize, look: impl FnMut(EpochMillis) + 'a) -> Self {
        Self { now: BEGIN, waits: 0, ends_before, look: Box::new(look) }
    }

    /// Ends when the player waits for hours: the record is over.
    fn to_the_end(look: impl FnMut(EpochMillis) + 'a) -> Self {
        Self::new(usize::MAX, look)
    }
}

impl Clock for JumpingClock<'_> {
    fn now(&self) -> EpochMillis {
        self.now
    }

    fn wait(&mut self, time: Duration) -> bool {
        (self.look)(self.now);
        self.now.0 += i64::try_from(time.as_millis()).unwrap();
        self.waits += 1;
        self.waits <= self.ends_before && time < Duration::from_secs(600)
    }
}

fn player() -> Player {
    Player::prepare(Capture::embedded().unwrap(), BEGIN).unwrap()
}

fn play(player: &mut Player, clock: &mut dyn Clock) -> String {
    let mut out = Vec::new();
    player.play(Pace::default(), clock, &mut Narration::new(&mut out, "http://localhost:1")).unwrap();
    String::from_utf8(out).unwrap()
}

fn files_below(root: &Path) -> BTreeMap<String, PathBuf> {
    let (mut found, mut pending) = (BTreeMap::new(), vec![root.to_owned()]);
    while let Some(directory) = pending.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                pending.push(path);
            } else {
                found.insert(path.strip_prefix(root).unwrap().to_str().unwrap().to_owned(), path);
            }
        }
    }
    found
}

fn assert_is_stage(root: &Path, capture: &Capture, stage: &StageFiles) {
    let found = files_below(root);
    let expected: Vec<_> = stage.files.iter().map(|file| &file.path).collect();
    assert_eq!(found.len(), expected.len(), "{:?}", found.keys());
    for file in &stage.files {
        let path = &found[&file.path];
        assert_eq!(fs::metadata(path).unwrap().len(), file.len, "{}", file.path);
        if file.len < 8 * 1024 * 1024 {
            let (bytes, content) = (fs::read(path).unwrap(), capture.content(&file.from));
            let (begin, rest) = bytes.split_at(content.len());
            assert_eq!(begin, content, "{}", file.path);
            assert!(rest.iter().all(|byte| *byte == 0), "{}", file.path);
        }
    }
    assert!(stage.empty_directories.iter().all(|path| root.join(path).is_dir()));
}

fn log_lines(player: &Player, name: &str) -> Vec<(EpochMillis, String)> {
    let text = fs::read_to_string(player.dirs().logs.join(name)).unwrap();
    assert!(text.ends_with('\n'));
    let lines = text.lines().map(|line| match LineSplitter::default().split(line.as_bytes()) {
        RawLine::Entry(entry) => (entry.at, String::from_utf8(entry.text.to_vec()).unwrap()),
        RawLine::Continuation(_) => panic!("{line}"),
    });
    lines.collect()
}

#[test]
fn the_packed_capture_is_below_one_mebibyte() {
    assert!(Capture::embedded_len() < 1024 * 1024);
}

#[test]
fn every_stage_unpacks_to_what_the_manifest_lists() {
    let capture = Capture::embedded().unwrap();
    for stage in Stage::ALL {
        let dir = tempfile::tempdir().unwrap();
        StoreFiles::unpack(&capture, stage, dir.path(), TimeShift::default()).unwrap();
        assert_is_stage(dir.path(), &capture, capture.manifest().stage(stage));
    }
}

#[test]
fn a_running_broker_is_prepared() {
    let player = player();
    let (capture, dirs) = (Capture::embedded().unwrap(), player.dirs());
    assert_is_stage(&dirs.store, &capture, capture.manifest().stage(Stage::Running));
    assert!(matches!(query(&dirs.store.join("lock")).unwrap(), LockState::Held { .. }));
    assert!(dirs.store.join("abort").exists());
    let conf = fs::read_to_string(&dirs.broker_conf).unwrap();
    assert!(conf.contains(&format!("storePathRootDir={}\n", dirs.store.display())), "{conf}");
    assert!(conf.contains("enableDLegerCommitLog=true\n"), "{conf}");

    let lines = log_lines(&player, "store.log");
    assert!(lines.iter().all(|(at, _)| at.0 <= BEGIN.0 && at.0 > BEGIN.0 - 60_000), "{lines:?}");
    assert!(lines.iter().any(|(_, text)| text.starts_with("last shutdown normally")));
}

#[test]
fn after_the_replay_the_store_is_that_of_the_restarted_broker() {
    let mut player = player();
    let told = play(&mut player, &mut JumpingClock::to_the_end(|_| {}));
    let capture = Capture::embedded().unwrap();
    assert_is_stage(&player.dirs().store, &capture, capture.manifest().stage(Stage::Restarted));
    assert!(matches!(query(&player.dirs().store.join("lock")).unwrap(), LockState::Held { .. }));
    assert!(told.contains("http://localhost:1/metrics"), "{told}");
}

#[test]
fn the_restart_is_logged_as_of_now() {
    let mut player = player();
    let mut clock = JumpingClock::to_the_end(|_| {});
    play(&mut player, &mut clock);
    let capture = Capture::embedded().unwrap();
    for name in ["store.log", "broker_default.log"] {
        let lines = log_lines(&player, name);
        let recorded = capture.first_run().iter().chain(capture.timeline());
        let is_of = |what: &Happening| matches!(what, Happening::Log { file, .. } if file == name);
        assert_eq!(lines.len(), recorded.filter(|recorded| is_of(&recorded.what)).count());
        assert!(lines.is_sorted_by_key(|(at, _)| *at), "{name}");
    }

    let lines = log_lines(&player, "store.log");
    let dup_info: Vec<_> =
        lines.iter().filter(|(_, text)| text.starts_with("DupInfo in properties")).collect();
    let [(at, _)] = dup_info[..] else { panic!("{dup_info:?}") };
    let is_dup_info =
        |what: &Happening| matches!(what, Happening::Log { line, .. } if line.contains("DupInfo"));
    let recorded = capture.timeline().iter().find(|recorded| is_dup_info(&recorded.what)).unwrap();
    let killed_after = -capture.timeline().first().unwrap().ms;
    let pace = Pace::default();
    let waited = i64::try_from((pace.running + pace.killed).as_millis()).unwrap();
    let kill_took = capture.timeline().iter().rfind(|recorded| recorded.ms < 0).unwrap().ms + killed_after;
    let expected = BEGIN.0 + waited + kill_took + recorded.ms;
    assert_eq!(at.0, expected - expected % 1000);
}

#[test]
fn files_go_in_the_recorded_order_and_at_the_recorded_distances() {
    let mut player = player();
    let (store, logged) = (player.dirs().store.clone(), player.dirs().logs.join("store.log"));
    let mut seen: Vec<(i64, BTreeSet<String>, bool)> = Vec::new();
    let look = |now: EpochMillis| {
        let files =
            files_below(&store).into_keys().filter(|path| path.starts_with("consumequeue/")).collect();
        if seen.last().is_none_or(|(_, before, _)| *before != files) {
            seen.push((now.0, files, fs::read_to_string(&logged).unwrap().contains("DupInfo")));
        }
    };
    play(&mut player, &mut JumpingClock::to_the_end(look));

    let capture = Capture::embedded().unwrap();
    let mut left = seen[0].1.clone();
    assert_eq!(left.len(), usize::try_from(capture.manifest().lost.files).unwrap());
    assert!(!seen[0].2 && seen[1].2, "the line comes before the files go");
    let mut expected = BTreeMap::new();
    for recorded in capture.timeline() {
        if let Happening::Delete { path } = &recorded.what
            && left.remove(path)
        {
            expected.insert(recorded.ms, left.clone());
        }
    }
    let began = seen[1].0 - expected.keys().next().unwrap();
    let changes: BTreeMap<_, _> = seen.drain(1..).map(|(at, files, _)| (at - began, files)).collect();
    assert_eq!(changes, expected);
}

#[test]
fn the_lock_is_free_between_the_two_processes_only() {
    let mut player = player();
    let path = player.dirs().store.join("lock");
    let mut states = Vec::new();
    let look = |_| {
        let is_held = matches!(query(&path).unwrap(), LockState::Held { .. });
        if states.last() != Some(&is_held) {
            states.push(is_held);
        }
    };
    play(&mut player, &mut JumpingClock::to_the_end(look));
    assert_eq!(states, [true, false, true]);
}

#[test]
fn it_ends_at_whatever_moment_it_is_told_to_and_leaves_nothing() {
    for ends_before in [0, 1, 2, 3, 20, 60] {
        let mut player = player();
        let home = player.dirs().home.clone();
        let mut clock = JumpingClock::new(ends_before, |_| {});
        play(&mut player, &mut clock);
        assert_eq!(clock.waits, ends_before + 1);
        assert!(home.exists());
        drop(player);
        assert!(!home.exists());
    }
}

#[test]
fn it_can_be_prepared_here_and_played_in_another_thread() {
    let mut player = player();
    let home = player.dirs().home.clone();
    let thread = std::thread::spawn(move || {
        let mut out: Box<dyn Write> = Box::new(std::io::sink());
        let mut clock = JumpingClock::to_the_end(|_| {});
        player.play(Pace::default(), &mut clock, &mut Narration::new(&mut *out, "http://localhost:1"))
    });
    thread.join().unwrap().unwrap();
    assert!(!home.exists());
}
