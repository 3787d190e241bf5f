//! The broker's life cycle, from whatever shows of it: its lines, its lock, its `abort` file.
//!
//! No phase hangs on one line, as the broker's logger drops INFO lines under load, and none hangs on lines alone, as there may
//! be no log here: any line of a phase enters it, and the lock has the last word.
//!
//! | seen | then |
//! |---|---|
//! | a line of `load()` or of recovery after anything else | a start has begun |
//! | the lock goes from free to held | a start is over (and has been, if no line of it was seen) |
//! | the lock is free while running | stopped |
//! | a line that says that `load()` fails | failed, until the next start; what follows at once belongs to the start that failed |
//! | no line for [`SILENCE`] within a start, lock free | stopped: whoever was starting is gone |
//!
//! Upstream: `BrokerController.initialize`, `DefaultMessageStore.load` and `start` (the lock is taken in `start`, after
//! recovery), releases 4.9.4 to 5.5.1.

use serde::{Deserialize, Deserializer, Serialize};

use crate::inspect::log_end::LoadedEnd;
use crate::label::label_set;
use crate::preview::assumption::BrokerState;
use crate::store::lock::LockState;
use crate::units::EpochMillis;
use crate::watch::{Fact, Occurrence, PhaseHint};

/// A start of which nothing was heard for this long, and whose lock was never taken, is given up (ms).
pub const SILENCE: i64 = 300_000;

/// Lines are written by another thread of the broker: those of a start may come this much after its lock (ms).
const LINE_DELAY: i64 = 3_000;

label_set! {
    /// Where the broker is.
    pub enum Phase {
        /// No broker works on the store.
        Stopped = "stopped",
        /// `load()`: files are listed and mapped.
        Loading = "loading",
        /// Consume queues are scanned.
        RecoveringConsumequeue = "recovering_consumequeue",
        /// The log is walked.
        RecoveringCommitlog = "recovering_commitlog",
        /// `start()`: loaded, not yet serving.
        Starting = "starting",
        /// The lock is held.
        Running = "running",
        /// `load()` failed; the process ends.
        Failed = "failed",
    }
}

impl Phase {
    /// Whether a start is under way: the time in which recovery may take things away.
    #[must_use]
    pub fn is_start(self) -> bool {
        matches!(
            self,
            Self::Loading | Self::RecoveringConsumequeue | Self::RecoveringCommitlog | Self::Starting
        )
    }
}

impl Phase {
    /// The same in the words of a preview.
    #[must_use]
    pub fn broker_state(self) -> BrokerState {
        match self {
            Self::Stopped | Self::Failed => BrokerState::Stopped,
            Self::Running => BrokerState::Running,
            Self::Loading | Self::RecoveringConsumequeue | Self::RecoveringCommitlog | Self::Starting => {
                BrokerState::Loading
            }
        }
    }
}

label_set! {
    /// How the broker's life before a start ended.
    pub enum PreviousShutdown {
        /// Orderly: `abort` was gone.
        Clean = "clean",
        /// Killed or failed: `abort` was there.
        Unclean = "unclean",
        /// Neither the line nor the file was seen in time.
        Unknown = "unknown",
    }
}

label_set! {
    /// A part of recovery, timed.
    pub enum RecoveryPart {
        /// From the first line of the start to the end of recovery.
        Total = "total",
        /// The scan of the consume queues.
        Consumequeue = "consumequeue",
        /// The walk over the log.
        Commitlog = "commitlog",
    }
}

/// One start of the broker, as far as it has come.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Start {
    /// When it was first seen.
    pub began_at: EpochMillis,
    /// When its recovery was over.
    pub recovered_at: Option<EpochMillis>,
    /// How the life before it ended, once known.
    pub previous_shutdown: Option<PreviousShutdown>,
    /// Whether it failed.
    pub has_failed: bool,
    /// Whether the broker itself said how long recovery took.
    pub has_cost: bool,
    /// The cut that has been applied to the queues as they are known here.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "given")]
    pub applied: Option<AppliedCut>,
    /// The cut that the broker made to its consume queues (`processOffset`), if it made one.
    pub truncated_to: Option<i64>,
    /// Where dispatch begins (`load over, and the max phy offset = ...`).
    pub max_offset: Option<i64>,
    /// Queues of which the scan was reported.
    pub queues_scanned: u64,
    /// First position of the walk over the log, and the segment in which it is.
    pub walk: Option<(i64, i64)>,
}

/// The cut of a start as it was applied; `None` inside: a start without one.
pub type AppliedCut = Option<i64>;

/// A value that is there is one that was applied, `null` too: that is a start without a cut.
fn given<'de, D: Deserializer<'de>>(value: D) -> Result<Option<AppliedCut>, D::Error> {
    AppliedCut::deserialize(value).map(Some)
}

/// What changed with a line or a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// A start was seen to begin.
    StartBegan,
    /// Recovery is over: what it took is gone.
    RecoveryOver,
    /// The broker is gone.
    Stopped,
}

