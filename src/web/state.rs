//! `/api/v1/store`: what is known of broker and store.
//!
//! Offsets are numbers, maxima are exclusive ends, -1 stands where upstream would say -1; times are ms since the epoch.

use std::collections::BTreeMap;
use std::time::Instant;

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use super::router::Shared;
use crate::broker::release::KNOWN;
use crate::confine::Part;
use crate::observe::observer::Observer;
use crate::observe::outlook::Outlook;
use crate::observe::phase::PreviousShutdown;
use crate::observe::picture::{Collector, CollectorState, DiskArea, Picture};
use crate::observe::shrinkage::Explained;
use crate::observe::vitals::Task;
use crate::store::lock::LockState;

pub(super) async fn state(State(shared): State<Shared>) -> Json<Value> {
    let observer = shared.observer();
    Json(json!({
        "exporter": exporter(&shared),
        "broker": broker(&observer, &shared),
        "store": observer.picture.as_deref().map(picture),
        "parts": parts(&observer),
        "disk": disk(&observer, &shared),
        "losses": losses(&observer),
        "next_start": observer.outlook.as_deref().map(next_start),
    }))
}

/// The exporter itself: what a page needs to know of it, what the kernel holds it to, and how its tasks fare.
fn exporter(shared: &Shared) -> Value {
    let stuck = shared.vitals.stuck(Instant::now());
    let task = |task: Task| {
        let since = stuck.iter().find(|stuck| stuck.task == task).map(|stuck| stuck.since.as_millis());
        let panics = shared.vitals.panics(task);
        (
            task.as_str(),
            json!({ "panics": panics, "stuck_ms": since.map(|ms| u64::try_from(ms).unwrap_or(u64::MAX)) }),
        )
    };
    let confined = Part::ALL.map(|part| (part.as_str(), shared.confinement.holds(part)));
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "now": (shared.clock)(),
        "telemetry_path": shared.telemetry_path,
        "releases": KNOWN.map(|(major, minor, patch)| format!("{major}.{minor}.{patch}")),
        "confined": BTreeMap::from(confined),
        "confinement_gaps": shared.confinement.gaps,
        "tasks": Task::ALL.map(task).into_iter().collect::<BTreeMap<_, _>>(),
    })
}

fn broker(observer: &Observer, shared: &Shared) -> Value {
    let life = &observer.memory.life;
    let starts = PreviousShutdown::ALL.iter().zip(life.starts);
    let progress = observer.picture.as_deref().and_then(|picture| life.progress(picture));
    json!({
        "name": shared.broker.as_ref().and_then(|conf| conf.broker_name.clone()),
        "cluster": shared.broker.as_ref().map(|conf| conf.broker_cluster_name.clone()),
        "progress": progress.map(|progress| json!({
            "consumequeue": progress.queues,
            "commitlog": progress.log,
            "estimated_end": life.estimated_end(&progress, (shared.clock)()),
        })),
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
        "starts": starts.map(|(kind, count)| (kind.as_str(), count)).collect::<BTreeMap<_, _>>(),
        "load_failures": life.load_failures,
    })
}

/// What is known of a store.
#[must_use]
pub fn picture(picture: &Picture) -> Value {
    let log = &picture.log;
    json!({
        "root": picture.root.to_string_lossy(),
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
                .collect::<BTreeMap<_, _>>(),
            "max_physical_offset": picture.queues.max_physical,
            "dispatch_lag_bytes": log.lag_bytes,
            "oldest_undispatched_message": log.lag_since,
        },
        "collectors": picture.collectors.iter()
            .map(|(part, state)| (part.as_str(), collector(state)))
            .collect::<BTreeMap<_, _>>(),
    })
}

/// Parts of the exporter that are none of a pass.
fn parts(observer: &Observer) -> Value {
    let parts = [(Collector::Logs, Some(&observer.tail)), (Collector::State, observer.saving.as_ref())];
    let parts = parts.into_iter().filter_map(|(part, fares)| Some((part.as_str(), collector(fares?))));
    json!(parts.collect::<BTreeMap<_, _>>())
}

fn collector(state: &CollectorState) -> Value {
    json!({
        "error": state.error,
        "last_success": state.last_success,
        "took_seconds": state.took.as_secs_f64(),
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
    json!(Explained::ALL.map(of).into_iter().collect::<BTreeMap<_, _>>())
}

/// How full the disks are, and at which shares the broker acts: as it was told, else upstream's defaults.
fn disk(observer: &Observer, shared: &Shared) -> Value {
    let used = observer.picture.as_deref().map(|picture| picture.disk_used).unwrap_or_default();
    let used: BTreeMap<_, _> = DiskArea::ALL.iter().map(|area| area.as_str()).zip(used).collect();
    let conf = shared.broker.as_deref().cloned().unwrap_or_default();
    json!({ "used_ratio": used, "threshold_ratio": BTreeMap::from(conf.disk_thresholds()) })
}

/// The last forecast in short; `/api/v1/preview` has all of it.
fn next_start(outlook: &Outlook) -> Value {
    let (preview, forecast) = (&outlook.preview, &outlook.preview.forecast);
    json!({
        "made_at": outlook.made_at,
        "took_seconds": outlook.took.as_secs_f64(),
        "is_of_running": outlook.is_of_running,
        "verdict": forecast.verdict,
        "complete": forecast.complete,
        "consistent": forecast.consistent,
        "assumed": preview.assumed,
        "start": forecast.start,
        "totals": forecast.totals,
        "queues_with_loss": forecast.queues.iter().filter(|queue| queue.units_lost > Some(0)).count(),
        "findings": preview.findings,
        "estimate": preview.estimate,
        "not_modelled": forecast.not_modelled,
    })
}
