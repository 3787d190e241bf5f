//! One pass over a store: from directories to a [`Picture`].
//!
//! Collectors fail one by one: what could not be read is absent from the picture and told in its `collectors`, and the rest
//! stands. The pass keeps what makes the next one cheap.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use super::picture::{
    BadQueue, Collector, CollectorState, Picture, QueueRow, Queues, Reclaimable, TopicMismatch,
};
use crate::inspect::disk;
use crate::inspect::log_end::{self, LoadedEnd, LogEnd, ReadMode};
use crate::inspect::metadata::{Metadata, TopicClass};
use crate::inspect::small_files::{Copies, SmallFiles};
use crate::store::layout::{Layout, LayoutOptions, QueueKind, RootState};
use crate::store::segments::Segments;
use crate::store::{StoreError, lock};
use crate::units::{EpochMillis, PhysicalOffset, QueueOffset};
use crate::watch::identity::FileId;
use crate::watch::tree::{Budget, QueueTree, Shrinkage, Thoroughness};

/// What a pass needs to be told.
#[derive(Debug, Clone)]
pub struct PassOptions {
    /// `storePathRootDir`.
    pub root: PathBuf,
    /// What the broker's properties say about paths.
    pub layout: LayoutOptions,
    /// `mappedFileSizeCommitLog`, where it was told.
    pub segment_len: Option<u64>,
    /// How long the broker keeps files (`fileReservedTime`).
    pub file_reserved: Duration,
    /// How segments are read.
    pub read_mode: ReadMode,
    /// Longest time for the consume queues.
    pub time_budget: Duration,
    /// Most bytes read for the consume queues.
    pub byte_budget: u64,
    /// Set when a pass under way should end early.
    pub stop: Arc<AtomicBool>,
}

/// Looks at one store again and again.
#[derive(Debug)]
pub struct Passes {
    options: PassOptions,
    layout: Option<Layout>,
    /// The consume queues.
    pub tree: QueueTree,
    /// Copies of small files, as they were when the broker last changed them.
    pub copies: Copies,
    /// What the broker's last start said of the end of the log.
    pub loaded_end: Option<LoadedEnd>,
    log_end: LogEnd,
    metadata: Metadata,
    collectors: BTreeMap<Collector, CollectorState>,
}

/// A picture, and what was found smaller than before.
#[derive(Debug)]
pub struct Seen {
    /// The picture.
    pub picture: Picture,
    /// Queues of which something is gone.
    pub shrinkages: Vec<Shrinkage>,
}

impl Passes {
    /// Nothing has been seen yet.
    #[must_use]
    pub fn new(options: PassOptions) -> Self {
        Self {
            options,
            layout: None,
            tree: QueueTree::default(),
            copies: Copies::default(),
            loaded_end: None,
            log_end: LogEnd::default(),
            metadata: Metadata::default(),
            collectors: BTreeMap::new(),
        }
    }

