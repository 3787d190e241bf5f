//! Whatever stands where a store should be, a pass comes to its end, says what is wrong, and shows the rest.

#![expect(clippy::unwrap_used, reason = "tests may panic")]

#[path = "support/stores.rs"]
mod stores;
#[path = "support/watcher.rs"]
#[allow(dead_code, reason = "each test uses a part of it")]
mod watcher;

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use rocketmq_store_exporter::inspect::metadata::{Table, TableCopy};
use rocketmq_store_exporter::observe::picture::{BadQueue, Collector, Picture};
use rocketmq_store_exporter::observe::shrinkage::Explained;
use rocketmq_store_exporter::store::layout::{QueueKind, RootState};
use rocketmq_store_exporter::store::segments::InvalidReason;
use stores::unpack;
use watcher::Watcher;

struct Case {
    dir: tempfile::TempDir,
    watcher: Option<Watcher>,
}

impl Case {
    fn empty() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), watcher: None }
    }

    fn plain() -> Self {
        let case = Self::empty();
        unpack("5.2.0-plain-killed.tar.gz", "killed", &case.root());
        case
    }

    fn dledger() -> Self {
        let case = Self::empty();
        unpack("5.3.3-dledger-killed.tar.gz", "before", &case.root());
        case
    }

    fn root(&self) -> PathBuf {
        self.dir.path().join("store")
    }

    fn path(&self, below: &str) -> PathBuf {
        self.root().join(below)
    }

    fn look(&mut self) -> Arc<Picture> {
        let path = |name: &str| self.dir.path().join(name);
        let watcher =
            self.watcher.get_or_insert_with(|| Watcher::start(&path("store"), &path("logs"), &path("state")));
        watcher.look();
        let picture = watcher.observer.lock().unwrap().picture.clone();
        picture.unwrap()
    }

    fn error(&mut self, collector: Collector) -> Option<String> {
        self.look().collectors[&collector].error.clone()
    }

    fn removed(&self) -> u64 {
        let watcher = self.watcher.as_ref().unwrap();
        Explained::ALL.iter().map(|explained| watcher.gone(*explained).units_removed).sum()
    }
}

#[test]
fn what_stands_at_the_root_is_told_as_a_state() {
    let mut case = Case::empty();
    assert_eq!(case.look().root_state, RootState::Missing);
    assert!(case.error(Collector::Root).unwrap().contains("store"), "names the path");
    fs::write(case.root(), b"").unwrap();
    assert_eq!(case.look().root_state, RootState::NotADirectory);
    fs::remove_file(case.root()).unwrap();
    fs::create_dir(case.root()).unwrap();
    assert_eq!(case.look().root_state, RootState::Empty);
    fs::create_dir(case.path("photos")).unwrap();
    assert_eq!(case.look().root_state, RootState::NotAStore);
    unpack("5.2.0-plain-killed.tar.gz", "killed", &case.root());
    assert_eq!(case.look().root_state, RootState::Store);
    assert_eq!(case.error(Collector::Root), None);
}

#[test]
fn a_store_that_goes_away_and_comes_back_has_lost_nothing() {
    let mut case = Case::plain();
    let before = case.look();
    fs::rename(case.root(), case.dir.path().join("elsewhere")).unwrap();
    fs::create_dir(case.root()).unwrap();
    assert_eq!(case.look().root_state, RootState::Empty);
    fs::remove_dir(case.root()).unwrap();
    fs::rename(case.dir.path().join("elsewhere"), case.root()).unwrap();
    let after = case.look();
    assert_eq!(before.queues.rows, after.queues.rows);
    assert_eq!(case.removed(), 0);
}

#[test]
fn a_file_where_the_queues_should_be_is_an_error_and_no_loss() {
    let mut case = Case::plain();
    case.look();
    fs::rename(case.path("consumequeue"), case.dir.path().join("queues")).unwrap();
    fs::write(case.path("consumequeue"), b"").unwrap();
    let error = case.error(Collector::Consumequeue).unwrap();
    assert!(error.contains("consumequeue"), "{error}");
    assert_eq!(case.removed(), 0);
    assert!(case.look().log.max.is_some(), "the log is seen all the same");
}

