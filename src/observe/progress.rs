//! How far a recovery under way has come, and when it will be over.
//!
//! A lower bound: the broker's logger drops lines under load, and a dropped line is progress that is not seen.

use super::phase::{Life, Phase};
use super::picture::Picture;
use crate::units::EpochMillis;

/// How far a recovery has come, by part; 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    /// The scan of the consume queues.
    pub queues: Option<f64>,
    /// The walk over the log.
    pub log: Option<f64>,
}

impl Life {
    /// The progress of the recovery under way; `None` if there is none.
    #[must_use]
    pub fn progress(&self, picture: &Picture) -> Option<Progress> {
        let start = self.start.as_ref()?;
        let phase = self.phase.filter(|phase| phase.is_start())?;
        let total = u64::try_from(picture.queues.rows.len()).ok().filter(|total| *total > 0);
        let queues = if phase > Phase::RecoveringConsumequeue {
            Some(1.0)
        } else {
            total.map(|total| ratio(start.queues_scanned, total))
        };
        let log = if phase > Phase::RecoveringCommitlog {
            Some(1.0)
        } else {
            start.walk.zip(picture.log.max).and_then(|((first, now), end)| {
                let (first, now) = (u64::try_from(first).ok()?, u64::try_from(now).ok()?);
                (end > first).then(|| ratio(now - first, end - first))
            })
        };
        Some(Progress { queues, log })
    }

    /// When the recovery under way will be over at its pace so far; `None` before there is a pace.
    #[must_use]
    #[expect(clippy::as_conversions, reason = "an estimate needs no more than 53 bits")]
    pub fn estimated_end(&self, progress: &Progress, now: EpochMillis) -> Option<EpochMillis> {
        let start = self.start.as_ref()?;
        // Both parts count alike: nothing is known of their weight beforehand.
        let done = (progress.queues? + progress.log.unwrap_or(0.0)) / 2.0;
        let spent = now.0.checked_sub(start.began_at.0).filter(|spent| *spent > 0)? as f64;
        (done > 0.0).then(|| EpochMillis(start.began_at.0.saturating_add((spent / done) as i64)))
    }
}

#[expect(clippy::as_conversions, reason = "a ratio needs no more than 53 bits")]
fn ratio(part: u64, whole: u64) -> f64 {
    (part as f64 / whole as f64).min(1.0)
}