/// The life of one broker.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Life {
    /// Where it is; `None` before anything was seen.
    pub phase: Option<Phase>,
    /// Since when.
    pub phase_since: EpochMillis,
    /// The last start, over or not.
    pub start: Option<Start>,
    /// The end of the log, of the last start that came to loading it.
    #[serde(default)]
    pub loaded_end: Option<LoadedEnd>,
    /// Starts by how the life before ended.
    pub starts: [u64; 3],
    /// Starts whose `load()` failed.
    pub load_failures: u64,
    /// How long the last recovery took, in ms, by part.
    pub recovery_millis: [Option<u64>; 3],
    /// When the last recovery ended.
    pub last_recovery_end: Option<EpochMillis>,
    last_line_at: EpochMillis,
    is_lock_held: bool,
    lock_held_at: EpochMillis,
}

impl Life {
    /// Whether a start is under way.
    #[must_use]
    pub fn is_starting(&self) -> bool {
        self.phase.is_some_and(Phase::is_start)
    }

    /// Whether the lock was held at the last look.
    #[must_use]
    pub fn is_lock_held(&self) -> bool {
        self.is_lock_held
    }

    /// Whether the last life ended orderly; `None` before a start was seen.
    #[must_use]
    pub fn was_shutdown_clean(&self) -> Option<bool> {
        match self.start.as_ref()?.previous_shutdown? {
            PreviousShutdown::Clean => Some(true),
            PreviousShutdown::Unclean => Some(false),
            PreviousShutdown::Unknown => None,
        }
    }

    /// The cut that the queues have to be told of: recovery is over, and what it did has not been applied yet.
    #[must_use]
    pub fn cut_due(&self) -> Option<AppliedCut> {
        let start = self.start.as_ref().filter(|start| start.recovered_at.is_some())?;
        (start.applied != Some(start.truncated_to)).then_some(start.truncated_to)
    }

    /// Says that [`Life::cut_due`] has been applied.
    pub fn cut_applied(&mut self, cut: AppliedCut) {
        if let Some(start) = &mut self.start {
            start.applied = Some(cut);
        }
    }

    /// Takes in one line of the broker.
    pub fn hear(&mut self, line: &Occurrence) -> Option<Change> {
        let hint = line.phase?;
        self.last_line_at = self.last_line_at.max(line.at);
        if hint != PhaseHint::Opening && self.has_just_failed(line.at) {
            // 5.2.0 goes on with `load commit log Failed` and `load over, and the max phy offset = …` of a log without an end.
            return None;
        }
        let change = match hint {
            PhaseHint::Opening => self.open(line.at),
            PhaseHint::Loading => self.in_start(Phase::Loading, line.at),
            PhaseHint::RecoveringConsumeQueue => self.in_start(Phase::RecoveringConsumequeue, line.at),
            PhaseHint::RecoveringCommitLog => self.in_start(Phase::RecoveringCommitlog, line.at),
            PhaseHint::LoadOver => {
                let began = self.in_start(Phase::Starting, line.at);
                self.recovery_over(line.at).or(began)
            }
            PhaseHint::Starting => {
                if self.is_starting() && self.phase != Some(Phase::Starting) {
                    self.enter(Phase::Starting, line.at);
                    self.recovery_over(line.at)
                } else {
                    None
                }
            }
            PhaseHint::Running => {
                let over = if self.is_starting() { self.recovery_over(line.at) } else { None };
                if self.phase.is_none() || self.is_starting() {
                    self.enter(Phase::Running, line.at);
                }
                over
            }
            // The lock goes a moment later; that is when it has stopped.
            PhaseHint::Stopping => None,
            PhaseHint::Failed => {
                let began = self.in_start(Phase::Loading, line.at);
                self.fail(line.at);
                began
            }
        };
        if let (Some(fact), Some(start)) = (&line.fact, &mut self.start) {
            match fact {
                Fact::Shutdown { clean } if start.previous_shutdown.is_none() => {
                    let kind = if *clean { PreviousShutdown::Clean } else { PreviousShutdown::Unclean };
                    self.settle_shutdown(kind);
                }
                Fact::Truncation { consumequeue_max, process_offset }
                    if consumequeue_max > process_offset =>
                {
                    start.truncated_to = Some(*process_offset);
                }
                Fact::LoadOver { max_offset } => {
                    start.max_offset = Some(*max_offset);
                    self.loaded_end = Some(LoadedEnd { end: *max_offset, at: line.at });
                }
                Fact::QueueScanned { .. } => start.queues_scanned += 1,
                Fact::ScanStart { path } | Fact::ScanNext { path } => {
                    if let Some(base) = segment_base(path) {
                        start.walk = Some((start.walk.map_or(base, |(first, _)| first.min(base)), base));
                    }
                }
                Fact::RecoveryCost { consumequeue_ms, commitlog_ms, total_ms } => {
                    self.recovery_millis = [Some(*total_ms), *consumequeue_ms, *commitlog_ms];
                    start.has_cost = true;
                }
                _ => {}
            }
        }
        change
    }

