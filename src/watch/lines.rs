//! The logs of one broker as one stream of events.
//!
//! Each log is handed on in its own order; between logs there is no order finer than the second that lines carry.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::format::log_line::{Level, LineSplitter, LogLine, RawLine};
use crate::units::EpochMillis;

use super::FollowError;
use super::archive::open_all;
use super::follower::{FilePosition, Follower, Progress};
use super::last_start::{Found, LastStart, read_to_its_end};
use super::matcher::Matcher;
use super::occurrence::{LogFile, MAX_TEXT_LEN, Occurrence};
use super::source::Source;

/// Bytes that one poll reads, at most about.
pub const MAX_POLL_BYTES: u64 = 1024 * 1024;
/// Rotated files in which the lines of the last start are looked for in the logs beside store.log.
const MAX_OLD_FILES: usize = 3;

/// Where a tail stands; saved by the caller, given back after a restart.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TailPosition {
    store: Option<FilePosition>,
    storeerror: Option<FilePosition>,
    broker_default: Option<FilePosition>,
    /// Lines from before this are not told.
    since: Option<EpochMillis>,
}

impl TailPosition {
    fn of(&self, log: LogFile) -> Option<&FilePosition> {
        match log {
            LogFile::Store => self.store.as_ref(),
            LogFile::StoreError => self.storeerror.as_ref(),
            LogFile::BrokerDefault => self.broker_default.as_ref(),
        }
    }
}

/// What one log has given since the tail was made.
#[derive(Debug, Default)]
pub struct LogStats {
    /// Lines by level, in the order of [`Level::ALL`].
    pub lines: [u64; 5],
    /// Lines of stack traces.
    pub continuation_lines: u64,
    /// Lines that are neither of the form expected nor part of a stack trace.
    pub unparsed_lines: u64,
    /// New files that took the place of the one that was read.
    pub rotations: u64,
    /// Times that the place to go on was not found again.
    pub lost_track: u64,
    /// Bytes that are there and not yet read.
    pub unread_bytes: u64,
    /// When the last line was written.
    pub last_line_at: Option<EpochMillis>,
    /// What the last poll met; `None` if all was well. An absent log is well.
    pub last_error: Option<FollowError>,
}

/// What one poll did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PollReport {
    /// Bytes read.
    pub bytes: u64,
    /// Events told.
    pub occurrences: u64,
    /// Whether everything that can be read has been; if not, poll again soon. A log that cannot be read is no reason for haste.
    pub caught_up: bool,
    /// Logs that could not be read; see their [`LogStats::last_error`].
    pub failed_logs: u32,
}

/// How far one log is.
#[derive(Debug)]
enum Stage {
    /// The last start is looked for (store.log only).
    Locating(LastStart),
    /// Waits until store.log has told when the last start was.
    Waiting,
    /// Is read.
    Following(Follower),
}

#[derive(Debug)]
struct Channel {
    log: LogFile,
    stage: Stage,
    /// Whether a line of since the last start has been read: what comes behind it is of later, whatever a clock that was set back
    /// makes it say.
    has_reached_start: bool,
    lines: LineSplitter,
    stats: LogStats,
}

/// Follows store.log, storeerror.log and broker_default.log of one broker.
#[derive(Debug)]
pub struct LogTail {
    dir: std::path::PathBuf,
    since: Option<EpochMillis>,
    channels: [Channel; 3],
}

impl LogTail {
    /// Follows the logs in `dir` from where `saved` says on. Without it, from the begin of the broker's last start on.
    #[must_use]
    pub fn new(dir: &Path, saved: Option<TailPosition>) -> Self {
        let saved = saved.unwrap_or_default();
        let channels = LogFile::ALL.map(|log| {
            let stage = match (saved.of(log), log) {
                (Some(position), _) => Stage::Following(Follower::new(&path_of(dir, log), position.clone())),
                (None, LogFile::Store) => Stage::Locating(LastStart::new(&path_of(dir, log))),
                (None, _) => Stage::Waiting,
            };
            let has_reached_start = matches!(stage, Stage::Following(_));
            Channel {
                log,
                stage,
                has_reached_start,
                lines: LineSplitter::default(),
                stats: LogStats::default(),
            }
        });
        Self { dir: dir.to_owned(), since: saved.since, channels }
    }

