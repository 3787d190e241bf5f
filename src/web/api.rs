//! `/api/v1/store`, `/api/v1/queues`, `/api/v1/events`.
//!
//! Offsets are numbers, maxima are exclusive ends, -1 stands where upstream would say -1; times are ms since the epoch.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State};
use serde_json::{Value, json};

use super::error::ApiError;
use super::router::Shared;
use crate::observe::observer::Observer;
use crate::observe::picture::{Picture, QueueRow};
use crate::observe::shrinkage::Explained;
use crate::store::consumequeue::UnitFormat;
use crate::store::lock::LockState;

/// Queues on one page of the answer, if the query does not say, and at most.
const QUEUES: (usize, usize) = (100, 10_000);

pub(super) async fn store(State(shared): State<Shared>) -> Json<Value> {
    let observer = shared.observer();
    Json(json!({
        "broker": broker(&observer),
        "store": observer.picture.as_deref().map(picture),
        "losses": losses(&observer),
    }))
}

fn broker(observer: &Observer) -> Value {
    let life = &observer.memory.life;
    let starts = crate::observe::phase::PreviousShutdown::ALL.iter().zip(life.starts);
    json!({
        "phase": life.phase,
        "phase_since": life.phase.map(|_| life.phase_since),
        "release": observer.memory.release,
        "last_start": life.start.as_ref().map(|start| json!({
            "began_at": start.began_at,
            "recovered_at": start.recovered_at,
            "previous_shutdown": start.previous_shutdown,
            "has_failed": start.has_failed,
            "truncated_to": start.truncated_to,
            "max_offset": start.max_offset,
        })),
        "starts": starts.map(|(kind, count)| (kind.as_str(), count)).collect::<std::collections::BTreeMap<_, _>>(),
        "load_failures": life.load_failures,
    })
}

/// What is known of a store.
#[must_use]
pub fn picture(picture: &Picture) -> Value {
    let log = &picture.log;
    json!({
        "root": picture.root,
        "root_state": picture.root_state,
        "seen_at": picture.taken_at,
        "is_complete": picture.is_complete,
        "log_kind": picture.log_kind,
        "queue_kind": picture.queue_kind,
        "is_lock_held": picture.lock.map(|lock| matches!(lock, LockState::Held { .. })),
        "is_abort_present": picture.is_abort_present,
        "commitlog": {
            "min_offset": log.min,
            "max_offset": log.max,
            "files": log.files,
            "allocated_bytes": log.allocated,
            "apparent_bytes": log.apparent,
            "gaps": log.gaps,
            "invalid_files": log.invalid,
            "tail_state": log.tail,
            "oldest_message": log.oldest,
            "newest_message": log.newest,
        },
        "consumequeue": {
            "by_class": picture.queues.by_class.iter()
                .map(|(class, sums)| (class.as_str(), *sums))
                .collect::<std::collections::BTreeMap<_, _>>(),
            "max_physical_offset": picture.queues.max_physical,
            "dispatch_lag_bytes": log.lag_bytes,
            "oldest_undispatched_message": log.lag_since,
        },
        "collectors": picture.collectors.iter().map(|(collector, state)| (collector.as_str(), json!({
            "error": state.error,
            "last_success": state.last_success,
            "took_seconds": state.took.as_secs_f64(),
        }))).collect::<std::collections::BTreeMap<_, _>>(),
    })
}

fn losses(observer: &Observer) -> Value {
    let of = |explained: Explained| {
        let gone = observer.memory.losses.gone(explained);
        (
            explained.as_str(),
            json!({
                "vanished_queues": gone.vanished_queues,
                "vanished_files": gone.vanished_files,
                "shrunk_queues": gone.shrunk_queues,
                "units_removed": gone.units_removed,
                "last_at": gone.last_at,
            }),
        )
    };
    json!(Explained::ALL.map(of).into_iter().collect::<std::collections::BTreeMap<_, _>>())
}

/// The query as pairs: no form of it is refused by anything but the code that wants a parameter.
pub(super) type Pairs = Query<Vec<(String, String)>>;

