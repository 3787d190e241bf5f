//! One walk over the log, which dispatches into queues and index as the broker's recovery does (R5 to R9).
//!
//! With a memory it goes on where every message before already had its unit: those change nothing but numbers.
//!
//! Upstream: `CommitLog.recoverNormally`, `recoverAbnormally`; `DLedgerCommitLog.recoverNormally`, `recoverAbnormally`.

use std::ops::Range;
use std::sync::Arc;

use super::disk::{Disk, RecoveryError};
use super::file_list::{FileList, ListedFile};
use super::forecast::LogLine;
use super::index::Index;
use super::memory::{LastMessage, WalkMark};
use super::parse::{Cause, Checks, Parser};
use super::pieces::{Go, Met, Reading, Records};
use super::queue_table::QueueTable;
use super::record::{Names, Record};
use super::tally::Tally;
use crate::units::PhysicalOffset;

/// Which messages of a walk are dispatched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dispatch {
    /// None.
    Nothing,
    /// All.
    All,
    /// Those whose offset is above this one.
    Above(i64),
    /// Those that end at or below the confirm offset.
    UpTo(i64),
    /// Those that begin below the confirm offset.
    Below(i64),
}

impl Dispatch {
    fn takes(self, record: &Record) -> bool {
        let physical = record.physical;
        match self {
            Self::Nothing => false,
            Self::All => true,
            Self::Above(offset) => physical > offset,
            Self::UpTo(confirm) => physical.wrapping_add(i64::from(record.size)) <= confirm,
            Self::Below(confirm) => physical < confirm,
        }
    }

    /// Whether a message leaves all as it is, and will do so in a later walk too.
    fn is_settled(self, is_taken: bool, wants_unit: bool) -> bool {
        match self {
            Self::Nothing | Self::Above(_) if !is_taken => true,
            _ => is_taken && !wants_unit,
        }
    }

    /// Whether all that another one takes is taken.
    fn takes_all_of(self, other: Self) -> bool {
        match (self, other) {
            (Self::UpTo(now), Self::UpTo(then)) | (Self::Below(now), Self::Below(then)) => now >= then,
            _ => self == other,
        }
    }
}

/// Bytes of a record by which it is told from what was never written: its length and magic, in either order.
const BEGIN: i64 = 8;

/// How to walk.
#[derive(Debug, Clone, Copy)]
pub struct WalkPlan {
    /// Index of the segment to begin with.
    pub start: usize,
    /// How records stand in the log.
    pub records: Records,
    /// What is checked.
    pub checks: Checks,
    /// What is dispatched.
    pub dispatch: Dispatch,
    /// Stop at a message whose offset lies outside its segment.
    pub checks_offset: bool,
}

/// What a walk found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Walked {
    /// Where it began.
    pub from: i64,
    /// Where the messages end by the broker's count, which leaves out the heads of entries in the last segment.
    pub end: i64,
    /// Where they end in truth.
    pub true_end: i64,
    /// Start of the last message.
    pub last_start: i64,
    /// Exclusive end of the last message that was dispatched.
    pub last_dispatched_end: i64,
    /// Messages.
    pub messages: u64,
    /// Whether something stands behind them that is no record.
    pub is_torn: bool,
}

/// The messages that a walk met, by queue.
#[derive(Debug, Default)]
pub struct Walk {
    /// Topics and queue ids, numbered.
    pub names: Arc<Names>,
    /// Starts of the messages of each of them that should have a unit.
    pub starts: Vec<Tally>,
    /// What part of the log that is; absent where it cannot be told.
    pub range: Option<Range<i64>>,
    /// How records stand there.
    pub records: Option<Records>,
}

/// How far a walk has come in a segment.
#[derive(Debug, Clone, Copy)]
struct SoFar {
    walked: Walked,
    counted: i64,
    position: i64,
    last: Option<LastMessage>,
    is_noted: bool,
}

