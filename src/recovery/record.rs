//! One message of a walk in as few bytes as nearly every message needs; what is rare is parsed again.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::parse::{ENTRY_HEAD, Request};
use crate::format::message::TransactionType;

/// A message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record {
    /// Offset written in it.
    pub physical: i64,
    /// Its length.
    pub size: i32,
    /// Number of its topic and queue id among [`Names`].
    pub name: u32,
    /// Entries that the index gets.
    pub index_entries: u32,
    /// Part of a transaction.
    pub transaction: TransactionType,
    /// Whether properties name light queues.
    pub may_be_light: bool,
    /// Whether newer releases would not take it for a message.
    pub is_odd: bool,
    has_head: bool,
}

impl Record {
    /// The message of a request whose queue has this number.
    #[must_use]
    pub fn of(request: &Request<'_>, name: u32) -> Self {
        Self {
            physical: request.physical.0,
            size: request.size,
            name,
            index_entries: request.index_entries,
            transaction: request.transaction,
            may_be_light: request.may_be_light(),
            is_odd: request.is_odd,
            has_head: request.head_len > 0,
        }
    }

    /// Whether it gets a unit in its queue.
    #[must_use]
    pub fn has_unit(&self) -> bool {
        matches!(self.transaction, TransactionType::None | TransactionType::Commit)
    }

    /// Bytes in front of the message: the head of its DLedger entry.
    #[must_use]
    pub fn head_len(&self) -> i64 {
        if self.has_head { ENTRY_HEAD } else { 0 }
    }

    /// Bytes that it takes in the log, the head of its entry included.
    #[must_use]
    pub fn byte_len(&self) -> i64 {
        i64::from(self.size) + self.head_len()
    }
}

/// Topics, as their bytes, with queue ids; numbered in the order in which they were met.
#[derive(Debug, Default)]
pub struct Names(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    numbers: HashMap<Box<[u8]>, HashMap<i32, u32>>,
    all: Vec<(Box<[u8]>, i32)>,
}

impl Names {
    fn number(&self, topic: &[u8], queue: i32) -> u32 {
        let known = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let next = u32::try_from(known.all.len()).unwrap_or(u32::MAX);
        if let Some(queues) = known.numbers.get_mut(topic) {
            if let Some(number) = queues.get(&queue) {
                return *number;
            }
            queues.insert(queue, next);
        } else {
            known.numbers.insert(topic.into(), HashMap::from([(queue, next)]));
        }
        known.all.push((topic.into(), queue));
        next
    }

    /// Topic, undecodable bytes replaced as Java does, and queue id.
    #[must_use]
    pub fn get(&self, number: u32) -> (String, i32) {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = usize::try_from(number).unwrap_or(usize::MAX);
        known
            .all
            .get(at)
            .map(|(topic, queue)| (String::from_utf8_lossy(topic).into_owned(), *queue))
            .unwrap_or_default()
    }
}

/// Queues met lately, at a place that their name decides. A power of two.
const RECENT: usize = 1 << 15;

/// Topic, queue id, number.
type Met = (Box<[u8]>, i32, u32);

/// Gives numbers to the messages of one thread, mostly without asking [`Names`].
#[derive(Debug)]
pub struct Namer<'n> {
    names: &'n Names,
    recent: Vec<Option<Met>>,
}

impl<'n> Namer<'n> {
    /// One that has met nothing yet.
    #[must_use]
    pub fn new(names: &'n Names) -> Self {
        Self { names, recent: Vec::new() }
    }

    /// The number of a queue.
    pub fn number(&mut self, topic: &[u8], queue: i32) -> u32 {
        let place = place(topic, queue);
        if let Some(Some((known, id, number))) = self.recent.get(place)
            && *id == queue
            && **known == *topic
        {
            return *number;
        }
        let number = self.names.number(topic, queue);
        if self.recent.is_empty() {
            self.recent = vec![None; RECENT];
        }
        if let Some(recent) = self.recent.get_mut(place) {
            *recent = Some((topic.into(), queue, number));
        }
        number
    }
}

fn place(topic: &[u8], queue: i32) -> usize {
    let of = |bytes: &[u8; 8]| u64::from_le_bytes(*bytes);
    let mixed = match (topic.first_chunk(), topic.last_chunk()) {
        (Some(first), Some(last)) => of(first) ^ of(last).rotate_left(21),
        _ => topic.iter().fold(0, |sum, byte| (sum << 8) ^ u64::from(*byte)),
    };
    let mixed = mixed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    // Neighbouring queues of a topic get neighbouring places.
    let mixed = (mixed >> 40).wrapping_add(u64::from(queue.cast_unsigned()));
    usize::try_from(mixed).unwrap_or(0) % RECENT
}