#[test]
fn a_directory_that_may_not_be_read_is_an_error_and_no_loss() {
    use std::os::unix::fs::PermissionsExt;
    let mut case = Case::plain();
    let rows = case.look().queues.rows.clone();
    let dir = case.path("consumequeue/T0");
    let set_mode = |mode| fs::set_permissions(&dir, fs::Permissions::from_mode(mode)).unwrap();
    set_mode(0o000);
    let is_root = fs::read_dir(&dir).is_ok();
    let error = case.error(Collector::Consumequeue);
    set_mode(0o755);
    // Nothing is forbidden to root; there the pass just comes through.
    assert_eq!(error.is_some(), !is_root);
    assert_eq!(case.look().queues.rows, rows);
    assert_eq!(case.removed(), 0);
}

#[test]
fn pipes_links_and_directories_at_every_level_neither_block_nor_mislead() {
    let mut case = Case::plain();
    let rows = case.look().queues.rows.len();
    let elsewhere = case.dir.path().join("elsewhere");
    fs::write(&elsewhere, vec![1; 200]).unwrap();
    for (number, dir) in
        ["", "commitlog", "consumequeue", "consumequeue/T0", "consumequeue/T0/0", "index", "config"]
            .iter()
            .enumerate()
    {
        let dir = case.path(dir);
        fs::create_dir_all(&dir).unwrap();
        mkfifo(&dir.join(format!("{:020}", 900_000 + number)), Mode::S_IRWXU).unwrap();
        symlink(&elsewhere, dir.join(format!("{:020}", 800_000 + number))).unwrap();
        fs::create_dir(dir.join(format!("{:020}", 700_000 + number))).unwrap();
    }
    fs::remove_file(case.path("checkpoint")).unwrap();
    mkfifo(&case.path("checkpoint"), Mode::S_IRWXU).unwrap();
    let picture = case.look();
    let reasons: Vec<_> = picture.log.invalid.iter().map(|file| file.reason).collect();
    for reason in [InvalidReason::NotAFile, InvalidReason::Directory] {
        assert!(reasons.contains(&reason), "{reasons:?}");
    }
    assert_eq!(picture.queues.bad[&BadQueue::InvalidFile], 1);
    assert_eq!(case.error(Collector::Files).map(|error| error.contains("checkpoint")), Some(true));
    // Directories with numbers as names count as queues and topics, as they do for the broker; they hold nothing.
    assert!(picture.queues.rows.len() >= rows);
    assert_eq!(case.removed(), 0);
}

#[test]
fn a_checkpoint_of_any_length_is_told_valid_or_not() {
    for (len, is_valid) in [(0, false), (7, false), (47, false), (48, true), (4096, true), (10_000, true)] {
        let mut case = Case::plain();
        fs::write(case.path("checkpoint"), vec![1; len]).unwrap();
        let (checkpoint, _) = case.look().checkpoint.unwrap();
        assert_eq!(!checkpoint.is_short(), is_valid, "{len}");
    }
}

#[test]
fn half_a_table_is_invalid_once_it_stays_so_and_whole_again_once_it_is() {
    let mut case = Case::dledger();
    let key = (Table::ConsumerOffset, TableCopy::Primary);
    assert_eq!(case.look().tables.get(&key), Some(&true));
    let path = case.path("config/consumerOffset.json");
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    case.look();
    let picture = case.look();
    assert_eq!(picture.tables.get(&key), Some(&false));
    assert_eq!(picture.queues.offsets_beyond_and_below, None, "unknown, not zero");
    fs::write(&path, &whole).unwrap();
    assert_eq!(case.look().tables.get(&key), Some(&true));
}

