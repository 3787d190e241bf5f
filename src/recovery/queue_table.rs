//! All consume queues of a store: loaded, dispatched to, truncated (R2, R10).
//!
//! Upstream: `ConsumeQueueStore`; in 4.9.x `DefaultMessageStore` itself.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::batch_queue::BatchQueue;
use super::disk::{Disk, RecoveryError};
use super::ext::ExtQueue;
use super::file_list::{FileList, LoadFailure, Loader};
use super::parse::Request;
use super::queue::{Put, Queue};
use super::release::{LightQueues, Rules};
use crate::broker::BrokerConf;
use crate::units::PhysicalOffset;

const LIGHT_PREFIX: &str = "%LMQ%";
const RETRY_PREFIX: &str = "%RETRY%";
/// Topics whose messages are dispatched to no light queue.
const SYSTEM_TOPICS: [&str; 2] = ["SCHEDULE_TOPIC_XXXX", "rmq_sys_wheel_timer"];

/// One queue.
#[derive(Debug, Clone)]
pub enum AnyQueue {
    /// With units of 20 bytes.
    Simple(Queue),
    /// With units of 46 bytes.
    Batch(BatchQueue),
}

impl AnyQueue {
    /// End of the newest message with a unit, as the broker compares it.
    #[must_use]
    pub fn max_physical(&self) -> i64 {
        match self {
            Self::Simple(queue) => queue.max_physical,
            Self::Batch(queue) => queue.max_physical,
        }
    }

    /// First queue offset and exclusive end.
    #[must_use]
    pub fn ends(&self) -> (i64, i64) {
        match self {
            Self::Simple(queue) => (queue.min(), queue.max()),
            Self::Batch(queue) => (queue.min, queue.max),
        }
    }

    /// The files.
    #[must_use]
    pub fn list(&self) -> &FileList {
        match self {
            Self::Simple(queue) => &queue.list,
            Self::Batch(queue) => &queue.list,
        }
    }

    /// Units written since loading, pre-blank ones included.
    #[must_use]
    pub fn written(&self) -> u64 {
        match self {
            Self::Simple(queue) => queue.written,
            Self::Batch(queue) => queue.written,
        }
    }

    /// Units below the write positions.
    #[must_use]
    pub fn units(&self) -> u64 {
        let bytes: i64 = self.list().files.iter().map(|file| file.wrote).sum();
        u64::try_from(bytes / self.unit_len()).unwrap_or(0)
    }

    /// Length of a unit.
    #[must_use]
    pub fn unit_len(&self) -> i64 {
        match self {
            Self::Simple(_) => 20,
            Self::Batch(_) => 46,
        }
    }
}

/// What dispatch did, in numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DispatchCounts {
    /// Units put.
    pub put: u64,
    /// Units put into another slot than their own.
    pub misplaced: u64,
    /// Messages that end below the queue's maximum.
    pub repeated: u64,
    /// Units whose slot was below the queue's end.
    pub below_end: u64,
}

/// All queues, by topic and id.
#[derive(Debug)]
pub struct QueueTable<'a> {
    root: &'a Path,
    conf: &'a BrokerConf,
    rules: &'a Rules,
    batch_topics: BTreeSet<String>,
    /// The queues.
    pub queues: BTreeMap<(String, i32), AnyQueue>,
    /// What was dispatched.
    pub counts: DispatchCounts,
    /// A queue whose file cannot be created: nothing is written to any queue any more.
    pub has_write_error: bool,
}

/// Why queues cannot be loaded.
#[derive(Debug)]
pub enum QueueLoadFailure {
    /// A file.
    File(LoadFailure),
    /// A directory of the wrong kind for its topic.
    Kind(PathBuf),
}

impl<'a> QueueTable<'a> {
    /// No queues yet.
    #[must_use]
    pub fn new(
        root: &'a Path,
        conf: &'a BrokerConf,
        rules: &'a Rules,
        batch_topics: BTreeSet<String>,
    ) -> Self {
        let batch_topics = if rules.has_batch_queues { batch_topics } else { BTreeSet::new() };
        Self {
            root,
            conf,
            rules,
            batch_topics,
            queues: BTreeMap::new(),
            counts: DispatchCounts::default(),
            has_write_error: false,
        }
    }