/// What a walk feeds.
#[derive(Debug)]
pub struct Replay<'r, 'a> {
    /// The store.
    pub disk: &'r Disk,
    /// How messages are read.
    pub parser: &'r Parser<'a>,
    /// The queues.
    pub queues: &'r mut QueueTable<'a>,
    /// The index.
    pub index: &'r mut Index,
    /// Whether messages get entries in it.
    pub builds_index: bool,
    /// Lines that the broker prints.
    pub log: &'r mut Vec<LogLine>,
}

impl Replay<'_, '_> {
    /// Walks from one segment to the end of the log, and notes what it meets.
    ///
    /// # Errors
    /// As [`Disk::bytes`].
    pub fn walk(
        &mut self,
        list: &FileList,
        plan: &WalkPlan,
        noted: &mut Walk,
    ) -> Result<Walked, RecoveryError> {
        let Some(first) = list.files.get(plan.start) else { return Ok(Walked::default()) };
        let mut slots = Vec::new();
        let (begin, mut from) = match self.marked(list, plan)? {
            Some((at, mark)) => (at, mark),
            None => (plan.start, self.unmarked(first, plan)),
        };
        let mut mark = None;
        let (mut walked, mut is_noted) = (from.walked, from.is_noted);
        let repeated_before = self.queues.counts.repeated;
        self.queues.counts.repeated += from.repeated;
        self.parser.note(from.longest);
        self.index.go_on_from(from.index_after);
        (noted.names, noted.starts) = (from.names.clone(), std::mem::take(&mut from.starts));
        for (at, file) in list.files.iter().enumerate().skip(begin) {
            let base = file.base;
            let (mut counted, mut position, mut last) = match at == begin {
                true => (from.counted, from.place, from.last),
                false => (0, 0, None),
            };
            let (mut is_filled, mut is_torn) = (false, false);
            let names = noted.names.clone();
            let reading = Reading::new(self.disk, self.parser, &names, plan.records, plan.checks);
            let mut keep = |walk: &Self, noted: &Walk, slots: &[Option<usize>], so_far: SoFar| {
                if walk.disk.memory.is_some() && mark.is_none() {
                    let ends = walk.ends(noted, slots);
                    mark = Some(WalkMark {
                        file: file.id,
                        place: so_far.position,
                        counted: so_far.counted,
                        last: so_far.last,
                        walked: so_far.walked,
                        longest: walk.parser.longest(),
                        is_noted: so_far.is_noted,
                        starts: noted.starts.clone(),
                        ends,
                        repeated: walk.queues.counts.repeated - repeated_before,
                        index_after: walk.index.end(),
                        ..from.clone()
                    });
                }
            };
            reading.segment(file, position..list.file_len, |place, met| match met {
                Met::Message(record, bytes) => {
                    let offset = record.physical;
                    if plan.checks_offset && (offset < base || offset > base + list.file_len) {
                        let text = format!("found illegal commitlog offset {offset}, it will be truncated.");
                        self.log.push(LogLine::warn(text));
                        return Ok(Go::Stop);
                    }
                    let is_taken = plan.dispatch.takes(record);
                    let is_repeated = is_taken && self.is_repeated(&reading, &mut slots, record);
                    if !plan.dispatch.is_settled(is_taken, record.has_unit() && !is_repeated) {
                        keep(self, noted, &slots, SoFar { walked, counted, position, last, is_noted });
                    }
                    walked.last_start = base + counted;
                    walked.messages += 1;
                    self.parser.note(record.size);
                    counted += i64::from(record.size);
                    position = place + record.byte_len();
                    last = Some(LastMessage { place, physical: record.physical, size: record.size });
                    is_noted &= !record.is_odd;
                    if record.has_unit() {
                        slot_of(&mut noted.starts, record.name).add(base + place + record.head_len());
                    }
                    if is_taken {
                        walked.last_dispatched_end = offset.wrapping_add(i64::from(record.size));
                        self.dispatch(&reading, record, bytes, is_repeated)?;
                    }
                    Ok(Go::On)
                }
                Met::Blank { reaches_end } => {
                    is_filled = true;
                    is_noted &= reaches_end;
                    Ok(Go::Stop)
                }
                Met::Fail(failure) if failure.cause == Cause::OutOfMemory => {
                    Err(RecoveryError::Exit { code: -1, path: file.path() })
                }
                Met::Fail(failure) => {
                    let begin = file.bytes(self.disk, place, BEGIN.min(list.file_len - place))?;
                    is_torn = failure.cause != Cause::Property && begin.iter().any(|byte| *byte != 0);
                    self.log.extend(failure.line.map(|(level, text)| LogLine::new(level, text)));
                    if failure.half > 0 && plan.records == Records::Messages {
                        let offset = base + counted;
                        let text = format!("found a half message at {offset}, it will be truncated.");
                        self.log.push(LogLine::warn(text));
                    }
                    Ok(Go::Stop)
                }
            })?;
            let next = list.files.get(at + 1).filter(|_| is_filled);
            if next.is_none() {
                keep(self, noted, &slots, SoFar { walked, counted, position, last, is_noted });
            }
            walked.end = base + counted;
            walked.true_end = base + position;
            walked.is_torn = is_torn;
            is_noted &= next.is_none_or(|next| next.base >= base.saturating_add(list.file_len));
            if next.is_none() {
                break;
            }
        }
        if let (Some(memory), Some(mark)) = (&self.disk.memory, mark) {
            memory.put_walk((), mark);
        }
        noted.range = is_noted.then_some(walked.from..walked.true_end);
        noted.records = Some(plan.records);
        Ok(walked)
    }

