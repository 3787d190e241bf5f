//! Whatever is done to the files while they are read: no crash, no hang, no panic, and no wrong count that lasts.
//!
//! `STORM_SEED` makes a storm again, `STORM_STRIKES` makes it longer; `tests/lab/storm` runs many long ones.

#![allow(clippy::unwrap_used, reason = "a test says by failing what was not there")]

#[path = "support/store_writer.rs"]
mod store_writer;
#[path = "support/storm.rs"]
mod storm;
#[path = "support/watcher.rs"]
#[allow(dead_code, reason = "each test uses a part of it")]
mod watcher;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use rocketmq_store_exporter::app;
use rocketmq_store_exporter::broker::BrokerConf;
use rocketmq_store_exporter::observe::picture::{BadQueue, Picture};
use rocketmq_store_exporter::observe::shrinkage::{Explained, Gone};
use rocketmq_store_exporter::recovery::question::{Question, Without};
use rocketmq_store_exporter::recovery::{Budget, Reach, RecoveryError, Shutdown, forecast};
use rocketmq_store_exporter::watch::tree::Thoroughness;
use store_writer::{Log, StoreWriter};
use storm::{Files, Numbers};
use watcher::{Watcher, set_now};

/// As long as a storm may take before it counts as hung.
const HUNG: Duration = Duration::from_secs(600);
/// Looks that each reader takes at least while it storms.
const LOOKS: u64 = 8;

fn told(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| text.parse().unwrap())
}

struct Scene {
    dir: tempfile::TempDir,
    queues: Vec<PathBuf>,
}

impl Scene {
    /// A stopped broker's store of 1200 messages in 12 queues, and its logs.
    fn new(log: Log) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = dir.path().join("store");
        let mut writer = StoreWriter::new(&store, log, 32 << 10, 20 * 20);
        for number in 0..1200_i32 {
            let topic =
                writer.topic(["orders", "payments", "%RETRY%G1"][usize::try_from(number % 3).unwrap()]);
            writer.append(topic, number / 3 % 4, 40);
        }
        writer.dispatch_all();
        writer.flush();
        if log == Log::DLedger {
            writer.write_ledger_checkpoint();
            // Longer than all the rest, and read by nobody.
            fs::remove_dir_all(store.join("dledger-n0/index")).unwrap();
        }
        fs::write(
            store.join("config/topics.json"),
            br#"{"topicConfigTable":{"orders":{"readQueueNums":4}}}"#,
        )
        .unwrap();
        fs::write(store.join("config/consumerOffset.json"), br#"{"offsetTable":{"orders@G1":{"0":7}}}"#)
            .unwrap();
        let queues = (0..3).flat_map(|topic| (0..4).map(move |queue| (topic, queue)));
        let queues = queues.map(|(topic, queue)| writer.queue_dir(topic, queue)).collect();
        // Without holes, as the storm puts them back.
        Files::below(&store).restore();
        fs::create_dir_all(dir.path().join("logs/otherdays")).unwrap();
        let scene = Self { dir, queues };
        for name in ["store.log", "storeerror.log", "broker_default.log", "otherdays/store.1.log"] {
            scene.log(name, 200);
        }
        scene
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn log(&self, name: &str, lines: u32) {
        let mut log = File::options().append(true).create(true).open(self.path("logs").join(name)).unwrap();
        for number in 0..lines {
            let (minute, second) = (number / 60, number % 60);
            writeln!(log, "2026-11-23 14:{minute:02}:{second:02} ERROR main - Failed to create file /store/{name}/{number}")
                .unwrap();
        }
    }

    fn watcher(&self, state: &str) -> Watcher {
        set_now(app::now());
        Watcher::start(&self.path("store"), &self.path("logs"), &self.path(state))
    }

    fn question(&self) -> Question {
        Question {
            root: self.path("store"),
            conf: BrokerConf { store_path_root_dir: self.path("store"), ..BrokerConf::default() },
            release: (5, 2, 0),
            mode: None,
            shutdown: Shutdown::AsFound,
            without: Without::default(),
            reach: Reach::Start,
            digest: true,
        }
    }
}

fn gone(watcher: &Watcher) -> BTreeMap<&'static str, Gone> {
    Explained::ALL.iter().map(|explained| (explained.as_str(), watcher.gone(*explained))).collect()
}

