//! Looks at the store until told to stop: seldom while nothing happens, without pause while the broker starts.
//!
//! Between two passes it feels the broker's pulse: whether the lock is held. A broker that goes is a reason for a pass at once,
//! since what it left is what the next start will be measured by.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use super::evidence::Evidence;
use super::observer::{Observer, ToldQueue};
use super::pass::Passes;
use super::state_file::Saved;
use crate::broker::release::{Detected, Places, VersionSource, only_known};
use crate::recovery::queue_truncation::Truncation;
use crate::store::consumequeue::{Ends, UnitFormat};
use crate::store::lock::{self, LockState};
use crate::store::queue_files::QueueFiles;
use crate::units::{EpochMillis, PhysicalOffset, QueueOffset};
use crate::watch::tree::{QueueEntry, QueueKey, Shrinkage, Thoroughness};
use crate::watch::wake::{Wake, Woken};

/// Time between two feelings of the pulse.
const PULSE: Duration = Duration::from_millis(200);
/// How long passes stay close together after a start, so that nothing of it is missed.
const AFTER_START: u64 = 3_000;
/// Every so often time stamps of directories are not trusted.
const THOROUGH_EVERY: Duration = Duration::from_secs(300);
/// Longest time that growth alone is not saved.
const SAVE_EVERY: Duration = Duration::from_secs(30);
/// Shortest time between two saves.
const SAVE_GAP: Duration = Duration::from_millis(500);

/// How often to look, and what to keep.
#[derive(Debug, Clone)]
pub struct PassLoopOptions {
    /// Time between two passes while nothing happens.
    pub interval: Duration,
    /// Time between two passes while the broker starts.
    pub start_interval: Duration,
    /// Share of a core that passes may cost while nothing happens.
    pub max_cpu_ratio: f64,
    /// Where the exporter keeps its state; `None`: nowhere.
    pub state_dir: Option<PathBuf>,
    /// Starts whose evidence is kept.
    pub evidence_starts: usize,
    /// Most bytes of evidence for one start.
    pub evidence_bytes: u64,
    /// Directory of the broker's logs, once it is known.
    pub logs_dir: Arc<OnceLock<PathBuf>>,
    /// Release as the operator told it.
    pub version: Option<(String, VersionSource)>,
}

/// Looks at one store.
pub struct PassLoop {
    /// What looks.
    pub passes: Passes,
    /// Whom it tells.
    pub observer: Arc<Mutex<Observer>>,
    /// How often, and what to keep.
    pub options: PassLoopOptions,
    /// What time it is.
    pub clock: fn() -> EpochMillis,
    /// Whether an earlier life of the exporter left its marks.
    pub has_marks: bool,
    release: Option<(Option<i32>, Option<Detected>)>,
    cost: Duration,
    thorough_at: Option<Instant>,
    saved_at: Option<Instant>,
}

impl PassLoop {
    /// Nothing has been looked at yet.
    #[must_use]
    pub fn new(
        passes: Passes,
        observer: Arc<Mutex<Observer>>,
        options: PassLoopOptions,
        clock: fn() -> EpochMillis,
        has_marks: bool,
    ) -> Self {
        Self {
            passes,
            observer,
            options,
            clock,
            has_marks,
            release: None,
            cost: Duration::ZERO,
            thorough_at: None,
            saved_at: None,
        }
    }

    fn observer(&self) -> MutexGuard<'_, Observer> {
        self.observer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks until told to stop, and saves what is known at the end. Gives a sign of life with `beat`.
    pub fn run(&mut self, wake: &mut Wake, beat: &dyn Fn()) {
        let mut watched: Option<PathBuf> = None;
        loop {
            let is_outdated = self.look();
            beat();
            if let Some(layout) = self.passes.layout()
                && watched.as_ref() != Some(&layout.root)
            {
                for dir in [layout.root.clone(), layout.consumequeue(), layout.index()] {
                    wake.watch(&dir);
                }
                watched = Some(layout.root.clone());
            }
            if !is_outdated && !self.wait(wake, beat) {
                self.save();
                return;
            }
        }
    }

    /// Waits until the next pass is due; `false` to stop.
    fn wait(&mut self, wake: &mut Wake, beat: &dyn Fn()) -> bool {
        let began = Instant::now();
        let idle = self.cost.div_f64(self.options.max_cpu_ratio);
        let mut due =
            if self.is_hot() { self.options.start_interval } else { self.options.interval.max(idle) };
        loop {
            let left = due.saturating_sub(began.elapsed());
            if left.is_zero() {
                return true;
            }
            beat();
            match wake.wait(left.min(PULSE)) {
                Woken::ByStop => return false,
                Woken::ByRequest => return true,
                // File events may come in floods; a pass may cost too much to follow each.
                Woken::ByChange => due = due.min(idle.max(self.options.start_interval)),
                Woken::ByTime => {}
            }
            if self.has_pulse_changed() {
                return true;
            }
            let is_dirty = self.observer().is_dirty;
            if is_dirty {
                self.save_if_due();
            }
        }
    }

