//! The files of one log or queue as they are found on disk (R2).
//!
//! Upstream: `MappedFileQueue.load`, `MultiPathMappedFileQueue.load`; DLedger's `MmapFileList.load`.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::disk::{Disk, RecoveryError};
use super::file_list::{FileList, ListedFile};
use super::release::{EmptyLastFile, Rules};

/// Why a list cannot be loaded.
#[derive(Debug)]
pub enum LoadFailure {
    /// A file of another length, and that length; the broker's load returns false.
    Length(PathBuf, i64),
    /// A directory that is as long as a file should be; load returns false too.
    Directory(PathBuf),
    /// A name that is no number; the broker's load ends with an exception.
    Name(PathBuf),
}

impl LoadFailure {
    /// Whether load ends with an exception, and says no more.
    #[must_use]
    pub fn is_exception(&self) -> bool {
        matches!(self, Self::Name(_))
    }
}

/// Whose rules for loading apply.
#[derive(Debug, Clone, Copy)]
pub enum Loader<'a> {
    /// The broker's own.
    Broker(&'a Rules),
    /// The DLedger library's.
    Ledger,
}

/// A list as found, and the files that loading it unlinks.
#[derive(Debug)]
pub struct Loading {
    /// The files, up to one that the broker refuses.
    pub list: FileList,
    /// The file that it refuses.
    pub failure: Option<LoadFailure>,
    /// Files that are gone afterwards.
    pub unlinked: Vec<PathBuf>,
}

impl FileList {
    /// Loads all files of `dirs`, sorted by name over all of them.
    ///
    /// # Errors
    /// Only for directories that cannot be read; a file that the broker refuses is the inner error.
    pub fn load(
        disk: &Disk,
        dirs: &[PathBuf],
        file_len: i64,
        loader: Loader<'_>,
    ) -> Result<Result<Self, LoadFailure>, RecoveryError> {
        let dirs: Vec<_> = dirs.iter().map(|dir| Arc::from(dir.as_path())).collect();
        let loading = Self::look(disk, &dirs, file_len, loader)?;
        for path in loading.unlinked {
            disk.unlink(path);
        }
        Ok(match loading.failure {
            None => Ok(loading.list),
            Some(failure) => Err(failure),
        })
    }

    /// The same, and unlinks nothing yet.
    ///
    /// # Errors
    /// As [`FileList::load`].
    pub fn look(
        disk: &Disk,
        dirs: &[Arc<Path>],
        file_len: i64,
        loader: Loader<'_>,
    ) -> Result<Loading, RecoveryError> {
        let mut entries = Vec::new();
        for dir in dirs {
            let found = disk.list(dir)?.unwrap_or_default();
            entries.extend(found.into_iter().map(|entry| (dir.clone(), entry)));
        }
        entries.sort_by(|(dir_a, a), (dir_b, b)| a.name.cmp(&b.name).then_with(|| dir_a.cmp(dir_b)));
        if dirs.len() > 1 && matches!(loader, Loader::Broker(_)) {
            let twice = entries.windows(2).find(|pair| {
                let [(_, a), (_, b)] = pair else { return false };
                a.name == b.name && !a.is_dir && !b.is_dir
            });
            if let Some([(_, entry), _]) = twice {
                return Err(RecoveryError::Unknown(format!(
                    "two directories have a file {}: which one the broker takes first hangs on the hashes of their paths",
                    entry.name.display()
                )));
            }
        }
        let count = entries.len();
        let list = Self { file_len, files: Vec::with_capacity(count), flushed: 0 };
        let mut loading = Loading { list, failure: None, unlinked: Vec::new() };
        for (at, (dir, entry)) in entries.into_iter().enumerate() {
            let len = i64::try_from(entry.len).unwrap_or(i64::MAX);
            if let Loader::Broker(rules) = loader {
                if entry.is_dir && rules.skips_directories {
                    continue;
                }
                if len == 0 && at + 1 == count && rules.empty_last_file == EmptyLastFile::Delete {
                    loading.unlinked.push(dir.join(&entry.name));
                    continue;
                }
            }
            let path = || dir.join(&entry.name);
            let base = entry.name.to_str().and_then(|name| name.parse().ok()).filter(is_sensible);
            loading.failure = Some(match base {
                _ if len != file_len => LoadFailure::Length(path(), len),
                None => LoadFailure::Name(path()),
                Some(_) if entry.is_dir => LoadFailure::Directory(path()),
                Some(base) => {
                    loading.list.files.push(ListedFile::found(dir, entry, base, file_len));
                    continue;
                }
            });
            break;
        }
        Ok(loading)
    }
}

/// The last part of a path, as a broker's messages have it.
pub fn file_name(path: &Path) -> Cow<'_, str> {
    path.file_name().unwrap_or_default().to_string_lossy()
}

/// Positions of at most four exbibytes: beyond them Java's arithmetic wraps, and no log comes near.
pub(super) fn is_sensible(base: &i64) -> bool {
    (0..1 << 62).contains(base)
}
