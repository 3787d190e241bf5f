//! What a broker goes on from after `load()`: the offsets that it tells, those that the next messages get, and where dispatch
//! begins (R12).
//!
//! Upstream: `DefaultMessageStore.recoverTopicQueueTable`, `start`, `ReputMessageService.doReput`, `CommitLog.getConfirmOffset`.

use super::any_queue::AnyQueue;
use super::disk::RecoveryError;
use super::file_list::ListedFile;
use super::forecast::LogLine;
use super::ledger_lines;
use super::load::{Load, Setting};
use super::parse::{Checks, Parsed, Parser};
use super::pieces::Records;
use super::release::{ReputStart, Rules};
use super::replay::Replay;
use crate::broker::BrokerConf;
use crate::format::bytes::Reader;
use crate::format::message::{MAGIC_BLANK, MAGIC_V1};
use crate::store::layout::LogKind;
use crate::units::PhysicalOffset;

/// Whether dispatch waits for the confirm offset, which nothing moves on a single broker with `duplicationEnable`.
#[must_use]
pub fn waits_for_confirm(conf: &BrokerConf, rules: &Rules, mode: LogKind) -> bool {
    let reads_on = rules.reads_uncommitted && conf.read_un_committed;
    conf.duplication_enable && mode == LogKind::Plain && !reads_on
}

