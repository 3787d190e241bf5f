//! Why something is gone from the consume queues, and how much has gone so far.
//!
//! Retention and the deletion of a topic take units away on purpose; a recovery does not, and what nothing explains does not
//! either. The reasons become known a moment later than the directory shows the loss (the broker's log is written by another
//! thread), so a shrinkage that nothing explains yet waits [`GRACE`] before it is counted as unexplained.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::label::label_set;
use crate::units::EpochMillis;
use crate::watch::tree::Shrinkage;

/// How long a shrinkage waits for its explanation (ms).
pub const GRACE: i64 = 2_000;

/// How long the deletion of a topic explains that its queues vanish (ms).
pub const DELETION_HOLDS: i64 = 600_000;

label_set! {
    /// Why units are gone.
    pub enum Explained {
        /// Their messages have expired.
        Retention = "retention",
        /// Their topic was deleted.
        TopicDelete = "topic_delete",
        /// The broker's recovery removed them.
        Recovery = "recovery",
        /// Nothing that is known here.
        Unexplained = "unexplained",
    }
}

impl Explained {
    /// Whether somebody should be told.
    #[must_use]
    pub fn is_loss(self) -> bool {
        matches!(self, Self::Recovery | Self::Unexplained)
    }
}

/// What has gone for one reason.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gone {
    /// Queues of which all files went.
    pub vanished_queues: u64,
    /// Files.
    pub vanished_files: u64,
    /// Queues whose max offset went back while files remained.
    pub shrunk_queues: u64,
    /// Units.
    pub units_removed: u64,
    /// When the last of it went.
    pub last_at: Option<EpochMillis>,
}

/// What is known that may explain a shrinkage.
#[derive(Debug, Clone, Default)]
pub struct Circumstances {
    /// A start of the broker was under way since the pass before.
    pub is_start_near: bool,
    /// First position of the log, now.
    pub log_min: Option<u64>,
    /// Topics that were deleted not long ago, and when.
    pub deleted_topics: BTreeMap<Arc<str>, EpochMillis>,
    /// Now.
    pub now: EpochMillis,
}

impl Circumstances {
    /// The reason, as far as it can be told now.
    #[must_use]
    pub fn explain(&self, shrinkage: &Shrinkage) -> Explained {
        let log_min = self.log_min.and_then(|min| i64::try_from(min).ok()).unwrap_or_default();
        let before = shrinkage.before.ends;
        let is_expired = if shrinkage.is_vanished() {
            // `cleanExpired` removes a queue once the log begins behind its newest message.
            before.is_some_and(|before| before.max_physical.0 >= 0 && log_min >= before.max_physical.0)
        } else {
            !shrinkage.is_max_back() && before.is_some_and(|before| log_min > before.min_physical.0)
        };
        if shrinkage.is_vanished() && self.deleted_topics.contains_key(&shrinkage.key.topic) {
            Explained::TopicDelete
        } else if is_expired {
            Explained::Retention
        } else if self.is_start_near {
            Explained::Recovery
        } else {
            Explained::Unexplained
        }
    }
}

/// What has gone, and what still waits for its explanation.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Losses {
    gone: [Gone; 4],
    /// Units that went from each topic for a reason that is a loss.
    pub units_by_topic: BTreeMap<Arc<str>, u64>,
    #[serde(skip)]
    waiting: Vec<(Shrinkage, EpochMillis)>,
}

impl Losses {
    /// What has gone for one reason.
    #[must_use]
    pub fn gone(&self, explained: Explained) -> &Gone {
        &self.gone[index(explained)]
    }

    /// Whether something waits for its explanation.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// What waits for its explanation, longest first.
    pub fn waiting(&self) -> impl Iterator<Item = &Shrinkage> {
        self.waiting.iter().map(|(shrinkage, _)| shrinkage)
    }

    /// Takes in what a pass found smaller, and counts what can be explained by now or has waited long enough. Returns what was
    /// counted, with the reason.
    pub fn settle(
        &mut self,
        found: Vec<Shrinkage>,
        circumstances: &Circumstances,
    ) -> Vec<(Shrinkage, Explained)> {
        let now = circumstances.now;
        let all = std::mem::take(&mut self.waiting)
            .into_iter()
            .chain(found.into_iter().map(|shrinkage| (shrinkage, now)));
        let mut counted = Vec::new();
        let mut waiting = Vec::new();
        for (shrinkage, since) in all {
            // A clock that was set back starts the wait anew.
            let since = since.min(now);
            let explained = circumstances.explain(&shrinkage);
            if explained == Explained::Unexplained && now.0.saturating_sub(since.0) < GRACE {
                waiting.push((shrinkage, since));
            } else {
                self.count(&shrinkage, explained, now);
                counted.push((shrinkage, explained));
            }
        }
        self.waiting = waiting;
        counted
    }