    /// The beginning of a walk that knows nothing.
    fn unmarked(&self, first: &ListedFile, plan: &WalkPlan) -> WalkMark {
        let walked = Walked {
            from: first.base,
            last_start: first.base,
            last_dispatched_end: first.base,
            ..Walked::default()
        };
        WalkMark {
            plan: *plan,
            first: first.id,
            file: first.id,
            place: 0,
            counted: 0,
            last: None,
            longest: 0,
            walked,
            is_noted: true,
            names: Arc::default(),
            starts: Vec::new(),
            ends: Vec::new(),
            repeated: 0,
            index_before: self.index.end(),
            index_after: self.index.end(),
        }
    }

    /// Where an earlier walk can be gone on with, if all that it went by still holds.
    fn marked(&self, list: &FileList, plan: &WalkPlan) -> Result<Option<(usize, WalkMark)>, RecoveryError> {
        let mark = self.disk.memory.as_ref().and_then(|memory| memory.walk(()));
        let mark = mark.filter(|mark| {
            let WalkPlan { start: _, records, checks, dispatch, checks_offset } = mark.plan;
            let is_same = (records, checks, checks_offset) == (plan.records, plan.checks, plan.checks_offset);
            let first = list.files.get(plan.start).map(|file| file.id);
            let has_unit = |(number, end): (usize, &i64)| {
                let (topic, queue) = mark.names.get(u32::try_from(number).unwrap_or(u32::MAX));
                let slot = self.queues.place(&topic, queue).and_then(|place| self.queues.slots.get(place));
                *end == i64::MIN || slot.is_some_and(|slot| slot.queue.max_physical() >= *end)
            };
            is_same
                && plan.dispatch.takes_all_of(dispatch)
                && first == Some(mark.first)
                && mark.index_before == self.index.end()
                && mark.ends.iter().enumerate().all(has_unit)
        });
        let Some(mark) = mark else { return Ok(None) };
        let Some(at) = list.files.iter().position(|file| file.id == mark.file) else { return Ok(None) };
        let reading = Reading::new(self.disk, self.parser, &mark.names, plan.records, plan.checks);
        let is_there = match mark.last {
            Some(last) => last.is_there(&reading, &list.files[at], list.file_len)?,
            None => true,
        };
        Ok(is_there.then_some((at, mark)))
    }

