//! Tables in `config/` that must be readable, or the broker does not start (R3).
//!
//! Upstream: `ConfigManager.load`, `loadBak`; `BrokerController.initializeMetadata`, `recoverAndInitService`. A table is read from
//! its file, and from its backup if that is empty, missing or damaged; a damaged backup is a failure then, a missing one is not.
//! Newer releases unlink a file that they do not take. Run against real brokers of all releases from 4.9.4 to 5.5.0 with text,
//! cut JSON and zeros in both copies; what else is damage, [`table_form`] knows.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::disk::{Disk, RecoveryError};
use super::refusal::{EXIT_LOAD_FAILED, Refusal};
use super::release::Rules;
use super::table_form;
use crate::broker::BrokerConf;
use crate::broker::release::Release;
use crate::format::loose_json;
use crate::store::StoreError;
use crate::store::source::read_small;

/// Most bytes of a table that is looked at; a longer one is taken for whole.
const MOST: usize = 64 << 20;

/// The tables of one broker.
#[derive(Debug, Clone, Copy)]
pub struct Tables<'a> {
    /// Root of the store.
    pub root: &'a Path,
    /// What the broker was told.
    pub conf: &'a BrokerConf,
    /// Its release.
    pub release: Release,
    /// The rules of its release.
    pub rules: &'a Rules,
}

/// One copy of a table.
enum Copy {
    /// Missing or empty.
    Nothing,
    Damaged,
    /// `None`: not looked at, because it is too long, or no file.
    Table(Option<Value>),
}

impl Tables<'_> {
    /// The table because of which the broker ends before it loads its store, and what it unlinks until then.
    ///
    /// # Errors
    /// A table that cannot be read for another reason than its content; one of which it is not known whether the broker takes it.
    pub fn load_before_store(&self, disk: &Disk) -> Result<Option<Refusal>, RecoveryError> {
        let is_5 = self.rules.has_batch_queues;
        let order = [
            Some("topics"),
            is_5.then_some("topicQueueMapping"),
            Some(self.consumer_offsets()),
            Some("subscriptionGroup"),
            Some("consumerFilter"),
            is_5.then_some("consumerOrderInfo"),
        ];
        for table in order.into_iter().flatten() {
            if let Some(path) = self.load(self.path(&format!("{table}.json")), disk)? {
                return Ok(Some(refusal(path, self.rules.exit_without_tables)));
            }
        }
        Ok(None)
    }

    /// The same for the offsets of delayed messages, which are read once the store is loaded.
    ///
    /// # Errors
    /// As [`Tables::load_before_store`].
    pub fn load_after_store(&self, disk: &Disk) -> Result<Option<Refusal>, RecoveryError> {
        Ok(self.load(self.path("delayOffset.json"), disk)?.map(|path| refusal(path, EXIT_LOAD_FAILED)))
    }

    /// The same for the timer's metrics.
    ///
    /// # Errors
    /// As [`Tables::load_before_store`].
    pub fn load_timer_metrics(&self, disk: &Disk) -> Result<Option<Refusal>, RecoveryError> {
        Ok(self.load(self.path("timermetrics"), disk)?.map(|path| refusal(path, EXIT_LOAD_FAILED)))
    }

    /// Positions of compacted topics, which the store's constructor reads, and takes for none where they are damaged.
    ///
    /// # Errors
    /// A table that cannot be read for another reason than its content.
    pub fn load_compaction_positions(&self, disk: &Disk) -> Result<(), RecoveryError> {
        match self.load(self.compaction_positions(), disk) {
            // No start hangs on it.
            Ok(_) | Err(RecoveryError::Unknown(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Whether it is not known that the broker takes them.
    #[must_use]
    pub fn has_odd_compaction_positions(&self) -> bool {
        matches!(self.copy(&self.compaction_positions()), Err(RecoveryError::Unknown(_)))
    }

    fn compaction_positions(&self) -> PathBuf {
        self.root.join("compaction/position-checkpoint")
    }

    /// The table that committed offsets are kept in.
    #[must_use]
    pub fn consumer_offsets(&self) -> &'static str {
        if self.conf.enable_lmq { "lmqConsumerOffset" } else { "consumerOffset" }
    }

    /// What a table says, by the copy that the broker goes by; `None` if it has none.
    #[must_use]
    pub fn get(&self, table: &str) -> Option<Value> {
        let file = self.path(&format!("{table}.json"));
        let found = [file.clone(), backup(&file)].into_iter().find_map(|path| match self.copy(&path) {
            Ok(Copy::Table(table)) => Some(table),
            _ => None,
        });
        found.flatten()
    }

    /// Loads one; the path of one whose copies are both damaged.
    fn load(&self, path: PathBuf, disk: &Disk) -> Result<Option<PathBuf>, RecoveryError> {
        let is_damaged = match self.copy(&path)? {
            Copy::Table(_) => return Ok(None),
            Copy::Nothing => false,
            Copy::Damaged => true,
        };
        if self.rules.unlinks_tables && path.is_file() {
            disk.unlink(path.clone());
        }
        match self.copy(&backup(&path))? {
            Copy::Damaged => return Ok(Some(path)),
            Copy::Nothing if is_damaged => disk.note_lost(path),
            Copy::Nothing | Copy::Table(_) => {}
        }
        Ok(None)
    }

    fn copy(&self, path: &Path) -> Result<Copy, RecoveryError> {
        match read_small(path, MOST) {
            Ok(bytes) if bytes.is_empty() => Ok(Copy::Nothing),
            Ok(bytes) if bytes.len() == MOST => Ok(Copy::Table(None)),
            Ok(bytes) => {
                let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
                let table = name.split('.').next().unwrap_or_default();
                let read = table_form::read(table, self.release, &bytes);
                match read {
                    Some(table) => Ok(Copy::Table(Some(table))),
                    None if loose_json::parse(&bytes).is_err() && table_form::is_lenient(&bytes) => {
                        let file = path.strip_prefix(self.root).unwrap_or(path).display().to_string();
                        let file = file.trim_end_matches(".bak");
                        let why = format!("{file} is no JSON, and the broker's parser may take it");
                        Err(RecoveryError::Unknown(why))
                    }
                    None => Ok(Copy::Damaged),
                }
            }
            Err(StoreError::NotAFile { .. }) if path.is_dir() => Ok(Copy::Damaged),
            Err(error @ StoreError::NotAFile { .. }) if !error.is_link() => Ok(Copy::Table(None)),
            Err(error) if error.is_gone() => Ok(Copy::Nothing),
            Err(error) => Err(error.into()),
        }
    }

    fn path(&self, file: &str) -> PathBuf {
        self.root.join("config").join(file)
    }
}

fn refusal(path: PathBuf, exit_code: i32) -> Refusal {
    Refusal { exit_code, reason: "TABLE_UNREADABLE", path: Some(path) }
}

fn backup(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".bak");
    name.into()
}
