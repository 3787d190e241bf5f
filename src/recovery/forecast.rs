//! The answer: plain data, with the names of the public JSON.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;
use serde::ser::{SerializeSeq, Serializer};

use super::any_queue::AnyQueue;
use crate::label::label_set;
use crate::store::layout::LogKind;

label_set! {
    /// What the next start does, from harmless to worst.
    pub enum Verdict {
        /// Removes nothing that a consumer could read.
        Unchanged = "unchanged",
        /// Drops only bytes that are no message.
        Trimmed = "trimmed",
        /// Removes or lacks units, and indexes them again.
        Reindexed = "reindexed",
        /// Leaves queues without units whose messages are in the log.
        IndexLoss = "index_loss",
        /// Cuts messages out of the log.
        MessageLoss = "message_loss",
        /// Ends the process.
        RefuseStart = "refuse_start",
        /// Cannot be told.
        Inconclusive = "inconclusive",
    }
}

/// One line that the broker would print.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LogLine {
    /// WARN, ERROR or INFO.
    pub level: &'static str,
    /// Its text.
    pub text: String,
    /// How often.
    pub count: u64,
}

impl LogLine {
    /// A line that comes once.
    #[must_use]
    pub fn new(level: &'static str, text: String) -> Self {
        Self { level, text, count: 1 }
    }

    /// A line that marks a phase.
    #[must_use]
    pub fn info(text: String) -> Self {
        Self::new("INFO", text)
    }

    /// A warning that comes once.
    #[must_use]
    pub fn warn(text: String) -> Self {
        Self::new("WARN", text)
    }

    /// What is printed of an empty file that loading deletes.
    #[must_use]
    pub fn of_empty_file(path: &Path) -> Self {
        Self::warn(format!("{} size is 0, auto delete. is_ok: true", path.display()))
    }

    /// What is printed of a file of the wrong length.
    #[must_use]
    pub fn of_wrong_length(path: &Path, len: i64, advice: &str) -> Self {
        Self::warn(format!(
            "{}\t{len} length not matched message store config value, please check it manually{advice}",
            path.display()
        ))
    }

    /// What is printed of a directory that is opened as a file.
    #[must_use]
    pub fn of_directory(path: &Path) -> [Self; 2] {
        Self::of_unopened(path, &format!("Failed to create file {}", path.display()))
    }

    /// The same where it is said with these words that it cannot be opened.
    #[must_use]
    pub fn of_unopened(path: &Path, words: &str) -> [Self; 2] {
        let path = path.display();
        [words, &format!("load file {path} error")]
            .map(|what| Self::new("ERROR", format!("{what} FileNotFoundException: {path} (Is a directory)")))
    }
}

/// The two numbers of the broker's own WARN line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct TruncationForecast {
    /// Whether queues are truncated.
    pub fires: bool,
    /// The first number.
    pub consumequeue_max_physical_offset: i64,
    /// The second number.
    pub process_offset: i64,
}

/// Whether the process starts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct StartForecast {
    /// `starts` or `refuses`; absent if it cannot be told.
    pub outcome: Option<&'static str>,
    /// Exit code that a container shows.
    pub exit_code: Option<i32>,
    /// Finding that tells why.
    pub reason: Option<&'static str>,
    /// The file because of which.
    #[serde(serialize_with = "path_as_text")]
    pub path: Option<PathBuf>,
}

impl StartForecast {
    /// Whether the broker comes up.
    #[must_use]
    pub fn starts(&self) -> bool {
        self.outcome == Some("starts")
    }
}

/// The log; in DLedger mode its data files.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct CommitLogForecast {
    /// First offset after load; -1 without a log.
    pub min_offset: i64,
    /// Exclusive end after load, as the broker tells it.
    pub max_offset: i64,
    /// Where the walk begins.
    pub scan_from: i64,
    /// Where it ends.
    pub scan_end: i64,
    /// Whether something stands there that is no record.
    #[serde(skip)]
    pub is_torn: bool,
    /// Where the log is cut; absent if recovery does not cut it.
    pub truncate_to: Option<i64>,
    /// Messages walked over.
    pub messages_scanned: u64,
    /// Segments unlinked.
    #[serde(serialize_with = "paths_as_text")]
    pub segments_unlinked: Vec<PathBuf>,
    /// Bytes of the messages behind the cut.
    pub bytes_dropped: u64,
    /// Whole messages behind the cut.
    pub messages_dropped: u64,
}

