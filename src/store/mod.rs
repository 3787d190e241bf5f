//! Where the files of a store are, and how to get bytes out of them.
//!
//! Knows directories, segments, lengths and how to copy bytes; asks [`crate::format`] what they mean. Knows nothing of what a
//! broker would do about them.
//!
//! Promises: nothing is created, changed or locked (I1); a file that shrinks, vanishes or cannot be read is a value, never a
//! panic or a signal (I3); nothing that is not a regular file is opened for reading, so a pipe never blocks a pass.
//!
//! Source of truth: upstream's `StorePathConfigHelper`, `MappedFileQueue.load`, `MultiPathMappedFileQueue`,
//! `DLedgerMmapFileStore`, releases 4.9.4 to 5.5.1.

pub mod consumequeue;
pub mod layout;
pub mod lock;
pub mod log_frame;
pub mod mapping;
pub mod passing;
pub mod queue_files;
pub mod segments;
pub mod source;
pub mod stamp;
pub mod told_file;

use std::io;
use std::path::{Path, PathBuf};

use crate::label::label_set;

/// Why bytes of a store could not be had.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The system said no.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A link, pipe, device or directory stands where a regular file should be.
    #[error("{}: expected a regular file", path.display())]
    NotAFile {
        /// What was found.
        path: PathBuf,
    },
}

impl StoreError {
    /// Wraps what the system said about `path`.
    #[must_use]
    pub fn io(path: &Path, source: io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }

    /// Whether a link stands there. A broker follows it; here nobody knows what it would find.
    #[must_use]
    pub fn is_link(&self) -> bool {
        let Self::NotAFile { path } = self else { return false };
        std::fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_symlink())
    }

    /// Whether the file or directory is simply not there (any more).
    #[must_use]
    pub fn is_gone(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }

    /// The stable word for this kind of failure, used as the `reason` of `read_errors_total`.
    #[must_use]
    pub fn reason(&self) -> ReadFailure {
        match self {
            Self::NotAFile { .. } => ReadFailure::NotAFile,
            Self::Io { source, .. } => match source.kind() {
                io::ErrorKind::NotFound => ReadFailure::Gone,
                io::ErrorKind::PermissionDenied => ReadFailure::Permission,
                _ => ReadFailure::Io,
            },
        }
    }
}

label_set! {
    /// The closed set of reasons why a read failed.
    pub enum ReadFailure {
        /// Vanished between listing and opening.
        Gone = "gone",
        /// Not readable for this user.
        Permission = "permission",
        /// Not a regular file.
        NotAFile = "not_a_file",
        /// Any other error of the system.
        Io = "io",
    }
}
