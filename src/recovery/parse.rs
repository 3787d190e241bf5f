//! One record of the log as recovery reads it (R4).
//!
//! Upstream: `CommitLog.checkMessageAndReturnSize`, `DLedgerCommitLog.checkMessageAndReturnSize`.

use super::release::Rules;
use crate::broker::BrokerConf;
use crate::format::java_hash::tags_code;
use crate::format::ledger_entry::LEDGER_HEADER_LEN;
use crate::format::message::{
    Message, MessageError, MessageHeader, MessageVersion, Peek, PropertyCrc, TransactionType, peek,
};
use crate::format::properties::names;
use crate::units::{EpochMillis, PhysicalOffset, QueueOffset};

const SCHEDULE_TOPIC: &str = "SCHEDULE_TOPIC_XXXX";

/// Stands for what the broker would say where a length asks for more memory than it may have.
pub const HUGE_LENGTH: &str = "java.lang.OutOfMemoryError";
/// Length from which that is possible.
const HUGE: i32 = 256 << 20;

/// What dispatch needs of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Topic, undecodable bytes replaced as Java does.
    pub topic: String,
    /// Queue id.
    pub queue_id: i32,
    /// Offset written in the message.
    pub physical: PhysicalOffset,
    /// Length of the message.
    pub size: i32,
    /// Ordinal in its queue.
    pub queue_offset: QueueOffset,
    /// Tags code.
    pub tags_code: i64,
    /// When it was stored.
    pub stored_at: EpochMillis,
    /// Part of a transaction.
    pub transaction: TransactionType,
    /// First queue offset and number of messages inside.
    pub batch: (i64, i16),
    /// Light queues: names and offsets as written.
    pub light: Option<(String, String)>,
    /// Number of entries that the index gets.
    pub index_entries: u32,
    /// Bytes in front of the message: the head of its DLedger entry.
    pub head_len: i64,
}

impl Request {
    /// Whether it gets a unit in its queue.
    #[must_use]
    pub fn has_unit(&self) -> bool {
        matches!(self.transaction, TransactionType::None | TransactionType::Commit)
    }
}

/// Outcome of parsing at one position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parsed {
    /// A message.
    Message(Box<Request>),
    /// The rest of the segment is filler.
    Blank,
    /// Nothing that recovery goes beyond; the length that a half message claims.
    Fail {
        /// Length of a half message, 0 otherwise.
        half: i32,
        /// WARN or ERROR line that the broker prints.
        line: Option<(&'static str, String)>,
    },
}

impl Parsed {
    fn fail() -> Self {
        Self::Fail { half: 0, line: None }
    }

    fn warn(text: String) -> Self {
        Self::Fail { half: 0, line: Some(("WARN", text)) }
    }
}

/// What is checked.
#[derive(Debug, Clone, Copy)]
pub struct Checks {
    /// Checksums of bodies, or of properties with `forceVerifyPropCRC`.
    pub crc: bool,
    /// `DUP_INFO`.
    pub dup_info: bool,
}

/// Parses as one release with one configuration does.
#[derive(Debug)]
pub struct Parser<'a> {
    rules: &'a Rules,
    force_property_crc: bool,
    delays: Vec<i64>,
}

impl<'a> Parser<'a> {
    /// A parser.
    #[must_use]
    pub fn new(rules: &'a Rules, conf: &BrokerConf, is_started: bool) -> Self {
        let knows_delays = rules.knows_delays || is_started;
        let delays = if knows_delays { delays(&conf.message_delay_level) } else { Vec::new() };
        Self { rules, force_property_crc: rules.has_property_crc && conf.force_verify_prop_crc, delays }
    }

    /// The entry or message at the first of `bytes`, of which there are `rest` up to the end of the file.
    #[must_use]
    pub fn entry(&self, bytes: &[u8], checks: Checks, rest: usize) -> Parsed {
        let Some((first, behind)) = bytes.split_first_chunk::<4>() else { return Parsed::fail() };
        let is_message = match peek(bytes) {
            Peek::Blank { .. } => true,
            Peek::Message { version, .. } => self.knows(version),
            Peek::Short { .. } => return Parsed::fail(),
            _ => false,
        };
        if is_message {
            return self.message(bytes, checks, rest);
        }
        if i32::from_be_bytes(*first) == -1 && behind.len() >= 4 {
            return Parsed::Blank;
        }
        match bytes.get(LEDGER_HEADER_LEN..) {
            Some(body) => match self.message(body, checks, rest.saturating_sub(LEDGER_HEADER_LEN)) {
                Parsed::Message(mut request) => {
                    request.head_len = 48;
                    Parsed::Message(request)
                }
                other => other,
            },
            None => Parsed::fail(),
        }
    }

