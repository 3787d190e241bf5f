//! Entries of DLedger's data files and units of its index files, big-endian.
//!
//! Head of an entry, 48 bytes; its body, one commitlog message, follows:
//!
//! | at | length | field |
//! |---|---|---|
//! | 0 | 4 | magic, 1 |
//! | 4 | 4 | size of the entry, head included |
//! | 8 | 8 | index |
//! | 16 | 8 | term |
//! | 24 | 8 | position of this head in the whole data |
//! | 32 | 4 | channel |
//! | 36 | 4 | chain CRC |
//! | 40 | 4 | body CRC, never checked |
//! | 44 | 4 | size of the body |
//!
//! A blank is -1, then the bytes left in the segment, then zeros to its end. Zeros mean that nothing was written.
//!
//! Unit of the index, 32 bytes, at index × 32:
//!
//! | at | length | field |
//! |---|---|---|
//! | 0 | 4 | magic of the entry |
//! | 4 | 8 | position of the entry |
//! | 12 | 4 | size of the entry |
//! | 16 | 8 | index |
//! | 24 | 8 | term |
//!
//! Upstream: `DLedgerEntryCoder`, `DLedgerMmapFileStore.recover`; libraries 0.3.1 to 0.3.2.

use super::bytes::Reader;
use crate::units::PhysicalOffset;

/// Length of an entry's head in bytes (upstream `DLedgerEntry.BODY_OFFSET`).
pub const LEDGER_HEADER_LEN: usize = 48;
/// Length of a unit of the index in bytes (upstream `INDEX_UNIT_SIZE`).
pub const LEDGER_INDEX_UNIT_LEN: usize = 32;
/// Magic of an entry.
pub const LEDGER_MAGIC: i32 = 1;
/// Magic of a blank (upstream `MmapFileList.BLANK_MAGIC_CODE`).
pub const LEDGER_BLANK_MAGIC: i32 = -1;

const HEADER_SIZE: i32 = 48;

/// Head of an entry as its bytes say, sane or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LedgerEntryHeader {
    /// Magic as written.
    pub magic: i32,
    /// Size of the entry, head included.
    pub size: i32,
    /// Index of the entry.
    pub index: i64,
    /// Term in which it was written.
    pub term: i64,
    /// Where the writer put this head.
    pub position: PhysicalOffset,
    /// Channel, unused.
    pub channel: i32,
    /// Chain CRC, unused.
    pub chain_crc: i32,
    /// Body CRC; recovery does not look at it.
    pub body_crc: i32,
    /// Size of the body.
    pub body_size: i32,
}

/// What starts at one position of a data file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LedgerFrame {
    /// An entry's head, sane or not.
    Entry(LedgerEntryHeader),
    /// The filler of a segment's end; upstream looks at its magic alone.
    Blank {
        /// Bytes left in the segment as written.
        len: i32,
    },
    /// Size 0, whatever the magic: the end of the data.
    End,
    /// Fewer bytes than a head has.
    Short {
        /// How many there are.
        found: usize,
    },
}

impl LedgerFrame {
    /// Tells what starts at the first byte of `bytes`, of which 48 are looked at, in the order in which upstream does.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Self {
        let mut reader = Reader::new(bytes);
        match (reader.i32(), reader.i32()) {
            (Some(LEDGER_BLANK_MAGIC), len) => Self::Blank { len: len.unwrap_or_default() },
            (Some(_), Some(0)) => Self::End,
            _ => match bytes.first_chunk::<LEDGER_HEADER_LEN>() {
                Some(head) => Self::Entry(LedgerEntryHeader::decode(head)),
                None => Self::Short { found: bytes.len() },
            },
        }
    }
}

impl LedgerEntryHeader {
    /// Decodes one head.
    #[must_use]
    pub fn decode(bytes: &[u8; LEDGER_HEADER_LEN]) -> Self {
        let mut reader = Reader::new(bytes);
        Self {
            magic: reader.i32().unwrap_or_default(),
            size: reader.i32().unwrap_or_default(),
            index: reader.i64().unwrap_or_default(),
            term: reader.i64().unwrap_or_default(),
            position: PhysicalOffset(reader.i64().unwrap_or_default()),
            channel: reader.i32().unwrap_or_default(),
            chain_crc: reader.i32().unwrap_or_default(),
            body_crc: reader.i32().unwrap_or_default(),
            body_size: reader.i32().unwrap_or_default(),
        }
    }

    /// Whether recovery takes it for an entry at `position`, its neighbours aside: magic, both sizes and position fit.
    /// Whether the entry's end is still inside the segment is the caller's to check.
    #[must_use]
    pub fn is_sane_at(&self, position: PhysicalOffset) -> bool {
        self.magic == LEDGER_MAGIC
            && self.size > HEADER_SIZE
            && self.position == position
            && self.body_size.checked_add(HEADER_SIZE) == Some(self.size)
    }

    /// Whether recovery takes it for the successor of `previous`: the next index, and no smaller term.
    #[must_use]
    pub fn follows(&self, previous: &Self) -> bool {
        previous.index.checked_add(1) == Some(self.index) && self.term >= previous.term
    }

    /// Where the entry's message starts; what units of consume queues point at.
    #[must_use]
    pub fn body_position(&self) -> PhysicalOffset {
        PhysicalOffset(self.position.0.saturating_add(i64::from(HEADER_SIZE)))
    }
}

/// A unit of the index as its bytes say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LedgerIndexUnit {
    /// Magic of the entry.
    pub magic: i32,
    /// Position of the entry's head.
    pub position: PhysicalOffset,
    /// Size of the entry, head included.
    pub size: i32,
    /// Index of the entry.
    pub index: i64,
    /// Term of the entry.
    pub term: i64,
}

impl LedgerIndexUnit {
    /// Decodes one unit.
    #[must_use]
    pub fn decode(bytes: &[u8; LEDGER_INDEX_UNIT_LEN]) -> Self {
        let mut reader = Reader::new(bytes);
        Self {
            magic: reader.i32().unwrap_or_default(),
            position: PhysicalOffset(reader.i64().unwrap_or_default()),
            size: reader.i32().unwrap_or_default(),
            index: reader.i64().unwrap_or_default(),
            term: reader.i64().unwrap_or_default(),
        }
    }

    /// Whether the unit is about an entry with this head found at `position`; recovery rebuilds the index from the first
    /// one that is not.
    #[must_use]
    pub fn matches(&self, entry: &LedgerEntryHeader, position: PhysicalOffset) -> bool {
        self.magic == entry.magic
            && self.position == position
            && self.size == entry.size
            && self.index == entry.index
            && self.term == entry.term
    }

    /// Exclusive end of the entry in the data: what upstream takes for the committed position at this index.
    #[must_use]
    pub fn end(&self) -> PhysicalOffset {
        PhysicalOffset(self.position.0.saturating_add(i64::from(self.size)))
    }
}
