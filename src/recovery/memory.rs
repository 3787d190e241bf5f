//! What the last forecast of a store has read, so that the next one of the same store reads what was written since.
//!
//! A running broker appends: to the log, and to the last file of each queue. Everything before that stays as it is until the
//! broker starts again, which is for the owner of a [`Memory`] to know: it then begins with a new one. What is remembered
//! ends with a record or unit that is looked at again before anything is taken from it, and belongs to a file by
//! its inode and the time of its birth.

use std::collections::HashMap;
use std::fs::Metadata;
use std::hash::Hash;
use std::os::unix::fs::MetadataExt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::UNIX_EPOCH;

use super::disk::RecoveryError;
use super::file_list::ListedFile;
use super::index::IndexEnd;
use super::ledger::Last;
use super::parse::Parsed;
use super::pieces::Reading;
use super::question::Question;
use super::record::Names;
use super::replay::{WalkPlan, Walked};
use super::tally::{Pointed, Tally};
use crate::format::cq_unit::CqUnit;

/// A file, whatever its name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct FileId {
    inode: u64,
    /// Nanoseconds since the epoch, where the file system tells.
    born: u64,
}

impl FileId {
    /// The file of this metadata.
    #[must_use]
    pub fn of(metadata: &Metadata) -> Self {
        let born = metadata.created().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let born = born.and_then(|born| u64::try_from(born.as_nanos()).ok());
        Self { inode: metadata.ino(), born: born.unwrap_or(0) }
    }
}

/// The scan of a queue's file, up to its first slot without a valid unit.
#[derive(Debug, Clone, Default)]
pub struct Scan {
    /// What its units point at.
    pub pointed: Pointed,
    /// The last address in the extension.
    pub ext_address: Option<i64>,
    /// Place and unit of the first one.
    pub first: Option<(i64, CqUnit)>,
    /// Place and unit of the last one.
    pub last: Option<(i64, CqUnit)>,
    /// Start of the message behind which no unit's message begins, fillers included.
    pub newest_start: Option<i64>,
}

/// Units of a file that point behind a place in the log.
#[derive(Debug, Clone, Copy, Default)]
pub struct Within {
    /// That place.
    pub start: i64,
    /// Bytes of the file that were read.
    pub until: i64,
    /// Those units.
    pub starts: Tally,
}

/// A message, so that it is known again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastMessage {
    /// Its place in the segment.
    pub place: i64,
    /// The offset written in it.
    pub physical: i64,
    /// Its length.
    pub size: i32,
}

impl LastMessage {
    /// Whether it is still there, in a segment of this length.
    ///
    /// # Errors
    /// As [`Reading::one`].
    pub fn is_there(
        &self,
        reading: &Reading<'_>,
        file: &ListedFile,
        file_len: i64,
    ) -> Result<bool, RecoveryError> {
        reading.one(file, self.place, file_len, |parsed| match parsed {
            Parsed::Message(request) => (request.physical.0, request.size) == (self.physical, self.size),
            _ => false,
        })
    }
}

/// A walk, up to the first message that was not in its queue already.
#[derive(Debug, Clone)]
pub struct WalkMark {
    /// How it went; the number of the segment does not count.
    pub plan: WalkPlan,
    /// Segment that it began with.
    pub first: FileId,
    /// Segment in which it goes on.
    pub file: FileId,
    /// Place in it.
    pub place: i64,
    /// The broker's count of the same.
    pub counted: i64,
    /// The message before, if it is in the same segment.
    pub last: Option<LastMessage>,
    /// What it had found.
    pub walked: Walked,
    /// The longest message that had been read (`Parser::longest`).
    pub longest: i32,
    /// Whether a newer release would have met the same.
    pub is_noted: bool,
    /// Numbers of the queues.
    pub names: Arc<Names>,
    /// Messages by queue.
    pub starts: Vec<Tally>,
    /// Ends of the queues: as long as they are not below, each message has its unit.
    pub ends: Vec<i64>,
    /// Messages of which the broker says that they are repeated.
    pub repeated: u64,
    /// The index before the walk.
    pub index_before: IndexEnd,
    /// The index after these messages.
    pub index_after: IndexEnd,
}

/// The messages of a part of a segment.
#[derive(Debug, Clone, Default)]
pub struct PartMark {
    /// Numbers of the queues.
    pub names: Arc<Names>,
    /// Messages by queue.
    pub starts: Vec<Tally>,
    /// The last one.
    pub last: Option<LastMessage>,
    /// Where it ends.
    pub place: i64,
}

/// DLedger's scan of its entries.
#[derive(Debug, Clone, Copy)]
pub struct EntriesMark {
    /// File that it began with.
    pub first: FileId,
    /// File in which it ended.
    pub file: FileId,
    /// Place of the last entry in it.
    pub at: i64,
    /// The entry before that one.
    pub last: Last,
}

/// What was remembered before, and what is for the next time: what is not asked for is forgotten.
#[derive(Debug)]
struct Kept<K, V>(Mutex<(HashMap<K, V>, HashMap<K, V>)>);

impl<K, V> Default for Kept<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Hash + Eq, V: Clone> Kept<K, V> {
    fn lock(&self) -> MutexGuard<'_, (HashMap<K, V>, HashMap<K, V>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn get(&self, key: &K) -> Option<V> {
        self.lock().0.get(key).cloned()
    }

    fn put(&self, key: K, value: V) {
        self.lock().1.insert(key, value);
    }

    fn turn(&mut self) {
        let (before, now) = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        *before = std::mem::take(now);
    }
}

/// See the module.
#[derive(Debug, Default)]
pub struct Memory {
    question: Option<Question>,
    scans: Kept<FileId, Scan>,
    pointed: Kept<FileId, Pointed>,
    within: Kept<FileId, Within>,
    parts: Kept<(FileId, i64), PartMark>,
    walk: Kept<(), WalkMark>,
    entries: Kept<(), EntriesMark>,
}

macro_rules! kept {
    ($($what:literal $get:ident $put:ident $field:ident $key:ty => $value:ty;)*) => {
        $(
            #[doc = concat!("What was known of ", $what, ".")]
            #[must_use]
            pub fn $get(&self, key: $key) -> Option<$value> {
                self.$field.get(&key)
            }

            #[doc = concat!("Remembers ", $what, ".")]
            pub fn $put(&self, key: $key, value: $value) {
                self.$field.put(key, value);
            }
        )*
    };
}

impl Memory {
    /// Makes ready for a forecast: of another question nothing is known.
    pub(super) fn begin(&mut self, question: &Question) {
        if self.question.as_ref() != Some(question) {
            *self = Self { question: Some(question.clone()), ..Self::default() };
        }
        self.scans.turn();
        self.pointed.turn();
        self.within.turn();
        self.parts.turn();
        self.walk.turn();
        self.entries.turn();
    }

    kept! {
        "the scan of a queue's file" scan put_scan scans FileId => Scan;
        "the units of a queue's file" pointed put_pointed pointed FileId => Pointed;
        "the units that point behind a place" within put_within within FileId => Within;
        "a segment's messages from a place on" part put_part parts (FileId, i64) => PartMark;
        "the walk" walk put_walk walk () => WalkMark;
        "DLedger's scan" entries put_entries entries () => EntriesMark;
    }
}
