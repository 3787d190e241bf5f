//! Where the log ends, and how far behind it the consume queues are.
//!
//! The end of the log is written nowhere: it is behind the last record that fits its place. It is found once, beginning at the
//! newest message that a consume queue points at, and then followed record by record, so that a pass costs what was written
//! since the one before. Both walks stop at a number of records; the next pass goes on from there.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::format::ledger_entry::LEDGER_HEADER_LEN;
use crate::format::message::Message;
use crate::label::label_set;
use crate::store::StoreError;
use crate::store::layout::LogKind;
use crate::store::log_frame::{LogFrame, Record};
use crate::store::mapping::MappedFile;
use crate::store::segments::{Segment, Segments};
use crate::store::source::{ByteSource, StoreFile};
use crate::units::EpochMillis;

/// How segments are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ReadMode {
    /// Through a mapping, and where that cannot be made with `pread`.
    #[default]
    Auto,
    /// With `pread` alone.
    Pread,
}

label_set! {
    /// What stands behind the last record.
    pub enum TailState {
        /// There is no record at all.
        Empty = "empty",
        /// Zeros, as after every orderly write.
        Clean = "clean",
        /// Bytes that are no record, in two passes at the same place.
        Torn = "torn",
    }
}

/// Where the log ended when the broker had loaded it. What a start cuts off stays in the file until it is written over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadedEnd {
    /// Exclusive end of the log then.
    pub end: i64,
    /// When that was.
    pub at: EpochMillis,
}

impl LoadedEnd {
    /// Whether a record was there before, behind the end. One that dispatch has reached is in the log again: a replica gets
    /// records of its master with the times of that one.
    fn has_cut(self, position: u64, record: &Record, dispatched_to: Option<u64>) -> bool {
        u64::try_from(self.end).is_ok_and(|end| position >= end)
            && record.stored_at < self.at
            && dispatched_to.is_none_or(|to| position >= to)
    }
}

/// The end of one log, followed.
#[derive(Debug, Clone, Default)]
pub struct LogEnd {
    loaded: Option<LoadedEnd>,
    position: Option<u64>,
    last: Option<(u64, Record)>,
    bad_at: Option<u64>,
    is_torn: bool,
    is_at_end: bool,
}

/// Records looked at in one pass, at most.
const RECORDS_PER_PASS: u32 = 200_000;

/// Bytes of a record that are copied for its topic, at most (upstream `maxMessageSize` is 4 MiB).
const MAX_RECORD: u64 = 8 << 20;

impl LogEnd {
    /// Exclusive end of the last record, once the walk has come to it.
    #[must_use]
    pub fn position(&self) -> Option<u64> {
        self.position.filter(|_| self.is_at_end)
    }

