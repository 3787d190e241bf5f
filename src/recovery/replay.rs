//! One walk over the log, which dispatches into queues and index as the broker's recovery does (R5 to R9).
//!
//! Upstream: `CommitLog.recoverNormally`, `recoverAbnormally`; `DLedgerCommitLog.recoverNormally`, `recoverAbnormally`.

use super::disk::{Disk, RecoveryError};
use super::file_list::FileList;
use super::forecast::LogLine;
use super::index::Index;
use super::parse::{Checks, Parsed, Parser, Request};
use super::queue_table::QueueTable;
use super::segment_reader::{Records, SegmentReader};
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
    fn takes(self, request: &Request) -> bool {
        let physical = request.physical.0;
        match self {
            Self::Nothing => false,
            Self::All => true,
            Self::Above(offset) => physical > offset,
            Self::UpTo(confirm) => physical.wrapping_add(i64::from(request.size)) <= confirm,
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
    /// Walks from one segment to the end of the log.
    ///
    /// # Errors
    /// As [`Disk::bytes`].
    pub fn walk(&mut self, list: &FileList, plan: &WalkPlan) -> Result<Walked, RecoveryError> {
        let mut at = plan.start;
        let Some(first) = list.files.get(at) else { return Ok(Walked::default()) };
        let base = first.base;
        let mut walked =
            Walked { from: base, last_start: base, last_dispatched_end: base, ..Walked::default() };
        let (mut base, mut counted, mut position) = (base, 0, 0);
        let mut reader = SegmentReader::open(self.disk, first, list.file_len)?;
        loop {
            match reader.parse(self.parser, plan.records, plan.checks, position, list.file_len)? {
                Parsed::Message(request) => {
                    let offset = request.physical.0;
                    if plan.checks_offset && (offset < base || offset > base + list.file_len) {
                        let text = format!("found illegal commitlog offset {offset}, it will be truncated.");
                        self.log.push(LogLine::warn(text));
                        break;
                    }
                    walked.last_start = base + counted;
                    walked.messages += 1;
                    counted += i64::from(request.size);
                    position += i64::from(request.size) + request.head_len;
                    if plan.dispatch.takes(&request) {
                        walked.last_dispatched_end = offset.wrapping_add(i64::from(request.size));
                        self.dispatch(&request)?;
                    }
                }
                Parsed::Blank => {
                    let Some(next) = list.files.get(at + 1) else { break };
                    at += 1;
                    (base, counted, position) = (next.base, 0, 0);
                    reader = SegmentReader::open(self.disk, next, list.file_len)?;
                }
                Parsed::Fail { half, line } => {
                    self.log.extend(line.map(|(level, text)| LogLine::new(level, text)));
                    if half > 0 && plan.records == Records::Messages {
                        let offset = base + counted;
                        let text = format!("found a half message at {offset}, it will be truncated.");
                        self.log.push(LogLine::warn(text));
                    }
                    break;
                }
            }
        }
        walked.end = base + counted;
        walked.true_end = base + position;
        Ok(walked)
    }

    /// Dispatches one message.
    ///
    /// # Errors
    /// As [`Disk::bytes`].
    pub fn dispatch(&mut self, request: &Request) -> Result<(), RecoveryError> {
        self.queues.dispatch(self.disk, request)?;
        if self.conf.message_index_enable && self.conf.index_file_write_enable {
            self.index.build(request);
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
        let mut offset = from.0.max(list.min_offset().unwrap_or(from.0));
        while offset < end {
            let Some(at) = list.find(offset, false) else { break };
            let file = &list.files[at];
            let limit = (end - file.base).min(list.file_len);
            let next_file = file.base + list.file_len;
            let mut reader = SegmentReader::open(self.disk, file, list.file_len)?;
            while offset < end && offset < next_file {
                match reader.parse(self.parser, records, checks, offset - file.base, limit)? {
                    Parsed::Message(request) => {
                        let size = i64::from(request.size) + request.head_len;
                        if offset + size > end {
                            return Ok(PhysicalOffset(offset));
                        }
                        self.dispatch(&request)?;
                        offset += size;
                    }
                    Parsed::Blank => offset = next_file,
                    Parsed::Fail { half, .. } if half > 0 => offset += i64::from(half),
                    Parsed::Fail { .. } => offset = file.base + limit,
                }
            }
        }
        Ok(PhysicalOffset(offset))
    }
}
