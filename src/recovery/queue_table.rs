//! All consume queues of a store: loaded, dispatched to, truncated (R2, R10).
//!
//! Upstream: `ConsumeQueueStore`; in 4.9.x `DefaultMessageStore` itself.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::any_queue::AnyQueue;
use super::batch_queue::BatchQueue;
use super::disk::{Disk, RecoveryError};
use super::dispatch_counts::DispatchCounts;
use super::ext::{ExtQueue, Saved};
use super::file_list::FileList;
use super::forecast::{LogLine, QueueEnds};
use super::on_cores::for_each;
use super::parse::{Request, SCHEDULE_TOPIC};
use super::queue::{Put, Queue};
use super::queue_kind::{QueueKind, QueueKinds};
use super::record::Record;
use super::release::{LightQueues, Rules};
use crate::broker::BrokerConf;
use crate::units::PhysicalOffset;

const LIGHT_PREFIX: &str = "%LMQ%";
const RETRY_PREFIX: &str = "%RETRY%";
/// Topics whose messages are dispatched to no light queue.
const SYSTEM_TOPICS: [&str; 2] = [SCHEDULE_TOPIC, "rmq_sys_wheel_timer"];

/// Whose queue a unit is put into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Target {
    /// The message's own; only there its tags and store time go into the queue's extension.
    Own,
    /// A light queue that it names.
    Light,
}

/// A queue in its place.
#[derive(Debug, Clone)]
pub struct Slot {
    /// Topic.
    pub topic: Arc<str>,
    /// Queue id.
    pub id: i32,
    /// The queue.
    pub queue: AnyQueue,
    /// The queue as it was found; absent for one that recovery makes.
    pub before: Option<QueueEnds>,
    /// Queue offset that the next message gets.
    pub next_offset: Option<i64>,
    /// Whether a directory can have the topic's name.
    is_creatable: bool,
}

/// All queues.
#[derive(Debug)]
pub struct QueueTable<'a> {
    pub(super) root: &'a Path,
    pub(super) conf: &'a BrokerConf,
    pub(super) rules: &'a Rules,
    pub(super) kinds: &'a QueueKinds,
    /// The queues, in the order in which they were found or made.
    pub slots: Vec<Slot>,
    pub(super) places: BTreeMap<Arc<str>, BTreeMap<i32, usize>>,
    /// What was dispatched.
    pub counts: DispatchCounts,
    /// Lines that the broker prints.
    pub lines: Vec<LogLine>,
    /// A queue of a message's own whose file cannot be created: nothing is written to any queue any more.
    pub has_write_error: bool,
    /// Units for a queue whose file cannot be created, each of which is tried [`TRIES`] times.
    pub failed_puts: u64,
}

/// How often a unit that finds no room is tried, a second apart.
pub const TRIES: u64 = 30;

impl<'a> QueueTable<'a> {
    /// No queues yet.
    #[must_use]
    pub fn new(root: &'a Path, conf: &'a BrokerConf, rules: &'a Rules, kinds: &'a QueueKinds) -> Self {
        Self {
            root,
            conf,
            rules,
            kinds,
            slots: Vec::new(),
            places: BTreeMap::new(),
            counts: DispatchCounts::default(),
            lines: Vec::new(),
            has_write_error: false,
            failed_puts: 0,
        }
    }

    /// Puts a queue in its place before the places are known.
    pub(super) fn insert(&mut self, topic: &Arc<str>, id: i32, queue: AnyQueue) {
        let slot = Slot {
            topic: topic.clone(),
            id,
            queue,
            before: None,
            next_offset: None,
            is_creatable: is_creatable(topic),
        };
        match self
            .slots
            .iter_mut()
            .rev()
            .take_while(|known| known.topic == *topic)
            .find(|known| known.id == id)
        {
            Some(known) => *known = slot,
            None => self.slots.push(slot),
        }
    }

    pub(super) fn empty(&self, topic: &str, id: i32, is_batch: bool) -> AnyQueue {
        let dir = |kind: &str| -> Arc<Path> {
            self.root.join(kind).join(topic.trim_start_matches('/')).join(id.to_string()).into()
        };
        let list = |file_len| FileList { file_len, ..FileList::default() };
        if is_batch {
            let file_len = i64::from(self.conf.mapper_file_size_batch_consume_queue);
            return AnyQueue::Batch(BatchQueue::new(dir("batchconsumequeue"), list(file_len)));
        }
        let ext = self.conf.enable_consume_queue_ext.then(|| {
            let list = list(i64::from(self.conf.mapped_file_size_consume_queue_ext));
            let is_read_only = self.rules.maps_read_only && self.conf.write_without_mmap;
            Box::new(ExtQueue { dir: dir("consumequeue_ext"), list, is_read_only, lines: Vec::new() })
        });
        AnyQueue::Simple(Queue::new(dir("consumequeue"), list(self.conf.mapped_file_size_consume_queue), ext))
    }

