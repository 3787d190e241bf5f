//! Reads of one forecast: counted against a budget, and tolerant of files that vanish.
//!
//! At most a few files are open at a time, however many queues there are. A file that has gone reads as one without bytes, and is remembered: the forecast then says that the
//! store moved.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{DirEntry, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::memory::{FileId, Memory};
use crate::store::StoreError;
use crate::store::source::{ByteSource, StoreFile};

/// Files held open for the next read of the same one: data and index of a ledger are read by turns.
const HELD_OPEN: usize = 2;

/// Reads of so many bytes pass by the page cache. Smaller ones come again and again to the same pages.
const PASSING: usize = 64 << 10;

/// A broker makes a file and gives it its length in two steps. One that is empty, and so young, is looked at again.
const YOUNG: Duration = Duration::from_secs(1);
/// Between two such looks.
const MOMENT: Duration = Duration::from_millis(2);
/// Such looks of one forecast.
const LOOKS_AGAIN: u32 = 50;

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
    #[error("{text}")]
    Exception {
        /// What it says.
        text: String,
        /// The file because of which, where there is one.
        path: Option<PathBuf>,
    },
    /// What the broker does from here on cannot be told: the reason.
    #[error("{0}")]
    Unknown(String),
    /// The process ends inside load with this exit code.
    #[error("exit {code}: {}", path.display())]
    Exit {
        /// Exit code of the process.
        code: i32,
        /// The file because of which.
        path: PathBuf,
    },
}

impl RecoveryError {
    /// What `Long.parseLong` throws for a text that is no number.
    #[must_use]
    pub fn number_format(text: &str) -> Self {
        Self::exception(format!("NumberFormatException: For input string: \"{text}\""))
    }

    /// An exception that no single file is to blame for.
    #[must_use]
    pub fn exception(text: impl Into<String>) -> Self {
        Self::Exception { text: text.into(), path: None }
    }

    /// The same because of a file.
    #[must_use]
    pub fn because_of(self, path: PathBuf) -> Self {
        match self {
            Self::Exception { text, .. } => Self::Exception { text, path: Some(path) },
            other => other,
        }
    }
}

/// An entry of a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub name: OsString,
    /// Its length in bytes.
    pub len: u64,
    /// Which file it is.
    pub id: FileId,
    /// Whether it is a directory.
    pub is_dir: bool,
}

/// The store directory as one forecast reads it, and what recovery would do to it.
#[derive(Debug, Default)]
pub struct Disk {
    budget: Budget,
    /// What earlier forecasts of the same store have read.
    pub memory: Option<Memory>,
    read: AtomicU64,
    moved: AtomicBool,
    open_files: Mutex<Vec<(PathBuf, StoreFile)>>,
    unlinked: Mutex<BTreeSet<PathBuf>>,
    absent: Mutex<BTreeSet<PathBuf>>,
    created: Mutex<BTreeSet<PathBuf>>,
    lost: Mutex<BTreeSet<PathBuf>>,
    looked_again: AtomicU32,
}

impl Disk {
    /// A forecast with this budget.
    #[must_use]
    pub fn new(budget: Budget, memory: Option<Memory>) -> Self {
        Self { budget, memory, ..Self::default() }
    }

    /// Copies what there is between `at` and `at + len` of a file; a file that is gone has nothing.
    ///
    /// # Errors
    /// What the system said, or [`RecoveryError::Budget`].
    pub fn bytes(&self, path: &Path, at: u64, len: usize) -> Result<Vec<u8>, RecoveryError> {
        let mut bytes = vec![0; len];
        let found = self.with_held(path, |file| self.read(file, path, at, &mut bytes))?;
        bytes.truncate(found.unwrap_or(0));
        Ok(bytes)
    }

    /// Where, at or behind `at`, a file has something that is no hole.
    ///
    /// # Errors
    /// As [`Disk::bytes`].
    pub fn data_from(&self, path: &Path, at: u64) -> Result<Option<u64>, RecoveryError> {
        let found = self
            .with_held(path, |file| Ok(file.data_from(at).map_err(|error| StoreError::io(path, error))?))?;
        Ok(found.flatten())
    }

