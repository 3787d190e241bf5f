//! The host misbehaves: a clock that jumps, a state that is half written, logs that cannot be read.

#![allow(clippy::unwrap_used, reason = "a test says by failing what was not there")]

#[path = "support/stores.rs"]
mod stores;
#[path = "support/watcher.rs"]
#[allow(dead_code, reason = "each test uses a part of it")]
mod watcher;

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rocketmq_store_exporter::observe::outlook::Foreteller;
use rocketmq_store_exporter::observe::outlook_loop::OutlookLoop;
use rocketmq_store_exporter::observe::shrinkage::Explained;
use rocketmq_store_exporter::observe::state_file::Saved;
use rocketmq_store_exporter::observe::turns::Turns;
use rocketmq_store_exporter::preview::{Asked, Surroundings};
use rocketmq_store_exporter::units::EpochMillis;
use rocketmq_store_exporter::watch::lines::LogTail;
use stores::unpack;
use watcher::{Watcher, now, set_now};

const DAY: i64 = 86_400_000;
const LINE: &str = "2026-11-23 15:00:00 ERROR main - Failed to create file /store/x";

struct Host {
    dir: tempfile::TempDir,
}

impl Host {
    fn new() -> Self {
        let host = Self { dir: tempfile::tempdir().unwrap() };
        unpack("5.2.0-plain-killed.tar.gz", "killed", &host.path("store"));
        fs::create_dir(host.path("logs")).unwrap();
        host
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn watcher(&self) -> Watcher {
        Watcher::start(&self.path("store"), &self.path("logs"), &self.path("state"))
    }

    fn log(&self, name: &str, line: &str) {
        let mut log = File::options().append(true).create(true).open(self.path("logs").join(name)).unwrap();
        writeln!(log, "{line}").unwrap();
    }

    /// All queues of one topic go.
    fn lose_a_topic(&self) {
        let topic = fs::read_dir(self.path("store/consumequeue")).unwrap().next().unwrap().unwrap().path();
        fs::remove_dir_all(topic).unwrap();
    }
}

fn later(millis: i64) {
    set_now(EpochMillis(now().0 + millis));
}

fn events(watcher: &Watcher) -> u64 {
    let observer = watcher.observer.lock().unwrap();
    observer.memory.events.get("mapped_file_create_failed").map_or(0, |seen| seen.count)
}

#[test]
fn a_loss_was_not_counted_for_a_day_after_the_clock_was_set_back() {
    let host = Host::new();
    let mut watcher = host.watcher();
    watcher.look();
    host.lose_a_topic();
    watcher.look();
    later(-DAY);
    watcher.look();
    assert_eq!(watcher.gone(Explained::Unexplained).units_removed, 0, "still waits for its explanation");
    later(2_000);
    watcher.look();
    assert!(watcher.gone(Explained::Unexplained).units_removed > 0);
}

#[test]
fn a_clock_that_jumps_a_day_and_back_makes_no_event_and_no_loss() {
    let host = Host::new();
    let mut watcher = host.watcher();
    host.log("store.log", LINE);
    watcher.read_logs();
    watcher.look();
    for jump in [DAY, -DAY, -DAY, DAY] {
        later(jump);
        watcher.read_logs();
        watcher.look();
    }
    let observer = watcher.observer.lock().unwrap();
    assert_eq!(observer.memory.losses, Default::default());
    assert_eq!(observer.memory.life.starts, [0; 3]);
    assert_eq!(observer.memory.log_truncations, (0, 0));
    drop(observer);
    assert_eq!(events(&watcher), 1);
}

#[test]
fn lines_of_the_other_logs_were_dropped_for_a_day_after_the_clock_was_set_back() {
    let host = Host::new();
    host.log("store.log", LINE);
    host.log(
        "broker_default.log",
        "2026-11-22 15:00:00 ERROR main - Failed to create file /store/of/an/earlier/life",
    );
    host.log("broker_default.log", LINE);
    let mut watcher = host.watcher();
    assert_eq!(events(&watcher), 2, "not what was before the last start");
    host.log("broker_default.log", "2026-11-22 15:00:01 ERROR main - Failed to create file /store/y");
    watcher.read_logs();
    assert_eq!(events(&watcher), 3);
}

#[test]
fn no_forecast_was_made_for_a_day_after_the_clock_was_set_back() {
    let host = Host::new();
    let mut watcher = host.watcher();
    watcher.look();
    let outlooks = OutlookLoop {
        turns: Turns::default(),
        foreteller: Foreteller {
            asked: Asked { root: host.path("store"), ..Asked::default() },
            around: Surroundings::default(),
            max_bytes: u64::MAX,
            max_time: Duration::from_secs(60),
            known: Mutex::default(),
        },
        observer: Arc::clone(&watcher.observer),
        interval: Duration::ZERO,
        max_cpu_ratio: 1.0,
        state_dir: None,
        keep: 0,
        clock: now,
    };
    {
        let mut observer = watcher.observer.lock().unwrap();
        observer.memory.life.start = Some(rocketmq_store_exporter::observe::phase::Start {
            began_at: now(),
            recovered_at: Some(now()),
            ..Default::default()
        });
        observer.is_verification_due = true;
    }
    later(-DAY);
    let is_due = |after: i64| {
        later(after);
        outlooks.verify_if_settled();
        watcher.observer.lock().unwrap().is_verification_due
    };
    assert!(is_due(0), "lines may still come");
    assert!(!is_due(3_000), "forecasts are made again");
}

#[test]
fn logs_that_could_not_be_read_kept_the_tail_from_waiting() {
    let host = Host::new();
    host.log("store.log", LINE);
    // A link is no log: an error that stays.
    symlink("store.log", host.path("logs/broker_default.log")).unwrap();
    let mut tail = LogTail::new(&host.path("logs"), None);
    let mut told = 0;
    let mut report = Default::default();
    for _ in 0..10 {
        report = tail.poll(&mut |_| told += 1);
    }
    assert_eq!((told, report.failed_logs, report.caught_up), (1, 1, true));
}

#[test]
fn every_prefix_of_a_state_is_refused_and_none_is_half_believed() {
    let host = Host::new();
    let mut watcher = host.watcher();
    watcher.look();
    watcher.stop();
    let path = host.path("state/state.json");
    let whole = fs::read(&path).unwrap();
    for len in 0..whole.len() {
        fs::write(&path, &whole[..len]).unwrap();
        assert!(Saved::load(&host.path("state")).is_err(), "{len} of {} bytes", whole.len());
    }
    fs::write(&path, &whole).unwrap();
    assert!(Saved::load(&host.path("state")).unwrap().is_some());
}

#[test]
fn a_state_that_cannot_be_saved_was_told_by_a_log_line_alone() {
    let host = Host::new();
    let mut watcher = host.watcher();
    watcher.look();
    let error = |watcher: &Watcher| watcher.observer.lock().unwrap().saving.clone().unwrap().error;
    assert_eq!(error(&watcher), None);
    // Root may write whatever the mode says; nobody can write to a directory that is gone.
    fs::remove_dir_all(host.path("state")).unwrap();
    watcher.pass.save();
    assert!(error(&watcher).unwrap().contains("state.json"));
    fs::create_dir(host.path("state")).unwrap();
    watcher.pass.save();
    assert_eq!(error(&watcher), None);
    assert!(host.path("state/state.json").exists());
}

/// Programs start with what they are given; here that is little.
#[test]
fn a_look_at_a_store_gets_by_with_few_open_files() {
    let host = Host::new();
    let look = |limit: &str| {
        let output = Command::new("sh")
            .args([
                "-c",
                &format!("ulimit -n {limit}; exec \"$0\" inspect --store.path \"$1\" --format json"),
            ])
            .arg(env!("CARGO_BIN_EXE_rocketmq-store-exporter"))
            .arg(host.path("store"))
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        (found["consumequeue"].clone(), found["commitlog"].clone())
    };
    assert_eq!(look("16"), look("1024"));
}
