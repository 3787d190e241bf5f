//! What a forecast goes by: what was typed, and where it was silent what the surroundings tell.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::answer::PreviewError;
use super::asked::{Asked, Problem};
use crate::broker::release::{self, Detected, Places, VersionSource, only_known};
use crate::broker::{BrokerConf, is_property};
use crate::format::batch_cq_unit::BATCH_UNIT_LEN;
use crate::format::cq_unit::UNIT_LEN;
use crate::format::java_properties::JavaProperties;
use crate::label::label_set;
use crate::recovery::{Question, Reach, RecoveryError, Shutdown};
use crate::store::layout::{Layout, LayoutOptions, LogKind, QueueKind, exists};
use crate::store::lock::{self, LockState};
use crate::store::queue_files::QueueFiles;
use crate::store::segments::{Segments, most_common};
use crate::store::told_file::{self, Links};
use crate::watch::Releases;
use crate::watch::lines::LogTail;

/// First release in which `enableAcceleratedRecovery` acts on queues in files.
const ACCELERATES_ANY_STORE: release::Release = (5, 5, 0);

label_set! {
    /// What the broker is doing.
    pub enum BrokerState {
        /// No broker works on the store.
        Stopped = "stopped",
        /// It goes through its recovery.
        Loading = "loading",
        /// It serves.
        Running = "running",
        /// Nobody can tell from here.
        Unknown = "unknown",
    }
}

/// What is known beside the store.
#[derive(Debug, Clone, Default)]
pub struct Surroundings {
    /// `ROCKETMQ_VERSION`
    pub version: Option<String>,
    /// `ROCKETMQ_HOME`
    pub home: Option<String>,
    /// Directory of the broker's logs.
    pub logs: Option<PathBuf>,
    /// What a watcher of this store knows of the release already.
    pub detected: Option<Detected>,
    /// What a watcher of this store knows of the broker already.
    pub broker_state: Option<BrokerState>,
}

/// The store of a question.
#[derive(Debug, Clone, Serialize)]
pub struct StoreSeen {
    /// Its root.
    pub root: String,
    /// How its log is kept.
    pub mode: LogKind,
    /// What its broker is doing.
    pub broker_state: BrokerState,
}

/// What the answer goes by.
#[derive(Debug, Clone, Serialize)]
pub struct Assumed {
    /// Release; absent if nothing tells.
    pub version: Option<String>,
    /// How it is known.
    pub version_source: Option<VersionSource>,
    /// `clean` or `unclean`.
    pub shutdown: &'static str,
    /// `abort_file` or `flag`.
    pub shutdown_source: &'static str,
    /// Keys of the broker's properties that were set.
    pub overrides: BTreeMap<String, String>,
    /// Files taken for missing.
    pub without: Vec<&'static str>,
}

/// A question with nothing left open but, it may be, the release.
#[derive(Debug, Clone)]
pub struct Assumption {
    /// The store.
    pub store: StoreSeen,
    /// For the answer.
    pub assumed: Assumed,
    /// For the recovery.
    pub question: Question,
    /// Paths of the store.
    pub layout: Layout,
    /// Whether the release is known; otherwise the one in the question means nothing.
    pub is_release_known: bool,
    /// Whether there is a properties file, and it leaves open how the log is kept.
    pub is_mode_left_open: bool,
}

