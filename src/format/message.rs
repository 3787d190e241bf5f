//! A whole commitlog message, big-endian.
//!
//! | part | length | field |
//! |---|---|---|
//! | header | 88, 100 or 112 | see [`MessageHeader`] |
//! | body | as the header says | stored body, perhaps compressed |
//! | topic | 1 + n (V1) or 2 + n (V2) | signed length, then that many bytes of UTF-8 |
//! | properties | 2 + n | signed length, below 0 counting as 0; then that many bytes, see [`Properties`] |
//!
//! A message is whole if its total length is what its parts add up to. Upstream calls one where it is not a half message;
//! it is found where a crash left only the front of a message in the page cache, the rest being zeros.
//!
//! Upstream: `CommitLog.checkMessageAndReturnSize`, releases 4.9.4 to 5.5.1.

use super::bytes::Reader;
pub use super::message_header::{
    Host, MAGIC_BLANK, MAGIC_V1, MAGIC_V2, MAX_HEADER_LEN, MessageHeader, MessageVersion, PEEK_LEN, Peek,
    TransactionType, peek,
};
use super::properties::{Properties, names};

/// Bytes at the very end of the properties that hold the CRC of the whole message (upstream `CRC32_RESERVED_LEN`).
pub const PROPERTY_CRC_LEN: usize = 20;

/// Why bytes are no whole message. Positions count from the message's first byte.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// The bytes end inside a field.
    #[error("at byte {at}: {field} takes {needed} bytes, {found} are left")]
    Short {
        /// Where the field starts.
        at: usize,
        /// Which field.
        field: &'static str,
        /// Bytes it takes.
        needed: usize,
        /// Bytes that are left.
        found: usize,
    },
    /// No message's magic.
    #[error("at byte 4: magic is {found:#010x}")]
    Magic {
        /// What is there instead.
        found: u32,
    },
    /// A negative total length.
    #[error("at byte 0: total length is {found}")]
    TotalLen {
        /// What is there instead.
        found: i32,
    },
    /// A part is longer than the whole message claims to be.
    #[error("at byte {at}: {field} is {len} bytes long, the whole message {total_len}")]
    BeyondTotal {
        /// Where the part starts.
        at: usize,
        /// Which part.
        field: &'static str,
        /// Length of the part.
        len: usize,
        /// Total length of the message.
        total_len: i32,
    },
    /// A negative topic length.
    #[error("at byte {at}: topic length is {found}")]
    TopicLen {
        /// Where the length starts.
        at: usize,
        /// What is there.
        found: i16,
    },
    /// The parts do not add up: what upstream calls a half message.
    #[error("at byte 0: total length is {total_len}, the parts take {read_len}")]
    HalfMessage {
        /// Total length as written.
        total_len: i32,
        /// Sum of the parts.
        read_len: usize,
        /// Length of the body as written.
        body_len: i32,
        /// Length of the topic as read.
        topic_len: usize,
        /// Length of the properties as written.
        properties_len: i16,
    },
}

impl MessageError {
    pub(super) fn short(reader: &Reader<'_>, field: &'static str, needed: usize) -> Self {
        Self::Short { at: reader.position(), field, needed, found: reader.remaining() }
    }

    /// Whether upstream would call it a half message, and tell its length, rather than fail without one.
    #[must_use]
    pub fn is_half_message(&self) -> bool {
        matches!(self, Self::HalfMessage { .. })
    }
}

/// What the CRC in a message's properties says (`forceVerifyPropCRC`, 5.2.0 and later).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PropertyCrc {
    /// No such property: the message was written without `enabledAppendPropCRC`.
    Absent,
    /// It is there and right.
    Matches {
        /// The CRC; upstream 5.2.0 to 5.3.1 take 0 for absent.
        crc: i32,
    },
    /// It is there and wrong.
    Differs {
        /// As written.
        recorded: i32,
        /// As computed.
        computed: i32,
    },
}

/// A message whose parts add up. `Debug` shows neither body nor properties: they are users' data.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Message<'a> {
    /// The fields in front of the body.
    pub header: MessageHeader,
    /// Stored body.
    pub body: &'a [u8],
    /// Topic as its bytes.
    pub topic: &'a [u8],
    /// Properties.
    pub properties: Properties<'a>,
    frame: &'a [u8],
}

impl<'a> Message<'a> {
    /// Decodes the message at the first byte of `bytes`. Bytes behind the message do no harm, and are wanted by who has to
    /// tell a half message from one that the file's end cuts, as upstream does.
    ///
    /// # Errors
    ///
    /// If the bytes are not a whole message; see [`MessageError`].
    pub fn decode(bytes: &'a [u8]) -> Result<Self, MessageError> {
        Self::decode_within(bytes, 0)
    }

