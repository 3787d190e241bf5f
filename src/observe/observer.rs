//! What is known of one broker and its store, fed by two sides: lines of its logs, and pictures of its store.
//!
//! The two threads that feed it and all readers share one [`Observer`] behind a mutex that nobody holds for long.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::account::StartAccount;
use super::feed::Feed;
use super::history::History;
use super::outlook::Outlook;
use super::phase::{Change, Life, Phase};
use super::picture::{CollectorState, Picture};
use super::shrinkage::{Circumstances, DELETION_HOLDS, Explained, Losses};
use crate::broker::release::Detected;
use crate::count::counted;
use crate::format::log_line::Level;
use crate::store::ReadFailure;
use crate::units::EpochMillis;
use crate::watch::lines::TailPosition;
use crate::watch::tree::Shrinkage;
use crate::watch::{Event, Fact, LogFile, Occurrence, PhaseHint, Severity};

/// How long after a start everything that shrinks is still put down to it (ms): log lines tell seconds, and a pass sees a loss
/// only when it comes by.
const START_HOLDS: i64 = 3_000;

/// How often an event was seen, and when last.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventCount {
    /// How often.
    pub count: u64,
    /// When last.
    pub last_at: EpochMillis,
}

/// What the tail of one log has come to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogFigures {
    /// Lines by level.
    pub lines: BTreeMap<Level, u64>,
    /// Lines that could not be understood.
    pub unparsed_lines: u64,
    /// New files that took the place of the old.
    pub rotations: u64,
    /// Bytes not yet read.
    pub unread_bytes: u64,
    /// When its last line was written.
    pub last_line_at: Option<EpochMillis>,
}

/// A queue as the broker's own lines of its last start tell of it; see [`Observer::told_queues`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ToldQueue {
    /// End of its units when it was scanned, as a position in its files.
    pub end: u64,
    /// Base of the file in which that end lies.
    pub last_base: u64,
    /// Bases of the first and last file that was then removed, and how many were.
    pub removed: Option<(u64, u64, u32)>,
}

/// Part of what is known that survives a restart of the exporter.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Memory {
    /// The broker's life.
    pub life: Life,
    /// What has gone.
    pub losses: Losses,
    /// Events by id.
    pub events: BTreeMap<String, EventCount>,
    /// What was worth telling.
    pub feed: Feed,
    /// When the last pass began whose findings are in here.
    pub last_pass_at: Option<EpochMillis>,
    /// End of the log, as last seen.
    pub log_max: Option<u64>,
    /// How often, and by how many bytes in all, the end of the log went back.
    pub log_truncations: (u64, u64),
    /// Which release runs, or ran last, and how that is known.
    #[serde(default)]
    pub release: Option<Detected>,
    /// Topics that were deleted not long ago.
    pub deleted_topics: BTreeMap<Arc<str>, EpochMillis>,
    /// How many details of starts came otherwise than foretold.
    #[serde(default)]
    pub forecast_mismatches: u64,
}

/// What is known.
#[derive(Debug, Default)]
pub struct Observer {
    /// What survives a restart.
    pub memory: Memory,
    /// The last picture.
    pub picture: Option<Arc<Picture>>,
    /// Figures of the last hour.
    pub history: History,
    /// What the tail of each log has come to.
    pub logs: BTreeMap<LogFile, LogFigures>,
    /// Where the tail stands; saved with the counts.
    pub tail_position: TailPosition,
    /// How the tail fares.
    pub tail: CollectorState,
    /// How saving the state fares; `None` where there is no place for it, and before the first time.
    pub saving: Option<CollectorState>,
    /// The range of releases that print what was read.
    pub releases_told: crate::watch::Releases,
    /// Queues as the broker's lines tell of them; gathered only while nothing is known of queues otherwise.
    pub told_queues: Option<BTreeMap<(String, u32), ToldQueue>>,
    /// Whether evidence should be kept of a start that has been seen to begin.
    pub is_evidence_due: bool,
    /// Whether something has changed that should be saved soon.
    pub is_dirty: bool,
    /// Reads that failed since the exporter started.
    pub read_failures: BTreeMap<ReadFailure, u64>,
    /// The last forecast of the next start; the last one before it while a start is under way.
    pub outlook: Option<Arc<Outlook>>,
    /// What the last start told of itself.
    pub account: StartAccount,
    /// Whether a start is over that has not been compared with its forecast.
    pub is_verification_due: bool,
    /// Since when its lines are waited for.
    pub lines_awaited_since: Option<EpochMillis>,
    /// End of the log when the last start began.
    pub log_max_before_start: Option<u64>,
}

