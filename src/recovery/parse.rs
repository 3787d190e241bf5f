//! One record of the log as recovery reads it (R4).
//!
//! Upstream: `CommitLog.checkMessageAndReturnSize`, `DLedgerCommitLog.checkMessageAndReturnSize`.

use std::borrow::Cow;
use std::sync::atomic::{AtomicI32, Ordering};

use super::delay_levels::delays;
use super::noted::Noted;
use super::release::Rules;
use crate::broker::BrokerConf;
use crate::format::java_hash::tags_code;
use crate::format::ledger_entry::{LEDGER_HEADER_LEN, LedgerFrame};
use crate::format::message::{
    Message, MessageError, MessageHeader, MessageVersion, Peek, PropertyCrc, TransactionType, peek,
};
use crate::format::properties::names;
use crate::units::{EpochMillis, PhysicalOffset, QueueOffset};

/// Where messages wait that are delayed.
pub const SCHEDULE_TOPIC: &str = "SCHEDULE_TOPIC_XXXX";

/// Stands for what the broker would say where a length asks for more memory than it may have.
pub const HUGE_LENGTH: &str = "java.lang.OutOfMemoryError";
/// Length from which that is possible.
const HUGE: i32 = 256 << 20;
/// More bytes than a record takes beyond its body, topic and properties.
const SLACK: usize = 512;
/// The longest buffer that is kept from one message to the next (`maxCheckMessageReuseBufferSize`).
const LONGEST_BUFFER: i32 = 1 << 20;
/// Longest array of a JVM.
const LONGEST_ARRAY: i32 = i32::MAX - 2;

/// What dispatch needs of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request<'b> {
    /// Topic as its bytes.
    pub raw_topic: &'b [u8],
    /// Queue id.
    pub queue_id: i32,
    /// Offset written in the message.
    pub physical: PhysicalOffset,
    /// Length of the message.
    pub size: i32,
    /// Ordinal in its queue.
    pub queue_offset: QueueOffset,
    /// When it was stored.
    pub stored_at: EpochMillis,
    /// Part of a transaction.
    pub transaction: TransactionType,
    /// First queue offset and number of messages inside.
    pub batch: (i64, i16),
    /// Number of entries that the index gets.
    pub index_entries: u32,
    /// Bytes in front of the message: the head of its DLedger entry.
    pub head_len: i64,
    /// Whether newer releases would not take it for a message.
    pub is_odd: bool,
    tags: Option<&'b [u8]>,
    delivery: Option<i64>,
    raw_light: Option<(&'b [u8], &'b [u8])>,
}

impl<'b> Request<'b> {
    /// Whether it gets a unit in its queue.
    #[must_use]
    pub fn has_unit(&self) -> bool {
        matches!(self.transaction, TransactionType::None | TransactionType::Commit)
    }

    /// Topic, undecodable bytes replaced as Java does.
    #[must_use]
    pub fn topic(&self) -> Cow<'b, str> {
        String::from_utf8_lossy(self.raw_topic)
    }

    /// Tags code.
    #[must_use]
    pub fn tags_code(&self) -> i64 {
        self.delivery.unwrap_or_else(|| tags_code(self.tags))
    }

    /// Light queues: names and offsets as written, if there are any.
    #[must_use]
    pub fn light(&self) -> Option<(Cow<'b, str>, Cow<'b, str>)> {
        let (queues, offsets) = self.raw_light?;
        let (queues, offsets) = (String::from_utf8_lossy(queues), String::from_utf8_lossy(offsets));
        (!queues.trim().is_empty() && !offsets.trim().is_empty()).then_some((queues, offsets))
    }

    /// Whether properties name light queues.
    #[must_use]
    pub fn may_be_light(&self) -> bool {
        self.raw_light.is_some()
    }

    /// Bytes that it takes in the log, the head of its entry included.
    #[must_use]
    pub fn byte_len(&self) -> i64 {
        i64::from(self.size) + self.head_len
    }
}

/// Outcome of parsing at one position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parsed<'b> {
    /// A message.
    Message(Request<'b>),
    /// The rest of the segment is filler.
    Blank,
    /// Nothing that recovery goes beyond.
    Fail(Failure),
}

