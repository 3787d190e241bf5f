//! Paths to answers.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;

use super::access::{Access, guard};
use super::desk::Desk;
use super::error::ApiError;
use super::{answers, api, health, page, scrape, state};
use crate::broker::BrokerConf;
use crate::confine::Confinement;
use crate::observe::observer::Observer;
use crate::observe::vitals::{Task, Vitals};
use crate::units::EpochMillis;

/// How long a scrape may take before its task counts as stuck.
const SCRAPE_TIME: Duration = Duration::from_secs(30);

/// What answers are made of.
#[derive(Clone)]
pub struct Shared {
    /// What is known.
    pub observer: Arc<Mutex<Observer>>,
    /// How the exporter's own tasks fare.
    pub vitals: Arc<Vitals>,
    /// What the kernel holds it to.
    pub confinement: Arc<Confinement>,
    /// The metrics.
    pub registry: prometheus::Registry,
    /// Path of the metrics.
    pub telemetry_path: String,
    /// Questions about the next start.
    pub answers: Arc<answers::Answers>,
    /// Who may ask.
    pub access: Arc<Access>,
    /// What the broker was told, if the exporter was.
    pub broker: Option<Arc<BrokerConf>>,
    /// The time.
    pub clock: fn() -> EpochMillis,
}

impl Shared {
    pub(super) fn observer(&self) -> MutexGuard<'_, Observer> {
        self.observer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All paths.
pub fn router(shared: Shared) -> Router {
    let telemetry_path = shared.telemetry_path.clone();
    let scrapes = Arc::new(Desk::open(Task::Scrapes, SCRAPE_TIME, Arc::clone(&shared.vitals)));
    let metrics = move |State(shared), headers| scrape::metrics(scrapes.clone(), shared, headers);
    Router::new()
        .route("/", get(page::page))
        .route("/preview", get(page::page))
        .route("/assets/{name}", get(page::asset))
        .route(&telemetry_path, get(metrics))
        .route("/-/healthy", get(health::healthy))
        .route("/-/ready", get(|| async { "ready\n" }))
        .route("/api/v1/store", get(state::state))
        .route("/api/v1/queues", get(api::queues))
        .route("/api/v1/events", get(api::events))
        .route("/api/v1/history", get(api::history))
        .route("/api/v1/preview", get(answers::preview))
        .route("/api/v1/compare", get(answers::compare))
        .fallback(|| async { ApiError::NotFound })
        .method_not_allowed_fallback(|| async { ApiError::Method })
        .layer(CatchPanicLayer::custom(health::Panics(Arc::clone(&shared.vitals))))
        .layer(CompressionLayer::new())
        .layer(from_fn_with_state(Arc::clone(&shared.access), guard))
        .with_state(shared)
}
