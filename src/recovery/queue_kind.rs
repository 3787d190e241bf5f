//! Which kind of queue a topic has, by its attributes.
//!
//! Upstream: `QueueTypeUtils.getCQType`, which asks `CQType.valueOf` and so throws for a word that is no kind. It is asked for each
//! queue that load finds on disk, and for a queue that dispatch makes; a topic without either is never asked for.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::broker::release::Release;

/// First release that asks.
const SINCE: Release = (5, 0, 0);
/// First release that has `RocksDBCQ`.
const ROCKSDB_SINCE: Release = (5, 2, 0);

/// The kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueueKind {
    /// Units of 20 bytes.
    Simple,
    /// Units of 46 bytes, in a directory of its own.
    Batch,
    /// Not in files; a queue that dispatch makes is a simple one all the same.
    RocksDb,
}

impl QueueKind {
    /// Upstream's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Simple => "SimpleCQ",
            Self::Batch => "BatchCQ",
            Self::RocksDb => "RocksDBCQ",
        }
    }
}

/// A queue on disk that is not of the kind of its topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrongKind {
    /// Finding that tells why the broker does not start.
    pub reason: &'static str,
    /// What the broker throws.
    pub exception: String,
}

/// The topics that tell their kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QueueKinds(BTreeMap<String, Result<QueueKind, String>>);

impl QueueKinds {
    /// Of `topics.json`, as a release reads it.
    #[must_use]
    pub fn of(topics: &Value, release: Release) -> Self {
        let table = topics.get("topicConfigTable").and_then(Value::as_object).filter(|_| release >= SINCE);
        let told = |(topic, config): (&String, &Value)| {
            Some((topic.clone(), kind(config.pointer("/attributes/queue.type")?, release)))
        };
        Self(table.into_iter().flatten().filter_map(told).collect())
    }

    /// The kind of a topic.
    ///
    /// # Errors
    /// The broker's exception where the topic tells none that there is.
    pub fn get(&self, topic: &str) -> Result<QueueKind, &str> {
        self.0.get(topic).map_or(Ok(QueueKind::Simple), |kind| kind.as_ref().copied().map_err(String::as_str))
    }

    /// Whether a queue of this kind may be on disk.
    ///
    /// # Errors
    /// Why the broker does not take it.
    pub fn check(&self, topic: &str, should_be: QueueKind) -> Result<(), WrongKind> {
        let is = self.get(topic).map_err(|exception| WrongKind {
            reason: "QUEUE_KIND_UNKNOWN",
            exception: exception.to_owned(),
        })?;
        if is == should_be {
            return Ok(());
        }
        let (should_be, is) = (should_be.as_str(), is.as_str());
        Err(WrongKind {
            reason: "QUEUE_KIND_MISMATCH",
            exception: format!("The queue type of topic: {topic} should be {should_be}, but is {is}"),
        })
    }
}

/// fastjson makes a text of every value but `null`.
fn kind(told: &Value, release: Release) -> Result<QueueKind, String> {
    let word = match told {
        Value::Null => return Err("NullPointerException: Name is null".to_owned()),
        Value::String(word) => word.clone(),
        other => other.to_string(),
    };
    match word.as_str() {
        "SimpleCQ" => Ok(QueueKind::Simple),
        "BatchCQ" => Ok(QueueKind::Batch),
        "RocksDBCQ" if release >= ROCKSDB_SINCE => Ok(QueueKind::RocksDb),
        _ => Err(format!(
            "IllegalArgumentException: No enum constant org.apache.rocketmq.common.attribute.CQType.{word}"
        )),
    }
}