impl Observer {
    /// With what an earlier life of the exporter knew; nothing for the first.
    #[must_use]
    pub fn new(memory: Option<Memory>) -> Self {
        let told_queues = memory.is_none().then(BTreeMap::new);
        Self { memory: memory.unwrap_or_default(), told_queues, ..Self::default() }
    }

    /// Where the broker is.
    #[must_use]
    pub fn phase(&self) -> Option<Phase> {
        self.memory.life.phase
    }

    /// Takes in one line of the broker. Says whether the store should be looked at now.
    pub fn hear(&mut self, line: &Occurrence) -> bool {
        self.is_dirty = true;
        let count = match self.memory.events.get_mut(line.event.id()) {
            Some(count) => count,
            None => self.memory.events.entry(line.event.id().to_owned()).or_default(),
        };
        count.count += 1;
        count.last_at = count.last_at.max(line.at);
        if line.event.severity() >= Severity::Notable {
            self.memory.feed.tell(
                line.at,
                "log",
                line.event.id(),
                line.event.severity().id(),
                line.text.clone(),
            );
        }
        if let Some(Fact::TopicDeleted { topic, .. }) = &line.fact
            && line.event != Event::QueueDestroyed
        {
            self.memory.deleted_topics.insert(topic.as_str().into(), line.at);
        }
        if let Some(releases) = line.releases {
            self.releases_told = self.releases_told.narrowed(releases);
        }
        let change = self.memory.life.hear(line);
        if change == Some(Change::StartBegan) {
            self.account = StartAccount::default();
        }
        if line.phase.is_some_and(PhaseHint::is_load) || self.memory.life.is_starting() {
            self.account.hear(line);
        }
        self.gather_told(line, change);
        self.tell_change(change, line.at);
        change.is_some()
    }

    /// Keeps what the lines of the last start tell of queues, for want of anything better.
    fn gather_told(&mut self, line: &Occurrence, change: Option<Change>) {
        let Some(told) = &mut self.told_queues else { return };
        if change == Some(Change::StartBegan) {
            told.clear();
        }
        match &line.fact {
            Some(Fact::QueueScanned { path, end }) => {
                if let Some((topic, queue, base)) = queue_of(path) {
                    let entry = told.entry((topic, queue)).or_default();
                    entry.end = u64::try_from(*end).unwrap_or_default();
                    entry.last_base = base;
                }
            }
            Some(Fact::FileDeleted { path }) if self.memory.life.is_starting() => {
                if let Some((topic, queue, base)) = queue_of(path) {
                    let entry = told.entry((topic, queue)).or_default();
                    entry.removed = Some(entry.removed.map_or((base, base, 1), |(first, last, count)| {
                        (first.min(base), last.max(base), count + 1)
                    }));
                }
            }
            _ => {}
        }
    }

    /// Takes in a look at the store. Returns what was counted as gone.
    pub fn see(&mut self, picture: Picture, shrinkages: Vec<Shrinkage>) -> Vec<(Shrinkage, Explained)> {
        let now = picture.taken_at;
        if let (Some(lock), Some(is_abort_present)) = (picture.lock, picture.is_abort_present) {
            let change = self.memory.life.look(lock, is_abort_present, now);
            self.tell_change(change, now);
        }
        self.watch_log_end(&picture);
        // The broker removes a topic from its table before it removes the queues; the lines that say so may be dropped. Around a
        // start a shorter table is a table that was lost, and excuses nothing that the recovery takes.
        if !self.is_start_near(now) {
            for topic in &picture.removed_topics {
                self.memory.deleted_topics.insert(topic.as_str().into(), now);
            }
        }
        self.memory.deleted_topics.retain(|_, at| {
            // What lies ahead was told before the clock was set back.
            *at = (*at).min(now);
            now.0.saturating_sub(at.0) < DELETION_HOLDS
        });
        let circumstances = self.circumstances(&picture);
        let counted = self.settle(shrinkages, &circumstances);
        for (reason, count) in &picture.failures {
            *self.read_failures.entry(*reason).or_default() += count;
        }
        self.memory.last_pass_at = Some(now);
        self.history.take(&picture);
        self.picture = Some(Arc::new(picture));
        counted
    }

