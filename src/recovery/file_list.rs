//! The files of one log or queue as the broker holds them in memory: each with its base and its write position (R2).
//!
//! Upstream: `MappedFileQueue`, `MultiPathMappedFileQueue`; DLedger's `MmapFileList`.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::disk::{Disk, Entry, RecoveryError};
use super::file_loading::is_sensible;
use super::forecast::LogLine;
use super::memory::FileId;
use super::tally::Pointed;
use crate::format::segment_name;
use crate::store::source::StoreFile;

/// What recovery wrote into a file, over what is on disk.
#[derive(Debug, Clone, Default)]
struct Fresh {
    from: i64,
    bytes: Vec<u8>,
}

/// Slots read of a file at first: most scans end there.
const FIRST_SLOTS: usize = 200;
/// Slots read at one go after that.
const MOST_SLOTS: usize = 12_000;

impl Fresh {
    fn end(&self) -> i64 {
        self.from.saturating_add(i64::try_from(self.bytes.len()).unwrap_or(i64::MAX))
    }
}

/// One file. There may be hundreds of thousands.
#[derive(Debug, Clone)]
pub struct ListedFile {
    /// Position of its first byte.
    pub base: i64,
    /// Bytes in use; all of them right after loading.
    pub wrote: i64,
    /// Whether it was created as the first of its list.
    pub is_first_created: bool,
    /// Which file it is, if it was there before.
    pub id: FileId,
    /// What a scan found in it.
    pub pointed: Option<Box<Pointed>>,
    dir: Arc<Path>,
    /// Its name, where that is not its base in the usual form.
    name: Option<Box<OsStr>>,
    is_on_disk: bool,
    fresh: Option<Box<Fresh>>,
}

/// Files by name.
#[derive(Debug, Clone, Default)]
pub struct FileList {
    /// Length of every file.
    pub file_len: i64,
    /// The files.
    pub files: Vec<ListedFile>,
    /// Up to where it counts as flushed since its end was found; 0 before.
    pub flushed: i64,
}

impl FileList {
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

    /// Neighbours that do not follow one another.
    pub fn gaps(&self) -> impl Iterator<Item = (&ListedFile, &ListedFile)> {
        let pairs = self.files.iter().zip(self.files.iter().skip(1));
        pairs.filter(|(before, behind)| behind.base - before.base != self.file_len)
    }

