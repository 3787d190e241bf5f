//! What the forecast leaves out, named where it can matter.

use super::metadata::Tables;
use super::release::NEWEST;
use crate::broker::release::Release;

/// First release that can keep its tables in RocksDB without its queues.
const CONFIG_V2: Release = (5, 3, 2);
/// First release that can write its queues to RocksDB too.
const DOUBLE_WRITE: Release = (5, 3, 1);

/// What an answer leaves out of this broker's start.
#[must_use]
pub fn notes(tables: &Tables<'_>) -> Vec<String> {
    let (conf, rules) = (tables.conf, tables.rules);
    let mut notes = Vec::new();
    if tables.release > NEWEST {
        notes.push(format!("release newer than {}: answered by its rules", version(NEWEST)));
    }
    if !rules.is_checked {
        notes.push(format!("the rules since {} were read in the sources and not run", version(rules.since)));
    }
    let has_rocksdb = rules.has_rocksdb_index;
    let is_v2 = conf.config_manager_version.as_deref() == Some("v2");
    let has_bit_maps = conf.enable_consume_queue_ext && conf.enable_calc_filter_bit_map;
    let dispatches_apart = rules.has_concurrent_dispatch && conf.enable_build_consume_queue_concurrently;
    let flags = [
        (conf.index_rocksdb_enable && has_rocksdb, "indexRocksDBEnable"),
        (conf.trans_rocksdb_enable && has_rocksdb, "transRocksDBEnable"),
        (conf.timer_rocksdb_enable && has_rocksdb, "timerRocksDBEnable"),
        (conf.rocksdb_cq_double_write_enable && tables.release >= DOUBLE_WRITE, "rocksdbCQDoubleWriteEnable"),
        (conf.enable_accelerated_recovery && has_rocksdb, "enableAcceleratedRecovery"),
        (is_v2 && tables.release >= CONFIG_V2, "configManagerVersion"),
        (has_bit_maps, "enableCalcFilterBitMap"),
        (dispatches_apart, "enableBuildConsumeQueueConcurrently"),
    ];
    notes.extend(flags.iter().filter(|(is_on, _)| *is_on).map(|(_, name)| (*name).to_owned()));
    if rules.has_compaction && conf.enable_compaction {
        notes.extend(compaction(tables));
        if rules.unlinks_tables && tables.has_odd_compaction_positions() {
            notes.push("compaction/position-checkpoint: whether it is unlinked, as it is no JSON and the broker's parser may take it".to_owned());
        }
    }
    notes
}

/// What is left out of compacted topics: their own log and queues below `compaction/`, which load checks and dispatch writes
/// (`CompactionStore.load`, `CompactionService.putRequest`). Their messages have units like all others.
fn compaction(tables: &Tables<'_>) -> Option<String> {
    let dir = tables.root.join("compaction/compactionLog");
    let has_log = std::fs::read_dir(dir).is_ok_and(|mut topics| topics.next().is_some());
    let is_compacted = |topic: &serde_json::Value| {
        topic.pointer("/attributes/cleanup.policy").and_then(|policy| policy.as_str()) == Some("COMPACTION")
    };
    let topics = tables.get("topics").unwrap_or_default();
    let table = topics.get("topicConfigTable").and_then(|table| table.as_object());
    let count = table.into_iter().flatten().filter(|(_, topic)| is_compacted(topic)).count();
    (has_log || count > 0).then(|| {
        "compaction/: whether its files let the broker start, and what the start writes there".to_owned()
    })
}

/// A release as people write it.
#[must_use]
pub fn version(release: Release) -> String {
    format!("{}.{}.{}", release.0, release.1, release.2)
}