    /// Where the store is configured to be.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.options.root
    }

    /// The paths of the store as they are now.
    ///
    /// # Errors
    /// The state of the root, where it is no store.
    pub fn detect(&self) -> Result<Layout, RootState> {
        Layout::detect(&self.options.root, &self.options.layout)
    }

    /// The paths of the store, once one was seen.
    #[must_use]
    pub fn layout(&self) -> Option<&Layout> {
        self.layout.as_ref()
    }

    /// Topics of `topics.json`, as last read.
    #[must_use]
    pub fn topic_names(&self) -> Option<BTreeSet<&str>> {
        self.metadata.topic_names()
    }

    /// Looks at everything once.
    pub fn look(&mut self, thoroughness: Thoroughness, now: EpochMillis) -> Seen {
        let mut picture = Picture::blank(&self.options.root, RootState::Missing, now);
        let began = Instant::now();
        let standing = identity(&self.options.root);
        let layout = match self.detect() {
            Ok(layout) => layout,
            Err(state) => {
                picture.root_state = state;
                let error = (state != RootState::Empty)
                    .then(|| format!("{}: {}", self.options.root.display(), state.as_str()));
                self.note(Collector::Root, began, now, error);
                picture.collectors.clone_from(&self.collectors);
                return Seen { picture, shrinkages: Vec::new() };
            }
        };
        self.note(Collector::Root, began, now, None);
        picture.root_state = RootState::Store;
        picture.log_kind = Some(layout.log_kind);
        picture.queue_kind = Some(layout.queue_kind);
        picture.disk_used = disk::areas(&layout);

        self.files(&layout, &mut picture);
        self.tables(&layout, &mut picture);
        let shrinkages = self.queues(&layout, thoroughness, &mut picture);
        self.log(&layout, &mut picture);
        if identity(&self.options.root) != standing {
            return self.unsee(shrinkages, picture, began);
        }
        self.judge_queues(&mut picture);
        self.layout = Some(layout);
        picture.collectors.clone_from(&self.collectors);
        Seen { picture, shrinkages }
    }

    /// The store has gone from the root while it was looked at, as when its file system is unmounted: what was missing then is
    /// not lost, and all is remembered as it was before.
    fn unsee(&mut self, shrinkages: Vec<Shrinkage>, seen: Picture, began: Instant) -> Seen {
        for Shrinkage { key, before, .. } in shrinkages {
            self.tree.restore(key, before);
        }
        let now = seen.taken_at;
        let mut picture = Picture::blank(&self.options.root, RootState::Unreadable, now);
        picture.failures = seen.failures;
        let error = format!("{}: replaced while it was read", self.options.root.display());
        self.note(Collector::Root, began, now, Some(error));
        picture.collectors.clone_from(&self.collectors);
        Seen { picture, shrinkages: Vec::new() }
    }

    fn note(&mut self, collector: Collector, began: Instant, now: EpochMillis, error: Option<String>) {
        let state = self.collectors.entry(collector).or_default();
        if state.error.is_some() != error.is_some() {
            match &error {
                Some(error) => tracing::warn!(collector = collector.as_str(), %error, "collector fails"),
                None => tracing::info!(collector = collector.as_str(), "collector works again"),
            }
        }
        state.took = began.elapsed();
        if error.is_none() {
            state.last_success = Some(now);
        }
        state.error = error;
    }

    fn finish(
        &mut self,
        collector: Collector,
        began: Instant,
        picture: &mut Picture,
        outcome: Result<(), StoreError>,
    ) {
        let error = outcome.err().map(|error| {
            *picture.failures.entry(error.reason()).or_default() += 1;
            error.to_string()
        });
        self.note(collector, began, picture.taken_at, error);
    }

    fn files(&mut self, layout: &Layout, picture: &mut Picture) {
        let began = Instant::now();
        let outcome = SmallFiles::read(layout, &mut self.copies).and_then(|files| {
            picture.is_abort_present = Some(files.is_abort_present);
            picture.checkpoint = files.checkpoint;
            picture.ledger_checkpoint = files.ledger_checkpoint;
            picture.index_files = Some((files.index_files, files.index_files_newer_than_checkpoint));
            picture.lock = Some(lock::query(&layout.lock())?);
            Ok(())
        });
        self.finish(Collector::Files, began, picture, outcome);
    }

    fn tables(&mut self, layout: &Layout, picture: &mut Picture) {
        let began = Instant::now();
        let outcome = self.metadata.refresh(layout, &mut self.copies);
        picture.tables.clone_from(&self.metadata.valid);
        picture.removed_topics = std::mem::take(&mut self.metadata.removed_topics);
        self.finish(Collector::Metadata, began, picture, outcome);
    }

    fn queues(
        &mut self,
        layout: &Layout,
        thoroughness: Thoroughness,
        picture: &mut Picture,
    ) -> Vec<Shrinkage> {
        let began = Instant::now();
        if layout.queue_kind == QueueKind::RocksDb {
            self.note(Collector::Consumequeue, began, picture.taken_at, None);
            return Vec::new();
        }
        let budget =
            Budget::from_now(self.options.time_budget, self.options.byte_budget).unless(&self.options.stop);
        let report = match self.tree.refresh(layout, thoroughness, picture.taken_at.0 / 1000, &budget) {
            Ok(report) => report,
            Err(error) => {
                self.finish(Collector::Consumequeue, began, picture, Err(error));
                return Vec::new();
            }
        };
        picture.is_complete = report.is_complete;
        let error = report.failures.first().map(|(_, path)| {
            format!("{} of the queues could not be read, {} first", report.failures.len(), path.display())
        });
        for (reason, _) in &report.failures {
            *picture.failures.entry(*reason).or_default() += 1;
        }
        self.note(Collector::Consumequeue, began, picture.taken_at, error);
        self.sum_queues(picture);
        report.shrinkages
    }

    /// Sums and rows of the queues as the tree has them.
    pub fn sum_queues(&self, picture: &mut Picture) {
        let mut queues = Queues { is_listed: true, ..Queues::default() };
        let mut rows = Vec::new();
        for class in TopicClass::ALL {
            queues.by_class.entry(class).or_default();
        }
        let mut last: Option<Arc<str>> = None;
        let mut class = TopicClass::User;
        for (format, topic, queue, entry) in self.tree.iter() {
            let is_new = last.as_ref() != Some(topic);
            if is_new {
                class = TopicClass::of(topic);
                last = Some(topic.clone());
            }
            let by_topic = queues.by_topic.entry(topic.clone()).or_default();
            let by_class = queues.by_class.entry(class).or_default();
            by_class.topics += u64::from(is_new);
            for sums in [by_topic, by_class] {
                sums.queues += 1;
                sums.files += u64::from(entry.files.count);
                sums.allocated_bytes += entry.files.allocated;
                sums.units += entry.units();
            }
            let max_physical = entry.ends.map_or(PhysicalOffset(-1), |ends| ends.max_physical);
            if let Ok(end) = u64::try_from(max_physical.0) {
                queues.max_physical = queues.max_physical.max(Some(end));
            }
            let bad = if entry.files.has_gap {
                Some(BadQueue::FileGap)
            } else if entry.files.invalid > 0 {
                Some(BadQueue::InvalidFile)
            } else if entry.ends.is_some_and(|ends| ends.cut.is_some()) {
                Some(BadQueue::StaleUnits)
            } else if entry.ends.is_some_and(|ends| ends.has_empty_tail) {
                Some(BadQueue::EmptyTailFile)
            } else {
                None
            };
            rows.push(QueueRow {
                topic: topic.clone(),
                queue,
                format,
                files: entry.files.count,
                min: entry.ends.map_or(QueueOffset(-1), |ends| ends.min),
                max: entry.ends.map_or(QueueOffset(-1), |ends| ends.max),
                max_physical,
                bad,
            });
        }
        rows.sort_by(|a, b| (&a.topic, a.queue, a.format).cmp(&(&b.topic, b.queue, b.format)));
        queues.rows = Arc::new(rows);
        picture.queues = queues;
    }

    fn log(&mut self, layout: &Layout, picture: &mut Picture) {
        let began = Instant::now();
        let outcome = self.read_log(layout, picture);
        self.finish(Collector::Commitlog, began, picture, outcome);
    }

    fn read_log(&mut self, layout: &Layout, picture: &mut Picture) -> Result<(), StoreError> {
        let segments = Segments::list(&layout.log_dirs, self.options.segment_len)?;
        let (allocated, apparent) = segments.bytes();
        let log = &mut picture.log;
        log.is_listed = true;
        log.min = segments.list.first().map(|segment| segment.base);
        log.files = count(segments.list.len());
        (log.allocated, log.apparent) = (allocated, apparent);
        log.gaps = count(segments.gaps());
        log.invalid.clone_from(&segments.invalid);
        let reserved = i64::try_from(self.options.file_reserved.as_millis()).unwrap_or(i64::MAX);
        let expired_before = picture.taken_at.0.saturating_sub(reserved);
        // The broker never removes the last one.
        let older = segments.list.iter().rev().skip(1).filter(|segment| segment.modified.0 < expired_before);
        picture.reclaimable.insert(Reclaimable::Expired, older.map(|segment| segment.allocated).sum());
        let log = &mut picture.log;
        let mode = self.options.read_mode;
        let dispatched_to = picture.queues.max_physical;
        match self.log_end.follow(&segments, layout.log_kind, dispatched_to, self.loaded_end, mode) {
            // A segment went between listing and opening: this pass knows less, the next one lists again.
            Err(error) if error.is_gone() => return Ok(()),
            outcome => outcome?,
        }
        log.max = self.log_end.position();
        log.tail = self.log_end.tail();
        log.newest = self.log_end.newest();
        log.ledger_last = self.log_end.ledger_index();
        let oldest = log_end::first_record(&segments, layout.log_kind)?;
        log.oldest = oldest.map(|record| record.stored_at);
        log.ledger_first = oldest.and_then(|record| record.ledger_index);
        if let (Some(end), true) = (log.max, picture.queues.is_listed) {
            let lag = log_end::dispatch_lag(&segments, layout.log_kind, dispatched_to, end, mode)?;
            log.lag_bytes = Some(lag.bytes);
            log.lag_since = lag.oldest;
            log.lag_by_topic = lag.by_topic;
        }
        Ok(())
    }

    /// What can be said of the queues only with the log and the tables beside them.
    fn judge_queues(&self, picture: &mut Picture) {
        let log_end = picture.log.max.and_then(|end| i64::try_from(end).ok());
        let mut rows = Arc::unwrap_or_clone(std::mem::take(&mut picture.queues.rows));
        let mut bad: BTreeMap<BadQueue, u64> = BadQueue::ALL.iter().map(|reason| (*reason, 0)).collect();
        for row in &mut rows {
            if row.bad.is_none() && log_end.is_some_and(|end| row.max_physical.0 > end) {
                row.bad = Some(BadQueue::BeyondLogEnd);
            }
            if let Some(reason) = row.bad {
                *bad.entry(reason).or_default() += 1;
            }
        }
        picture.queues.bad = bad;
        picture.queues.mismatches = self.metadata.topics.as_ref().map(|topics| {
            let mut found: BTreeMap<_, u64> = TopicMismatch::ALL.iter().map(|kind| (*kind, 0)).collect();
            for row in &rows {
                match topics.get(&*row.topic) {
                    None if TopicClass::of(&row.topic) != TopicClass::Lmq => {
                        *found.entry(TopicMismatch::NotConfigured).or_default() += 1;
                    }
                    Some(topic) if row.queue >= topic.queues => {
                        *found.entry(TopicMismatch::QueueBeyondConfig).or_default() += 1;
                    }
                    _ => {}
                }
            }
            found
        });
        if let Some(topics) = &self.metadata.topics {
            let by_topic = picture.queues.by_topic.iter();
            let unconfigured = by_topic.filter(|(topic, _)| {
                TopicClass::of(topic) != TopicClass::Lmq && !topics.contains_key(&***topic)
            });
            let bytes = unconfigured.map(|(_, sums)| sums.allocated_bytes).sum();
            picture.reclaimable.insert(Reclaimable::UnconfiguredTopics, bytes);
        }
        picture.queues.offsets_beyond_and_below = self.metadata.consumer_offsets.as_ref().map(|offsets| {
            let find = |topic: &str, queue: u32| {
                rows.binary_search_by(|row| (&*row.topic, row.queue).cmp(&(topic, queue)))
                    .ok()
                    .and_then(|index| rows.get(index))
            };
            offsets.iter().fold((0, 0), |(beyond, below), (topic, _, queue, offset)| {
                match find(topic, *queue) {
                    Some(row) if row.files == 0 => (beyond + u64::from(offset.0 > 0), below),
                    Some(row) => {
                        (beyond + u64::from(*offset > row.max), below + u64::from(*offset < row.min))
                    }
                    None => (beyond, below),
                }
            })
        });
        picture.queues.rows = Arc::new(rows);
    }
}

/// What stands at a path, so far as the system says.
fn identity(path: &Path) -> Option<FileId> {
    std::fs::metadata(path).ok().map(|metadata| FileId::of(&metadata))
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
