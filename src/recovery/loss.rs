//! Messages that should have a unit and will have none (R13).

use std::collections::{BTreeMap, HashSet};

use super::disk::{Disk, RecoveryError};
use super::dropped::next_magic;
use super::file_list::FileList;
use super::parse::{Checks, Parsed, Parser};
use super::queue_table::{AnyQueue, QueueTable};
use super::segment_reader::{Records, SegmentReader};

/// What is missing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Loss {
    /// Messages that should have a unit.
    pub messages: u64,
    /// Those without, by queue.
    pub missing: BTreeMap<(String, i32), u64>,
}

impl Loss {
    /// All that is missing.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.missing.values().sum()
    }

    /// Goes through every segment and looks up the unit of every message below `end`.
    ///
    /// # Errors
    /// As [`Disk::bytes`].
    pub fn find(
        disk: &Disk,
        parser: &Parser<'_>,
        logs: &[(&FileList, Records)],
        end: i64,
        queues: &QueueTable<'_>,
    ) -> Result<Self, RecoveryError> {
        let mut loss = Self::default();
        let mut units = BTreeMap::new();
        for (key, queue) in &queues.queues {
            units.insert(key, offsets(disk, queue)?);
        }
        let checks = Checks { crc: false, dup_info: false };
        for (list, records) in logs {
            for file in &list.files {
                let mut reader = SegmentReader::open(disk, file, list.file_len)?;
                let mut at = 0;
                while at < list.file_len && file.base + at < end {
                    let request = match reader.parse(parser, *records, checks, at, list.file_len)? {
                        Parsed::Message(request) => request,
                        Parsed::Blank => break,
                        // What cannot be read may still have messages behind it.
                        Parsed::Fail { .. } => match next_magic(disk, list, file, *records, at + 1)? {
                            Some(next) => {
                                at = next;
                                continue;
                            }
                            None => break,
                        },
                    };
                    let physical = file.base + at + request.head_len;
                    at += i64::from(request.size) + request.head_len;
                    if !request.has_unit() || physical >= end {
                        continue;
                    }
                    loss.messages += 1;
                    let key = (request.topic, request.queue_id);
                    if !units.get(&key).is_some_and(|offsets| offsets.contains(&physical)) {
                        *loss.missing.entry(key).or_default() += 1;
                    }
                }
            }
        }
        Ok(loss)
    }
}

/// Start of the message of every unit of a queue.
fn offsets(disk: &Disk, queue: &AnyQueue) -> Result<HashSet<i64>, RecoveryError> {
    let mut found = HashSet::new();
    let unit = usize::try_from(queue.unit_len()).unwrap_or(20);
    for file in &queue.list().files {
        let bytes = file.bytes(disk, 0, file.wrote)?;
        found.extend(bytes.chunks_exact(unit).filter_map(|unit| {
            let size = unit.get(8..)?.first_chunk::<4>().map(|size| i32::from_be_bytes(*size))?;
            (size != i32::MAX).then(|| unit.first_chunk::<8>().map(|offset| i64::from_be_bytes(*offset)))?
        }));
    }
    Ok(found)
}
