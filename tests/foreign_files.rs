//! Whatever stands where a file should be, `serve`, `preview` and `inspect` refuse it in time, and read nothing through it.

#![expect(clippy::unwrap_used, reason = "tests may panic")]

#[path = "support/stores.rs"]
mod stores;
#[path = "support/watcher.rs"]
#[allow(dead_code, reason = "each test uses a part of it")]
mod watcher;

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use nix::sys::stat::{Mode, SFlag, makedev, mknod};
use nix::unistd::mkfifo;
use notify::event::{AccessKind, EventKind};
use notify::{Event, RecursiveMode, Watcher as _};
use rocketmq_store_exporter::app;
use rocketmq_store_exporter::broker::release::VersionSource;
use rocketmq_store_exporter::config::Config;
use rocketmq_store_exporter::observe::state_file::{Saved, set_aside};
use rocketmq_store_exporter::preview::{Asked, Preview, Surroundings, text};
use rocketmq_store_exporter::recovery::Budget;
use rocketmq_store_exporter::watch::{LogFile, LogTail};
use rocketmq_store_exporter::web::picture_json;
use stores::unpack;
use watcher::Watcher;

/// Longest that one look at a store of a hundred small files takes.
const DEADLINE: Duration = Duration::from_secs(60);

/// What nobody but its owner may know. It is a table, a checkpoint and a log at once: it would be taken if it were read.
const SECRET: &str =
    "2026-11-23 14:52:57 INFO main - SECRET-7f3a {\"offsetTable\":{\"SECRET-7f3a@g\":{0:1}}}";

/// What stands where a file was.
const KINDS: [&str; 9] = [
    "link to a secret",
    "link to a directory",
    "link to nothing",
    "link to itself",
    "link to a device",
    "pipe",
    "socket",
    "device",
    "directory",
];

struct Ground {
    dir: tempfile::TempDir,
}

impl Ground {
    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn new(archive: &str, member: &str) -> Self {
        let ground = Self { dir: tempfile::tempdir().unwrap() };
        let path = |name: &str| ground.path(name);
        unpack(archive, member, &path("store"));
        fs::create_dir_all(path("store/config")).unwrap();
        for table in ["topics", "consumerOffset", "subscriptionGroup", "delayOffset"] {
            for end in ["json", "json.bak"] {
                let file = path("store/config").join(format!("{table}.{end}"));
                if !file.exists() {
                    fs::write(file, "{}").unwrap();
                }
            }
        }
        for file in ["store/abort", "store/lock"] {
            if !path(file).exists() {
                fs::write(path(file), "1234").unwrap();
            }
        }
        fs::create_dir_all(path("logs/otherdays")).unwrap();
        for log in ["store.log", "storeerror.log", "broker_default.log"] {
            fs::write(path("logs").join(log), "2026-11-23 14:52:57 INFO main - load over\n").unwrap();
        }
        fs::write(path("logs/otherdays/store.1.log"), "2026-11-22 14:52:57 INFO main - old\n").unwrap();
        fs::write(path("broker.conf"), "fileReservedTime=72\n").unwrap();
        fs::create_dir(path("secret")).unwrap();
        fs::write(path("secret/file"), SECRET).unwrap();
        ground
    }

    /// One file of each place: of the many queues and segments the first and the last of two.
    fn files(&self) -> Vec<PathBuf> {
        let mut found = vec![self.path("broker.conf")];
        let mut dirs = vec![self.path("store"), self.path("logs")];
        while let Some(dir) = dirs.pop() {
            let mut entries: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
            entries.sort();
            let (below, files): (Vec<_>, Vec<_>) = entries.into_iter().partition(|path| path.is_dir());
            let is_numbered = |path: &&PathBuf| path.file_name().unwrap().len() == 20;
            let (numbered, named): (Vec<_>, Vec<_>) = files.iter().partition(is_numbered);
            found.extend(
                named.into_iter().chain(numbered.first().copied()).chain(numbered.last().copied()).cloned(),
            );
            let is_alike = below.len() > 2 && below.iter().all(|path| path.file_name().unwrap().len() < 8);
            dirs.extend(below.into_iter().take(if is_alike { 1 } else { usize::MAX }));
        }
        found.sort();
        found.dedup();
        found
    }

    /// Puts something of this kind there; `None` where that is for root alone.
    fn put(&self, kind: &str, at: &Path) -> Option<Option<UnixListener>> {
        match kind {
            "link to a secret" => symlink(self.path("secret/file"), at).unwrap(),
            "link to a directory" => symlink(self.path("secret"), at).unwrap(),
            "link to nothing" => symlink(self.path("secret/absent"), at).unwrap(),
            "link to itself" => symlink(at, at).unwrap(),
            "link to a device" => symlink("/dev/zero", at).unwrap(),
            "pipe" => mkfifo(at, Mode::S_IRWXU).unwrap(),
            "socket" => {
                // Names of sockets are short when they are bound.
                let bound = UnixListener::bind(self.path("socket")).unwrap();
                fs::rename(self.path("socket"), at).unwrap();
                return Some(Some(bound));
            }
            "device" => mknod(at, SFlag::S_IFCHR, Mode::S_IRWXU, makedev(1, 5)).ok()?,
            _ => fs::create_dir(at).unwrap(),
        }
        Some(None)
    }

