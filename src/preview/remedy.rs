//! What could be done instead of the start as it stands, each computed by a forecast of its own.
//!
//! Every procedure here was tried with real brokers, on stores that were killed and on stores that had lost their index.

use serde::Serialize;

use super::answer::run;
use super::assumption::{Assumption, BrokerState};
use super::estimate::estimate;
use crate::broker::release::{KNOWN, Release};
use crate::recovery::plan::file_limit;
use crate::recovery::release::Rules;
use crate::recovery::{Budget, Forecast, RecoveryError, Verdict};
use crate::store::layout::LogKind;

/// First release that knows `recheckReputOffsetFromCq`.
const KNOWS_RECHECK: Release = (5, 0, 0);

/// Something that could be done.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Remedy {
    /// Its stable name.
    pub id: String,
    /// In a few words.
    pub title: String,
    /// What to do, in this order.
    pub steps: Vec<String>,
    /// What the start does then.
    pub verdict: Verdict,
    /// Units that stay lost then; absent if nothing starts.
    pub units_lost: Option<u64>,
    /// Whole messages that go then.
    pub messages_dropped: u64,
    /// How long that start loads and dispatches.
    pub duration_seconds: f64,
}

/// A remedy that has not been computed.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// Its stable name.
    pub id: String,
    /// In a few words.
    pub title: String,
    /// What to do, in this order.
    pub steps: Vec<String>,
    /// The start as it would be then.
    pub assumption: Assumption,
}

/// How much is lost: whether nothing starts, messages, units.
pub type LossRank = (bool, u64, u64);

/// Orders forecasts, the one to be preferred first.
pub type Rank = (LossRank, Verdict);

/// The rank of a forecast.
#[must_use]
pub fn rank(forecast: &Forecast) -> Rank {
    let is_start = forecast.start.starts();
    let totals = &forecast.totals;
    ((!is_start, totals.messages_dropped, totals.units_lost.unwrap_or(0)), forecast.verdict)
}

/// Remedies that would lose less than the start as it stands, best first; none if that loses nothing.
///
/// # Errors
/// What keeps the store from being read.
pub fn remedies(
    assumption: &Assumption,
    forecast: &Forecast,
    budget: &Budget,
) -> Result<Vec<Remedy>, RecoveryError> {
    if !matches!(forecast.verdict, Verdict::IndexLoss | Verdict::MessageLoss | Verdict::RefuseStart) {
        return Ok(Vec::new());
    }
    let mut found: Vec<(_, Remedy)> = Vec::new();
    for attempt in attempts(assumption) {
        let then = run(&attempt.assumption, budget)?;
        if then.verdict == Verdict::Inconclusive || rank(&then).0 >= rank(forecast).0 {
            continue;
        }
        // Of two that lose as much, the one with the release that is there: an upgrade is a bigger step.
        let is_other_release = attempt.assumption.question.release != assumption.question.release;
        let (loss, verdict) = rank(&then);
        found.push(((loss, is_other_release, verdict), attempt.with(&then)));
    }
    found.sort_by_key(|(key, _)| *key);
    // Of the other releases the first that does best will do.
    let mut releases = 0;
    found.retain(|((_, is_other_release, _), _)| {
        releases += usize::from(*is_other_release);
        !is_other_release || releases == 1
    });
    Ok(found.into_iter().map(|(_, remedy)| remedy).collect())
}

/// Everything that can be tried with a store and its release.
#[must_use]
pub fn attempts(assumption: &Assumption) -> Vec<Attempt> {
    let mut found = same_release(assumption);
    let release = assumption.question.release;
    let newer = KNOWN.iter().copied().filter(|known| *known > release);
    let mut rules = Rules::of(release);
    for known in newer {
        // Releases with the same rules do the same.
        let its_rules = Rules::of(known);
        if its_rules != rules {
            found.push(other_release(assumption, known));
            rules = its_rules;
        }
    }
    found
}

/// What can be tried without another release.
#[must_use]
pub fn same_release(assumption: &Assumption) -> Vec<Attempt> {
    let question = &assumption.question;
    let root = &assumption.store.root;
    let mut attempts = Attempts { assumption, found: Vec::new() };
    let is_clean = assumption.is_clean();
    if !is_clean && assumption.store.broker_state == BrokerState::Running {
        let steps = [ORDERLY_STOP, &no_abort(root), START];
        attempts.add(
            "orderly_stop",
            "stop the broker in an orderly way before it starts again",
            &steps,
            |changed| changed.set_clean(true),
        );
    } else if !is_clean {
        let steps = [NO_BROKER, &format!("rm {}", quoted(&format!("{root}/abort"))), START];
        attempts.add("remove_abort", "start with the abort file removed", &steps, |changed| {
            changed.set_clean(true);
        });
    }
    if question.release >= KNOWS_RECHECK && !question.conf.recheck_reput_offset_from_cq {
        let steps = [
            "Set recheckReputOffsetFromCq=true in broker.conf, and leave it so: it makes dispatch begin where the queues end",
            NO_BROKER,
            START,
        ];
        attempts.add("recheck_reput_offset", "start with recheckReputOffsetFromCq=true", &steps, |changed| {
            changed.question.conf.recheck_reput_offset_from_cq = true;
        });
    }
    let ledger_checkpoint = assumption.layout.ledger_checkpoint().filter(|path| path.exists());
    if let Some(path) = ledger_checkpoint.filter(|_| !question.without.ledger_checkpoint) {
        let steps = [NO_BROKER, &aside(&path.display().to_string()), START];
        let title = "start with DLedger's checkpoint set aside";
        attempts.add("set_aside_dledger_checkpoint", title, &steps, |changed| {
            changed.question.without.ledger_checkpoint = true;
        });
    }
    if !is_clean && !question.without.checkpoint && assumption.layout.checkpoint().exists() {
        let steps = [NO_BROKER, &aside(&format!("{root}/checkpoint")), START];
        attempts.add("set_aside_checkpoint", "start with the checkpoint set aside", &steps, |changed| {
            changed.question.without.checkpoint = true;
        });
    }
    attempts.add_rebuild();
    attempts.found
}

