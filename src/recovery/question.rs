//! A question about a store, and how it is answered.

use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};

use sha1::{Digest, Sha1};

use super::any_queue::AnyQueue;
use super::delay_levels::takes_delays;
use super::disk::{Budget, Disk, RecoveryError};
use super::forecast::{
    CommitLogForecast, FilesForecast, Forecast, IndexForecast, LedgerForecast, LogLine, QueueEnds,
    QueueForecast, StartForecast, Totals, Verdict,
};
use super::load::{Load, Setting};
use super::loss::Search;
use super::memory::Memory;
use super::metadata::Tables;
use super::parse::{HUGE_LENGTH, Parser};
use super::pieces::Records;
use super::queue_kind::QueueKinds;
use super::queue_table::TRIES;
use super::refusal::{EXIT_LOAD_FAILED, Refusal};
use super::release::{READS_MOST, Rules, TruncationTest};
use super::reput::waits_for_confirm;
use super::{timer, unmodelled};
use crate::broker::release::Release;
use crate::broker::{BrokerConf, StoreType};
use crate::format::checkpoint::{CHECKPOINT_LEN, Checkpoint};
use crate::store::layout::{LogKind, exists};
use crate::store::source::read_small;

/// Exit code where `start()` of the store throws (`BrokerStartup.start`: `System.exit(-1)`).
const EXIT_START_FAILED: i32 = 255;
/// Exit code of a container whose broker was told two modes (`System.exit(-4)`).
const EXIT_BOTH_MODES: i32 = 252;

/// What [`Forecast::not_modelled`] says of a budget that did not suffice.
pub const BUDGET_USED_UP: &str = "budget used up";

/// How the broker ended before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Shutdown {
    /// By the abort file.
    #[default]
    AsFound,
    /// As after an orderly stop.
    Clean,
    /// As after a kill.
    Unclean,
}

/// Files that are taken for missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Without {
    /// `checkpoint`.
    pub checkpoint: bool,
    /// `dledger-<id>/checkpoint`.
    pub ledger_checkpoint: bool,
    /// `index/`.
    pub index: bool,
    /// `abort`.
    pub abort: bool,
    /// `consumequeue/` and `batchconsumequeue/`.
    pub queues: bool,
}

/// How far an answer goes beyond load.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reach {
    /// Up to the end of load.
    Load,
    /// Also what dispatch puts after start, and which units are lost of what recovery and dispatch touch. What was lost before
    /// that part of the log is not looked for.
    Recent,
    /// The same for the whole log, which is read.
    #[default]
    Start,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// `storePathRootDir`.
    pub root: PathBuf,
    /// What the broker was told.
    pub conf: BrokerConf,
    /// Its release.
    pub release: Release,
    /// How it keeps its log; absent: by its properties.
    pub mode: Option<LogKind>,
    /// How it ended before.
    pub shutdown: Shutdown,
    /// Files taken for missing.
    pub without: Without,
    /// How far.
    pub reach: Reach,
    /// Whether the units of each queue get a digest.
    pub digest: bool,
}

/// Says what the next start does. Reads, and changes nothing.
///
/// # Errors
/// The first file or directory that could not be read; a budget that is used up is an answer.
pub fn forecast(question: &Question, budget: &Budget) -> Result<Forecast, RecoveryError> {
    foretell(question, &Disk::new(*budget, None))
}

/// The same of a store that a running broker appends to: reads what was written since the last time.
///
/// # Errors
/// As [`forecast`].
pub fn forecast_again(
    question: &Question,
    budget: &Budget,
    memory: &mut Memory,
) -> Result<Forecast, RecoveryError> {
    let mut known = std::mem::take(memory);
    known.begin(question);
    let disk = Disk::new(*budget, Some(known));
    let found = foretell(question, &disk);
    if found.as_ref().is_ok_and(|found| found.complete && found.consistent) {
        *memory = disk.memory.unwrap_or_default();
    }
    found
}

