//! All paths over what a watcher sees, with everything else as it is by default.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use rocketmq_store_exporter::broker::BrokerConf;
use rocketmq_store_exporter::confine::Confinement;
use rocketmq_store_exporter::metrics::StoreCollector;
use rocketmq_store_exporter::metrics::collector::MetricOptions;
use rocketmq_store_exporter::observe::turns::Turns;
use rocketmq_store_exporter::preview::{Asked, Surroundings};
use rocketmq_store_exporter::web::access::Access;
use rocketmq_store_exporter::web::{Answers, Shared, router};

use super::watcher::{Watcher, now};

/// Paths over the store at `root`, of which `topics_limit` topics have series of their own.
pub fn plain_router(watcher: &Watcher, root: &Path, topics_limit: usize) -> Router {
    let options = MetricOptions {
        topics_limit,
        bad_queues_limit: 20,
        broker: BrokerConf::default(),
        is_broker_told: false,
        confinement: Confinement::default(),
        vitals: Arc::default(),
    };
    let registry = prometheus::Registry::new();
    let collector = StoreCollector::new(Arc::clone(&watcher.observer), options, now);
    registry.register(Box::new(collector)).unwrap();
    let asked = Asked { root: root.to_owned(), goes_by_files: true, ..Asked::default() };
    let answers = Answers::new(
        asked,
        Surroundings::default(),
        u64::MAX,
        Duration::from_secs(60),
        Turns::default(),
        Arc::default(),
    );
    router(Shared {
        observer: Arc::clone(&watcher.observer),
        vitals: Arc::default(),
        confinement: Arc::default(),
        registry,
        telemetry_path: "/metrics".to_owned(),
        answers: Arc::new(answers),
        access: Arc::new(Access::open()),
        broker: None,
        clock: now,
    })
}
