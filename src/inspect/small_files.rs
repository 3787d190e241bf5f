//! The small files beside the log and the queues: both checkpoints, the `abort` file, the index files; and a copy of those that
//! a start overwrites, kept while the broker still runs.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::format::checkpoint::Checkpoint;
use crate::format::index_file::{INDEX_HEADER_LEN, IndexHeader};
use crate::format::ledger_checkpoint::LedgerCheckpoint;
use crate::store::StoreError;
use crate::store::layout::{Layout, exists};
use crate::store::source::{ByteSource, StoreFile, read_small};
use crate::units::EpochMillis;

/// A file's content and when it was last changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copy {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Its time of modification.
    pub modified: EpochMillis,
    stamp: (i64, i64, u64, u64),
}

/// Small files, read again only when they have changed.
#[derive(Debug, Clone, Default)]
pub struct Copies {
    files: BTreeMap<PathBuf, Copy>,
}

/// What is kept of one file, at most; more than that is no file of a broker.
const COPY_LIMIT: usize = 16 << 20;

impl Copies {
    /// The file as it is now, from memory if it has not changed; `None` if it is not there.
    ///
    /// # Errors
    /// What the system said of a file that is there.
    pub fn read(&mut self, path: &Path) -> Result<Option<&Copy>, StoreError> {
        let file = match StoreFile::open(path) {
            Ok(file) => file,
            Err(error) if error.is_gone() => {
                self.files.remove(path);
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let metadata = file.metadata().map_err(|error| StoreError::io(path, error))?;
        let stamp = (metadata.mtime(), metadata.mtime_nsec(), metadata.len(), metadata.ino());
        // A mapped file changes without a new time stamp, so a short one is always read.
        let is_mapped = metadata.len() <= 4096;
        if is_mapped || self.files.get(path).is_none_or(|copy| copy.stamp != stamp) {
            let bytes = read_small(path, COPY_LIMIT)?;
            let modified =
                EpochMillis(metadata.mtime().saturating_mul(1000) + metadata.mtime_nsec() / 1_000_000);
            self.files.insert(path.to_owned(), Copy { bytes, modified, stamp });
        }
        Ok(self.files.get(path))
    }

    /// What was last read of a file, however long ago.
    #[must_use]
    pub fn last(&self, path: &Path) -> Option<&Copy> {
        self.files.get(path)
    }
}

/// What the small files say.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SmallFiles {
    /// Whether `abort` is there: the broker runs, or it was not stopped orderly.
    pub is_abort_present: bool,
    /// `checkpoint`, if it is there.
    pub checkpoint: Option<(Checkpoint, EpochMillis)>,
    /// `dledger-<id>/checkpoint`, if it is there and can be understood.
    pub ledger_checkpoint: Option<LedgerCheckpoint>,
    /// Number of files in `index/`.
    pub index_files: u64,
    /// Those of them that an unclean start would unlink: they end later than the checkpoint knows.
    pub index_files_newer_than_checkpoint: u64,
    /// Bytes allocated by the files in `index/`.
    pub index_allocated: u64,
}

impl SmallFiles {
    /// Reads them all.
    ///
    /// # Errors
    /// The first that is there and cannot be read.
    pub fn read(layout: &Layout, copies: &mut Copies) -> Result<Self, StoreError> {
        let mut found = Self { is_abort_present: exists(&layout.abort())?, ..Self::default() };
        found.checkpoint =
            copies.read(&layout.checkpoint())?.map(|copy| (Checkpoint::decode(&copy.bytes), copy.modified));
        if let Some(path) = layout.ledger_checkpoint() {
            // Between the deletion of the old file and the renaming of the new one there is none; the last one still holds.
            if copies.read(&path)?.is_some() || copies.last(&path).is_some() {
                found.ledger_checkpoint =
                    copies.last(&path).and_then(|copy| LedgerCheckpoint::decode(&copy.bytes).ok());
            }
        }
        found.read_index(&layout.index())?;
        Ok(found)
    }

    fn read_index(&mut self, dir: &Path) -> Result<(), StoreError> {
        let entries = match std::fs::read_dir(dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(StoreError::io(dir, error)),
        };
        let known_to = self.checkpoint.map(|(checkpoint, _)| checkpoint.index_msg_timestamp);
        for entry in entries {
            let entry = entry.map_err(|error| StoreError::io(dir, error))?;
            let path = entry.path();
            let metadata = match entry.metadata() {
                Ok(metadata) => metadata,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => return Err(StoreError::io(&path, error)),
            };
            let is_numeric =
                entry.file_name().to_str().is_some_and(|name| name.bytes().all(|b| b.is_ascii_digit()));
            if !metadata.is_file() || !is_numeric {
                continue;
            }
            let header = match StoreFile::open(&path) {
                Ok(file) => file
                    .array_at::<INDEX_HEADER_LEN>(0)
                    .map_err(|error| StoreError::io(&path, error))?
                    .map(|bytes| IndexHeader::decode(&bytes)),
                Err(error) if error.is_gone() => continue,
                Err(error) => return Err(error),
            };
            self.index_files += 1;
            self.index_allocated += metadata.blocks().saturating_mul(512);
            if let (Some(header), Some(known_to)) = (header, known_to)
                && header.end_timestamp > known_to
            {
                self.index_files_newer_than_checkpoint += 1;
            }
        }
        Ok(())
    }
}
