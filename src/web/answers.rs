//! `/api/v1/preview` and `/api/v1/compare`: questions about the next start, answered from the store as it is now.
//!
//! A question runs once at a time; who asks the same meanwhile waits for its answer. Different ones run one after the other, and
//! the exporter's own forecasts among them; who has waited for as long as a forecast may take is told to come back. An answer
//! holds while the files of a stopped store stay as they are; of a store in use for a moment.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use tokio::sync::{Mutex as AsyncMutex, Semaphore};
use tokio::time::timeout_at;

use super::api::{Pairs, one};
use super::desk::Desk;
use super::error::ApiError;
use super::packed::Packed;
use super::router::Shared;
use crate::observe::phase::Phase;
use crate::observe::turns::Turns;
use crate::observe::vitals::{Task, Vitals};
use crate::preview::assumption::{Assumption, BrokerState};
use crate::preview::comparison::{self, Columns, Comparison};
use crate::preview::{Asked, Preview, PreviewError, QueueScope, Surroundings};
use crate::recovery::Budget;
use crate::store::stamp::stamp;

/// Answers that are kept, and bytes of them.
const KEPT: (usize, usize) = (32, 4 << 20);
/// Questions that are answered or wait for it: who comes beyond is to come again.
const QUESTIONS: usize = 32;
/// How much longer than a forecast may take a question may, before its task counts as stuck.
const GRACE: Duration = Duration::from_secs(60);
/// How long an answer about a store in use holds.
const MOMENT: Duration = Duration::from_secs(1);

/// What questions are asked about, and the answers given.
#[derive(Debug)]
pub struct Answers {
    base: Asked,
    around: Surroundings,
    max_bytes: u64,
    max_time: Duration,
    turns: Turns,
    places: Semaphore,
    desk: Desk,
    slots: Mutex<BTreeMap<String, Slot>>,
}

type Slot = Arc<AsyncMutex<Option<Given>>>;

#[derive(Debug, Clone)]
struct Given {
    /// `None` for a store in use.
    stamp: Option<u64>,
    at: Instant,
    body: Packed,
}

/// What is asked, what is known beside it, and what is wanted.
type Question = (Asked, Surroundings, Wanted);

/// What is asked beside the store and its broker.
#[derive(Debug, Clone)]
enum Wanted {
    Preview(QueueScope),
    Comparison(Vec<crate::broker::release::Release>, Columns),
}

impl Answers {
    /// Answers about `base`, each run with a limit of its own.
    #[must_use]
    pub fn new(
        base: Asked,
        around: Surroundings,
        max_bytes: u64,
        max_time: Duration,
        turns: Turns,
        vitals: Arc<Vitals>,
    ) -> Self {
        Self {
            base,
            around,
            max_bytes,
            max_time,
            turns,
            places: Semaphore::new(QUESTIONS),
            desk: Desk::open(Task::Answers, max_time.saturating_add(GRACE), vitals),
            slots: Mutex::default(),
        }
    }

    fn slot(&self, question: &str) -> Slot {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let given = |slot: &Slot| slot.try_lock().ok()?.as_ref().map(|given| given.body.size());
        let len: usize = slots.values().filter_map(given).sum();
        if (slots.len() >= KEPT.0 || len > KEPT.1) && !slots.contains_key(question) {
            // Those that nobody waits for go.
            slots.retain(|_, slot| Arc::strong_count(slot) > 1);
        }
        Arc::clone(slots.entry(question.to_owned()).or_default())
    }
}

pub(super) async fn preview(State(shared): State<Shared>, query: Pairs) -> Result<Response, ApiError> {
    let asked = read(&shared, &query, &["queues"])?;
    let scope = one(&query, "queues")?.map(|word| QueueScope::read(&word)).transpose()?;
    answer(shared, "preview", &query, asked, Wanted::Preview(scope.unwrap_or_default())).await
}

pub(super) async fn compare(State(shared): State<Shared>, query: Pairs) -> Result<Response, ApiError> {
    let asked = read(&shared, &query, &["versions", "remedies"])?;
    let versions = one(&query, "versions")?.map(|text| comparison::versions(&text)).transpose()?;
    let columns = match one(&query, "remedies")?.as_deref() {
        None | Some("false") => Columns::Shutdowns,
        Some("true" | "") => Columns::Remedies,
        Some(found) => {
            let found = found.to_owned();
            return Err(ApiError::Parameter { name: "remedies", found, expected: "true or false" });
        }
    };
    answer(shared, "compare", &query, asked, Wanted::Comparison(versions.unwrap_or_default(), columns)).await
}

