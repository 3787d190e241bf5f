//! The index files: which are unlinked, and how many new ones are begun (R11).
//!
//! Upstream: `IndexService.load`, `buildIndex`. What the entries say is not followed, only how many there are.

use std::path::{Path, PathBuf};

use super::disk::{Disk, RecoveryError};
use super::forecast::LogLine;
use super::record::Record;
use crate::format::checkpoint::Checkpoint;
use crate::format::index_file::{INDEX_HEADER_LEN, IndexHeader};
use crate::format::message::TransactionType;
use crate::units::PhysicalOffset;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct IndexFile {
    count: i32,
    end: PhysicalOffset,
}

/// Where an index ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndexEnd {
    last: Option<IndexFile>,
    begun: u32,
    filled: Filled,
}

/// How often a file became full within a message.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Filled {
    loaded: u64,
    begun: u64,
}

/// The index as the broker holds it in memory.
#[derive(Debug, Clone)]
pub struct Index {
    last: Option<IndexFile>,
    /// The last file that was loaded.
    path: PathBuf,
    max_entries: i32,
    filled: Filled,
    /// Files that an unclean start unlinks.
    pub unlinked: Vec<PathBuf>,
    /// Files begun while recovering; their names are the time of their creation.
    pub begun: u32,
    /// Lines about files that cannot be taken for one of the index.
    pub lines: Vec<LogLine>,
}

impl Index {
    /// No files.
    #[must_use]
    pub fn empty(max_entries: i32) -> Self {
        Self {
            last: None,
            path: PathBuf::new(),
            max_entries,
            filled: Filled::default(),
            unlinked: Vec::new(),
            begun: 0,
            lines: Vec::new(),
        }
    }

    /// Loads the files; `false` beside them if one cannot be mapped, which newer releases do not start with.
    ///
    /// # Errors
    /// As [`Disk::bytes`].
    pub fn load(
        disk: &Disk,
        dir: &Path,
        max_entries: i32,
        checkpoint: &Checkpoint,
        is_clean: bool,
    ) -> Result<(Self, bool), RecoveryError> {
        let mut index = Self::empty(max_entries);
        let mut entries = disk.list(dir)?.unwrap_or_default();
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        for entry in entries {
            let path = dir.join(&entry.name);
            if entry.name.to_str().is_none_or(|name| name.parse::<i64>().is_err()) {
                index.lines.push(LogLine::new(
                    "ERROR",
                    format!(
                        "load file {} error NumberFormatException: For input string: \"{}\"",
                        path.display(),
                        entry.name.to_string_lossy()
                    ),
                ));
                continue;
            }
            if entry.is_dir {
                index.lines.extend(LogLine::of_directory(&path));
                return Ok((index, false));
            }
            let mut bytes = disk.bytes(&path, 0, INDEX_HEADER_LEN)?;
            bytes.resize(INDEX_HEADER_LEN, 0);
            let header = bytes.first_chunk::<INDEX_HEADER_LEN>().map(IndexHeader::decode).unwrap_or_default();
            if !is_clean && header.end_timestamp > checkpoint.index_msg_timestamp {
                disk.unlink(path.clone());
                index.unlinked.push(path);
                continue;
            }
            index.last = Some(IndexFile { count: header.index_count(), end: header.end_physical_offset });
            index.path = path;
        }
        Ok((index, true))
    }

    /// Where it ends.
    #[must_use]
    pub fn end(&self) -> IndexEnd {
        IndexEnd { last: self.last, begun: self.begun, filled: self.filled }
    }

    /// As if the entries up to there had been built.
    pub fn go_on_from(&mut self, end: IndexEnd) {
        (self.last, self.begun, self.filled) = (end.last, end.begun, end.filled);
    }

    /// Number of the next entry in the last file.
    #[must_use]
    pub fn next_entry(&self) -> Option<i32> {
        self.last.map(|file| file.count)
    }

    fn is_full(&self) -> bool {
        self.last.is_some_and(|file| file.count >= self.max_entries)
    }

    fn file(&mut self) -> &mut IndexFile {
        if self.last.is_none() || self.is_full() {
            let end = self.last.map_or(PhysicalOffset(0), |file| file.end);
            self.begun += 1;
            self.last = Some(IndexFile { count: 1, end });
        }
        self.last.get_or_insert(IndexFile { count: 1, end: PhysicalOffset(0) })
    }

    /// Lines about files that became full within a message. The name of one that was begun is the time, which nobody knows before.
    #[must_use]
    pub fn lines_of_full_files(&self, dir: &Path) -> Vec<LogLine> {
        let Filled { loaded, begun } = self.filled;
        let max = self.max_entries;
        let is_full =
            |path: &Path| format!("Index file [{}] is full, trying to create another one", path.display());
        let lines = [
            (loaded + begun, format!("Over index file capacity: index count = {max}; index max num = {max}")),
            (loaded, is_full(&self.path)),
            (begun, is_full(&dir.join("<time>"))),
        ];
        let often = |(count, text)| LogLine { count, ..LogLine::warn(text) };
        lines.into_iter().filter(|(count, _)| *count > 0).map(often).collect()
    }

    /// Builds the entries of a message.
    pub fn build(&mut self, record: &Record) {
        let file = self.file();
        if record.physical < file.end.0 || record.transaction == TransactionType::Rollback {
            return;
        }
        for _ in 0..record.index_entries {
            if self.is_full() {
                let filled = if self.begun == 0 { &mut self.filled.loaded } else { &mut self.filled.begun };
                *filled += 1;
            }
            let file = self.file();
            file.count += 1;
            file.end = PhysicalOffset(record.physical);
        }
    }
}
