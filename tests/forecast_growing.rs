//! A broker that writes on while its store is read: what has come meanwhile is not taken for what a start would cut off, nor a
//! file that is being made for a damaged one.

#![allow(clippy::unwrap_used, missing_docs, reason = "a test says by failing what was not there")]

use std::time::Duration;

use rocketmq_store_exporter::recovery::{Budget, Memory, Question, forecast, forecast_again};
use rocketmq_store_exporter::store::layout::LogKind;

#[path = "support/store_writer.rs"]
mod store_writer;

use store_writer::{Log, StoreWriter};

/// How often the broker writes.
const ROUNDS: usize = 3_000;

#[test]
fn a_log_that_grows_under_a_forecast_loses_nothing() {
    for (log, mode, release) in [
        (Log::Plain, LogKind::Plain, (5, 3, 3)),
        (Log::Plain, LogKind::Controller, (5, 5, 0)),
        (Log::DLedger, LogKind::DLedger, (5, 3, 3)),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("store");
        let mut store = StoreWriter::new(&root, log, 2 << 20, 20 * 2_000);
        store.empty_for = Duration::from_millis(5);
        let topic = store.topic("topic");
        let asked = Question { mode: Some(mode), ..store.question(release, "") };
        let mut append = move || {
            for queue in 0..8 {
                store.append(topic, queue, 300);
            }
            store.dispatch_all();
            store.flush();
        };
        (0..ROUNDS / 10).for_each(|_| append());
        let (mut memory, mut looks) = (Memory::default(), 0);
        std::thread::scope(|scope| {
            let writer = scope.spawn(move || {
                for _ in 0..ROUNDS {
                    append();
                    std::thread::sleep(Duration::from_micros(100));
                }
            });
            while !writer.is_finished() {
                let found = match looks % 8 {
                    0 => forecast(&asked, &Budget::default()),
                    _ => forecast_again(&asked, &Budget::default(), &mut memory),
                }
                .unwrap();
                let said = (found.totals.messages_dropped, found.totals.units_lost);
                let of = (found.verdict, &found.start);
                assert_eq!(said, (0, Some(0)), "{log:?} {mode:?} {release:?}, look {looks}: {of:?}");
                looks += 1;
            }
        });
        assert!(looks > 2, "{looks}");
    }
}
