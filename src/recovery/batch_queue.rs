//! One batch consume queue as the broker holds it in memory (R1, R10).
//!
//! Its maximum in the log is the start of its last message. Upstream: `BatchConsumeQueue`, 5.0.0 and later.

use std::path::Path;
use std::sync::Arc;

use super::disk::{Disk, RecoveryError};
use super::file_list::FileList;
use super::forecast::LogLine;
use super::parse::Request;
use super::queue::Put;
use super::queue_truncation::is_kept;
use crate::format::batch_cq_unit::{BATCH_UNIT_LEN, BatchCqUnit};
use crate::units::PhysicalOffset;

const UNIT: i64 = 46;
/// Bytes of a unit that the search for the minimum reads.
const SEARCHED: i64 = 38;

/// A batch queue.
#[derive(Debug, Clone)]
pub struct BatchQueue {
    /// Its directory.
    pub dir: Arc<Path>,
    /// Its files.
    pub list: FileList,
    /// Start of the newest message that has a unit.
    pub max_physical: i64,
    /// First queue offset; -1 without.
    pub min: i64,
    /// Exclusive end of the queue offsets.
    pub max: i64,
    /// Units written since loading.
    pub written: u64,
    /// The search for the minimum came to a unit that is cut before what it looks at.
    fails_at_cut_unit: bool,
}

impl BatchQueue {
    /// A queue with these files, not scanned.
    #[must_use]
    pub fn new(dir: Arc<Path>, list: FileList) -> Self {
        Self { dir, list, max_physical: -1, min: -1, max: 0, written: 0, fails_at_cut_unit: false }
    }

    fn unit_at(&self, disk: &Disk, file: usize, at: i64) -> Result<BatchCqUnit, RecoveryError> {
        let bytes = self.list.files[file].bytes(disk, at, UNIT)?;
        Ok(bytes.first_chunk::<BATCH_UNIT_LEN>().map(BatchCqUnit::decode).unwrap_or_default())
    }

    /// Finds the end in the last three files.
    ///
    /// # Errors
    /// As [`Disk::bytes`].
    pub fn recover(&mut self, disk: &Disk) -> Result<(), RecoveryError> {
        let count = self.list.files.len();
        if count == 0 {
            return Ok(());
        }
        let mut at = count.saturating_sub(3);
        let end = loop {
            let mut found = 0;
            let max_physical = &mut self.max_physical;
            self.list.files[at].open(disk)?.slots(disk, 0, self.list.file_len, |position, slot| {
                let unit = BatchCqUnit::decode(slot);
                if unit.is_valid() {
                    found = position + UNIT;
                    *max_physical = unit.physical_offset.0;
                }
                unit.is_valid()
            })?;
            if found == self.list.file_len && at + 1 < count {
                at += 1;
                continue;
            }
            break self.list.files[at].base + found;
        };
        self.list.flushed = end;
        self.list.truncate(disk, end);
        self.revise(disk)
    }

    /// Forgets the units of messages that begin at `cut` or later.
    ///
    /// # Errors
    /// As [`Disk::bytes`].
    pub fn truncate(&mut self, disk: &Disk, cut: PhysicalOffset) -> Result<(), RecoveryError> {
        self.max_physical = cut.0 - 1;
        while let Some(at) = self.list.files.len().checked_sub(1) {
            let mut kept = 0;
            let max_physical = &mut self.max_physical;
            self.list.files[at].open(disk)?.slots(disk, 0, self.list.file_len, |position, slot| {
                let unit = BatchCqUnit::decode(slot);
                let at = u64::try_from(position).unwrap_or(0);
                let is_kept = is_kept(at, unit.physical_offset, unit.is_valid(), cut);
                if is_kept {
                    kept = position + UNIT;
                    *max_physical = unit.physical_offset.0;
                }
                is_kept
            })?;
            if kept > 0 {
                self.list.files[at].wrote = kept;
                break;
            }
            self.list.remove_last(disk);
        }
        self.revise(disk)
    }

