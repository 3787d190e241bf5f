//! Sets of positions in the log, held as their number and a sum over them.
//!
//! Two sets with the same tally are taken for the same set: with positions spread over 64 bits before they are summed, others
//! meet once in 2^64. So it is told whether all messages of a queue have their units without keeping either.

use std::ops::Range;

use crate::format::cq_unit::PRE_BLANK_SIZE;

/// A set of positions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many.
    pub count: u64,
    sum: u64,
}

impl Tally {
    /// Adds a position.
    pub fn add(&mut self, position: i64) {
        self.count += 1;
        self.sum = self.sum.wrapping_add(spread(position));
    }

    /// Takes away a position that is in it.
    pub fn remove(&mut self, position: i64) {
        self.count = self.count.saturating_sub(1);
        self.sum = self.sum.wrapping_sub(spread(position));
    }

    /// Without those of another one, which are all in it.
    #[must_use]
    pub fn without(self, other: Self) -> Self {
        Self { count: self.count.saturating_sub(other.count), sum: self.sum.wrapping_sub(other.sum) }
    }

    /// Adds all of another one.
    pub fn add_all(&mut self, other: Self) {
        self.count += other.count;
        self.sum = self.sum.wrapping_add(other.sum);
    }
}

fn spread(position: i64) -> u64 {
    let spread = position.cast_unsigned().wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let spread = (spread ^ (spread >> 32)).wrapping_mul(0xD6E8_FEB8_6659_FD93);
    spread ^ (spread >> 29)
}

/// What the units at the front of a file point at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pointed {
    /// Bytes of the file that these units take.
    pub until: i64,
    /// The messages' starts.
    pub starts: Tally,
    /// The first of them.
    pub lowest: i64,
    /// The last of them.
    pub highest: i64,
    /// Whether each, fillers included, starts at or behind the one before.
    pub is_ordered: bool,
}

impl Default for Pointed {
    fn default() -> Self {
        Self { until: 0, starts: Tally::default(), lowest: i64::MAX, highest: i64::MIN, is_ordered: true }
    }
}

impl Pointed {
    /// Adds a unit; fillers point at nothing.
    pub fn add_unit(&mut self, start: i64, size: i32) {
        self.is_ordered &= start >= self.highest;
        if size == PRE_BLANK_SIZE {
            return;
        }
        self.lowest = self.lowest.min(start);
        self.highest = self.highest.max(start);
        self.starts.add(start);
    }

    /// Whether all starts lie in `range`.
    #[must_use]
    pub fn is_within(&self, range: &Range<i64>) -> bool {
        self.starts.count == 0 || (range.contains(&self.lowest) && range.contains(&self.highest))
    }

    /// Whether a start may lie in `range`.
    #[must_use]
    pub fn meets(&self, range: &Range<i64>) -> bool {
        self.starts.count > 0 && self.lowest < range.end && self.highest >= range.start
    }
}