    /// Whether the broker starts, has just started, or something waits for its explanation.
    fn is_hot(&self) -> bool {
        let now = (self.clock)();
        let observer = self.observer();
        let life = &observer.memory.life;
        // In either direction: after a clock was set back, the end may lie far ahead.
        let is_fresh = life.last_recovery_end.is_some_and(|end| now.0.abs_diff(end.0) < AFTER_START);
        life.is_starting() || is_fresh || life.cut_due().is_some() || observer.memory.losses.is_waiting()
    }

    fn has_pulse_changed(&self) -> bool {
        let Some(layout) = self.passes.layout() else { return false };
        // A lock that cannot be asked says nothing.
        let Ok(state) = lock::query(&layout.lock()) else { return false };
        self.observer().memory.life.is_lock_held() != matches!(state, LockState::Held { .. })
    }

    /// One pass, and all that follows from it. Says whether the picture is outdated already.
    pub fn look(&mut self) -> bool {
        let (began, cpu) = (Instant::now(), cpu_time());
        if !self.has_marks {
            self.restore_told();
        }
        let is_thorough = self.thorough_at.is_none_or(|at| at.elapsed() >= THOROUGH_EVERY);
        let thoroughness = if is_thorough { Thoroughness::Thorough } else { Thoroughness::Quick };
        if is_thorough {
            self.thorough_at = Some(began);
        }
        let now = (self.clock)();
        let loaded_end = self.observer().memory.life.loaded_end;
        self.passes.loaded_end = loaded_end;
        let seen = self.passes.look(thoroughness, now);
        let is_store = seen.picture.log_kind.is_some();
        let taken = seen.shrinkages.clone();
        let release = self.release(seen.picture.lock);
        {
            let mut observer = self.observer();
            let told = only_known(observer.releases_told.from, observer.releases_told.to);
            // A broker that is gone is still the one that will be started again; of two that its lines told of, the newer.
            // What was told an exporter before this one is not found anew.
            let known = observer.memory.release.take().filter(|known| !known.source.is_told());
            let by_lines = known.as_ref().is_none_or(|known| known.source == VersionSource::Log);
            observer.memory.release = release.or(if by_lines { told.or(known) } else { known });
            observer.see(seen.picture, seen.shrinkages);
        }
        let mut is_outdated = false;
        if is_store {
            is_outdated = self.apply_cut(now);
            let is_start_near = {
                let life = &self.observer().memory.life;
                life.is_starting() || life.cut_due().is_some()
            };
            if !is_start_near {
                self.passes.tree.settle_marks();
            }
            self.keep_evidence(&taken);
            self.has_marks = true;
        }
        self.cost = cpu_time().saturating_sub(cpu);
        self.save_if_due();
        is_outdated
    }

    /// The release as everything but the log tells it. Looked for once for each process that holds the lock: a broker may have
    /// tens of thousands of files open.
    fn release(&mut self, lock: Option<LockState>) -> Option<Detected> {
        let pid = match lock {
            Some(LockState::Held { pid }) if pid > 0 => Some(pid),
            _ => None,
        };
        if let Some((of, release)) = &self.release
            && *of == pid
        {
            return release.clone();
        }
        let places = Places {
            told: self.options.version.as_ref().map(|(version, source)| (version.as_str(), *source)),
            env: std::env::var("ROCKETMQ_VERSION").ok(),
            home: std::env::var("ROCKETMQ_HOME").ok(),
            pid,
        };
        let release = places.detect();
        self.release = Some((pid, release.clone()));
        release
    }

    /// Tells the queues of a recovery that is over: what it cut may not show on disk. Says whether there was one to tell of.
    fn apply_cut(&mut self, now: EpochMillis) -> bool {
        let (due, resume_from) = {
            let observer = self.observer();
            let life = &observer.memory.life;
            let told = life.start.as_ref().and_then(|start| start.max_offset);
            let log_end = observer.picture.as_ref().and_then(|picture| picture.log.max);
            (life.cut_due(), told.or(log_end.and_then(|end| i64::try_from(end).ok())))
        };
        let Some(cut) = due else { return false };
        let Some(layout) = self.passes.layout().cloned() else { return false };
        let truncation = cut.map(|truncate_to| Truncation {
            truncate_to: PhysicalOffset(truncate_to),
            resume_from: PhysicalOffset(resume_from.unwrap_or(i64::MAX)),
        });
        let report = self.passes.tree.after_start(&layout, truncation.as_ref());
        let mut observer = self.observer();
        observer.settle_cut(report.shrinkages, now);
        observer.memory.life.cut_applied(cut);
        observer.is_dirty = true;
        true
    }

