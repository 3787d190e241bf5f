//! Finds where the broker's last start begins in its store.log.
//!
//! No single line is needed for that, as each may be missing: lines are ranked by the phase that they tell. A start begins at the
//! first line of the load phase behind a line of a later phase, at a first line of a process behind any line that is not one, and
//! at a fall back to an earlier part of the load (a broker killed while it loaded). The lines of the timer's
//! checkpoint that a process prints before `last shutdown …` are first lines of a process too.

use std::path::{Path, PathBuf};

use crate::format::log_line::{LineSplitter, RawLine};

use super::FollowError;
use super::archive::open_all;
use super::follower::FilePosition;
use super::identity::FileMark;
use super::line_reader::LineReader;
use super::matcher::Matcher;
use super::occurrence::{LogFile, PhaseHint};
use super::source::Source;

/// Rotated files that are searched for a start before giving up.
const MAX_OLD_FILES: usize = 3;

/// Tells at which lines a start begins, from one line to the next.
#[derive(Debug, Clone, Copy, Default)]
pub struct StartDetector {
    last: Option<PhaseHint>,
}

impl StartDetector {
    /// Whether a line with this hint begins a start. The first line of all does if it belongs to a load phase.
    pub fn begins(&mut self, phase: Option<PhaseHint>) -> bool {
        // A load that has failed prints lines of the load all the same before the process ends.
        let Some(phase) = phase.filter(|phase| *phase != PhaseHint::Failed) else { return false };
        let before = self.last.replace(phase);
        match before {
            None => phase.is_load(),
            Some(before) => phase.is_load() && phase < before,
        }
    }
}

#[derive(Debug)]
struct Search {
    source: Source,
    reader: LineReader,
    lines: LineSplitter,
    detector: StartDetector,
    first_phase: Option<PhaseHint>,
    /// The file before it.
    after: Option<FileMark>,
    found: Option<FilePosition>,
}

/// Looks through the live file, then through rotated ones, newest first, a bounded number of bytes at a time.
#[derive(Debug)]
pub(super) struct LastStart {
    live: PathBuf,
    /// Files to look through, the newest last; `None` before they have been opened.
    files: Option<Vec<Source>>,
    /// How many of them may still be looked through.
    left: usize,
    search: Option<Search>,
    /// A load phase that began in an earlier file, at the begin of this one.
    continued: Option<FilePosition>,
    /// Where to begin if there is no start at all.
    fallback: FilePosition,
}

/// What a search has come to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// More has to be read.
    NotYet,
    /// The begin of the last start, or of what there is.
    At(FilePosition),
}

impl LastStart {
    pub(super) fn new(live: &Path) -> Self {
        let fallback = FilePosition::default();
        Self { live: live.to_owned(), files: None, left: 0, search: None, continued: None, fallback }
    }

    /// Bytes not yet looked at in the file that is searched.
    pub(super) fn unread(&self) -> u64 {
        self.search
            .as_ref()
            .map_or(0, |search| search.source.len().unwrap_or(0).saturating_sub(search.reader.read_at()))
    }

    /// Goes on for about `budget` bytes, less what it takes off `budget`.
    pub(super) fn go_on(&mut self, budget: &mut u64) -> Result<Found, FollowError> {
        if self.files.is_none() {
            let Some(snapshot) = open_all(&self.live)? else { return Ok(Found::NotYet) };
            self.fallback = match (&snapshot.live, snapshot.old.first()) {
                (Some(live), newest) if live.len()? > 0 => {
                    let after = newest.map(Source::mark).transpose()?;
                    FilePosition { file: Some(live.mark()?), line_at: 0, finished: false, after }
                }
                (_, Some(newest)) => read_to_its_end(newest)?,
                _ => FilePosition::default(),
            };
            self.left = MAX_OLD_FILES + usize::from(snapshot.live.is_some());
            let mut files: Vec<_> = snapshot.live.into_iter().chain(snapshot.old).collect();
            files.reverse();
            self.files = Some(files);
        }
        loop {
            if self.search.is_none() {
                let next = self.files.as_mut().filter(|_| self.left > 0).and_then(Vec::pop);
                self.left = self.left.saturating_sub(1);
                let Some(source) = next else {
                    return Ok(Found::At(self.continued.take().unwrap_or_else(|| self.fallback.clone())));
                };
                let older = self.files.as_ref().and_then(|files| files.last());
                self.search = Some(Search {
                    after: older.map(Source::mark).transpose()?,
                    source,
                    reader: LineReader::new(0),
                    lines: LineSplitter::default(),
                    detector: StartDetector::default(),
                    first_phase: None,
                    found: None,
                });
            }
            let Some(search) = &mut self.search else { continue };
            let ended = match search.go_on(budget) {
                Ok(ended) => ended,
                // A damaged rotated file ends the way back.
                Err(_) if self.continued.is_some() => {
                    self.left = 0;
                    true
                }
                Err(error) => {
                    self.search = None;
                    return Err(error);
                }
            };
            if !ended {
                return Ok(Found::NotYet);
            }
            if let Some(found) = self.search.take().and_then(|search| self.judge(search)) {
                return Ok(Found::At(found));
            }
        }
    }