    /// The place of a queue.
    #[must_use]
    pub fn place(&self, topic: &str, id: i32) -> Option<usize> {
        self.places.get(topic)?.get(&id).copied()
    }

    /// All queues by topic and id.
    pub fn sorted(&self) -> impl Iterator<Item = &Slot> {
        self.places.values().flat_map(BTreeMap::values).filter_map(|at| self.slots.get(*at))
    }

    /// Does `each` to all queues: on all cores, unless files of the extension have to be unlinked in the broker's order.
    fn for_each(
        &mut self,
        each: impl Fn(&mut AnyQueue) -> Result<(), RecoveryError> + Sync,
    ) -> Result<(), RecoveryError> {
        if self.conf.enable_consume_queue_ext {
            return self.slots.iter_mut().try_for_each(|slot| each(&mut slot.queue));
        }
        for_each(&mut self.slots, |slot| each(&mut slot.queue))
    }

    /// Finds the ends of all queues.
    ///
    /// # Errors
    /// As [`Disk::bytes`].
    pub fn recover(&mut self, disk: &Disk) -> Result<(), RecoveryError> {
        for slot in &mut self.slots {
            slot.before = Some(QueueEnds { files: slot.queue.list().files.len(), ..QueueEnds::default() });
        }
        self.for_each(|queue| match queue {
            AnyQueue::Simple(queue) => queue.recover(disk),
            AnyQueue::Batch(queue) => queue.recover(disk),
        })?;
        for slot in &mut self.slots {
            let files = slot.before.as_ref().map_or(0, |before| before.files);
            slot.before = Some(QueueEnds { files, ..QueueEnds::of(&slot.queue) });
            if let Some(ext) = slot.queue.ext_mut() {
                self.lines.append(&mut ext.lines);
            }
        }
        Ok(())
    }

    /// Flushes all queues, which looks for the file that the flushed part ends in.
    pub fn flush(&mut self) {
        for slot in &mut self.slots {
            let list = slot.queue.list();
            self.lines.extend(list.line_outside(list.flushed));
            if let Some(ext) = slot.queue.ext_mut() {
                self.lines.extend(ext.list.line_outside(ext.list.flushed));
            }
        }
    }

    /// The largest end of all queues; -1 without any.
    #[must_use]
    pub fn max_physical(&self) -> i64 {
        self.slots.iter().map(|slot| slot.queue.max_physical()).max().unwrap_or(-1).max(-1)
    }

    /// Truncates all queues.
    ///
    /// # Errors
    /// As [`Disk::bytes`].
    pub fn truncate(&mut self, disk: &Disk, cut: PhysicalOffset) -> Result<(), RecoveryError> {
        self.for_each(|queue| match queue {
            AnyQueue::Simple(queue) => queue.truncate(disk, cut),
            AnyQueue::Batch(queue) => queue.truncate(disk, cut),
        })
    }

    /// Unlinks everything.
    pub fn destroy(&mut self, disk: &Disk) {
        for slot in &mut self.slots {
            match &mut slot.queue {
                AnyQueue::Simple(queue) => queue.destroy(disk),
                AnyQueue::Batch(queue) => queue.destroy(disk),
            }
        }
    }

    /// As if there were none.
    pub fn set_aside(&mut self, disk: &Disk) {
        self.destroy(disk);
        self.slots.clear();
        self.places.clear();
        disk.forget_unlinked();
    }

    /// Corrects all minima.
    ///
    /// # Errors
    /// As [`Disk::bytes`], and the exception that some releases end with here.
    pub fn correct_min(&mut self, disk: &Disk, min: i64) -> Result<(), RecoveryError> {
        let rules = self.rules;
        self.for_each(|queue| match queue {
            AnyQueue::Simple(queue) => queue.correct_min(disk, rules, min),
            AnyQueue::Batch(queue) => queue.correct_min(disk, min),
        })
    }

    /// Whether dispatching a message to the queue in this place would write nothing; counts it if so.
    pub fn is_repeated(&mut self, place: usize, record: &Record) -> bool {
        let Some(slot) = self.slots.get(place) else { return false };
        if !slot.is_creatable || (record.may_be_light && self.conf.enable_multi_dispatch) {
            return false;
        }
        match &slot.queue {
            AnyQueue::Simple(queue) if queue.ext.is_none() => {
                let end = record.physical.wrapping_add(i64::from(record.size));
                let is_repeated = end <= queue.max_physical;
                self.counts.repeated += u64::from(is_repeated);
                is_repeated
            }
            AnyQueue::Simple(_) => false,
            AnyQueue::Batch(queue) => record.physical <= queue.max_physical,
        }
    }

