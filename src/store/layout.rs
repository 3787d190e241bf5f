//! Which directories make up a store, told by the broker's properties and, where they are silent, by what lies there.
//!
//! | path below the root | what |
//! |---|---|
//! | `commitlog/`, or each of `storePathCommitLog` and `readOnlyCommitLogStorePaths` | the log in plain and controller mode |
//! | `dledger-<dLegerSelfId>/data/`, or `storePathDLedgerCommitLog` | the log in DLedger mode |
//! | `consumequeue/`, `batchconsumequeue/`, `consumequeue_ext/` | one directory a topic, one a queue below it |
//! | `index/`, `checkpoint`, `abort`, `lock`, `config/` | |
//!
//! Upstream: `StorePathConfigHelper`, `MessageStoreConfig`, `DLedgerConfig.getDefaultPath`; releases 4.9.4 to 5.5.1.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use nix::errno::Errno;

use super::StoreError;
use crate::label::label_set;

label_set! {
    /// How the broker keeps its log.
    pub enum LogKind {
        /// `CommitLog`.
        Plain = "plain",
        /// `DLedgerCommitLog`: each message is the body of a DLedger entry.
        DLedger = "dledger",
        /// `CommitLog` under `AutoSwitchHAService`.
        Controller = "controller",
    }
}

label_set! {
    /// How the broker keeps its consume queues.
    pub enum QueueKind {
        /// One directory of files a queue.
        File = "file",
        /// `consumequeue/` is a RocksDB database (`storeType=defaultRocksDB`, 5.2.0 and later); its content is not read.
        RocksDb = "rocksdb",
    }
}

label_set! {
    /// What stands at the configured root.
    pub enum RootState {
        /// A store.
        Store = "store",
        /// An empty directory: a broker that never started, or the wrong volume.
        Empty = "empty",
        /// Nothing.
        Missing = "missing",
        /// Something that is not a directory.
        NotADirectory = "not_a_directory",
        /// A directory that this process may not list, or that the system cannot read.
        Unreadable = "unreadable",
        /// A directory with other things in it: the wrong mount.
        NotAStore = "not_a_store",
    }
}

/// What the broker's properties say about paths; everything may be left open.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LayoutOptions {
    /// Whether the log is plain or DLedger, where that was told.
    pub log_kind: Option<LogKind>,
    /// `storePathCommitLog` and `readOnlyCommitLogStorePaths`, split; empty for the default.
    pub commitlog_dirs: Vec<PathBuf>,
    /// `storePathDLedgerCommitLog`, split; empty for the default.
    pub ledger_data_dirs: Vec<PathBuf>,
    /// `dLegerSelfId`.
    pub ledger_self_id: Option<String>,
}

/// The paths of one store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// `storePathRootDir`.
    pub root: PathBuf,
    /// How the log is kept.
    pub log_kind: LogKind,
    /// How the consume queues are kept.
    pub queue_kind: QueueKind,
    /// The directories whose files together are the log, in the order of the configuration.
    pub log_dirs: Vec<PathBuf>,
    /// `dledger-<id>`, in DLedger mode.
    pub ledger_dir: Option<PathBuf>,
}

const LEDGER_PREFIX: &str = "dledger-";

