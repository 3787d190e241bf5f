//! The broker's tables in `config/*.json`: whether they can be read, and what they say of the queues.
//!
//! A broker reads the primary file, falls back to `.bak`, and with neither starts with an empty table, silently
//! (`ConfigManager.load`). A table is parsed only when its file has changed.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

use super::small_files::{Copies, Copy};
use crate::format::loose_json;
use crate::label::label_set;
use crate::store::StoreError;
use crate::store::layout::Layout;
use crate::units::{EpochMillis, QueueOffset};

/// A table of the broker that is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Table {
    /// `topics.json`
    Topics,
    /// `subscriptionGroup.json`
    SubscriptionGroup,
    /// `consumerOffset.json`
    ConsumerOffset,
    /// `delayOffset.json`
    DelayOffset,
}

impl Table {
    /// Every table, in the order in which they are exported.
    pub const ALL: [Self; 4] =
        [Self::Topics, Self::SubscriptionGroup, Self::ConsumerOffset, Self::DelayOffset];

    /// Its file name.
    #[must_use]
    pub fn file_name(self) -> &'static str {
        match self {
            Self::Topics => "topics.json",
            Self::SubscriptionGroup => "subscriptionGroup.json",
            Self::ConsumerOffset => "consumerOffset.json",
            Self::DelayOffset => "delayOffset.json",
        }
    }
}

label_set! {
    /// Which copy of a table.
    pub enum TableCopy {
        /// `<table>.json`
        Primary = "primary",
        /// `<table>.json.bak`
        Backup = "backup",
    }
}

impl TableCopy {
    /// Its path.
    #[must_use]
    pub fn path(self, layout: &Layout, table: Table) -> std::path::PathBuf {
        match self {
            Self::Primary => layout.config(table.file_name()),
            Self::Backup => layout.config(&format!("{}.bak", table.file_name())),
        }
    }
}

/// What a topic was given when it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TopicConfig {
    /// Queues for reading or writing, whichever is more.
    pub queues: u32,
}

/// The tables, parsed.
#[derive(Debug, Clone, Default)]
pub struct Metadata {
    /// Whether a copy is valid JSON; copies that are not there are left out.
    pub valid: BTreeMap<(Table, TableCopy), bool>,
    /// `topics.json`; `None` if it cannot be read.
    pub topics: Option<BTreeMap<String, TopicConfig>>,
    /// `consumerOffset.json`: topic, group, queue, offset; `None` if it cannot be read.
    pub consumer_offsets: Option<Vec<(String, String, u32, QueueOffset)>>,
    /// Topics that went from `topics.json` since they were last taken.
    pub removed_topics: Vec<String>,
    parsed: BTreeMap<(Table, TableCopy), (EpochMillis, usize)>,
    half_seen: BTreeMap<(Table, TableCopy), (EpochMillis, usize)>,
    missed: BTreeSet<(Table, TableCopy)>,
}

impl Metadata {
    /// Reads the tables that have changed since the last time.
    ///
    /// # Errors
    /// The first that is there and cannot be read; what could be read before it holds.
    pub fn refresh(&mut self, layout: &Layout, copies: &mut Copies) -> Result<(), StoreError> {
        for table in Table::ALL {
            for copy in TableCopy::ALL {
                let path = copy.path(layout, table);
                match copies.read(&path)? {
                    None => self.miss(table, copy),
                    Some(found) => {
                        self.missed.remove(&(table, copy));
                        self.take(table, copy, found);
                    }
                }
            }
        }
        Ok(())
    }

    /// A broker that writes a table anew takes the old one away first (`MixAll.string2File`): what it said holds until a second
    /// pass misses it.
    fn miss(&mut self, table: Table, copy: TableCopy) {
        self.valid.remove(&(table, copy));
        self.parsed.remove(&(table, copy));
        if !self.missed.insert((table, copy)) {
            match (copy, table) {
                (TableCopy::Primary, Table::Topics) => self.topics = None,
                (TableCopy::Primary, Table::ConsumerOffset) => self.consumer_offsets = None,
                _ => {}
            }
        }
    }

    fn take(&mut self, table: Table, copy: TableCopy, found: &Copy) {
        let key = (found.modified, found.bytes.len());
        if self.parsed.get(&(table, copy)) == Some(&key) {
            return;
        }
        let value = loose_json::parse(&found.bytes).ok();
        // A file that is just being written is short for a moment: half a file is told as invalid only if the next pass sees
        // the same half.
        if value.is_none() && self.half_seen.insert((table, copy), key) != Some(key) {
            return;
        }
        self.valid.insert((table, copy), value.is_some());
        self.parsed.insert((table, copy), key);
        if copy == TableCopy::Primary {
            match table {
                Table::Topics => {
                    let now = value.as_ref().map(topics);
                    if let (Some(before), Some(now)) = (&self.topics, &now) {
                        let removed = before.keys().filter(|topic| !now.contains_key(*topic));
                        self.removed_topics.extend(removed.cloned());
                    }
                    self.topics = now;
                }
                Table::ConsumerOffset => self.consumer_offsets = value.as_ref().map(consumer_offsets),
                Table::SubscriptionGroup | Table::DelayOffset => {}
            }
        }
    }

