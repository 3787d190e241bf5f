//! A whole scrape of a store equals its golden file; `UPDATE_GOLDEN=1` writes them anew.
//!
//! What depends on the machine or the clock is masked: see [`MASKED`].

#![expect(clippy::unwrap_used, reason = "tests may panic")]

#[path = "support/stores.rs"]
mod stores;
#[path = "support/watcher.rs"]
#[allow(dead_code, reason = "each test uses a part of it")]
mod watcher;

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use nix::fcntl::{FcntlArg, fcntl};
use prometheus::core::Collector;
use prometheus::{Encoder, TextEncoder};
use rocketmq_store_exporter::broker::BrokerConf;
use rocketmq_store_exporter::confine::Confinement;
use rocketmq_store_exporter::demo::manifest::{Happening, Recorded};
use rocketmq_store_exporter::demo::{Capture, Stage, StoreFiles, TimeShift};
use rocketmq_store_exporter::metrics::StoreCollector;
use rocketmq_store_exporter::metrics::catalogue::{ALL, Kind};
use rocketmq_store_exporter::metrics::collector::MetricOptions;
use rocketmq_store_exporter::observe::phase::Phase;
use rocketmq_store_exporter::observe::shrinkage::Explained;
use rocketmq_store_exporter::store::lock::first_byte;
use rocketmq_store_exporter::units::EpochMillis;
use stores::{fixture, unpack};
use watcher::{Watcher, now, set_now};

/// Metrics whose values are the machine's; masked besides is the exporter's own version: blocks of the file system, disk, durations, times of files, bytes read by all tests.
const MASKED: &[&str] = &[
    "_allocated_bytes",
    "disk_used_ratio",
    "duration_seconds{collector",
    "checkpoint_modified_timestamp_seconds",
    "exporter_read_bytes_total",
    "reclaimable_bytes",
];

fn scrape(watcher: &Watcher) -> String {
    let options = MetricOptions {
        topics_limit: 50,
        bad_queues_limit: 20,
        broker: BrokerConf::default(),
        is_broker_told: false,
        confinement: Confinement::default(),
        vitals: Arc::default(),
    };
    let families = StoreCollector::new(Arc::clone(&watcher.observer), options, now).collect();
    let mut text = Vec::new();
    TextEncoder::new().encode(&families, &mut text).unwrap();
    let version = format!("build_info{{version=\"{}\"}}", env!("CARGO_PKG_VERSION"));
    let mask = |line: &str| match line.rsplit_once(' ') {
        Some((series, _)) if !line.starts_with('#') && MASKED.iter().any(|part| series.contains(part)) => {
            format!("{series} <masked>\n")
        }
        _ => format!("{line}\n"),
    };
    let text = String::from_utf8(text).unwrap().replace(&version, "build_info{version=\"<masked>\"}");
    text.lines().map(mask).collect()
}

fn assert_golden(name: &str, found: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, found).unwrap();
    }
    let golden = fs::read_to_string(&path).unwrap();
    let differing = golden.lines().zip(found.lines()).find(|(golden, found)| golden != found);
    assert_eq!(differing, None, "{name}: golden line, then found");
    assert_eq!(golden.lines().count(), found.lines().count(), "{name}");
}

#[test]
fn a_killed_plain_broker() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    unpack("5.2.0-plain-killed.tar.gz", "killed", &path("store"));
    let mut watcher = Watcher::start(&path("store"), &path("logs"), &path("state"));
    watcher.look();
    assert_golden("plain-killed.prom", &scrape(&watcher));
}