    /// What is told of the store, without times.
    fn facts(&self) -> String {
        let config = Config::for_store(self.path("store"));
        let picture = app::inspect(&config);
        let preview = Preview::of(&self.asked(), &Surroundings::default(), &Budget::default()).unwrap();
        let forecast = &preview.forecast;
        format!(
            "{:?} {:?} {:?} {:?} {:?} {:?}",
            picture.queues.rows,
            picture.log.max,
            picture.tables,
            forecast.totals,
            forecast.commitlog,
            forecast.verdict
        )
    }

    fn asked(&self) -> Asked {
        Asked {
            root: self.path("store"),
            broker_conf: Some(self.path("broker.conf")),
            version: Some(("5.3.3".to_owned(), VersionSource::Flag)),
            goes_by_files: true,
            ..Asked::default()
        }
    }

    /// All that is told of the store.
    fn told(&self) -> String {
        let mut config = Config::for_store(self.path("store"));
        config.broker.conf = Some(self.path("broker.conf"));
        let mut told = picture_json(&app::inspect(&config)).to_string();

        let _ = fs::remove_dir_all(self.path("state"));
        let mut watcher = Watcher::start(&self.path("store"), &self.path("logs"), &self.path("state"));
        watcher.look();
        watcher.look();
        told += &picture_json(watcher.observer.lock().unwrap().picture.as_ref().unwrap()).to_string();

        let around = Surroundings { logs: Some(self.path("logs")), ..Surroundings::default() };
        // With the release told, and with it looked for in the logs.
        for version in [self.asked().version, None] {
            let asked = Asked { version, ..self.asked() };
            told += &match Preview::of(&asked, &around, &Budget::default()) {
                Ok(preview) => text::preview(&preview, 80) + &serde_json::to_string(&preview).unwrap(),
                Err(error) => error.to_string(),
            };
        }
        told
    }
}

/// Runs it in time.
fn in_time<T: Send + 'static>(what: &str, run: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, outcome) = mpsc::channel();
    std::thread::spawn(move || done.send(run()));
    outcome.recv_timeout(DEADLINE).unwrap_or_else(|error| panic!("{what}: {error}"))
}

/// Who opened the secret since this was made.
struct Guard {
    _watcher: notify::RecommendedWatcher,
    opened: mpsc::Receiver<notify::Result<Event>>,
}

impl Guard {
    fn over(dir: &Path) -> Self {
        let (tell, opened) = mpsc::channel();
        let mut watcher = notify::recommended_watcher(tell).unwrap();
        watcher.watch(dir, RecursiveMode::NonRecursive).unwrap();
        Self { _watcher: watcher, opened }
    }

    /// Whether the file was opened by others before it is opened here, which must show.
    fn is_broken(&self, secret: &Path) -> bool {
        fs::read(secret).unwrap();
        let mut count = 0;
        // The own event may be late; behind it comes none that is not on its way already.
        let wait = |count| Duration::from_millis(if count == 0 { 10_000 } else { 500 });
        while let Ok(event) = self.opened.recv_timeout(wait(count)) {
            let event = event.unwrap();
            let is_open = matches!(event.kind, EventKind::Access(AccessKind::Open(_)));
            count += usize::from(is_open && event.paths.iter().any(|path| path == secret));
        }
        assert!(count > 0, "opening a file shows");
        count > 1
    }
}

fn every_file_is_replaced_by_every_kind(archive: &str, member: &str, below: &str) {
    let ground = Arc::new(Ground::new(archive, member));
    let secret = ground.path("secret/file");
    let guard = Guard::over(&ground.path("secret"));
    let whole = ground.facts();
    let aside = ground.path("aside");
    let files: Vec<_> =
        ground.files().into_iter().filter(|file| file.starts_with(ground.path(below))).collect();
    assert!(files.len() > 3, "{files:?}");
    for file in &files {
        for kind in KINDS {
            if kind == "link to a secret" && file.ends_with("broker.conf") {
                // Who names a file means what it leads to: what Kubernetes mounts are links.
                continue;
            }
            let what = format!("{} is a {kind}", file.strip_prefix(ground.dir.path()).unwrap().display());
            fs::rename(file, &aside).unwrap();
            let put = ground.put(kind, file);
            if put.is_some() {
                let told = in_time(&what, {
                    let ground = Arc::clone(&ground);
                    move || ground.told()
                });
                assert!(!told.contains("SECRET-7f3a"), "{what}: {told}");
            }
            fs::remove_file(file)
                .or_else(|_| fs::remove_dir(file))
                .or_else(|error| put.map_or(Ok(()), |_| Err(error)))
                .unwrap();
            fs::rename(&aside, file).unwrap();
        }
    }
    assert!(!guard.is_broken(&secret), "the secret was opened through a link");
    assert_eq!(ground.facts(), whole, "all is as it was");
}