    /// What is printed where `offset` lies outside of all files.
    #[must_use]
    pub fn line_outside(&self, offset: i64) -> Option<LogLine> {
        let (first, last) = (self.files.first()?.base, self.files.last()?.base.saturating_add(self.file_len));
        let (file_len, count) = (self.file_len, self.files.len());
        (offset < first || offset >= last).then(|| {
            LogLine::warn(format!(
                "Offset not matched. Request offset: {offset}, firstOffset: {first}, lastOffset: {last}, mappedFileSize: {file_len}, mappedFiles count: {count}"
            ))
        })
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
            disk.unlink(file.path());
            false
        });
    }

    /// Unlinks the files that end at `offset` or before.
    pub fn begin_at(&mut self, disk: &Disk, offset: i64) {
        let file_len = self.file_len;
        self.files.retain(|file| {
            let is_left = file.base > offset || offset < file.base.saturating_add(file_len);
            if !is_left {
                disk.unlink(file.path());
            }
            is_left
        });
    }

    /// Unlinks the last file.
    pub fn remove_last(&mut self, disk: &Disk) {
        if let Some(file) = self.files.pop() {
            disk.unlink(file.path());
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
        let known = self.files.last().map(|last| &last.dir).filter(|known| &***known == dir);
        let dir = known.cloned().unwrap_or_else(|| Arc::from(dir));
        let mut file = ListedFile {
            base,
            wrote: 0,
            is_first_created: self.files.is_empty(),
            id: FileId::default(),
            pointed: None,
            dir,
            name: None,
            is_on_disk: false,
            fresh: None,
        };
        let path = file.path();
        file.is_on_disk = !disk.is_unlinked(&path) && path.exists();
        if !file.is_on_disk {
            disk.create(path);
        }
        // Most of very many lists have one file.
        if self.files.is_empty() {
            self.files.reserve_exact(1);
        }
        self.files.push(file);
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

/// A file that is open for several reads.
#[derive(Debug)]
pub struct OpenListed<'f> {
    listed: &'f ListedFile,
    path: PathBuf,
    file: Option<StoreFile>,
}

impl ListedFile {
    /// One of a directory.
    pub(super) fn found(dir: Arc<Path>, entry: Entry, base: i64, file_len: i64) -> Self {
        let is_usual = entry.name.to_str().and_then(segment_name::parse).is_some();
        Self {
            base,
            wrote: file_len,
            is_first_created: false,
            id: entry.id,
            pointed: None,
            dir,
            name: (!is_usual).then(|| entry.name.into_boxed_os_str()),
            is_on_disk: true,
            fresh: None,
        }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        match &self.name {
            Some(name) => self.dir.join(&**name),
            None => self.dir.join(segment_name::format(u64::try_from(self.base).unwrap_or_default())),
        }
    }

    /// Up to `len` bytes from `at` as they would be in memory; zeros where nothing was ever written.
    ///
    /// # Errors
    /// As [`Disk::bytes`].
    pub fn bytes(&self, disk: &Disk, at: i64, len: i64) -> Result<Vec<u8>, RecoveryError> {
        let mut bytes = vec![0; usize::try_from(len).unwrap_or(0)];
        if self.needs_disk(at, len) {
            let found = disk.bytes(&self.path(), u64::try_from(at).unwrap_or(0), bytes.len())?;
            bytes[..found.len()].copy_from_slice(&found);
        }
        self.lay_over(at, &mut bytes);
        Ok(bytes)
    }

    /// Where, at or behind `at`, something may be written: holes read as zeros and are stepped over. `None` if nothing is.
    ///
    /// # Errors
    /// As [`Disk::bytes`].
    pub fn data_from(&self, disk: &Disk, at: i64) -> Result<Option<i64>, RecoveryError> {
        let fresh = self.fresh.as_deref().filter(|fresh| fresh.end() > at).map(|fresh| fresh.from.max(at));
        let stored = match self.is_on_disk {
            true => disk.data_from(&self.path(), u64::try_from(at).unwrap_or(0))?,
            false => None,
        };
        Ok(stored.and_then(|at| i64::try_from(at).ok()).into_iter().chain(fresh).min())
    }

    /// Opens it for several reads.
    ///
    /// # Errors
    /// As [`Disk::open`].
    pub fn open(&self, disk: &Disk) -> Result<OpenListed<'_>, RecoveryError> {
        let (path, file) = if self.is_on_disk {
            let path = self.path();
            let file = disk.open(&path)?;
            (path, file)
        } else {
            (PathBuf::new(), None)
        };
        Ok(OpenListed { listed: self, path, file })
    }

    /// Whether recovery wrote into it.
    #[must_use]
    pub fn is_written(&self) -> bool {
        self.fresh.is_some()
    }

    fn needs_disk(&self, at: i64, len: i64) -> bool {
        let is_all_fresh = self
            .fresh
            .as_ref()
            .is_some_and(|fresh| at >= fresh.from && at.saturating_add(len) <= fresh.end());
        self.is_on_disk && !is_all_fresh
    }

    /// Puts what recovery wrote over `bytes` that begin at `at`.
    fn lay_over(&self, at: i64, bytes: &mut [u8]) {
        let Some(fresh) = &self.fresh else { return };
        let end = at.saturating_add(i64::try_from(bytes.len()).unwrap_or(i64::MAX));
        let (from, to) = (at.max(fresh.from), end.min(fresh.end()));
        if from < to {
            let place = |offset: i64| usize::try_from(offset).unwrap_or(0);
            bytes[place(from - at)..place(to - at)]
                .copy_from_slice(&fresh.bytes[place(from - fresh.from)..place(to - fresh.from)]);
        }
    }

    /// Writes at the write position and moves it on.
    ///
    /// # Errors
    /// As [`Disk::bytes`].
    pub fn write(&mut self, disk: &Disk, bytes: &[u8]) -> Result<(), RecoveryError> {
        let at = self.wrote;
        if self.pointed.as_ref().is_some_and(|pointed| at < pointed.until) {
            self.pointed = None;
        }
        let mut fresh = self.fresh.take().unwrap_or_default();
        if fresh.bytes.is_empty() {
            fresh.from = at;
        } else if at < fresh.from {
            let mut front = self.bytes(disk, at, fresh.from - at)?;
            front.append(&mut fresh.bytes);
            *fresh = Fresh { from: at, bytes: front };
        } else if at > fresh.end() {
            let between = self.bytes(disk, fresh.end(), at - fresh.end())?;
            fresh.bytes.extend(between);
        }
        let start = usize::try_from(at - fresh.from).unwrap_or(0);
        let end = start + bytes.len();
        if fresh.bytes.len() < end {
            fresh.bytes.resize(end, 0);
        }
        fresh.bytes[start..end].copy_from_slice(bytes);
        self.fresh = Some(fresh);
        self.wrote += i64::try_from(bytes.len()).unwrap_or(0);
        Ok(())
    }
}