    /// Where to go on after a restart.
    #[must_use]
    pub fn position(&self) -> TailPosition {
        let of = |log: usize| match &self.channels.get(log)?.stage {
            Stage::Following(follower) => Some(follower.position()),
            Stage::Locating(_) | Stage::Waiting => None,
        };
        TailPosition { store: of(0), storeerror: of(1), broker_default: of(2), since: self.since }
    }

    /// Figures of one log.
    #[must_use]
    pub fn stats(&self, log: LogFile) -> &LogStats {
        let [store, error, default] = &self.channels;
        match log {
            LogFile::Store => &store.stats,
            LogFile::StoreError => &error.stats,
            LogFile::BrokerDefault => &default.stats,
        }
    }

    /// Reads what is new, at most about [`MAX_POLL_BYTES`], and hands the known events to `sink`.
    pub fn poll(&mut self, sink: &mut dyn FnMut(Occurrence)) -> PollReport {
        let mut report = PollReport { caught_up: true, ..PollReport::default() };
        let mut budget = MAX_POLL_BYTES;
        for channel in &mut self.channels {
            let before = budget;
            let path = path_of(&self.dir, channel.log);
            let progress = channel.poll(&path, &mut self.since, &mut budget, &mut |occurrence| {
                report.occurrences += 1;
                sink(occurrence);
            });
            report.bytes += before - budget;
            report.caught_up &= progress.at_end || progress.error.is_some();
            report.failed_logs += u32::from(progress.error.is_some());
            channel.stats.last_error = progress.error;
            if let Stage::Following(follower) = &channel.stage {
                channel.stats.rotations = follower.rotations();
                channel.stats.lost_track = follower.lost_track();
            }
            channel.stats.unread_bytes = match &channel.stage {
                Stage::Following(follower) => follower.unread(),
                Stage::Locating(search) => search.unread(),
                Stage::Waiting => 0,
            };
            if matches!(channel.stage, Stage::Locating(_)) {
                // The others are read from the instant on that is looked for here.
                break;
            }
        }
        report
    }
}

fn path_of(dir: &Path, log: LogFile) -> std::path::PathBuf {
    dir.join(log.id()).with_extension("log")
}

impl Channel {
    fn poll(
        &mut self,
        path: &Path,
        since: &mut Option<EpochMillis>,
        budget: &mut u64,
        sink: &mut dyn FnMut(Occurrence),
    ) -> Progress {
        let failed = |error| Progress { error: Some(error), ..Progress::default() };
        if let Stage::Locating(search) = &mut self.stage {
            match search.go_on(budget) {
                Ok(Found::NotYet) => return Progress::default(),
                Ok(Found::At(position)) => self.stage = Stage::Following(Follower::new(path, position)),
                Err(error) => return failed(error),
            }
        }
        if let Stage::Waiting = self.stage {
            match position_at(path, *since) {
                Ok(Some(position)) => self.stage = Stage::Following(Follower::new(path, position)),
                Ok(None) => return Progress::default(),
                Err(error) => return failed(error),
            }
        }
        let Stage::Following(follower) = &mut self.stage else { return Progress::default() };
        let (log, lines, stats) = (self.log, &mut self.lines, &mut self.stats);
        let has_reached_start = &mut self.has_reached_start;
        let progress = follower.poll(*budget, |line| {
            let entry = match lines.split(line) {
                RawLine::Entry(entry) => entry,
                RawLine::Continuation(text) if is_of_a_stack_trace(text) => {
                    stats.continuation_lines += 1;
                    return;
                }
                RawLine::Continuation(_) => {
                    stats.unparsed_lines += 1;
                    return;
                }
            };
            // The first line of store.log says when the last start was.
            let since = *since.get_or_insert(entry.at);
            *has_reached_start |= entry.at >= since || log == LogFile::Store;
            if !*has_reached_start {
                return;
            }
            count(stats, &entry);
            if let Some(occurrence) = occurrence(log, &entry) {
                sink(occurrence);
            }
        });
        *budget = budget.saturating_sub(progress.bytes);
        progress
    }
}

