//! What one pass saw of a store, as plain data: nothing in it refers to a file that is open.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::format::checkpoint::Checkpoint;
use crate::format::ledger_checkpoint::LedgerCheckpoint;
use crate::inspect::log_end::TailState;
use crate::inspect::metadata::{Table, TableCopy, TopicClass};
use crate::label::label_set;
use crate::store::layout::{LogKind, QueueKind, RootState};
use crate::store::lock::LockState;
use crate::store::segments::InvalidFile;
use crate::store::{ReadFailure, consumequeue::UnitFormat};
use crate::units::{EpochMillis, PhysicalOffset, QueueOffset};

label_set! {
    /// A part of a pass that can fail by itself.
    pub enum Collector {
        /// The root and what kind of store it is.
        Root = "root",
        /// The consume queues.
        Consumequeue = "consumequeue",
        /// The log.
        Commitlog = "commitlog",
        /// Checkpoints, `abort`, index files.
        Files = "files",
        /// `config/*.json`.
        Metadata = "metadata",
        /// The tail of the broker's logs.
        Logs = "logs",
        /// The exporter's own state directory.
        State = "state",
    }
}

/// How one collector fared.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CollectorState {
    /// Why it failed the last time, if it did.
    pub error: Option<String>,
    /// How long it took the last time.
    pub took: Duration,
    /// When it last came through.
    pub last_success: Option<EpochMillis>,
}

label_set! {
    /// What is wrong with a queue.
    pub enum BadQueue {
        /// A file is missing between its first and its last.
        FileGap = "file_gap",
        /// Its directory holds files that the broker would refuse.
        InvalidFile = "invalid_file",
        /// Its newest unit points behind the end of the log.
        BeyondLogEnd = "beyond_log_end",
        /// A recovery cut it and left stale units on disk.
        StaleUnits = "stale_units",
        /// Its last file holds no unit though others come before it.
        EmptyTailFile = "empty_tail_file",
    }
}

label_set! {
    /// How topics and queues on disk disagree with `topics.json`.
    pub enum TopicMismatch {
        /// Queues of a topic that is not configured.
        NotConfigured = "not_configured",
        /// A queue id that the topic's configuration does not reach.
        QueueBeyondConfig = "queue_beyond_config",
    }
}

label_set! {
    /// What lies on a disk of which it matters how full it is.
    pub enum DiskArea {
        /// The log.
        Commitlog = "commitlog",
        /// The consume queues.
        Consumequeue = "consumequeue",
    }
}

label_set! {
    /// Why disk space could be had back.
    pub enum Reclaimable {
        /// Segments of the log that nobody has written to for longer than the broker keeps files; it removes them at its hour.
        Expired = "expired",
        /// Queues of topics that are not configured.
        UnconfiguredTopics = "unconfigured_topics",
    }
}

/// Sums over queues.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct QueueSums {
    /// Topics.
    pub topics: u64,
    /// Queues.
    pub queues: u64,
    /// Files.
    pub files: u64,
    /// Bytes allocated by the file system.
    pub allocated_bytes: u64,
    /// Units of messages.
    pub units: u64,
}

/// One queue, for the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueRow {
    /// Topic.
    pub topic: Arc<str>,
    /// Queue id.
    pub queue: u32,
    /// How its units are laid out.
    pub format: UnitFormat,
    /// Files.
    pub files: u32,
    /// Queue offset of the first unit; -1 without files.
    pub min: QueueOffset,
    /// Exclusive end of the queue offsets; -1 without files.
    pub max: QueueOffset,
    /// Exclusive end of the newest message that it points at; -1 without units.
    pub max_physical: PhysicalOffset,
    /// What is wrong with it.
    pub bad: Option<BadQueue>,
}

/// The consume queues of a store.
#[derive(Debug, Clone, Default)]
pub struct Queues {
    /// Whether they could be listed; else nothing is known of them.
    pub is_listed: bool,
    /// Sums by class of topic.
    pub by_class: BTreeMap<TopicClass, QueueSums>,
    /// Sums by topic.
    pub by_topic: BTreeMap<Arc<str>, QueueSums>,
    /// Queues with something wrong, by reason.
    pub bad: BTreeMap<BadQueue, u64>,
    /// Every queue, by topic and id.
    pub rows: Arc<Vec<QueueRow>>,
    /// Exclusive end of the newest message that any queue points at.
    pub max_physical: Option<u64>,
    /// Disagreements with `topics.json`; `None` if it cannot be read.
    pub mismatches: Option<BTreeMap<TopicMismatch, u64>>,
    /// Committed consumer offsets behind their queue's end, and before its begin; `None` if the table cannot be read.
    pub offsets_beyond_and_below: Option<(u64, u64)>,
}

