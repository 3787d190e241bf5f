//! `/api/v1/preview` and `/api/v1/compare`: questions about the next start, answered from the store as it is now.
//!
//! A question runs once at a time; who asks the same meanwhile waits for its answer. At most [`AT_ONCE`] different ones run, the
//! rest is told to come back. An answer holds while the files of a stopped store stay as they are; of a store in use for a
//! moment.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde_json::to_vec;
use tokio::sync::{Mutex as AsyncMutex, Semaphore};

use super::api::{Pairs, one};
use super::error::ApiError;
use super::router::Shared;
use crate::observe::phase::Phase;
use crate::observe::vitals::Task;
use crate::preview::assumption::{Assumption, BrokerState};
use crate::preview::comparison::{self, Columns, Comparison};
use crate::preview::{Asked, Preview, PreviewError, QueueScope, Surroundings};
use crate::recovery::Budget;
use crate::store::stamp::stamp;

/// Different questions that run at a time.
pub const AT_ONCE: usize = 2;
/// Answers that are kept.
const KEPT: usize = 32;
/// How long an answer about a store in use holds.
const MOMENT: Duration = Duration::from_secs(1);

/// What questions are asked about, and the answers given.
#[derive(Debug)]
pub struct Answers {
    base: Asked,
    around: Surroundings,
    max_bytes: u64,
    max_time: Duration,
    running: Semaphore,
    slots: Mutex<BTreeMap<String, Slot>>,
}

type Slot = Arc<AsyncMutex<Option<Given>>>;

#[derive(Debug, Clone)]
struct Given {
    /// `None` for a store in use.
    stamp: Option<u64>,
    at: Instant,
    body: Arc<[u8]>,
}

/// What is asked beside the store and its broker.
#[derive(Debug, Clone)]
enum Wanted {
    Preview(QueueScope),
    Comparison(Vec<crate::broker::release::Release>, Columns),
}

impl Answers {
    /// Answers about `base`, each run with a limit of its own.
    #[must_use]
    pub fn new(base: Asked, around: Surroundings, max_bytes: u64, max_time: Duration) -> Self {
        let running = Semaphore::new(AT_ONCE);
        Self { base, around, max_bytes, max_time, running, slots: Mutex::default() }
    }

    fn slot(&self, question: &str) -> Slot {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if slots.len() >= KEPT && !slots.contains_key(question) {
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
        asked.take(name, value)?;
    }
    Ok(asked)
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
    let slot = shared.answers.slot(&name);
    let mut held = slot.lock().await;
    let before = held.clone();
    let permit = shared.answers.running.try_acquire().map_err(|_| ApiError::Busy)?;
    let answers = Arc::clone(&shared.answers);
    let run = move || answers.run(&asked, &around, &wanted, before);
    let given = tokio::task::spawn_blocking(run).await.map_err(|error| failed(&shared, &error))??;
    drop(permit);
    *held = Some(given.clone());
    let body = Body::from(given.body.to_vec());
    Ok(([(header::CONTENT_TYPE, "application/json")], body).into_response())
}

/// An answer that was not finished.
fn failed(shared: &Shared, error: &tokio::task::JoinError) -> ApiError {
    if error.is_panic() {
        shared.vitals.panicked(Task::Http);
    }
    tracing::error!(%error, "an answer was not finished");
    ApiError::Failed
}

impl Answers {
    /// The answer of before if it still holds, else a new one. Blocks on the disk.
    fn run(
        &self,
        asked: &Asked,
        around: &Surroundings,
        wanted: &Wanted,
        before: Option<Given>,
    ) -> Result<Given, PreviewError> {
        let assumption = Assumption::settle(asked, around)?;
        let is_in_use = assumption.store.broker_state != BrokerState::Stopped;
        let now = (!is_in_use).then(|| stamp(&assumption.layout));
        if let Some(before) = before
            && (if is_in_use { before.at.elapsed() < MOMENT } else { before.stamp == now })
        {
            return Ok(before);
        }
        let budget =
            Budget { bytes: Some(self.max_bytes), deadline: Instant::now().checked_add(self.max_time) };
        let body = match wanted {
            Wanted::Preview(scope) => to_vec(&Preview::of(asked, around, &budget)?.listing(*scope)),
            Wanted::Comparison(versions, columns) => {
                to_vec(&Comparison::of(asked, around, versions, *columns, &budget)?)
            }
        };
        let body = body.expect("every map has texts for keys, and names that are no text were made some");
        Ok(Given { stamp: now, at: Instant::now(), body: body.into() })
    }
}