#[test]
fn no_file_of_a_plain_store_is_read_through_what_stands_in_its_place() {
    every_file_is_replaced_by_every_kind("5.2.0-plain-killed.tar.gz", "killed", "");
}

#[test]
fn no_file_of_a_dledger_store_is_read_through_what_stands_in_its_place() {
    every_file_is_replaced_by_every_kind("5.3.3-dledger-killed.tar.gz", "before", "store/dledger-n0");
}

#[test]
fn the_state_is_neither_read_nor_written_through_what_stands_in_its_place() {
    let ground = Arc::new(Ground::new("5.2.0-plain-killed.tar.gz", "killed"));
    let victim = ground.path("store/checkpoint");
    let before = fs::read(&victim).unwrap();
    for kind in KINDS.into_iter().chain(["link to the store"]) {
        for name in ["state.json", "state.json.new", "evidence", "forecasts"] {
            let state = ground.path("state");
            let _ = fs::remove_dir_all(&state);
            fs::create_dir(&state).unwrap();
            let put = match kind {
                "link to the store" => {
                    symlink(&victim, state.join(name)).unwrap();
                    Some(None)
                }
                _ => ground.put(kind, &state.join(name)),
            };
            let Some(_bound) = put else { continue };
            in_time(&format!("{name} is a {kind}"), {
                let ground = Arc::clone(&ground);
                move || {
                    let state = ground.path("state");
                    if let Err(error) = Saved::load(&state) {
                        assert!(error.to_string().contains("state.json"), "{error}");
                        set_aside(&state).unwrap();
                    }
                    let mut watcher = Watcher::start(&ground.path("store"), &ground.path("logs"), &state);
                    watcher.look();
                    watcher.stop();
                }
            });
            assert_eq!(fs::read(&victim).unwrap(), before, "{name} is a {kind}");
            assert!(fs::read_to_string(ground.path("secret/file")).unwrap() == SECRET, "{name} is a {kind}");
        }
    }
}

/// Where operators mount volumes.
const MOUNTS: [&str; 6] = [
    "store",
    "store/commitlog",
    "store/consumequeue",
    "store/consumequeue/T0",
    "store/consumequeue/T0/0",
    "store/index",
];

#[test]
fn a_directory_that_is_a_link_to_one_is_followed_as_the_broker_does() {
    let ground = Ground::new("5.2.0-plain-killed.tar.gz", "killed");
    let whole = ground.facts();
    for mount in MOUNTS.into_iter().chain(["store/config"]) {
        fs::rename(ground.path(mount), ground.path("elsewhere")).unwrap();
        symlink(ground.path("elsewhere"), ground.path(mount)).unwrap();
        assert_eq!(ground.facts(), whole, "{mount}");
        fs::remove_file(ground.path(mount)).unwrap();
        fs::rename(ground.path("elsewhere"), ground.path(mount)).unwrap();
    }
}

#[test]
fn a_link_among_rotated_logs_is_passed_over_and_the_rest_is_read() {
    let ground = Ground::new("5.2.0-plain-killed.tar.gz", "killed");
    symlink(ground.path("secret/file"), ground.path("logs/otherdays/store.2.log")).unwrap();
    let _socket = UnixListener::bind(ground.path("logs/otherdays/store.3.log")).unwrap();
    let mut tail = LogTail::new(&ground.path("logs"), None);
    let report = loop {
        let report = tail.poll(&mut |_| {});
        if report.caught_up {
            break report;
        }
    };
    assert_eq!(report.failed_logs, 0);
    assert!(tail.stats(LogFile::Store).lines.iter().sum::<u64>() > 0);
}

#[test]
fn a_link_to_nothing_in_the_place_of_abort_counted_as_present_for_serve_alone() {
    // Java's `File.exists` follows links.
    for (kind, is_there) in
        [("link to nothing", false), ("link to itself", false), ("link to a secret", true)]
    {
        let ground = Ground::new("5.2.0-plain-killed.tar.gz", "killed");
        fs::remove_file(ground.path("store/abort")).unwrap();
        ground.put(kind, &ground.path("store/abort")).unwrap();
        assert_eq!(
            app::inspect(&Config::for_store(ground.path("store"))).is_abort_present,
            Some(is_there),
            "{kind}"
        );
        let preview = Preview::of(&ground.asked(), &Surroundings::default(), &Budget::default()).unwrap();
        assert_eq!(preview.assumed.shutdown, if is_there { "unclean" } else { "clean" }, "{kind}");
    }
}