    /// The same, where a part may be as long as `room`, though the message claims less.
    ///
    /// # Errors
    ///
    /// As [`Message::decode`].
    pub fn decode_within(bytes: &'a [u8], room: i32) -> Result<Self, MessageError> {
        let mut reader = Reader::new(bytes);
        let header = MessageHeader::read(&mut reader)?;
        let mut parts = Parts { reader, total_len: header.total_len, room: room.max(header.total_len) };
        let body = parts.take("body", usize::try_from(header.body_len).unwrap_or(0))?;
        let topic_len = parts.topic_len(header.version)?;
        let topic = parts.take("topic", topic_len)?;
        let properties_len = parts.i16("properties length")?;
        let properties =
            Properties::new(parts.take("properties", usize::try_from(properties_len).unwrap_or(0))?);
        let read_len = parts.reader.position();
        match bytes.get(..read_len) {
            Some(frame) if usize::try_from(header.total_len) == Ok(read_len) => {
                Ok(Self { header, body, topic, properties, frame })
            }
            _ => Err(MessageError::HalfMessage {
                total_len: header.total_len,
                read_len,
                body_len: header.body_len,
                topic_len,
                properties_len,
            }),
        }
    }

    /// Sum of the parts in bytes, which is the total length too.
    #[must_use]
    pub fn read_len(&self) -> usize {
        self.frame.len()
    }

    /// Topic as text, if it is.
    #[must_use]
    pub fn topic_str(&self) -> Option<&'a str> {
        std::str::from_utf8(self.topic).ok()
    }

    /// CRC-32 of the body without its highest bit, computed.
    #[must_use]
    pub fn computed_body_crc(&self) -> i32 {
        crc(self.body)
    }

    /// Whether the body is what the header's CRC was made of; an empty body always is, as nobody checks it.
    #[must_use]
    pub fn is_body_intact(&self) -> bool {
        self.body.is_empty() || self.computed_body_crc() == self.header.body_crc
    }

    /// What the CRC in the properties says about the message, computed over all of it but the last 20 bytes.
    #[must_use]
    pub fn property_crc(&self) -> PropertyCrc {
        let Some(digits) = self.properties.get(names::CRC32) else { return PropertyCrc::Absent };
        // The least significant digit comes first. Upstream computes with whatever bytes it finds there.
        let recorded = digits
            .iter()
            .rev()
            .fold(0i32, |crc, digit| crc.wrapping_mul(10).wrapping_add(i32::from(*digit) - i32::from(b'0')));
        let covered = self.frame.len().saturating_sub(PROPERTY_CRC_LEN);
        let computed = crc(self.frame.get(..covered).unwrap_or_default());
        if recorded == computed {
            PropertyCrc::Matches { crc: recorded }
        } else {
            PropertyCrc::Differs { recorded, computed }
        }
    }
}

impl std::fmt::Debug for Message<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Message")
            .field("header", &self.header)
            .field("topic", &String::from_utf8_lossy(self.topic))
            .field("properties", &self.properties)
            .finish_non_exhaustive()
    }
}

/// CRC-32 without its highest bit (upstream `UtilAll.crc32`).
fn crc(bytes: &[u8]) -> i32 {
    (crc32fast::hash(bytes) & 0x7FFF_FFFF).cast_signed()
}

/// Reads the parts behind the header, none of which may be longer than the message.
struct Parts<'a> {
    reader: Reader<'a>,
    total_len: i32,
    room: i32,
}

impl<'a> Parts<'a> {
    fn take(&mut self, field: &'static str, len: usize) -> Result<&'a [u8], MessageError> {
        let at = self.reader.position();
        if usize::try_from(self.room).is_ok_and(|room| len > room) {
            return Err(MessageError::BeyondTotal { at, field, len, total_len: self.total_len });
        }
        let short = MessageError::short(&self.reader, field, len);
        self.reader.take(len).ok_or(short)
    }

    fn topic_len(&mut self, version: MessageVersion) -> Result<usize, MessageError> {
        let at = self.reader.position();
        let found = match version {
            MessageVersion::V1 => {
                let short = MessageError::short(&self.reader, "topic length", 1);
                self.reader.i8().map(i16::from).ok_or(short)?
            }
            MessageVersion::V2 => self.i16("topic length")?,
        };
        usize::try_from(found).map_err(|_| MessageError::TopicLen { at, found })
    }

    fn i16(&mut self, field: &'static str) -> Result<i16, MessageError> {
        let short = MessageError::short(&self.reader, field, 2);
        self.reader.i16().ok_or(short)
    }
}
