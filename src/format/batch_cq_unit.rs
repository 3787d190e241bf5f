//! One unit of a batch consume queue, 46 bytes, big-endian.
//!
//! | at | length | field |
//! |---|---|---|
//! | 0 | 8 | physical offset of the message |
//! | 8 | 4 | length of the message |
//! | 12 | 8 | tags code |
//! | 20 | 8 | store timestamp |
//! | 28 | 8 | queue offset of the first message inside the batch |
//! | 36 | 2 | number of messages inside the batch |
//! | 38 | 4 | compacted offset, -1 |
//! | 42 | 4 | reserved, 0 |
//!
//! Segments are named by bytes (ordinal of the unit × 46), which says nothing about queue offsets.
//!
//! Upstream: `BatchConsumeQueue.putBatchMessagePositionInfo`, `recover`; 5.0.0 and later.

use super::bytes::Reader;
use crate::units::{EpochMillis, PhysicalOffset, QueueOffset};

/// Length of a unit in bytes (upstream `BatchConsumeQueue.CQ_STORE_UNIT_SIZE`).
pub const BATCH_UNIT_LEN: usize = 46;

/// A unit as its bytes say, valid or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BatchCqUnit {
    /// Start of the message in the commitlog.
    pub physical_offset: PhysicalOffset,
    /// Length of the message in bytes.
    pub size: i32,
    /// Tags code.
    pub tags_code: i64,
    /// When the message was stored.
    pub store_timestamp: EpochMillis,
    /// Queue offset of the first message inside the batch.
    pub base_offset: QueueOffset,
    /// Number of messages inside the batch.
    pub batch_size: i16,
    /// Compacted offset, -1 where nothing was compacted.
    pub compacted_offset: i32,
    /// Reserved.
    pub reserved: i32,
}

impl BatchCqUnit {
    /// Decodes one unit.
    #[must_use]
    pub fn decode(bytes: &[u8; BATCH_UNIT_LEN]) -> Self {
        let mut reader = Reader::new(bytes);
        Self {
            physical_offset: PhysicalOffset(reader.i64().unwrap_or_default()),
            size: reader.i32().unwrap_or_default(),
            tags_code: reader.i64().unwrap_or_default(),
            store_timestamp: EpochMillis(reader.i64().unwrap_or_default()),
            base_offset: QueueOffset(reader.i64().unwrap_or_default()),
            batch_size: reader.i16().unwrap_or_default(),
            compacted_offset: reader.i32().unwrap_or_default(),
            reserved: reader.i32().unwrap_or_default(),
        }
    }

    /// Whether the broker's scan takes it for a unit.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        self.physical_offset.0 >= 0 && self.size > 0 && self.base_offset.0 >= 0 && self.batch_size > 0
    }

    /// Exclusive end of the message in the commitlog. Upstream's own maximum of a batch queue is the start of its last
    /// message, not this.
    #[must_use]
    pub fn end(&self) -> PhysicalOffset {
        PhysicalOffset(self.physical_offset.0.saturating_add(i64::from(self.size)))
    }

    /// Exclusive end of the queue offsets that the batch takes.
    #[must_use]
    pub fn end_offset(&self) -> QueueOffset {
        QueueOffset(self.base_offset.0.saturating_add(i64::from(self.batch_size)))
    }
}