/// The value of a parameter, if it is given.
pub(super) fn one(pairs: &Pairs, name: &'static str) -> Result<Option<String>, ApiError> {
    let mut values = pairs.iter().filter(|(given, _)| given == name).map(|(_, value)| value);
    let first = values.next();
    match values.next() {
        None => Ok(first.cloned()),
        Some(found) => Err(ApiError::Parameter { name, found: found.clone(), expected: "no second value" }),
    }
}

/// A page of queues by topic and id. The cursor names the last queue of the page before, so pages stay whole while queues come
/// and go.
pub(super) async fn queues(State(shared): State<Shared>, query: Pairs) -> Result<Json<Value>, ApiError> {
    let (topic, cursor) = (one(&query, "topic")?, one(&query, "cursor")?);
    let limit = match &one(&query, "limit")? {
        None => QUEUES.0,
        Some(text) => text.parse().ok().filter(|limit| (1..=QUEUES.1).contains(limit)).ok_or_else(|| {
            ApiError::Parameter { name: "limit", found: text.clone(), expected: "a number from 1 to 10000" }
        })?,
    };
    let cursor = cursor.as_deref().map(parse_cursor).transpose()?;
    let picture = shared.observer().picture.clone().filter(|picture| picture.log_kind.is_some());
    let rows = Arc::clone(&picture.as_ref().ok_or(ApiError::NotYet)?.queues.rows);
    let from =
        cursor.map_or(0, |last| rows.partition_point(|row| (&*row.topic, row.queue, row.format) <= last));
    let is_wanted = |row: &&QueueRow| topic.as_ref().is_none_or(|topic| **topic == *row.topic);
    let mut page: Vec<&QueueRow> = rows.iter().skip(from).filter(is_wanted).take(limit + 1).collect();
    let has_more = page.len() > limit;
    page.truncate(limit);
    let next = page.last().filter(|_| has_more).map(|row| cursor_at(row));
    Ok(Json(json!({
        "seen_at": picture.as_ref().map(|picture| picture.taken_at),
        "queues": page.into_iter().map(queue).collect::<Vec<_>>(),
        "next_cursor": next,
    })))
}

/// One queue.
#[must_use]
pub fn queue(row: &QueueRow) -> Value {
    json!({
        "topic": row.topic,
        "queue": row.queue,
        "kind": if row.format == UnitFormat::Batch { "batch" } else { "simple" },
        "files": row.files,
        "min_offset": row.min,
        "max_offset": row.max,
        "max_physical_offset": row.max_physical,
        "bad": row.bad,
    })
}

/// `<queue>:<topic>`, with a `b` behind the number of a batch queue: a queue can be there in both kinds.
fn cursor_at(row: &QueueRow) -> String {
    let kind = if row.format == UnitFormat::Batch { "b" } else { "" };
    format!("{}{kind}:{}", row.queue, row.topic)
}

fn parse_cursor(text: &str) -> Result<(&str, u32, UnitFormat), ApiError> {
    let parse = || {
        let (queue, topic) = text.split_once(':')?;
        let (queue, format) = match queue.strip_suffix('b') {
            Some(queue) => (queue, UnitFormat::Batch),
            None => (queue, UnitFormat::Simple),
        };
        Some((topic, queue.parse().ok()?, format))
    };
    parse().ok_or_else(|| ApiError::Parameter {
        name: "cursor",
        found: text.to_owned(),
        expected: "next_cursor of the page before",
    })
}

pub(super) async fn events(State(shared): State<Shared>, query: Pairs) -> Result<Json<Value>, ApiError> {
    let since = match &one(&query, "since")? {
        None => 0,
        Some(text) => text.parse().map_err(|_| ApiError::Parameter {
            name: "since",
            found: text.clone(),
            expected: "the seq of an entry, a number from 0",
        })?,
    };
    let observer = shared.observer();
    let events: Vec<_> = observer.memory.feed.since(since).collect();
    let last = events.last().map_or(since, |entry| entry.seq);
    Ok(Json(json!({ "events": events, "last_seq": last })))
}
