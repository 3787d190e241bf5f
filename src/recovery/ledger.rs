//! DLedger's own recovery: where its data ends, and what is committed (R7).
//!
//! Upstream: `DLedgerMmapFileStore.load`, `recover`, `updateCommittedIndex`; libraries 0.2.6 to 0.3.2.

use std::path::{Path, PathBuf};

use super::disk::{Disk, RecoveryError};
use super::file_list::{FileList, ListedFile};
use super::file_loading::{LoadFailure, Loader, file_name};
use super::forecast::LogLine;
use super::ledger_lines;
use super::memory::EntriesMark;
use crate::format::ledger_checkpoint::{LedgerCheckpoint, LedgerCheckpointError};
use crate::format::ledger_entry::{LEDGER_HEADER_LEN, LEDGER_INDEX_UNIT_LEN, LedgerEntryHeader};
use crate::store::StoreError;
use crate::store::source::read_small;
use crate::units::PhysicalOffset;

const INDEX_UNIT: i64 = 32;
/// Length of an index file; no key of the broker sets it.
const INDEX_FILE_LEN: i64 = INDEX_UNIT * 5 * 1024 * 1024;
const HEADER: i32 = 48;
const BLANK: i32 = -1;
/// Bytes read at one go while entries are gone through.
const WINDOW: usize = 64 << 10;

/// The ledger as the library holds it in memory.
#[derive(Debug, Clone)]
pub struct Ledger {
    /// Data files.
    pub data: FileList,
    /// Index files.
    pub index: FileList,
    /// Directory of new data files.
    pub data_dir: PathBuf,
    index_dir: PathBuf,
    checkpoint: PathBuf,
    /// Index of the first entry; -1 without.
    pub begin_index: i64,
    /// Index of the last entry; -1 without.
    pub end_index: i64,
    /// Index up to which entries are committed; -1 without.
    pub committed_index: i64,
    /// Exclusive end of the last committed entry; -1 without.
    pub committed_pos: i64,
    /// What an entry behind the end would follow; `None` if none would be taken.
    last: Option<Last>,
    /// What the library prints.
    pub lines: Vec<LogLine>,
}

/// Index and term of an entry; -1 before the first one.
#[derive(Debug, Clone, Copy)]
pub struct Last {
    /// Its place among all entries.
    pub index: i64,
    /// Term of the leader that wrote it.
    pub term: i64,
}

impl Last {
    /// Whether recovery goes on with an entry that stands at `at` of a file.
    fn is_followed_by(self, entry: &LedgerEntryHeader, base: i64, at: i64, file_len: i64) -> bool {
        entry.size != 0
            && entry.is_sane_at(PhysicalOffset(base + at))
            && at + i64::from(entry.size) <= file_len
            && (self.index == -1 || entry.index == self.index.wrapping_add(1))
            && entry.term >= self.term
    }
}

impl Ledger {
    /// A ledger whose files are not loaded yet.
    #[must_use]
    pub fn new(dir: &Path, data_dir: PathBuf, without_checkpoint: bool) -> Self {
        Self {
            data: FileList::default(),
            index: FileList::default(),
            data_dir,
            index_dir: dir.join("index"),
            checkpoint: if without_checkpoint { PathBuf::new() } else { dir.join("checkpoint") },
            begin_index: -1,
            end_index: -1,
            committed_index: -1,
            committed_pos: -1,
            last: None,
            lines: Vec::new(),
        }
    }

    /// Loads the files.
    ///
    /// # Errors
    /// The library ends the process for a file of the wrong length; a foreign name is an exception.
    pub fn load(&mut self, disk: &Disk, data_dirs: &[PathBuf], data_len: i64) -> Result<(), RecoveryError> {
        let mut list = |dirs: &[PathBuf], len| {
            let failure = match FileList::load(disk, dirs, len, Loader::Ledger)? {
                Ok(list) => return Ok(list),
                Err(failure) => failure,
            };
            self.lines.extend(ledger_lines::of_failure(&failure));
            Err(match failure {
                LoadFailure::Length(path, _) | LoadFailure::Directory(path) => {
                    RecoveryError::Exit { code: -1, path }
                }
                LoadFailure::Name(path) => RecoveryError::number_format(&file_name(&path)),
            })
        };
        self.data = list(data_dirs, data_len)?;
        self.index = list(std::slice::from_ref(&self.index_dir), INDEX_FILE_LEN)?;
        Ok(())
    }

