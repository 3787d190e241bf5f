//! The extension of a consume queue (R10).
//!
//! Upstream: `ConsumeQueueExt`; the same in all releases. Every message that is dispatched gets a unit here before its queue
//! asks whether it has it already, so an unclean start lets these files grow.

use std::path::Path;
use std::sync::Arc;

use super::disk::{Disk, RecoveryError};
use super::file_list::FileList;
use super::forecast::LogLine;
use crate::format::cq_ext_unit::{ext_position, is_ext_address};
use crate::units::EpochMillis;

/// Bytes that stay free at the end of a file.
const END_BLANK: i64 = 4;

/// The extension of one queue.
#[derive(Debug, Clone)]
pub struct ExtQueue {
    /// Its directory.
    pub dir: Arc<Path>,
    /// Its files.
    pub list: FileList,
    /// Whether they are mapped for reading alone: units are written past the mapping, the mark of a full file is not.
    pub is_read_only: bool,
    /// Lines that the broker prints.
    pub lines: Vec<LogLine>,
}

/// What became of a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Saved {
    /// It stands at this address.
    At(i64),
    /// No file had room.
    Nowhere,
    /// An exception, of which the broker tells.
    Failed,
}

impl ExtQueue {
    fn size_at(&self, disk: &Disk, file: usize, at: i64) -> Result<i64, RecoveryError> {
        if at + 2 > self.list.file_len {
            let path = self.list.files[file].path();
            return Err(RecoveryError::exception("BufferUnderflowException").because_of(path));
        }
        let bytes = self.list.files[file].bytes(disk, at, 2)?;
        Ok(bytes.first_chunk().map_or(0, |size| i64::from(i16::from_be_bytes(*size))))
    }

    /// Finds the end, from the first file on.
    ///
    /// # Errors
    /// As [`Disk::bytes`], and the exception where a unit reaches over the end of its file.
    pub fn recover(&mut self, disk: &Disk) -> Result<(), RecoveryError> {
        let Some(last) = self.list.files.len().checked_sub(1) else { return Ok(()) };
        let mut at = 0;
        let mut within = 0;
        loop {
            let size = self.size_at(disk, at, within)?;
            if size > 0 {
                within += size;
                if within > self.list.file_len {
                    let path = self.list.files[at].path();
                    return Err(RecoveryError::exception("IllegalArgumentException").because_of(path));
                }
            } else if at < last {
                (at, within) = (at + 1, 0);
            } else {
                break;
            }
        }
        let end = self.list.files[at].base + within;
        self.list.flushed = end;
        self.list.truncate(disk, end);
        Ok(())
    }

    /// Forgets what lies behind the unit at `address`.
    ///
    /// # Errors
    /// As [`Disk::bytes`].
    pub fn truncate_by_max(&mut self, disk: &Disk, address: i64) -> Result<(), RecoveryError> {
        let Some(position) = ext_position(address).and_then(|at| i64::try_from(at).ok()) else {
            return Ok(());
        };
        let size = self.unit_len(disk, position)?;
        if size > 0 {
            self.list.truncate(disk, position + size);
        } else {
            let text = format!("[BUG] address {address} of consume queue extend not found!");
            self.lines.push(LogLine::new("ERROR", text));
        }
        Ok(())
    }

    /// Length of the unit there; none is longer than 0 where there is no unit.
    fn unit_len(&mut self, disk: &Disk, position: i64) -> Result<i64, RecoveryError> {
        self.lines.extend(self.list.line_outside(position));
        let Some(file) = self.list.find(position, position == 0) else { return Ok(0) };
        let within = position % self.list.file_len;
        if within >= self.list.files[file].wrote {
            let text = format!("[BUG] Consume queue extend unit({position}) is not found!");
            self.lines.push(LogLine::warn(text));
            return Ok(0);
        }
        if within + 2 > self.list.file_len { Ok(0) } else { self.size_at(disk, file, within) }
    }

    /// Unlinks files below the unit at `address`.
    pub fn truncate_by_min(&mut self, disk: &Disk, address: i64) {
        let Some(position) = ext_position(address).and_then(|at| i64::try_from(at).ok()) else { return };
        let file_len = self.list.file_len;
        self.list.files.retain(|file| {
            let is_below = file.base + file_len < position;
            if is_below {
                disk.unlink(file.path());
            }
            !is_below
        });
    }

    /// Puts a unit without bit map.
    ///
    /// # Errors
    /// As [`Disk::bytes`].
    pub fn put(
        &mut self,
        disk: &Disk,
        tags_code: i64,
        stored_at: EpochMillis,
    ) -> Result<Saved, RecoveryError> {
        let mut unit = Vec::with_capacity(20);
        unit.extend(20_i16.to_be_bytes());
        unit.extend(tags_code.to_be_bytes());
        unit.extend(stored_at.0.to_be_bytes());
        unit.extend(0_i16.to_be_bytes());
        for _ in 0..3 {
            let Some(at) = self.list.last_for_append(disk, &self.dir, 0) else { return Ok(Saved::Nowhere) };
            let file_len = self.list.file_len;
            let file = &mut self.list.files[at];
            let wrote = file.wrote;
            if 20 > file_len - wrote - END_BLANK {
                if self.is_read_only || file_len - wrote < 2 {
                    return Ok(Saved::Failed);
                }
                file.write(disk, &(-1_i16).to_be_bytes())?;
                file.wrote = file_len;
                continue;
            }
            file.write(disk, &unit)?;
            let address = (file.base + wrote).wrapping_add(i64::MIN);
            return Ok(if is_ext_address(address) { Saved::At(address) } else { Saved::Nowhere });
        }
        Ok(Saved::Nowhere)
    }
}
