//! `/-/healthy`, and what becomes of a request whose answer panics.

use std::any::Any;
use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use tower_http::catch_panic::ResponseForPanic;

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
#[derive(Debug, Clone)]
pub(super) struct Panics(pub Arc<Vitals>);

impl ResponseForPanic for Panics {
    type ResponseBody = Body;

    fn response_for_panic(&mut self, _: Box<dyn Any + Send>) -> Response {
        self.0.panicked(Task::Http);
        tracing::error!(task = Task::Http.as_str(), "a request was not answered");
        ApiError::Failed.into_response()
    }
}
