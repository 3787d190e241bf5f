//! The last things worth telling, in the order in which they were seen.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::units::EpochMillis;

/// Entries kept, at most.
pub const FEED_LEN: usize = 1_000;

/// One thing worth telling.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedEntry {
    /// Its number; later entries have larger ones, over restarts too.
    pub seq: u64,
    /// When it happened, in ms since the epoch; to the second for a line of the broker.
    pub at: EpochMillis,
    /// `log`, `shrinkage`, `start`, `recovery_over`, `stopped`, `evidence` or `forecast`.
    pub kind: String,
    /// For a line its event, for a shrinkage its explanation, for a forecast how it stood the test, else empty.
    pub event: String,
    /// `info`, `benign`, `notable` or `damage`.
    pub severity: String,
    /// One line for people.
    pub summary: String,
    /// How often it came in a row.
    pub count: u64,
}

/// The feed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Feed {
    last_seq: u64,
    entries: VecDeque<FeedEntry>,
}

impl Feed {
    /// Adds an entry; one that repeats the event of the last within the same second only raises its count.
    pub fn tell(&mut self, at: EpochMillis, kind: &str, event: &str, severity: &str, summary: String) {
        if let Some(last) = self.entries.back_mut()
            && kind == "log"
            && last.kind == kind
            && last.event == event
            && last.at.0.abs_diff(at.0) < 1_000
        {
            last.count += 1;
            return;
        }
        self.last_seq += 1;
        if self.entries.len() >= FEED_LEN {
            self.entries.pop_front();
        }
        self.entries.push_back(FeedEntry {
            seq: self.last_seq,
            at,
            kind: kind.to_owned(),
            event: event.to_owned(),
            severity: severity.to_owned(),
            summary,
            count: 1,
        });
    }

    /// Number of the newest entry that there ever was; 0 without any.
    #[must_use]
    pub fn last_seq(&self) -> u64 {
        self.last_seq
    }

    /// Entries behind number `seq`, oldest first.
    pub fn since(&self, seq: u64) -> impl DoubleEndedIterator<Item = &FeedEntry> {
        self.entries.iter().filter(move |entry| entry.seq > seq)
    }
}