    /// Loads all queues that have a directory.
    ///
    /// # Errors
    /// As [`Disk::list`]; the inner error is the file that the broker refuses.
    pub fn load(&mut self, disk: &Disk) -> Result<Result<(), QueueLoadFailure>, RecoveryError> {
        let kinds: &[&str] = if self.rules.has_batch_queues {
            &["consumequeue", "batchconsumequeue"]
        } else {
            &["consumequeue"]
        };
        for kind in kinds {
            let is_batch = *kind == "batchconsumequeue";
            for (topic_dir, _) in disk.list(&self.root.join(kind))? {
                let Some(topic) = topic_dir.file_name().map(|name| name.to_string_lossy().into_owned())
                else {
                    continue;
                };
                for (queue_dir, _) in disk.list(&topic_dir)? {
                    let id = queue_dir
                        .file_name()
                        .and_then(|name| name.to_str())
                        .and_then(|name| name.parse().ok());
                    let Some(id) = id else { continue };
                    if self.rules.has_batch_queues && self.batch_topics.contains(&topic) != is_batch {
                        return Ok(Err(QueueLoadFailure::Kind(queue_dir)));
                    }
                    match self.load_queue(disk, &topic, id, is_batch)? {
                        Ok(queue) => self.queues.insert((topic.clone(), id), queue),
                        Err(failure) => return Ok(Err(QueueLoadFailure::File(failure))),
                    };
                }
            }
        }
        Ok(Ok(()))
    }

    fn load_queue(
        &self,
        disk: &Disk,
        topic: &str,
        id: i32,
        is_batch: bool,
    ) -> Result<Result<AnyQueue, LoadFailure>, RecoveryError> {
        let mut queue = self.empty(topic, id, is_batch);
        let load = |dir: &Path, len| FileList::load(disk, &[dir.to_owned()], len, Loader::Broker(self.rules));
        match &mut queue {
            AnyQueue::Simple(queue) => {
                match load(&queue.dir, queue.list.file_len)? {
                    Ok(list) => queue.list = list,
                    Err(failure) => return Ok(Err(failure)),
                }
                if let Some(ext) = &mut queue.ext {
                    match load(&ext.dir, ext.list.file_len)? {
                        Ok(list) => ext.list = list,
                        Err(failure) => return Ok(Err(failure)),
                    }
                }
            }
            AnyQueue::Batch(queue) => match load(&queue.dir, queue.list.file_len)? {
                Ok(list) => queue.list = list,
                Err(failure) => return Ok(Err(failure)),
            },
        }
        Ok(Ok(queue))
    }

    fn empty(&self, topic: &str, id: i32, is_batch: bool) -> AnyQueue {
        let dir = |kind: &str| self.root.join(kind).join(topic.trim_start_matches('/')).join(id.to_string());
        let list = |file_len| FileList { file_len, files: Vec::new() };
        if is_batch {
            let file_len = i64::from(self.conf.mapper_file_size_batch_consume_queue);
            return AnyQueue::Batch(BatchQueue::new(dir("batchconsumequeue"), list(file_len)));
        }
        let ext = self.conf.enable_consume_queue_ext.then(|| ExtQueue {
            dir: dir("consumequeue_ext"),
            list: list(i64::from(self.conf.mapped_file_size_consume_queue_ext)),
        });
        AnyQueue::Simple(Queue::new(dir("consumequeue"), list(self.conf.mapped_file_size_consume_queue), ext))
    }

    /// Finds the ends of all queues.
    ///
    /// # Errors
    /// As [`Disk::bytes`].
    pub fn recover(&mut self, disk: &Disk) -> Result<(), RecoveryError> {
        self.queues.values_mut().try_for_each(|queue| match queue {
            AnyQueue::Simple(queue) => queue.recover(disk),
            AnyQueue::Batch(queue) => queue.recover(disk),
        })
    }

    /// The largest end of all queues; -1 without any.
    #[must_use]
    pub fn max_physical(&self) -> i64 {
        self.queues.values().map(AnyQueue::max_physical).max().unwrap_or(-1).max(-1)
    }

    /// Truncates all queues.
    ///
    /// # Errors
    /// As [`Disk::bytes`].
    pub fn truncate(&mut self, disk: &Disk, cut: PhysicalOffset) -> Result<(), RecoveryError> {
        self.queues.values_mut().try_for_each(|queue| match queue {
            AnyQueue::Simple(queue) => queue.truncate(disk, cut),
            AnyQueue::Batch(queue) => queue.truncate(disk, cut),
        })
    }

    /// Unlinks everything.
    pub fn destroy(&mut self, disk: &Disk) {
        for queue in self.queues.values_mut() {
            match queue {
                AnyQueue::Simple(queue) => queue.destroy(disk),
                AnyQueue::Batch(queue) => queue.destroy(disk),
            }
        }
    }

