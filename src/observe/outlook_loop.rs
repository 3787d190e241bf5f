//! Keeps the outlook fresh until told to stop, and holds it against every start.
//!
//! No forecast is made while the broker starts: what counts then is the last one before. As soon as a broker is gone its store is
//! looked at again, since that look holds until the next start.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::json;

use super::observer::Observer;
use super::outlook::Foreteller;
use super::own_file;
use super::phase::Phase;
use super::turns::{Place, Turns};
use super::verification::{Facts, Outcome, verify};
use crate::count::counted;
use crate::preview::Surroundings;
use crate::units::EpochMillis;
use crate::watch::wake::{Wake, Woken};

/// Time between two looks at what the broker is doing.
const PULSE: Duration = Duration::from_millis(200);
/// Lines of a start are written by another thread of the broker: so long after its end they may still come (ms).
const LINES_SETTLE: i64 = 3_000;
/// Mismatches that are written down.
const WRITTEN: usize = 1_000;

/// Keeps the outlook of one store.
pub struct OutlookLoop {
    /// Makes forecasts.
    pub foreteller: Foreteller,
    /// Whom to tell.
    pub observer: Arc<Mutex<Observer>>,
    /// Whose turn it is to make a forecast.
    pub turns: Turns,
    /// Time between two forecasts.
    pub interval: Duration,
    /// Share of a core that forecasts may cost.
    pub max_cpu_ratio: f64,
    /// Where comparisons are written down; `None`: nowhere.
    pub state_dir: Option<PathBuf>,
    /// Comparisons that are kept.
    pub keep: usize,
    /// What time it is.
    pub clock: fn() -> EpochMillis,
}

impl OutlookLoop {
    fn observer(&self) -> MutexGuard<'_, Observer> {
        self.observer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks until told to stop. Gives a sign of life with `beat`.
    pub fn run(&self, wake: &mut Wake, beat: &dyn Fn()) {
        let mut has_failed = false;
        let mut made: Option<(Option<Phase>, Instant, Duration)> = None;
        let mut place: Option<Place> = None;
        loop {
            self.verify_if_settled();
            let phase = {
                let observer = self.observer();
                let phase = observer.phase();
                // Without a picture it is not known yet whether a broker runs.
                let is_ready = observer.picture.is_some() && !observer.is_verification_due;
                (is_ready && !phase.is_some_and(Phase::is_start)).then_some(phase)
            };
            let is_due = |phase: &Option<Phase>| {
                made.is_none_or(|(of, at, took)| {
                    of != *phase || at.elapsed() >= self.interval.max(took.div_f64(self.max_cpu_ratio))
                })
            };
            let due = phase.filter(is_due);
            let turn = match due {
                Some(_) => place.get_or_insert_with(|| self.turns.place()).look(),
                None => {
                    place = None;
                    None
                }
            };
            if let (Some(phase), Some(turn)) = (due, turn) {
                place = None;
                let began = Instant::now();
                let outcome = self.look(phase);
                turn.end();
                made = Some((phase, Instant::now(), began.elapsed()));
                match &outcome {
                    Err(error) if !has_failed => tracing::warn!(%error, "no forecast can be made"),
                    Ok(()) if has_failed => tracing::info!("forecasts can be made again"),
                    _ => {}
                }
                has_failed = outcome.is_err();
            }
            beat();
            if wake.wait(PULSE) == Woken::ByStop {
                return;
            }
        }
    }

    /// Makes a forecast, and keeps it unless a start has begun meanwhile.
    ///
    /// # Errors
    /// What keeps the store from being read.
    pub fn look(&self, phase: Option<Phase>) -> Result<(), crate::preview::PreviewError> {
        let (around, start) = {
            let observer = self.observer();
            let around = Surroundings {
                detected: observer.memory.release.clone(),
                broker_state: observer.phase().map(Phase::broker_state),
                ..self.foreteller.around.clone()
            };
            (around, observer.memory.life.start.as_ref().map(|start| start.began_at))
        };
        let outlook = self.foreteller.foretell((phase, start), around, (self.clock)())?;
        let mut observer = self.observer();
        if observer.phase() == phase {
            observer.outlook = Some(Arc::new(outlook));
        }
        Ok(())
    }

