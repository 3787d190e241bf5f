//! Whole messages behind the place where recovery cuts the log (R9), whether this release can read them or not.

use memchr::memmem;

use super::disk::{Disk, RecoveryError};
use super::file_list::{FileList, ListedFile};
use super::parse::{Checks, ENTRY_HEAD, Parser};
use super::pieces::{Go, Met, Reading, Records};
use super::record::Names;
use super::release::READS_MOST;
use crate::broker::BrokerConf;
use crate::format::message::{MAGIC_V1, MAGIC_V2};

/// Bytes in which the next message is looked for at one go. Nothing but zeros in them is taken for the end of what was written.
const PIECE: i64 = 64 << 10;

/// What is cut off.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Dropped {
    /// Messages that are whole.
    pub messages: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Dropped {
    /// Goes on behind `end` over what can still be read. Behind damage the next message is one that stands where its own
    /// offset says, so that what an earlier cut left is not counted. Nothing is cut off where the log `has_grown` meanwhile: a
    /// broker has written on since its end was looked for.
    ///
    /// # Errors
    /// As [`Disk::bytes`].
    pub fn behind(
        disk: &Disk,
        conf: &BrokerConf,
        list: &FileList,
        records: Records,
        end: i64,
        has_grown: impl FnOnce() -> Result<bool, RecoveryError>,
    ) -> Result<Self, RecoveryError> {
        let mut dropped = Self::default();
        let names = Names::default();
        let parser = Parser::new(&READS_MOST, conf, true);
        let reading = Reading::new(disk, &parser, &names, records, Checks { crc: true, dup_info: false });
        for file in list.files.iter().filter(|file| file.base + list.file_len > end) {
            let from = (end - file.base).max(0);
            reading.segment(file, from..list.file_len, |at, met| match met {
                Met::Message(record, _) => {
                    if record.physical == file.base + at + record.head_len() {
                        dropped.messages += 1;
                        dropped.bytes += u64::try_from(record.byte_len()).unwrap_or(0);
                    }
                    Ok(Go::On)
                }
                Met::Blank { reaches_end: true } => Ok(Go::Stop),
                Met::Blank { .. } => within_or_behind(disk, list, file, records, at),
                Met::Fail(_) => Ok(next_magic(disk, list, file, records, at + 1)?.map_or(Go::Stop, Go::To)),
            })?;
        }
        // Asked last: what was counted is there by now.
        if dropped.messages > 0 && has_grown()? {
            return Ok(Self::default());
        }
        Ok(dropped)
    }
}

/// Where to go on at what reads as filler and does not reach the end of the segment: at the message of an entry of which the head
/// alone is damaged, or at the next one.
pub(super) fn within_or_behind(
    disk: &Disk,
    list: &FileList,
    file: &ListedFile,
    records: Records,
    at: i64,
) -> Result<Go, RecoveryError> {
    Ok(match next_magic(disk, list, file, records, at)? {
        // Of a filler among messages the magic is that of a filler.
        Some(next) if next == at => Go::To(at + ENTRY_HEAD),
        next => next.map_or(Go::Stop, Go::To),
    })
}

/// The next position at or behind `from` at which a message's magic stands in its place.
pub(super) fn next_magic(
    disk: &Disk,
    list: &FileList,
    file: &ListedFile,
    records: Records,
    from: i64,
) -> Result<Option<i64>, RecoveryError> {
    let lead = match records {
        Records::Messages => 4,
        Records::Entries => 4 + ENTRY_HEAD,
    };
    let magics = [MAGIC_V1, MAGIC_V2].map(u32::to_be_bytes);
    let mut at = from;
    while at + lead + 4 <= list.file_len {
        let len = PIECE.min(list.file_len - at);
        let bytes = file.bytes(disk, at, len)?;
        if bytes.iter().all(|byte| *byte == 0) {
            // A hole that a crash has left ends where the next block was written.
            match file.data_from(disk, at + len)?.filter(|data| *data > at + len) {
                Some(data) => at = data - lead - 3,
                None => return Ok(None),
            }
            continue;
        }
        let skip = usize::try_from(lead).unwrap_or(0);
        let nearest = |rest| magics.iter().filter_map(|magic| memmem::find(rest, magic)).min();
        if let Some(found) = bytes.get(skip..).and_then(nearest) {
            return Ok(Some(at + i64::try_from(found).unwrap_or(0)));
        }
        at += (len - lead - 3).max(1);
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use super::*;
    use crate::demo::{Capture, Stage};
    use crate::recovery::file_loading::Loader;

    #[test]
    fn messages_behind_a_hole_are_found_and_an_empty_rest_is_not_read() {
        let capture = Capture::embedded().unwrap();
        let stage = capture.manifest().stage(Stage::Killed);
        let log = stage.files.iter().find(|file| file.path.contains("/data/")).unwrap();
        let whole = capture.content(&log.from);
        let dir = tempfile::tempdir().unwrap();
        let file = std::fs::File::create(dir.path().join(format!("{:020}", 0))).unwrap();
        let len: i64 = 1 << 30;
        file.set_len(u64::try_from(len).unwrap()).unwrap();
        let written = whole.iter().rposition(|byte| *byte != 0).unwrap() + 1;
        let (hole, torn) = (100_000..600_000, b"bytes that are no record");
        assert!(written > hole.end + 100_000, "{written}");
        file.write_all_at(&whole[..hole.start], 0).unwrap();
        file.write_all_at(&whole[hole.end..written], u64::try_from(hole.end).unwrap()).unwrap();
        file.write_all_at(torn, u64::try_from(written).unwrap()).unwrap();
        let disk = Disk::default();
        let load = || FileList::load(&disk, &[dir.path().to_owned()], len, Loader::Ledger).unwrap().unwrap();
        let behind = || {
            Dropped::behind(&disk, &BrokerConf::default(), &load(), Records::Entries, 0, || Ok(false))
                .unwrap()
        };
        let found = behind();
        let all_bytes = u64::try_from(written - hole.len()).unwrap();
        assert!((all_bytes - 2_000..=all_bytes).contains(&found.bytes), "{found:?} of {all_bytes}");
        let read = disk.bytes_read();
        assert!(read < 16 << 20, "{read} bytes of an empty segment read");
        // Zeros that were written end the search.
        file.write_all_at(&vec![0; hole.len()], u64::try_from(hole.start).unwrap()).unwrap();
        assert!(behind().bytes <= u64::try_from(hole.start).unwrap());
    }
}
