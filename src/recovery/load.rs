//! The broker's `load()`, step by step, on values (R3 to R12).
//!
//! Upstream: `DefaultMessageStore.load`, `recover`; `CommitLog` and `DLedgerCommitLog` below them.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use super::disk::{Disk, RecoveryError};
use super::dropped::Dropped;
use super::file_list::{FileList, ListedFile};
use super::file_loading::Loader;
use super::forecast::{LogLine, TruncationForecast};
use super::index::Index;
use super::ledger::Ledger;
use super::parse::{Checks, ENTRY_HEAD, Parsed, Parser};
use super::phase_lines::{INDEX_STATE, QUEUES_STATE};
use super::pieces::{Reading, Records};
use super::plan::{FirstMessage, clean_start, file_limit, is_old_enough, raw_first_message, unclean_start};
use super::queue_kind::QueueKinds;
use super::queue_table::QueueTable;
use super::record::Names;
use super::refusal::{EXIT_LEDGER, Refusal};
use super::release::{LedgerUnclean, Matching, Rules, TruncationTest};
use super::replay::{Dispatch, Replay, Walk, WalkPlan, Walked};
use crate::broker::BrokerConf;
use crate::format::checkpoint::Checkpoint;
use crate::format::message::MAGIC_BLANK;
use crate::store::layout::LogKind;
use crate::units::PhysicalOffset;

/// What load works on.
#[derive(Debug)]
pub struct Setting<'a> {
    /// Root of the store.
    pub root: &'a Path,
    /// What the broker was told.
    pub conf: &'a BrokerConf,
    /// The rules of its release.
    pub rules: &'a Rules,
    /// How it keeps its log.
    pub mode: LogKind,
    /// Whether the start is one after an orderly stop.
    pub is_clean: bool,
    /// DLedger's directory.
    pub ledger_dir: PathBuf,
    /// As if there were no DLedger checkpoint.
    pub without_ledger_checkpoint: bool,
    /// As if there were no index.
    pub without_index: bool,
    /// As if there were no queues.
    pub without_queues: bool,
    /// The broker's checkpoint.
    pub checkpoint: Checkpoint,
    /// As if there were no checkpoint.
    pub without_checkpoint: bool,
    /// Topics that tell the kind of their queues.
    pub queue_kinds: QueueKinds,
}

impl Setting<'_> {
    /// Whether messages get entries in the index files.
    #[must_use]
    pub fn builds_index(&self) -> bool {
        let conf = self.conf;
        conf.message_index_enable && (conf.index_file_write_enable || !self.rules.has_rocksdb_index)
    }
}

/// The store in memory.
#[derive(Debug)]
pub struct Load<'a> {
    pub(super) setting: &'a Setting<'a>,
    pub(super) disk: &'a Disk,
    pub(super) parser: Parser<'a>,
    /// The commitlog; in DLedger mode the one before the migration.
    pub log: FileList,
    /// The ledger, in DLedger mode.
    pub ledger: Option<Ledger>,
    /// The queues.
    pub queues: QueueTable<'a>,
    /// The index.
    pub index: Index,
    /// Confirm offset as stored.
    pub confirm: i64,
    /// Lines that the broker prints while it looks for the segment to begin with.
    looked_at: RefCell<Vec<LogLine>>,
    /// What is cut off the log.
    pub dropped: Dropped,
    /// Segments behind the cut, and an empty one that loading deletes.
    pub segments_unlinked: Vec<PathBuf>,
    /// The walk.
    pub walked: Walked,
    /// What it met.
    pub walk: Walk,
    /// The truncation.
    pub truncation: Option<TruncationForecast>,
    /// Lines that the broker prints.
    pub lines: Vec<LogLine>,
}

impl<'a> Load<'a> {
    /// A store of which nothing is loaded yet.
    #[must_use]
    pub fn new(setting: &'a Setting<'a>, disk: &'a Disk) -> Self {
        Self {
            setting,
            disk,
            parser: Parser::new(setting.rules, setting.conf, false),
            log: FileList::default(),
            ledger: None,
            queues: QueueTable::new(setting.root, setting.conf, setting.rules, &setting.queue_kinds),
            index: Index::empty(setting.conf.max_index_num),
            confirm: -1,
            looked_at: RefCell::default(),
            dropped: Dropped::default(),
            segments_unlinked: Vec::new(),
            walked: Walked::default(),
            walk: Walk::default(),
            truncation: None,
            lines: Vec::new(),
        }
    }