    /// Compares the last start with the forecast before it, once all its lines can have come.
    pub fn verify_if_settled(&self) {
        let now = (self.clock)();
        let mut observer = self.observer();
        let Some(start) = observer.memory.life.start.clone().filter(|_| observer.is_verification_due) else {
            return;
        };
        let over = match start.recovered_at {
            _ if start.has_failed => Some(observer.memory.life.phase_since),
            recovered_at => recovered_at,
        };
        let Some(over) = over else { return };
        // Never from a time that is still to come, as after a clock was set back: that would put off every forecast.
        let since = observer.lines_awaited_since.unwrap_or(over).min(over).min(now);
        observer.lines_awaited_since = Some(since);
        if now.0.saturating_sub(since.0) < LINES_SETTLE {
            return;
        }
        observer.lines_awaited_since = None;
        observer.is_verification_due = false;
        // Lines tell when a start began to the second.
        let is_of_before = |made_at: EpochMillis| made_at.0 < start.began_at.0.saturating_add(1_000);
        let Some(outlook) = observer.outlook.clone().filter(|outlook| is_of_before(outlook.made_at)) else {
            return;
        };
        let account = observer.account.clone();
        let version = observer.memory.release.clone().map(|release| release.version);
        let log_end = observer.picture.as_ref().and_then(|picture| picture.log.max);
        let log_ends = (observer.log_max_before_start, log_end);
        drop(observer);
        let facts = Facts { start: &start, account: &account, version: version.as_deref(), log_ends };
        let outcome = verify(&outlook, &facts);
        let (event, severity, summary) = match &outcome {
            Outcome::NotComparable(why) => (
                "not_comparable",
                "info",
                format!("the last forecast was not compared with the start: {why}"),
            ),
            Outcome::Compared { compared, mismatches } if mismatches.is_empty() => (
                "confirmed",
                "info",
                format!("the start did what was foretold ({} compared)", counted(*compared, "thing")),
            ),
            Outcome::Compared { compared, mismatches } => {
                let first = mismatches.first().map_or("", |mismatch| mismatch.what.as_str());
                let count = mismatches.len();
                let summary =
                    format!("the start did not do what was foretold in {count} of {compared}: {first}");
                ("wrong", "damage", summary)
            }
        };
        if let (Outcome::Compared { .. }, Some(dir)) = (&outcome, &self.state_dir) {
            let written = json!({
                "start": start,
                "account": account,
                "made_at": outlook.made_at,
                "mismatches": mismatches_of(&outcome).iter().take(WRITTEN).collect::<Vec<_>>(),
                "forecast": outlook.preview.as_ref().clone().listing(crate::preview::QueueScope::Changed),
            });
            if let Err(error) = write(dir, start.began_at, &written, self.keep) {
                tracing::error!(%error, dir = %dir.display(), "the comparison of forecast and fact could not be kept");
            }
        }
        let mut observer = self.observer();
        observer.memory.forecast_mismatches +=
            u64::try_from(mismatches_of(&outcome).len()).unwrap_or(u64::MAX);
        observer.memory.feed.tell(now, "forecast", event, severity, summary);
        observer.is_dirty = true;
    }
}

fn mismatches_of(outcome: &Outcome) -> &[super::verification::Mismatch] {
    match outcome {
        Outcome::NotComparable(_) => &[],
        Outcome::Compared { mismatches, .. } => mismatches,
    }
}

/// Writes `forecasts/<start>.json`, and drops the oldest beyond `keep`.
fn write(
    state_dir: &Path,
    began_at: EpochMillis,
    value: &serde_json::Value,
    keep: usize,
) -> std::io::Result<()> {
    if keep == 0 {
        return Ok(());
    }
    let dir = state_dir.join("forecasts");
    own_file::directory(&dir)?;
    own_file::write(&dir.join(format!("{}.json", began_at.0)), format!("{value:#}\n").as_bytes())?;
    let mut names: Vec<_> = std::fs::read_dir(&dir)?.filter_map(|entry| Some(entry.ok()?.path())).collect();
    names.sort();
    for path in names.iter().rev().skip(keep) {
        std::fs::remove_file(path)?;
    }
    Ok(())
}
