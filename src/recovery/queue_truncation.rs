//! A consume queue after the broker truncated it (R1).
//!
//! What a truncation removes inside a file that it keeps cannot be seen on disk: the broker moves its write position and leaves
//! the bytes. So the rule is applied here to the same files with the number of the broker's own log line.

use std::io;

use crate::store::StoreError;
use crate::store::consumequeue::{Cut, Ends, QueueDir, Slot, UnitFormat};
use crate::store::source::{ByteSource, StoreFile};
use crate::units::PhysicalOffset;

/// The two numbers of a truncation, and where dispatch went on after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Truncation {
    /// Units of messages that begin here or later were removed (`processOffset` of the broker's line).
    pub truncate_to: PhysicalOffset,
    /// Where dispatch went on afterwards: later units are new, or dispatched again.
    pub resume_from: PhysicalOffset,
}

impl Truncation {
    /// Whether it can take anything from a queue with these ends: units stand in the order of their messages, unless the queue
    /// was cut before.
    #[must_use]
    pub fn may_reach(&self, ends: &Ends) -> bool {
        ends.may_be_unordered || ends.last_physical >= self.truncate_to
    }

    /// The ends of `queue`, known to have been `known` before, as the broker has them since. `None` if it left no file.
    ///
    /// # Errors
    /// The first file that could not be read, other than one that is gone.
    pub fn apply(&self, queue: &QueueDir<'_>, known: &Ends) -> Result<Option<Ends>, StoreError> {
        let unit = queue.format.unit_len();
        let mut base = queue.files.last_base;
        loop {
            let path = queue.path(base);
            let wrap = |error| StoreError::io(&path, error);
            match StoreFile::open(&path) {
                Ok(file) => {
                    let kept = kept_bytes(queue.format, &file, queue.files.file_len, self.truncate_to)
                        .map_err(wrap)?;
                    if kept > 0 {
                        let last = queue.format.slot(&file, kept - unit).map_err(wrap)?;
                        return Ok(Some(self.ends(queue, known, base + kept, last)));
                    }
                }
                Err(error) if error.is_gone() => {}
                Err(error) => return Err(error),
            }
            if base <= queue.files.first_base {
                return Ok(None);
            }
            base = base.saturating_sub(queue.files.file_len);
        }
    }

    fn ends(&self, queue: &QueueDir<'_>, known: &Ends, position: u64, last: Slot) -> Ends {
        let (last_physical, max_physical, next) = match last {
            Slot::Unit { physical, physical_end, next, .. } => (physical, physical_end, next),
            _ => (PhysicalOffset(-1), PhysicalOffset(-1), None),
        };
        let max = next.unwrap_or_else(|| queue.ordinal(position));
        Ends {
            min: known.min.min(max),
            max,
            last_physical,
            max_physical,
            position,
            cut: Some(Cut { resume_from: self.resume_from }),
            may_be_unordered: true,
            has_empty_tail: false,
            ..*known
        }
    }
}

/// Whether a unit stays when a queue is truncated at `cut`: the first one of a file without a look at its validity (R1).
#[must_use]
pub fn is_kept(at: u64, physical: PhysicalOffset, is_valid: bool, cut: PhysicalOffset) -> bool {
    physical < cut && (at == 0 || is_valid)
}

/// Bytes of one file that stay below the write position; 0 if the file is unlinked.
fn kept_bytes<S: ByteSource>(
    format: UnitFormat,
    file: &S,
    len: u64,
    truncate_to: PhysicalOffset,
) -> io::Result<u64> {
    let unit = format.unit_len();
    let mut at = 0;
    while at + unit <= len {
        let (physical, is_valid) = match format.slot(file, at)? {
            Slot::Unit { physical, .. } => (physical, true),
            Slot::PreBlank => (PhysicalOffset(0), true),
            Slot::Free => (PhysicalOffset(0), false),
        };
        if !is_kept(at, physical, is_valid, truncate_to) {
            break;
        }
        at += unit;
    }
    Ok(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(units: &[(i64, i32)]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (physical, size) in units {
            bytes.extend(physical.to_be_bytes());
            bytes.extend(size.to_be_bytes());
            bytes.extend(0_i64.to_be_bytes());
        }
        bytes.resize(200, 0);
        bytes
    }

    fn kept(units: &[(i64, i32)], truncate_to: i64) -> u64 {
        kept_bytes(UnitFormat::Simple, &file(units), 200, PhysicalOffset(truncate_to)).unwrap()
    }

    #[test]
    fn units_from_the_cut_on_are_forgotten_and_a_file_that_begins_there_is_unlinked() {
        let units = [(48, 100), (200, 100), (400, 100)];
        assert_eq!(kept(&units, 400), 40);
        assert_eq!(kept(&units, 401), 60);
        assert_eq!(kept(&units, 48), 0);
        assert_eq!(kept(&units, 0), 0);
    }

    #[test]
    fn the_first_slot_is_kept_unlooked_at_and_pre_blank_units_stay() {
        assert_eq!(kept(&[], 400), 20, "phantom unit");
        assert_eq!(kept(&[(0, i32::MAX), (0, i32::MAX), (500, 100)], 400), 40);
    }
}
