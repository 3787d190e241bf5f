//! Follows one log as one stream of lines, over all that happens to its file.
//!
//! | what happens | how it is noticed | what is done |
//! |---|---|---|
//! | the file grows | bytes behind the last one read | read |
//! | it is renamed, or compressed and unlinked, and created anew | another inode behind the path | the open file is read to its end, then rotated files newer than it, then the new file |
//! | it is removed | no inode behind the path | the open file is read to its end, and kept until there is a new one |
//! | it is copied and truncated | shorter than what was read, or other first bytes | its copy among the rotated files is read from the same position on, then the file from its begin |
//! | its file system is mounted anew | another inode behind the path, with the first bytes of before | read on from the same position |
//! | the exporter was away | a saved position | the saved file is looked for by its first bytes: the live file, then the rotated ones |
//!
//! Not noticed: a file truncated without a copy and grown past the old position with the same first bytes; lines in a file that was
//! removed, truncated without a copy, or rotated out of existence before they were read. A file's last line counts only once
//! its line end is there, so an unfinished line at the end of a rotated file is dropped.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::FollowError;
use super::archive::{Snapshot, open_all};
use super::identity::{FileMark, Fingerprint};
use super::line_reader::{LineReader, Pumped};
use super::source::{Source, identity};

/// Where a follower stands; saved by the caller, given back after a restart.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilePosition {
    /// The file; `None` if there has been no file and no rotated one yet, so that all there will be is new.
    pub file: Option<FileMark>,
    /// Begin of the next line in it.
    pub line_at: u64,
    /// Whether the file is read to its end and will not grow.
    pub finished: bool,
    /// The newest file older than it; if the file is gone, what is newer than this one is new. `None` if there was none.
    pub after: Option<FileMark>,
}

/// What one poll did.
#[derive(Debug, Default)]
pub struct Progress {
    /// Bytes read.
    pub bytes: u64,
    /// Whether everything that is there has been read.
    pub at_end: bool,
    /// What went wrong, if something did; the next poll tries again.
    pub error: Option<FollowError>,
}

/// How a file's turn came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Live,
    Rotated,
}

/// Whether more may come behind what has been read of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Growth {
    Possible,
    Over,
}

#[derive(Debug)]
struct Current {
    source: Source,
    mark: FileMark,
    reader: LineReader,
    role: Role,
    after: Option<FileMark>,
}

impl Current {
    fn new(source: Source, role: Role, after: Option<FileMark>) -> Result<Self, FollowError> {
        Ok(Self { mark: source.mark()?, source, reader: LineReader::new(0), role, after })
    }

    fn position(&self, growth: Growth) -> FilePosition {
        let finished = growth == Growth::Over;
        FilePosition { file: Some(self.mark), line_at: self.reader.line_at(), finished, after: self.after }
    }

    /// Whether the file is no longer the one whose bytes have been read.
    fn is_rewritten(&self) -> Result<bool, FollowError> {
        Ok(self.source.len()? < self.reader.read_at() || !self.mark.first.fits(&self.source.head()?))
    }

    /// Takes the fingerprint again while the file is short.
    fn refresh(&mut self) -> Result<(), FollowError> {
        if self.mark.first.is_short() {
            let head = self.source.head()?;
            if self.mark.first.fits(&head) {
                self.mark.first = Fingerprint::of(&head);
            }
        }
        Ok(())
    }
}

/// Follows one log.
#[derive(Debug)]
pub struct Follower {
    live: PathBuf,
    /// Whether the files have been looked at for the first time.
    taken_up: bool,
    /// Where to go on as long as no line of the current file is finished: as given, later the end of the file before.
    before: FilePosition,
    current: Option<Current>,
    /// Files whose turn comes after the current one, oldest first; the live one is the last.
    waiting: VecDeque<Current>,
    rotations: u64,
    lost_track: u64,
}

impl Follower {
    /// Follows the log at `live` from `position` on; the default position reads all files that are there, oldest first.
    #[must_use]
    pub fn new(live: &Path, position: FilePosition) -> Self {
        Self {
            live: live.to_owned(),
            taken_up: false,
            before: position,
            current: None,
            waiting: VecDeque::new(),
            rotations: 0,
            lost_track: 0,
        }
    }

    /// Times that a new file took the place of the one that was read.
    #[must_use]
    pub fn rotations(&self) -> u64 {
        self.rotations
    }