#[test]
fn a_log_without_its_directory_and_one_that_is_damaged_are_told() {
    let mut case = Case::dledger();
    fs::remove_dir_all(case.path("dledger-n0/data")).unwrap();
    let picture = case.look();
    assert_eq!((picture.log.files, picture.log.min), (0, None));

    let mut case = Case::plain();
    case.look();
    let segment = case.path("commitlog/00000000000000016384");
    File::options().write(true).open(&segment).unwrap().set_len(100).unwrap();
    let picture = case.look();
    assert_eq!(picture.log.gaps, 1);
    assert_eq!(picture.log.invalid[0].reason, InvalidReason::WrongLength);
}

#[test]
fn a_rocksdb_store_of_queues_is_its_own_kind_and_not_misread() {
    let mut case = Case::plain();
    fs::remove_dir_all(case.path("consumequeue")).unwrap();
    fs::create_dir(case.path("consumequeue")).unwrap();
    for name in ["CURRENT", "LOCK", "MANIFEST-000005", "000008.sst"] {
        fs::write(case.path("consumequeue").join(name), b"x").unwrap();
    }
    let picture = case.look();
    assert_eq!(picture.queue_kind, Some(QueueKind::RocksDb));
    assert!(picture.queues.rows.is_empty() && picture.log.lag_bytes.is_none());
}

#[test]
fn files_that_come_go_shrink_and_are_replaced_under_a_pass_do_no_lasting_harm() {
    let mut case = Case::plain();
    let rows = case.look().queues.rows.clone();
    let stop = Arc::new(AtomicBool::new(false));
    let (root, stopped) = (case.root(), Arc::clone(&stop));
    let restless = std::thread::spawn(move || {
        let victims = [
            "consumequeue/T0/0/00000000000000000000",
            "consumequeue/T1/1/00000000000000000000",
            "commitlog/00000000000000098304",
            "checkpoint",
        ];
        let mut rounds = 0;
        while !stopped.load(Ordering::Relaxed) || rounds < 50 {
            for victim in victims {
                let path = root.join(victim);
                let whole = fs::read(&path).unwrap();
                File::options().write(true).open(&path).unwrap().set_len(10).unwrap();
                fs::remove_file(&path).unwrap();
                fs::create_dir(&path).unwrap();
                fs::remove_dir(&path).unwrap();
                fs::write(&path, &whole).unwrap();
            }
            rounds += 1;
        }
    });
    for _ in 0..100 {
        case.look();
    }
    stop.store(true, Ordering::Relaxed);
    restless.join().unwrap();
    let picture = case.look();
    assert_eq!(picture.queues.rows, rows);
    assert!(picture.collectors.values().all(|state| state.error.is_none()), "{:?}", picture.collectors);
}

/// Puts something else in the place of what stands there.
type Obstacle = fn(&std::path::Path);

fn a_file(path: &std::path::Path) {
    fs::write(path, b"x").unwrap();
}

fn a_directory(path: &std::path::Path) {
    fs::create_dir(path).unwrap();
}

fn a_pipe(path: &std::path::Path) {
    mkfifo(path, Mode::S_IRWXU).unwrap();
}

fn a_link_to_itself(path: &std::path::Path) {
    symlink(path, path).unwrap();
}