    /// Goes through load; `None` if the broker then starts.
    ///
    /// # Errors
    /// Only what keeps the forecast itself from going on.
    pub fn run(&mut self) -> Result<Option<Refusal>, RecoveryError> {
        match self.steps() {
            Ok(refusal) => Ok(refusal),
            Err(RecoveryError::Exception { text, path }) => {
                self.tell(&text);
                Ok(Some(self.refused("LOAD_EXCEPTION", path)))
            }
            Err(RecoveryError::Exit { path, .. }) => {
                let is_ledger = self.setting.mode == LogKind::DLedger;
                let reason = if is_ledger { "LEDGER_EXIT" } else { "LOAD_EXCEPTION" };
                Ok(Some(Refusal { exit_code: EXIT_LEDGER, reason, path: Some(path) }))
            }
            Err(error) => Err(error),
        }
    }

    fn steps(&mut self) -> Result<Option<Refusal>, RecoveryError> {
        let Setting { conf, rules, .. } = *self.setting;
        self.tell_begin();
        let mut dirs = conf.commit_log_paths();
        if dirs.len() > 1 {
            dirs.extend(conf.read_only_commit_log_store_paths.iter().cloned());
        }
        dirs.sort();
        dirs.dedup();
        let dirs: Vec<_> = dirs.iter().map(|dir| dir.as_path().into()).collect();
        let file_len = i64::from(conf.mapped_file_size_commit_log);
        let loading = FileList::look(self.disk, &dirs, file_len, Loader::Broker(rules))?;
        for path in &loading.unlinked {
            self.lines.push(LogLine::of_empty_file(path));
            self.disk.unlink(path.clone());
        }
        if self.setting.mode != LogKind::DLedger {
            self.segments_unlinked = loading.unlinked;
        }
        self.log = loading.list;
        if let Some(failure) = loading.failure {
            return Ok(Some(self.log_refused(failure)));
        }
        self.tell_gaps();
        self.tell_phase("load commit log OK".to_owned());
        let (mut refusal, mut is_exception) = (None, false);
        let loaded = self.queues.load(self.disk)?;
        self.lines.append(&mut self.queues.lines);
        for (kind, loaded) in loaded {
            match loaded {
                Ok(()) => self.tell_phase(format!("load {kind} all over, OK")),
                Err(failure) => {
                    is_exception = failure.is_exception();
                    refusal = Some(self.queue_refused(failure));
                }
            }
        }
        if refusal.is_some() {
            if !is_exception {
                self.tell_missed_states(QUEUES_STATE);
            }
            return Ok(refusal);
        }
        if self.setting.without_queues {
            self.queues.set_aside(self.disk);
        }
        let checkpoint = self.setting.root.join("checkpoint");
        if self.setting.without_checkpoint {
            self.disk.create(checkpoint);
        } else {
            self.disk.create_missing(checkpoint);
        }
        if rules.keeps_confirm {
            self.set_confirm(self.setting.checkpoint.confirm_physical_offset.0);
        }
        let mut is_index_loaded = true;
        if !self.setting.without_index {
            let dir = self.setting.root.join("index");
            let (checkpoint, is_clean) = (&self.setting.checkpoint, self.setting.is_clean);
            (self.index, is_index_loaded) =
                Index::load(self.disk, &dir, conf.max_index_num, checkpoint, is_clean)?;
            self.lines.append(&mut self.index.lines);
            if !is_index_loaded {
                self.tell_missed_states(INDEX_STATE);
            }
        }
        self.queues.recover(self.disk)?;
        self.lines.append(&mut self.queues.lines);
        let queue_end = self.queues.max_physical();
        match self.setting.mode {
            LogKind::DLedger => self.recover_ledger(queue_end)?,
            LogKind::Plain | LogKind::Controller if self.setting.is_clean => self.recover_clean(queue_end)?,
            LogKind::Plain | LogKind::Controller => self.recover_unclean(queue_end)?,
        }
        self.recover_offsets()?;
        self.tell_end();
        Ok((!is_index_loaded && rules.index_failure_counts).then(|| self.refused("INDEX_UNREADABLE", None)))
    }