impl Layout {
    /// Looks at the root, once.
    ///
    /// # Errors
    /// The state of the root, where it is no store.
    pub fn detect(root: &Path, options: &LayoutOptions) -> Result<Self, RootState> {
        let names = list_root(root)?;
        let has = |name: &str| names.iter().any(|found| found == OsStr::new(name));
        let ledger_name = match &options.ledger_self_id {
            Some(id) => Some(format!("{LEDGER_PREFIX}{id}")).filter(|name| has(name)),
            None => {
                let mut found = None;
                for name in names.iter().filter_map(|name| name.to_str()) {
                    if found.is_none() && name.starts_with(LEDGER_PREFIX) && is_dir(&root.join(name))? {
                        found = Some(name.to_owned());
                    }
                }
                found
            }
        };
        let told = options.commitlog_dirs.iter().chain(&options.ledger_data_dirs);
        let is_store = ["consumequeue", "commitlog", "batchconsumequeue", "checkpoint"].into_iter().any(has)
            || ledger_name.is_some()
            || told.into_iter().any(|dir| dir.is_dir());
        if !is_store {
            return Err(if names.iter().all(|name| name == "lost+found") {
                RootState::Empty
            } else {
                RootState::NotAStore
            });
        }
        let log_kind = options.log_kind.unwrap_or(if ledger_name.is_some() {
            LogKind::DLedger
        } else if has("epochFileCheckpoint") || has("brokerIdentity") {
            LogKind::Controller
        } else {
            LogKind::Plain
        });
        let ledger_dir = (log_kind == LogKind::DLedger).then(|| {
            root.join(ledger_name.unwrap_or_else(|| {
                format!("{LEDGER_PREFIX}{}", options.ledger_self_id.as_deref().unwrap_or("n0"))
            }))
        });
        let log_dirs = match &ledger_dir {
            Some(dir) if options.ledger_data_dirs.is_empty() => vec![dir.join("data")],
            Some(_) => options.ledger_data_dirs.clone(),
            None if options.commitlog_dirs.is_empty() => vec![root.join("commitlog")],
            None => options.commitlog_dirs.clone(),
        };
        let is_rocksdb =
            kind_of(&root.join("consumequeue").join("CURRENT"))?.is_some_and(|kind| kind.is_file());
        let queue_kind = if is_rocksdb { QueueKind::RocksDb } else { QueueKind::File };
        Ok(Self { root: root.to_owned(), log_kind, queue_kind, log_dirs, ledger_dir })
    }

    /// `consumequeue/`.
    #[must_use]
    pub fn consumequeue(&self) -> PathBuf {
        self.root.join("consumequeue")
    }

    /// `batchconsumequeue/`.
    #[must_use]
    pub fn batch_consumequeue(&self) -> PathBuf {
        self.root.join("batchconsumequeue")
    }

    /// `index/`.
    #[must_use]
    pub fn index(&self) -> PathBuf {
        self.root.join("index")
    }

    /// `checkpoint`.
    #[must_use]
    pub fn checkpoint(&self) -> PathBuf {
        self.root.join("checkpoint")
    }

    /// `abort`.
    #[must_use]
    pub fn abort(&self) -> PathBuf {
        self.root.join("abort")
    }

    /// `lock`.
    #[must_use]
    pub fn lock(&self) -> PathBuf {
        self.root.join("lock")
    }

    /// `config/<name>`.
    #[must_use]
    pub fn config(&self, name: &str) -> PathBuf {
        self.root.join("config").join(name)
    }

    /// `dledger-<id>/checkpoint`, in DLedger mode.
    #[must_use]
    pub fn ledger_checkpoint(&self) -> Option<PathBuf> {
        self.ledger_dir.as_ref().map(|dir| dir.join("checkpoint"))
    }
}

/// Whether a path leads to something, as Java's `File.exists` has it: a link to nothing, or to itself, does not.
///
/// # Errors
/// What the system said, if it does not know.
pub fn exists(path: &Path) -> Result<bool, StoreError> {
    match std::fs::metadata(path) {
        Ok(_) => Ok(true),
        Err(error) => match error.raw_os_error().map(Errno::from_raw) {
            Some(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP) => Ok(false),
            _ => Err(StoreError::io(path, error)),
        },
    }
}

/// What a path leads to; `None` if nothing, or nothing that can be reached: whoever needs it will say so. What the disk does not tell
/// would make another kind of store of this one.
fn kind_of(path: &Path) -> Result<Option<std::fs::FileType>, RootState> {
    match std::fs::metadata(path) {
        Ok(metadata) => Ok(Some(metadata.file_type())),
        Err(error) => match error.raw_os_error().map(Errno::from_raw) {
            Some(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP | Errno::EACCES) => Ok(None),
            _ => Err(RootState::Unreadable),
        },
    }
}