    /// Finds the end of the data, and the committed position.
    ///
    /// # Errors
    /// As [`Disk::bytes`], and the exceptions and the exit that the library ends with.
    pub fn recover(&mut self, disk: &Disk) -> Result<(), RecoveryError> {
        for (list, what) in [(&self.data, "data"), (&self.index, "index")] {
            if let Some((before, behind)) = list.gaps().next() {
                self.lines.push(ledger_lines::of_gap(before, behind));
                let text = format!("check {what} file order failed before recovery");
                return Err(RecoveryError::exception(text).because_of(behind.path()));
            }
        }
        let Some(last) = self.data.files.last().map(|file| (file.base, file.path())) else {
            self.index.truncate(disk, 0);
            return Ok(());
        };
        let start = self.start_file(disk)?;
        let end = self.scan(disk, start)?;
        if last.0 - end > self.data.file_len {
            self.lines.push(ledger_lines::of_early_end(end));
            return Err(RecoveryError::Exit { code: -1, path: last.1 });
        }
        if self.end_index != -1 {
            let bytes = self.data.files[0].bytes(disk, 0, 16)?;
            self.begin_index = bytes.last_chunk::<8>().map_or(-1, |index| i64::from_be_bytes(*index));
            self.index.begin_at(disk, index_place(self.begin_index));
        }
        self.data.truncate(disk, end);
        let index_end = index_place(self.end_index.wrapping_add(1));
        if index_end > self.index.max_offset() {
            self.lines.push(ledger_lines::of_end_beyond(index_end, self.index.max_offset()));
        }
        self.index.truncate(disk, index_end);
        self.commit(disk)
    }

    /// The last of the files up to the third from the end whose first entry is sane and indexed; else the first.
    fn start_file(&mut self, disk: &Disk) -> Result<usize, RecoveryError> {
        let from = self.data.files.len().saturating_sub(3);
        for at in (0..=from).rev() {
            let base = self.data.files[at].base;
            if let Some(entry) = self.entry_at(disk, at, 0)? {
                let is_sane = entry.magic >= 1
                    && entry.size > HEADER
                    && entry.position.0 == base
                    && entry.body_size.wrapping_add(HEADER) == entry.size;
                if is_sane && self.is_indexed(disk, &mut Window::default(), &entry, base)? {
                    return Ok(at);
                }
            }
            self.lines.push(ledger_lines::of_odd_begin(&self.data.files[at].path()));
        }
        Ok(0)
    }

    fn entry_at(
        &self,
        disk: &Disk,
        file: usize,
        at: i64,
    ) -> Result<Option<LedgerEntryHeader>, RecoveryError> {
        let len = self.data.file_len - at;
        let bytes = self.data.files[file].bytes(disk, at, len.clamp(0, 48))?;
        Ok(bytes.first_chunk::<LEDGER_HEADER_LEN>().map(LedgerEntryHeader::decode))
    }

    fn is_indexed(
        &mut self,
        disk: &Disk,
        window: &mut Window,
        entry: &LedgerEntryHeader,
        position: i64,
    ) -> Result<bool, RecoveryError> {
        let at = index_place(entry.index);
        self.lines.extend(self.index.line_outside(at));
        let Some(file) = self.index.find(at, at == 0) else { return Ok(false) };
        let within = at % self.index.file_len;
        if within < 0 || within >= self.index.files[file].wrote {
            return Ok(false);
        }
        let bytes = window.bytes(disk, &self.index.files[file], within, LEDGER_INDEX_UNIT_LEN)?;
        Ok(bytes == index_unit(entry, position))
    }