/// Bytes of an entry in front of its message, as a distance in the log ([`LEDGER_HEADER_LEN`]).
pub const ENTRY_HEAD: i64 = 48;

/// Where recovery stops.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Failure {
    /// Length that a half message claims, 0 otherwise.
    pub half: i32,
    /// WARN or ERROR line that the broker prints.
    pub line: Option<(&'static str, String)>,
    /// What it means.
    pub cause: Cause,
}

/// Why recovery stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Cause {
    /// There is no whole message.
    #[default]
    Damage,
    /// There may be one, which only lacks a property that is asked for.
    Property,
    /// A length is more than an array can have: an error is thrown that nobody catches before the process ends.
    OutOfMemory,
}

impl Parsed<'_> {
    fn fail() -> Self {
        Self::Fail(Failure::default())
    }

    fn warn(text: String) -> Self {
        Self::warn_of(Cause::Damage, text)
    }

    fn warn_of(cause: Cause, text: String) -> Self {
        Self::Fail(Failure { half: 0, line: Some(("WARN", text)), cause })
    }
}

/// What is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
    /// Length of the longest message that was read.
    longest: AtomicI32,
}

impl<'a> Parser<'a> {
    /// A parser.
    #[must_use]
    pub fn new(rules: &'a Rules, conf: &BrokerConf, is_started: bool) -> Self {
        let knows_delays = rules.knows_delays || is_started;
        let delays = if knows_delays { delays(&conf.message_delay_level) } else { Vec::new() };
        let force_property_crc = rules.has_property_crc && conf.force_verify_prop_crc;
        Self { rules, force_property_crc, delays, longest: AtomicI32::new(0) }
    }

    /// Notes that recovery has read a message of this length.
    pub fn note(&self, len: i32) {
        if self.rules.keeps_buffer && len <= LONGEST_BUFFER && len > self.longest() {
            self.longest.store(len, Ordering::Relaxed);
        }
    }

    /// Length of the longest message that was noted.
    #[must_use]
    pub fn longest(&self) -> i32 {
        self.longest.load(Ordering::Relaxed)
    }

    /// Bytes at most by which a record of this length is told: each of its three parts may take as much as there is room for.
    #[must_use]
    pub fn reach(&self, len: usize) -> usize {
        let room = usize::try_from(self.longest()).unwrap_or(0);
        len.max(room).saturating_mul(3).saturating_add(SLACK)
    }

    /// Length of what the broker reads the parts of this message into, if that is longer than the message.
    fn room(&self, bytes: &[u8]) -> i32 {
        if claims_more_than(bytes, LONGEST_BUFFER) { 0 } else { self.longest() }
    }

