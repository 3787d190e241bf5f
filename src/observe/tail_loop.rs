//! Follows the broker's logs until told to stop, and tells the observer.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::observer::{LogFigures, Observer};
use super::picture::CollectorState;
use crate::format::log_line::Level;
use crate::units::EpochMillis;
use crate::watch::LogFile;
use crate::watch::lines::{LogTail, PollReport};
use crate::watch::wake::{Wake, Waker, Woken};

/// Longest time between two looks at the logs: file events come late or never on some file systems.
const INTERVAL: Duration = Duration::from_millis(100);

/// The tail, and whom it tells.
pub struct TailLoop {
    /// The tail.
    pub tail: LogTail,
    /// Whom it tells.
    pub observer: Arc<Mutex<Observer>>,
    /// What time it is.
    pub clock: fn() -> EpochMillis,
}

impl TailLoop {
    /// Reads what is new, and says whether the store should be looked at now.
    pub fn look(&mut self) -> (PollReport, bool) {
        let began = Instant::now();
        // A read may hang for as long as a file system likes: nobody who wants the observer must wait for it.
        let mut heard = Vec::new();
        let report = self.tail.poll(&mut |line| heard.push(line));
        let position = self.tail.position();
        let mut observer = self.observer.lock().unwrap_or_else(PoisonError::into_inner);
        // In one go, so that counts and positions are never saved apart.
        let is_look_due = heard.iter().fold(false, |is_due, line| observer.hear(line) | is_due);
        observer.tail_position = position;
        self.publish(&mut observer, &report, began);
        (report, is_look_due)
    }

    /// Reads what the logs hold already, unless told to stop. Gives a sign of life with `beat`.
    pub fn catch_up(&mut self, stopped: &AtomicBool, beat: &dyn Fn()) {
        while !stopped.load(Ordering::Relaxed) && !self.look().0.caught_up {
            beat();
        }
    }

    /// Looks until told to stop; asks `pass` for a look at the store when a line tells of one to be due. Gives a sign of life with `beat`.
    pub fn run(&mut self, wake: &mut Wake, pass: &Waker, beat: &dyn Fn()) {
        loop {
            let (report, is_look_due) = self.look();
            beat();
            if is_look_due {
                pass.request();
            }
            let wait = if report.caught_up { INTERVAL } else { Duration::ZERO };
            if wake.wait(wait) == Woken::ByStop {
                return;
            }
        }
    }

    fn publish(&self, observer: &mut Observer, report: &PollReport, began: Instant) {
        let mut error = None;
        for log in LogFile::ALL {
            let stats = self.tail.stats(log);
            let lines = Level::ALL.iter().copied().zip(stats.lines).collect();
            observer.logs.insert(
                log,
                LogFigures {
                    lines,
                    unparsed_lines: stats.unparsed_lines,
                    rotations: stats.rotations,
                    unread_bytes: stats.unread_bytes,
                    last_line_at: stats.last_line_at,
                },
            );
            error = error.or_else(|| stats.last_error.as_ref().map(ToString::to_string));
        }
        let state = &mut observer.tail;
        if state.error.is_some() != error.is_some() {
            match &error {
                Some(error) => tracing::warn!(%error, "the broker's logs cannot be read"),
                None => tracing::info!("the broker's logs can be read again"),
            }
        }
        let last_success = if report.failed_logs == 0 { Some((self.clock)()) } else { state.last_success };
        *state = CollectorState { error, took: began.elapsed(), last_success };
    }
}
