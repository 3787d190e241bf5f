//! The exporter without its threads: looks when it is told to, at a time that it is told.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rocketmq_store_exporter::inspect::log_end::ReadMode;
use rocketmq_store_exporter::observe::observer::Observer;
use rocketmq_store_exporter::observe::pass::{PassOptions, Passes};
use rocketmq_store_exporter::observe::pass_loop::{PassLoop, PassLoopOptions};
use rocketmq_store_exporter::observe::shrinkage::{Explained, Gone};
use rocketmq_store_exporter::observe::state_file::Saved;
use rocketmq_store_exporter::observe::tail_loop::TailLoop;
use rocketmq_store_exporter::store::layout::LayoutOptions;
use rocketmq_store_exporter::units::EpochMillis;
use rocketmq_store_exporter::watch::lines::LogTail;

thread_local! {
    /// When everything happens unless a test says otherwise: some time after the fixtures were made.
    static NOW: Cell<EpochMillis> = const { Cell::new(EpochMillis(1_795_430_000_000)) };
}

/// The time of this test.
pub fn now() -> EpochMillis {
    NOW.get()
}

/// Makes it that time, for the thread of this test.
pub fn set_now(now: EpochMillis) {
    NOW.set(now);
}

/// One life of the exporter.
pub struct Watcher {
    pub observer: Arc<Mutex<Observer>>,
    pub pass: PassLoop,
    tail: TailLoop,
}

impl Watcher {
    /// Starts as the exporter does: with the state that an earlier life saved, after reading what the logs hold.
    pub fn start(store: &Path, logs: &Path, state: &Path) -> Self {
        std::fs::create_dir_all(state).unwrap();
        let saved = Saved::load(state).unwrap();
        let mut passes = Passes::new(PassOptions {
            root: store.to_owned(),
            layout: LayoutOptions::default(),
            segment_len: None,
            file_reserved: Duration::from_secs(72 * 3600),
            read_mode: ReadMode::Auto,
            time_budget: Duration::from_secs(60),
            byte_budget: u64::MAX,
            stop: Arc::default(),
        });
        if let Some(saved) = &saved {
            saved.restore(&mut passes.tree);
        }
        let has_marks = saved.is_some();
        let (position, memory) = saved.map(|saved| (saved.tail, saved.memory)).unzip();
        let observer = Arc::new(Mutex::new(Observer::new(memory)));
        let tail =
            TailLoop { tail: LogTail::new(logs, position), observer: Arc::clone(&observer), clock: now };
        let options = PassLoopOptions {
            interval: Duration::from_secs(5),
            start_interval: Duration::from_millis(200),
            max_cpu_ratio: 1.0,
            state_dir: Some(PathBuf::from(state)),
            evidence_starts: 2,
            evidence_bytes: 1 << 20,
            logs_dir: Arc::new(logs.to_owned().into()),
            version: None,
        };
        let pass = PassLoop::new(passes, Arc::clone(&observer), options, now, has_marks);
        let mut watcher = Self { observer, pass, tail };
        watcher.read_logs();
        watcher
    }

    /// Reads all there is in the logs.
    pub fn read_logs(&mut self) {
        while !self.tail.look().0.caught_up {}
    }

    /// Looks at the store until the picture is up to date.
    pub fn look(&mut self) {
        while self.pass.look() {}
    }

    /// Ends, with its state saved.
    pub fn stop(mut self) {
        self.pass.save();
    }

    /// What has gone for one reason.
    pub fn gone(&self, explained: Explained) -> Gone {
        *self.observer.lock().unwrap().memory.losses.gone(explained)
    }

    /// Min and max offset of a queue.
    pub fn ends(&self, topic: &str, queue: u32) -> (i64, i64) {
        let observer = self.observer.lock().unwrap();
        let rows = &observer.picture.as_ref().unwrap().queues.rows;
        let row = rows.iter().find(|row| &*row.topic == topic && row.queue == queue).unwrap();
        (row.min.0, row.max.0)
    }
}