fn foretell(question: &Question, disk: &Disk) -> Result<Forecast, RecoveryError> {
    let conf = &question.conf;
    let rules = Rules::of(question.release);
    let has_controller = conf.enable_controller_mode && rules.is_none_or(|rules| rules.has_controller_mode);
    let mode = question.mode.unwrap_or(if conf.enable_dleger_commit_log {
        LogKind::DLedger
    } else if has_controller {
        LogKind::Controller
    } else {
        LogKind::Plain
    });
    let is_clean = match question.shutdown {
        Shutdown::Clean => true,
        Shutdown::Unclean => false,
        Shutdown::AsFound => question.without.abort || !exists(&question.root.join("abort"))?,
    };
    let Some(rules) = rules else {
        return Ok(Forecast::inconclusive(mode, is_clean, "the release is older than 4.9.4"));
    };
    if conf.store_type == StoreType::DefaultRocksDb && rules.has_rocksdb_queues {
        return Ok(Forecast::inconclusive(mode, is_clean, "consume queues in RocksDB"));
    }
    if conf.enable_dleger_commit_log && conf.enable_controller_mode && rules.keeps_confirm {
        let refusal = Refusal { exit_code: EXIT_BOTH_MODES, reason: "CONTROLLER_AND_DLEDGER", path: None };
        return Ok(refused(mode, is_clean, &refusal));
    }
    match by_rules(question, &rules, (mode, is_clean), disk) {
        Err(RecoveryError::Budget) => Ok(Forecast::inconclusive(mode, is_clean, BUDGET_USED_UP)),
        Err(RecoveryError::Unknown(why)) => Ok(Forecast::inconclusive(mode, is_clean, &why)),
        other => other,
    }
}

/// What a release does by its rules.
fn by_rules(
    question: &Question,
    rules: &Rules,
    (mode, is_clean): (LogKind, bool),
    disk: &Disk,
) -> Result<Forecast, RecoveryError> {
    let conf = &question.conf;
    let tables = Tables { root: &question.root, conf, release: question.release, rules };
    // A running broker keeps writing its tables.
    if disk.memory.is_none()
        && let Some(refusal) = tables.load_before_store(disk)?
    {
        let found = refused(mode, is_clean, &refusal);
        return Ok(Forecast { files: files(&question.root, disk), ..found });
    }
    disk.create_missing(question.root.join("lock"));
    if disk.memory.is_none() && rules.has_compaction && conf.enable_compaction {
        tables.load_compaction_positions(disk)?;
    }
    if let Some(refusal) = timer::open(&tables) {
        let found = refused(mode, is_clean, &refusal);
        return Ok(Forecast { files: files(&question.root, disk), ..found });
    }
    let checkpoint = match read_small(&question.root.join("checkpoint"), CHECKPOINT_LEN) {
        Ok(bytes) if !question.without.checkpoint => Checkpoint::decode(&bytes),
        Err(error) if !error.is_gone() => return Err(error.into()),
        _ => Checkpoint::default(),
    };
    let setting = Setting {
        root: &question.root,
        conf,
        rules,
        mode,
        is_clean,
        ledger_dir: conf.ledger_dir().unwrap_or_else(|| question.root.join("dledger-n0")),
        without_ledger_checkpoint: question.without.ledger_checkpoint,
        without_index: question.without.index,
        without_queues: question.without.queues,
        checkpoint,
        without_checkpoint: question.without.checkpoint,
        queue_kinds: QueueKinds::of(&tables.get("topics").unwrap_or_default(), question.release),
    };
    let mut load = Load::new(&setting, disk);
    answer(question, &setting, &tables, disk, &mut load)
}