    /// Whether the walk has come to the end.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.is_at_end
    }

    /// What stands behind the end.
    #[must_use]
    pub fn tail(&self) -> Option<TailState> {
        self.is_at_end.then_some(if self.is_torn {
            TailState::Torn
        } else if self.last.is_none() {
            TailState::Empty
        } else {
            TailState::Clean
        })
    }

    /// When the newest message was stored.
    #[must_use]
    pub fn newest(&self) -> Option<EpochMillis> {
        self.last.map(|(_, record)| record.stored_at)
    }

    /// Index of the newest entry, in DLedger mode.
    #[must_use]
    pub fn ledger_index(&self) -> Option<i64> {
        self.last.and_then(|(_, record)| record.ledger_index)
    }

    /// Moves to the end as it is now. `dispatched_to` is the end of the newest message that a consume queue points at: a good
    /// place to begin. `loaded` is what the broker's last start said; not for DLedger, where it is the committed position.
    ///
    /// # Errors
    /// The segment that could not be read.
    pub fn follow(
        &mut self,
        segments: &Segments,
        kind: LogKind,
        dispatched_to: Option<u64>,
        loaded: Option<LoadedEnd>,
        mode: ReadMode,
    ) -> Result<(), StoreError> {
        let loaded = loaded.filter(|_| kind != LogKind::DLedger);
        let is_cut =
            |at: u64, record: &Record| loaded.is_some_and(|loaded| loaded.has_cut(at, record, dispatched_to));
        let was_cut = loaded != self.loaded && self.last.is_some_and(|(at, record)| is_cut(at, &record));
        if was_cut || !self.holds(segments, kind, mode)? {
            *self = Self { position: first_look(segments, kind, dispatched_to, mode)?, ..Self::default() };
        }
        self.loaded = loaded;
        let Some(mut position) = self.position else {
            self.is_at_end = true;
            return Ok(());
        };
        self.is_at_end = false;
        let mut left = RECORDS_PER_PASS;
        let mut bad_at = None;
        while let Some((_, segment)) = segments.covering(position) {
            let open = OpenSegment::open(segment, mode)?;
            let mut next_segment = false;
            while position < segment.end() {
                if left == 0 {
                    self.position = Some(position);
                    return Ok(());
                }
                left -= 1;
                match open.frame(kind, segment, position - segment.base)? {
                    LogFrame::Record(record) if is_cut(position, &record) => break,
                    LogFrame::Record(record) if follows(self.last.as_ref(), &record) => {
                        self.last = Some((position, record));
                        position += record.len;
                    }
                    LogFrame::Blank => {
                        next_segment = true;
                        position = segment.end();
                    }
                    LogFrame::End => break,
                    LogFrame::Record(_) | LogFrame::Bad => {
                        bad_at = Some(position);
                        break;
                    }
                }
            }
            if position < segment.end() || (!next_segment && segments.covering(position).is_none()) {
                break;
            }
        }
        self.is_torn = bad_at.is_some() && bad_at == self.bad_at;
        self.bad_at = bad_at;
        self.position = Some(position);
        self.is_at_end = true;
        Ok(())
    }

    /// Whether the record before the end still stands where it stood, and the end is behind it or where a segment begins or ends: one
    /// that was longer for a while has moved the end to nowhere.
    fn holds(&self, segments: &Segments, kind: LogKind, mode: ReadMode) -> Result<bool, StoreError> {
        let Some((at, last)) = &self.last else { return Ok(false) };
        let Some((_, segment)) = segments.covering(*at) else { return Ok(false) };
        let is_end = |position: u64| {
            position == at + last.len
                || position == segment.end()
                || segments.list.iter().any(|segment| segment.base == position)
        };
        if !self.position.is_some_and(is_end) {
            return Ok(false);
        }
        let frame = OpenSegment::open(segment, mode)?.frame(kind, segment, at - segment.base)?;
        Ok(frame == LogFrame::Record(*last))
    }
}

fn follows(last: Option<&(u64, Record)>, next: &Record) -> bool {
    match (last.and_then(|(_, record)| record.ledger_index), next.ledger_index) {
        (Some(last), Some(next)) => last.checked_add(1) == Some(next),
        _ => true,
    }
}

/// Where to begin: at the newest dispatched message if the log knows it, else at the last segment that holds a record.
fn first_look(
    segments: &Segments,
    kind: LogKind,
    dispatched_to: Option<u64>,
    mode: ReadMode,
) -> Result<Option<u64>, StoreError> {
    for (index, segment) in segments.list.iter().enumerate().rev() {
        let open = OpenSegment::open(segment, mode)?;
        match open.frame(kind, segment, 0)? {
            LogFrame::Record(_) => {
                if let Some(position) = dispatched_to.filter(|to| *to > segment.base && *to < segment.end()) {
                    let there = open.frame(kind, segment, position - segment.base)?;
                    // The end of one record is the start of the next; only there the bytes can be trusted to be one.
                    if matches!(there, LogFrame::Record(_)) {
                        return Ok(Some(position));
                    }
                }
                return Ok(Some(segment.base));
            }
            // A segment that was made ahead of its use; the end may be the end of the one before it.
            LogFrame::End if index > 0 => {}
            LogFrame::End | LogFrame::Blank | LogFrame::Bad => return Ok(Some(segment.base)),
        }
    }
    Ok(None)
}

/// How far dispatch is behind the end of the log.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DispatchLag {
    /// Bytes from the oldest message that should have a unit and has none to the end of the log.
    pub bytes: u64,
    /// When that message was stored; `None` if there is none.
    pub oldest: Option<EpochMillis>,
    /// Bytes of such messages by topic, of the first [`TOPICS_OF_RECORDS`] records.
    pub by_topic: BTreeMap<String, u64>,
}

/// Records without a unit whose topic is looked up in one pass, at most.
pub const TOPICS_OF_RECORDS: u32 = 2_000;

