//! A forecast is held against the start that follows it, on the recorded incident.

#![allow(clippy::unwrap_used, reason = "a test says by failing what was not there")]

#[path = "support/watcher.rs"]
#[allow(dead_code, reason = "each test uses a part of it")]
mod watcher;

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rocketmq_store_exporter::broker::release::{Detected, VersionSource};
use rocketmq_store_exporter::demo::manifest::{Happening, Recorded};
use rocketmq_store_exporter::demo::{Capture, Stage, StoreFiles, TimeShift};
use rocketmq_store_exporter::observe::outlook::{Foreteller, Outlook};
use rocketmq_store_exporter::observe::outlook_loop::OutlookLoop;
use rocketmq_store_exporter::observe::phase::Phase;
use rocketmq_store_exporter::observe::turns::Turns;
use rocketmq_store_exporter::preview::{Asked, Preview, Surroundings};
use rocketmq_store_exporter::recovery::Verdict;
use rocketmq_store_exporter::units::EpochMillis;
use watcher::{Watcher, now, set_now};

/// A broker of the recorded incident, killed, and an exporter that has looked at it.
struct Scene {
    dir: tempfile::TempDir,
    capture: Capture,
    store: StoreFiles,
    watcher: Watcher,
    outlooks: OutlookLoop,
}

impl Scene {
    fn killed() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        fs::create_dir(path("logs")).unwrap();
        let capture = Capture::embedded().unwrap();
        let store =
            StoreFiles::unpack(&capture, Stage::Killed, &path("store"), TimeShift::default()).unwrap();
        log(&path("logs"), capture.first_run());
        set_now(capture.killed_at());
        let mut watcher = Watcher::start(&path("store"), &path("logs"), &path("state"));
        watcher.look();
        // The lock is free: the watcher has seen the broker stop.
        watcher.look();
        let broker_conf = path("broker.conf");
        fs::write(&broker_conf, capture.manifest().properties(&path("store"))).unwrap();
        let foreteller = Foreteller {
            asked: Asked {
                root: path("store"),
                broker_conf: Some(broker_conf),
                version: Some(("5.2.0".to_owned(), VersionSource::Flag)),
                ..Asked::default()
            },
            around: Surroundings::default(),
            max_bytes: u64::MAX,
            max_time: Duration::from_secs(60),
            known: Mutex::default(),
        };
        let outlooks = OutlookLoop {
            turns: Turns::default(),
            foreteller,
            observer: Arc::clone(&watcher.observer),
            interval: Duration::ZERO,
            max_cpu_ratio: 1.0,
            state_dir: Some(path("state")),
            keep: 2,
            clock: now,
        };
        let phase = watcher.observer.lock().unwrap().phase();
        outlooks.look(phase).unwrap();
        Self { dir, capture, store, watcher, outlooks }
    }

    /// The broker starts and takes its index away, as recorded; then the comparison is made.
    fn restart(&mut self) {
        let started = self.capture.manifest().started_at_ms.timeline;
        let end = EpochMillis(started.0 + self.capture.timeline().last().unwrap().ms);
        set_now(end);
        self.store.enter(&self.capture, Stage::Restarted, end).unwrap();
        log(&self.dir.path().join("logs"), self.capture.timeline());
        self.watcher.read_logs();
        self.watcher.look();
        set_now(EpochMillis(end.0 + 60_000));
        self.outlooks.verify_if_settled();
    }

    /// Changes what was foretold.
    fn foretell_otherwise(&self, change: impl FnOnce(&mut Outlook, &mut Preview)) {
        let mut observer = self.watcher.observer.lock().unwrap();
        let mut outlook = observer.outlook.as_deref().unwrap().clone();
        let mut preview = outlook.preview.as_ref().clone();
        change(&mut outlook, &mut preview);
        outlook.preview = Arc::new(preview);
        observer.outlook = Some(Arc::new(outlook));
    }

    /// How the forecast stood the test, and the mismatches counted.
    fn outcome(&self) -> (String, u64) {
        let observer = self.watcher.observer.lock().unwrap();
        let last = observer.memory.feed.since(0).rfind(|entry| entry.kind == "forecast").unwrap();
        (last.event.clone(), observer.memory.forecast_mismatches)
    }

    fn written(&self) -> Vec<serde_json::Value> {
        let Ok(dir) = fs::read_dir(self.dir.path().join("state/forecasts")) else { return Vec::new() };
        dir.map(|entry| serde_json::from_slice(&fs::read(entry.unwrap().path()).unwrap()).unwrap()).collect()
    }
}

fn log(dir: &Path, recorded: &[Recorded]) {
    for Recorded { what, .. } in recorded {
        if let Happening::Log { file, line } = what {
            let mut log = File::options().append(true).create(true).open(dir.join(file)).unwrap();
            writeln!(log, "{line}").unwrap();
        }
    }
}