    /// The entry or message at the first of `bytes`, of which there are `rest` up to the end of the file.
    #[must_use]
    pub fn entry<'b>(&self, bytes: &'b [u8], checks: Checks, rest: usize) -> Parsed<'b> {
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
                    request.head_len = ENTRY_HEAD;
                    Parsed::Message(request)
                }
                // DLedger's check takes whatever is thrown for a message that is none.
                Parsed::Fail(Failure { cause: Cause::OutOfMemory, .. }) => Parsed::fail(),
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
    pub fn message<'b>(&self, bytes: &'b [u8], checks: Checks, rest: usize) -> Parsed<'b> {
        if self.rules.checks_bounds && self.is_out_of_bounds(bytes, rest) {
            return Parsed::fail();
        }
        let illegal = |magic: u32| Parsed::warn(format!("found a illegal magic code 0x{magic:x}"));
        match peek(bytes) {
            Peek::Blank { .. } => return Parsed::Blank,
            Peek::Message { version, .. } if self.knows(version) => {}
            Peek::Message { .. } => return illegal(crate::format::message::MAGIC_V2),
            Peek::Zero => return illegal(0),
            Peek::Invalid { magic, .. } => return illegal(magic),
            Peek::Short { .. } => return self.exception(),
        }
        // Older releases take memory for the length before they look at anything else.
        if !self.rules.checks_bounds && claims_more_than(bytes, LONGEST_ARRAY) {
            return Parsed::Fail(Failure { cause: Cause::OutOfMemory, ..Failure::default() });
        }
        let checks_body = checks.crc && !self.force_property_crc;
        let room = self.room(bytes);
        match Message::decode_within(bytes, room) {
            Ok(message) => {
                if checks_body && !message.is_body_intact() {
                    return crc_failed(&message.header, message.computed_body_crc());
                }
                self.check(&message, checks)
            }
            Err(error) => {
                if let Some(failed) = torn_body(bytes, room).filter(|_| checks_body) {
                    return failed;
                }
                match error {
                    MessageError::HalfMessage {
                        total_len,
                        read_len,
                        body_len,
                        topic_len,
                        properties_len,
                    } => {
                        if let Some(failed) = self.half_message_check(bytes, read_len, checks) {
                            return failed;
                        }
                        let text = format!(
                            "[BUG]read total count not equals msg total size. totalSize={total_len}, readTotalCount={read_len}, bodyLen={body_len}, topicLen={topic_len}, propertiesLength={properties_len}"
                        );
                        let half = if self.rules.tells_half_messages { total_len.max(0) } else { 0 };
                        Parsed::Fail(Failure { half, line: Some(("ERROR", text)), ..Failure::default() })
                    }
                    // Older releases take memory for it first, and may end for want of it.
                    _ if !self.rules.checks_bounds && claims_more_than(bytes, HUGE) => {
                        Parsed::warn(HUGE_LENGTH.to_owned())
                    }
                    _ => self.exception(),
                }
            }
        }
    }

    /// An exception ends the parser.
    fn exception(&self) -> Parsed<'static> {
        let text = "checkMessageAndReturnSize failed, may can not dispatch";
        let line = self.rules.tells_exceptions.then(|| ("ERROR", text.to_owned()));
        Parsed::Fail(Failure { line, ..Failure::default() })
    }

    /// The bytes left in the file do not hold what the length claims.
    fn is_out_of_bounds(&self, bytes: &[u8], rest: usize) -> bool {
        match bytes.first_chunk::<4>().map(|total| i32::from_be_bytes(*total)) {
            Some(..0) if self.rules.refuses_negative_lengths => true,
            Some(total) if rest > 4 => {
                let left = i64::try_from(rest - 4).unwrap_or(i64::MAX);
                // Java's arithmetic: the four smallest numbers become large ones.
                left < i64::from(total.wrapping_sub(4))
            }
            _ => true,
        }
    }

    /// Checks that upstream makes before it compares the lengths, on a message whose parts do not add up.
    fn half_message_check(&self, bytes: &[u8], read_len: usize, checks: Checks) -> Option<Parsed<'static>> {
        let mut whole = bytes.to_vec();
        let len = i32::try_from(read_len).ok()?;
        whole.get_mut(..4)?.copy_from_slice(&len.to_be_bytes());
        let message = Message::decode(&whole).ok()?;
        if let Some(text) = dup_info_failure(&message, checks) {
            return Some(Parsed::warn(text));
        }
        if !checks.crc || !self.force_property_crc {
            return None;
        }
        match self.property_crc_failure(&message) {
            Some((Cause::Property, text)) => Some(Parsed::warn(text)),
            // Upstream counts the bytes to sum back from the end of the parts: of another range, which is as good as never right.
            _ => Some(Parsed::fail()),
        }
    }

    fn property_crc_failure(&self, message: &Message<'_>) -> Option<(Cause, String)> {
        let counts = |crc: i32| crc > 0 || (crc == 0 && self.rules.zero_property_crc_counts);
        let (cause, why) = match message.property_crc() {
            PropertyCrc::Matches { crc } if counts(crc) => return None,
            PropertyCrc::Differs { recorded, computed } if counts(recorded) => {
                // What is told as expected is the body's.
                let told = message.header.body_crc;
                (Cause::Damage, format!("expected CRC={told}, actual CRC={computed}"))
            }
            _ => (Cause::Property, "not found CRC in properties".to_owned()),
        };
        Some((cause, format!("CommitLog#checkAndDispatchMessage: failed to check message CRC, {why}")))
    }

    fn check<'b>(&self, message: &Message<'b>, checks: Checks) -> Parsed<'b> {
        let header = &message.header;
        if let Some(text) = dup_info_failure(message, checks) {
            return Parsed::warn_of(Cause::Property, text);
        }
        let noted = Noted::of(message);
        let mut delivery = None;
        if message.topic == SCHEDULE_TOPIC.as_bytes()
            && let Some(level) = noted.delay
        {
            let level = match number::<i32>(level) {
                None if self.rules.numbers_must_parse => return self.exception(),
                level => level.unwrap_or_default(),
            };
            let level = usize::try_from(level).unwrap_or(0).min(self.delays.len());
            if let Some(delay) = level.checked_sub(1).and_then(|at| self.delays.get(at)) {
                delivery = Some(header.store_timestamp.0.wrapping_add(*delay));
            }
        }
        if checks.crc
            && self.force_property_crc
            && let Some((cause, text)) = self.property_crc_failure(message)
        {
            return Parsed::warn_of(cause, text);
        }
        let mut batch = (header.queue_offset.0, 1);
        let mut is_odd = false;
        if let (Some(count), Some(base)) = (noted.inner_num, noted.inner_base) {
            match (number(base), number(count)) {
                (Some(base), Some(count)) if self.rules.has_batch_queues => batch = (base, count),
                (Some(_), Some(_)) => {}
                _ if self.rules.has_batch_queues && self.rules.numbers_must_parse => return self.exception(),
                _ => is_odd = true,
            }
        }
        let keys = noted.keys.unwrap_or_default();
        let mut index_entries = keys.split(|byte| *byte == b' ').filter(|key| !key.is_empty()).count();
        index_entries += usize::from(noted.has_uniq_key);
        index_entries += usize::from(self.rules.indexes_tags && noted.tags.is_some());
        Parsed::Message(Request {
            raw_topic: message.topic,
            queue_id: header.queue_id,
            physical: header.physical_offset,
            size: header.total_len,
            queue_offset: header.queue_offset,
            stored_at: header.store_timestamp,
            transaction: header.transaction_type(),
            batch,
            index_entries: u32::try_from(index_entries).unwrap_or(u32::MAX),
            head_len: 0,
            is_odd,
            tags: noted.tags,
            delivery,
            raw_light: noted.light_queues.zip(noted.light_offsets),
        })
    }
}