    fn keep_evidence(&mut self, taken: &[Shrinkage]) {
        let start = {
            let mut observer = self.observer();
            if !std::mem::take(&mut observer.is_evidence_due) {
                return;
            }
            observer.memory.life.start.clone()
        };
        let (Some(start), Some(layout), Some(dir)) =
            (start, self.passes.layout(), self.options.state_dir.clone())
        else {
            return;
        };
        let evidence = Evidence {
            layout,
            copies: &self.passes.copies,
            tree: &self.passes.tree,
            taken,
            store_log: self.options.logs_dir.get().map(|dir| dir.join("store.log")),
            start: &start,
            was_there_before: self.has_marks,
        };
        match evidence.keep(&dir, self.options.evidence_starts, self.options.evidence_bytes) {
            Ok(Some(path)) => {
                let summary = format!("kept in {}", path.display());
                self.observer().memory.feed.tell((self.clock)(), "evidence", "", "info", summary);
            }
            Ok(None) => {}
            Err(error) => tracing::error!(%error, dir = %dir.display(), "evidence could not be kept"),
        }
    }

    /// Without marks of its own, the exporter goes by what the broker logged of its queues in its last start; only for queues
    /// that this start took something from, and that are still there.
    fn restore_told(&mut self) {
        let Ok(layout) = self.passes.detect() else { return };
        let (told, truncated_to) = {
            let mut observer = self.observer();
            let truncated_to = observer.memory.life.start.as_ref().and_then(|start| start.truncated_to);
            (observer.told_queues.take().unwrap_or_default(), truncated_to)
        };
        for ((topic, queue), told) in told {
            let dir = layout.consumequeue().join(&topic).join(queue.to_string());
            let Ok(now) = QueueFiles::list(&dir) else { continue };
            if told.removed.is_some() || truncated_to.is_some() {
                let key = QueueKey { format: UnitFormat::Simple, topic: topic.into(), queue };
                self.passes.tree.restore(key, told_entry(&told, &now));
            }
        }
    }

    fn save_if_due(&mut self) {
        let since = self.saved_at.map_or(SAVE_EVERY, |at| at.elapsed());
        if since >= SAVE_EVERY || (since >= SAVE_GAP && self.observer().is_dirty) {
            self.save();
        }
    }

    /// Writes what is known to the state directory.
    pub fn save(&mut self) {
        let Some(dir) = self.options.state_dir.clone() else { return };
        let saved = {
            let mut observer = self.observer();
            observer.is_dirty = false;
            Saved::of(self.root(), observer.tail_position.clone(), observer.memory.clone(), &self.passes.tree)
        };
        let began = Instant::now();
        let outcome = saved.save(&dir);
        let mut observer = self.observer();
        let state = observer.saving.get_or_insert_default();
        match (&outcome, &state.error) {
            (Err(error), None) => tracing::error!(%error, "the state cannot be saved"),
            (Ok(()), Some(_)) => tracing::info!("the state can be saved again"),
            _ => {}
        }
        state.took = began.elapsed();
        match outcome {
            Ok(()) => (state.error, state.last_success) = (None, Some((self.clock)())),
            Err(error) => state.error = Some(error.to_string()),
        }
        drop(observer);
        self.saved_at = Some(Instant::now());
    }

    fn root(&self) -> &Path {
        self.passes.root()
    }
}

fn told_entry(told: &ToldQueue, now: &QueueFiles) -> QueueEntry {
    let unit = UnitFormat::Simple.unit_len();
    let (first_removed, last_removed, removed) = told.removed.unwrap_or((u64::MAX, 0, 0));
    let file_len = if now.file_len > 0 {
        now.file_len
    } else if removed > 1 {
        (last_removed - first_removed) / u64::from(removed - 1)
    } else {
        // One file, of which the length is not known; the end lies in it.
        (told.end.saturating_sub(told.last_base)).max(unit)
    };
    let first_base = if now.count > 0 { now.first_base.min(first_removed) } else { first_removed };
    let ordinal = |position: u64| QueueOffset(i64::try_from(position / unit).unwrap_or(i64::MAX));
    let files = QueueFiles {
        count: now.count + removed,
        first_base,
        last_base: told.last_base.max(last_removed),
        file_len,
        ..QueueFiles::default()
    };
    let ends = Ends {
        min: ordinal(first_base),
        min_physical: PhysicalOffset(-1),
        max: ordinal(told.end),
        last_physical: PhysicalOffset(-1),
        max_physical: PhysicalOffset(-1),
        position: told.end,
        cut: None,
        may_be_unordered: false,
        has_empty_tail: false,
    };
    QueueEntry::remembered(files, Some(ends))
}

/// CPU time of this thread.
fn cpu_time() -> Duration {
    nix::time::clock_gettime(nix::time::ClockId::CLOCK_THREAD_CPUTIME_ID)
        .map(Duration::from)
        .unwrap_or_default()
}