#[test]
fn the_incident_comes_as_it_was_foretold() {
    let mut scene = Scene::killed();
    {
        let observer = scene.watcher.observer.lock().unwrap();
        assert_eq!(observer.phase(), Some(Phase::Stopped));
        let outlook = observer.outlook.as_ref().unwrap();
        assert_eq!(outlook.preview.forecast.verdict, Verdict::IndexLoss);
        let lost = scene.capture.manifest().lost;
        assert_eq!(outlook.preview.forecast.totals.units_lost, Some(lost.units));
        assert_eq!(outlook.preview.forecast.totals.queues_emptied, lost.queues);
    }
    scene.restart();
    assert_eq!(scene.outcome(), ("confirmed".to_owned(), 0));
    let written = scene.written();
    assert_eq!(written.len(), 1);
    assert_eq!(written[0]["forecast"]["verdict"], "index_loss");
    assert_eq!(written[0]["mismatches"], serde_json::json!([]));
    assert_eq!(written[0]["account"]["dup_info_failures"], 1);
}

#[test]
fn each_detail_that_comes_otherwise_is_counted_and_written_down() {
    let mut scene = Scene::killed();
    scene.foretell_otherwise(|_, preview| {
        let forecast = &mut preview.forecast;
        forecast.truncation.as_mut().unwrap().process_offset += 1;
        forecast.commitlog.max_offset += 1;
        forecast.log.retain(|line| !line.text.starts_with("DupInfo"));
        forecast.queues[0].before.max_offset += 1;
        forecast.queues[1].after_load.files = 1;
    });
    scene.restart();
    assert_eq!(scene.outcome(), ("wrong".to_owned(), 5));
    let written = scene.written();
    let what: Vec<_> = written[0]["mismatches"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["what"].as_str().unwrap())
        .collect();
    for part in ["truncation", "end of the log", "DupInfo", "before recovery", "least files"] {
        assert!(what.iter().any(|what| what.contains(part)), "{part} in {what:?}");
    }
}

#[test]
fn files_that_should_have_gone_and_did_not_are_told() {
    let mut scene = Scene::killed();
    scene.foretell_otherwise(|_, preview| preview.forecast.files.unlinked.push("checkpoint".into()));
    // A file that the start did not make: it is older.
    let began = scene.capture.manifest().started_at_ms.timeline;
    assert!(began.0 < now().0 + 3_600_000);
    scene.restart();
    let (event, mismatches) = scene.outcome();
    // The file system tells when a file was made by its own clock, which is behind the recorded one or before it.
    let made = fs::metadata(scene.dir.path().join("store/checkpoint")).unwrap().created();
    let is_older = made.is_ok_and(|at| {
        i64::try_from(at.duration_since(std::time::UNIX_EPOCH).unwrap().as_millis()).unwrap() < began.0
    });
    let expected = if is_older { ("wrong", 1) } else { ("confirmed", 0) };
    assert_eq!((event.as_str(), mismatches), expected);
}

#[test]
fn what_cannot_be_compared_is_not_called_wrong() {
    type Change = fn(&mut Outlook, &mut Preview);
    let changes: [Change; 5] = [
        |_, preview| preview.assumed.version = Some("5.3.3".to_owned()),
        |_, preview| preview.forecast.is_clean = true,
        |_, preview| preview.forecast.verdict = Verdict::Inconclusive,
        |_, preview| preview.forecast.consistent = false,
        |outlook, _| outlook.is_of_running = true,
    ];
    for (at, change) in changes.into_iter().enumerate() {
        let mut scene = Scene::killed();
        scene.foretell_otherwise(change);
        if at == 0 {
            let found = Detected { version: "5.2.0".to_owned(), source: VersionSource::Process };
            scene.watcher.observer.lock().unwrap().memory.release = Some(found);
        }
        if at == 4 {
            // Of a broker that ran on: the log then was shorter.
            scene.watcher.observer.lock().unwrap().memory.log_max = Some(1);
        }
        scene.restart();
        assert_eq!(scene.outcome(), ("not_comparable".to_owned(), 0), "{at}");
        assert!(scene.written().is_empty());
    }
}

#[test]
fn a_release_that_was_told_an_exporter_before_this_one_is_forgotten() {
    for (source, is_kept) in
        [(VersionSource::Flag, false), (VersionSource::Env, false), (VersionSource::Jar, true)]
    {
        let mut scene = Scene::killed();
        let known = Detected { version: "4.9.4".to_owned(), source };
        scene.watcher.observer.lock().unwrap().memory.release = Some(known.clone());
        scene.restart();
        let found = scene.watcher.observer.lock().unwrap().memory.release.clone();
        assert_eq!(found == Some(known), is_kept, "{found:?}");
    }
}

#[test]
fn a_start_is_compared_once_and_without_a_forecast_not_at_all() {
    let mut scene = Scene::killed();
    scene.restart();
    scene.outlooks.verify_if_settled();
    let count = |scene: &Scene| {
        let observer = scene.watcher.observer.lock().unwrap();
        observer.memory.feed.since(0).filter(|entry| entry.kind == "forecast").count()
    };
    assert!(!scene.watcher.observer.lock().unwrap().is_verification_due);
    assert_eq!(count(&scene), 1);
    let mut scene = Scene::killed();
    scene.watcher.observer.lock().unwrap().outlook = None;
    scene.restart();
    assert_eq!(count(&scene), 0);
}