    fn checks(&self) -> Checks {
        Checks { crc: self.setting.conf.check_crc_on_recover, dup_info: self.checks_dup_info() }
    }

    fn checks_dup_info(&self) -> bool {
        self.setting.rules.checks_dup_info && self.setting.conf.duplication_enable
    }

    fn first_message(
        &self,
        file: &ListedFile,
        file_len: i64,
        records: Records,
    ) -> Result<Option<FirstMessage>, RecoveryError> {
        let rules = self.setting.rules;
        let head = match records {
            Records::Messages => 0,
            Records::Entries => ENTRY_HEAD,
        };
        if records == Records::Entries || rules.matching == Matching::RawTimestamp {
            let bytes = file.bytes(self.disk, head, 128)?;
            return Ok(raw_first_message(&bytes, rules.has_v2 && records == Records::Messages));
        }
        let names = Names::default();
        let reading = Reading::new(self.disk, &self.parser, &names, records, self.checks());
        reading.one(file, 0, file_len, |parsed| match parsed {
            Parsed::Message(request) => {
                self.parser.note(request.size);
                Some(FirstMessage { stored_at: request.stored_at, physical: request.physical })
            }
            Parsed::Blank => None,
            Parsed::Fail(failure) => {
                let line = failure.line.map(|(level, text)| LogLine::new(level, text));
                self.looked_at.borrow_mut().extend(line);
                None
            }
        })
    }

    fn walk(&mut self, list: &FileList, plan: &WalkPlan) -> Result<Walked, RecoveryError> {
        self.lines.append(self.looked_at.get_mut());
        let mut replay = Replay {
            disk: self.disk,
            parser: &self.parser,
            builds_index: self.setting.builds_index(),
            queues: &mut self.queues,
            index: &mut self.index,
            log: &mut self.lines,
        };
        let walked = replay.walk(list, plan, &mut self.walk)?;
        self.walked = walked;
        Ok(walked)
    }

    fn without_log(&mut self) {
        let text = "The commitlog files are deleted, and delete the consume queue files";
        self.lines.push(LogLine::warn(text.to_owned()));
        self.queues.destroy(self.disk);
    }

    fn recover_clean(&mut self, queue_end: i64) -> Result<(), RecoveryError> {
        if self.log.files.is_empty() {
            self.without_log();
            return Ok(());
        }
        let Setting { conf, rules, .. } = *self.setting;
        let log = std::mem::take(&mut self.log);
        let bases: Vec<i64> = log.files.iter().map(|file| file.base).collect();
        let start = clean_start(rules, file_limit(rules, conf), &bases, queue_end, |at| {
            let first = self.first_message(&log.files[at], log.file_len, Records::Messages)?;
            let is_index_safe = conf.message_index_enable && conf.message_index_safe;
            Ok::<_, RecoveryError>(first.is_some_and(|first| {
                first.stored_at.0 != 0
                    && first.physical.0 <= queue_end
                    && !(is_index_safe && first.stored_at > self.setting.checkpoint.index_msg_timestamp)
            }))
        })?;
        let dispatch = match rules.clean_start {
            super::release::CleanStart::ThirdFromEnd => Dispatch::Nothing,
            _ => Dispatch::Above(queue_end),
        };
        let plan = WalkPlan {
            start,
            records: Records::Messages,
            checks: self.checks(),
            dispatch,
            checks_offset: false,
        };
        let walked = self.walk(&log, &plan)?;
        self.log = log;
        // Without a message the confirm offset stays what it was.
        let last_start = if walked.messages == 0 { self.confirm_so_far() } else { walked.last_start };
        self.settle_confirm(("processOffset", walked.end), last_start);
        self.truncate(queue_end, walked.end)
    }