/// Length that a filler claims; `None` where it stands in the place of an entry's message.
#[must_use]
pub fn filler_len(bytes: &[u8]) -> Option<usize> {
    match (LedgerFrame::decode(bytes), peek(bytes)) {
        (LedgerFrame::Blank { len }, _) | (_, Peek::Blank { len }) => usize::try_from(len).ok(),
        _ => None,
    }
}

fn claims_more_than(bytes: &[u8], limit: i32) -> bool {
    bytes.first_chunk::<4>().is_some_and(|total| i32::from_be_bytes(*total) > limit)
}

fn crc_failed(header: &MessageHeader, computed: i32) -> Parsed<'static> {
    // The source swaps both labels.
    Parsed::warn(format!("CRC check failed. bodyCRC={computed}, currentCRC={}", header.body_crc))
}

/// The body's checksum is compared before anything behind the body is read.
fn torn_body(bytes: &[u8], room: i32) -> Option<Parsed<'static>> {
    let header = MessageHeader::decode(bytes).ok()?;
    let len = usize::try_from(header.body_len).ok()?;
    if len == 0 || header.body_len > header.total_len.max(room) {
        return None;
    }
    let body = bytes.get(header.header_len()..)?.get(..len)?;
    let computed = (crc32fast::hash(body) & 0x7FFF_FFFF).cast_signed();
    (computed != header.body_crc).then(|| crc_failed(&header, computed))
}

/// Java's `split("_")` has to give two parts: empty parts at the end do not count.
fn dup_info_failure(message: &Message<'_>, checks: Checks) -> Option<String> {
    if !checks.dup_info || message.properties.as_bytes().is_empty() {
        return None;
    }
    let found = message.properties.get(names::DUP_INFO);
    let parts = found.map(|value| {
        let parts: Vec<_> = value.split(|byte| *byte == b'_').collect();
        parts.iter().rposition(|part| !part.is_empty()).map_or(0, |last| last + 1)
    });
    (parts != Some(2)).then(|| {
        let text = found.map_or("null".into(), String::from_utf8_lossy);
        format!("DupInfo in properties check failed. dupInfo={text}")
    })
}

/// A number as Java parses it.
fn number<T: std::str::FromStr>(text: &[u8]) -> Option<T> {
    std::str::from_utf8(text).ok()?.parse().ok()
}