/// DLedger's own numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct LedgerForecast {
    /// Index of the first entry.
    pub begin_index: i64,
    /// Index of the last entry.
    pub end_index: i64,
    /// Index up to which entries are committed.
    pub committed_index: i64,
    /// Exclusive end of the last committed entry.
    pub committed_offset: i64,
    /// Exclusive end of the last entry.
    pub end_offset: i64,
}

/// Both ends of a queue.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct QueueEnds {
    /// First queue offset.
    pub min_offset: i64,
    /// Exclusive end of the queue offsets.
    pub max_offset: i64,
    /// Exclusive end of the newest message that has a unit, as the broker counts.
    pub max_physical_offset: i64,
    /// Files.
    pub files: usize,
    /// Units below the write positions.
    pub units: u64,
    /// SHA-1 over the bytes of the units, where it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub units_sha1: Option<Box<str>>,
}

impl QueueEnds {
    /// Both ends of a queue as it is now, without digest.
    #[must_use]
    pub fn of(queue: &AnyQueue) -> Self {
        let (min_offset, max_offset) = queue.ends();
        Self {
            min_offset,
            max_offset,
            max_physical_offset: queue.max_physical(),
            files: queue.list().files.len(),
            units: queue.units(),
            units_sha1: None,
        }
    }

    /// Those of a queue that was not there.
    #[must_use]
    pub fn absent() -> Self {
        Self { max_physical_offset: -1, ..Self::default() }
    }
}

/// One queue. There may be hundreds of thousands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct QueueForecast {
    /// Topic.
    pub topic: Arc<str>,
    /// Queue id.
    pub queue: i32,
    /// As the files stand, scanned as the broker does.
    pub before: QueueEnds,
    /// When load returns.
    pub after_load: QueueEnds,
    /// When dispatch has caught up after start.
    pub after_start: Option<QueueEnds>,
    /// Units that load takes away.
    pub units_removed: u64,
    /// Units that load puts.
    pub units_added: u64,
    /// Units whose message exists and which nothing will index again; absent if it was not asked for.
    pub units_lost: Option<u64>,
    /// Queue offset that the next message gets.
    pub next_offset: Option<i64>,
}

impl QueueForecast {
    /// A queue that was not there, and that nothing was done to.
    #[must_use]
    pub fn absent(topic: Arc<str>, queue: i32) -> Self {
        Self {
            topic,
            queue,
            before: QueueEnds::absent(),
            after_load: QueueEnds::absent(),
            after_start: None,
            units_removed: 0,
            units_added: 0,
            units_lost: None,
            next_offset: None,
        }
    }

    /// Whether it is this one.
    #[must_use]
    pub fn is_of(&self, topic: &str, queue: i32) -> bool {
        (&*self.topic, self.queue) == (topic, queue)
    }

    /// Whether dispatch puts units after start.
    #[must_use]
    pub fn grows_after_load(&self) -> bool {
        self.after_start.as_ref().is_some_and(|after| after.units > self.after_load.units)
    }

    /// Whether load changes its end, its units or its files. That the minimum moves on behind the start of the log is no change.
    #[must_use]
    pub fn is_changed(&self) -> bool {
        let end = |ends: &QueueEnds| (ends.max_offset, ends.max_physical_offset, ends.files, ends.units);
        self.units_removed > 0 || self.units_added > 0 || end(&self.before) != end(&self.after_load)
    }

    /// Whether load changes it, or messages stay without a unit: what is listed where not all queues are.
    #[must_use]
    pub fn is_touched(&self) -> bool {
        self.is_changed() || self.units_lost.is_some_and(|lost| lost > 0)
    }
}

/// Sums.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Queues.
    pub queues: u64,
    /// Queues of which load changes the end, the units or the files.
    pub queues_changed: u64,
    /// Queues that had units and have none.
    pub queues_emptied: u64,
    /// Units that load takes away.
    pub units_removed: u64,
    /// Units that load puts.
    pub units_added: u64,
    /// Units that are lost for good.
    pub units_lost: Option<u64>,
    /// Messages behind the cut of the log.
    pub messages_dropped: u64,
    /// Files unlinked.
    pub files_unlinked: u64,
}