    /// As if there were none.
    pub fn set_aside(&mut self, disk: &Disk) {
        self.destroy(disk);
        self.queues.clear();
        disk.forget_unlinked();
    }

    /// Corrects all minima.
    ///
    /// # Errors
    /// As [`Disk::bytes`], and the exception that some releases end with here.
    pub fn correct_min(&mut self, disk: &Disk, min: i64) -> Result<(), RecoveryError> {
        let rules = self.rules;
        self.queues.values_mut().try_for_each(|queue| match queue {
            AnyQueue::Simple(queue) => queue.correct_min(disk, rules, min),
            AnyQueue::Batch(queue) => queue.correct_min(disk, min),
        })
    }

    /// Dispatches a message to its queue and its light queues.
    ///
    /// # Errors
    /// As [`Disk::bytes`].
    pub fn dispatch(&mut self, disk: &Disk, request: &Request) -> Result<(), RecoveryError> {
        if !request.has_unit() || self.has_write_error {
            return Ok(());
        }
        let is_batch = self.batch_topics.contains(&request.topic);
        let put = self.put(disk, request, &request.topic, request.queue_id, request.queue_offset.0)?;
        if put != Put::Failed && !is_batch && self.conf.enable_multi_dispatch {
            self.dispatch_light(disk, request)?;
        }
        Ok(())
    }

    fn dispatch_light(&mut self, disk: &Disk, request: &Request) -> Result<(), RecoveryError> {
        let Some((names, offsets)) = &request.light else { return Ok(()) };
        let rule = self.rules.light_queues;
        if (rule >= LightQueues::NotOfRetry && request.topic.starts_with(RETRY_PREFIX))
            || (rule >= LightQueues::NotOfSystem && SYSTEM_TOPICS.contains(&request.topic.as_str()))
        {
            return Ok(());
        }
        let names: Vec<&str> = java_split(names);
        let offsets: Vec<&str> = java_split(offsets);
        if names.len() != offsets.len() {
            return Ok(());
        }
        for (name, offset) in names.into_iter().zip(offsets) {
            if rule >= LightQueues::NotOfSystem && name.contains('/') {
                continue;
            }
            let Ok(offset) = offset.parse() else { return Ok(()) };
            let is_light = self.conf.enable_lmq && name.starts_with(LIGHT_PREFIX);
            self.put(disk, request, name, if is_light { 0 } else { request.queue_id }, offset)?;
        }
        Ok(())
    }

    fn put(
        &mut self,
        disk: &Disk,
        request: &Request,
        topic: &str,
        id: i32,
        ordinal: i64,
    ) -> Result<Put, RecoveryError> {
        let is_batch = self.batch_topics.contains(topic);
        let key = (topic.to_owned(), id);
        if !self.queues.contains_key(&key) {
            let queue = self.empty(topic, id, is_batch);
            self.queues.insert(key.clone(), queue);
        }
        let put = match self.queues.get_mut(&key) {
            _ if !is_creatable(topic) => Put::Failed,
            Some(AnyQueue::Simple(queue)) => {
                let mut tags_code = request.tags_code;
                if let Some(ext) = &mut queue.ext {
                    tags_code = ext.put(disk, tags_code, request.stored_at)?.unwrap_or(tags_code);
                }
                queue.put(disk, request.physical, request.size, tags_code, ordinal)?
            }
            Some(AnyQueue::Batch(queue)) => queue.put(disk, request)?,
            None => Put::Failed,
        };
        match put {
            Put::InPlace => self.counts.put += 1,
            Put::Misplaced => {
                self.counts.put += 1;
                self.counts.misplaced += 1;
            }
            // Batch queues say so only when the clock shows a full second.
            Put::Repeated if is_batch => {}
            Put::Repeated => self.counts.repeated += 1,
            Put::BelowEnd => self.counts.below_end += 1,
            Put::Failed => self.has_write_error = true,
        }
        Ok(put)
    }
}

/// Whether a directory can have this name: a torn topic may hold a NUL.
fn is_creatable(topic: &str) -> bool {
    !topic.contains('\0') && topic.split('/').all(|part| part.len() <= 255)
}

/// Java's `split(",")`: empty parts at the end do not count.
fn java_split(text: &str) -> Vec<&str> {
    let text = text.trim_end_matches(',');
    text.split(',').collect()
}