    fn knows(&self, version: MessageVersion) -> bool {
        version == MessageVersion::V1 || self.rules.has_v2
    }

    /// The message at the first of `bytes`, of which there are `rest` up to the end of the file.
    #[must_use]
    pub fn message(&self, bytes: &[u8], checks: Checks, rest: usize) -> Parsed {
        if self.rules.checks_bounds && is_out_of_bounds(bytes, rest) {
            return Parsed::fail();
        }
        let illegal = |magic: u32| Parsed::warn(format!("found a illegal magic code 0x{magic:x}"));
        match peek(bytes) {
            Peek::Blank { .. } => return Parsed::Blank,
            Peek::Message { version, .. } if self.knows(version) => {}
            Peek::Message { .. } => return illegal(crate::format::message::MAGIC_V2),
            Peek::Zero => return illegal(0),
            Peek::Invalid { magic, .. } => return illegal(magic),
            Peek::Short { .. } => return Parsed::fail(),
        }
        let checks_body = checks.crc && !self.force_property_crc;
        match Message::decode(bytes) {
            Ok(message) => {
                if checks_body && !message.is_body_intact() {
                    return crc_failed(&message.header, message.computed_body_crc());
                }
                self.check(&message, checks)
            }
            Err(error) => {
                if let Some(failed) = torn_body(bytes).filter(|_| checks_body) {
                    return failed;
                }
                match error {
                    MessageError::HalfMessage { total_len, read_len } => {
                        if let Some(failed) = self.half_message_check(bytes, checks) {
                            return failed;
                        }
                        let text = format!(
                            "[BUG]read total count not equals msg total size. totalSize={total_len}, readTotalCount={read_len}"
                        );
                        Parsed::Fail { half: total_len.max(0), line: Some(("ERROR", text)) }
                    }
                    // Older releases take memory for it first, and may end for want of it.
                    _ if !self.rules.checks_bounds && claims_too_much(bytes) => {
                        Parsed::warn(HUGE_LENGTH.to_owned())
                    }
                    _ => Parsed::fail(),
                }
            }
        }
    }

    /// Checks that upstream makes before it compares the lengths, on a message whose parts do not add up.
    fn half_message_check(&self, bytes: &[u8], checks: Checks) -> Option<Parsed> {
        let mut whole = bytes.to_vec();
        let Err(MessageError::HalfMessage { read_len, .. }) = Message::decode(bytes) else { return None };
        let len = i32::try_from(read_len).ok()?;
        whole.get_mut(..4)?.copy_from_slice(&len.to_be_bytes());
        let message = Message::decode(&whole).ok()?;
        if checks.crc && self.force_property_crc {
            return Some(Parsed::fail());
        }
        if message.properties.as_bytes().is_empty() || !checks.dup_info {
            return None;
        }
        dup_info_failure(&message)
    }