    /// Takes in what applying a cut found smaller.
    pub fn settle_cut(
        &mut self,
        shrinkages: Vec<Shrinkage>,
        now: EpochMillis,
    ) -> Vec<(Shrinkage, Explained)> {
        let circumstances = Circumstances { is_start_near: true, now, ..Circumstances::default() };
        self.settle(shrinkages, &circumstances)
    }

    fn settle(
        &mut self,
        shrinkages: Vec<Shrinkage>,
        circumstances: &Circumstances,
    ) -> Vec<(Shrinkage, Explained)> {
        let settled = self.memory.losses.settle(shrinkages, circumstances);
        for explained in Explained::ALL {
            let of_kind = settled.iter().filter(|(_, kind)| *kind == explained);
            let (queues, files, units) = of_kind.fold((0_u64, 0, 0), |(queues, files, units), (each, _)| {
                (queues + 1, files + each.files_removed(), units + each.units_removed())
            });
            if queues > 0 {
                self.is_dirty = true;
                let severity = if explained.is_loss() { "damage" } else { "info" };
                let reason = explained.as_str();
                let lost = match (counted(files, "file"), counted(units, "unit")) {
                    (_, lost) if files == 0 => lost,
                    (lost, _) if units == 0 => lost,
                    (files, units) => format!("{files} and {units}"),
                };
                let summary = format!("{} lost {lost} ({reason})", counted(queues, "queue"));
                self.memory.feed.tell(circumstances.now, "shrinkage", reason, severity, summary);
            }
        }
        settled
    }

    /// Whether a start is under way, or was since the last pass.
    fn is_start_near(&self, now: EpochMillis) -> bool {
        let life = &self.memory.life;
        // A last pass that lies ahead was made before the clock was set back.
        let since = self.memory.last_pass_at.map_or(i64::MIN, |at| at.min(now).0.saturating_sub(START_HOLDS));
        life.is_starting()
            || life
                .start
                .as_ref()
                .is_some_and(|start| start.recovered_at.unwrap_or(start.began_at).0 >= since)
    }

    fn circumstances(&self, picture: &Picture) -> Circumstances {
        Circumstances {
            is_start_near: self.is_start_near(picture.taken_at),
            log_min: picture.log.min,
            deleted_topics: self.memory.deleted_topics.clone(),
            now: picture.taken_at,
        }
    }

    fn watch_log_end(&mut self, picture: &Picture) {
        let Some(max) = picture.log.max else { return };
        if let Some(before) = self.memory.log_max.filter(|before| *before > max) {
            let (times, bytes) = &mut self.memory.log_truncations;
            *times += 1;
            *bytes += before - max;
            self.is_dirty = true;
            let summary = format!("the end of the log went back from {before} to {max}");
            self.memory.feed.tell(picture.taken_at, "shrinkage", "commitlog", "damage", summary);
        }
        self.memory.log_max = Some(max);
    }

    fn tell_change(&mut self, change: Option<Change>, at: EpochMillis) {
        let Some(change) = change else { return };
        self.is_dirty = true;
        let (kind, summary) = match change {
            Change::StartBegan => {
                self.is_evidence_due = true;
                self.is_verification_due = true;
                self.lines_awaited_since = None;
                self.log_max_before_start = self.memory.log_max;
                ("start", "the broker starts")
            }
            Change::RecoveryOver => ("recovery_over", "the broker's recovery is over"),
            Change::Stopped => ("stopped", "no broker works on the store"),
        };
        self.memory.feed.tell(at, kind, "", "info", summary.to_owned());
    }
}

/// Topic, queue and base of a path below `consumequeue/`, as the broker wrote it.
pub(super) fn queue_of(path: &str) -> Option<(String, u32, u64)> {
    let (_, below) = path.rsplit_once("/consumequeue/")?;
    let (rest, base) = below.rsplit_once('/')?;
    let (topic, queue) = rest.rsplit_once('/')?;
    Some((topic.to_owned(), queue.parse().ok()?, base.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_the_broker_name_their_queue() {
        assert_eq!(
            queue_of("/home/rocketmq/store/consumequeue/%RETRY%G1/0/00000000000000006000"),
            Some(("%RETRY%G1".to_owned(), 0, 6000))
        );
        assert_eq!(queue_of("/home/rocketmq/store/index/20261123065344006"), None);
    }
}
