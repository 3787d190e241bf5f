//! A recorded incident of a real broker, lived through once more in a temporary directory.
//!
//! Knows: what the capture holds (`capture.tar.gz`, made from a real broker by `tests/lab/capture.py`), how to put a stage of
//! its store on disk, how to let the recorded time pass again, and what to tell about it.
//!
//! Does not know: who watches. To the exporter this is a store and its logs like any other.
//!
//! Promises: bytes, names, lengths, the order of events and the time between them are the recorded ones. What changes is when:
//! the times at the begin of log lines and those of files are moved to now. Times inside messages, checkpoints and texts stay.
//! Everything lies below one temporary directory, which goes with the [`Player`]. Waiting is the caller's ([`Clock`]).
//!
//! Source of truth: `manifest.json` of the capture; no number of it is repeated here.

pub mod capture;
mod clock;
mod lock;
mod logs;
pub mod manifest;
mod narration;
mod player;
mod store;

use std::io;
use std::path::{Path, PathBuf};

pub use capture::{Capture, CaptureError};
pub use clock::{Clock, Stop, SystemClock, TimeShift};
pub use manifest::{Manifest, Stage};
pub use narration::Narration;
pub use player::{DemoDirs, Pace, Player};
pub use store::StoreFiles;

/// Why the demo cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The capture is damaged.
    #[error("capture: {0}")]
    Capture(#[from] CaptureError),
    /// The temporary directory cannot be used.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Nothing can be told any more.
    #[error("cannot write what happens: {source}")]
    Told {
        /// What the system said.
        source: io::Error,
    },
}

impl DemoError {
    fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { path: path.to_owned(), source }
    }
}