    fn check(&self, message: &Message<'_>, checks: Checks) -> Parsed {
        let header = &message.header;
        let properties = message.properties;
        let has_properties = !properties.as_bytes().is_empty();
        if checks.dup_info
            && has_properties
            && let Some(failed) = dup_info_failure(message)
        {
            return failed;
        }
        let topic = String::from_utf8_lossy(message.topic).into_owned();
        let mut tags_code = tags_code(properties.get(names::TAGS));
        if topic == SCHEDULE_TOPIC
            && let Some(level) = properties.get(names::DELAY)
        {
            let Some(level) = number::<i32>(level) else { return Parsed::fail() };
            let level = usize::try_from(level).unwrap_or(0).min(self.delays.len());
            if let Some(delay) = level.checked_sub(1).and_then(|at| self.delays.get(at)) {
                tags_code = header.store_timestamp.0.wrapping_add(*delay);
            }
        }
        if checks.crc && self.force_property_crc {
            let is_right = match message.property_crc() {
                PropertyCrc::Matches { crc } => crc > 0 || (crc == 0 && self.rules.zero_property_crc_counts),
                _ => false,
            };
            if !is_right {
                return Parsed::warn(
                    "CommitLog#checkAndDispatchMessage: failed to check message CRC".to_owned(),
                );
            }
        }
        let mut batch = (header.queue_offset.0, 1);
        if let (Some(count), Some(base)) =
            (properties.get(names::INNER_NUM), properties.get(names::INNER_BASE))
            && self.rules.has_batch_queues
        {
            match (number(base), number(count)) {
                (Some(base), Some(count)) => batch = (base, count),
                _ => return Parsed::fail(),
            }
        }
        let text = |name| properties.get(name).map(|value| String::from_utf8_lossy(value).into_owned());
        let light = text(names::INNER_MULTI_DISPATCH)
            .zip(text(names::INNER_MULTI_QUEUE_OFFSET))
            .filter(|(queues, offsets)| !queues.trim().is_empty() && !offsets.trim().is_empty());
        let keys = text(names::KEYS).unwrap_or_default();
        let mut index_entries = keys.split(' ').filter(|key| !key.is_empty()).count();
        index_entries += usize::from(properties.get(names::UNIQ_KEY).is_some());
        index_entries += usize::from(self.rules.indexes_tags && properties.get(names::TAGS).is_some());
        Parsed::Message(Box::new(Request {
            topic,
            queue_id: header.queue_id,
            physical: header.physical_offset,
            size: header.total_len,
            queue_offset: header.queue_offset,
            tags_code,
            stored_at: header.store_timestamp,
            transaction: header.transaction_type(),
            batch,
            light,
            index_entries: u32::try_from(index_entries).unwrap_or(u32::MAX),
            head_len: 0,
        }))
    }
}

/// The bytes left in the file do not hold what the length claims.
fn is_out_of_bounds(bytes: &[u8], rest: usize) -> bool {
    match bytes.first_chunk::<4>() {
        Some(total) if rest > 4 => {
            let left = i64::try_from(rest - 4).unwrap_or(i64::MAX);
            left < i64::from(i32::from_be_bytes(*total)) - 4
        }
        _ => true,
    }
}

fn claims_too_much(bytes: &[u8]) -> bool {
    bytes.first_chunk::<4>().is_some_and(|total| i32::from_be_bytes(*total) > HUGE)
}

fn crc_failed(header: &MessageHeader, computed: i32) -> Parsed {
    // The source swaps both labels.
    Parsed::warn(format!("CRC check failed. bodyCRC={computed}, currentCRC={}", header.body_crc))
}

/// The body's checksum is compared before anything behind the body is read.
fn torn_body(bytes: &[u8]) -> Option<Parsed> {
    let header = MessageHeader::decode(bytes).ok()?;
    let len = usize::try_from(header.body_len).ok()?;
    if len == 0 || header.body_len > header.total_len {
        return None;
    }
    let body = bytes.get(header.header_len()..)?.get(..len)?;
    let computed = (crc32fast::hash(body) & 0x7FFF_FFFF).cast_signed();
    (computed != header.body_crc).then(|| crc_failed(&header, computed))
}

/// Java's `split("_")` has to give two parts: empty parts at the end do not count.
fn dup_info_failure(message: &Message<'_>) -> Option<Parsed> {
    let found = message.properties.get(names::DUP_INFO);
    let parts = found.map(|value| {
        let parts: Vec<_> = value.split(|byte| *byte == b'_').collect();
        parts.iter().rposition(|part| !part.is_empty()).map_or(0, |last| last + 1)
    });
    (parts != Some(2)).then(|| {
        let text = found.map_or("null".into(), String::from_utf8_lossy);
        Parsed::warn(format!("DupInfo in properties check failed. dupInfo={text}"))
    })
}

/// A number as Java parses it.
fn number<T: std::str::FromStr>(text: &[u8]) -> Option<T> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// `1s 5s 10s` in milliseconds, by level from 1 on.
fn delays(levels: &str) -> Vec<i64> {
    let unit = |char| match char {
        's' => Some(1_000),
        'm' => Some(60_000),
        'h' => Some(3_600_000),
        'd' => Some(86_400_000),
        _ => None,
    };
    levels
        .split(' ')
        .map_while(|level| {
            let (at, last) = level.char_indices().last()?;
            level.get(..at)?.parse::<i64>().ok()?.checked_mul(unit(last)?)
        })
        .collect()
}