impl OpenListed<'_> {
    /// Position of its first byte.
    #[must_use]
    pub fn base(&self) -> i64 {
        self.listed.base
    }

    /// As [`OpenListed::read`], without counting what is read; see [`Disk::count`].
    ///
    /// # Errors
    /// As [`Disk::bytes`].
    pub fn read_ahead(&self, disk: &Disk, at: i64, into: &mut [u8]) -> Result<(), RecoveryError> {
        self.read_by(at, into, |file, at, into| disk.read_ahead(file, &self.path, at, into))
    }

    /// Fills `into` with the bytes from `at` on as they would be in memory; zeros where nothing was ever written.
    ///
    /// # Errors
    /// As [`Disk::bytes`].
    pub fn read(&self, disk: &Disk, at: i64, into: &mut [u8]) -> Result<(), RecoveryError> {
        self.read_by(at, into, |file, at, into| disk.read(file, &self.path, at, into))
    }

    fn read_by(
        &self,
        at: i64,
        into: &mut [u8],
        read: impl FnOnce(&StoreFile, u64, &mut [u8]) -> Result<usize, RecoveryError>,
    ) -> Result<(), RecoveryError> {
        let mut found = 0;
        if let Some(file) = &self.file
            && self.listed.needs_disk(at, i64::try_from(into.len()).unwrap_or(i64::MAX))
        {
            found = read(file, u64::try_from(at).unwrap_or(0), into)?;
        }
        into[found..].fill(0);
        self.listed.lay_over(at, into);
        Ok(())
    }

    /// Calls `each` with every slot of `N` bytes from `at` up to `end`, and its place, until it says `false`.
    ///
    /// # Errors
    /// As [`Disk::bytes`].
    pub fn slots<const N: usize>(
        &self,
        disk: &Disk,
        at: i64,
        end: i64,
        mut each: impl FnMut(i64, &[u8; N]) -> bool,
    ) -> Result<(), RecoveryError> {
        let len = i64::try_from(N).unwrap_or(i64::MAX);
        let (mut at, mut want) = (at, FIRST_SLOTS);
        let mut bytes = Vec::new();
        while at.saturating_add(len) <= end {
            let room = usize::try_from(end - at).unwrap_or(usize::MAX);
            bytes.resize((want * N).min(room / N * N), 0);
            self.read(disk, at, &mut bytes)?;
            for slot in bytes.as_chunks::<N>().0 {
                if !each(at, slot) {
                    return Ok(());
                }
                at += len;
            }
            want = MOST_SLOTS;
        }
        Ok(())
    }
}