impl Assumption {
    /// Settles what was left open.
    ///
    /// # Errors
    /// All problems of what was typed, or that there is no store.
    pub fn settle(asked: &Asked, around: &Surroundings) -> Result<Self, PreviewError> {
        // Without a slash at its end, which would show in every path that is printed.
        let root: PathBuf = asked.root.components().collect();
        let mut conf = BrokerConf::as_broker_takes_it(&properties(asked)?).0.seen_at(&root);
        let told = asked.mode.or(conf.tells_log_kind.then_some(if conf.enable_dleger_commit_log {
            LogKind::DLedger
        } else if conf.enable_controller_mode {
            LogKind::Controller
        } else {
            LogKind::Plain
        }));
        let layout = LayoutOptions {
            log_kind: told,
            commitlog_dirs: conf.store_path_commit_log.clone(),
            ledger_data_dirs: conf.store_path_dledger_commit_log.clone(),
            ledger_self_id: conf.dleger_self_id.clone(),
        };
        let layout = Layout::detect(&root, &layout)
            .map_err(|state| PreviewError::NoStore { root: root.clone(), state })?;
        let mut overrides: BTreeMap<String, String> = asked.overrides.iter().cloned().collect();
        if asked.goes_by_files && asked.broker_conf.is_none() {
            for (key, len) in lengths(&layout) {
                overrides.entry(key.to_owned()).or_insert_with(|| len.to_string());
            }
            let told: JavaProperties =
                overrides.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
            conf = BrokerConf::as_broker_takes_it(&told).0.seen_at(&root);
        }
        if conf.dleger_self_id.is_none() {
            conf.dleger_self_id = layout.ledger_dir.as_deref().and_then(self_id);
        }
        let lock = lock::query(&layout.lock()).ok();
        let release = detect(asked, around, lock);
        let number = release.as_ref().and_then(|release| release::parse(&release.version));
        let mode = layout.log_kind;
        let is_clean = match asked.shutdown {
            Shutdown::Clean => true,
            Shutdown::Unclean => false,
            Shutdown::AsFound => {
                asked.without.abort || !exists(&layout.abort()).map_err(RecoveryError::from)?
            }
        };
        Ok(Self {
            store: StoreSeen {
                root: root.to_string_lossy().into_owned(),
                mode,
                broker_state: around.broker_state.unwrap_or(match lock {
                    Some(LockState::Held { .. }) => BrokerState::Running,
                    Some(LockState::Free | LockState::Absent) => BrokerState::Stopped,
                    None => BrokerState::Unknown,
                }),
            },
            assumed: Assumed {
                version_source: release.as_ref().map(|release| release.source),
                version: release.map(|release| release.version),
                shutdown: word_of(is_clean),
                shutdown_source: if asked.shutdown == Shutdown::AsFound { "abort_file" } else { "flag" },
                overrides,
                without: asked.without_words(),
            },
            question: Question {
                root,
                conf,
                release: number.unwrap_or_default(),
                mode: Some(mode),
                shutdown: asked.shutdown,
                without: asked.without,
                reach: Reach::Start,
                digest: asked.digest,
            },
            layout,
            is_release_known: number.is_some(),
            is_mode_left_open: asked.broker_conf.is_some() && told.is_none(),
        })
    }
}

impl Assumption {
    /// Whether the broker is taken to have ended in an orderly way.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.assumed.shutdown == word_of(true)
    }

    /// As if the broker had ended so.
    pub fn set_clean(&mut self, is_clean: bool) {
        self.assumed.shutdown = word_of(is_clean);
        self.question.shutdown = if is_clean { Shutdown::Clean } else { Shutdown::Unclean };
    }

    /// Why nothing can be told of this start.
    #[must_use]
    pub fn not_modelled(&self) -> Option<&'static str> {
        let Question { conf, release, .. } = &self.question;
        let plugin = conf.other.iter().rfind(|entry| entry.key == "messageStorePlugIn");
        if self.layout.queue_kind == QueueKind::RocksDb {
            Some("consume queues in RocksDB")
        } else if plugin.is_some_and(|entry| !entry.value.trim().is_empty()) {
            Some("a store plugin (messageStorePlugIn), such as tiered storage")
        } else if conf.enable_accelerated_recovery && !self.is_clean() && *release >= ACCELERATES_ANY_STORE {
            Some("enableAcceleratedRecovery: a start that reads no whole segment")
        } else {
            None
        }
    }

    /// Bytes of the log that a forecast may have to read.
    #[must_use]
    pub fn log_bytes(&self) -> u64 {
        self.of_segments(|segments| segments.list.iter().map(|segment| segment.allocated).sum())
    }

    /// Segments of the log.
    #[must_use]
    pub fn log_segments(&self) -> usize {
        self.of_segments(|segments| segments.list.len())
    }

    fn of_segments<T: Default>(&self, count: impl FnOnce(Segments) -> T) -> T {
        Segments::list(&self.layout.log_dirs, None).map_or_else(|_| T::default(), count)
    }
}

fn word_of(is_clean: bool) -> &'static str {
    if is_clean { "clean" } else { "unclean" }
}

/// The properties, and what was set over them.
fn properties(asked: &Asked) -> Result<JavaProperties, PreviewError> {
    let mut properties = JavaProperties::default();
    if let Some(path) = &asked.broker_conf {
        let bytes = told_file::read(path, Links::Followed)
            .map_err(|source| PreviewError::Conf { path: path.clone(), source })?;
        properties = JavaProperties::parse(&bytes).map_err(|error| {
            PreviewError::Problems(vec![Problem {
                name: path.display().to_string(),
                found: error.to_string(),
                expected: "a properties file that the broker can read".to_owned(),
            }])
        })?;
    }
    let problem = |key: &str, value: &str, expected: &str| Problem {
        name: "set".to_owned(),
        found: format!("{key}={value}"),
        expected: expected.to_owned(),
    };
    let mut problems = Vec::new();
    for (key, value) in &asked.overrides {
        // By itself, so that what the file says already is not taken for what was typed.
        let mut alone = JavaProperties::default();
        alone.set(key, value);
        let (_, wrong) = BrokerConf::as_broker_takes_it(&alone);
        if !is_property(key) {
            problems.push(problem(key, value, "a property that some release of the broker takes"));
        }
        let of_value = wrong.iter().filter(|wrong| !wrong.expected.contains("beside"));
        problems.extend(of_value.map(|wrong| problem(key, value, wrong.expected)));
        properties.set(key, value);
    }
    if problems.is_empty() { Ok(properties) } else { Err(PreviewError::Problems(problems)) }
}

