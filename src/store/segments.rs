//! The segments of one log: files named after the position of their first byte, over one or several directories.
//!
//! Upstream refuses to start over files that this listing calls invalid (`MappedFileQueue.load`, `MmapFileList.load`); here
//! they are told apart and left out of the sequence.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::format::segment_name;
use crate::label::label_set;
use crate::units::EpochMillis;

/// One file of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Position of its first byte in the log.
    pub base: u64,
    /// Length of the file in bytes.
    pub len: u64,
    /// Bytes that the file system has allocated for it (`st_blocks`); less than `len` for a sparse file.
    pub allocated: u64,
    /// When it was last changed.
    pub modified: EpochMillis,
    /// Where it is.
    pub path: PathBuf,
}

impl Segment {
    /// Exclusive end of the positions that it covers.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.base.saturating_add(self.len)
    }
}

label_set! {
    /// What is wrong with a file beside the segments.
    pub enum InvalidReason {
        /// Another length than the other segments have.
        WrongLength = "wrong_length",
        /// No bytes at all: a crash between creation and allocation.
        Empty = "empty",
        /// A name that is not a position in 20 digits.
        ForeignName = "foreign_name",
        /// A directory.
        Directory = "directory",
        /// A link, pipe, socket or device.
        NotAFile = "not_a_file",
        /// The system would not say what it is.
        Unreadable = "unreadable",
    }
}

/// A file that is no segment.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct InvalidFile {
    /// Where it is.
    #[serde(serialize_with = "as_text")]
    pub path: PathBuf,
    /// What is wrong with it.
    pub reason: InvalidReason,
    /// Its length in bytes.
    pub len: u64,
}

/// Names need be no text, which JSON has nothing for.
fn as_text<S: serde::Serializer>(path: &Path, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(&path.display())
}

/// All segments of one log, by position.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Segments {
    /// The segments, by base.
    pub list: Vec<Segment>,
    /// What else lies in the directories.
    pub invalid: Vec<InvalidFile>,
    /// Length that every segment should have: as configured, else that of most files; `None` without files.
    pub segment_len: Option<u64>,
}

impl Segments {
    /// Lists the files of all `dirs`; a directory that is not there has no files.
    ///
    /// # Errors
    /// The first directory that could not be listed.
    pub fn list(dirs: &[PathBuf], configured_len: Option<u64>) -> Result<Self, super::StoreError> {
        let mut found = Self::default();
        for dir in dirs {
            match std::fs::read_dir(dir) {
                Ok(entries) => {
                    for entry in entries {
                        found.add(&entry.map_err(|error| super::StoreError::io(dir, error))?);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(super::StoreError::io(dir, error)),
            }
        }
        found.list.sort_by(|a, b| a.base.cmp(&b.base).then_with(|| a.path.cmp(&b.path)));
        found.segment_len =
            configured_len.or_else(|| most_common(found.list.iter().map(|segment| segment.len)));
        let expected = found.segment_len;
        let (list, wrong): (Vec<_>, Vec<_>) =
            found.list.into_iter().partition(|segment| segment.len != 0 && Some(segment.len) == expected);
        found.list = list;
        found.invalid.extend(wrong.into_iter().map(|segment| InvalidFile {
            reason: if segment.len == 0 { InvalidReason::Empty } else { InvalidReason::WrongLength },
            len: segment.len,
            path: segment.path,
        }));
        found.invalid.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(found)
    }

    fn add(&mut self, entry: &std::fs::DirEntry) {
        let path = entry.path();
        // Without following links; a file that has gone since the listing is no file any more.
        let metadata = match entry.metadata() {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            Err(_) => {
                self.invalid.push(InvalidFile { path, reason: InvalidReason::Unreadable, len: 0 });
                return;
            }
        };
        let base = entry.file_name().to_str().and_then(segment_name::parse);
        let reason = if metadata.is_dir() {
            InvalidReason::Directory
        } else if !metadata.is_file() {
            InvalidReason::NotAFile
        } else if let Some(base) = base {
            let allocated = metadata.blocks().saturating_mul(512);
            let modified = EpochMillis(metadata.mtime().saturating_mul(1000));
            self.list.push(Segment { base, len: metadata.len(), allocated, modified, path });
            return;
        } else {
            InvalidReason::ForeignName
        };
        self.invalid.push(InvalidFile { path, reason, len: metadata.len() });
    }

    /// Places where one segment does not begin where the one before it ends: holes, and positions covered twice.
    #[must_use]
    pub fn gaps(&self) -> usize {
        self.list.windows(2).filter(|pair| pair[0].end() != pair[1].base).count()
    }

    /// The segment that covers `position`, and its index.
    #[must_use]
    pub fn covering(&self, position: u64) -> Option<(usize, &Segment)> {
        let index = self.list.partition_point(|segment| segment.base <= position).checked_sub(1)?;
        let segment = self.list.get(index)?;
        (position < segment.end()).then_some((index, segment))
    }

    /// Bytes allocated by the file system, and apparent length, of all segments.
    #[must_use]
    pub fn bytes(&self) -> (u64, u64) {
        self.list
            .iter()
            .fold((0, 0), |(allocated, len), segment| (allocated + segment.allocated, len + segment.len))
    }
}

/// The length above 0 that comes most often, in bytes; of several the longest.
pub fn most_common(lengths: impl Iterator<Item = u64>) -> Option<u64> {
    let mut counts = std::collections::BTreeMap::new();
    for len in lengths.filter(|len| *len > 0) {
        *counts.entry(len).or_insert(0_usize) += 1;
    }
    counts.into_iter().max_by_key(|(_, count)| *count).map(|(len, _)| len)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn file(dir: &Path, name: &str, len: u64) {
        std::fs::create_dir_all(dir).unwrap();
        std::fs::File::create(dir.join(name)).unwrap().set_len(len).unwrap();
    }

    #[test]
    fn several_directories_make_one_sequence_with_its_gaps() {
        let root = tempfile::tempdir().unwrap();
        let dirs = [root.path().join("one"), root.path().join("two"), root.path().join("absent")];
        file(&dirs[0], "00000000000000000000", 100);
        file(&dirs[1], "00000000000000000100", 100);
        file(&dirs[0], "00000000000000000300", 100);
        let segments = Segments::list(&dirs, None).unwrap();
        assert_eq!(segments.list.iter().map(|segment| segment.base).collect::<Vec<_>>(), [0, 100, 300]);
        assert_eq!(segments.gaps(), 1);
        assert_eq!(segments.covering(199).unwrap().0, 1);
        assert_eq!(segments.covering(250), None);
        assert_eq!(segments.bytes(), (0, 300));
    }

    #[test]
    fn what_is_no_segment_is_told_apart_and_left_out() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().to_owned();
        file(&dir, "00000000000000000000", 100);
        file(&dir, "00000000000000000100", 100);
        file(&dir, "00000000000000000200", 99);
        file(&dir, "00000000000000000300", 0);
        file(&dir, ".nfs0001", 100);
        std::fs::create_dir(dir.join("compacting")).unwrap();
        std::os::unix::fs::symlink(dir.join(".nfs0001"), dir.join("00000000000000000400")).unwrap();
        let segments = Segments::list(&[dir], None).unwrap();
        assert_eq!(segments.list.len(), 2);
        let reasons: Vec<_> = segments.invalid.iter().map(|file| file.reason).collect();
        assert_eq!(
            reasons,
            [
                InvalidReason::ForeignName,
                InvalidReason::WrongLength,
                InvalidReason::Empty,
                InvalidReason::NotAFile,
                InvalidReason::Directory
            ]
        );
    }
}
