//! Fills the families at a scrape: what concerns the exporter, the broker's life and its logs. What concerns the store is in
//! `store_families`.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;

use super::catalogue as m;
use super::families::{Families, number};
use crate::broker::BrokerConf;
use crate::confine::{Confinement, Part as Confined};
use crate::observe::observer::Observer;
use crate::observe::phase::{Life, Phase, PreviousShutdown, RecoveryPart};
use crate::observe::picture::{Collector as Part, Picture};
use crate::observe::vitals::{Task, Vitals};
use crate::store::layout::RootState;
use crate::store::source::bytes_read;
use crate::units::EpochMillis;
use crate::watch::{Event, LogFile};

/// What bounds the number of series, and what is known beforehand.
#[derive(Debug, Clone)]
pub struct MetricOptions {
    /// Topics with series of their own.
    pub topics_limit: usize,
    /// Queues with a series of their own.
    pub bad_queues_limit: usize,
    /// The broker's properties, or upstream's defaults.
    pub broker: BrokerConf,
    /// Whether the properties were read: identity is not made up.
    pub is_broker_told: bool,
    /// What the kernel holds the process to.
    pub confinement: Confinement,
    /// How the tasks fare.
    pub vitals: Arc<Vitals>,
}

/// Serves what an [`Observer`] knows.
#[derive(Debug, Clone)]
pub struct StoreCollector {
    observer: Arc<Mutex<Observer>>,
    options: Arc<MetricOptions>,
    clock: fn() -> EpochMillis,
    descriptions: Arc<Vec<Desc>>,
}

impl StoreCollector {
    /// Reads from `observer` at each scrape; `clock` gives ages their end.
    #[must_use]
    pub fn new(observer: Arc<Mutex<Observer>>, options: MetricOptions, clock: fn() -> EpochMillis) -> Self {
        let describe = |metric: &&m::Metric| {
            let labels = metric.labels.iter().map(|label| (*label).to_owned()).collect();
            Desc::new(
                metric.name.to_owned(),
                metric.help.to_owned(),
                labels,
                std::collections::HashMap::new(),
            )
            .expect("a test registers every metric of the catalogue")
        };
        let descriptions = Arc::new(m::ALL.iter().map(describe).collect());
        Self { observer, options: Arc::new(options), clock, descriptions }
    }

    /// The families as of now.
    #[must_use]
    pub fn families(&self) -> Vec<MetricFamily> {
        let mut families = Families::default();
        let observer = self.observer.lock().unwrap_or_else(PoisonError::into_inner);
        let now = (self.clock)();
        exporter(&mut families, &observer);
        for part in Confined::ALL {
            let holds = self.options.confinement.holds(part);
            families.flag(&m::EXPORTER_CONFINED, &[part.as_str()], holds);
        }
        let stuck = self.options.vitals.stuck(Instant::now());
        for task in Task::ALL {
            families.count(&m::EXPORTER_PANICS, &[task.as_str()], self.options.vitals.panics(task));
            let is_stuck = stuck.iter().any(|stuck| stuck.task == task);
            families.flag(&m::EXPORTER_TASK_STUCK, &[task.as_str()], is_stuck);
        }
        life(&mut families, &observer.memory.life, observer.picture.as_deref(), now);
        logs(&mut families, &observer);
        self.info(&mut families, &observer);
        super::preview_families::fill(&mut families, &observer);
        super::store_families::fill(&mut families, &observer, &self.options, now);
        drop(observer);
        families.into_vec()
    }

    fn info(&self, families: &mut Families, observer: &Observer) {
        let broker = &self.options.broker;
        let told = |text: String| if self.options.is_broker_told { text } else { String::new() };
        let picture = observer.picture.as_deref();
        let release = observer.memory.release.as_ref();
        families.set(
            &m::BROKER_INFO,
            &[
                &told(broker.broker_cluster_name.clone()),
                &told(broker.broker_name.clone().unwrap_or_default()),
                &told(broker.broker_id.to_string()),
                &told(broker.broker_role.as_str().to_owned()),
                release.map_or("", |release| &release.version),
                release.map_or("", |release| release.source.as_str()),
                picture.and_then(|picture| picture.log_kind).map_or("", |kind| kind.as_str()),
                picture.and_then(|picture| picture.queue_kind).map_or("", |kind| kind.as_str()),
            ],
            1.0,
        );
    }
}

impl Collector for StoreCollector {
    fn desc(&self) -> Vec<&Desc> {
        self.descriptions.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        self.families()
    }
}