    /// What a file that has been looked through says.
    fn judge(&mut self, search: Search) -> Option<FilePosition> {
        let ends_in_load = search.detector.last.is_some_and(PhaseHint::is_load);
        if self.continued.is_some() && search.detector.last.is_some() && !ends_in_load {
            return self.continued.take();
        }
        let found = search.found?;
        if found.line_at == 0 && search.first_phase != Some(PhaseHint::Opening) {
            self.continued = Some(found);
            return None;
        }
        Some(found)
    }
}

impl Search {
    /// Whether the file's end is reached.
    fn go_on(&mut self, budget: &mut u64) -> Result<bool, FollowError> {
        let (mark, after) = (self.source.mark()?, self.after);
        let (lines, detector, found, first) =
            (&mut self.lines, &mut self.detector, &mut self.found, &mut self.first_phase);
        let pumped = self.reader.pump(&mut self.source, *budget, |line_at, line| {
            let RawLine::Entry(entry) = lines.split(line) else { return };
            let phase = Matcher::get().find(LogFile::Store, entry.text).and_then(|row| row.phase);
            let is_first = first.is_none() && phase.is_some();
            if is_first {
                *first = phase;
            }
            if detector.begins(phase) {
                // Whatever stands before a file's first telling line belongs to it.
                let line_at = if is_first { 0 } else { line_at };
                *found = Some(FilePosition { file: Some(mark), line_at, finished: false, after });
            }
        })?;
        *budget = budget.saturating_sub(pumped.bytes);
        Ok(pumped.at_end)
    }
}

/// A rotated file that nothing is wanted of.
pub(super) fn read_to_its_end(file: &Source) -> Result<FilePosition, FollowError> {
    Ok(FilePosition { file: Some(file.mark()?), line_at: file.len()?, finished: true, after: None })
}

#[cfg(test)]
mod tests {
    use super::*;
    use PhaseHint::{
        Failed, LoadOver, Loading, Opening, RecoveringCommitLog, RecoveringConsumeQueue, Running, Starting,
    };

    fn starts(phases: &[Option<PhaseHint>]) -> Vec<usize> {
        let mut detector = StartDetector::default();
        (0..phases.len()).filter(|index| detector.begins(phases[*index])).collect()
    }

    #[test]
    fn a_start_begins_once() {
        let whole = [
            Opening,
            Opening,
            Loading,
            RecoveringConsumeQueue,
            RecoveringCommitLog,
            LoadOver,
            Starting,
            Running,
        ];
        assert_eq!(starts(&whole.map(Some)), [0]);
        assert_eq!(starts(&[Some(Running), None, Some(Opening), None, Some(Loading)]), [2]);
    }

    #[test]
    fn the_first_lines_may_be_missing() {
        assert_eq!(starts(&[Running, Loading, Loading, LoadOver, Running].map(Some)), [1]);
        assert_eq!(starts(&[Running, LoadOver, Running].map(Some)), [1]);
    }

    #[test]
    fn a_failed_load_is_one_start() {
        assert_eq!(starts(&[Opening, Failed, Loading, LoadOver, Opening, Failed].map(Some)), [0, 4]);
    }

    #[test]
    fn a_broker_killed_while_it_loads_starts_again() {
        assert_eq!(starts(&[Opening, Loading, RecoveringConsumeQueue, Loading, LoadOver].map(Some)), [0, 3]);
        assert_eq!(starts(&[Opening, Loading, Opening, Loading].map(Some)), [0, 2]);
    }
}
