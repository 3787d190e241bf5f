//! A forecast that goes on from the last one says what one that reads everything says.

#![allow(clippy::unwrap_used, missing_docs, reason = "a test says by failing what was not there")]

use std::fs;
use std::path::Path;

use rocketmq_store_exporter::broker::release::Release;
use rocketmq_store_exporter::recovery::{Budget, Forecast, Memory, forecast, forecast_again};

#[path = "support/store_writer.rs"]
mod store_writer;

use store_writer::{Log, StoreWriter};

struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(limit).unwrap()).unwrap()
    }
}

/// What happens to a store between two looks at it.
fn live_on(store: &mut StoreWriter, root: &Path, dice: &mut Dice) {
    for _ in 0..dice.below(60) {
        let topic = store.topic(&format!("topic-{}", dice.below(4)));
        let queue = i32::try_from(dice.below(3)).unwrap();
        let len = if dice.below(40) == 0 { 6_000 } else { dice.below(400) };
        store.append(topic, queue, len);
    }
    let late = dice.below(12);
    while store.pending.len() > late {
        store.dispatch_one();
    }
    store.flush();
    match dice.below(12) {
        0 => store.write_checkpoint(store.now() - 30, store.now(), store.end),
        1 => store.write_checkpoint(store.now(), store.now() - 500, store.end - 900),
        2 => {
            let topic = dice.below(store.topics.len().max(1));
            if let Some(name) = store.topics.get(topic) {
                drop(fs::remove_dir_all(root.join("consumequeue").join(name)));
                store.forget_topic(topic);
            }
        }
        3 => {
            let mut segments: Vec<_> =
                fs::read_dir(store.log_dir()).unwrap().map(|found| found.unwrap().path()).collect();
            segments.sort();
            if segments.len() > 3 {
                fs::remove_file(&segments[0]).unwrap();
            }
        }
        4 => index_file(root, store, dice),
        5..8 if root.join("dledger-n0").exists() => store.write_ledger_checkpoint(),
        _ => {}
    }
}

/// The head of an index file: times, places in the log, slots, number of the next entry.
fn index_file(root: &Path, store: &StoreWriter, dice: &mut Dice) {
    let mut bytes = Vec::new();
    for field in [0, store.now() - 400, 0, store.end / 2] {
        bytes.extend(field.to_be_bytes());
    }
    bytes.extend(5_i32.to_be_bytes());
    bytes.extend(i32::try_from(1 + dice.below(290)).unwrap().to_be_bytes());
    fs::create_dir_all(root.join("index")).unwrap();
    fs::write(root.join("index/20231114000000000"), bytes).unwrap();
}

fn without_cost(found: Forecast) -> Forecast {
    Forecast { bytes_read: 0, ..found }
}

#[test]
fn going_on_says_what_reading_everything_says() {
    for seed in 1..=24_u64 {
        let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        let log = if dice.below(2) == 0 { Log::Plain } else { Log::DLedger };
        let release: Release =
            [(4, 9, 7), (5, 1, 4), (5, 2, 0), (5, 3, 3), (5, 4, 0), (5, 5, 1)][dice.below(6)];
        let more = ["", "enableConsumeQueueExt=true", "enableMultiDispatch=true", "messageIndexEnable=false"]
            [dice.below(4)];
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("store");
        let mut store = StoreWriter::new(&root, log, 40_000, 20 * 25);
        let asked = store.question(release, &format!("maxIndexNum=300\n{more}"));
        let mut memory = Memory::default();
        for look in 0..16 {
            live_on(&mut store, &root, &mut dice);
            let again = forecast_again(&asked, &Budget::default(), &mut memory).unwrap();
            let whole = forecast(&asked, &Budget::default()).unwrap();
            assert_eq!(
                without_cost(again),
                without_cost(whole),
                "seed {seed}, look {look}, {log:?} {release:?} {more}"
            );
        }
    }
}

#[test]
fn what_is_read_follows_what_was_written_since() {
    for (log, release) in [
        (Log::Plain, (5, 5, 0)),
        (Log::DLedger, (5, 2, 0)),
        (Log::DLedger, (5, 3, 3)),
        (Log::DLedger, (5, 5, 0)),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("store");
        let mut store = StoreWriter::new(&root, log, 4 << 20, 20 * 2_000);
        let asked = store.question(release, "maxIndexNum=300");
        let mut memory = Memory::default();
        let topic = store.topic("topic");
        let mut grow = |until: i64| {
            while store.end < until {
                let queue = i32::try_from(store.end % 4).unwrap();
                store.append(topic, queue, 200);
            }
            store.dispatch_all();
            store.flush();
            if log == Log::DLedger {
                store.write_ledger_checkpoint();
            }
        };
        let mut read = Vec::new();
        for until in [6 << 20, (6 << 20) + 60_000, 14 << 20, (14 << 20) + 60_000] {
            grow(until);
            read.push(forecast_again(&asked, &Budget::default(), &mut memory).unwrap().bytes_read);
        }
        assert!(read[1] < read[0] / 6, "{log:?} {release:?}: {read:?}");
        assert!(
            read[3] < read[1] * 3 / 2 + 20_000,
            "not more of a larger store: {log:?} {release:?}: {read:?}"
        );
    }
}

#[test]
fn a_file_that_was_replaced_is_read_again() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("store");
    let mut store = StoreWriter::new(&root, Log::Plain, 40_000, 20 * 25);
    let topic = store.topic("topic");
    for _ in 0..60 {
        store.append(topic, 0, 100);
    }
    store.dispatch_all();
    store.flush();
    let asked = store.question((5, 5, 0), "maxIndexNum=300");
    let mut memory = Memory::default();
    let look = |memory: &mut Memory| forecast_again(&asked, &Budget::default(), memory).unwrap();
    assert_eq!(look(&mut memory).totals.units_lost, Some(0));
    let file = root.join("consumequeue/topic/0/00000000000000000500");
    let mut bytes = fs::read(&file).unwrap();
    bytes[..40].fill(0);
    fs::remove_file(&file).unwrap();
    fs::write(&file, bytes).unwrap();
    assert_eq!(without_cost(look(&mut memory)), without_cost(forecast(&asked, &Budget::default()).unwrap()));
}
