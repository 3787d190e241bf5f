//! The files of one consume queue: `consumequeue/<topic>/<queue>/<20 digits>`.
//!
//! A listing costs one `stat` a file. Files never change their length after creation, so as long as the directory's own time
//! stamp stands still the listing of the pass before still holds, and a quiet queue costs one `stat` in all.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::StoreError;
use crate::format::segment_name;

/// When a directory was last changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stamp {
    seconds: i64,
    nanos: i64,
}

impl Stamp {
    /// The stamp of a directory, as of `metadata`.
    #[must_use]
    pub fn of(metadata: &Metadata) -> Self {
        Self { seconds: metadata.mtime(), nanos: metadata.mtime_nsec() }
    }

    /// Whether the directory may have changed again after it was listed without a new stamp: stamps move with the kernel's
    /// clock tick, so one that was fresh at the listing proves nothing (git's "racily clean" rule).
    #[must_use]
    pub fn is_racy(self, listed_at_seconds: i64) -> bool {
        listed_at_seconds - self.seconds <= 1
    }
}

/// What lies in one queue's directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct QueueFiles {
    /// Number of files with a position as their name and the length that most have.
    pub count: u32,
    /// Position of the first file; 0 without files.
    pub first_base: u64,
    /// Position of the last file; 0 without files.
    pub last_base: u64,
    /// Length of the files in bytes; 0 without files.
    pub file_len: u64,
    /// Bytes allocated by the file system for all files.
    pub allocated: u64,
    /// Entries with a foreign name or another length, links, pipes.
    pub invalid: u32,
    /// Whether a file is missing between the first and the last.
    pub has_gap: bool,
}

impl QueueFiles {
    /// Lists `dir`. Sub-directories are not counted (the broker skips them from 5.1.0 on).
    ///
    /// # Errors
    /// What the system said of the directory.
    pub fn list(dir: &Path) -> Result<Self, StoreError> {
        let mut files = Self::default();
        let mut found = Vec::new();
        for entry in std::fs::read_dir(dir).map_err(|error| StoreError::io(dir, error))? {
            let entry = entry.map_err(|error| StoreError::io(dir, error))?;
            let metadata = match entry.metadata() {
                Ok(metadata) => metadata,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(StoreError::io(dir, error)),
            };
            if metadata.is_dir() {
                continue;
            }
            match entry.file_name().to_str().and_then(segment_name::parse) {
                Some(base) if metadata.is_file() && metadata.len() > 0 => found.push((base, metadata)),
                _ => files.invalid += 1,
            }
        }
        files.file_len = usual_len(&found);
        let mut bases = (u64::MAX, 0);
        for (base, metadata) in found {
            if metadata.len() != files.file_len {
                files.invalid += 1;
                continue;
            }
            files.count += 1;
            files.allocated += metadata.blocks().saturating_mul(512);
            bases = (bases.0.min(base), bases.1.max(base));
        }
        if files.count > 0 {
            (files.first_base, files.last_base) = bases;
            let span = (files.last_base - files.first_base) / files.file_len + 1;
            files.has_gap = span != u64::from(files.count);
        }
        Ok(files)
    }

    /// Bytes that the files seem to have, sparse or not.
    #[must_use]
    pub fn apparent(&self) -> u64 {
        self.file_len * u64::from(self.count)
    }
}

/// The length that most files have, whatever their order; of several that of the first position.
fn usual_len(found: &[(u64, Metadata)]) -> u64 {
    let Some(((_, first), others)) = found.split_first() else { return 0 };
    if others.iter().all(|(_, metadata)| metadata.len() == first.len()) {
        return first.len();
    }
    let mut lens: BTreeMap<u64, (usize, Reverse<u64>)> = BTreeMap::new();
    for (base, metadata) in found {
        let (count, lowest) = lens.entry(metadata.len()).or_insert((0, Reverse(*base)));
        *count += 1;
        *lowest = (*lowest).max(Reverse(*base));
    }
    lens.into_iter().max_by_key(|(_, votes)| *votes).map_or(0, |(len, _)| len)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_tells_files_gaps_and_what_does_not_belong() {
        let dir = tempfile::tempdir().unwrap();
        for (name, len) in [
            ("00000000000000000000", 600),
            ("00000000000000000600", 600),
            ("00000000000000001800", 600),
            ("00000000000000002400", 0),
            (".nfs01", 600),
        ] {
            std::fs::File::create(dir.path().join(name)).unwrap().set_len(len).unwrap();
        }
        std::fs::create_dir(dir.path().join("sub")).unwrap();
        let files = QueueFiles::list(dir.path()).unwrap();
        assert_eq!((files.count, files.first_base, files.last_base, files.invalid), (3, 0, 1800, 2));
        assert!(files.has_gap);
        assert_eq!(files.apparent(), 1800);
    }

    #[test]
    fn the_length_that_most_files_have_does_not_depend_on_their_order() {
        // Directories list in no order of names; on many file systems new entries come first or last.
        for reverse in [false, true] {
            for (files, len, invalid) in [
                (vec![(0, 300), (600, 600), (1200, 600)], 600, 1),
                (vec![(0, 300), (600, 600)], 300, 1),
                (vec![(0, 600), (600, 300), (1200, 300), (1800, 600)], 600, 2),
            ] {
                let dir = tempfile::tempdir().unwrap();
                let mut made: Vec<(u64, u64)> = files;
                if reverse {
                    made.reverse();
                }
                for (base, len) in made {
                    std::fs::File::create(dir.path().join(format!("{base:020}")))
                        .unwrap()
                        .set_len(len)
                        .unwrap();
                }
                let files = QueueFiles::list(dir.path()).unwrap();
                assert_eq!((files.file_len, files.invalid), (len, invalid));
            }
        }
    }
}
