//! Fills the families that tell of the store itself: log, queues, checkpoints, disk, topics.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::catalogue as m;
use super::collector::MetricOptions;
use super::families::{Families, signed};
use crate::inspect::log_end::TailState;
use crate::inspect::metadata::TopicClass;
use crate::observe::observer::Observer;
use crate::observe::picture::{BadQueue, DiskArea, Log, Picture, QueueRow, QueueSums, Queues, Reclaimable};
use crate::observe::shrinkage::Explained;
use crate::store::layout::LogKind;
use crate::store::segments::InvalidReason;
use crate::units::{EpochMillis, PhysicalOffset};

/// The topic that stands for all those beyond the limit.
const OTHER: &str = "__other__";

pub(super) fn fill(families: &mut Families, observer: &Observer, options: &MetricOptions, now: EpochMillis) {
    losses(families, observer);
    let Some(picture) = observer.picture.as_deref() else { return };
    if picture.log_kind.is_none() {
        return;
    }
    if picture.log.is_listed {
        log(families, picture, now);
    }
    checkpoints(families, picture);
    disk(families, picture, options);
    if picture.queues.is_listed {
        queues(families, &picture.queues);
        topics(families, picture, observer, options.topics_limit);
        bad_queues(families, picture, options.bad_queues_limit);
    }
}

fn losses(families: &mut Families, observer: &Observer) {
    let memory = &observer.memory;
    for explained in Explained::ALL {
        let (word, gone) = (explained.as_str(), memory.losses.gone(explained));
        families.count(&m::CONSUMEQUEUE_VANISHED_QUEUES, &[word], gone.vanished_queues);
        families.count(&m::CONSUMEQUEUE_VANISHED_FILES, &[word], gone.vanished_files);
        families.count(&m::CONSUMEQUEUE_SHRUNK_QUEUES, &[word], gone.shrunk_queues);
        families.count(&m::CONSUMEQUEUE_UNITS_REMOVED, &[word], gone.units_removed);
        if let Some(at) = gone.last_at {
            families.set(&m::CONSUMEQUEUE_LAST_SHRINK, &[word], at.as_seconds());
        }
    }
    families.count(&m::COMMITLOG_TRUNCATIONS, &[], memory.log_truncations.0);
    families.count(&m::COMMITLOG_TRUNCATED_BYTES, &[], memory.log_truncations.1);
}

fn log(families: &mut Families, picture: &Picture, now: EpochMillis) {
    let log = &picture.log;
    let mut known = |metric, value: Option<u64>| {
        if let Some(value) = value {
            families.count(metric, &[], value);
        }
    };
    known(&m::COMMITLOG_MIN_OFFSET, log.min);
    known(&m::COMMITLOG_MAX_OFFSET, log.max);
    known(&m::CONSUMEQUEUE_MAX_PHYSICAL, picture.queues.max_physical);
    known(&m::DISPATCH_LAG_BYTES, log.lag_bytes);
    families.count(&m::COMMITLOG_FILES, &[], log.files);
    families.count(&m::COMMITLOG_ALLOCATED, &[], log.allocated);
    families.count(&m::COMMITLOG_APPARENT, &[], log.apparent);
    families.count(&m::COMMITLOG_GAPS, &[], log.gaps);
    for reason in InvalidReason::ALL {
        let count = log.invalid.iter().filter(|file| file.reason == reason).count();
        families.count(
            &m::COMMITLOG_INVALID_FILES,
            &[reason.as_str()],
            u64::try_from(count).unwrap_or(u64::MAX),
        );
    }
    if let Some(tail) = log.tail {
        let states = TailState::ALL.iter().map(|state| state.as_str());
        families.one_of(&m::COMMITLOG_TAIL_STATE, states, Some(tail.as_str()));
    }
    times(families, log, now);
    if picture.log_kind == Some(LogKind::DLedger) {
        let committed = picture.ledger_checkpoint.and_then(|checkpoint| checkpoint.committed_index);
        let indexes = [
            (&m::DLEDGER_FIRST_INDEX, log.ledger_first),
            (&m::DLEDGER_LAST_INDEX, log.ledger_last),
            (&m::DLEDGER_COMMITTED_INDEX, committed),
        ];
        for (metric, index) in indexes {
            if let Some(index) = index {
                families.set(metric, &[], signed(index));
            }
        }
    }
}