    /// Names in `topics.json`.
    #[must_use]
    pub fn topic_names(&self) -> Option<BTreeSet<&str>> {
        self.topics.as_ref().map(|topics| topics.keys().map(String::as_str).collect())
    }
}

fn number(value: &Value) -> u32 {
    value.as_u64().and_then(|number| u32::try_from(number).ok()).unwrap_or_default()
}

fn topics(value: &Value) -> BTreeMap<String, TopicConfig> {
    let table = value.get("topicConfigTable").and_then(Value::as_object);
    table
        .into_iter()
        .flatten()
        .map(|(name, config)| {
            let queues = ["readQueueNums", "writeQueueNums"].map(|key| config.get(key).map_or(0, number));
            (name.clone(), TopicConfig { queues: queues[0].max(queues[1]) })
        })
        .collect()
}

/// Topic, group, queue and offset of every entry of `consumerOffset.json`.
#[must_use]
pub fn consumer_offsets(value: &Value) -> Vec<(String, String, u32, QueueOffset)> {
    let table = value.get("offsetTable").and_then(Value::as_object);
    let mut offsets = Vec::new();
    for (name, queues) in table.into_iter().flatten() {
        let Some((topic, group)) = name.split_once('@') else { continue };
        for (queue, offset) in queues.as_object().into_iter().flatten() {
            if let (Ok(queue), Some(offset)) = (queue.parse(), offset.as_i64()) {
                offsets.push((topic.to_owned(), group.to_owned(), queue, QueueOffset(offset)));
            }
        }
    }
    offsets
}

label_set! {
    /// What a topic is for, by its name.
    pub enum TopicClass {
        /// Made by users.
        User = "user",
        /// `%RETRY%<group>`
        Retry = "retry",
        /// `%DLQ%<group>`
        Dlq = "dlq",
        /// `%LMQ%...`
        Lmq = "lmq",
        /// The broker's own.
        System = "system",
    }
}

impl TopicClass {
    /// The class of a topic of this name (upstream: `TopicValidator`, `MixAll`).
    #[must_use]
    pub fn of(topic: &str) -> Self {
        const SYSTEM: [&str; 6] = [
            "TBW102",
            "SCHEDULE_TOPIC_XXXX",
            "BenchmarkTest",
            "OFFSET_MOVED_EVENT",
            "SELF_TEST_TOPIC",
            "CheckpointTopic",
        ];
        if topic.starts_with("%RETRY%") {
            Self::Retry
        } else if topic.starts_with("%DLQ%") {
            Self::Dlq
        } else if topic.starts_with("%LMQ%") {
            Self::Lmq
        } else if topic.starts_with("rmq_sys_") || topic.starts_with("RMQ_SYS_") || SYSTEM.contains(&topic) {
            Self::System
        } else {
            Self::User
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn layout(root: &Path) -> Layout {
        std::fs::create_dir_all(root.join("commitlog")).unwrap();
        std::fs::create_dir_all(root.join("config")).unwrap();
        Layout::detect(root, &crate::store::layout::LayoutOptions::default()).unwrap()
    }

    #[test]
    fn tables_of_a_real_broker_are_read_and_a_torn_one_is_told_once_it_stays_so() {
        let root = tempfile::tempdir().unwrap();
        let layout = layout(root.path());
        let path = layout.config("consumerOffset.json");
        std::fs::write(&path, b"{\n\t\"offsetTable\":{\n\t\t\"TopicA@G1\":{0:48,1:52\n\t\t}\n\t}\n}")
            .unwrap();
        let (mut metadata, mut copies) = (Metadata::default(), Copies::default());
        metadata.refresh(&layout, &mut copies).unwrap();
        let offsets = metadata.consumer_offsets.clone().unwrap();
        assert_eq!(offsets[1], ("TopicA".to_owned(), "G1".to_owned(), 1, QueueOffset(52)));

        std::fs::write(&path, b"{\n\t\"offsetTable\":{").unwrap();
        metadata.refresh(&layout, &mut copies).unwrap();
        metadata.refresh(&layout, &mut copies).unwrap();
        assert_eq!(metadata.valid.get(&(Table::ConsumerOffset, TableCopy::Primary)), Some(&false));
        assert_eq!(metadata.valid.get(&(Table::Topics, TableCopy::Primary)), None);
    }

    #[test]
    fn topics_fall_into_classes_by_their_names() {
        for (topic, class) in [
            ("orders", TopicClass::User),
            ("%RETRY%G1", TopicClass::Retry),
            ("%DLQ%G1", TopicClass::Dlq),
            ("%LMQ%x", TopicClass::Lmq),
            ("SCHEDULE_TOPIC_XXXX", TopicClass::System),
            ("RMQ_SYS_TRANS_HALF_TOPIC", TopicClass::System),
        ] {
            assert_eq!(TopicClass::of(topic), class, "{topic}");
        }
    }
}