/// Measures how far the newest dispatched message (`dispatched_to`, exclusive end; `None` if there is none) is behind `end`.
/// Records without a unit (prepared and rolled back transactions) are no lag.
///
/// # Errors
/// The segment that could not be read.
pub fn dispatch_lag(
    segments: &Segments,
    kind: LogKind,
    dispatched_to: Option<u64>,
    end: u64,
    mode: ReadMode,
) -> Result<DispatchLag, StoreError> {
    let min = segments.list.first().map_or(0, |segment| segment.base);
    let mut position = dispatched_to.unwrap_or(min).max(min);
    let mut lag = DispatchLag::default();
    let mut records = 0;
    while position < end
        && let Some((_, segment)) = segments.covering(position)
    {
        let open = match OpenSegment::open(segment, mode) {
            Err(error) if error.is_gone() => return Ok(lag),
            open => open?,
        };
        while position < segment.end().min(end) {
            let record = match open.frame(kind, segment, position - segment.base)? {
                LogFrame::Record(record) => record,
                LogFrame::Blank => {
                    position = segment.end();
                    continue;
                }
                // Not a place where a record begins: how much is behind can be told, how old it is cannot.
                LogFrame::End | LogFrame::Bad => {
                    lag.bytes = lag.bytes.max(end - position);
                    return Ok(lag);
                }
            };
            records += 1;
            if record.has_unit {
                lag.bytes = lag.bytes.max(end - position);
                lag.oldest = lag.oldest.or(Some(record.stored_at));
                let topic = open.topic(kind, segment, position - segment.base, &record)?;
                *lag.by_topic.entry(topic.unwrap_or_default()).or_default() += record.len;
            }
            let limit = if lag.bytes > 0 { TOPICS_OF_RECORDS } else { RECORDS_PER_PASS };
            if records >= limit {
                return Ok(lag);
            }
            position += record.len;
        }
    }
    Ok(lag)
}

/// The oldest record of the log.
///
/// # Errors
/// The segment that could not be read.
pub fn first_record(segments: &Segments, kind: LogKind) -> Result<Option<Record>, StoreError> {
    let Some(segment) = segments.list.first() else { return Ok(None) };
    let open = match OpenSegment::open(segment, ReadMode::Pread) {
        Err(error) if error.is_gone() => return Ok(None),
        open => open?,
    };
    match open.frame(kind, segment, 0)? {
        LogFrame::Record(record) => Ok(Some(record)),
        _ => Ok(None),
    }
}

enum OpenSegment {
    Mapped(MappedFile),
    Read(StoreFile),
}

impl OpenSegment {
    fn open(segment: &Segment, mode: ReadMode) -> Result<Self, StoreError> {
        let file = StoreFile::open(&segment.path)?;
        Ok(match mode {
            ReadMode::Auto => MappedFile::new(&file).map_or(Self::Read(file), Self::Mapped),
            ReadMode::Pread => Self::Read(file),
        })
    }

    /// Topic of the record `at` bytes into the segment.
    fn topic(
        &self,
        kind: LogKind,
        segment: &Segment,
        at: u64,
        record: &Record,
    ) -> Result<Option<String>, StoreError> {
        let mut bytes = vec![0; usize::try_from(record.len.min(MAX_RECORD)).unwrap_or_default()];
        let read = match self {
            Self::Mapped(source) => source.read_at(at, &mut bytes),
            Self::Read(source) => source.read_at(at, &mut bytes),
        };
        match read {
            Ok(read) => bytes.truncate(read),
            Err(error) => return Err(StoreError::io(&segment.path, error)),
        }
        let head = if kind == LogKind::DLedger { LEDGER_HEADER_LEN } else { 0 };
        let message = bytes.get(head..).and_then(|bytes| Message::decode(bytes).ok());
        Ok(message.and_then(|message| message.topic_str().map(str::to_owned)))
    }

    fn frame(&self, kind: LogKind, segment: &Segment, at: u64) -> Result<LogFrame, StoreError> {
        fn read<S: ByteSource>(
            kind: LogKind,
            source: &S,
            segment: &Segment,
            at: u64,
        ) -> Result<LogFrame, StoreError> {
            LogFrame::read(kind, source, segment.base, segment.len, at)
                .map_err(|error| StoreError::io(&segment.path, error))
        }
        match self {
            Self::Mapped(source) => read(kind, source, segment, at),
            Self::Read(source) => read(kind, source, segment, at),
        }
    }
}