    /// Goes through the entries, and tells where they end.
    fn scan(&mut self, disk: &Disk, start: usize) -> Result<i64, RecoveryError> {
        let (mut data, mut index) = (Window::default(), Window::default());
        let (mut file, mut at) = (start, 0);
        let mut last = Last { index: -1, term: -1 };
        let mut mark = self.marked(disk, start)?;
        if let Some((known, mark)) = mark {
            (file, at, last) = (known, mark.at, mark.last);
        }
        let mut end = self.data.files[file].base + at;
        let (mut is_indexing, mut is_full) = (false, false);
        loop {
            let base = self.data.files[file].base;
            let len = usize::try_from((self.data.file_len - at).clamp(0, 48)).unwrap_or(0);
            let head = data.bytes(disk, &self.data.files[file], at, len)?;
            if head.first_chunk::<4>().map(|magic| i32::from_be_bytes(*magic)) == Some(BLANK) {
                end = base + self.data.file_len;
                if file + 1 >= self.data.files.len() {
                    break;
                }
                (file, at) = (file + 1, 0);
                end = self.data.files[file].base;
                continue;
            }
            let Some(entry) = head.first_chunk::<LEDGER_HEADER_LEN>().map(LedgerEntryHeader::decode) else {
                break;
            };
            let size = i64::from(entry.size);
            if !last.is_followed_by(&entry, base, at, self.data.file_len) {
                break;
            }
            if !is_indexing && !self.is_indexed(disk, &mut index, &entry, base + at)? {
                self.lines.push(ledger_lines::of_entry_without_index(&self.data.files[file].path()));
                self.cut_index(disk, index_place(entry.index));
                is_indexing = true;
            }
            if !is_indexing {
                let (first, id) = (self.data.files[start].id, self.data.files[file].id);
                mark = Some((file, EntriesMark { first, file: id, at, last }));
            }
            if is_indexing && !self.append_index(disk, &entry, base + at)? {
                is_full = true;
                break;
            }
            last = Last { index: entry.index, term: entry.term };
            end += size;
            at += size;
        }
        self.end_index = last.index;
        self.last = (!is_full).then_some(last);
        if let (Some(memory), Some((_, mark))) = (&disk.memory, mark) {
            memory.put_entries((), mark);
        }
        Ok(end)
    }

    /// Forgets the index behind `end`, or the whole of it where it has no such place.
    fn cut_index(&mut self, disk: &Disk, end: i64) {
        self.index.truncate(disk, end);
        if self.index.max_offset() != end {
            self.lines.push(ledger_lines::of_new_index(self.index.max_offset(), end));
            self.index.destroy(disk);
        }
    }

    /// Whether an entry stands behind the end by now: somebody has written on since the end was looked for.
    ///
    /// # Errors
    /// As [`Disk::bytes`].
    pub fn has_grown(&self, disk: &Disk) -> Result<bool, RecoveryError> {
        let (Some(last), Some(file)) = (self.last, self.data.files.len().checked_sub(1)) else {
            return Ok(false);
        };
        let ListedFile { base, wrote, .. } = self.data.files[file];
        let entry = self.entry_at(disk, file, wrote)?;
        Ok(entry.is_some_and(|entry| last.is_followed_by(&entry, base, wrote, self.data.file_len)))
    }

    /// The file and the entry with which an earlier scan can be gone on with.
    fn marked(&self, disk: &Disk, start: usize) -> Result<Option<(usize, EntriesMark)>, RecoveryError> {
        let mark = disk.memory.as_ref().and_then(|memory| memory.entries(()));
        let Some(mark) = mark.filter(|mark| mark.first == self.data.files[start].id) else { return Ok(None) };
        let Some(file) = self.data.files.iter().position(|file| file.id == mark.file) else {
            return Ok(None);
        };
        let entry = self.entry_at(disk, file, mark.at)?;
        let position = PhysicalOffset(self.data.files[file].base + mark.at);
        let is_there = |entry: &LedgerEntryHeader| {
            entry.is_sane_at(position) && (mark.last.index == -1 || entry.index == mark.last.index + 1)
        };
        Ok(entry.filter(is_there).map(|_| (file, mark)))
    }

    fn append_index(
        &mut self,
        disk: &Disk,
        entry: &LedgerEntryHeader,
        position: i64,
    ) -> Result<bool, RecoveryError> {
        let index_at = index_place(entry.index);
        if index_at < 0 {
            return Ok(false);
        }
        let is_empty = self.index.files.is_empty();
        let dir = self.index_dir.clone();
        let Some(file) = self.index.last_for_append(disk, &dir, index_at) else { return Ok(false) };
        if is_empty {
            self.index.files[file].wrote = index_at % INDEX_FILE_LEN;
        }
        self.index.append(disk, file, &index_unit(entry, position))
    }

