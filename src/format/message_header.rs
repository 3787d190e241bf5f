//! The head of a commitlog message: everything before its body, big-endian.
//!
//! | at | length | field |
//! |---|---|---|
//! | 0 | 4 | total length of the message, this field included |
//! | 4 | 4 | magic: V1, V2, or blank |
//! | 8 | 4 | CRC-32 of the stored body, without its highest bit |
//! | 12 | 4 | queue id |
//! | 16 | 4 | flag (the client's) |
//! | 20 | 8 | queue offset |
//! | 28 | 8 | physical offset of this message (in DLedger mode: entry position + 48) |
//! | 36 | 4 | system flag |
//! | 40 | 8 | born timestamp |
//! | 48 | 8 or 20 | born host: 4 bytes of address, or 16 if system flag & 0x10, and 4 of port |
//! | 56 or later | 8 | store timestamp |
//! | | 8 or 20 | store host: 16 bytes of address if system flag & 0x20 |
//! | | 4 | reconsume times |
//! | | 8 | prepared transaction offset |
//! | | 4 | length of the body; below 0 counts as 0 |
//!
//! A blank is the first 8 bytes alone: what is behind them up to the segment's end is whatever was there before.
//!
//! Upstream: `CommitLog.checkMessageAndReturnSize`, `MessageExtEncoder`; V2 since 5.1.0.

use std::net::IpAddr;

use super::bytes::Reader;
use super::message::MessageError;
use crate::units::{EpochMillis, PhysicalOffset, QueueOffset};

/// Magic of a message with a topic of at most 127 bytes (upstream `MESSAGE_MAGIC_CODE`).
pub const MAGIC_V1: u32 = 0xDAA3_20A7;
/// Magic of a message whose topic length takes two bytes (upstream `MESSAGE_MAGIC_CODE_V2`, 5.1.0 and later).
pub const MAGIC_V2: u32 = 0xDAA3_20AB;
/// Magic of the filler at a segment's end (upstream `BLANK_MAGIC_CODE`).
pub const MAGIC_BLANK: u32 = 0xCBD4_3194;
/// Bytes that tell a frame's kind and length.
pub const PEEK_LEN: usize = 8;
/// As many bytes as the longest header takes, both hosts being IPv6.
pub const MAX_HEADER_LEN: usize = 112;

const BORN_HOST_V6: i32 = 0x10;
const STORE_HOST_V6: i32 = 0x20;
const TRANSACTION_TYPE: i32 = 0x0C;

/// How many bytes a message gives to the length of its topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MessageVersion {
    /// One byte; all releases.
    V1,
    /// Two bytes; 5.1.0 and later, older releases take it for damage.
    V2,
}

/// What the first 8 bytes at a position say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peek {
    /// A message of this total length, which may still be nonsense.
    Message {
        /// Total length as written.
        len: i32,
        /// Which of both magics was found.
        version: MessageVersion,
    },
    /// The filler of a segment's end; upstream ignores its length.
    Blank {
        /// Bytes left in the segment as written.
        len: i32,
    },
    /// Zeros: nothing was ever written here.
    Zero,
    /// Neither of them.
    Invalid {
        /// The first 4 bytes.
        len: i32,
        /// The bytes where a magic should be.
        magic: u32,
    },
    /// Fewer than 8 bytes.
    Short {
        /// How many there are.
        found: usize,
    },
}

/// Tells what starts at the first byte of `head`, of which 8 bytes are looked at.
#[must_use]
pub fn peek(head: &[u8]) -> Peek {
    let mut reader = Reader::new(head);
    let (Some(len), Some(magic)) = (reader.i32(), reader.i32()) else {
        return Peek::Short { found: head.len() };
    };
    match magic.cast_unsigned() {
        MAGIC_V1 => Peek::Message { len, version: MessageVersion::V1 },
        MAGIC_V2 => Peek::Message { len, version: MessageVersion::V2 },
        MAGIC_BLANK => Peek::Blank { len },
        0 if len == 0 => Peek::Zero,
        magic => Peek::Invalid { len, magic },
    }
}

/// Where a message comes from or was stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Host {
    /// Address.
    pub ip: IpAddr,
    /// Port as written.
    pub port: i32,
}

/// Part of a transaction that a message is (system flag & 0x0C).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TransactionType {
    /// No part of one, or the half message under its own topic.
    None,
    /// Prepared: no unit in a consume queue.
    Prepared,
    /// Committed.
    Commit,
    /// Rolled back: no unit in a consume queue, no entry in an index.
    Rollback,
}

