//! The files of one log or queue as the broker holds them in memory: each with its base and its write position (R2).
//!
//! Upstream: `MappedFileQueue`, `MultiPathMappedFileQueue`; DLedger's `MmapFileList`.

use std::path::{Path, PathBuf};

use super::disk::{Disk, RecoveryError};
use super::release::{EmptyLastFile, Rules};
use crate::format::segment_name;

/// What recovery wrote into a file, over what is on disk.
#[derive(Debug, Clone, Default)]
struct Fresh {
    from: i64,
    bytes: Vec<u8>,
}

/// One file.
#[derive(Debug, Clone)]
pub struct ListedFile {
    /// Position of its first byte.
    pub base: i64,
    /// Bytes in use; all of them right after loading.
    pub wrote: i64,
    /// Where it is.
    pub path: PathBuf,
    /// Whether it was created as the first of its list.
    pub is_first_created: bool,
    is_on_disk: bool,
    fresh: Fresh,
}

/// Files by name.
#[derive(Debug, Clone, Default)]
pub struct FileList {
    /// Length of every file.
    pub file_len: i64,
    /// The files.
    pub files: Vec<ListedFile>,
}

/// Why a list cannot be loaded.
#[derive(Debug)]
pub enum LoadFailure {
    /// A file of another length; the broker's load returns false.
    Length(PathBuf),
    /// A name that is no number; the broker's load ends with an exception.
    Name(PathBuf),
}

/// Whose rules for loading apply.
#[derive(Debug, Clone, Copy)]
pub enum Loader<'a> {
    /// The broker's own.
    Broker(&'a Rules),
    /// The DLedger library's.
    Ledger,
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
        let mut entries = Vec::new();
        for dir in dirs {
            entries.extend(disk.list(dir)?);
        }
        entries.sort_by(|(a, _), (b, _)| a.file_name().cmp(&b.file_name()).then_with(|| a.cmp(b)));
        let mut list = Self { file_len, files: Vec::new() };
        let count = entries.len();
        for (at, (path, metadata)) in entries.into_iter().enumerate() {
            let len = i64::try_from(metadata.len()).unwrap_or(i64::MAX);
            if let Loader::Broker(rules) = loader {
                if metadata.is_dir() && rules.skips_directories {
                    continue;
                }
                if len == 0 && at + 1 == count && rules.empty_last_file == EmptyLastFile::Delete {
                    disk.unlink(&path);
                    continue;
                }
            }
            if len != file_len || metadata.is_dir() {
                return Ok(Err(LoadFailure::Length(path)));
            }
            let Some(base) = path
                .file_name()
                .and_then(|name| name.to_str())
                .and_then(|name| name.parse().ok())
                .filter(is_sensible)
            else {
                return Ok(Err(LoadFailure::Name(path)));
            };
            list.files.push(ListedFile {
                base,
                wrote: file_len,
                path,
                is_first_created: false,
                is_on_disk: true,
                fresh: Fresh::default(),
            });
        }
        Ok(Ok(list))
    }

    /// Position of the first byte; `None` without files.
    #[must_use]
    pub fn min_offset(&self) -> Option<i64> {
        self.files.first().map(|file| file.base)
    }

    /// Exclusive end of what was written; 0 without files.
    #[must_use]
    pub fn max_offset(&self) -> i64 {
        self.files.last().map_or(0, |file| file.base.saturating_add(file.wrote))
    }

    /// The file that holds `offset`; with `or_first` the first one if none does.
    #[must_use]
    pub fn find(&self, offset: i64, or_first: bool) -> Option<usize> {
        let holds = |file: &ListedFile| offset >= file.base && offset - file.base < self.file_len;
        match self.files.iter().position(holds) {
            Some(at) => Some(at),
            None if or_first && !self.files.is_empty() => Some(0),
            None => None,
        }
    }

    /// Forgets everything behind `offset`: files that begin there or later are unlinked, the one around it is cut.
    pub fn truncate(&mut self, disk: &Disk, offset: i64) {
        let file_len = self.file_len;
        self.files.retain_mut(|file| {
            if file.base.saturating_add(file_len) <= offset {
                return true;
            }
            if offset >= file.base {
                file.wrote = offset % file_len.max(1);
                return true;
            }
            disk.unlink(&file.path);
            false
        });
    }

    /// Unlinks the last file.
    pub fn remove_last(&mut self, disk: &Disk) {
        if let Some(file) = self.files.pop() {
            disk.unlink(&file.path);
        }
    }

    /// Unlinks all files.
    pub fn destroy(&mut self, disk: &Disk) {
        while !self.files.is_empty() {
            self.remove_last(disk);
        }
    }

    /// The file to append to, created in `dir` where there is none or the last one is full.
    pub fn last_for_append(&mut self, disk: &Disk, dir: &Path, start: i64) -> Option<usize> {
        let base = match self.files.last() {
            None => start - start % self.file_len.max(1),
            Some(last) if last.wrote >= self.file_len => last.base.saturating_add(self.file_len),
            Some(_) => return self.files.len().checked_sub(1),
        };
        let base = Some(base).filter(is_sensible)?;
        let path = dir.join(segment_name::format(u64::try_from(base).ok()?));
        let is_on_disk = !disk.is_unlinked(&path) && path.exists();
        if !is_on_disk {
            disk.create(&path);
        }
        self.files.push(ListedFile {
            base,
            wrote: 0,
            path,
            is_first_created: self.files.is_empty(),
            is_on_disk,
            fresh: Fresh::default(),
        });
        self.files.len().checked_sub(1)
    }

    /// Appends to the file at this index. `false` if it has no room.
    ///
    /// # Errors
    /// As [`Disk::bytes`].
    pub fn append(&mut self, disk: &Disk, at: usize, bytes: &[u8]) -> Result<bool, RecoveryError> {
        let len = i64::try_from(bytes.len()).unwrap_or(i64::MAX);
        let file_len = self.file_len;
        let Some(file) = self.files.get_mut(at) else { return Ok(false) };
        if file.wrote >= file_len || file.wrote.saturating_add(len) > file_len {
            return Ok(false);
        }
        file.write(disk, bytes)?;
        Ok(true)
    }
}