fn figures(gone: &Gone) -> [u64; 4] {
    [gone.vanished_queues, gone.vanished_files, gone.shrunk_queues, gone.units_removed]
}

/// What is to be equal of two observers of the same files, but for when they looked and what they remember.
fn seen(picture: &Picture) -> String {
    let Picture { queues, log, .. } = picture;
    let checkpoint = picture.checkpoint.map(|(checkpoint, _)| checkpoint);
    let rows: Vec<_> = queues.rows.iter().filter(|row| row.files > 0).collect();
    format!(
        "{:?} {:?} {:?} {:?} {:?} {:?} {:#?} {:#?} {:#?}",
        picture.root_state,
        picture.log_kind,
        picture.queue_kind,
        picture.is_abort_present,
        picture.tables,
        checkpoint,
        log,
        rows,
        queues.bad
    )
}

fn picture(watcher: &mut Watcher) -> Arc<Picture> {
    set_now(app::now());
    watcher.look();
    watcher.observer.lock().unwrap().picture.clone().unwrap()
}

/// Runs `work` in a thread of its own and returns what it returns; one that does not return in time hangs.
fn in_time<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (sender, receiver) = channel();
    let thread = std::thread::spawn(move || sender.send(work()).unwrap());
    match receiver.recv_timeout(HUNG) {
        Ok(found) => found,
        Err(RecvTimeoutError::Timeout) => panic!("hung for {HUNG:?}"),
        Err(RecvTimeoutError::Disconnected) => std::panic::resume_unwind(thread.join().unwrap_err()),
    }
}

/// Strikes at the files of `root` until there were `strikes`, and each of `looks` has come often enough.
fn storm(root: &Path, seed: u64, strikes: u64, looks: &[&AtomicU64]) {
    let files = Files::below(root);
    let mut numbers = Numbers(seed);
    let mut done = 0;
    while done < strikes || looks.iter().any(|looks| looks.load(Ordering::Relaxed) < LOOKS) {
        files.strike(&mut numbers);
        done += 1;
        // On one core the readers would never come in between.
        std::thread::yield_now();
    }
    files.restore();
}

fn passes_and_previews_outlive(log: Log) {
    let (seed, strikes) = (told("STORM_SEED", 1), told("STORM_STRIKES", 1_000));
    let scene = Scene::new(log);
    let before = picture(&mut scene.watcher("before"));
    let scene = Arc::new(scene);
    let mut watcher = scene.watcher("state");
    let (passes, previews) = (AtomicU64::new(0), AtomicU64::new(0));
    let (stormed, is_over) = (Arc::clone(&scene), AtomicU64::new(0));
    std::thread::scope(|threads| {
        threads.spawn(|| {
            storm(&stormed.path("store"), seed, strikes, &[&passes, &previews]);
            is_over.store(1, Ordering::Relaxed);
        });
        threads.spawn(|| {
            while is_over.load(Ordering::Relaxed) == 0 {
                match forecast(&stormed.question(), &Budget::default()) {
                    Ok(_) | Err(RecoveryError::Store(_)) => {}
                    Err(error) => panic!("seed {seed}: {error}"),
                }
                previews.fetch_add(1, Ordering::Relaxed);
            }
        });
        let mut counted = gone(&watcher);
        while is_over.load(Ordering::Relaxed) == 0 {
            picture(&mut watcher);
            passes.fetch_add(1, Ordering::Relaxed);
            let now = gone(&watcher);
            for (explained, then) in &counted {
                let is_less =
                    figures(then).iter().zip(figures(&now[explained])).any(|(then, now)| *then > now);
                assert!(!is_less, "seed {seed}: {explained} went back from {then:?} to {:?}", now[explained]);
            }
            counted = now;
        }
    });
    let after = picture(&mut watcher);
    assert_eq!(
        seen(&after),
        seen(&picture(&mut scene.watcher("fresh"))),
        "seed {seed}: a fresh observer sees otherwise"
    );
    assert_eq!(seen(&after), seen(&before), "seed {seed}: all is as before");
    assert!(after.collectors.values().all(|state| state.error.is_none()), "{:?}", after.collectors);
}

