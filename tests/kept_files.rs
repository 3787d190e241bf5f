//! A loss inside files that the broker keeps, which no file shows, is counted exactly: by the broker's own numbers.

#![expect(clippy::unwrap_used, reason = "tests may panic")]

#[path = "support/stores.rs"]
mod stores;
#[path = "support/watcher.rs"]
#[allow(dead_code, reason = "each test uses a part of it")]
mod watcher;

use std::fs;
use std::path::PathBuf;

use rocketmq_store_exporter::observe::shrinkage::Explained;
use stores::{fixture, unpack};
use watcher::Watcher;

const ARCHIVE: &str = "5.3.3-dledger-killed.tar.gz";
const LOST: u64 = 18;

struct Pod {
    dir: tempfile::TempDir,
}

impl Pod {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("logs")).unwrap();
        Self { dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn store(&self, member: &str) {
        unpack(ARCHIVE, member, &self.path("store"));
    }

    /// The broker logs what it logged in the start that cost the units.
    fn log_start(&self) {
        fs::copy(fixture("5.3.3-dledger-killed.store.log"), self.path("logs/store.log")).unwrap();
    }

    fn log(&self, lines: &str) {
        let path = self.path("logs/store.log");
        let mut log = fs::read_to_string(&path).unwrap_or_default();
        log.push_str(lines);
        fs::write(path, log).unwrap();
    }

    fn watcher(&self) -> Watcher {
        Watcher::start(&self.path("store"), &self.path("logs"), &self.path("state"))
    }
}

/// Topic, queue, min and max as the broker told them.
fn told_by_the_broker() -> Vec<(String, u32, i64, i64)> {
    let text = fs::read_to_string(fixture("5.3.3-dledger-killed.offsets.txt")).unwrap();
    let rows = text.lines().filter(|line| line.contains("min="));
    let number = |word: &str| word.split_once('=').unwrap().1.parse::<i64>().unwrap();
    rows.filter_map(|row| {
        let mut words = row.split_whitespace();
        let (topic, queue) = words.next()?.split_once('-')?;
        Some((topic.to_owned(), queue.parse().ok()?, number(words.next()?), number(words.next()?)))
    })
    .collect()
}

fn assert_as_the_broker_says(watcher: &Watcher) {
    let told = told_by_the_broker();
    assert_eq!(told.len(), 12);
    for (topic, queue, min, max) in told {
        assert_eq!(watcher.ends(&topic, queue), (min, max), "{topic}-{queue}");
    }
    assert_eq!(watcher.gone(Explained::Recovery).units_removed, LOST);
    assert_eq!(watcher.gone(Explained::Recovery).shrunk_queues, 12);
    assert_eq!(watcher.gone(Explained::Unexplained).units_removed, 0);
}

#[test]
fn a_watcher_that_was_there_counts_what_the_broker_forgot() {
    let pod = Pod::new();
    pod.store("before");
    let mut watcher = pod.watcher();
    watcher.look();
    assert_eq!(watcher.ends("TopicA", 0), (0, 126));

    pod.store("restarted");
    pod.log_start();
    watcher.read_logs();
    watcher.look();
    assert_as_the_broker_says(&watcher);
    watcher.look();
    assert_as_the_broker_says(&watcher);
}

#[test]
fn a_watcher_that_was_down_counts_it_by_its_saved_marks_and_only_once() {
    let pod = Pod::new();
    pod.store("before");
    let mut before = pod.watcher();
    before.look();
    before.stop();
    pod.store("restarted");
    pod.log_start();
    for _ in 0..3 {
        let mut watcher = pod.watcher();
        watcher.look();
        assert_as_the_broker_says(&watcher);
        watcher.stop();
    }
}

#[test]
fn a_watcher_that_comes_for_the_first_time_goes_by_the_log() {
    let pod = Pod::new();
    pod.store("restarted");
    pod.log_start();
    let mut watcher = pod.watcher();
    watcher.look();
    assert_as_the_broker_says(&watcher);
}

#[test]
fn without_the_log_nothing_is_made_up() {
    let pod = Pod::new();
    pod.store("restarted");
    let mut watcher = pod.watcher();
    watcher.look();
    assert_eq!(watcher.ends("TopicA", 0), (0, 126), "what the files show");
    assert_eq!(watcher.gone(Explained::Recovery).units_removed, 0);
}

#[test]
fn an_orderly_restart_reads_the_stale_units_again_and_counts_nothing() {
    let pod = Pod::new();
    pod.store("before");
    let mut watcher = pod.watcher();
    watcher.look();
    pod.store("restarted");
    pod.log_start();
    watcher.read_logs();
    watcher.look();
    assert_as_the_broker_says(&watcher);

    pod.log(
        "2026-11-23 16:00:00 INFO main - last shutdown normally, store path root dir: /home/rocketmq/store\n\
         2026-11-23 16:00:00 WARN main - [TruncateCQ]maxPhyOffsetOfConsumeQueue(593726) >= processOffset(593726), truncate dirty logic files\n\
         2026-11-23 16:00:01 INFO main - load over, and the max phy offset = 593726\n",
    );
    watcher.read_logs();
    watcher.look();
    assert_eq!(watcher.ends("TopicA", 0), (0, 126), "the units are back");
    assert_eq!(watcher.gone(Explained::Recovery).units_removed, LOST);
}

#[test]
fn a_second_kill_that_cuts_at_the_same_place_costs_nothing_more() {
    let pod = Pod::new();
    pod.store("before");
    let mut watcher = pod.watcher();
    watcher.look();
    pod.store("restarted");
    pod.log_start();
    watcher.read_logs();
    watcher.look();
    let start = fs::read_to_string(fixture("5.3.3-dledger-killed.store.log")).unwrap();
    pod.log(&start.replace("2026-11-23 15:", "2026-11-23 16:"));
    watcher.read_logs();
    watcher.look();
    assert_as_the_broker_says(&watcher);
    assert_eq!(watcher.observer.lock().unwrap().memory.life.starts, [0, 2, 0]);
}

#[test]
fn after_an_orderly_restart_a_restart_of_the_exporter_counts_nothing_more() {
    let pod = Pod::new();
    pod.store("before");
    let mut watcher = pod.watcher();
    watcher.look();
    pod.store("restarted");
    pod.log_start();
    watcher.read_logs();
    watcher.look();
    pod.log(
        "2026-11-23 16:00:00 INFO main - last shutdown normally, store path root dir: /home/rocketmq/store\n\
         2026-11-23 16:00:01 INFO main - load over, and the max phy offset = 593726\n",
    );
    watcher.read_logs();
    watcher.look();
    watcher.stop();
    for _ in 0..2 {
        let mut watcher = pod.watcher();
        watcher.look();
        assert_eq!(watcher.ends("TopicA", 0), (0, 126));
        assert_eq!(watcher.gone(Explained::Recovery).units_removed, LOST);
        assert_eq!(Explained::ALL.map(|each| watcher.gone(each).units_removed).iter().sum::<u64>(), LOST);
        assert_eq!(watcher.observer.lock().unwrap().memory.life.starts, [1, 1, 0]);
        watcher.stop();
    }
}
