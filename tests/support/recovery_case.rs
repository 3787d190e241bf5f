//! A store of a real broker, unpacked, and the question that it was made for.

#![allow(clippy::unwrap_used, reason = "a test says by failing what was not there")]
#![allow(dead_code, reason = "each test file uses its own part")]

use std::fmt::Write as _;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rocketmq_store_exporter::broker::BrokerConf;
use rocketmq_store_exporter::broker::release::{self, Release};
use rocketmq_store_exporter::format::java_properties::JavaProperties;
use rocketmq_store_exporter::recovery::{
    Budget, Forecast, Question, Reach, RecoveryError, Shutdown, Without, forecast,
};
use rocketmq_store_exporter::store::layout::LogKind;
use serde_json::Value;

/// A case, and its store below a directory of its own.
pub struct Case {
    pub meta: Value,
    store: tempfile::TempDir,
}

impl Case {
    pub fn unpack(path: &Path) -> Self {
        let store = tempfile::tempdir().unwrap();
        let file = std::fs::File::open(path).unwrap();
        let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(file));
        let mut meta = Value::Null;
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let name = entry.path().unwrap().into_owned();
            if name == Path::new("case.json") {
                meta = serde_json::from_reader(&mut entry).unwrap();
            } else {
                let to = store.path().join(name.strip_prefix("store").unwrap());
                std::fs::create_dir_all(to.parent().unwrap()).unwrap();
                std::io::copy(&mut entry, &mut std::fs::File::create(&to).unwrap()).unwrap();
            }
        }
        // Zeros at the end of files are not packed.
        for (name, len) in meta["lengths"].as_object().unwrap() {
            let to = store.path().join(name);
            if name.ends_with('/') {
                std::fs::create_dir_all(&to).unwrap();
                continue;
            }
            std::fs::create_dir_all(to.parent().unwrap()).unwrap();
            let file = std::fs::OpenOptions::new().create(true).append(true).open(&to).unwrap();
            file.set_len(len.as_u64().unwrap()).unwrap();
        }
        Self { meta, store }
    }

    pub fn text(&self, key: &str) -> &str {
        self.meta[key].as_str().unwrap()
    }

    pub fn is_started(&self) -> bool {
        self.text("phase") == "start"
    }

    /// The broker's properties.
    pub fn conf_text(&self) -> String {
        let root = self.store.path().display().to_string();
        let mut text = format!("storePathRootDir={root}\ndLegerSelfId=n0\ndLegerGroup=g0\n");
        for part in ["cfg", "broker"] {
            for (key, value) in self.meta[part].as_object().into_iter().flatten() {
                let value = value.as_str().unwrap().replace("<store>", &root);
                writeln!(text, "{key}={value}").unwrap();
            }
        }
        text
    }

    pub fn conf(&self) -> BrokerConf {
        BrokerConf::as_broker_takes_it(&JavaProperties::parse(self.conf_text().as_bytes()).unwrap()).0
    }

    /// One case by its name.
    pub fn named(name: &str) -> Self {
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/recovery");
        Self::unpack(&fixtures.join(format!("{name}.tar.gz")))
    }

    /// Paths of all cases; `RECOVERY_FIXTURES` names another directory of them.
    pub fn all() -> Vec<PathBuf> {
        let dir = std::env::var_os("RECOVERY_FIXTURES").map_or_else(
            || Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/recovery"),
            PathBuf::from,
        );
        let mut paths: Vec<_> = std::fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|ext| ext == "gz"))
            .collect();
        paths.sort();
        paths
    }

    pub fn root(&self) -> &Path {
        self.store.path()
    }

    pub fn forecast(&self) -> Forecast {
        let release = release::parse(self.text("version")).unwrap();
        self.forecast_as(release, &Budget::default()).unwrap()
    }

    pub fn forecast_as(&self, release: Release, budget: &Budget) -> Result<Forecast, RecoveryError> {
        forecast(&Question { release, ..self.question() }, budget)
    }

    /// Writes the beginning of a message behind the end of a plain log, as a crash leaves it; gives that end.
    pub fn tear_end(&self) -> i64 {
        let found = self.forecast().commitlog;
        let mut segments: Vec<_> = std::fs::read_dir(self.root().join("commitlog"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        segments.retain(|path| {
            path.file_name().unwrap().to_str().unwrap().parse::<i64>().unwrap() <= found.scan_end
        });
        let last = segments.into_iter().max().unwrap();
        let base: i64 = last.file_name().unwrap().to_str().unwrap().parse().unwrap();
        let log = std::fs::OpenOptions::new().read(true).write(true).open(last).unwrap();
        let mut begin = [0; 80];
        log.read_exact_at(&mut begin, 0).unwrap();
        log.write_all_at(&begin, u64::try_from(found.scan_end - base).unwrap()).unwrap();
        found.scan_end
    }

    /// The question that the case was made for.
    pub fn question(&self) -> Question {
        Question {
            root: self.store.path().to_owned(),
            conf: self.conf(),
            release: release::parse(self.text("version")).unwrap(),
            mode: Some(match self.text("mode") {
                "dledger" => LogKind::DLedger,
                "controller" => LogKind::Controller,
                _ => LogKind::Plain,
            }),
            shutdown: Shutdown::AsFound,
            without: Without::default(),
            reach: if self.is_started() { Reach::Start } else { Reach::Load },
            digest: true,
        }
    }
}