#[test]
fn passes_and_previews_outlive_a_storm_over_a_plain_store() {
    in_time(|| passes_and_previews_outlive(Log::Plain));
}

#[test]
fn passes_and_previews_outlive_a_storm_over_a_dledger_store() {
    in_time(|| passes_and_previews_outlive(Log::DLedger));
}

/// Lengths, names and numbers of files as they are left, without being put back.
#[test]
fn what_a_storm_leaves_is_seen_by_the_next_thorough_pass_as_by_a_fresh_observer() {
    in_time(|| {
        for seed in 0..told("STORM_STRIKES", 1_000) / 200 {
            let scene = Scene::new(Log::Plain);
            let mut watcher = scene.watcher("state");
            picture(&mut watcher);
            let files = Files::below(&scene.path("store"));
            let mut numbers = Numbers((told("STORM_SEED", 1) << 32) | seed);
            for _ in 0..40 {
                files.strike(&mut numbers);
            }
            let now = app::now();
            let after = watcher.pass.passes.look(Thoroughness::Thorough, now).picture;
            let fresh = scene.watcher("fresh").pass.passes.look(Thoroughness::Thorough, now).picture;
            let listed = |picture: &Picture| {
                let rows = picture.queues.rows.iter().filter(|row| row.files > 0);
                let rows: Vec<_> = rows.map(|row| (row.topic.clone(), row.queue, row.files)).collect();
                let log = &picture.log;
                (
                    rows,
                    log.min,
                    log.files,
                    log.allocated,
                    log.apparent,
                    log.gaps,
                    log.invalid.clone(),
                    picture.is_abort_present,
                )
            };
            assert_eq!(listed(&after), listed(&fresh), "seed {seed}");
        }
    });
}

#[test]
fn queues_that_go_one_by_one_under_the_passes_are_all_counted_once() {
    in_time(|| {
        let scene = Scene::new(Log::Plain);
        let mut watcher = scene.watcher("state");
        picture(&mut watcher);
        let is_over = AtomicU64::new(0);
        let passes = AtomicU64::new(0);
        let removed = &scene.queues[..9];
        let mut units = 0;
        std::thread::scope(|threads| {
            threads.spawn(|| {
                for (number, dir) in removed.iter().enumerate() {
                    while passes.load(Ordering::Relaxed) < u64::try_from(number).unwrap() {
                        std::thread::yield_now();
                    }
                    let mut files: Vec<_> =
                        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
                    // The newest first, as a recovery takes them.
                    files.sort();
                    files.iter().rev().for_each(|file| fs::remove_file(file).unwrap());
                    if number % 2 == 0 {
                        fs::remove_dir(dir).unwrap();
                    }
                }
                is_over.store(1, Ordering::Relaxed);
            });
            while is_over.load(Ordering::Relaxed) == 0 {
                picture(&mut watcher);
                passes.fetch_add(1, Ordering::Relaxed);
            }
        });
        // What nothing explains is counted once its explanation is overdue.
        picture(&mut watcher);
        set_now(rocketmq_store_exporter::units::EpochMillis(app::now().0 + 60_000));
        watcher.look();
        let counted = gone(&watcher);
        for gone in counted.values() {
            units += gone.units_removed;
        }
        let vanished: u64 = counted.values().map(|gone| gone.vanished_files).sum();
        // 100 units a queue, 20 a file.
        assert_eq!((units, vanished), (900, 45), "{counted:?}");
    });
}