const ORDERLY_STOP: &str =
    "Stop the broker in an orderly way (SIGTERM) and wait until its process is gone; it may take 20 s";
const NO_BROKER: &str = "Make sure that no broker runs on this store";
const START: &str = "Start the broker, and compare the queues' ends with this answer";

/// As a shell takes it for one word.
fn quoted(path: &str) -> String {
    shlex::try_quote(path).map_or_else(|_| path.to_owned(), Into::into)
}

fn aside(path: &str) -> String {
    format!("mv {} {}", quoted(path), quoted(&format!("{path}.aside")))
}

fn no_abort(root: &str) -> String {
    format!("Make sure that {root}/abort is gone; if it is not, remove it")
}

struct Attempts<'a> {
    assumption: &'a Assumption,
    found: Vec<Attempt>,
}

impl Attempts<'_> {
    fn add(&mut self, id: &str, title: &str, steps: &[&str], change: impl FnOnce(&mut Assumption)) {
        let mut assumption = self.assumption.clone();
        change(&mut assumption);
        self.found.push(Attempt {
            id: id.to_owned(),
            title: title.to_owned(),
            steps: steps.iter().map(|step| (*step).to_owned()).collect(),
            assumption,
        });
    }

    /// As many as there are, and one more in the making, where recovery would not look at all segments.
    fn every_segment(&self) -> Option<i32> {
        let question = &self.assumption.question;
        let rules = Rules::of(question.release).filter(|rules| rules.limits_files)?;
        if self.assumption.store.mode == LogKind::DLedger {
            return None;
        }
        let count = self.assumption.log_segments();
        (count > file_limit(&rules, &question.conf)).then(|| i32::try_from(count + 1).unwrap_or(i32::MAX))
    }

    /// Building the queues anew from the log. Messages written since a loss have queue offsets that are taken: they stay behind.
    fn add_rebuild(&mut self) {
        let root = &self.assumption.store.root;
        let has_recheck = self.assumption.question.release >= KNOWS_RECHECK;
        let copies = format!("Keep a copy of {root}/checkpoint and {root}/config");
        let abort = no_abort(root);
        let aside = aside(&format!("{root}/consumequeue"));
        let offsets = format!(
            "Put {root}/config/consumerOffset.json of before the loss back, if groups have committed since, and remove its .bak"
        );
        let every_segment = self.every_segment();
        let look_back = every_segment.map(|count| {
            format!(
                "Set commitLogRecoverMaxNum={count} in broker.conf for this start: recovery reads only the last segments otherwise"
            )
        });
        let mut steps = vec![
            "Stop the producers, let the consumers finish what was written since units went, and stop them too",
            ORDERLY_STOP,
            &copies,
            &abort,
            &aside,
            &offsets,
        ];
        if has_recheck {
            steps.push("Set recheckReputOffsetFromCq=true in broker.conf");
        }
        steps.extend(look_back.as_deref());
        steps.push(START);
        let change = |changed: &mut Assumption| {
            if let Some(count) = every_segment {
                changed.question.conf.commit_log_recover_max_num = count;
            }
            changed.set_clean(true);
            changed.question.without.queues = true;
            changed.question.conf.recheck_reput_offset_from_cq |= has_recheck;
        };
        self.add("rebuild_queues", "build the queues anew from the log", &steps, change);
    }
}

fn other_release(assumption: &Assumption, release: Release) -> Attempt {
    let version = format!("{}.{}.{}", release.0, release.1, release.2);
    let mut changed = assumption.clone();
    changed.question.release = release;
    changed.assumed.version = Some(version.clone());
    let start = format!("Start this store with release {version}; read its release notes first");
    let mut steps = vec![NO_BROKER.to_owned(), start];
    if assumption.store.mode == LogKind::DLedger {
        steps.push("Until a release counts DLedger's entries rightly, stop brokers in an orderly way, and set recheckReputOffsetFromCq=true".to_owned());
    }
    Attempt {
        id: format!("release_{}", version.replace('.', "_")),
        title: format!("start release {version} instead"),
        steps,
        assumption: changed,
    }
}

impl Attempt {
    /// The remedy, now that it is computed.
    #[must_use]
    pub fn with(self, then: &Forecast) -> Remedy {
        let is_start = then.start.starts();
        Remedy {
            id: self.id,
            title: self.title,
            steps: self.steps,
            verdict: then.verdict,
            units_lost: then.totals.units_lost.filter(|_| is_start),
            messages_dropped: then.totals.messages_dropped,
            duration_seconds: estimate(then, &self.assumption.question.conf).duration_seconds,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_can_be_given_to_a_shell() {
        assert_eq!(aside("/data/store/checkpoint"), "mv /data/store/checkpoint /data/store/checkpoint.aside");
        assert_eq!(aside("/a b/$c"), "mv '/a b/$c' '/a b/$c.aside'");
    }
}