    /// Takes in a look at the lock and at the `abort` file.
    pub fn look(&mut self, lock: LockState, is_abort_present: bool, now: EpochMillis) -> Option<Change> {
        let is_held = matches!(lock, LockState::Held { .. });
        let was_held = std::mem::replace(&mut self.is_lock_held, is_held);
        if is_held {
            // A time that lies ahead is one of before the clock was set back.
            self.lock_held_at = if was_held { self.lock_held_at.min(now) } else { now };
            let change = if self.is_starting() {
                self.recovery_over(now)
            } else if matches!(self.phase, Some(Phase::Stopped | Phase::Failed)) {
                // Held again, and not a line of the start was seen.
                self.begin(now);
                self.recovery_over(now);
                Some(Change::StartBegan)
            } else {
                None
            };
            if self.phase != Some(Phase::Running) {
                self.enter(Phase::Running, now);
            }
            return change;
        }
        match self.phase {
            Some(Phase::Running) | None => {
                self.enter(Phase::Stopped, now);
                Some(Change::Stopped)
            }
            Some(phase) if phase.is_start() => {
                if self.start.as_ref().is_some_and(|start| start.previous_shutdown.is_none())
                    && is_abort_present
                {
                    // Before `start()` the file is the one of the life before.
                    self.settle_shutdown(PreviousShutdown::Unclean);
                }
                // What lies ahead was heard before the clock was set back.
                self.last_line_at = self.last_line_at.min(now);
                if now.0.saturating_sub(self.last_line_at.0) > SILENCE {
                    self.enter(Phase::Stopped, now);
                    return Some(Change::Stopped);
                }
                None
            }
            Some(_) => None,
        }
    }

    /// Whether a line of now may still be one of the start that has failed.
    fn has_just_failed(&self, at: EpochMillis) -> bool {
        self.phase == Some(Phase::Failed) && at.0 <= self.phase_since.0.saturating_add(LINE_DELAY)
    }

    /// A line that comes once, at the front of a start.
    fn open(&mut self, at: EpochMillis) -> Option<Change> {
        // Within a start that had gone further, it is the next one: the process was killed on the way.
        let has_gone_further = self.phase.is_some_and(|phase| phase.is_start() && phase != Phase::Loading);
        let is_late = at.0 <= self.lock_held_at.0.saturating_add(LINE_DELAY);
        if has_gone_further || (self.phase == Some(Phase::Running) && !is_late) {
            self.begin(at);
            return Some(Change::StartBegan);
        }
        self.in_start(Phase::Loading, at)
    }

    fn in_start(&mut self, phase: Phase, at: EpochMillis) -> Option<Change> {
        let mut change = None;
        if !self.is_starting() {
            let is_late = at.0 <= self.lock_held_at.0.saturating_add(LINE_DELAY);
            if self.phase == Some(Phase::Running) && (is_late || phase == Phase::Loading) {
                // Late lines of the start that ended with this lock; or a running broker that loads some file by the way.
                return None;
            }
            self.begin(at);
            change = Some(Change::StartBegan);
        }
        if self.phase < Some(phase) {
            self.enter(phase, at);
        }
        change
    }

    fn begin(&mut self, at: EpochMillis) {
        self.close_shutdown();
        self.start = Some(Start { began_at: at, ..Start::default() });
        self.enter(Phase::Loading, at);
    }

    fn recovery_over(&mut self, at: EpochMillis) -> Option<Change> {
        let start = self.start.as_mut().filter(|start| start.recovered_at.is_none())?;
        start.recovered_at = Some(at);
        self.last_recovery_end = Some(at);
        if !start.has_cost {
            let total = u64::try_from(at.0.saturating_sub(start.began_at.0)).ok();
            self.recovery_millis = [total, None, None];
        }
        self.close_shutdown();
        Some(Change::RecoveryOver)
    }

    fn fail(&mut self, at: EpochMillis) {
        if let Some(start) = self.start.as_mut().filter(|start| !start.has_failed) {
            start.has_failed = true;
            self.load_failures += 1;
        }
        self.close_shutdown();
        self.enter(Phase::Failed, at);
    }

    /// Counts the last start as one of unknown kind if it has come this far without one.
    fn close_shutdown(&mut self) {
        if self.start.as_ref().is_some_and(|start| start.previous_shutdown.is_none()) {
            self.settle_shutdown(PreviousShutdown::Unknown);
        }
    }

    fn settle_shutdown(&mut self, kind: PreviousShutdown) {
        if let Some(start) = &mut self.start {
            start.previous_shutdown = Some(kind);
        }
        for (count, found) in self.starts.iter_mut().zip(PreviousShutdown::ALL) {
            *count += u64::from(found == kind);
        }
    }

    fn enter(&mut self, phase: Phase, at: EpochMillis) {
        self.phase = Some(phase);
        self.phase_since = at;
    }
}

fn segment_base(path: &str) -> Option<i64> {
    path.rsplit('/').next()?.parse().ok()
}