fn answer(
    question: &Question,
    setting: &Setting<'_>,
    tables: &Tables<'_>,
    disk: &Disk,
    load: &mut Load<'_>,
) -> Result<Forecast, RecoveryError> {
    let mut refusal = load.run()?;
    if refusal.is_none() && disk.memory.is_none() {
        refusal = refused_after_load(tables, disk)?;
        if refusal.is_none() && setting.rules.corrects_delay_offsets {
            load.tell_delay_offsets(&tables.get("delayOffset").unwrap_or_default());
        }
    }
    let mut found = Forecast {
        complete: true,
        rules_since: unmodelled::version(setting.rules.since),
        log: std::mem::take(&mut load.lines),
        truncation: load.truncation,
        start: start(refusal.as_ref()),
        not_modelled: unmodelled::notes(tables),
        ..Forecast::blank(setting.mode, setting.is_clean)
    };
    found.files = files(&question.root, disk);
    found.index = IndexForecast {
        unlinked: relative(&question.root, std::mem::take(&mut load.index.unlinked)),
        begun: load.index.begun,
        next_entry: load.index.next_entry(),
    };
    let counts = load.queues.counts;
    let is_silent = setting.rules.truncation_test == TruncationTest::AfterDispatch
        && !setting.conf.enable_log_consume_queue_repeatedly_build_when_recover;
    let repeated = if is_silent { 0 } else { counts.repeated };
    let lines = [
        ("WARN", repeated, "Maybe try to build consume queue repeatedly"),
        ("WARN", counts.below_end, setting.rules.refused_unit_line),
        ("WARN", counts.misplaced, "[BUG]logic queue order maybe wrong"),
        ("WARN", counts.no_room, "[BUG]put commit log position info to"),
        ("WARN", counts.ext_unsaved, "Save consume queue extend fail, So just save tagsCode!"),
        ("ERROR", counts.ext_failed, "Save consume queue extend error"),
    ];
    let often = |(level, count, text): (_, u64, &str)| LogLine { level, text: text.to_owned(), count };
    found.log.extend(lines.into_iter().filter(|(_, count, _)| *count > 0).map(often));
    found.log.extend(load.index.lines_of_full_files(&question.root.join("index")));
    if refusal.is_none() {
        found.reput_from = load.reput_start();
        found.ledger = load.ledger.as_ref().map(|ledger| LedgerForecast {
            begin_index: ledger.begin_index,
            end_index: ledger.end_index,
            committed_index: ledger.committed_index,
            committed_offset: ledger.committed_pos,
            end_offset: ledger.data.max_offset(),
        });
        found.commitlog = CommitLogForecast {
            min_offset: load.min_offset(),
            max_offset: load.max_offset(),
            scan_from: load.walked.from,
            scan_end: load.walked.true_end,
            is_torn: load.walked.is_torn,
            truncate_to: (setting.mode != LogKind::DLedger).then_some(load.walked.end),
            messages_scanned: load.walked.messages,
            segments_unlinked: relative(&question.root, std::mem::take(&mut load.segments_unlinked)),
            bytes_dropped: load.dropped.bytes,
            messages_dropped: load.dropped.messages,
        };
        found.queues = queues(question, disk, load)?;
        if found.log.iter().any(|line| line.text == HUGE_LENGTH) {
            found.not_modelled.push("a message claims more memory than the broker may have".to_owned());
        }
        if load.queues.failed_puts > 0 {
            let seconds = load.queues.failed_puts.saturating_mul(TRIES);
            found.not_modelled.push(format!("a queue that cannot be created: load takes {seconds} s longer"));
        }
        if question.reach != Reach::Load {
            after_start(question, setting, disk, load, &mut found)?;
        }
    }
    found.totals = totals(&found);
    found.verdict = verdict(&found);
    found.consistent = !disk.has_moved();
    found.bytes_read = disk.bytes_read();
    Ok(found)
}

/// What ends the broker once its store is loaded.
fn refused_after_load(tables: &Tables<'_>, disk: &Disk) -> Result<Option<Refusal>, RecoveryError> {
    if let Some(refusal) = timer::load(tables, disk)? {
        return Ok(Some(refusal));
    }
    if let Some(refusal) = tables.load_after_store(disk)? {
        return Ok(Some(refusal));
    }
    let refusal = Refusal { exit_code: EXIT_LOAD_FAILED, reason: "DELAY_LEVELS_UNREADABLE", path: None };
    Ok((!takes_delays(&tables.conf.message_delay_level)).then_some(refusal))
}

