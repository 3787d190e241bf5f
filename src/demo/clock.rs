//! What time it is in the demo, and waiting for a later one.

use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::units::EpochMillis;

/// Time as the player sees it. It never goes back.
pub trait Clock {
    /// The time of day.
    fn now(&self) -> EpochMillis;

    /// Lets time pass; `false`, and early, if the demo is to end.
    fn wait(&mut self, time: Duration) -> bool;
}

/// Real time, until told to stop.
#[derive(Debug)]
pub struct SystemClock {
    began: Instant,
    began_at: EpochMillis,
    stop: Receiver<()>,
}

/// Ends every wait of its [`SystemClock`], as does dropping it.
#[derive(Debug)]
pub struct Stop(SyncSender<()>);

impl SystemClock {
    /// A clock, and what stops it.
    #[must_use]
    pub fn new() -> (Self, Stop) {
        let (sender, stop) = sync_channel(1);
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let began_at = EpochMillis(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX));
        (Self { began: Instant::now(), began_at, stop }, Stop(sender))
    }
}

impl Stop {
    /// The same as dropping it, in a word.
    pub fn stop(self) {
        drop(self.0);
    }
}

impl Clock for SystemClock {
    fn now(&self) -> EpochMillis {
        let elapsed = i64::try_from(self.began.elapsed().as_millis()).unwrap_or(i64::MAX);
        EpochMillis(self.began_at.0.saturating_add(elapsed))
    }

    fn wait(&mut self, time: Duration) -> bool {
        matches!(self.stop.recv_timeout(time), Err(RecvTimeoutError::Timeout))
    }
}

/// How far recorded times are moved (ms).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TimeShift(i64);

impl TimeShift {
    /// The shift that makes `recorded` to `now`.
    #[must_use]
    pub fn between(recorded: EpochMillis, now: EpochMillis) -> Self {
        Self(now.0.saturating_sub(recorded.0))
    }

    /// A recorded time, moved.
    #[must_use]
    pub fn apply(self, recorded: EpochMillis) -> EpochMillis {
        EpochMillis(recorded.0.saturating_add(self.0))
    }
}

/// A time for the file system.
pub(super) fn system_time(at: EpochMillis) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(u64::try_from(at.0).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stopped_clock_waits_no_longer() {
        let (mut clock, stop) = SystemClock::new();
        assert!(clock.wait(Duration::ZERO));
        stop.stop();
        assert!(!clock.wait(Duration::from_secs(3600)));
        assert!(!clock.wait(Duration::ZERO));
    }
}
