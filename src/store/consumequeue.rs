//! The two ends of one consume queue, read without reading what lies between.
//!
//! The broker keeps the end of a queue in memory only; on disk it is the first slot whose unit is not valid. Units are written
//! in order, so the end is found by halving, and from a known end by looking at the next slot.
//!
//! That fails in one case, which is why [`Cut`] exists: a recovery that cuts a queue inside a file that it keeps moves only the
//! broker's write position, and the units behind it stay on disk and look valid ("stale"). After a cut the end moves on only
//! over units of messages that were written, or dispatched again, after it.
//!
//! Upstream: `ConsumeQueue.recover`, `BatchConsumeQueue.recover`, releases 4.9.4 to 5.5.1.

use std::io;
use std::path::{Path, PathBuf};

use super::StoreError;
use super::queue_files::QueueFiles;
use super::source::{ByteSource, StoreFile};
use crate::format::batch_cq_unit::{BATCH_UNIT_LEN, BatchCqUnit};
use crate::format::cq_unit::{CqUnit, UNIT_LEN};
use crate::format::segment_name;
use crate::units::{PhysicalOffset, QueueOffset};

/// How the units of a queue are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum UnitFormat {
    /// 20 bytes, one a message (`consumequeue/`).
    Simple,
    /// 46 bytes, one a batch (`batchconsumequeue/`, 5.0.0 and later).
    Batch,
}

/// One slot of a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot {
    /// A message, or a batch of them.
    Unit {
        /// Where the message begins and ends in the log.
        physical: PhysicalOffset,
        /// Exclusive end of the message.
        physical_end: PhysicalOffset,
        /// Queue offset of its first message; for a simple queue that is told by the position alone.
        first: Option<QueueOffset>,
        /// Queue offset behind its last message, likewise.
        next: Option<QueueOffset>,
    },
    /// Filler for messages that this queue never held.
    PreBlank,
    /// Zeros, or anything that the broker's scan would stop at.
    Free,
}

impl UnitFormat {
    /// Length of a unit in bytes.
    #[must_use]
    pub const fn unit_len(self) -> u64 {
        match self {
            Self::Simple => 20,
            Self::Batch => 46,
        }
    }

    /// The slot at position `at` of a file; free behind its end.
    ///
    /// # Errors
    /// What the system said.
    pub fn slot<S: ByteSource>(self, source: &S, at: u64) -> io::Result<Slot> {
        Ok(match self {
            Self::Simple => match source.array_at::<UNIT_LEN>(at)?.map(|bytes| CqUnit::decode(&bytes)) {
                Some(unit) if unit.is_pre_blank() => Slot::PreBlank,
                Some(unit) if unit.is_valid() => Slot::Unit {
                    physical: unit.physical_offset,
                    physical_end: unit.end(),
                    first: None,
                    next: None,
                },
                _ => Slot::Free,
            },
            Self::Batch => {
                match source.array_at::<BATCH_UNIT_LEN>(at)?.map(|bytes| BatchCqUnit::decode(&bytes)) {
                    Some(unit) if unit.is_valid() => Slot::Unit {
                        physical: unit.physical_offset,
                        physical_end: unit.end(),
                        first: Some(unit.base_offset),
                        next: Some(unit.end_offset()),
                    },
                    _ => Slot::Free,
                }
            }
        })
    }
}

/// The end of a queue after a recovery moved it back inside a file that it kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Cut {
    /// Units of messages from here on are new or dispatched again; older ones behind the cut are stale.
    pub resume_from: PhysicalOffset,
}

/// Both ends of a queue that has files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ends {
    /// Queue offset of the first unit, behind any pre-blank ones.
    pub min: QueueOffset,
    /// Start of the message of the first unit; -1 in a queue without units.
    pub min_physical: PhysicalOffset,
    /// Exclusive end of the queue offsets.
    pub max: QueueOffset,
    /// Start of the message of the last unit; -1 in a queue without units.
    pub last_physical: PhysicalOffset,
    /// Exclusive end of the message of the last unit; -1 in a queue without units.
    pub max_physical: PhysicalOffset,
    /// Position in the queue's files behind the last unit, in bytes.
    pub position: u64,
    /// Whether a recovery left stale units behind the end.
    pub cut: Option<Cut>,
    /// Whether a cut was ever made inside a file: what was stale there may have been taken for units again, so that they need not
    /// stand in the order of their messages.
    pub may_be_unordered: bool,
    /// Whether the last file holds no unit at all while there are files before it.
    pub has_empty_tail: bool,
}