fn queues(question: &Question, disk: &Disk, load: &Load<'_>) -> Result<Vec<QueueForecast>, RecoveryError> {
    let mut found = Vec::with_capacity(load.queues.slots.len());
    for slot in load.queues.sorted() {
        let before = slot.before.clone().unwrap_or_else(QueueEnds::absent);
        let after_load = ends(&slot.queue, question.digest, disk)?;
        let added = slot.queue.written();
        found.push(QueueForecast {
            topic: slot.topic.clone(),
            queue: slot.id,
            units_removed: (before.units + added).saturating_sub(after_load.units),
            units_added: added,
            before,
            after_load,
            after_start: None,
            units_lost: None,
            next_offset: slot.next_offset,
        });
    }
    Ok(found)
}

fn after_start(
    question: &Question,
    setting: &Setting<'_>,
    disk: &Disk,
    load: &mut Load<'_>,
    found: &mut Forecast,
) -> Result<(), RecoveryError> {
    let end = match &load.ledger {
        Some(ledger) => ledger.data.max_offset(),
        None => load.log.max_offset(),
    };
    let waits = waits_for_confirm(setting.conf, setting.rules, setting.mode);
    load.reput(if waits { end.min(load.confirm) } else { end })?;
    match load.correct_min_after_dispatch() {
        // The group's leader has no broker then that serves as one; its process goes on.
        Err(RecoveryError::Exception { text, .. }) if setting.mode == LogKind::DLedger => {
            found.not_modelled.push(format!(
                "once dispatch has caught up, the search for the queues' minima fails: {text}"
            ));
        }
        Err(RecoveryError::Exception { path, .. }) => {
            let refusal = Refusal { exit_code: EXIT_START_FAILED, reason: "START_EXCEPTION", path };
            found.start = start(Some(&refusal));
        }
        other => other?,
    }
    let parser = Parser::new(&READS_MOST, setting.conf, true);
    let mut logs = vec![(&load.log, Records::Messages)];
    logs.extend(load.ledger.as_ref().map(|ledger| (&ledger.data, Records::Entries)));
    let from = match question.reach {
        Reach::Recent => load.recent(found.reput_from),
        _ => i64::MIN,
    };
    let cut =
        load.truncation.filter(|truncation| truncation.fires).map(|truncation| truncation.process_offset);
    let mut search = Search {
        disk,
        parser: &parser,
        queues: &load.queues,
        walk: &load.walk,
        cut,
        pointed: HashMap::new(),
    };
    let loss = search.find(&logs, &(from..end))?;
    found.messages_with_unit = Some(loss.messages);
    found.totals.units_lost = Some(loss.total());
    let mut missing = loss.missing;
    // In their place, as there may be many: dispatch and the log add few, or none.
    let (mut at, mut added) =
        (0, Vec::with_capacity(load.queues.slots.len().saturating_sub(found.queues.len())));
    for slot in load.queues.sorted() {
        let known = found.queues.get_mut(at).filter(|queue| queue.is_of(&slot.topic, slot.id));
        at += usize::from(known.is_some());
        let queue = match known {
            Some(known) => known,
            None => {
                added.push(QueueForecast::absent(slot.topic.clone(), slot.id));
                added.last_mut().expect("it was pushed just now")
            }
        };
        queue.after_start = Some(ends(&slot.queue, question.digest, disk)?);
        queue.units_lost = Some(missing.remove(&(slot.topic.to_string(), slot.id)).unwrap_or(0));
    }
    added.extend(missing.into_iter().map(|((topic, id), lost)| QueueForecast {
        units_lost: Some(lost),
        ..QueueForecast::absent(topic.into(), id)
    }));
    if !added.is_empty() {
        // Twice as many would be held at once if all are new.
        if found.queues.is_empty() {
            found.queues = added;
        } else {
            found.queues.append(&mut added);
        }
        found.queues.sort_unstable_by(|a, b| (&a.topic, a.queue).cmp(&(&b.topic, b.queue)));
    }
    Ok(())
}