fn count(stats: &mut LogStats, entry: &LogLine<'_>) {
    let [trace, debug, info, warn, error] = &mut stats.lines;
    *match entry.level {
        Some(Level::Trace) => trace,
        Some(Level::Debug) => debug,
        Some(Level::Warn) => warn,
        Some(Level::Error) => error,
        Some(Level::Info) | None => info,
    } += 1;
    stats.last_line_at = Some(entry.at);
}

/// The event that a line tells, if the catalogue knows it.
#[must_use]
pub fn occurrence(log: LogFile, entry: &LogLine<'_>) -> Option<Occurrence> {
    let row = Matcher::get().find(log, entry.text)?;
    let fact = row.fact.and_then(|kind| match std::str::from_utf8(entry.text) {
        Ok(text) => kind.read(text),
        Err(_) => kind.read(&String::from_utf8_lossy(entry.text)),
    });
    Some(Occurrence {
        event: row.event,
        at: entry.at,
        log,
        level: entry.level.unwrap_or(Level::Info),
        fact,
        phase: row.phase,
        releases: row.releases,
        text: bounded(entry.text),
    })
}

/// At most [`MAX_TEXT_LEN`] bytes of a text as UTF-8.
fn bounded(text: &[u8]) -> String {
    let text = text.get(..MAX_TEXT_LEN).unwrap_or(text);
    let mut text = match std::str::from_utf8(text) {
        Ok(text) => text.to_owned(),
        Err(_) => String::from_utf8_lossy(text).into_owned(),
    };
    let mut len = text.len().min(MAX_TEXT_LEN);
    while !text.is_char_boundary(len) {
        len -= 1;
    }
    text.truncate(len);
    text
}

/// `\tat …`, `Caused by: …`, `\t... 12 more`, `java.lang.RuntimeException: …`
fn is_of_a_stack_trace(line: &[u8]) -> bool {
    let name = line.split(|byte| matches!(byte, b':' | b' ')).next().unwrap_or_default();
    matches!(line.first(), Some(b'\t' | b' '))
        || line.starts_with(b"Caused by: ")
        || name.ends_with(b"Exception")
        || name.ends_with(b"Error")
}

/// Where to begin in a log to get its lines from `since` on: the newest file that has earlier lines, or the oldest that is looked at.
fn position_at(live: &Path, since: Option<EpochMillis>) -> Result<Option<FilePosition>, FollowError> {
    let Some(snapshot) = open_all(live)? else { return Ok(None) };
    let has_live = snapshot.live.is_some();
    let files: Vec<_> = snapshot.live.into_iter().chain(snapshot.old).collect();
    let mut position = match files.first() {
        Some(newest) if !has_live => read_to_its_end(newest)?,
        _ => FilePosition::default(),
    };
    let count = if since.is_some() { MAX_OLD_FILES } else { 0 } + usize::from(has_live);
    for (index, file) in files.iter().enumerate().take(count) {
        let head = file.head()?;
        let first =
            head.split(|byte| *byte == b'\n').find_map(|line| match LineSplitter::default().split(line) {
                RawLine::Entry(entry) => Some(entry.at),
                RawLine::Continuation(_) => None,
            });
        let after = files.get(index + 1).map(Source::mark).transpose()?;
        position = FilePosition { file: Some(file.mark()?), line_at: 0, finished: false, after };
        if since.is_some_and(|since| first.is_some_and(|first| first < since)) {
            break;
        }
    }
    Ok(Some(position))
}
