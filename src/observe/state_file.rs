//! What the exporter remembers over a restart, in one file, written at once.
//!
//! Positions in the logs, counts and high-water marks of the queues belong together: saved apart, a kill between two of them
//! would count a line or a loss twice, or never. The file is written beside its place and renamed over it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::observer::Memory;
use super::own_file;
use crate::store::consumequeue::{Cut, Ends, UnitFormat};
use crate::store::queue_files::QueueFiles;
use crate::store::told_file::{self, Links};
use crate::units::{PhysicalOffset, QueueOffset};
use crate::watch::lines::TailPosition;
use crate::watch::tree::{QueueEntry, QueueKey, QueueTree, Shrinkage};

const SCHEMA: u32 = 1;
const NAME: &str = "state.json";

/// Why the state could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The system said no.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is no state of this exporter.
    #[error("{}: {source}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// Where it is wrong.
        source: serde_json::Error,
    },
    /// The file was written by another version.
    #[error("{}: schema is {found}, expected {SCHEMA}", path.display())]
    Schema {
        /// The file.
        path: PathBuf,
        /// What it says.
        found: u32,
    },
}

/// All that is remembered.
#[derive(Debug, Serialize, Deserialize)]
pub struct Saved {
    schema: u32,
    /// The configured root: marks of another store say nothing of this one.
    pub root: PathBuf,
    /// Where the tail of the logs goes on.
    pub tail: TailPosition,
    /// What was seen and counted.
    pub memory: Memory,
    queues: Vec<SavedTopic>,
}

#[derive(Debug, Serialize, Deserialize)]
struct SavedTopic {
    topic: Arc<str>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    batch: bool,
    queues: Vec<SavedQueue>,
}

/// Queue, files (count, first base, last base, length), ends (min, its message, max, start and end of the last message,
/// position), cut, whether it may be unordered, mark where it is not the max; an array, as there may be many.
#[derive(Debug, Serialize, Deserialize)]
struct SavedQueue(
    u32,
    (u32, u64, u64, u64),
    Option<(i64, i64, i64, i64, i64, u64)>,
    Option<i64>,
    bool,
    #[serde(default)] Option<i64>,
);

impl Saved {
    /// Gathers what is to be remembered. Queues of which a loss waits for its explanation are remembered as they were before it,
    /// so that the next life finds it again.
    #[must_use]
    pub fn of(root: &Path, tail: TailPosition, memory: Memory, tree: &QueueTree) -> Self {
        let mut before = BTreeMap::new();
        for Shrinkage { key, before: entry, .. } in memory.losses.waiting() {
            before.entry((key.format, key.topic.clone(), key.queue)).or_insert(*entry);
        }
        let mut queues: Vec<SavedTopic> = Vec::new();
        let mut save = |format, topic: &Arc<str>, queue, entry: &QueueEntry| {
            let batch = format == UnitFormat::Batch;
            if queues.last().is_none_or(|last| last.topic != *topic || last.batch != batch) {
                queues.push(SavedTopic { topic: topic.clone(), batch, queues: Vec::new() });
            }
            if let Some(last) = queues.last_mut() {
                last.queues.push(SavedQueue::of(queue, entry));
            }
        };
        for (format, topic, queue, entry) in tree.iter() {
            let before =
                if before.is_empty() { None } else { before.remove(&(format, topic.clone(), queue)) };
            save(format, topic, queue, before.as_ref().unwrap_or(entry));
        }
        for ((format, topic, queue), entry) in &before {
            save(*format, topic, *queue, entry);
        }
        Self { schema: SCHEMA, root: root.to_owned(), tail, memory, queues }
    }

    /// Puts the high-water marks back.
    pub fn restore(&self, tree: &mut QueueTree) {
        for saved in &self.queues {
            let format = if saved.batch { UnitFormat::Batch } else { UnitFormat::Simple };
            for queue in &saved.queues {
                let key = QueueKey { format, topic: saved.topic.clone(), queue: queue.0 };
                tree.restore(key, queue.entry());
            }
        }
    }

    /// Reads what was saved in `dir`; `None` if nothing was.
    ///
    /// # Errors
    /// A file that is there and cannot be used. [`set_aside`] makes room for a new one.
    pub fn load(dir: &Path) -> Result<Option<Self>, StateError> {
        let path = dir.join(NAME);
        let bytes = match told_file::read(&path, Links::Refused) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(StateError::Io { path, source }),
        };
        let saved: Self = serde_json::from_slice(&bytes)
            .map_err(|source| StateError::Format { path: path.clone(), source })?;
        if saved.schema != SCHEMA {
            return Err(StateError::Schema { path, found: saved.schema });
        }
        Ok(Some(saved))
    }

    /// Writes it to `dir`, all or nothing.
    ///
    /// # Errors
    /// What the system said; the file of before still stands then.
    pub fn save(&self, dir: &Path) -> Result<(), StateError> {
        let path = dir.join(NAME);
        let beside = dir.join(format!("{NAME}.new"));
        let write = || -> io::Result<()> {
            let mut file = BufWriter::new(own_file::create(&beside)?);
            serde_json::to_writer(&mut file, self)?;
            file.flush()?;
            file.get_ref().sync_data()?;
            std::fs::rename(&beside, &path)?;
            // Or the one before could be back after a loss of power.
            File::open(dir)?.sync_all()
        };
        write().map_err(|source| StateError::Io { path: path.clone(), source })
    }
}

/// Renames a state file that cannot be used, so that it is kept for whoever wants to know, and not in the way.
///
/// # Errors
/// What the system said.
pub fn set_aside(dir: &Path) -> Result<(), StateError> {
    let path = dir.join(NAME);
    std::fs::rename(&path, dir.join(format!("{NAME}.unusable")))
        .map_err(|source| StateError::Io { path, source })
}

impl SavedQueue {
    fn of(queue: u32, entry: &QueueEntry) -> Self {
        let files = &entry.files;
        let ends = entry.ends.map(|ends| {
            (
                ends.min.0,
                ends.min_physical.0,
                ends.max.0,
                ends.last_physical.0,
                ends.max_physical.0,
                ends.position,
            )
        });
        let cut = entry.ends.and_then(|ends| ends.cut).map(|cut| cut.resume_from.0);
        let may_be_unordered = entry.ends.is_some_and(|ends| ends.may_be_unordered);
        Self(
            queue,
            (files.count, files.first_base, files.last_base, files.file_len),
            ends,
            cut,
            may_be_unordered,
            Some(entry.mark().0).filter(|mark| *mark != entry.ends.map_or(0, |ends| ends.max.0)),
        )
    }

    fn entry(&self) -> QueueEntry {
        let (count, first_base, last_base, file_len) = self.1;
        let files = QueueFiles { count, first_base, last_base, file_len, ..QueueFiles::default() };
        let cut = self.3.map(|resume_from| Cut { resume_from: PhysicalOffset(resume_from) });
        let ends = self.2.map(|(min, min_physical, max, last_physical, max_physical, position)| Ends {
            min: QueueOffset(min),
            min_physical: PhysicalOffset(min_physical),
            max: QueueOffset(max),
            last_physical: PhysicalOffset(last_physical),
            max_physical: PhysicalOffset(max_physical),
            position,
            cut,
            may_be_unordered: self.4,
            has_empty_tail: false,
        });
        let entry = QueueEntry::remembered(files, ends);
        self.5.map_or(entry, |mark| entry.marked(QueueOffset(mark)))
    }
}
