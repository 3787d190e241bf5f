//! The first unit of a queue whose message is still in the log.
//!
//! Upstream: `ConsumeQueue.correctMinOffset`; 5.0.0 and later search by halves, and never end where positions are no multiple of a
//! unit (seen with the store code of 5.2.0 and 5.3.3).

use std::cmp::Ordering;

use super::disk::{Disk, RecoveryError};
use super::forecast::LogLine;
use super::queue::{Queue, UNIT, unit_at};
use super::release::Rules;
use crate::format::cq_ext_unit::is_ext_address;
use crate::format::cq_unit::CqUnit;

impl Queue {
    /// Moves the minimum to the first unit whose message is still in the log.
    ///
    /// # Errors
    /// As [`Disk::bytes`], and the exception that some releases end with here.
    pub fn correct_min(&mut self, disk: &Disk, rules: &Rules, min: i64) -> Result<(), RecoveryError> {
        let mut ext_address = 1;
        let is_done = if rules.searches_minimum {
            self.search_min(disk, rules, min, &mut ext_address)?
        } else {
            let (mut found, base) = (None, self.list.min_offset().unwrap_or_default());
            if let Some(first) = self.list.files.first() {
                first.open(disk)?.slots(disk, 0, first.wrote, |position, slot| {
                    let unit = CqUnit::decode(slot);
                    let is_first = unit.physical_offset.0 >= min;
                    if is_first {
                        found = Some((base + position, unit.tags_code));
                    }
                    !is_first
                })?;
            }
            if let Some((position, tags_code)) = found {
                self.min_position = position;
                ext_address = if is_ext_address(tags_code) { tags_code } else { 1 };
            }
            true
        };
        if let (true, Some(ext)) = (is_done, &mut self.ext) {
            ext.truncate_by_min(disk, ext_address);
        }
        Ok(())
    }

    /// Start of the message that a unit is for.
    fn physical_at(&self, disk: &Disk, file: usize, at: i64) -> Result<i64, RecoveryError> {
        let position = self.list.files[file].base.saturating_add(at);
        let known = self.edges.iter().flatten().find(|(edge, _)| *edge == position);
        match known {
            Some((_, physical)) => Ok(physical.0),
            None => Ok(unit_at(disk, &self.list.files[file].open(disk)?, at)?.physical_offset.0),
        }
    }

    /// Whether the message of the last unit begins before `min`.
    fn ends_before(&self, disk: &Disk, min: i64) -> Result<bool, RecoveryError> {
        let last_at = self.list.files.len().wrapping_sub(1);
        let last = self.list.files.get(last_at).filter(|last| last.wrote >= UNIT);
        Ok(match last {
            Some(last) => self.physical_at(disk, last_at, last.wrote - UNIT)? < min,
            None => false,
        })
    }

    /// What is printed where the first file holds no place to search, or ends within a unit. To be asked behind [`Queue::correct_min`].
    ///
    /// # Errors
    /// As [`Disk::bytes`].
    pub fn line_of_min(
        &self,
        disk: &Disk,
        rules: &Rules,
        min: i64,
        (topic, id): (&str, i32),
    ) -> Result<Option<LogLine>, RecoveryError> {
        let Some(first) = self.list.files.first() else { return Ok(None) };
        let exception = || LogLine::new("ERROR", "Exception thrown when correctMinOffset".to_owned());
        if !rules.searches_minimum {
            let mut is_found = first.wrote % UNIT == 0;
            if !is_found {
                first.open(disk)?.slots(disk, 0, first.wrote, |_, slot| {
                    is_found = CqUnit::decode(slot).physical_offset.0 >= min;
                    !is_found
                })?;
            }
            return Ok((!is_found).then(exception));
        }
        match self.min_position.cmp(&self.list.max_offset()) {
            Ordering::Less => {}
            Ordering::Greater if rules.resets_empty_queues => {
                return Ok(Some(LogLine::warn(format!(
                    "ConsumeQueue[Topic={topic}, queue-id={id}] contains no valid entries"
                ))));
            }
            Ordering::Equal if rules.resets_empty_queues && !self.ends_before(disk, min)? => {}
            _ => return Ok(None),
        }
        let path = || first.path().display().to_string();
        let before = self.min_position - first.base;
        Ok(match first.wrote - before.max(0) {
            ..0 => Some(LogLine::new(
                "ERROR",
                format!("[Bug][InconsistentState] ConsumeQueue file {} should have been deleted", path()),
            )),
            0 => Some(LogLine::warn(format!(
                "[Bug] Failed to scan consume queue entries from file on correcting min offset: {}",
                path()
            ))),
            // The minimum of before is looked at first, if there was one in this file.
            1..8 if before >= 0 => Some(exception()),
            _ => None,
        })
    }

    /// Whether the search came to its end, behind which the extension is truncated.
    fn search_min(
        &mut self,
        disk: &Disk,
        rules: &Rules,
        min: i64,
        ext_address: &mut i64,
    ) -> Result<bool, RecoveryError> {
        let is_over = if rules.resets_empty_queues {
            if self.list.files.is_empty() {
                (self.min_position, self.max_physical) = (0, -1);
            }
            self.min_position > self.list.max_offset()
        } else {
            self.min_position >= self.list.max_offset()
        };
        let last_at = self.list.files.len().checked_sub(1);
        let Some(last_at) = last_at.filter(|_| !is_over) else { return Ok(false) };
        let last = &self.list.files[last_at];
        if last.wrote < UNIT && rules.fails_on_empty_queue_file {
            let exception = RecoveryError::exception("IllegalArgumentException: newPosition < 0");
            return Err(exception.because_of(last.path()));
        }
        if self.ends_before(disk, min)? {
            self.min_position = last.base + last.wrote;
            return Ok(false);
        }
        let (base, wrote) = (self.list.files[0].base, self.list.files[0].wrote);
        let start = (self.min_position - base).max(0);
        if start >= wrote {
            return Ok(false);
        }
        let is_intact = self.min_position >= base;
        if is_intact && self.physical_at(disk, 0, start)? >= min {
            return Ok(false);
        }
        let file = self.list.files[0].open(disk)?;
        let (mut low, mut high) = (0, wrote - start - UNIT);
        while high - low > UNIT {
            let middle = (low + high) / 2 / UNIT * UNIT;
            let found = unit_at(disk, &file, start + middle)?.physical_offset.0;
            if found > min {
                high = middle;
            } else if found == min {
                (low, high) = (middle, middle);
            } else if low == middle {
                let path = self.list.files[0].path();
                let path = path.display();
                return Err(RecoveryError::Unknown(format!(
                    "the broker's search for the first message of the log goes round for ever in {path}: positions that are no multiple of {UNIT}"
                )));
            } else {
                low = middle;
            }
        }
        let mut at = low;
        while at <= high {
            let unit = unit_at(disk, &file, start + at)?;
            if unit.physical_offset.0 >= min {
                self.min_position = base + start + at;
                if is_ext_address(unit.tags_code) {
                    *ext_address = unit.tags_code;
                }
                break;
            }
            at += UNIT;
        }
        Ok(true)
    }
}