    fn commit(&mut self, disk: &Disk) -> Result<(), RecoveryError> {
        let bytes = match read_small(&self.checkpoint, 1 << 16) {
            Ok(bytes) => bytes,
            Err(error) if error.is_gone() => return Ok(()),
            Err(error @ StoreError::NotAFile { .. }) if !error.is_link() => {
                self.lines.push(ledger_lines::of_unreadable_checkpoint());
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        let committed = match LedgerCheckpoint::decode(&bytes) {
            Ok(checkpoint) => checkpoint.committed_index,
            Err(LedgerCheckpointError::Form(_)) => None,
            Err(LedgerCheckpointError::Number { value, .. }) => {
                return Err(RecoveryError::number_format(&value).because_of(self.checkpoint.clone()));
            }
        };
        let Some(committed) = committed else { return Ok(()) };
        if committed == -1 || self.end_index == -1 {
            return Ok(());
        }
        if committed < -1 || committed < self.begin_index {
            self.lines.push(ledger_lines::of_old_commit(committed, self.begin_index));
            return Ok(());
        }
        let index = committed.min(self.end_index);
        if index < self.begin_index {
            // The first file holds newer entries than the last one: files stand under each other's names.
            let text = format!("{index} should be gt {}, ledgerBeginIndex may be revised", self.begin_index);
            return Err(RecoveryError::exception(text));
        }
        let at = index_place(index);
        let Some(file) = self.index.find(at, at == 0) else { return Ok(()) };
        let unit = self.index.files[file].bytes(disk, at % INDEX_FILE_LEN, INDEX_UNIT)?;
        let mut reader = crate::format::bytes::Reader::new(&unit);
        let (_, position, size) = (reader.i32(), reader.i64(), reader.i32());
        if let (Some(position), Some(size)) = (position, size) {
            self.committed_index = index;
            self.committed_pos = position.saturating_add(i64::from(size));
        }
        Ok(())
    }

    /// What `DLedgerCommitLog.getMaxOffset` and `getConfirmOffset` tell.
    #[must_use]
    pub fn confirm_offset(&self) -> i64 {
        if self.committed_pos > 0 { self.committed_pos } else { self.data.min_offset().unwrap_or(0).max(0) }
    }
}

/// A part of a file, so that what stands close together is read at one go.
#[derive(Debug, Default)]
struct Window {
    base: i64,
    from: i64,
    bytes: Vec<u8>,
}

impl Window {
    /// `len` bytes of a file from `at` on.
    fn bytes(&mut self, disk: &Disk, file: &ListedFile, at: i64, len: usize) -> Result<&[u8], RecoveryError> {
        let place = |window: &Self| usize::try_from(at - window.from).unwrap_or(usize::MAX);
        let is_in = |window: &Self| place(window).saturating_add(len) <= window.bytes.len();
        if self.base != file.base || !is_in(self) {
            let want = i64::try_from(WINDOW).unwrap_or(i64::MAX);
            (self.base, self.from, self.bytes) = (file.base, at, file.bytes(disk, at, want)?);
        }
        let from = place(self);
        Ok(self.bytes.get(from..from + len).unwrap_or_default())
    }
}

/// Where the unit of an entry stands, by Java's arithmetic.
fn index_place(index: i64) -> i64 {
    index.wrapping_mul(INDEX_UNIT)
}

/// Bytes of an index unit.
fn index_unit(entry: &LedgerEntryHeader, position: i64) -> [u8; LEDGER_INDEX_UNIT_LEN] {
    let mut bytes = [0; LEDGER_INDEX_UNIT_LEN];
    bytes[..4].copy_from_slice(&entry.magic.to_be_bytes());
    bytes[4..12].copy_from_slice(&position.to_be_bytes());
    bytes[12..16].copy_from_slice(&entry.size.to_be_bytes());
    bytes[16..24].copy_from_slice(&entry.index.to_be_bytes());
    bytes[24..].copy_from_slice(&entry.term.to_be_bytes());
    bytes
}