    fn recover_unclean(&mut self, queue_end: i64) -> Result<(), RecoveryError> {
        if self.log.files.is_empty() {
            self.without_log();
            return Ok(());
        }
        let Setting { conf, rules, mode, .. } = *self.setting;
        let log = std::mem::take(&mut self.log);
        let checkpoint = &self.setting.checkpoint;
        let start = unclean_start(file_limit(rules, conf), log.files.len(), |at| {
            let first = self.first_message(&log.files[at], log.file_len, Records::Messages)?;
            Ok::<_, RecoveryError>(first.is_some_and(|first| is_old_enough(rules, conf, checkpoint, first)))
        })?;
        let is_bounded = mode == LogKind::Controller && rules.keeps_confirm;
        let dispatch = match (conf.duplication_enable, rules.keeps_confirm) {
            (false, _) if !is_bounded => Dispatch::All,
            (_, true) => Dispatch::UpTo(self.confirm),
            _ => Dispatch::Below(self.confirm),
        };
        let plan = WalkPlan {
            start,
            records: Records::Messages,
            checks: self.checks(),
            dispatch,
            checks_offset: rules.has_offset_check && conf.check_commit_log_offset_on_recover,
        };
        let walked = self.walk(&log, &plan)?;
        self.log = log;
        if rules.flushes_queues {
            self.queues.flush();
            self.lines.append(&mut self.queues.lines);
        }
        let limit = if is_bounded { walked.last_dispatched_end } else { walked.end };
        // The first releases of it begin with the confirm offset that they have, later ones with the segment.
        let is_left = walked.messages == 0 && !rules.keeps_confirm;
        let limit = ("lastConfirmValidMsgPhyOffset", limit);
        self.settle_confirm(limit, if is_left { self.confirm_so_far() } else { walked.last_start });
        let queue_end =
            if rules.dispatches_from_checkpoint { checkpoint.logics_physical_offset.0 } else { queue_end };
        self.truncate(queue_end, walked.end)
    }

    /// Truncates queues and log at the end of the walk.
    fn truncate(&mut self, queue_end: i64, end: i64) -> Result<(), RecoveryError> {
        let compared = match self.setting.rules.truncation_test {
            TruncationTest::BeforeDispatch => queue_end,
            TruncationTest::AfterDispatch => self.queues.max_physical(),
        };
        self.truncate_queues("", compared, end)?;
        let has_grown = || self.has_grown(end);
        self.dropped =
            Dropped::behind(self.disk, self.setting.conf, &self.log, Records::Messages, end, has_grown)?;
        let gone = self.log.files.iter().filter(|file| file.base > end).map(ListedFile::path);
        self.segments_unlinked.extend(gone);
        self.log.truncate(self.disk, end);
        Ok(())
    }

    /// Whether a message that the walk would have gone over stands at its end by now.
    fn has_grown(&self, end: i64) -> Result<bool, RecoveryError> {
        let Some(at) = self.log.find(end, false) else { return Ok(false) };
        let (file, names) = (&self.log.files[at], Names::default());
        let reading = Reading::new(self.disk, &self.parser, &names, Records::Messages, self.checks());
        reading.one(
            file,
            end - file.base,
            self.log.file_len,
            |parsed| matches!(parsed, Parsed::Message(message) if message.physical.0 == end),
        )
    }

    fn truncate_queues(&mut self, prefix: &str, queue_end: i64, end: i64) -> Result<(), RecoveryError> {
        let fires = queue_end >= end;
        self.truncation = Some(TruncationForecast {
            fires,
            consumequeue_max_physical_offset: queue_end,
            process_offset: end,
        });
        if fires {
            let line = |queue_end| {
                format!(
                    "{prefix}maxPhyOffsetOfConsumeQueue({queue_end}) >= processOffset({end}), truncate dirty logic files"
                )
            };
            self.lines.push(LogLine::warn(line(queue_end)));
            if !prefix.is_empty() && self.setting.rules.truncation_test == TruncationTest::AfterDispatch {
                let now = self.queues.max_physical();
                if now < end {
                    return Ok(());
                }
                // The queues' own store asks again, and says so.
                self.lines.push(LogLine::warn(format!(
                    "maxPhyOffsetOfConsumeQueue({now}) >= processOffset({end}), truncate dirty logic files"
                )));
            }
            self.queues.truncate(self.disk, PhysicalOffset(end))?;
        }
        Ok(())
    }

