//! The files that a log was rotated into.
//!
//! Upstream: logback's `FixedWindowRollingPolicy` with `otherdays/store.%i.log.gz`; index 1 is the newest, and each rotation
//! renames all of them. Seen of real brokers: the `.gz` is written while `store.log` is still there and open, then `store.log`
//! is unlinked and created anew. Other appenders (and other people's settings) rename without compressing, or compress later.
//! With `isolateLogEnable` on 4.9.x the directory `otherdays` lies beside the log directory and holds one of the same name.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::FollowError;
use super::identity::{FileId, FileMark};
use super::source::{Source, identity};

/// Newest rotated files that are looked at. Upstream keeps 10, at most 20.
const MAX_FILES: usize = 32;
/// Looks at a directory that changes all the time before giving up until the next poll.
const MAX_LOOKS: usize = 3;

/// The live file of a log and its rotated ones, all open, as they stood at one moment.
#[derive(Debug)]
pub(super) struct Snapshot {
    /// The file that is being written, if there is one.
    pub(super) live: Option<Source>,
    /// Rotated files, newest first.
    pub(super) old: Vec<Source>,
}

/// Opens all files of a log. Holding them open makes the renames of later rotations harmless; those of the meantime are
/// noticed by a second look. `None` if there is no quiet moment.
pub(super) fn open_all(live: &Path) -> Result<Option<Snapshot>, FollowError> {
    for _ in 0..MAX_LOOKS {
        let before = names(live)?;
        let mut snapshot = Snapshot { live: Source::open(live)?, old: Vec::new() };
        let mut same = true;
        for (path, id) in &before {
            match Source::open(path) {
                Ok(Some(source)) if source.id == *id => snapshot.old.push(source),
                Ok(_) => same = false,
                // Somebody's directory or link of that name: not a log.
                Err(FollowError::NotAFile { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        if same && names(live)? == before && identity(live)? == snapshot.live.as_ref().map(|live| live.id) {
            snapshot.drop_copies_of_live()?;
            return Ok(Some(snapshot));
        }
    }
    Ok(None)
}

/// Rotated files, newest first; of a plain and a gzipped one with the same number the plain one, as the other may be in the making.
fn names(live: &Path) -> Result<Vec<(PathBuf, FileId)>, FollowError> {
    let mut found = BTreeMap::new();
    let (Some(dir), Some(stem)) = (live.parent(), live.file_stem().and_then(|stem| stem.to_str())) else {
        return Ok(Vec::new());
    };
    let beside = dir.parent().zip(dir.file_name()).map(|(parent, name)| parent.join("otherdays").join(name));
    for old in std::iter::once(dir.join("otherdays")).chain(beside) {
        let entries = match std::fs::read_dir(&old) {
            Ok(entries) => entries,
            Err(source) if source.kind() == std::io::ErrorKind::NotFound => continue,
            Err(source) => return Err(FollowError::List { path: old, source }),
        };
        for entry in entries {
            let entry = entry.map_err(|source| FollowError::List { path: old.clone(), source })?;
            let name = entry.file_name();
            let Some(rest) = name.to_str().and_then(|name| name.strip_prefix(stem)?.strip_prefix('.')) else {
                continue;
            };
            let (number, packed) = match (rest.strip_suffix(".log"), rest.strip_suffix(".log.gz")) {
                (Some(number), _) => (number, false),
                (_, Some(number)) => (number, true),
                _ => continue,
            };
            let Some(number) = number.parse::<u32>().ok() else { continue };
            if let Some(id) = identity(&entry.path())? {
                found.insert((number, packed), (entry.path(), id));
            }
        }
        if !found.is_empty() {
            break;
        }
    }
    let mut names = Vec::new();
    let mut last = None;
    for ((number, _), file) in found {
        if last != Some(number) {
            last = Some(number);
            names.push(file);
        }
    }
    names.truncate(MAX_FILES);
    Ok(names)
}

impl Snapshot {
    /// While logback compresses the live file, its copy is a rotated file already: reading both would read lines twice.
    /// A head shorter than a fingerprint is the whole of what can be read of a copy, so a prefix is proof enough.
    fn drop_copies_of_live(&mut self) -> Result<(), FollowError> {
        let Some(live) = &self.live else { return Ok(()) };
        let (head, mut kept) = (live.head()?, Vec::new());
        for old in self.old.drain(..) {
            if !head.starts_with(&old.head()?) {
                kept.push(old);
            }
        }
        self.old = kept;
        Ok(())
    }

    /// Where a remembered file is among the rotated ones: the same inode with the same first bytes, or the same first bytes
    /// in a file that is long enough.
    pub(super) fn find_old(&self, mark: &FileMark, read: u64) -> Result<Option<usize>, FollowError> {
        let mut alike = None;
        for (index, old) in self.old.iter().enumerate() {
            if !mark.first.fits(&old.head()?) || !old.holds(read)? {
                continue;
            }
            if old.id == mark.id {
                return Ok(Some(index));
            }
            if alike.is_none() && !mark.first.is_empty() {
                alike = Some(index);
            }
        }
        Ok(alike)
    }
}
