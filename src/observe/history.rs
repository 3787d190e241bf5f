//! The last hour of a few figures, for people who have no Prometheus at hand; gone with the process.

use std::collections::VecDeque;

use serde::Serialize;

use super::picture::Picture;
use crate::units::EpochMillis;

/// How far back it goes (ms).
pub const SPAN: i64 = 3_600_000;
/// Time between two points at least (ms).
pub const STEP: i64 = 5_000;

/// The figures at one moment; `null` where they were not known.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Point {
    /// When.
    pub at: EpochMillis,
    /// Exclusive end of the log.
    pub log_max: Option<u64>,
    /// Exclusive end of the newest message that any queue points at.
    pub queues_max: Option<u64>,
    /// Bytes between the oldest message without a unit and the end of the log.
    pub lag_bytes: Option<u64>,
    /// Age of that message (ms); 0 if there is none.
    pub lag_ms: Option<i64>,
    /// Units in all queues.
    pub units: Option<u64>,
}

/// Points, oldest first.
#[derive(Debug, Default)]
pub struct History {
    points: VecDeque<Point>,
}

impl History {
    /// Takes in a picture, unless the last point is too near.
    pub fn take(&mut self, picture: &Picture) {
        let at = picture.taken_at;
        if self.points.back().is_some_and(|last| (0..STEP).contains(&at.0.saturating_sub(last.at.0))) {
            return;
        }
        // A clock that was set back must not leave points in the future.
        while self.points.back().is_some_and(|last| last.at >= at) {
            self.points.pop_back();
        }
        while self.points.front().is_some_and(|first| at.0.saturating_sub(first.at.0) > SPAN) {
            self.points.pop_front();
        }
        let log = &picture.log;
        self.points.push_back(Point {
            at,
            log_max: log.max,
            queues_max: picture.queues.max_physical,
            lag_bytes: log.lag_bytes,
            lag_ms: log
                .lag_bytes
                .map(|_| log.lag_since.map_or(0, |since| at.0.saturating_sub(since.0).max(0))),
            units: picture.queue_kind.map(|_| picture.queues.by_class.values().map(|sums| sums.units).sum()),
        });
    }

    /// Points behind `since`, oldest first.
    pub fn since(&self, since: EpochMillis) -> impl Iterator<Item = &Point> {
        self.points.iter().filter(move |point| point.at > since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::layout::RootState;

    fn times(history: &History) -> Vec<i64> {
        history.since(EpochMillis(i64::MIN)).map(|point| point.at.0).collect()
    }

    fn with(moments: impl IntoIterator<Item = i64>) -> History {
        let mut history = History::default();
        for at in moments {
            history.take(&Picture::blank("/store".as_ref(), RootState::Empty, EpochMillis(at)));
        }
        history
    }

    #[test]
    fn points_keep_their_distance_and_an_hour() {
        assert_eq!(times(&with([0, 200, 4_999, 5_000, 9_000, 10_001])), [0, 5_000, 10_001]);
        let hour = with((0..2_000).map(|at| at * STEP));
        assert_eq!(times(&hour).len(), 721);
        assert_eq!(hour.since(EpochMillis(1_999 * STEP - 1)).count(), 1);
    }

    #[test]
    fn a_clock_that_is_set_back_leaves_no_future() {
        assert_eq!(times(&with([0, 50_000, 100_000, 60_000])), [0, 50_000, 60_000]);
    }
}