/// Lengths of segments and of queue files, as the files that are there have them.
fn lengths(layout: &Layout) -> Vec<(&'static str, u64)> {
    let segments = Segments::list(&layout.log_dirs, None).ok().and_then(|segments| segments.segment_len);
    let found = [
        ("mappedFileSizeCommitLog", segments),
        ("mappedFileSizeConsumeQueue", queue_file_len(layout.consumequeue(), UNIT_LEN)),
        ("mapperFileSizeBatchConsumeQueue", queue_file_len(layout.batch_consumequeue(), BATCH_UNIT_LEN)),
    ];
    found.into_iter().filter_map(|(key, len)| Some((key, len?))).collect()
}

/// Queues whose files are looked at.
const QUEUES_ASKED: usize = 32;

/// The length that the files of most of the first queues by name have, of those that a file of whole units can have.
fn queue_file_len(dir: PathBuf, unit_len: usize) -> Option<u64> {
    let below = |dir: PathBuf| {
        let entries = std::fs::read_dir(dir).into_iter().flatten().filter_map(Result::ok);
        let mut paths: Vec<_> = entries.map(|entry| entry.path()).collect();
        paths.sort();
        paths
    };
    let queues = below(dir).into_iter().flat_map(below);
    let lens = queues.filter_map(|queue| {
        let files = QueueFiles::list(&queue).ok()?;
        let is_whole = usize::try_from(files.file_len).is_ok_and(|len| len % unit_len == 0);
        (files.count > 0 && is_whole).then_some(files.file_len)
    });
    most_common(lens.take(QUEUES_ASKED))
}

fn self_id(ledger_dir: &Path) -> Option<String> {
    ledger_dir.file_name()?.to_str()?.strip_prefix("dledger-").map(str::to_owned)
}

fn detect(asked: &Asked, around: &Surroundings, lock: Option<LockState>) -> Option<Detected> {
    let places = Places {
        told: asked.version.as_ref().map(|(version, source)| (version.as_str(), *source)),
        env: around.version.clone(),
        home: around.home.clone(),
        pid: match lock {
            Some(LockState::Held { pid }) if pid > 0 => Some(pid),
            _ => None,
        },
    };
    if places.told.is_none() && around.detected.is_some() {
        return around.detected.clone();
    }
    places.detect().or_else(|| by_log(around.logs.as_deref()?))
}

/// The release by lines that no other prints.
fn by_log(dir: &Path) -> Option<Detected> {
    let mut tail = LogTail::new(dir, None);
    let mut told = Releases::default();
    while !tail.poll(&mut |line| told = line.releases.map_or(told, |more| told.narrowed(more))).caught_up {}
    only_known(told.from, told.to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_of_queue_files_is_that_of_most_queues_whichever_were_made_first() {
        // A queue with a torn file, one with a length that no file can have, and sound ones.
        let queues = [("a/0", 240), ("b/0", 338), ("c/0", 200), ("c/1", 200)]
            .map(|(queue, len)| ("consumequeue", queue, len));
        let queues = [queues.as_slice(), &[("batchconsumequeue", "d/0", 460)]].concat();
        for order in [[0, 1, 2, 3, 4], [4, 3, 2, 1, 0]] {
            let root = tempfile::tempdir().unwrap();
            std::fs::create_dir(root.path().join("commitlog")).unwrap();
            for (kind, queue, len) in order.map(|at| queues[at]) {
                let dir = root.path().join(kind).join(queue);
                std::fs::create_dir_all(&dir).unwrap();
                std::fs::File::create(dir.join("00000000000000000000")).unwrap().set_len(len).unwrap();
            }
            let asked = Asked { root: root.path().to_owned(), goes_by_files: true, ..Asked::default() };
            let assumption = Assumption::settle(&asked, &Surroundings::default()).unwrap();
            let told = assumption.assumed.overrides;
            assert_eq!(told["mappedFileSizeConsumeQueue"], "200");
            assert_eq!(told["mapperFileSizeBatchConsumeQueue"], "460");
        }
    }
}
