//! What is gone is put down to the right cause: only what a recovery took, or what nothing explains, is a loss.

#![expect(clippy::unwrap_used, reason = "tests may panic")]

#[path = "support/watcher.rs"]
#[allow(dead_code, reason = "each test uses a part of it")]
mod watcher;

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use nix::fcntl::{FcntlArg, fcntl};
use rocketmq_store_exporter::demo::manifest::{Happening, Recorded};
use rocketmq_store_exporter::demo::{Capture, Stage, StoreFiles, TimeShift};
use rocketmq_store_exporter::observe::shrinkage::{Explained, GRACE};
use rocketmq_store_exporter::store::lock::first_byte;
use rocketmq_store_exporter::units::EpochMillis;
use watcher::{Watcher, now, set_now};

/// The recorded broker, running, and an exporter that has looked at it.
struct Broker {
    dir: tempfile::TempDir,
    capture: Capture,
    store: StoreFiles,
    lock: Option<File>,
}

impl Broker {
    fn run() -> (Self, Watcher) {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("logs")).unwrap();
        let capture = Capture::embedded().unwrap();
        let root = dir.path().join("store");
        let store = StoreFiles::unpack(&capture, Stage::Running, &root, TimeShift::default()).unwrap();
        let mut broker = Self { dir, capture, store, lock: None };
        broker.log(broker.capture.first_run());
        broker.take_lock();
        let last = broker.capture.first_run().last().unwrap().ms;
        set_now(EpochMillis(broker.capture.manifest().started_at_ms.first_run.0 + last));
        let path = |name: &str| broker.dir.path().join(name);
        let mut watcher = Watcher::start(&path("store"), &path("logs"), &path("state"));
        watcher.look();
        wait(60_000);
        watcher.look();
        (broker, watcher)
    }

    fn path(&self, below: &str) -> PathBuf {
        self.dir.path().join("store").join(below)
    }

    fn take_lock(&mut self) {
        let file = File::options().write(true).open(self.path("lock")).unwrap();
        fcntl(&file, FcntlArg::F_OFD_SETLK(&first_byte())).unwrap();
        self.lock = Some(file);
    }

    fn log(&self, recorded: &[Recorded]) {
        for Recorded { what, .. } in recorded {
            if let Happening::Log { file, line } = what {
                let path = self.dir.path().join("logs").join(file);
                let mut log = File::options().append(true).create(true).open(path).unwrap();
                writeln!(log, "{line}").unwrap();
            }
        }
    }

    /// Killed and started again, which costs it all its queues.
    fn restart(&mut self, watcher: &mut Watcher) {
        self.lock = None;
        set_now(self.capture.killed_at());
        watcher.look();
        let last = self.capture.timeline().last().unwrap().ms;
        let end = EpochMillis(self.capture.manifest().started_at_ms.timeline.0 + last);
        set_now(end);
        self.store.enter(&self.capture, Stage::Restarted, end).unwrap();
        self.log(self.capture.timeline());
        self.take_lock();
        watcher.read_logs();
    }

    /// The broker writes its table of topics without those that `is_gone` names.
    fn forget_topics(&self, is_gone: fn(&str) -> bool) {
        let path = self.path("config/topics.json");
        let mut table: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        let topics = table["topicConfigTable"].as_object_mut().unwrap();
        let before = topics.len();
        topics.retain(|topic, _| !is_gone(topic));
        assert!(topics.len() < before);
        fs::write(&path, table.to_string()).unwrap();
    }
}

fn wait(millis: i64) {
    set_now(EpochMillis(now().0 + millis));
}

/// Units gone by retention, deletion of a topic, recovery, and for no known reason.
fn units_gone(watcher: &Watcher) -> [u64; 4] {
    Explained::ALL.map(|explained| watcher.gone(explained).units_removed)
}

fn empty_queues_of(dir: &Path) {
    for queue in fs::read_dir(dir).unwrap() {
        for file in fs::read_dir(queue.unwrap().path()).unwrap() {
            fs::remove_file(file.unwrap().path()).unwrap();
        }
    }
}

#[test]
fn queues_of_a_topic_that_its_running_broker_forgets_were_deleted_with_it() {
    let (broker, mut watcher) = Broker::run();
    broker.forget_topics(|topic| topic == "TopicB");
    fs::remove_dir_all(broker.path("consumequeue/TopicB")).unwrap();
    watcher.look();
    assert_eq!(units_gone(&watcher), [0, 667, 0, 0]);
}

#[test]
fn a_table_of_topics_that_is_lost_at_a_start_does_not_excuse_what_the_recovery_took() {
    let (mut broker, mut watcher) = Broker::run();
    broker.restart(&mut watcher);
    broker.forget_topics(|topic| topic.starts_with("Topic"));
    watcher.look();
    assert_eq!(units_gone(&watcher), [0, 0, 2000, 0]);
}

#[test]
fn what_goes_from_a_running_broker_for_no_reason_is_told_once_its_reason_is_overdue() {
    let (broker, mut watcher) = Broker::run();
    empty_queues_of(&broker.path("consumequeue/TopicC"));
    watcher.look();
    assert_eq!(units_gone(&watcher), [0; 4]);
    wait(GRACE);
    watcher.look();
    assert_eq!(units_gone(&watcher), [0, 0, 0, 666]);
    assert_eq!(watcher.gone(Explained::Unexplained).vanished_queues, 4);
}

#[test]
fn a_deletion_of_which_the_table_tells_a_moment_later_is_one_all_the_same() {
    let (broker, mut watcher) = Broker::run();
    empty_queues_of(&broker.path("consumequeue/TopicC"));
    watcher.look();
    wait(GRACE / 2);
    broker.forget_topics(|topic| topic == "TopicC");
    watcher.look();
    wait(GRACE);
    watcher.look();
    assert_eq!(units_gone(&watcher), [0, 666, 0, 0]);
}

#[test]
fn a_loss_that_waits_for_its_reason_outlives_a_restart_of_the_exporter() {
    let (broker, mut watcher) = Broker::run();
    empty_queues_of(&broker.path("consumequeue/TopicC"));
    fs::remove_dir_all(broker.path("consumequeue/TopicA")).unwrap();
    watcher.look();
    watcher.stop();
    let path = |name: &str| broker.dir.path().join(name);
    for _ in 0..3 {
        let mut watcher = Watcher::start(&path("store"), &path("logs"), &path("state"));
        watcher.look();
        wait(GRACE);
        watcher.look();
        assert_eq!(units_gone(&watcher), [0, 0, 0, 666 + 667]);
        assert_eq!(watcher.gone(Explained::Unexplained).vanished_queues, 8);
        watcher.stop();
    }
}
