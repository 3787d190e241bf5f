//! `/-/healthy`, and what becomes of a request whose answer panics.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::Response;

use super::error::ApiError;
use super::router::Shared;
use crate::observe::vitals::{Task, Vitals};

/// Whether the exporter's own tasks go on. What the broker or its store does is no part of it.
pub(super) async fn healthy(State(shared): State<Shared>) -> (StatusCode, String) {
    let stuck = shared.vitals.stuck(Instant::now());
    if stuck.is_empty() {
        return (StatusCode::OK, "healthy\n".to_owned());
    }
    let line = |task: &str, seconds| format!("{task} has given no sign of life for {seconds} s\n");
    let lines = stuck.iter().map(|stuck| line(stuck.task.as_str(), stuck.since.as_secs()));
    (StatusCode::SERVICE_UNAVAILABLE, lines.collect())
}

/// Counts an answer that panics, and answers as for every other failure.
pub(super) async fn count_panics(
    State(vitals): State<Arc<Vitals>>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    // In a task of its own a panic is a value.
    tokio::spawn(next.run(request)).await.map_err(|error| {
        if error.is_panic() {
            vitals.panicked(Task::Http);
        }
        tracing::error!(%error, task = Task::Http.as_str(), "a request was not answered");
        ApiError::Failed
    })
}
