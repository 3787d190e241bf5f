//! The broker's `checkpoint`, 4096 bytes of which 48 are in use, big-endian.
//!
//! | at | length | field | since |
//! |---|---|---|---|
//! | 0 | 8 | store timestamp up to which the commitlog is flushed | |
//! | 8 | 8 | store timestamp up to which the consume queues are flushed | |
//! | 16 | 8 | store timestamp up to which full index files are flushed | |
//! | 24 | 8 | offset to which the master had flushed | 5.0.0 |
//! | 32 | 8 | confirm offset | 5.1.1 |
//! | 40 | 8 | physical offset of the last unit flushed | 5.5.0 |
//!
//! Upstream maps 4096 bytes whatever the file's length, which fills up a short file with zeros, and checks nothing. A field
//! that the writing release did not know is 0, or what a newer release left there before a downgrade.
//!
//! Upstream: `StoreCheckpoint`, releases 4.9.4 to 5.5.1.

use super::bytes::Reader;
use crate::units::{EpochMillis, PhysicalOffset};

/// Length of the file that upstream writes.
pub const CHECKPOINT_LEN: usize = 4096;
/// Bytes in use.
pub const CHECKPOINT_FIELDS_LEN: usize = 48;

/// How far upstream goes back behind the older of both timestamps, in milliseconds.
const MARGIN: i64 = 3000;

/// The fields of a checkpoint, and how much of it was there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Checkpoint {
    /// Store timestamp up to which the commitlog is flushed.
    pub physic_msg_timestamp: EpochMillis,
    /// Store timestamp up to which the consume queues are flushed.
    pub logics_msg_timestamp: EpochMillis,
    /// Store timestamp up to which full index files are flushed.
    pub index_msg_timestamp: EpochMillis,
    /// Offset to which the master had flushed.
    pub master_flushed_offset: PhysicalOffset,
    /// Confirm offset (upstream `confirmPhyOffset`).
    pub confirm_physical_offset: PhysicalOffset,
    /// Start of the message of the last unit flushed (upstream `logicsPhysicalOffset`, 5.5.0).
    pub logics_physical_offset: PhysicalOffset,
    /// Bytes that were there.
    pub found_len: usize,
}

impl Checkpoint {
    /// Decodes a checkpoint of any length; bytes that are missing read as zeros.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Self {
        let mut fields = [0; CHECKPOINT_FIELDS_LEN];
        for (field, byte) in fields.iter_mut().zip(bytes) {
            *field = *byte;
        }
        let mut reader = Reader::new(&fields);
        Self {
            physic_msg_timestamp: EpochMillis(reader.i64().unwrap_or_default()),
            logics_msg_timestamp: EpochMillis(reader.i64().unwrap_or_default()),
            index_msg_timestamp: EpochMillis(reader.i64().unwrap_or_default()),
            master_flushed_offset: PhysicalOffset(reader.i64().unwrap_or_default()),
            confirm_physical_offset: PhysicalOffset(reader.i64().unwrap_or_default()),
            logics_physical_offset: PhysicalOffset(reader.i64().unwrap_or_default()),
            found_len: bytes.len(),
        }
    }

    /// Whether bytes of a field were missing, which upstream never writes.
    #[must_use]
    pub fn is_short(&self) -> bool {
        self.found_len < CHECKPOINT_FIELDS_LEN
    }

    /// The time up to which commitlog and consume queues are certain (upstream `getMinTimestamp`): the older of both
    /// timestamps less 3 seconds, at least 0.
    #[must_use]
    pub fn min_timestamp(&self) -> EpochMillis {
        let older = self.physic_msg_timestamp.min(self.logics_msg_timestamp);
        // Java's subtraction wraps: the smallest timestamps of all come out as the largest.
        EpochMillis(older.0.wrapping_sub(MARGIN).max(0))
    }

    /// The same with the index files taken in (upstream `getMinTimestampIndex`).
    #[must_use]
    pub fn min_timestamp_with_index(&self) -> EpochMillis {
        self.min_timestamp().min(self.index_msg_timestamp)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(physic: i64, logics: i64, index: i64) -> Checkpoint {
        Checkpoint {
            physic_msg_timestamp: EpochMillis(physic),
            logics_msg_timestamp: EpochMillis(logics),
            index_msg_timestamp: EpochMillis(index),
            ..Checkpoint::default()
        }
    }

    #[test]
    fn bytes_that_are_missing_read_as_zeros() {
        let mut bytes = [0; CHECKPOINT_LEN];
        bytes[..16].copy_from_slice(&[0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0, 0, 3, 4]);
        assert_eq!(Checkpoint::decode(&bytes).logics_msg_timestamp, EpochMillis(0x304));
        assert!(!Checkpoint::decode(&bytes).is_short());
        let cut = Checkpoint::decode(&bytes[..15]);
        assert_eq!(
            (cut.physic_msg_timestamp, cut.logics_msg_timestamp),
            (EpochMillis(0x102), EpochMillis(0x300))
        );
        assert!(cut.is_short());
        assert_eq!(Checkpoint::decode(&[]), Checkpoint::default());
    }

    #[test]
    fn the_minimum_is_the_older_timestamp_less_three_seconds_and_never_negative() {
        assert_eq!(with(10_000, 9_000, 0).min_timestamp(), EpochMillis(6_000));
        assert_eq!(with(10_000, 0, 0).min_timestamp(), EpochMillis(0));
        assert_eq!(with(-5, 7, 0).min_timestamp(), EpochMillis(0));
    }

    #[test]
    fn the_index_timestamp_is_not_reduced_a_second_time() {
        assert_eq!(with(10_000, 9_000, 5_999).min_timestamp_with_index(), EpochMillis(5_999));
        assert_eq!(with(10_000, 9_000, 8_000).min_timestamp_with_index(), EpochMillis(6_000));
    }
}