#[test]
fn a_store_that_was_unmounted_during_a_look_had_lost_everything() {
    in_time(|| {
        let scene = Scene::new(Log::Plain);
        let mut watcher = scene.watcher("state");
        let before = picture(&mut watcher);
        let is_over = AtomicU64::new(0);
        let passes = AtomicU64::new(0);
        std::thread::scope(|threads| {
            threads.spawn(|| {
                for round in 0..20 {
                    let (from, to) = if round % 2 == 0 { ("store", "away") } else { ("away", "store") };
                    // One change a pass, at any point of it.
                    let seen = passes.load(Ordering::Relaxed);
                    while passes.load(Ordering::Relaxed) < seen + 2 {
                        std::thread::yield_now();
                    }
                    fs::rename(scene.path(from), scene.path(to)).unwrap();
                }
                is_over.store(1, Ordering::Relaxed);
            });
            while is_over.load(Ordering::Relaxed) == 0 {
                picture(&mut watcher);
                passes.fetch_add(1, Ordering::Relaxed);
            }
        });
        let after = picture(&mut watcher);
        set_now(rocketmq_store_exporter::units::EpochMillis(app::now().0 + 60_000));
        watcher.look();
        let counted: u64 = gone(&watcher).values().map(|gone| figures(gone).iter().sum::<u64>()).sum();
        assert_eq!(counted, 0, "{:?}", gone(&watcher));
        assert_eq!(seen(&after), seen(&before));
        assert_eq!(watcher.observer.lock().unwrap().memory.life.starts, [0; 3]);
    });
}

#[test]
fn a_queue_with_a_gap_before_an_empty_last_file_stayed_as_it_had_been() {
    let scene = Scene::new(Log::Plain);
    let mut watcher = scene.watcher("state");
    picture(&mut watcher);
    let mut files: Vec<_> =
        fs::read_dir(&scene.queues[0]).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let last = files.pop().unwrap();
    fs::remove_file(files.pop().unwrap()).unwrap();
    fs::write(last, [0; 20 * 20]).unwrap();
    let after = picture(&mut watcher);
    assert_eq!(after.queues.bad[&BadQueue::FileGap], 1);
    assert_eq!(after.queues.rows.iter().map(|row| row.files).sum::<u32>(), 12 * 5 - 1);
    assert!(after.collectors.values().all(|state| state.error.is_none()), "{:?}", after.collectors);
}

#[test]
fn a_segment_that_was_longer_for_a_while_left_a_wrong_end_of_the_log() {
    let scene = Scene::new(Log::Plain);
    let mut watcher = scene.watcher("state");
    let before = picture(&mut watcher);
    let files = Files::below(&scene.path("store"));
    let mut segments: Vec<_> =
        fs::read_dir(scene.path("store/commitlog")).unwrap().map(|entry| entry.unwrap().path()).collect();
    segments.sort();
    segments.pop();
    let longer = segments.pop().unwrap();
    File::options().write(true).open(&longer).unwrap().set_len(51_189).unwrap();
    let others = fs::read_dir(scene.path("store/commitlog")).unwrap().map(|entry| entry.unwrap().path());
    others.filter(|path| *path != longer).for_each(|path| fs::remove_file(path).unwrap());
    let meanwhile = picture(&mut watcher);
    assert_eq!(meanwhile.log.files, 1);
    files.restore();
    assert_eq!(seen(&picture(&mut watcher)), seen(&before));
}

#[test]
fn a_log_tail_outlives_a_storm_and_counts_what_comes_after_it_once() {
    in_time(|| {
        let (seed, strikes) = (told("STORM_SEED", 1), told("STORM_STRIKES", 1_000));
        let scene = Scene::new(Log::Plain);
        let mut watcher = scene.watcher("state");
        let looks = AtomicU64::new(0);
        let is_over = AtomicU64::new(0);
        std::thread::scope(|threads| {
            threads.spawn(|| {
                storm(&scene.path("logs"), seed, strikes, &[&looks]);
                is_over.store(1, Ordering::Relaxed);
            });
            while is_over.load(Ordering::Relaxed) == 0 {
                watcher.read_logs();
                looks.fetch_add(1, Ordering::Relaxed);
            }
        });
        let count = |watcher: &Watcher| {
            let observer = watcher.observer.lock().unwrap();
            let event = &observer.memory.events["mapped_file_create_failed"];
            assert_eq!(observer.tail.error, None, "seed {seed}");
            event.count
        };
        // Until there is nothing more to be read of what the storm left.
        for _ in 0..5 {
            watcher.read_logs();
        }
        let before = count(&watcher);
        for name in ["store.log", "storeerror.log", "broker_default.log"] {
            scene.log(name, 50);
        }
        watcher.read_logs();
        assert_eq!(count(&watcher), before + 150, "seed {seed}");
        watcher.read_logs();
        assert_eq!(count(&watcher), before + 150, "seed {seed}: nothing twice");
    });
}
