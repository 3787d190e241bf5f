//! An index file: header, hash slots, entries, big-endian.
//!
//! | at | length | field |
//! |---|---|---|
//! | 0 | 8 | store timestamp of its first message |
//! | 8 | 8 | store timestamp of its last message |
//! | 16 | 8 | physical offset of its first message |
//! | 24 | 8 | physical offset of its last message |
//! | 32 | 4 | number of slots in use |
//! | 36 | 4 | number of the next entry; starts at 1 |
//! | 40 | 4 × slots | number of each slot's newest entry, 0 if it has none |
//! | 40 + 4 × slots | 20 × entries | entries, of which number 0 stays unused |
//!
//! An entry:
//!
//! | at | length | field |
//! |---|---|---|
//! | 0 | 4 | hash of `topic#key`, not negative |
//! | 4 | 8 | physical offset of the message |
//! | 12 | 4 | seconds since the file's first message |
//! | 16 | 4 | number of the slot's entry before this one |
//!
//! Upstream: `IndexHeader`, `IndexFile`; the same layout in all releases.

use super::bytes::Reader;
use super::java_hash::java_hash;
use crate::units::{EpochMillis, PhysicalOffset};

/// Length of the header in bytes (upstream `INDEX_HEADER_SIZE`).
pub const INDEX_HEADER_LEN: usize = 40;
/// Length of an entry in bytes (upstream `indexSize`).
pub const INDEX_ENTRY_LEN: usize = 20;

/// Header of an index file as its bytes say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct IndexHeader {
    /// Store timestamp of the first message.
    pub begin_timestamp: EpochMillis,
    /// Store timestamp of the last message; recovery deletes the file if it is above the checkpoint's.
    pub end_timestamp: EpochMillis,
    /// Physical offset of the first message.
    pub begin_physical_offset: PhysicalOffset,
    /// Physical offset of the last message (its start).
    pub end_physical_offset: PhysicalOffset,
    /// Number of slots in use.
    pub hash_slot_count: i32,
    /// Number of the next entry as written; see [`IndexHeader::index_count`].
    pub raw_index_count: i32,
}

impl IndexHeader {
    /// Decodes a header.
    #[must_use]
    pub fn decode(bytes: &[u8; INDEX_HEADER_LEN]) -> Self {
        let mut reader = Reader::new(bytes);
        Self {
            begin_timestamp: EpochMillis(reader.i64().unwrap_or_default()),
            end_timestamp: EpochMillis(reader.i64().unwrap_or_default()),
            begin_physical_offset: PhysicalOffset(reader.i64().unwrap_or_default()),
            end_physical_offset: PhysicalOffset(reader.i64().unwrap_or_default()),
            hash_slot_count: reader.i32().unwrap_or_default(),
            raw_index_count: reader.i32().unwrap_or_default(),
        }
    }

    /// Number of the next entry, which upstream reads as 1 when it is below 1.
    #[must_use]
    pub fn index_count(&self) -> i32 {
        self.raw_index_count.max(1)
    }

    /// Whether upstream writes no more entries into a file that has room for `max_entries` (`maxIndexNum`).
    #[must_use]
    pub fn is_full(&self, max_entries: i32) -> bool {
        self.index_count() >= max_entries
    }
}

/// An entry as its bytes say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct IndexEntry {
    /// Hash of `topic#key`.
    pub key_hash: i32,
    /// Start of the message in the commitlog.
    pub physical_offset: PhysicalOffset,
    /// Seconds from the file's first message to this one.
    pub seconds_since_begin: i32,
    /// Number of the entry that the slot held before.
    pub previous: i32,
}

impl IndexEntry {
    /// Decodes one entry.
    #[must_use]
    pub fn decode(bytes: &[u8; INDEX_ENTRY_LEN]) -> Self {
        let mut reader = Reader::new(bytes);
        Self {
            key_hash: reader.i32().unwrap_or_default(),
            physical_offset: PhysicalOffset(reader.i64().unwrap_or_default()),
            seconds_since_begin: reader.i32().unwrap_or_default(),
            previous: reader.i32().unwrap_or_default(),
        }
    }
}

/// Length of a file with this many slots (`maxHashSlotNum`) and entries (`maxIndexNum`).
#[must_use]
pub fn file_len(slots: u32, entries: u32) -> u64 {
    entry_at(slots, entries)
}

/// Where entry `number` starts in a file with this many slots.
#[must_use]
pub fn entry_at(slots: u32, number: u32) -> u64 {
    40 + 4 * u64::from(slots) + 20 * u64::from(number)
}

/// Hash under which the index keeps `topic#key` (upstream `indexKeyHashMethod`).
#[must_use]
pub fn key_hash(topic_and_key: &[u8]) -> i32 {
    java_hash(topic_and_key).checked_abs().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_below_one_reads_as_one() {
        for raw_index_count in [i32::MIN, -1, 0, 1] {
            assert_eq!(IndexHeader { raw_index_count, ..IndexHeader::default() }.index_count(), 1);
        }
        assert!(!IndexHeader { raw_index_count: 399, ..IndexHeader::default() }.is_full(400));
        assert!(IndexHeader { raw_index_count: 400, ..IndexHeader::default() }.is_full(400));
    }

    #[test]
    fn the_default_geometry_makes_files_of_420000040_bytes() {
        assert_eq!(file_len(5_000_000, 20_000_000), 420_000_040);
        assert_eq!(file_len(u32::MAX, u32::MAX), 40 + 24 * u64::from(u32::MAX));
    }

    #[test]
    fn the_one_hash_without_absolute_value_becomes_zero() {
        assert_eq!(key_hash(b"polygenelubricants"), 0);
        assert_eq!(key_hash(b"TagA"), 2_598_919);
    }
}