fn times(families: &mut Families, log: &Log, now: EpochMillis) {
    let pairs = [(&m::COMMITLOG_OLDEST_MESSAGE, log.oldest), (&m::COMMITLOG_NEWEST_MESSAGE, log.newest)];
    for (metric, at) in pairs {
        if let Some(at) = at {
            families.set(metric, &[], at.as_seconds());
        }
    }
    match (log.lag_bytes, log.lag_since) {
        (Some(0), _) => families.set(&m::DISPATCH_LAG_SECONDS, &[], 0.0),
        (Some(_), Some(since)) => {
            let age = now.0.saturating_sub(since.0).max(0);
            families.set(&m::DISPATCH_LAG_SECONDS, &[], EpochMillis(age).as_seconds());
        }
        _ => {}
    }
}

fn checkpoints(families: &mut Families, picture: &Picture) {
    families.flag(
        &m::CHECKPOINT_VALID,
        &[],
        picture.checkpoint.is_some_and(|(checkpoint, _)| !checkpoint.is_short()),
    );
    if let Some((checkpoint, modified)) = picture.checkpoint {
        for (record, at) in [
            ("physic_msg", checkpoint.physic_msg_timestamp),
            ("logics_msg", checkpoint.logics_msg_timestamp),
            ("index_msg", checkpoint.index_msg_timestamp),
        ] {
            families.set(&m::CHECKPOINT_TIMESTAMP, &[record], at.as_seconds());
        }
        for (record, offset) in [
            ("master_flushed", checkpoint.master_flushed_offset),
            ("confirm", checkpoint.confirm_physical_offset),
            ("logics_physical", checkpoint.logics_physical_offset),
        ] {
            families.set(&m::CHECKPOINT_OFFSET, &[record], signed(offset.0));
        }
        families.set(&m::CHECKPOINT_MODIFIED, &[], modified.as_seconds());
    }
    for ((table, copy), is_valid) in &picture.tables {
        families.flag(&m::METADATA_FILE_VALID, &[table.file_name(), copy.as_str()], *is_valid);
    }
    if let Some((files, newer)) = picture.index_files {
        families.count(&m::INDEX_FILES, &[], files);
        families.count(&m::INDEX_FILES_NEWER, &[], newer);
    }
}

fn disk(families: &mut Families, picture: &Picture, options: &MetricOptions) {
    for (area, used) in DiskArea::ALL.iter().zip(picture.disk_used) {
        if let Some(used) = used {
            families.set(&m::DISK_USED, &[area.as_str()], used);
        }
    }
    for (threshold, ratio) in options.broker.disk_thresholds() {
        families.set(&m::DISK_THRESHOLD, &[threshold], ratio);
    }
    for reason in Reclaimable::ALL {
        if let Some(bytes) = picture.reclaimable.get(&reason) {
            families.count(&m::RECLAIMABLE, &[reason.as_str()], *bytes);
        }
    }
}

fn queues(families: &mut Families, queues: &Queues) {
    for class in TopicClass::ALL {
        let sums = queues.by_class.get(&class).copied().unwrap_or_default();
        for (metric, value) in [
            (&m::CONSUMEQUEUE_TOPICS, sums.topics),
            (&m::CONSUMEQUEUE_QUEUES, sums.queues),
            (&m::CONSUMEQUEUE_FILES, sums.files),
            (&m::CONSUMEQUEUE_ALLOCATED, sums.allocated_bytes),
            (&m::CONSUMEQUEUE_UNITS, sums.units),
        ] {
            families.count(metric, &[class.as_str()], value);
        }
    }
    for reason in BadQueue::ALL {
        let count = queues.bad.get(&reason).copied().unwrap_or_default();
        families.count(&m::CONSUMEQUEUE_INCONSISTENT, &[reason.as_str()], count);
    }
    for (kind, count) in queues.mismatches.iter().flatten() {
        families.count(&m::TOPIC_MISMATCHES, &[kind.as_str()], *count);
    }
    if let Some((beyond, below)) = queues.offsets_beyond_and_below {
        families.count(&m::CONSUMER_OFFSETS_BEYOND_MAX, &[], beyond);
        families.count(&m::CONSUMER_OFFSETS_BELOW_MIN, &[], below);
    }
}