/// What the start does to the directory until the store is loaded, relative to the root where below it. Index files, which are
/// named by the time, are counted in [`IndexForecast::begun`]; left out are empty directories, and `rocksdbstore/` (5.4.0), where
/// RocksDB makes files of its own at each start.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct FilesForecast {
    /// Gone.
    #[serde(serialize_with = "paths_as_text")]
    pub unlinked: Vec<PathBuf>,
    /// New.
    #[serde(serialize_with = "paths_as_text")]
    pub created: Vec<PathBuf>,
    /// Tables that are damaged and have no backup: the broker goes on with empty ones.
    #[serde(skip)]
    pub lost: Vec<PathBuf>,
}

/// What load does to the index files.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct IndexForecast {
    /// Gone.
    #[serde(serialize_with = "paths_as_text")]
    pub unlinked: Vec<PathBuf>,
    /// New ones, named by the time of their creation.
    pub begun: u32,
    /// Number of the next entry in the last file; absent without files.
    pub next_entry: Option<i32>,
}

/// What the next start does to a store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Forecast {
    /// In one word.
    pub verdict: Verdict,
    /// Whether everything needed was read.
    pub complete: bool,
    /// Whether nothing moved while reading.
    pub consistent: bool,
    /// How the log is kept.
    pub mode: LogKind,
    /// Release whose rules were applied.
    pub rules_since: String,
    /// Whether the start is one after an orderly stop.
    pub is_clean: bool,
    /// Whether it starts.
    pub start: StartForecast,
    /// The log.
    pub commitlog: CommitLogForecast,
    /// DLedger's own numbers, in that mode.
    pub ledger: Option<LedgerForecast>,
    /// The truncation; absent if recovery does not come to it.
    pub truncation: Option<TruncationForecast>,
    /// Offset from which start dispatches.
    pub reput_from: i64,
    /// The queues, by topic and id.
    pub queues: Vec<QueueForecast>,
    /// Sums.
    pub totals: Totals,
    /// Files.
    pub files: FilesForecast,
    /// Index files.
    pub index: IndexForecast,
    /// Lines of the broker's log.
    pub log: Vec<LogLine>,
    /// Messages that should have a unit, where that was asked for.
    pub messages_with_unit: Option<u64>,
    /// What the answer leaves out.
    pub not_modelled: Vec<String>,
    /// Bytes that were read for it.
    pub bytes_read: u64,
}

impl Forecast {
    /// Whether the log ends with what is no record, rather than DLedger keeping it and what follows.
    #[must_use]
    pub fn has_torn_tail(&self) -> bool {
        let end = self.ledger.map(|ledger| ledger.end_offset);
        self.commitlog.is_torn && end.is_none_or(|end| end <= self.commitlog.scan_end)
    }

    /// Nothing is told yet.
    #[must_use]
    pub fn blank(mode: LogKind, is_clean: bool) -> Self {
        Self {
            verdict: Verdict::Inconclusive,
            complete: false,
            consistent: true,
            mode,
            rules_since: String::new(),
            is_clean,
            start: StartForecast::default(),
            commitlog: CommitLogForecast::default(),
            ledger: None,
            truncation: None,
            reput_from: -1,
            queues: Vec::new(),
            totals: Totals::default(),
            files: FilesForecast::default(),
            index: IndexForecast::default(),
            log: Vec::new(),
            messages_with_unit: None,
            not_modelled: Vec::new(),
            bytes_read: 0,
        }
    }

    /// Nothing can be told.
    #[must_use]
    pub fn inconclusive(mode: LogKind, is_clean: bool, why: &str) -> Self {
        Self { not_modelled: vec![why.to_owned()], ..Self::blank(mode, is_clean) }
    }
}

/// Names on disk may be any bytes; JSON is text.
fn path_as_text<S: Serializer>(path: &Option<PathBuf>, to: S) -> Result<S::Ok, S::Error> {
    path.as_deref().map(Path::to_string_lossy).serialize(to)
}

fn paths_as_text<S: Serializer>(paths: &[PathBuf], to: S) -> Result<S::Ok, S::Error> {
    let mut list = to.serialize_seq(Some(paths.len()))?;
    for path in paths {
        list.serialize_element(&path.to_string_lossy())?;
    }
    list.end()
}