    fn count(&mut self, shrinkage: &Shrinkage, explained: Explained, now: EpochMillis) {
        let gone = &mut self.gone[index(explained)];
        gone.vanished_queues += u64::from(shrinkage.is_vanished());
        gone.vanished_files += shrinkage.files_removed();
        gone.shrunk_queues += u64::from(!shrinkage.is_vanished() && shrinkage.is_max_back());
        gone.units_removed += shrinkage.units_removed();
        gone.last_at = Some(now);
        if explained.is_loss() {
            *self.units_by_topic.entry(shrinkage.key.topic.clone()).or_default() += shrinkage.units_removed();
        }
    }
}

fn index(explained: Explained) -> usize {
    Explained::ALL.iter().position(|each| *each == explained).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::consumequeue::{Ends, UnitFormat};
    use crate::store::queue_files::QueueFiles;
    use crate::units::{PhysicalOffset, QueueOffset};
    use crate::watch::tree::{QueueEntry, QueueKey};

    fn entry(first_base: u64, files: u32, min: i64, max: i64) -> QueueEntry {
        let listed = QueueFiles {
            count: files,
            first_base,
            last_base: first_base + u64::from(files.saturating_sub(1)) * 200,
            file_len: 200,
            ..QueueFiles::default()
        };
        let ends = (files > 0).then_some(Ends {
            min: QueueOffset(min),
            min_physical: PhysicalOffset(min * 100),
            max: QueueOffset(max),
            last_physical: PhysicalOffset((max - 1) * 100),
            max_physical: PhysicalOffset(max * 100),
            position: u64::try_from(max).unwrap() * 20,
            cut: None,
            may_be_unordered: false,
            has_empty_tail: false,
        });
        QueueEntry::remembered(listed, ends)
    }

    fn shrinkage(before: QueueEntry, after: QueueEntry) -> Shrinkage {
        let key = QueueKey { format: UnitFormat::Simple, topic: "orders".into(), queue: 0 };
        Shrinkage { key, before, after }
    }

    fn at(now: i64) -> Circumstances {
        Circumstances { now: EpochMillis(now), ..Circumstances::default() }
    }

    #[test]
    fn expired_files_at_the_front_and_queues_behind_the_log_are_retention() {
        let front = shrinkage(entry(0, 3, 0, 25), entry(200, 2, 10, 25));
        assert_eq!((front.files_removed(), front.units_removed()), (1, 10));
        let vanished = shrinkage(entry(0, 3, 0, 25), entry(0, 0, 0, 0));
        let expired = Circumstances { log_min: Some(1_000), ..at(0) };
        assert_eq!(expired.explain(&front), Explained::Retention);
        assert_eq!(expired.explain(&vanished), Explained::Unexplained);
        let all_expired = Circumstances { log_min: Some(2_500), ..at(0) };
        assert_eq!(all_expired.explain(&vanished), Explained::Retention);
        // The log has not moved: nobody may take units away.
        assert_eq!(at(0).explain(&front), Explained::Unexplained);
    }

    #[test]
    fn a_deleted_topic_explains_vanished_queues_and_nothing_else() {
        let deleted =
            Circumstances { deleted_topics: [("orders".into(), EpochMillis(0))].into(), ..at(1_000) };
        let vanished = shrinkage(entry(0, 1, 0, 5), entry(0, 0, 0, 0));
        assert_eq!(deleted.explain(&vanished), Explained::TopicDelete);
        let back = shrinkage(entry(0, 1, 0, 5), entry(0, 1, 0, 3));
        assert_eq!(deleted.explain(&back), Explained::Unexplained);
    }

    #[test]
    fn an_unexplained_loss_is_counted_once_its_explanation_is_overdue() {
        let mut losses = Losses::default();
        let vanished = shrinkage(entry(0, 2, 0, 15), entry(0, 0, 0, 0));
        assert!(losses.settle(vec![vanished], &at(0)).is_empty());
        assert!(losses.settle(vec![], &at(GRACE - 1)).is_empty());
        let counted = losses.settle(vec![], &at(GRACE));
        assert_eq!(counted[0].1, Explained::Unexplained);
        let gone = losses.gone(Explained::Unexplained);
        assert_eq!((gone.vanished_queues, gone.vanished_files, gone.units_removed), (1, 2, 15));
        assert!(losses.settle(vec![], &at(GRACE * 9)).is_empty());
    }

    #[test]
    fn a_start_explains_what_nothing_else_does_at_once() {
        let mut losses = Losses::default();
        let near = Circumstances { is_start_near: true, ..at(0) };
        let back = shrinkage(entry(0, 3, 0, 25), entry(0, 2, 0, 13));
        let counted = losses.settle(vec![back], &near);
        assert_eq!(counted[0].1, Explained::Recovery);
        let gone = losses.gone(Explained::Recovery);
        assert_eq!((gone.shrunk_queues, gone.vanished_files, gone.units_removed), (1, 1, 12));
    }
}