    /// Times that the file in which to go on was not found, so that lines may have been missed.
    #[must_use]
    pub fn lost_track(&self) -> u64 {
        self.lost_track
    }

    /// Where to go on after a restart. Always the begin of a line; of a file of which no line is finished yet nothing is
    /// remembered, as its first bytes would not tell it from others.
    #[must_use]
    pub fn position(&self) -> FilePosition {
        self.position_as(Growth::Possible)
    }

    fn position_as(&self, growth: Growth) -> FilePosition {
        match &self.current {
            Some(current) if current.reader.line_at() > 0 => current.position(growth),
            _ => self.before.clone(),
        }
    }

    /// Bytes that are there and not yet read; of the live file and what waits before it.
    #[must_use]
    pub fn unread(&self) -> u64 {
        self.current
            .iter()
            .chain(&self.waiting)
            .map(|file| file.source.len().unwrap_or(0).saturating_sub(file.reader.read_at()))
            .sum()
    }

    /// Hands the lines that are there to `sink`, reading at most about `budget` bytes.
    pub fn poll<F: FnMut(&[u8])>(&mut self, budget: u64, mut sink: F) -> Progress {
        let mut progress = Progress::default();
        match self.advance(budget, &mut progress.bytes, &mut sink) {
            Ok(at_end) => progress.at_end = at_end,
            Err(error) => progress.error = Some(error),
        }
        progress
    }

    fn advance<F: FnMut(&[u8])>(
        &mut self,
        budget: u64,
        bytes: &mut u64,
        sink: &mut F,
    ) -> Result<bool, FollowError> {
        if !self.taken_up && !self.take_up()? {
            return Ok(false);
        }
        if let Some(current) = &self.current
            && current.role == Role::Live
        {
            let is_rewritten = match current.is_rewritten() {
                // Of a file system that is gone nothing can be read; what stands there now is looked at below.
                Err(_) if identity(&self.live)?.is_some_and(|id| id != current.source.id) => false,
                outcome => outcome?,
            };
            if is_rewritten && !self.follow_rewritten()? {
                return Ok(false);
            }
        }
        loop {
            // Before the read: nobody writes to the old file once the new one is there.
            let behind_path = identity(&self.live)?;
            let Some(current) = self.next_current()? else { return Ok(true) };
            let successor =
                current.role == Role::Live && behind_path.is_some_and(|id| id != current.source.id);
            let pumped =
                match current
                    .reader
                    .pump(&mut current.source, budget.saturating_sub(*bytes), |_, line| sink(line))
                {
                    Ok(pumped) => pumped,
                    Err(error) if current.role == Role::Rotated => {
                        // A damaged rotated file must not stop the stream for good.
                        self.finish();
                        return Err(error);
                    }
                    // Its file system is gone, and another one stands there: the same file may go on in it.
                    Err(_) if successor => Pumped { bytes: 0, at_end: true },
                    Err(error) => return Err(error),
                };
            *bytes += pumped.bytes;
            match current.refresh() {
                Err(error) if !successor => return Err(error),
                _ => {}
            }
            if !pumped.at_end {
                return Ok(false);
            }
            match (current.role, successor) {
                (Role::Rotated, _) => self.finish(),
                (Role::Live, false) => return Ok(true),
                (Role::Live, true) => {
                    if !self.follow_rotated()? {
                        return Ok(false);
                    }
                }
            }
        }
    }

    /// The file to read from now: the current one, the next one, or the live one if it has come into being.
    fn next_current(&mut self) -> Result<Option<&mut Current>, FollowError> {
        if self.current.is_none() {
            if self.waiting.is_empty() && identity(&self.live)?.is_some() {
                self.take_up()?;
            }
            self.current = self.waiting.pop_front();
        }
        Ok(self.current.as_mut())
    }

    /// Ends the current file. One without a complete line is not worth remembering: nothing tells it from others.
    fn finish(&mut self) {
        if let Some(done) = self.current.take()
            && done.reader.line_at() > 0
        {
            self.before = done.position(Growth::Over);
        }
    }