    /// Dispatches a message to its queue and its light queues.
    ///
    /// # Errors
    /// As [`Disk::bytes`].
    pub fn dispatch(&mut self, disk: &Disk, request: &Request<'_>) -> Result<(), RecoveryError> {
        if !request.has_unit() || self.has_write_error {
            return Ok(());
        }
        let topic = request.topic();
        let own = (&*topic, request.queue_id);
        let put = self.put(disk, request, Target::Own, own, request.queue_offset.0)?;
        if put != Put::Failed
            && self.kinds.get(&topic) != Ok(QueueKind::Batch)
            && self.conf.enable_multi_dispatch
        {
            self.dispatch_light(disk, request, &topic)?;
        }
        Ok(())
    }

    fn dispatch_light(
        &mut self,
        disk: &Disk,
        request: &Request<'_>,
        topic: &str,
    ) -> Result<(), RecoveryError> {
        let Some((names, offsets)) = request.light() else { return Ok(()) };
        let rule = self.rules.light_queues;
        if (rule >= LightQueues::NotOfRetry && topic.starts_with(RETRY_PREFIX))
            || (rule >= LightQueues::NotOfSystem && SYSTEM_TOPICS.contains(&topic))
        {
            return Ok(());
        }
        let names: Vec<&str> = java_split(&names);
        let offsets: Vec<&str> = java_split(&offsets);
        if names.len() != offsets.len() {
            return Ok(());
        }
        for (name, offset) in names.into_iter().zip(offsets) {
            if rule >= LightQueues::NotOfSystem && name.contains('/') {
                continue;
            }
            let Ok(offset) = offset.parse() else {
                return Err(RecoveryError::number_format(offset));
            };
            let is_light = self.conf.enable_lmq && name.starts_with(LIGHT_PREFIX);
            let id = if is_light { 0 } else { request.queue_id };
            self.put(disk, request, Target::Light, (name, id), offset)?;
        }
        Ok(())
    }

    /// Makes a queue without files, and tells its place.
    fn make(&mut self, topic: &str, id: i32, is_batch: bool) -> usize {
        let known = self.places.get_key_value(topic).map(|(topic, _)| topic.clone());
        let topic = known.unwrap_or_else(|| Arc::from(topic));
        let slot = Slot {
            queue: self.empty(&topic, id, is_batch),
            is_creatable: is_creatable(&topic),
            topic: topic.clone(),
            id,
            before: None,
            next_offset: None,
        };
        self.slots.push(slot);
        let place = self.slots.len() - 1;
        self.places.entry(topic).or_default().insert(id, place);
        place
    }

    fn put(
        &mut self,
        disk: &Disk,
        request: &Request<'_>,
        target: Target,
        (topic, id): (&str, i32),
        ordinal: i64,
    ) -> Result<Put, RecoveryError> {
        let place = match self.place(topic, id) {
            Some(place) => place,
            None => {
                let kind = self.kinds.get(topic).map_err(RecoveryError::exception)?;
                self.make(topic, id, kind == QueueKind::Batch)
            }
        };
        let slot = &mut self.slots[place];
        let is_batch = matches!(slot.queue, AnyQueue::Batch(_));
        let put = match &mut slot.queue {
            _ if !slot.is_creatable => Put::Failed,
            AnyQueue::Simple(queue) => {
                let mut save = |queue: &mut Queue| match queue.ext.as_mut().filter(|_| target == Target::Own)
                {
                    Some(ext) => {
                        let saved = ext.put(disk, request.tags_code(), request.stored_at)?;
                        self.counts.add_ext(saved);
                        Ok(match saved {
                            Saved::At(address) => address,
                            _ => request.tags_code(),
                        })
                    }
                    None => Ok::<_, RecoveryError>(request.tags_code()),
                };
                let tags_code = save(queue)?;
                let put = queue.put(disk, request.physical, request.size, tags_code, ordinal)?;
                if matches!(put, Put::NoRoom { .. }) {
                    // The second try begins with it too.
                    save(queue)?;
                }
                put
            }
            AnyQueue::Batch(queue) => queue.put(disk, request)?,
        };
        self.counts.add(&put, is_batch);
        if put == Put::Failed {
            self.failed_puts += 1;
            self.counts.no_room += TRIES;
            // Of a light queue only the tries are told.
            self.has_write_error |= target == Target::Own;
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