    fn recover_ledger(&mut self, queue_end: i64) -> Result<(), RecoveryError> {
        let Setting { conf, rules, is_clean, .. } = *self.setting;
        let mut data_dirs = conf.store_path_dledger_commit_log.clone();
        if data_dirs.is_empty() {
            data_dirs.push(self.setting.ledger_dir.join("data"));
        }
        let (dir, without_checkpoint) = (&self.setting.ledger_dir, self.setting.without_ledger_checkpoint);
        let mut ledger = Ledger::new(dir, data_dirs[0].clone(), without_checkpoint);
        let loaded = ledger.load(self.disk, &data_dirs, i64::from(conf.mapped_file_size_commit_log));
        self.lines.append(&mut ledger.lines);
        loaded?;
        if ledger.data.files.is_empty() {
            return self.migrate(ledger, queue_end);
        }
        let found = ledger.data.clone();
        let recovered = ledger.recover(self.disk);
        self.lines.append(&mut ledger.lines);
        recovered?;
        let end = ledger.data.max_offset();
        let has_grown = || ledger.has_grown(self.disk);
        self.dropped =
            Dropped::behind(self.disk, self.setting.conf, &found, Records::Entries, end, has_grown)?;
        let gone = found.files.iter().filter(|file| file.base > end).map(ListedFile::path);
        self.segments_unlinked = gone.collect();
        if is_clean || rules.ledger_unclean == LedgerUnclean::AsClean {
            self.ledger = Some(ledger);
            return self.truncate_queues("[TruncateCQ]", queue_end, end);
        }
        let checkpoint = &self.setting.checkpoint;
        let start = unclean_start(usize::MAX, ledger.data.files.len(), |at| {
            let first = self.first_message(&ledger.data.files[at], ledger.data.file_len, Records::Entries)?;
            Ok::<_, RecoveryError>(first.is_some_and(|first| is_old_enough(rules, conf, checkpoint, first)))
        })?;
        let mut checks = self.checks();
        checks.dup_info |= rules.ledger_unclean == LedgerUnclean::AlwaysDupCheck;
        let dispatch =
            if conf.duplication_enable { Dispatch::Below(ledger.confirm_offset()) } else { Dispatch::All };
        let plan = WalkPlan { start, records: Records::Entries, checks, dispatch, checks_offset: false };
        let walked = self.walk(&ledger.data, &plan)?;
        self.ledger = Some(ledger);
        let queue_end =
            if rules.dispatches_from_checkpoint { checkpoint.logics_physical_offset.0 } else { queue_end };
        self.truncate_queues("dledger ", queue_end, walked.end)
    }

    /// The first start in DLedger mode: the old log is closed with a blank, and the first data file begins behind it.
    fn migrate(&mut self, mut ledger: Ledger, queue_end: i64) -> Result<(), RecoveryError> {
        let rules = self.setting.rules;
        if self.setting.is_clean || rules.ledger_unclean == LedgerUnclean::AsClean {
            self.recover_clean(queue_end)?;
        } else {
            self.recover_unclean(queue_end)?;
        }
        let file_len = self.log.file_len;
        if let Some(last) = self.log.files.last_mut() {
            // `DLedgerCommitLog.recover`: over whatever stands there, be it messages that the release cannot read.
            let magic = last.bytes(self.disk, last.wrote + 4, 4)?;
            if magic != MAGIC_BLANK.to_be_bytes() {
                if rules.maps_read_only && self.setting.conf.write_without_mmap {
                    let exception = RecoveryError::exception("ReadOnlyBufferException");
                    return Err(exception.because_of(last.path()));
                }
                let rest = i32::try_from(file_len - last.wrote).unwrap_or(i32::MAX);
                last.write(self.disk, &[rest.to_be_bytes(), MAGIC_BLANK.to_be_bytes()].concat())?;
            }
            last.wrote = file_len;
            let divided = last.base + file_len;
            let dir = ledger.data_dir.clone();
            ledger.data.last_for_append(self.disk, &dir, divided);
        }
        self.ledger = Some(ledger);
        Ok(())
    }
}
