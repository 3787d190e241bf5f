//! Follows what happens over time.
//!
//! Knows: how log files are written, rotated, truncated and removed, and what the lines of a broker mean ([`Event`]).
//!
//! Does not know: what follows from an event; whether the store agrees. Lines get lost (the broker's appender drops INFO lines
//! under load), so what is concluded from a log is confirmed by files elsewhere.
//!
//! Promises: each complete line is seen once and in order, over rotations and restarts of the exporter, as far as the files still
//! exist. Nothing is opened for writing, nothing but regular files is opened at all, and nothing sleeps: the caller
//! says when to look. A look reads a bounded number of bytes.
//!
//! Source of truth: the logback configuration of the broker (`logback_broker.xml`, `rmq.broker.logback.xml`), the log calls
//! of `org.apache.rocketmq.store` and of `io.openmessaging.storage.dledger`, releases 4.9.4 to 5.5.1.

mod archive;
pub mod event_table;
pub mod events;
pub mod facts;
pub mod follower;
pub mod identity;
mod last_start;
mod line_reader;
pub mod lines;
pub mod matcher;
pub mod occurrence;
mod source;
pub mod tree;
pub mod wake;

use std::io;
use std::path::PathBuf;

pub use events::{Event, Severity};
pub use last_start::StartDetector;
pub use lines::{LogStats, LogTail, PollReport, TailPosition};
pub use occurrence::{Fact, LogFile, Occurrence, PhaseHint, Release, Releases};

/// Why a log cannot be read just now. An absent file is none of these.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// A file cannot be opened.
    #[error("cannot open {path}")]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A link, a pipe, a socket, a device or a directory has the name of a log.
    #[error("{path} is no regular file")]
    NotAFile {
        /// The path.
        path: PathBuf,
    },
    /// An open file cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The directory of rotated files cannot be listed.
    #[error("cannot list {path}")]
    List {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}
