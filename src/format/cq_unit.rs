//! One unit of an ordinary consume queue, 20 bytes, big-endian.
//!
//! | at | length | field |
//! |---|---|---|
//! | 0 | 8 | physical offset of the message |
//! | 8 | 4 | length of the message |
//! | 12 | 8 | tags code (hash of TAGS, delivery time of a delayed message, or an address in `consumequeue_ext`) |
//!
//! Upstream: `ConsumeQueue.putMessagePositionInfo`, `ConsumeQueue.recover`; the same in all releases.

use super::bytes::Reader;
use crate::units::PhysicalOffset;

/// Length of a unit in bytes (upstream `ConsumeQueue.CQ_STORE_UNIT_SIZE`).
pub const UNIT_LEN: usize = 20;

/// The size that upstream's `fillPreBlank` writes for slots that never held a message.
pub const PRE_BLANK_SIZE: i32 = i32::MAX;

/// A unit as its bytes say, valid or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CqUnit {
    /// Start of the message in the commitlog.
    pub physical_offset: PhysicalOffset,
    /// Length of the message in bytes.
    pub size: i32,
    /// Tags code, or an address in `consumequeue_ext` when below `i32::MIN`.
    pub tags_code: i64,
}

impl CqUnit {
    /// Decodes one unit.
    #[must_use]
    pub fn decode(bytes: &[u8; UNIT_LEN]) -> Self {
        let mut reader = Reader::new(bytes);
        Self {
            physical_offset: PhysicalOffset(reader.i64().unwrap_or_default()),
            size: reader.i32().unwrap_or_default(),
            tags_code: reader.i64().unwrap_or_default(),
        }
    }

    /// Whether the broker's scan takes it for a unit (`offset >= 0 && size > 0`); pre-blank units pass this test.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        self.physical_offset.0 >= 0 && self.size > 0
    }

    /// Whether this is the filler `(0, 2147483647, 0)` that stands for a slot without message.
    #[must_use]
    pub fn is_pre_blank(&self) -> bool {
        self.physical_offset.0 == 0 && self.size == PRE_BLANK_SIZE
    }

    /// Exclusive end of the message in the commitlog.
    #[must_use]
    pub fn end(&self) -> PhysicalOffset {
        PhysicalOffset(self.physical_offset.0.saturating_add(i64::from(self.size)))
    }
}