#[test]
fn what_stands_in_the_place_of_something_else_is_told_by_one_collector_and_forgotten_once_repaired() {
    use Collector::{Commitlog, Consumequeue, Files, Metadata};
    let obstacles: [(&str, Obstacle, Collector); 19] = [
        ("commitlog", a_file, Commitlog),
        ("commitlog", a_pipe, Commitlog),
        ("commitlog", a_link_to_itself, Commitlog),
        ("consumequeue", a_file, Consumequeue),
        ("consumequeue", a_pipe, Consumequeue),
        ("consumequeue", a_link_to_itself, Consumequeue),
        ("consumequeue/T0", a_file, Consumequeue),
        ("consumequeue/T0", a_pipe, Consumequeue),
        ("consumequeue/T0", a_link_to_itself, Consumequeue),
        ("consumequeue/T0/0", a_link_to_itself, Consumequeue),
        ("index", a_file, Files),
        ("index", a_link_to_itself, Files),
        ("checkpoint", a_directory, Files),
        ("checkpoint", a_pipe, Files),
        ("checkpoint", a_link_to_itself, Files),
        ("lock", a_link_to_itself, Files),
        ("config", a_file, Metadata),
        ("config/topics.json", a_pipe, Metadata),
        ("config/topics.json", a_directory, Metadata),
    ];
    for (place, put, collector) in obstacles {
        let mut case = Case::plain();
        fs::create_dir_all(case.path("config")).unwrap();
        fs::write(case.path("config/topics.json"), br#"{"topicConfigTable":{}}"#).unwrap();
        let before = case.look();
        let aside = case.dir.path().join("aside");
        fs::rename(case.path(place), &aside).unwrap();
        put(&case.path(place));
        for (each, state) in &case.look().collectors {
            let error = state.error.as_deref().unwrap_or_default();
            assert_eq!(!error.is_empty(), *each == collector, "{place}: {each:?} says {error:?}");
            assert!(error.is_empty() || error.contains(place), "{place}: {error}");
        }
        fs::remove_file(case.path(place)).or_else(|_| fs::remove_dir(case.path(place))).unwrap();
        fs::rename(&aside, case.path(place)).unwrap();
        let after = case.look();
        assert!(after.collectors.values().all(|state| state.error.is_none()), "{place}");
        assert_eq!(after.queues.rows, before.queues.rows, "{place}");
        assert_eq!((after.log.max, &after.tables), (before.log.max, &before.tables), "{place}");
        assert_eq!(case.removed(), 0, "{place}");
    }
}

#[test]
fn foreign_names_at_every_level_are_passed_over() {
    let mut case = Case::plain();
    let before = case.look();
    let names = [
        "x",
        "-1",
        "+1",
        "0x1",
        "1e3",
        "1.0",
        " 1",
        "4294967296",
        "99999999999999999999999",
        "000000000000000000001",
        ".tmp",
    ];
    for level in ["", "commitlog", "consumequeue", "consumequeue/T0", "consumequeue/T0/0", "index"] {
        for name in names {
            // A directory below `consumequeue/` is a topic, whatever its name: there it is a file.
            fs::write(case.path(level).join(name), b"x").unwrap();
            if level == "consumequeue/T0" {
                fs::create_dir(case.path(level).join(format!("{name}d"))).unwrap();
            }
        }
    }
    let after = case.look();
    let rows = |picture: &Picture| {
        picture.queues.rows.iter().map(|row| (row.topic.clone(), row.queue, row.max)).collect::<Vec<_>>()
    };
    assert_eq!(rows(&after), rows(&before));
    assert_eq!((after.log.files, after.log.max), (before.log.files, before.log.max));
    assert_eq!(after.log.invalid.len(), names.len(), "{:?}", after.log.invalid);
    assert!(after.log.invalid.iter().all(|file| file.reason == InvalidReason::ForeignName));
    assert_eq!(after.queues.bad[&BadQueue::InvalidFile], 1, "the queue with such files");
    assert!(after.collectors.values().all(|state| state.error.is_none()), "{:?}", after.collectors);
    assert_eq!(case.removed(), 0);
}

#[test]
fn a_table_that_is_gone_is_unknown_once_it_stays_so() {
    let mut case = Case::dledger();
    let known = case.look();
    let of = |picture: &Picture| (picture.queues.offsets_beyond_and_below, picture.queues.mismatches.clone());
    assert!(of(&known).0.is_some() && of(&known).1.is_some());
    let (there, away) = (case.path("config"), case.dir.path().to_owned());
    let move_tables = |from: &std::path::Path, to: &std::path::Path| {
        for table in ["consumerOffset.json", "topics.json"] {
            fs::rename(from.join(table), to.join(table)).unwrap();
        }
    };
    move_tables(&there, &away);
    case.look();
    move_tables(&away, &there);
    assert_eq!(case.look().tables, known.tables, "back as it was");
    move_tables(&there, &away);
    // A broker that writes a table anew takes the old one away first.
    assert_eq!(of(&case.look()), of(&known));
    assert_eq!(of(&case.look()), (None, None));
    move_tables(&away, &there);
    assert_eq!(of(&case.look()), of(&known));
}