fn exporter(families: &mut Families, observer: &Observer) {
    families.set(&m::EXPORTER_BUILD_INFO, &[env!("CARGO_PKG_VERSION")], 1.0);
    families.count(&m::EXPORTER_READ_BYTES, &[], bytes_read());
    let picture = observer.picture.as_deref();
    let is_up = picture.is_some_and(|picture| {
        picture.root_state == RootState::Store
            && picture.collectors.values().all(|state| state.error.is_none())
    });
    families.flag(&m::UP, &[], is_up);
    let root_state = picture.map(|picture| picture.root_state.as_str());
    families.one_of(&m::ROOT_STATE, RootState::ALL.iter().map(|state| state.as_str()), root_state);
    for reason in crate::store::ReadFailure::ALL {
        let count = observer.read_failures.get(&reason).copied().unwrap_or_default();
        families.count(&m::EXPORTER_READ_ERRORS, &[reason.as_str()], count);
    }
    let Some(picture) = picture else { return };
    for part in Part::ALL {
        let state = match part {
            Part::Logs => Some(&observer.tail),
            Part::State => observer.saving.as_ref(),
            _ => picture.collectors.get(&part),
        };
        let Some(state) = state else { continue };
        families.flag(&m::COLLECTOR_SUCCESS, &[part.as_str()], state.error.is_none());
        families.set(&m::COLLECTOR_DURATION, &[part.as_str()], state.took.as_secs_f64());
        if let Some(at) = state.last_success {
            families.set(&m::COLLECTOR_LAST_SUCCESS, &[part.as_str()], at.as_seconds());
        }
    }
}

fn life(families: &mut Families, life: &Life, picture: Option<&Picture>, now: EpochMillis) {
    if let Some(phase) = life.phase {
        families.one_of(&m::PHASE, Phase::ALL.iter().map(|phase| phase.as_str()), Some(phase.as_str()));
        families.set(&m::PHASE_START, &[], life.phase_since.as_seconds());
    }
    for (kind, count) in PreviousShutdown::ALL.iter().zip(life.starts) {
        families.count(&m::STARTS, &[kind.as_str()], count);
    }
    families.count(&m::LOAD_FAILURES, &[], life.load_failures);
    if let Some(start) = &life.start {
        families.set(&m::LAST_START, &[], start.began_at.as_seconds());
    }
    if let Some(is_clean) = life.was_shutdown_clean() {
        families.flag(&m::LAST_SHUTDOWN_CLEAN, &[], is_clean);
    }
    for (part, millis) in RecoveryPart::ALL.iter().zip(life.recovery_millis) {
        if let Some(millis) = millis {
            families.set(&m::LAST_RECOVERY_DURATION, &[part.as_str()], number(millis) / 1000.0);
        }
    }
    if let Some(at) = life.last_recovery_end {
        families.set(&m::LAST_RECOVERY_END, &[], at.as_seconds());
    }
    if let Some(progress) = picture.and_then(|picture| life.progress(picture)) {
        for (part, ratio) in
            [(RecoveryPart::Consumequeue, progress.queues), (RecoveryPart::Commitlog, progress.log)]
        {
            if let Some(ratio) = ratio {
                families.set(&m::RECOVERY_PROGRESS, &[part.as_str()], ratio);
            }
        }
        if let Some(end) = life.estimated_end(&progress, now) {
            families.set(&m::RECOVERY_ESTIMATED_END, &[], end.as_seconds());
        }
    }
    if let Some(picture) = picture {
        if let Some(is_present) = picture.is_abort_present {
            families.flag(&m::ABORT_FILE_PRESENT, &[], is_present);
        }
        if let Some(lock) = picture.lock {
            let is_held = matches!(lock, crate::store::lock::LockState::Held { .. });
            families.flag(&m::LOCK_HELD, &[], is_held);
        }
    }
}

fn logs(families: &mut Families, observer: &Observer) {
    for event in Event::ALL {
        let seen = observer.memory.events.get(event.id());
        families.count(&m::LOG_EVENTS, &[event.id()], seen.map_or(0, |seen| seen.count));
        if let Some(seen) = seen {
            families.set(&m::LOG_LAST_EVENT, &[event.id()], seen.last_at.as_seconds());
        }
    }
    for log in LogFile::ALL {
        let Some(figures) = observer.logs.get(&log) else { continue };
        for (level, lines) in &figures.lines {
            families.count(&m::LOG_LINES, &[log.id(), level.id()], *lines);
        }
        families.count(&m::LOG_UNREAD, &[log.id()], figures.unread_bytes);
        families.count(&m::LOG_ROTATIONS, &[log.id()], figures.rotations);
        families.count(&m::LOG_UNPARSED, &[log.id()], figures.unparsed_lines);
        if let Some(at) = figures.last_line_at {
            families.set(&m::LOG_LAST_LINE, &[log.id()], at.as_seconds());
        }
    }
}