fn is_dir(path: &Path) -> Result<bool, RootState> {
    Ok(kind_of(path)?.is_some_and(|kind| kind.is_dir()))
}

/// Names in the root, in order: of `dledger-n0` and a copy of it beside, `dledger-n0.old`, the first is the broker's.
fn list_root(root: &Path) -> Result<Vec<std::ffi::OsString>, RootState> {
    let state = |error: &io::Error| match error.kind() {
        io::ErrorKind::NotFound => RootState::Missing,
        io::ErrorKind::NotADirectory => RootState::NotADirectory,
        _ => RootState::Unreadable,
    };
    let mut names: Vec<_> = std::fs::read_dir(root)
        .and_then(|entries| entries.map(|entry| entry.map(|entry| entry.file_name())).collect())
        .map_err(|error| state(&error))?;
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root_with(dirs: &[&str]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for dir in dirs {
            std::fs::create_dir_all(root.path().join(dir)).unwrap();
        }
        root
    }

    #[test]
    fn what_is_no_store_is_told_apart() {
        let detect = |path: &Path| Layout::detect(path, &LayoutOptions::default()).unwrap_err();
        let empty = root_with(&[]);
        assert_eq!(detect(empty.path()), RootState::Empty);
        assert_eq!(detect(root_with(&["lost+found"]).path()), RootState::Empty);
        assert_eq!(detect(root_with(&["other"]).path()), RootState::NotAStore);
        assert_eq!(detect(&empty.path().join("absent")), RootState::Missing);
        let file = empty.path().join("file");
        std::fs::write(&file, b"").unwrap();
        assert_eq!(detect(&file), RootState::NotADirectory);
    }

    #[test]
    fn a_store_whose_queues_are_gone_and_whose_log_lies_elsewhere_is_still_one() {
        let root = root_with(&["commitlog2", "config"]);
        let told = LayoutOptions {
            commitlog_dirs: vec![root.path().join("commitlog2")],
            ..LayoutOptions::default()
        };
        assert_eq!(Layout::detect(root.path(), &LayoutOptions::default()), Err(RootState::NotAStore));
        assert!(Layout::detect(root.path(), &told).is_ok());
    }

    #[test]
    fn the_kind_of_log_is_told_by_what_lies_there_unless_it_was_configured() {
        let root = root_with(&["consumequeue", "dledger-n1/data"]);
        let layout = Layout::detect(root.path(), &LayoutOptions::default()).unwrap();
        assert_eq!(layout.log_kind, LogKind::DLedger);
        assert_eq!(layout.log_dirs, [root.path().join("dledger-n1/data")]);

        let plain = LayoutOptions { log_kind: Some(LogKind::Plain), ..LayoutOptions::default() };
        let layout = Layout::detect(root.path(), &plain).unwrap();
        assert_eq!(layout.log_dirs, [root.path().join("commitlog")]);
        assert_eq!(layout.ledger_checkpoint(), None);
    }

    #[test]
    fn a_copy_of_the_ledger_beside_it_is_not_taken_for_it() {
        for made in [["dledger-n0", "dledger-n0.old"], ["dledger-n0.old", "dledger-n0"]] {
            let root = root_with(&made);
            let layout = Layout::detect(root.path(), &LayoutOptions::default()).unwrap();
            assert_eq!(layout.ledger_dir, Some(root.path().join("dledger-n0")));
        }
    }

    #[test]
    fn a_rocksdb_consume_queue_is_its_own_kind() {
        let root = root_with(&["consumequeue", "commitlog"]);
        std::fs::write(root.path().join("consumequeue/CURRENT"), b"MANIFEST-000004\n").unwrap();
        let layout = Layout::detect(root.path(), &LayoutOptions::default()).unwrap();
        assert_eq!(layout.queue_kind, QueueKind::RocksDb);
    }
}
