//! What dispatch did, in numbers: some are lines of the broker's log.

use super::ext::Saved;
use super::queue::Put;

/// Numbers of a dispatch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DispatchCounts {
    /// Units put.
    pub put: u64,
    /// Units put into another slot than their own.
    pub misplaced: u64,
    /// Messages that end below the queue's maximum.
    pub repeated: u64,
    /// Units whose slot was below the queue's end.
    pub below_end: u64,
    /// Units for which the last file had no room.
    pub no_room: u64,
    /// Units that their queue's extension has not taken.
    pub ext_unsaved: u64,
    /// Those of them that ended with an exception.
    pub ext_failed: u64,
}

impl DispatchCounts {
    /// Counts what became of a unit of an extension.
    pub fn add_ext(&mut self, saved: Saved) {
        self.ext_unsaved += u64::from(!matches!(saved, Saved::At(_)));
        self.ext_failed += u64::from(saved == Saved::Failed);
    }

    /// Counts what became of a unit.
    pub fn add(&mut self, put: &Put, is_batch: bool) {
        match put {
            Put::InPlace => self.put += 1,
            Put::Misplaced => {
                self.put += 1;
                self.misplaced += 1;
            }
            // Batch queues say so only when the clock shows a full second.
            Put::Repeated if is_batch => {}
            Put::Repeated => self.repeated += 1,
            Put::BelowEnd => self.below_end += 1,
            Put::NoRoom { is_misplaced } => {
                self.no_room += 1;
                self.misplaced += u64::from(*is_misplaced);
                // The next try.
                self.repeated += 1;
            }
            Put::Failed => {}
        }
    }
}