    /// Finds the files in which to go on; `false` if they are being renamed just now.
    fn take_up(&mut self) -> Result<bool, FollowError> {
        let Some(snapshot) = open_all(&self.live)? else { return Ok(false) };
        let is_live = match (&self.before, &snapshot.live) {
            (FilePosition { file: Some(mark), finished: false, line_at, .. }, Some(live)) => {
                is_file(live, mark, *line_at)?
            }
            _ => false,
        };
        if is_live {
            self.waiting = line_up(snapshot, 0)?;
            if let Some(live) = self.waiting.front_mut() {
                live.reader = LineReader::new(self.before.line_at);
            }
        } else {
            let (waiting, found) = line_up_behind(snapshot, &self.before)?;
            self.waiting = waiting;
            self.lost_track += u64::from(!found && !self.before.finished);
        }
        self.taken_up = true;
        Ok(true)
    }

    /// The live file has been truncated or written anew: goes on in its copy if there is one, then in itself.
    fn follow_rewritten(&mut self) -> Result<bool, FollowError> {
        let Some(snapshot) = open_all(&self.live)? else { return Ok(false) };
        (self.waiting, _) = line_up_behind(snapshot, &self.position_as(Growth::Possible))?;
        self.rotations += 1;
        self.finish();
        Ok(true)
    }

    /// The current file is at its end and no longer the live one: goes on with the files that came after it.
    fn follow_rotated(&mut self) -> Result<bool, FollowError> {
        let Some(current) = &self.current else { return Ok(true) };
        let Some(snapshot) = open_all(&self.live)? else { return Ok(false) };
        if snapshot.live.as_ref().is_none_or(|live| live.id == current.source.id) {
            return Ok(false);
        }
        (self.waiting, _) = line_up_behind(snapshot, &self.position_as(Growth::Over))?;
        self.rotations += u64::try_from(self.waiting.len()).unwrap_or(0);
        self.finish();
        Ok(true)
    }
}

/// Whether `live` is the file that is remembered, grown or not.
fn is_file(live: &Source, mark: &FileMark, read: u64) -> Result<bool, FollowError> {
    Ok(live.id == mark.id && live.len()? >= read && mark.first.fits(&live.head()?))
}

/// Whether `live` is the file that is remembered, by its bytes alone: on a file system that was mounted anew it has another number.
fn is_same(live: Option<&Source>, mark: &FileMark, read: u64) -> Result<bool, FollowError> {
    match live {
        Some(live) if !mark.first.is_empty() => Ok(live.len()? >= read && mark.first.fits(&live.head()?)),
        _ => Ok(false),
    }
}

/// The newest `count` rotated files and the live one, in the order in which they were written.
fn line_up(snapshot: Snapshot, count: usize) -> Result<VecDeque<Current>, FollowError> {
    let mut after = snapshot.old.get(count).map(Source::mark).transpose()?;
    let mut files: Vec<_> = snapshot.old.into_iter().take(count).map(|old| (old, Role::Rotated)).collect();
    files.reverse();
    files.extend(snapshot.live.map(|live| (live, Role::Live)));
    files
        .into_iter()
        .map(|(source, role)| {
            let current = Current::new(source, role, after)?;
            after = Some(current.mark);
            Ok(current)
        })
        .collect()
}

/// What is to be read behind `position`: the rest of its file if that is a rotated one, all newer ones, and the live one. Also
/// says whether the file was found.
fn line_up_behind(
    snapshot: Snapshot,
    position: &FilePosition,
) -> Result<(VecDeque<Current>, bool), FollowError> {
    let all = snapshot.old.len();
    let Some(mark) = &position.file else { return Ok((line_up(snapshot, all)?, true)) };
    match snapshot.find_old(mark, position.line_at)? {
        Some(index) if position.finished => Ok((line_up(snapshot, index)?, true)),
        Some(index) => {
            let mut waiting = line_up(snapshot, index + 1)?;
            if let Some(first) = waiting.front_mut() {
                first.reader = LineReader::new(position.line_at);
            }
            Ok((waiting, true))
        }
        None if is_same(snapshot.live.as_ref(), mark, position.line_at)? => {
            let mut waiting = line_up(snapshot, 0)?;
            if let Some(live) = waiting.front_mut() {
                live.reader = LineReader::new(position.line_at);
            }
            Ok((waiting, true))
        }
        None => {
            let newer = match &position.after {
                None => all,
                Some(after) => snapshot.find_old(after, 0)?.unwrap_or(0),
            };
            Ok((line_up(snapshot, newer)?, false))
        }
    }
}