    /// Gives `each` a file that stays open for the next time; `None` if it is gone.
    fn with_held<T>(
        &self,
        path: &Path,
        each: impl FnOnce(&StoreFile) -> Result<T, RecoveryError>,
    ) -> Result<Option<T>, RecoveryError> {
        let mut open = lock(&self.open_files);
        if !open.iter().any(|(held, _)| held == path) {
            let Some(file) = self.open(path)? else { return Ok(None) };
            open.truncate(HELD_OPEN - 1);
            open.insert(0, (path.to_owned(), file));
        }
        open.iter().find(|(held, _)| held == path).map(|(_, file)| each(file)).transpose()
    }

    /// Opens a file; `None` if it is gone.
    ///
    /// # Errors
    /// What the system said.
    pub fn open(&self, path: &Path) -> Result<Option<StoreFile>, RecoveryError> {
        match StoreFile::open(path) {
            Ok(file) => {
                file.read_nothing_ahead();
                Ok(Some(file))
            }
            Err(error) if error.is_gone() => {
                self.note_moved();
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Copies what there is from `at` on of an open file, and says how many bytes there were.
    ///
    /// # Errors
    /// As [`Disk::bytes`].
    pub fn read(
        &self,
        file: &StoreFile,
        path: &Path,
        at: u64,
        into: &mut [u8],
    ) -> Result<usize, RecoveryError> {
        let wanted = u64::try_from(into.len()).unwrap_or(u64::MAX);
        let spent = self.bytes_read().saturating_add(wanted);
        if self.budget.bytes.is_some_and(|limit| spent > limit) {
            return Err(RecoveryError::Budget);
        }
        let found = self.read_ahead(file, path, at, into)?;
        self.read.fetch_add(u64::try_from(found).unwrap_or(u64::MAX), Ordering::Relaxed);
        Ok(found)
    }

    /// The same without counting it: for bytes that may turn out not to be wanted; see [`Disk::count`].
    ///
    /// # Errors
    /// As [`Disk::bytes`].
    pub fn read_ahead(
        &self,
        file: &StoreFile,
        path: &Path,
        at: u64,
        into: &mut [u8],
    ) -> Result<usize, RecoveryError> {
        self.check_time()?;
        let read = if into.len() < PASSING { file.read_at(at, into) } else { file.read_passing(at, into) };
        Ok(read.map_err(|error| StoreError::io(path, error))?)
    }

    fn check_time(&self) -> Result<(), RecoveryError> {
        let is_over = self.budget.deadline.is_some_and(|deadline| Instant::now() > deadline);
        if is_over { Err(RecoveryError::Budget) } else { Ok(()) }
    }

    /// Counts bytes that were read ahead.
    ///
    /// # Errors
    /// [`RecoveryError::Budget`].
    pub fn count(&self, len: usize) -> Result<(), RecoveryError> {
        let len = u64::try_from(len).unwrap_or(u64::MAX);
        let spent = self.read.fetch_add(len, Ordering::Relaxed).saturating_add(len);
        match self.budget.bytes {
            Some(limit) if spent > limit => Err(RecoveryError::Budget),
            _ => Ok(()),
        }
    }

    /// Entries of a directory in the system's order; `None` if it is not there, none if it is no directory.
    ///
    /// # Errors
    /// What the system said.
    pub fn list(&self, dir: &Path) -> Result<Option<Vec<Entry>>, RecoveryError> {
        self.each_entry(dir, |entry| {
            let path = || dir.join(entry.file_name());
            match self.settled(entry, path) {
                Ok(metadata) => Ok(Some(Entry {
                    name: entry.file_name(),
                    len: metadata.len(),
                    id: FileId::of(&metadata),
                    is_dir: metadata.is_dir(),
                })),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    self.note_moved();
                    Ok(None)
                }
                Err(error) => Err(StoreError::io(&path(), error).into()),
            }
        })
    }

    /// The same, names only.
    ///
    /// # Errors
    /// What the system said.
    pub fn names(&self, dir: &Path) -> Result<Option<Vec<OsString>>, RecoveryError> {
        self.each_entry(dir, |entry| Ok(Some(entry.file_name())))
    }

    /// What the system tells of an entry once a file that is being made has its length.
    fn settled(&self, entry: &DirEntry, path: impl Fn() -> PathBuf) -> io::Result<Metadata> {
        loop {
            let found = metadata(entry, &path)?;
            let is_young = || found.modified().is_ok_and(|at| at.elapsed().is_ok_and(|age| age < YOUNG));
            let is_being_made = found.is_file() && found.len() == 0 && is_young();
            if !is_being_made || self.looked_again.fetch_add(1, Ordering::Relaxed) >= LOOKS_AGAIN {
                return Ok(found);
            }
            std::thread::sleep(MOMENT);
        }
    }

    fn each_entry<T>(
        &self,
        dir: &Path,
        each: impl Fn(&DirEntry) -> Result<Option<T>, RecoveryError>,
    ) -> Result<Option<Vec<T>>, RecoveryError> {
        let entries = match std::fs::read_dir(dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => return Ok(Some(Vec::new())),
            Err(error) => return Err(StoreError::io(dir, error).into()),
        };
        let mut found = Vec::new();
        for entry in entries {
            self.check_time()?;
            found.extend(each(&entry.map_err(|error| StoreError::io(dir, error))?)?);
        }
        Ok(Some(found))
    }

    /// Recovery unlinks this file.
    pub fn unlink(&self, path: PathBuf) {
        if !lock(&self.created).remove(&path) {
            lock(&self.unlinked).insert(path);
        }
    }

    /// What was unlinked so far is taken for never having been there.
    pub fn forget_unlinked(&self) {
        lock(&self.absent).append(&mut lock(&self.unlinked));
    }

    /// Recovery creates this file.
    pub fn create(&self, path: PathBuf) {
        lock(&self.created).insert(path);
    }

    /// Recovery creates this file if it is not there.
    pub fn create_missing(&self, path: PathBuf) {
        if !path.exists() {
            self.create(path);
        }
    }

    /// Whether the file on disk is no longer what recovery would find there.
    #[must_use]
    pub fn is_unlinked(&self, path: &Path) -> bool {
        lock(&self.unlinked).contains(path) || lock(&self.absent).contains(path)
    }

    /// Bytes read so far.
    #[must_use]
    pub fn bytes_read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// A table is damaged and has no backup: the broker goes on with an empty one.
    pub fn note_lost(&self, table: PathBuf) {
        lock(&self.lost).insert(table);
    }

    /// Tables that are lost so.
    #[must_use]
    pub fn lost(&self) -> Vec<PathBuf> {
        lock(&self.lost).iter().cloned().collect()
    }

    /// Something vanished under the forecast.
    pub fn note_moved(&self) {
        self.moved.store(true, Ordering::Relaxed);
    }

    /// Whether a file vanished under the forecast.
    #[must_use]
    pub fn has_moved(&self) -> bool {
        self.moved.load(Ordering::Relaxed)
    }

    /// Files that would be gone afterwards, and files that would be new; one that is unlinked and created again is neither.
    #[must_use]
    pub fn changes(&self) -> (Vec<PathBuf>, Vec<PathBuf>) {
        let (unlinked, created) = (lock(&self.unlinked), lock(&self.created));
        (unlinked.difference(&created).cloned().collect(), created.difference(&unlinked).cloned().collect())
    }
}

/// Of what a link leads to, as the broker sees it.
fn metadata(entry: &DirEntry, path: impl Fn() -> PathBuf) -> io::Result<Metadata> {
    if entry.file_type()?.is_symlink() { std::fs::metadata(path()) } else { entry.metadata() }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
