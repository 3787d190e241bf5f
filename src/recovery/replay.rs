//! One walk over the log, which dispatches into queues and index as the broker's recovery does (R5 to R9).
//!
//! Upstream: `CommitLog.recoverNormally`, `recoverAbnormally`; `DLedgerCommitLog.recoverNormally`, `recoverAbnormally`.

use std::ops::Range;

use super::disk::{Disk, RecoveryError};
use super::file_list::FileList;
use super::forecast::LogLine;
use super::index::Index;
use super::parse::{Checks, Parser};
use super::pieces::{Go, Met, Reading, Records};
use super::queue_table::QueueTable;
use super::record::{Names, Record};
use super::tally::Tally;
use crate::broker::BrokerConf;
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
}

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
}

/// The messages that a walk met, by queue.
#[derive(Debug, Default)]
pub struct Walk {
    /// Topics and queue ids, numbered.
    pub names: Names,
    /// Starts of the messages of each of them that should have a unit.
    pub starts: Vec<Tally>,
    /// What part of the log that is; absent where it cannot be told.
    pub range: Option<Range<i64>>,
    /// How records stand there.
    pub records: Option<Records>,
}

/// What a walk feeds.
#[derive(Debug)]
pub struct Replay<'r, 'a> {
    /// The store.
    pub disk: &'r Disk,
    /// How messages are read.
    pub parser: &'r Parser<'a>,
    /// What the broker was told.
    pub conf: &'r BrokerConf,
    /// The queues.
    pub queues: &'r mut QueueTable<'a>,
    /// The index.
    pub index: &'r mut Index,
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
        let mut walked = Walked {
            from: first.base,
            last_start: first.base,
            last_dispatched_end: first.base,
            ..Walked::default()
        };
        let mut slots = Vec::new();
        let mut is_noted = true;
        for (at, file) in list.files.iter().enumerate().skip(plan.start) {
            let (base, mut counted, mut position) = (file.base, 0, 0);
            let mut is_filled = false;
            let reading = Reading::new(self.disk, self.parser, &noted.names, plan.records, plan.checks);
            reading.segment(file, 0..list.file_len, |place, met| match met {
                Met::Message(record, bytes) => {
                    let offset = record.physical;
                    if plan.checks_offset && (offset < base || offset > base + list.file_len) {
                        let text = format!("found illegal commitlog offset {offset}, it will be truncated.");
                        self.log.push(LogLine::warn(text));
                        return Ok(Go::Stop);
                    }
                    walked.last_start = base + counted;
                    walked.messages += 1;
                    counted += i64::from(record.size);
                    position = place + record.byte_len();
                    is_noted &= !record.is_odd;
                    if record.has_unit() {
                        slot_of(&mut noted.starts, record.name).add(base + place + record.head_len());
                    }
                    if plan.dispatch.takes(record) {
                        walked.last_dispatched_end = offset.wrapping_add(i64::from(record.size));
                        self.dispatch(&reading, &mut slots, record, bytes)?;
                    }
                    Ok(Go::On)
                }
                Met::Blank => {
                    is_filled = true;
                    Ok(Go::Stop)
                }
                Met::Fail(failure) => {
                    self.log.extend(failure.line.map(|(level, text)| LogLine::new(level, text)));
                    if failure.half > 0 && plan.records == Records::Messages {
                        let offset = base + counted;
                        let text = format!("found a half message at {offset}, it will be truncated.");
                        self.log.push(LogLine::warn(text));
                    }
                    Ok(Go::Stop)
                }
            })?;
            walked.end = base + counted;
            walked.true_end = base + position;
            let next = list.files.get(at + 1).filter(|_| is_filled);
            is_noted &= next.is_none_or(|next| next.base >= base.saturating_add(list.file_len));
            if next.is_none() {
                break;
            }
        }
        noted.range = is_noted.then_some(walked.from..walked.true_end);
        noted.records = Some(plan.records);
        Ok(walked)
    }

    /// Dispatches one message; `slots` keeps where the queues of its reading stand.
    fn dispatch(
        &mut self,
        reading: &Reading<'_>,
        slots: &mut Vec<Option<usize>>,
        record: &Record,
        bytes: &[u8],
    ) -> Result<(), RecoveryError> {
        if record.has_unit() && !self.queues.has_write_error {
            let slot = slot_of(slots, record.name);
            if slot.is_none() {
                let (topic, queue) = reading.names.get(record.name);
                *slot = self.queues.place(&topic, queue);
            }
            if !slot.is_some_and(|slot| self.queues.is_repeated(slot, record))
                && let Some(request) = reading.request(bytes)
            {
                self.queues.dispatch(self.disk, &request)?;
            }
        }
        if self.conf.message_index_enable && self.conf.index_file_write_enable {
            self.index.build(record);
        }
        Ok(())
    }

    /// What the dispatch thread does after start: from `from` up to `end`, stepping over what it cannot parse (R12).
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
        while offset < end {
            let Some(at) = list.find(offset, false) else { break };
            let file = &list.files[at];
            let limit = (end - file.base).min(list.file_len);
            let next_file = file.base + list.file_len;
            reading.segment(file, offset - file.base..limit, |place, met| match met {
                Met::Message(record, bytes) => {
                    self.dispatch(&reading, &mut slots, record, bytes)?;
                    offset = file.base + place + record.byte_len();
                    Ok(Go::On)
                }
                Met::Blank => {
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