/// Series of single topics: those that lost something or disagree first, then the largest; the rest in one.
fn topics(families: &mut Families, picture: &Picture, observer: &Observer, limit: usize) {
    if limit == 0 {
        return;
    }
    let removed = &observer.memory.losses.units_by_topic;
    let bad: std::collections::BTreeSet<_> =
        picture.queues.rows.iter().filter(|row| row.bad.is_some()).map(|row| &*row.topic).collect();
    let mut all: BTreeMap<&str, QueueSums> =
        picture.queues.by_topic.iter().map(|(topic, sums)| (&**topic, *sums)).collect();
    // A topic that lost everything has no queues left to be summed up, and is the one to be seen.
    for topic in removed.keys() {
        all.entry(topic).or_default();
    }
    let lost = |topic: &str| removed.get(topic).copied().unwrap_or_default();
    let mut order: Vec<_> = all.into_iter().collect();
    order.sort_by_key(|(topic, sums)| {
        // A topic of this very name is the last: behind the limit it is one of those that are summed up.
        let is_other = *topic == OTHER;
        (is_other, Reverse(lost(topic)), Reverse(bad.contains(topic)), Reverse(sums.units), *topic)
    });
    let lag = |topic: &str| picture.log.lag_by_topic.get(topic).copied().unwrap_or_default();
    let mut other = (QueueSums::default(), 0, 0);
    for (index, (topic, sums)) in order.iter().enumerate() {
        if index < limit {
            topic_sample(families, topic, sums, lag(topic), lost(topic));
        } else {
            other.0.queues += sums.queues;
            other.0.units += sums.units;
            other.0.allocated_bytes += sums.allocated_bytes;
            other.1 += lag(topic);
            other.2 += lost(topic);
        }
    }
    let suppressed = order.len().saturating_sub(limit);
    if suppressed > 0 {
        topic_sample(families, OTHER, &other.0, other.1, other.2);
    }
    families.count(
        &m::EXPORTER_SERIES_SUPPRESSED,
        &["topics"],
        u64::try_from(suppressed).unwrap_or(u64::MAX),
    );
}

fn topic_sample(families: &mut Families, topic: &str, sums: &QueueSums, lag: u64, removed: u64) {
    for (metric, value) in [
        (&m::TOPIC_QUEUES, sums.queues),
        (&m::TOPIC_UNITS, sums.units),
        (&m::TOPIC_ALLOCATED, sums.allocated_bytes),
        (&m::TOPIC_LAG, lag),
        (&m::TOPIC_UNITS_REMOVED, removed),
    ] {
        families.count(metric, &[topic], value);
    }
}

fn bad_queues(families: &mut Families, picture: &Picture, limit: usize) {
    let mut bad: Vec<_> =
        picture.queues.rows.iter().filter_map(|row| row.bad.map(|reason| (reason, row))).collect();
    // Of those that point behind the log the ones that point farthest first; the other reasons have no measure.
    let excess = |reason, row: &QueueRow| match reason {
        BadQueue::BeyondLogEnd => row.max_physical,
        _ => PhysicalOffset(0),
    };
    bad.sort_by_key(|(reason, row)| {
        (*reason, Reverse(excess(*reason, row)), row.topic.clone(), row.queue, row.format)
    });
    for (reason, row) in bad.iter().take(limit) {
        families.set(&m::BAD_QUEUE, &[&row.topic, &row.queue.to_string(), reason.as_str()], 1.0);
    }
    let suppressed = bad.len().saturating_sub(limit);
    families.count(
        &m::EXPORTER_SERIES_SUPPRESSED,
        &["bad_queues"],
        u64::try_from(suppressed).unwrap_or(u64::MAX),
    );
}