/// The log of a store.
#[derive(Debug, Clone, Default)]
pub struct Log {
    /// Whether its directory could be listed; else nothing is known of it.
    pub is_listed: bool,
    /// Position of the first byte of the first segment.
    pub min: Option<u64>,
    /// Exclusive end of the last record.
    pub max: Option<u64>,
    /// Segments.
    pub files: u64,
    /// Bytes allocated by the file system.
    pub allocated: u64,
    /// Bytes that the files seem to have.
    pub apparent: u64,
    /// Places where one segment does not begin where the one before ends.
    pub gaps: u64,
    /// Files that are no segments.
    pub invalid: Vec<InvalidFile>,
    /// What stands behind the end.
    pub tail: Option<TailState>,
    /// When the oldest message was stored.
    pub oldest: Option<EpochMillis>,
    /// When the newest message was stored.
    pub newest: Option<EpochMillis>,
    /// Index of the newest entry, in DLedger mode.
    pub ledger_last: Option<i64>,
    /// Index of the oldest entry, in DLedger mode.
    pub ledger_first: Option<i64>,
    /// Bytes between the oldest message without a unit and the end.
    pub lag_bytes: Option<u64>,
    /// When that message was stored; `None` if there is none.
    pub lag_since: Option<EpochMillis>,
    /// Bytes of messages without a unit by topic, of the first ones behind the newest dispatched.
    pub lag_by_topic: BTreeMap<String, u64>,
}

/// What one pass saw.
#[derive(Debug, Clone)]
pub struct Picture {
    /// When the pass began.
    pub taken_at: EpochMillis,
    /// Where the store is configured to be.
    pub root: PathBuf,
    /// What stands there.
    pub root_state: RootState,
    /// How the log is kept; `None` without a store.
    pub log_kind: Option<LogKind>,
    /// How the consume queues are kept; `None` without a store.
    pub queue_kind: Option<QueueKind>,
    /// The lock; `None` if it could not be asked.
    pub lock: Option<LockState>,
    /// Whether `abort` is there; `None` if that could not be told.
    pub is_abort_present: Option<bool>,
    /// `checkpoint`, and when it was last changed.
    pub checkpoint: Option<(Checkpoint, EpochMillis)>,
    /// DLedger's checkpoint.
    pub ledger_checkpoint: Option<LedgerCheckpoint>,
    /// Files in `index/`, and how many of them an unclean start unlinks.
    pub index_files: Option<(u64, u64)>,
    /// The consume queues.
    pub queues: Queues,
    /// The log.
    pub log: Log,
    /// Validity of the tables in `config/`.
    pub tables: BTreeMap<(Table, TableCopy), bool>,
    /// Topics that went from `topics.json` since the pass before.
    pub removed_topics: Vec<String>,
    /// Share of the disk in use, by [`DiskArea`].
    pub disk_used: [Option<f64>; 2],
    /// Bytes that could be had back, where it can be told.
    pub reclaimable: BTreeMap<Reclaimable, u64>,
    /// How the collectors fared.
    pub collectors: BTreeMap<Collector, CollectorState>,
    /// Reads that failed in this pass, by reason.
    pub failures: BTreeMap<ReadFailure, u64>,
    /// Whether the pass came to the end of the queues within its budget.
    pub is_complete: bool,
}

impl Picture {
    /// A picture on which nothing is to be seen yet.
    #[must_use]
    pub fn blank(root: &Path, root_state: RootState, now: EpochMillis) -> Self {
        Self {
            taken_at: now,
            root: root.to_owned(),
            root_state,
            log_kind: None,
            queue_kind: None,
            lock: None,
            is_abort_present: None,
            checkpoint: None,
            ledger_checkpoint: None,
            index_files: None,
            queues: Queues::default(),
            log: Log::default(),
            tables: BTreeMap::new(),
            removed_topics: Vec::new(),
            disk_used: [None, None],
            reclaimable: BTreeMap::new(),
            collectors: BTreeMap::new(),
            failures: BTreeMap::new(),
            is_complete: true,
        }
    }
}