impl Load<'_> {
    /// The first offset of the log, as the broker tells it.
    #[must_use]
    pub fn min_offset(&self) -> i64 {
        match (&self.ledger, self.log.min_offset()) {
            (_, Some(min)) => min,
            (Some(ledger), None) => ledger.data.min_offset().unwrap_or(0),
            (None, None) if self.setting.mode == LogKind::DLedger => 0,
            (None, None) => -1,
        }
    }

    /// The end of the log, as the broker tells it.
    #[must_use]
    pub fn max_offset(&self) -> i64 {
        match &self.ledger {
            Some(ledger) => ledger.confirm_offset(),
            None => self.log.max_offset(),
        }
    }

    /// The confirm offset, as the broker tells it before it is master.
    #[must_use]
    pub fn confirm_offset(&self) -> i64 {
        let rules = self.setting.rules;
        let is_stored = match self.setting.mode {
            LogKind::DLedger => false,
            LogKind::Controller if rules.keeps_confirm => true,
            _ => rules.checks_dup_info && self.setting.conf.duplication_enable,
        };
        if is_stored { self.confirm } else { self.max_offset() }
    }

    /// Where dispatch begins after load.
    #[must_use]
    pub fn reput_start(&self) -> i64 {
        let rules = self.setting.rules;
        let from_queues = self.queues.max_physical().max(self.min_offset()).max(0);
        match rules.reput_start {
            ReputStart::QueueEnd => from_queues,
            _ if self.setting.conf.recheck_reput_offset_from_cq => from_queues,
            ReputStart::LogEnd if self.setting.conf.duplication_enable => self.confirm_offset(),
            ReputStart::LogEnd => self.max_offset(),
            ReputStart::Confirm => self.confirm_offset(),
        }
    }

    /// Minima, and the queue offsets that the next messages get.
    pub(super) fn recover_offsets(&mut self) -> Result<(), RecoveryError> {
        let Setting { conf, rules, mode, .. } = *self.setting;
        let min = self.min_offset();
        self.queues.correct_min(self.disk, min)?;
        for slot in &self.queues.slots {
            self.lines.extend(match &slot.queue {
                AnyQueue::Batch(queue) => queue.line_without_minimum(&slot.topic, slot.id),
                AnyQueue::Simple(queue) => {
                    queue.line_of_min(self.disk, rules, min, (&slot.topic, slot.id))?
                }
            });
        }
        self.read_next_offsets();
        let compensates = (conf.duplication_enable && rules.compensates_duplication)
            || (mode == LogKind::Controller && rules.compensates_controller);
        if compensates {
            self.compensate()?;
        }
        Ok(())
    }

    /// Next offsets from the ends of the queues.
    pub fn read_next_offsets(&mut self) {
        for slot in &mut self.queues.slots {
            slot.next_offset = Some(slot.queue.ends().1);
        }
    }

    /// Minima once more, which older releases look for when dispatch has caught up, and all when they lead a DLedger group.
    ///
    /// # Errors
    /// As [`super::disk::Disk::bytes`].
    pub(super) fn correct_min_after_dispatch(&mut self) -> Result<(), RecoveryError> {
        let Setting { conf, rules, mode, .. } = *self.setting;
        let waits = rules.reput_start == ReputStart::QueueEnd || conf.recheck_reput_offset_from_cq;
        if mode == LogKind::DLedger || waits {
            self.queues.correct_min(self.disk, self.min_offset())?;
        }
        Ok(())
    }

    fn compensate(&mut self) -> Result<(), RecoveryError> {
        let exception =
            |text: &str, file: &ListedFile| Err(RecoveryError::exception(text).because_of(file.path()));
        let checks = Checks { crc: true, dup_info: self.setting.conf.duplication_enable };
        let mut offset = match self.confirm_offset() {
            -1 => 0,
            confirm => confirm,
        };
        // In DLedger mode this takes the head of an entry for a message, and fails where anything follows the confirm offset.
        let list = self.ledger.as_ref().map_or(&self.log, |ledger| &ledger.data);
        let is_ledger = self.ledger.is_some();
        let beyond = |within: i64, size: i64, file: &ListedFile| match is_ledger {
            true => ledger_lines::of_bytes_beyond(within, size, file),
            false => LogLine::warn(format!(
                "selectMappedBuffer request pos invalid, request pos: {within}, size: {size}, fileFromOffset: {}",
                file.base
            )),
        };
        loop {
            self.lines.extend(list.line_outside(offset));
            let Some(at) = list.find(offset, offset == 0) else { break };
            let file = &list.files[at];
            if file.base > offset {
                offset = file.base;
                continue;
            }
            let within = offset - file.base;
            if within + 4 > file.wrote {
                self.lines.push(beyond(within, 4, file));
                break;
            }
            let head = file.bytes(self.disk, within, 8.min(list.file_len - within))?;
            let mut reader = Reader::new(&head);
            let size = i64::from(reader.i32().unwrap_or_default());
            if within + size > file.wrote {
                self.lines.push(beyond(within, size, file));
                break;
            }
            if size < 0 {
                return exception("IllegalArgumentException: newLimit < 0", file);
            }
            if size < 8 {
                return exception("IndexOutOfBoundsException", file);
            }
            let magic = reader.i32().unwrap_or_default().cast_unsigned();
            if magic == MAGIC_BLANK {
                offset += size;
                continue;
            }
            if magic != MAGIC_V1 {
                return exception("Unknown magicCode", file);
            }
            let bytes = file.bytes(self.disk, within, size)?;
            let rest = bytes.len();
            let request = match self.parser.message(&bytes, checks, rest) {
                Parsed::Message(request) => request,
                Parsed::Blank => break,
                Parsed::Fail(failure) => {
                    self.lines.extend(failure.line.map(|(level, text)| LogLine::new(level, text)));
                    break;
                }
            };
            // Batch queues have a table of their own, which is left as it is.
            if let Some(place) = self.queues.place(&request.topic(), request.queue_id)
                && let slot = &mut self.queues.slots[place]
                && matches!(slot.queue, AnyQueue::Simple(_))
            {
                slot.next_offset = Some(request.queue_offset.0.wrapping_add(1));
            }
            offset += size;
        }
        Ok(())
    }

    /// Where the part of the log begins that recovery or dispatch from `reput_from` on touch: with the segment.
    pub(super) fn recent(&self, reput_from: i64) -> i64 {
        let cut = self.truncation.map_or(i64::MAX, |truncation| truncation.process_offset);
        let walked = if self.walk.records.is_some() { self.walked.from } else { i64::MAX };
        let lowest = reput_from.min(cut).min(walked);
        let lists = std::iter::once(&self.log).chain(self.ledger.as_ref().map(|ledger| &ledger.data));
        let bases = lists.flat_map(|list| &list.files).map(|file| file.base);
        bases.filter(|base| *base <= lowest).max().unwrap_or(i64::MIN)
    }

    /// Dispatches as the broker does after load, up to the end that it would reach; tells where that ends.
    ///
    /// # Errors
    /// What keeps the forecast from going on.
    pub fn reput(&mut self, end: i64) -> Result<PhysicalOffset, RecoveryError> {
        let from = PhysicalOffset(self.reput_start());
        let parser = Parser::new(self.setting.rules, self.setting.conf, true);
        let mut lines = Vec::new();
        let mut replay = Replay {
            disk: self.disk,
            parser: &parser,
            builds_index: self.setting.builds_index(),
            queues: &mut self.queues,
            index: &mut self.index,
            log: &mut lines,
        };
        let mut at = from;
        if !self.log.files.is_empty() {
            let log_end = end.min(self.log.max_offset());
            at = replay.reput(&self.log, Records::Messages, at, log_end)?;
        }
        if let Some(ledger) = &self.ledger {
            at = replay.reput(&ledger.data, Records::Entries, at, end)?;
        }
        Ok(at)
    }
}
