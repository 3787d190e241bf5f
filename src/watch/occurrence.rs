//! What the tail hands on: one event at one time, with what its line tells beyond that.

use crate::format::log_line::Level;
use crate::units::EpochMillis;

use super::events::Event;

/// Longest [`Occurrence::text`] in bytes.
pub const MAX_TEXT_LEN: usize = 512;

/// One of the logs that are followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LogFile {
    /// store.log
    Store,
    /// storeerror.log
    StoreError,
    /// broker_default.log, where the DLedger library writes
    BrokerDefault,
}

impl LogFile {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Store, Self::StoreError, Self::BrokerDefault];

    /// The name without `.log`, as a label value.
    #[must_use]
    pub fn id(self) -> &'static str {
        match self {
            Self::Store => "store",
            Self::StoreError => "storeerror",
            Self::BrokerDefault => "broker_default",
        }
    }
}

/// Where in its life a broker is that prints a line. Lines get lost, so many lines carry the same hint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PhaseHint {
    /// The process is new: printed before or with `last shutdown …`, once a start.
    Opening,
    /// Files are mapped.
    Loading,
    /// Consume queues are scanned.
    RecoveringConsumeQueue,
    /// The log is scanned, consume queues are cut, messages dispatched again.
    RecoveringCommitLog,
    /// Load and recovery are over, nothing is started yet.
    LoadOver,
    /// Threads start.
    Starting,
    /// The store serves.
    Running,
    /// The store stops in order.
    Stopping,
    /// The start is given up.
    Failed,
}

impl PhaseHint {
    /// Whether a broker that says this is between its first line and the end of recovery.
    #[must_use]
    pub fn is_load(self) -> bool {
        self <= Self::LoadOver
    }
}

/// A release as its three numbers.
pub type Release = (u8, u8, u8);

/// The releases that print a line; both ends included, `None` is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Releases {
    /// The first.
    pub from: Option<Release>,
    /// The last.
    pub to: Option<Release>,
}

impl Releases {
    /// What is left once this was told too. Lines of two releases in one log: a broker was upgraded, what was told last holds.
    #[must_use]
    pub fn narrowed(self, told: Self) -> Self {
        let from = self.from.max(told.from);
        let to = match (self.to, told.to) {
            (Some(known), Some(told)) => Some(known.min(told)),
            (known, told) => known.or(told),
        };
        if from.zip(to).is_some_and(|(from, to)| from > to) { told } else { Self { from, to } }
    }
}

/// What a line tells beyond its event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// How the broker was stopped before this start.
    Shutdown {
        /// In order: no abort file was found.
        clean: bool,
    },
    /// Where consume queues and log were found to end.
    Truncation {
        /// End of the consume queues (with DLedger on 5.5.0: a field of the checkpoint).
        consumequeue_max: i64,
        /// End of the log; units at or above it are removed.
        process_offset: i64,
    },
    /// A file was removed.
    FileDeleted {
        /// Path as the broker sees it.
        path: String,
    },
    /// A whole file of a consume queue, or of a DLedger log, lay beyond the cut.
    LogicFileDestroyed {
        /// Path as the broker sees it.
        path: String,
    },
    /// Recovery is over.
    LoadOver {
        /// Exclusive end of the log.
        max_offset: i64,
    },
    /// A topic or one queue of it was removed.
    TopicDeleted {
        /// Its name.
        topic: String,
        /// The queue; `None` if the whole topic went.
        queue: Option<u32>,
    },
    /// A consume queue was scanned.
    QueueScanned {
        /// The file in which the scan ended.
        path: String,
        /// Byte position in the queue at which it ended.
        end: i64,
    },
    /// The scan of the log begins in this file.
    ScanStart {
        /// Path as the broker sees it.
        path: String,
    },
    /// The scan of the log goes on in this file.
    ScanNext {
        /// Path as the broker sees it.
        path: String,
    },
    /// The scan of the log is over.
    ScanStopped {
        /// The file in which it ended.
        path: String,
        /// Byte position in the file, past the read that failed; `None` where the release does not print it.
        pos: Option<i64>,
    },
    /// The log was cut.
    LogCut {
        /// Its new exclusive end.
        at: i64,
    },
    /// What recovery took, in milliseconds.
    RecoveryCost {
        /// The consume queues.
        consumequeue_ms: Option<u64>,
        /// The log.
        commitlog_ms: Option<u64>,
        /// All of it.
        total_ms: u64,
    },
    /// The store went from one state to the next (5.4.0 and later).
    StateTransition {
        /// State left.
        from: String,
        /// State reached.
        to: String,
        /// Time spent in the state that was left.
        millis: u64,
    },
    /// DLedger found the end of its log.
    LedgerRecovered {
        /// Index of the last entry.
        last_index: i64,
        /// Exclusive end of the data.
        end: i64,
    },
    /// DLedger's checkpoint names this committed index.
    LedgerCommitted {
        /// Index of the entry.
        index: i64,
    },
    /// The start waits for dispatch.
    ReputBehind {
        /// Bytes not yet dispatched.
        bytes: i64,
    },
}

/// One event of one log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Occurrence {
    /// What happened.
    pub event: Event,
    /// When, to the second.
    pub at: EpochMillis,
    /// Where it was written.
    pub log: LogFile,
    /// The level that the line names; INFO if it names none.
    pub level: Level,
    /// What else the line tells.
    pub fact: Option<Fact>,
    /// Where in its life a broker is that prints this line.
    pub phase: Option<PhaseHint>,
    /// Which releases print this line, if not all.
    pub releases: Option<Releases>,
    /// The text of the line, at most [`MAX_TEXT_LEN`] bytes, what is not UTF-8 replaced.
    pub text: String,
}