    /// Reads both ends from the first and the last unit.
    fn revise(&mut self, disk: &Disk) -> Result<(), RecoveryError> {
        self.revise_min(disk)?;
        self.max = 0;
        for at in (0..self.list.files.len()).rev().take(2) {
            let wrote = self.list.files[at].wrote;
            if wrote >= UNIT {
                let unit = self.unit_at(disk, at, wrote - UNIT)?;
                self.max = unit.base_offset.0.wrapping_add(i64::from(unit.batch_size));
                break;
            }
        }
        Ok(())
    }

    fn revise_min(&mut self, disk: &Disk) -> Result<(), RecoveryError> {
        match self.list.files.first() {
            None => (self.min, self.max) = (-1, 0),
            Some(first) if first.wrote < UNIT => self.min = -1,
            Some(_) => self.min = self.unit_at(disk, 0, 0)?.base_offset.0,
        }
        Ok(())
    }

    /// Puts the unit of a message.
    ///
    /// # Errors
    /// As [`Disk::bytes`].
    pub fn put(&mut self, disk: &Disk, request: &Request<'_>) -> Result<Put, RecoveryError> {
        let (base, count) = request.batch;
        if base < 0 || count < 0 || request.physical.0 <= self.max_physical {
            return Ok(Put::Repeated);
        }
        let mut unit = Vec::with_capacity(BATCH_UNIT_LEN);
        unit.extend(request.physical.0.to_be_bytes());
        unit.extend(request.size.to_be_bytes());
        unit.extend(request.tags_code().to_be_bytes());
        unit.extend(request.stored_at.0.to_be_bytes());
        unit.extend(base.to_be_bytes());
        unit.extend(count.to_be_bytes());
        unit.extend((-1_i32).to_be_bytes());
        unit.extend(0_i32.to_be_bytes());
        let end = self.list.max_offset();
        let Some(at) = self.list.last_for_append(disk, &self.dir, end) else { return Ok(Put::Failed) };
        if !self.list.append(disk, at, &unit)? {
            return Ok(Put::Failed);
        }
        self.written += 1;
        self.max_physical = request.physical.0;
        self.max = base.wrapping_add(i64::from(count));
        if self.list.files[at].is_first_created && self.min == -1 {
            self.revise_min(disk)?;
        }
        Ok(Put::InPlace)
    }

    /// Moves the minimum behind the last unit of the first file whose message is no longer in the log.
    ///
    /// # Errors
    /// As [`Disk::bytes`].
    pub fn correct_min(&mut self, disk: &Disk, min: i64) -> Result<(), RecoveryError> {
        self.revise_min(disk)?;
        let Some(first) = self.list.files.first() else { return Ok(()) };
        // A file whose name is no multiple of its length may be cut within a unit.
        let left = first.wrote % UNIT;
        let end = if left < SEARCHED { first.wrote } else { first.wrote - left + UNIT };
        let (own_min, mut are_gone) = (&mut self.min, true);
        first.open(disk)?.slots(disk, 0, end, |_, slot| {
            let unit = BatchCqUnit::decode(slot);
            are_gone = unit.physical_offset.0 < min;
            if are_gone {
                *own_min = unit.base_offset.0.wrapping_add(i64::from(unit.batch_size));
            }
            are_gone
        })?;
        self.fails_at_cut_unit = are_gone && (1..SEARCHED).contains(&left);
        Ok(())
    }

    /// What is printed where the first file is there and has nothing, or ends within a unit.
    #[must_use]
    pub fn line_without_minimum(&self, topic: &str, id: i32) -> Option<LogLine> {
        if self.fails_at_cut_unit {
            return Some(LogLine::new("ERROR", "Exception thrown when correctMinOffset".to_owned()));
        }
        let files = self.list.files.len();
        self.list.files.first().filter(|first| first.wrote == 0).map(|_| {
            LogLine::warn(format!(
                "Correct min offset found null cq file topic:{topic} queue:{id} files:{files} minOffset:{} maxOffset:{}",
                self.min, self.max
            ))
        })
    }

    /// As if the log had never been.
    pub fn destroy(&mut self, disk: &Disk) {
        self.list.destroy(disk);
        (self.max_physical, self.min, self.max) = (-1, -1, 0);
    }
}
