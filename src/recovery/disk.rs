//! Reads of one forecast: counted against a budget, and tolerant of files that vanish.
//!
//! At most a few files are open at a time, however many queues there are. A file that has gone reads as one without bytes, and is remembered: the forecast then says that the
//! store moved.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::store::StoreError;
use crate::store::source::{ByteSource, StoreFile};

/// Files held open for the next read of the same one: data and index of a ledger are read by turns.
const HELD_OPEN: usize = 2;

/// How much a forecast may read, and how long it may take.
#[derive(Debug, Clone, Copy, Default)]
pub struct Budget {
    /// Bytes.
    pub bytes: Option<u64>,
    /// When to stop.
    pub deadline: Option<Instant>,
}

/// Why a forecast stopped before its end.
#[derive(Debug, thiserror::Error)]
pub enum RecoveryError {
    /// A file or directory could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The budget is used up.
    #[error("budget used up")]
    Budget,
    /// The broker's own recovery ends here with an exception (R3): told by its text.
    #[error("{0}")]
    Exception(String),
    /// The process ends inside load with this exit code.
    #[error("exit {code}: {}", path.display())]
    Exit {
        /// Exit code of the process.
        code: i32,
        /// The file because of which.
        path: PathBuf,
    },
}

/// The store directory as one forecast reads it, and what recovery would do to it.
#[derive(Debug, Default)]
pub struct Disk {
    budget: Budget,
    read: Cell<u64>,
    moved: Cell<bool>,
    open_files: RefCell<Vec<(PathBuf, StoreFile)>>,
    unlinked: RefCell<BTreeSet<PathBuf>>,
    absent: RefCell<BTreeSet<PathBuf>>,
    created: RefCell<BTreeSet<PathBuf>>,
}

impl Disk {
    /// A forecast with this budget.
    #[must_use]
    pub fn new(budget: Budget) -> Self {
        Self { budget, ..Self::default() }
    }

    /// Copies what there is between `at` and `at + len` of a file; a file that is gone has nothing.
    ///
    /// # Errors
    /// What the system said, or [`RecoveryError::Budget`].
    pub fn bytes(&self, path: &Path, at: u64, len: usize) -> Result<Vec<u8>, RecoveryError> {
        let mut open = self.open_files.borrow_mut();
        let held = open.iter().position(|(held, _)| held == path);
        let held = match held {
            Some(held) => held,
            None => {
                let Some(file) = self.open(path)? else { return Ok(Vec::new()) };
                open.truncate(HELD_OPEN - 1);
                open.insert(0, (path.to_owned(), file));
                0
            }
        };
        match open.get(held) {
            Some((_, file)) => self.bytes_of(file, path, at, len),
            None => Ok(Vec::new()),
        }
    }

    /// Opens a file; `None` if it is gone.
    ///
    /// # Errors
    /// What the system said.
    pub fn open(&self, path: &Path) -> Result<Option<StoreFile>, RecoveryError> {
        match StoreFile::open(path) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.is_gone() => {
                self.moved.set(true);
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The same from a file that is open.
    ///
    /// # Errors
    /// As [`Disk::bytes`].
    pub fn bytes_of(
        &self,
        file: &StoreFile,
        path: &Path,
        at: u64,
        len: usize,
    ) -> Result<Vec<u8>, RecoveryError> {
        let spent = self.read.get().saturating_add(u64::try_from(len).unwrap_or(u64::MAX));
        if self.budget.bytes.is_some_and(|limit| spent > limit)
            || self.budget.deadline.is_some_and(|deadline| Instant::now() > deadline)
        {
            return Err(RecoveryError::Budget);
        }
        let mut bytes = vec![0; len];
        let found = file.read_at(at, &mut bytes).map_err(|error| StoreError::io(path, error))?;
        bytes.truncate(found);
        self.read.set(self.read.get().saturating_add(u64::try_from(found).unwrap_or(u64::MAX)));
        Ok(bytes)
    }

    /// Entries of a directory in the system's order, names only; none if it is not there.
    ///
    /// # Errors
    /// What the system said.
    pub fn list(&self, dir: &Path) -> Result<Vec<(PathBuf, std::fs::Metadata)>, RecoveryError> {
        let entries = match std::fs::read_dir(dir) {
            Ok(entries) => entries,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Ok(Vec::new());
            }
            Err(error) => return Err(StoreError::io(dir, error).into()),
        };
        let mut found = Vec::new();
        for entry in entries {
            let path = entry.map_err(|error| StoreError::io(dir, error))?.path();
            match std::fs::metadata(&path) {
                Ok(metadata) => found.push((path, metadata)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => self.moved.set(true),
                Err(error) => return Err(StoreError::io(&path, error).into()),
            }
        }
        Ok(found)
    }

    /// Recovery unlinks this file.
    pub fn unlink(&self, path: &Path) {
        if !self.created.borrow_mut().remove(path) {
            self.unlinked.borrow_mut().insert(path.to_owned());
        }
    }

    /// What was unlinked so far is taken for never having been there.
    pub fn forget_unlinked(&self) {
        self.absent.borrow_mut().append(&mut self.unlinked.borrow_mut());
    }

    /// Recovery creates this file.
    pub fn create(&self, path: &Path) {
        self.created.borrow_mut().insert(path.to_owned());
    }

    /// Whether the file on disk is no longer what recovery would find there.
    #[must_use]
    pub fn is_unlinked(&self, path: &Path) -> bool {
        self.unlinked.borrow().contains(path) || self.absent.borrow().contains(path)
    }

    /// Bytes read so far.
    #[must_use]
    pub fn bytes_read(&self) -> u64 {
        self.read.get()
    }

    /// Whether a file vanished under the forecast.
    #[must_use]
    pub fn has_moved(&self) -> bool {
        self.moved.get()
    }

    /// Files that would be gone afterwards, and files that would be new; one that is unlinked and created again is neither.
    #[must_use]
    pub fn changes(&self) -> (Vec<PathBuf>, Vec<PathBuf>) {
        let (unlinked, created) = (self.unlinked.borrow(), self.created.borrow());
        (unlinked.difference(&created).cloned().collect(), created.difference(&unlinked).cloned().collect())
    }
}
