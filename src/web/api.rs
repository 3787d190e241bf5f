//! `/api/v1/queues`, `/api/v1/events`, `/api/v1/history`.
//!
//! Offsets are numbers, maxima are exclusive ends, -1 stands where upstream would say -1; times are ms since the epoch.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State};
use serde_json::{Value, json};

use super::error::ApiError;
use super::router::Shared;
use crate::observe::picture::QueueRow;
use crate::store::consumequeue::UnitFormat;
use crate::units::EpochMillis;

/// Queues on one page of the answer, if the query does not say, and at most.
const QUEUES: (usize, usize) = (100, 10_000);

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
    let feed = &observer.memory.feed;
    let events: Vec<_> = feed.since(since).collect();
    Ok(Json(json!({ "events": events, "last_seq": feed.last_seq() })))
}

pub(super) async fn history(State(shared): State<Shared>, query: Pairs) -> Result<Json<Value>, ApiError> {
    let since = match &one(&query, "since")? {
        None => EpochMillis(i64::MIN),
        Some(text) => text.parse().map(EpochMillis).map_err(|_| ApiError::Parameter {
            name: "since",
            found: text.clone(),
            expected: "the time of a point, ms since the epoch",
        })?,
    };
    let observer = shared.observer();
    let points: Vec<_> = observer.history.since(since).collect();
    Ok(Json(json!({ "points": points })))
}