/// The question of a query; `others` are parameters that say nothing of the broker.
fn read(shared: &Shared, query: &Pairs, others: &[&str]) -> Result<Asked, ApiError> {
    let mut asked = shared.answers.base.clone();
    for name in ["version", "mode", "shutdown"] {
        one(query, name)?;
    }
    for (name, value) in query.iter().filter(|(name, _)| !others.contains(&name.as_str())) {
        if name == "set" && leads_elsewhere(value) {
            let expected = "no path: it could make the exporter look anywhere; the command preview takes it";
            return Err(ApiError::Parameter { name: "set", found: value.clone(), expected });
        }
        asked.take(name, value)?;
    }
    Ok(asked)
}

/// Whether a property decides where the store is looked for.
fn leads_elsewhere(pair: &str) -> bool {
    let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
    key.starts_with("storePath")
        || key == "readOnlyCommitLogStorePaths"
        || (key == "dLegerSelfId" && value.contains('/'))
}

async fn answer(
    shared: Shared,
    path: &str,
    query: &Pairs,
    asked: Asked,
    wanted: Wanted,
) -> Result<Response, ApiError> {
    let around = {
        let observer = shared.observer();
        Surroundings {
            detected: observer.memory.release.clone(),
            broker_state: observer.phase().map(Phase::broker_state),
            ..shared.answers.around.clone()
        }
    };
    // The question as it was typed is the name of its answer; the release that was found belongs to it.
    let name = format!("{path}?{:?} {:?}", query.0, around.detected);
    // Whoever goes meanwhile gives up its place.
    let _place = shared.answers.places.try_acquire().map_err(|_| ApiError::Busy)?;
    let slot = shared.answers.slot(&name);
    let (came, until) = (Instant::now(), tokio::time::Instant::now() + shared.answers.max_time);
    let mut held = timeout_at(until, slot.lock_owned()).await.map_err(|_| ApiError::Busy)?;
    let question = Arc::new((asked, around, wanted));
    // An answer that was given since is the one that this request has waited for.
    if let Some(before) = held.take_if(|given| given.at < came) {
        let (answers, question) = (Arc::clone(&shared.answers), Arc::clone(&question));
        let still = tokio::task::spawn_blocking(move || answers.still(&question, before));
        *held = still.await.map_err(|_| failed(&shared))??;
    }
    let body = match &*held {
        Some(given) => given.body.body(),
        None => {
            let turn = timeout_at(until, shared.answers.turns.next()).await;
            let (turn, answers) = (turn.map_err(|_| ApiError::Busy)?, Arc::clone(&shared.answers));
            // The answer is kept also if the client that asked has gone.
            let run = move || {
                let given = answers.run(&question);
                turn.end();
                given.map(|given| held.insert(given).body.body())
            };
            shared.answers.desk.done(run).await.ok_or(ApiError::Failed)??
        }
    };
    Ok(([(header::CONTENT_TYPE, "application/json")], body).into_response())
}

/// The stamp of a stopped store.
fn stamp_of(assumption: &Assumption) -> Option<u64> {
    let is_stopped = assumption.store.broker_state == BrokerState::Stopped;
    is_stopped.then(|| stamp(&assumption.layout))
}

/// An answer that was not finished.
fn failed(shared: &Shared) -> ApiError {
    shared.vitals.panicked(Task::Http);
    tracing::error!(task = Task::Http.as_str(), "an answer was not finished");
    ApiError::Failed
}

impl Answers {
    /// The answer of before, if it still holds.
    fn still(&self, (asked, around, _): &Question, before: Given) -> Result<Option<Given>, PreviewError> {
        let now = stamp_of(&Assumption::settle(asked, around)?);
        let holds = if now.is_none() { before.at.elapsed() < MOMENT } else { before.stamp == now };
        Ok(holds.then_some(before))
    }

    /// A new answer.
    fn run(&self, (asked, around, wanted): &Question) -> Result<Given, PreviewError> {
        let assumption = Assumption::settle(asked, around)?;
        let stamp = stamp_of(&assumption);
        let budget =
            Budget { bytes: Some(self.max_bytes), deadline: Instant::now().checked_add(self.max_time) };
        let body = match wanted {
            Wanted::Preview(scope) => Packed::json(&Preview::by(assumption, *scope, &budget)?),
            Wanted::Comparison(versions, columns) => {
                Packed::json(&Comparison::by(assumption, versions, *columns, None, &budget)?)
            }
        };
        let body = body.expect("every map has texts for keys, and names that are no text were made some");
        Ok(Given { stamp, at: Instant::now(), body })
    }
}