/// Positions of at most four exbibytes: beyond them Java's arithmetic wraps, and no log comes near.
fn is_sensible(base: &i64) -> bool {
    (0..1 << 62).contains(base)
}

impl ListedFile {
    /// Whether there is a file; otherwise recovery has just made it.
    #[must_use]
    pub fn is_on_disk(&self) -> bool {
        self.is_on_disk
    }

    /// Up to `len` bytes from `at` as they would be in memory; zeros where nothing was ever written.
    ///
    /// # Errors
    /// As [`Disk::bytes`].
    pub fn bytes(&self, disk: &Disk, at: i64, len: i64) -> Result<Vec<u8>, RecoveryError> {
        let size = usize::try_from(len).unwrap_or(0);
        let fresh_end = self.fresh.from + i64::try_from(self.fresh.bytes.len()).unwrap_or(0);
        let is_all_fresh = at >= self.fresh.from && at + len <= fresh_end;
        let mut bytes = if self.is_on_disk && !is_all_fresh {
            disk.bytes(&self.path, u64::try_from(at).unwrap_or(0), size)?
        } else {
            Vec::new()
        };
        bytes.resize(size, 0);
        let (from, to) = (at.max(self.fresh.from), (at + len).min(fresh_end));
        if from < to {
            let place = |offset: i64| usize::try_from(offset).unwrap_or(0);
            bytes[place(from - at)..place(to - at)].copy_from_slice(
                &self.fresh.bytes[place(from - self.fresh.from)..place(to - self.fresh.from)],
            );
        }
        Ok(bytes)
    }

    /// Writes at the write position and moves it on.
    ///
    /// # Errors
    /// As [`Disk::bytes`].
    pub fn write(&mut self, disk: &Disk, bytes: &[u8]) -> Result<(), RecoveryError> {
        let at = self.wrote;
        let fresh_end = self.fresh.from + i64::try_from(self.fresh.bytes.len()).unwrap_or(0);
        if self.fresh.bytes.is_empty() {
            self.fresh.from = at;
        } else if at < self.fresh.from {
            let mut front = self.bytes(disk, at, self.fresh.from - at)?;
            front.append(&mut self.fresh.bytes);
            self.fresh = Fresh { from: at, bytes: front };
        } else if at > fresh_end {
            let between = self.bytes(disk, fresh_end, at - fresh_end)?;
            self.fresh.bytes.extend(between);
        }
        let start = usize::try_from(at - self.fresh.from).unwrap_or(0);
        let end = start + bytes.len();
        if self.fresh.bytes.len() < end {
            self.fresh.bytes.resize(end, 0);
        }
        self.fresh.bytes[start..end].copy_from_slice(bytes);
        self.wrote += i64::try_from(bytes.len()).unwrap_or(0);
        Ok(())
    }

    /// Whether recovery wrote into it.
    #[must_use]
    pub fn is_written(&self) -> bool {
        !self.fresh.bytes.is_empty()
    }
}