    /// Where the queues end of which messages were met; the least number for others.
    fn ends(&self, noted: &Walk, slots: &[Option<usize>]) -> Vec<i64> {
        let end = |(number, messages): (usize, &Tally)| {
            if messages.count == 0 {
                return i64::MIN;
            }
            let slot = slots.get(number).copied().flatten().or_else(|| {
                let (topic, queue) = noted.names.get(u32::try_from(number).unwrap_or(u32::MAX));
                self.queues.place(&topic, queue)
            });
            let slot = slot.and_then(|place| self.queues.slots.get(place));
            slot.map_or(i64::MAX, |slot| slot.queue.max_physical())
        };
        noted.starts.iter().enumerate().map(end).collect()
    }

    /// Whether a message has its unit already, so that dispatching it writes none; counts it if so.
    fn is_repeated(
        &mut self,
        reading: &Reading<'_>,
        slots: &mut Vec<Option<usize>>,
        record: &Record,
    ) -> bool {
        if !record.has_unit() || self.queues.has_write_error {
            return false;
        }
        let slot = slot_of(slots, record.name);
        if slot.is_none() {
            let (topic, queue) = reading.names.get(record.name);
            *slot = self.queues.place(&topic, queue);
        }
        slot.is_some_and(|slot| self.queues.is_repeated(slot, record))
    }

    /// Dispatches one message.
    fn dispatch(
        &mut self,
        reading: &Reading<'_>,
        record: &Record,
        bytes: &[u8],
        is_repeated: bool,
    ) -> Result<(), RecoveryError> {
        if record.has_unit()
            && !self.queues.has_write_error
            && !is_repeated
            && let Some(request) = reading.request(bytes)
        {
            self.queues.dispatch(self.disk, &request)?;
        }
        if self.builds_index {
            self.index.build(record);
        }
        Ok(())
    }

    /// What the dispatch thread does after start: from `from` up to `end`, stepping over what it cannot parse (R12). It tries a
    /// message that throws again and again, and gets no further.
    ///
    /// # Errors
    /// As [`Disk::bytes`].
    pub fn reput(
        &mut self,
        list: &FileList,
        records: Records,
        from: PhysicalOffset,
        end: i64,
    ) -> Result<PhysicalOffset, RecoveryError> {
        let checks = Checks { crc: false, dup_info: false };
        let names = Names::default();
        let reading = Reading::new(self.disk, self.parser, &names, records, checks);
        let mut slots = Vec::new();
        let mut offset = from.0.max(list.min_offset().unwrap_or(from.0));
        let mut is_stuck = false;
        while offset < end && !is_stuck {
            let Some(at) = list.find(offset, false) else { break };
            let file = &list.files[at];
            let limit = (end - file.base).min(list.file_len);
            let next_file = file.base + list.file_len;
            reading.segment(file, offset - file.base..limit, |place, met| match met {
                Met::Message(record, bytes) => {
                    let is_repeated = self.is_repeated(&reading, &mut slots, record);
                    match self.dispatch(&reading, record, bytes, is_repeated) {
                        Err(RecoveryError::Exception { .. }) => {
                            is_stuck = true;
                            return Ok(Go::Stop);
                        }
                        other => other?,
                    }
                    offset = file.base + place + record.byte_len();
                    Ok(Go::On)
                }
                Met::Blank { .. } => {
                    offset = next_file;
                    Ok(Go::Stop)
                }
                Met::Fail(failure) if failure.half > 0 => {
                    offset = file.base + place + i64::from(failure.half);
                    Ok(Go::To(offset - file.base))
                }
                Met::Fail(_) => {
                    offset = file.base + limit;
                    Ok(Go::Stop)
                }
            })?;
        }
        Ok(PhysicalOffset(offset))
    }
}

/// The element of a queue's number.
pub(super) fn slot_of<T: Clone + Default>(slots: &mut Vec<T>, name: u32) -> &mut T {
    let at = usize::try_from(name).unwrap_or(0);
    if slots.len() <= at {
        slots.resize(at + 1, T::default());
    }
    &mut slots[at]
}