/// The incident that comes with the program, at the recorded times: every queue goes, and the log stays.
#[test]
fn a_dledger_broker_before_and_after_it_lost_its_whole_index() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    fs::create_dir(path("logs")).unwrap();
    let capture = Capture::embedded().unwrap();
    let hold_lock = || {
        let file = File::options().write(true).open(path("store/lock")).unwrap();
        fcntl(&file, FcntlArg::F_OFD_SETLK(&first_byte())).unwrap();
        file
    };
    let at = |start: EpochMillis, last: &Recorded| EpochMillis(start.0 + last.ms);
    let started = capture.manifest().started_at_ms;

    let mut store =
        StoreFiles::unpack(&capture, Stage::Running, &path("store"), TimeShift::default()).unwrap();
    log(&path("logs"), capture.first_run());
    set_now(at(started.first_run, capture.first_run().last().unwrap()));
    let lock = hold_lock();
    let mut watcher = Watcher::start(&path("store"), &path("logs"), &path("state"));
    watcher.look();
    assert_golden("incident-before.prom", &scrape(&watcher));

    drop(lock);
    store.enter(&capture, Stage::Killed, capture.killed_at()).unwrap();
    set_now(capture.killed_at());
    watcher.look();
    assert_eq!(watcher.observer.lock().unwrap().phase(), Some(Phase::Stopped));

    let end = at(started.timeline, capture.timeline().last().unwrap());
    set_now(end);
    store.enter(&capture, Stage::Restarted, end).unwrap();
    log(&path("logs"), capture.timeline());
    let _lock = hold_lock();
    watcher.read_logs();
    watcher.look();
    let (lost, gone) = (capture.manifest().lost, watcher.gone(Explained::Recovery));
    assert_eq!(
        (gone.vanished_queues, gone.vanished_files, gone.units_removed),
        (lost.queues, lost.files, lost.units)
    );
    assert_golden("incident-after.prom", &scrape(&watcher));
}

/// Appends the recorded lines to their logs.
fn log(dir: &Path, recorded: &[Recorded]) {
    for Recorded { what, .. } in recorded {
        if let Happening::Log { file, line } = what {
            let mut log = File::options().append(true).create(true).open(dir.join(file)).unwrap();
            writeln!(log, "{line}").unwrap();
        }
    }
}

#[test]
fn a_dledger_broker_before_and_after_a_loss_inside_its_files() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    fs::create_dir(path("logs")).unwrap();
    unpack("5.3.3-dledger-killed.tar.gz", "before", &path("store"));
    let mut watcher = Watcher::start(&path("store"), &path("logs"), &path("state"));
    watcher.look();
    assert_golden("dledger-before.prom", &scrape(&watcher));

    unpack("5.3.3-dledger-killed.tar.gz", "restarted", &path("store"));
    fs::copy(fixture("5.3.3-dledger-killed.store.log"), path("logs/store.log")).unwrap();
    watcher.read_logs();
    watcher.look();
    assert_golden("dledger-restarted.prom", &scrape(&watcher));
}

#[test]
fn every_golden_file_is_of_a_test() {
    let source = |name: &str| fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap();
    let own = source("tests/scrape.rs") + &source("tests/preview.rs");
    let dir = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")).unwrap();
    let names: Vec<_> = dir.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    let unused: Vec<_> = names
        .iter()
        .filter(|name| !own.contains(&format!("\"{}\"", name.trim_end_matches(".txt"))))
        .collect();
    assert!(unused.is_empty() && names.len() > 3, "{unused:?}");
}

#[test]
fn no_store_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let mut watcher = Watcher::start(&path("store"), &path("logs"), &path("state"));
    watcher.look();
    assert_golden("no-store.prom", &scrape(&watcher));
}

#[test]
fn the_catalogue_can_be_registered_whole_and_stays_near_three_hundred_series() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    unpack("5.3.3-dledger-killed.tar.gz", "restarted", &path("store"));
    let mut watcher = Watcher::start(&path("store"), &path("logs"), &path("state"));
    watcher.look();
    let text = scrape(&watcher);
    let series = text.lines().filter(|line| !line.starts_with('#') && !line.contains("_topic_")).count();
    assert!((200..=360).contains(&series), "{series}");
    for metric in ALL {
        assert!(matches!(metric.kind, Kind::Counter | Kind::Gauge), "{}", metric.name);
    }
    let options = MetricOptions {
        topics_limit: 0,
        bad_queues_limit: 0,
        broker: BrokerConf::default(),
        is_broker_told: true,
        confinement: Confinement::default(),
        vitals: Arc::default(),
    };
    let collector = StoreCollector::new(Arc::clone(&watcher.observer), options, now);
    assert_eq!(collector.desc().len(), ALL.len());
    prometheus::Registry::new().register(Box::new(collector)).unwrap();
}