/// The fields in front of a message's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageHeader {
    /// Length of the whole message in bytes.
    pub total_len: i32,
    /// Which of both magics it has.
    pub version: MessageVersion,
    /// CRC-32 of the body without its highest bit.
    pub body_crc: i32,
    /// Queue of the topic.
    pub queue_id: i32,
    /// The client's own flag.
    pub flag: i32,
    /// Ordinal in the queue; 0 for prepared and rolled back transactions.
    pub queue_offset: QueueOffset,
    /// Where the writer put this message; nobody checks it against the place where it is found.
    pub physical_offset: PhysicalOffset,
    /// System flag as written.
    pub sys_flag: i32,
    /// When the client made the message.
    pub born_timestamp: EpochMillis,
    /// Who sent it.
    pub born_host: Host,
    /// When the broker took it.
    pub store_timestamp: EpochMillis,
    /// Which broker took it.
    pub store_host: Host,
    /// How often consumers have sent it back.
    pub reconsume_times: i32,
    /// Where the prepared message of its transaction is.
    pub prepared_transaction_offset: PhysicalOffset,
    /// Length of the body as written; below 0 counts as 0.
    pub body_len: i32,
}

impl MessageHeader {
    /// Decodes a header from the first bytes of a message; [`MAX_HEADER_LEN`] of them are always enough.
    ///
    /// # Errors
    ///
    /// If the magic is no message's, the total length is negative, or the bytes end before the header does.
    pub fn decode(bytes: &[u8]) -> Result<Self, MessageError> {
        Self::read(&mut Reader::new(bytes))
    }

    /// Bytes from the message's start to its body.
    #[must_use]
    pub fn header_len(&self) -> usize {
        let hosts = [self.born_host, self.store_host];
        88 + hosts.iter().map(|host| if host.ip.is_ipv6() { 12 } else { 0 }).sum::<usize>()
    }

    /// Part of a transaction that the message is.
    #[must_use]
    pub fn transaction_type(&self) -> TransactionType {
        match self.sys_flag & TRANSACTION_TYPE {
            0 => TransactionType::None,
            4 => TransactionType::Prepared,
            8 => TransactionType::Commit,
            _ => TransactionType::Rollback,
        }
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, MessageError> {
        let mut fields = Fields { reader };
        let total_len = fields.i32("total length")?;
        let magic = fields.i32("magic")?.cast_unsigned();
        let version = match magic {
            MAGIC_V1 => MessageVersion::V1,
            MAGIC_V2 => MessageVersion::V2,
            found => return Err(MessageError::Magic { found }),
        };
        if total_len < 0 {
            return Err(MessageError::TotalLen { found: total_len });
        }
        let body_crc = fields.i32("body CRC")?;
        let queue_id = fields.i32("queue id")?;
        let flag = fields.i32("flag")?;
        let queue_offset = QueueOffset(fields.i64("queue offset")?);
        let physical_offset = PhysicalOffset(fields.i64("physical offset")?);
        let sys_flag = fields.i32("system flag")?;
        Ok(Self {
            total_len,
            version,
            body_crc,
            queue_id,
            flag,
            queue_offset,
            physical_offset,
            sys_flag,
            born_timestamp: EpochMillis(fields.i64("born timestamp")?),
            born_host: fields.host("born host", sys_flag & BORN_HOST_V6 != 0)?,
            store_timestamp: EpochMillis(fields.i64("store timestamp")?),
            store_host: fields.host("store host", sys_flag & STORE_HOST_V6 != 0)?,
            reconsume_times: fields.i32("reconsume times")?,
            prepared_transaction_offset: PhysicalOffset(fields.i64("prepared transaction offset")?),
            body_len: fields.i32("body length")?,
        })
    }
}

/// Reads fields by name, so that an error says which one the bytes were too short for.
struct Fields<'r, 'a> {
    reader: &'r mut Reader<'a>,
}

impl Fields<'_, '_> {
    #[inline]
    fn i32(&mut self, field: &'static str) -> Result<i32, MessageError> {
        self.reader.i32().ok_or_else(|| MessageError::short(self.reader, field, 4))
    }

    #[inline]
    fn i64(&mut self, field: &'static str) -> Result<i64, MessageError> {
        self.reader.i64().ok_or_else(|| MessageError::short(self.reader, field, 8))
    }

    #[inline]
    fn host(&mut self, field: &'static str, is_v6: bool) -> Result<Host, MessageError> {
        let before = self.reader.clone();
        let ip = if is_v6 {
            self.reader.array::<16>().map(IpAddr::from)
        } else {
            self.reader.array::<4>().map(IpAddr::from)
        };
        let needed = if is_v6 { 20 } else { 8 };
        let host = ip.zip(self.reader.i32()).map(|(ip, port)| Host { ip, port });
        host.ok_or_else(|| MessageError::short(&before, field, needed))
    }
}