/// The queue `dir`, whose files have been listed.
#[derive(Debug)]
pub struct QueueDir<'a> {
    /// `consumequeue/<topic>/<queue>`.
    pub dir: &'a Path,
    /// What was listed there.
    pub files: &'a QueueFiles,
    /// How its units are laid out.
    pub format: UnitFormat,
    /// Whether files may have come, gone or been replaced since the ends were last read.
    pub has_changed: bool,
}

impl QueueDir<'_> {
    /// The file with this base.
    #[must_use]
    pub fn path(&self, base: u64) -> PathBuf {
        self.dir.join(segment_name::format(base))
    }

    /// Opens the file with this base.
    ///
    /// # Errors
    /// As [`StoreFile::open`].
    pub fn open(&self, base: u64) -> Result<StoreFile, StoreError> {
        StoreFile::open(&self.path(base))
    }

    /// Reads both ends; `known` is what the pass before found, and makes it cheap. `None` for a queue without files.
    ///
    /// # Errors
    /// The first file that could not be read; [`StoreError::is_gone`] if it went since the listing.
    pub fn ends(&self, known: Option<&Ends>) -> Result<Option<Ends>, StoreError> {
        if self.files.count == 0 {
            return Ok(None);
        }
        let path = self.path(self.files.last_base);
        let file = StoreFile::open(&path)?;
        let wrap = |error| StoreError::io(&path, error);
        let known = known.filter(|ends| ends.position >= self.files.first_base);
        let reuse_front =
            known.filter(|ends| !self.has_changed && ends.min_physical.0 >= 0 && self.covers_first(ends));
        let (end, cut) = match known {
            Some(ends) if ends.position >= self.files.last_base => self.advance(&file, ends).map_err(wrap)?,
            // Files were added since: whatever is valid in the last one is new, cut or not.
            _ => (self.files.last_base + self.first_free(&file, 0).map_err(wrap)?, None),
        };
        let has_empty_tail = end == self.files.last_base && self.files.count > 1;
        let last = self.last_slot(&file, end)?;
        let (min, min_physical) = match reuse_front {
            Some(ends) => (ends.min, ends.min_physical),
            None => self.front(end)?,
        };
        let (last_physical, max_physical, next) = match last {
            Some(Slot::Unit { physical, physical_end, next, .. }) => (physical, physical_end, next),
            _ => (PhysicalOffset(-1), PhysicalOffset(-1), None),
        };
        let max = next.unwrap_or_else(|| self.ordinal(end));
        Ok(Some(Ends {
            min: min.min(max),
            min_physical,
            max,
            last_physical,
            max_physical,
            position: end,
            cut,
            may_be_unordered: known.is_some_and(|ends| ends.may_be_unordered),
            has_empty_tail,
        }))
    }

    /// Whether the front that `ends` tells of is still the front: its first unit lies in the first file.
    fn covers_first(&self, ends: &Ends) -> bool {
        match self.format {
            UnitFormat::Simple => {
                let at = u64::try_from(ends.min.0).unwrap_or_default() * self.format.unit_len();
                at >= self.files.first_base && at < self.files.first_base + self.files.file_len
            }
            // Batch units do not tell by their number where they are.
            UnitFormat::Batch => false,
        }
    }

    /// Queue offset of the slot at this position of the queue's files.
    #[must_use]
    pub fn ordinal(&self, position: u64) -> QueueOffset {
        QueueOffset(i64::try_from(position / self.format.unit_len()).unwrap_or(i64::MAX))
    }

    /// From a known end in the last file to the end as it is now.
    fn advance(&self, file: &StoreFile, known: &Ends) -> io::Result<(u64, Option<Cut>)> {
        let unit = self.format.unit_len();
        let within = known.position - self.files.last_base;
        if within >= unit {
            match self.format.slot(file, within - unit)? {
                Slot::Unit { physical, .. } if physical == known.last_physical => {}
                Slot::PreBlank if known.last_physical.0 < 0 => {}
                // The last known unit has been overwritten or zeroed: nothing that was known holds.
                _ => return Ok((self.files.last_base + self.first_free(file, 0)?, None)),
            }
        }
        let Some(cut) = known.cut else {
            return Ok((self.files.last_base + self.first_free(file, within)?, None));
        };
        let mut at = within;
        loop {
            match self.format.slot(file, at)? {
                Slot::Unit { physical, .. } if physical >= cut.resume_from => at += unit,
                // No cut leaves one behind it: the file is another one.
                Slot::PreBlank => at += unit,
                Slot::Free => return Ok((self.files.last_base + at, None)),
                Slot::Unit { .. } => return Ok((self.files.last_base + at, Some(cut))),
            }
        }
    }

    /// First free slot at or after `from` in one file, as a position in the file: steps that double, then halving.
    fn first_free(&self, file: &StoreFile, from: u64) -> io::Result<u64> {
        let unit = self.format.unit_len();
        let slots = self.files.file_len / unit;
        let is_free = |slot: u64| -> io::Result<bool> {
            Ok(slot >= slots || self.format.slot(file, slot * unit)? == Slot::Free)
        };
        let mut low = from / unit;
        if is_free(low)? {
            return Ok(low * unit);
        }
        let mut step = 1;
        while !is_free(low.saturating_add(step))? {
            low += step;
            step *= 2;
        }
        let mut high = low.saturating_add(step).min(slots);
        while low + 1 < high {
            let middle = low + (high - low) / 2;
            if is_free(middle)? { high = middle } else { low = middle }
        }
        Ok(high * unit)
    }

    /// The slot before `end`, which lies in the last file or at its start.
    fn last_slot(&self, last: &StoreFile, end: u64) -> Result<Option<Slot>, StoreError> {
        let unit = self.format.unit_len();
        let wrap = |error| StoreError::io(self.dir, error);
        if end > self.files.last_base {
            return self.format.slot(last, end - self.files.last_base - unit).map(Some).map_err(wrap);
        }
        if end <= self.files.first_base || self.files.file_len < unit {
            return Ok(None);
        }
        let slots = self.files.file_len / unit;
        let before = match self.open(self.files.last_base.saturating_sub(self.files.file_len)) {
            // It is missing, not just gone: what cannot be told will not be known in the next pass either.
            Err(error) if error.is_gone() && self.files.has_gap => return Ok(None),
            before => before?,
        };
        self.format.slot(&before, (slots - 1) * unit).map(Some).map_err(wrap)
    }

    /// Queue offset and message of the first unit behind pre-blank ones.
    fn front(&self, end: u64) -> Result<(QueueOffset, PhysicalOffset), StoreError> {
        let unit = self.format.unit_len();
        let first = self.open(self.files.first_base)?;
        let wrap = |error| StoreError::io(self.dir, error);
        let slots = (end - self.files.first_base).min(self.files.file_len) / unit;
        let is_filled = slots > 0 && self.format.slot(&first, 0).map_err(wrap)? == Slot::PreBlank;
        // Pre-blank units stand at the front of a queue's first file only, so the first real one is found by halving. Most
        // queues have none; there a search would only pull pages of the file into memory.
        let (mut low, mut high) = (0, if is_filled { slots } else { 0 });
        while low < high {
            let middle = low + (high - low) / 2;
            if self.format.slot(&first, middle * unit).map_err(wrap)? == Slot::PreBlank {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        let ordinal = self.ordinal(self.files.first_base + low * unit);
        if low == slots {
            return Ok((ordinal, PhysicalOffset(-1)));
        }
        Ok(match self.format.slot(&first, low * unit).map_err(wrap)? {
            Slot::Unit { physical, first, .. } => (first.unwrap_or(ordinal), physical),
            _ => (ordinal, PhysicalOffset(-1)),
        })
    }
}