fn ends(queue: &AnyQueue, digest: bool, disk: &Disk) -> Result<QueueEnds, RecoveryError> {
    let units_sha1 = if digest { Some(sha1_of(queue, disk)?) } else { None };
    Ok(QueueEnds { units_sha1, ..QueueEnds::of(queue) })
}

fn sha1_of(queue: &AnyQueue, disk: &Disk) -> Result<Box<str>, RecoveryError> {
    let mut sha1 = Sha1::new();
    for file in &queue.list().files {
        sha1.update(file.bytes(disk, 0, file.wrote)?);
    }
    Ok(sha1.finalize().iter().map(|byte| format!("{byte:02x}")).collect::<String>().into())
}

/// Of a broker that ends before it looks at its store.
fn refused(mode: LogKind, is_clean: bool, refusal: &Refusal) -> Forecast {
    let start = start(Some(refusal));
    Forecast { verdict: Verdict::RefuseStart, complete: true, start, ..Forecast::blank(mode, is_clean) }
}

fn files(root: &Path, disk: &Disk) -> FilesForecast {
    let (unlinked, created) = disk.changes();
    FilesForecast {
        unlinked: relative(root, unlinked),
        created: relative(root, created),
        lost: relative(root, disk.lost()),
    }
}

fn start(refusal: Option<&Refusal>) -> StartForecast {
    match refusal {
        None => StartForecast { outcome: Some("starts"), ..StartForecast::default() },
        Some(refusal) => StartForecast {
            outcome: Some("refuses"),
            exit_code: Some(refusal.exit_code),
            reason: Some(refusal.reason),
            path: refusal.path.clone(),
        },
    }
}

fn totals(found: &Forecast) -> Totals {
    let sum = |of: fn(&QueueForecast) -> u64| found.queues.iter().map(of).sum();
    let count = |of: fn(&QueueForecast) -> bool| -> u64 {
        u64::try_from(found.queues.iter().filter(|queue| of(queue)).count()).unwrap_or(u64::MAX)
    };
    Totals {
        queues: count(|_| true),
        queues_changed: count(QueueForecast::is_changed),
        queues_emptied: count(|queue| queue.before.units > 0 && queue.after_load.units == 0),
        units_removed: sum(|queue| queue.units_removed),
        units_added: sum(|queue| queue.units_added),
        units_lost: found.totals.units_lost,
        messages_dropped: found.commitlog.messages_dropped,
        files_unlinked: u64::try_from(found.files.unlinked.len()).unwrap_or(u64::MAX),
    }
}

fn verdict(found: &Forecast) -> Verdict {
    let totals = &found.totals;
    if found.start.exit_code.is_some() {
        Verdict::RefuseStart
    } else if totals.messages_dropped > 0 {
        Verdict::MessageLoss
    } else if totals.units_lost.is_some_and(|lost| lost > 0) {
        Verdict::IndexLoss
    } else if totals.units_added > 0 || found.queues.iter().any(QueueForecast::grows_after_load) {
        Verdict::Reindexed
    } else if totals.units_removed > 0 || found.has_torn_tail() {
        Verdict::Trimmed
    } else {
        Verdict::Unchanged
    }
}

/// Below the root where they are, and without the dots that a topic's name may bring in.
fn relative(root: &Path, paths: Vec<PathBuf>) -> Vec<PathBuf> {
    let plain = |path: PathBuf| {
        let mut plain = PathBuf::new();
        for part in path.components() {
            match part {
                Component::CurDir => {}
                Component::ParentDir if plain.file_name().is_some_and(|name| name != "..") => {
                    plain.pop();
                }
                other => plain.push(other),
            }
        }
        plain
    };
    let below = |path: PathBuf| path.strip_prefix(root).map(Path::to_owned).unwrap_or(path);
    paths.into_iter().map(|path| below(plain(path))).collect()
}
