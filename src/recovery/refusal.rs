//! A broker that does not start (R3), and the exit codes that its container shows then.

use std::path::PathBuf;

use super::disk::RecoveryError;
use super::file_loading::{LoadFailure, file_name};
use super::forecast::LogLine;
use super::load::{Load, Setting};
use super::phase_lines::LOG_STATE;
use super::queue_loading::QueueLoadFailure;

/// Exit code of a container whose broker could not load its store (`System.exit(-3)`).
pub const EXIT_LOAD_FAILED: i32 = 253;
/// Exit code where the DLedger library ends the process, or an error that nobody catches does (`System.exit(-1)`).
pub const EXIT_LEDGER: i32 = 255;
/// Exit code where an exception leaves the broker's own initialization (`BrokerStartup.createBrokerController`: `System.exit(-1)`).
pub const EXIT_UNCAUGHT: i32 = 255;

/// Why the broker does not start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Exit code that a container shows.
    pub exit_code: i32,
    /// Finding that tells why.
    pub reason: &'static str,
    /// The file, where there is one.
    pub path: Option<PathBuf>,
}

impl Load<'_> {
    /// The store does not load, and so the timer is not loaded either, which some releases cannot shut down then.
    pub(super) fn refused(&self, reason: &'static str, path: Option<PathBuf>) -> Refusal {
        let Setting { conf, rules, .. } = *self.setting;
        let exit_code = if conf.timer_wheel_enable { rules.exit_without_timer } else { EXIT_LOAD_FAILED };
        Refusal { exit_code, reason, path }
    }

    pub(super) fn file_refused(&mut self, failure: LoadFailure) -> Refusal {
        match failure {
            LoadFailure::Length(path, len) => {
                self.lines.push(LogLine::of_wrong_length(&path, len, ""));
                self.refused("FILE_WRONG_LENGTH", Some(path))
            }
            LoadFailure::Directory(path) => {
                self.lines.extend(LogLine::of_directory(&path));
                self.refused("FILE_WRONG_LENGTH", Some(path))
            }
            LoadFailure::Name(path) => {
                self.tell(&RecoveryError::number_format(&file_name(&path)).to_string());
                self.refused("FILE_FOREIGN_NAME", Some(path))
            }
        }
    }

    /// Because of a segment.
    pub(super) fn log_refused(&mut self, failure: LoadFailure) -> Refusal {
        let is_exception = failure.is_exception();
        let refusal = self.file_refused(failure);
        if !is_exception {
            self.tell_gaps();
            self.tell_phase("load commit log Failed".to_owned());
            self.tell_missed_states(LOG_STATE);
        }
        refusal
    }

    pub(super) fn queue_refused(&mut self, failure: QueueLoadFailure) -> Refusal {
        match failure {
            QueueLoadFailure::File(failure) => self.file_refused(failure),
            QueueLoadFailure::Kind { path, wrong } => {
                self.tell(&wrong.exception);
                self.refused(wrong.reason, Some(path))
            }
        }
    }

    /// The line with which load ends by an exception.
    pub(super) fn tell(&mut self, exception: &str) {
        self.lines.push(LogLine::new("ERROR", format!("load exception {exception}")));
    }
}
