//! Forecast against fact: what the last forecast before a start said, and what the start then did.
//!
//! Measured are the outcome, the numbers and lines that the broker logs (WARN lines are never dropped; INFO lines are compared
//! where they are there), and the files. A forecast of a running broker holds for the store of its moment: if the log went on
//! afterwards, there is nothing to compare.

use std::path::Path;

use serde::Serialize;

use super::account::StartAccount;
use super::outlook::Outlook;
use super::phase::{PreviousShutdown, Start};
use crate::format::cq_unit::UNIT_LEN;
use crate::recovery::Verdict;
use crate::units::EpochMillis;

/// One thing that came differently.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mismatch {
    /// What was compared.
    pub what: String,
    /// As it was foretold.
    pub forecast: String,
    /// As it came.
    pub fact: String,
}

/// How a forecast stood the test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// There is nothing to compare, and why.
    NotComparable(&'static str),
    /// What was compared, and what of it came differently.
    Compared {
        /// Things compared.
        compared: u64,
        /// Those that differ.
        mismatches: Vec<Mismatch>,
    },
}

/// What is known of a start beside its lines.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The start.
    pub start: &'a Start,
    /// What it told.
    pub account: &'a StartAccount,
    /// Release that now runs.
    pub version: Option<&'a str>,
    /// End of the log before the start and right after it.
    pub log_ends: (Option<u64>, Option<u64>),
}

/// Compares.
#[must_use]
pub fn verify(outlook: &Outlook, facts: &Facts<'_>) -> Outcome {
    if let Some(why) = obstacle(outlook, facts) {
        return Outcome::NotComparable(why);
    }
    let preview = &outlook.preview;
    let forecast = &preview.forecast;
    let mut comparison = Comparison::default();
    let outcome = |has_failed: bool| if has_failed { "refuses" } else { "starts" };
    comparison.equal("outcome of the start", &forecast.start.outcome, &Some(outcome(facts.start.has_failed)));
    if facts.start.has_failed || !forecast.start.starts() {
        return comparison.finish();
    }
    let account = facts.account;
    if account.lines > 0 {
        let foretold = forecast.truncation.filter(|truncation| truncation.fires);
        let foretold = foretold.map(|cut| (cut.consumequeue_max_physical_offset, cut.process_offset));
        let is_as_foretold = foretold.is_some_and(|numbers| account.truncations.contains(&numbers));
        let fact = if is_as_foretold { foretold } else { account.truncations.last().copied() };
        comparison.equal("truncation", &foretold, &fact);
        let foretold: u64 = forecast
            .log
            .iter()
            .filter(|line| line.text.starts_with("DupInfo in properties check failed"))
            .map(|line| line.count)
            .sum();
        comparison.equal("lines of failed DupInfo checks", &foretold, &account.dup_info_failures);
    }
    if let Some(max_offset) = account.max_offset {
        comparison.equal("end of the log", &forecast.commitlog.max_offset, &max_offset);
    }
    let unit = i64::try_from(UNIT_LEN).unwrap_or(20);
    for queue in &forecast.queues {
        let id = u32::try_from(queue.queue).unwrap_or(u32::MAX);
        if let Some(end) = account.scanned.get(&(queue.topic.to_string(), id)).filter(|end| *end % unit == 0)
        {
            let what = format!("end of queue {}/{} before recovery", queue.topic, queue.queue);
            comparison.equal(&what, &queue.before.max_offset, &(end / unit));
        }
    }
    files(outlook, facts, &mut comparison);
    comparison.finish()
}

fn obstacle(outlook: &Outlook, facts: &Facts<'_>) -> Option<&'static str> {
    let preview = &outlook.preview;
    if preview.forecast.verdict == Verdict::Inconclusive {
        return Some("the forecast was inconclusive");
    }
    if !preview.forecast.consistent {
        return Some("files moved while the forecast was made");
    }
    if facts.version.is_some() && preview.assumed.version.as_deref() != facts.version {
        return Some("another release was started");
    }
    let was_clean = match facts.start.previous_shutdown {
        Some(PreviousShutdown::Clean) => Some(true),
        Some(PreviousShutdown::Unclean) => Some(false),
        _ => None,
    };
    if was_clean.is_some_and(|was_clean| was_clean != preview.forecast.is_clean) {
        return Some("the broker was stopped in another way than foretold");
    }
    // Recovery itself may move the end of a log, but only where it drops something.
    let (before, after) = facts.log_ends;
    let moves = preview.forecast.commitlog.messages_dropped > 0;
    if outlook.is_of_running && !moves && (before.is_none() || before != after) {
        return Some("messages were written after the forecast");
    }
    None
}

/// Files that should have gone, and files that should have stayed. One that is made anew under its old name has come, not
/// stayed.
fn files(outlook: &Outlook, facts: &Facts<'_>, comparison: &mut Comparison) {
    let forecast = &outlook.preview.forecast;
    let root = Path::new(&outlook.preview.store.root);
    let began = facts.start.began_at;
    for path in &forecast.files.unlinked {
        let is_there = std::fs::metadata(root.join(path)).is_ok_and(|metadata| is_older(&metadata, began));
        comparison.equal(&path.display().to_string(), &"gone", &if is_there { "there" } else { "gone" });
    }
    for queue in &forecast.queues {
        let below = Path::new(&*queue.topic).join(queue.queue.to_string());
        let count = |kind: &str| {
            std::fs::read_dir(root.join(kind).join(&below))
                .map_or(0, |entries| entries.filter_map(Result::ok).count())
        };
        let there = count("consumequeue") + count("batchconsumequeue");
        let what = format!("least files of queue {}/{}", queue.topic, queue.queue);
        comparison.equal(&what, &queue.after_load.files, &there.min(queue.after_load.files));
    }
}

fn is_older(metadata: &std::fs::Metadata, than: EpochMillis) -> bool {
    let since = metadata.created().ok().and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
    // Lines tell when a start began to the second.
    since.is_some_and(|since| i64::try_from(since.as_millis()).is_ok_and(|at| at < than.0))
}

#[derive(Debug, Default)]
struct Comparison {
    compared: u64,
    mismatches: Vec<Mismatch>,
}

impl Comparison {
    fn equal<T: std::fmt::Debug + PartialEq>(&mut self, what: &str, forecast: &T, fact: &T) {
        self.compared += 1;
        if forecast != fact {
            self.mismatches.push(Mismatch {
                what: what.to_owned(),
                forecast: format!("{forecast:?}"),
                fact: format!("{fact:?}"),
            });
        }
    }

    fn finish(self) -> Outcome {
        Outcome::Compared { compared: self.compared, mismatches: self.mismatches }
    }
}
