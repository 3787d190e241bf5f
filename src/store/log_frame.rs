//! One record of the log at a given position, plain or DLedger.
//!
//! In DLedger mode a record is an entry (48 bytes of head and one message as its body), and its position is that of the head,
//! while consume queues point at the message behind it.
//!
//! Upstream: `CommitLog.checkMessageAndReturnSize`, `DLedgerMmapFileStore.recover`, releases 4.9.4 to 5.5.1. Bodies are not
//! read here; a body torn inside shows only to recovery.

use std::io;

use super::layout::LogKind;
use super::source::ByteSource;
use crate::format::ledger_entry::{LEDGER_HEADER_LEN, LedgerFrame};
use crate::format::message::{MAX_HEADER_LEN, MessageHeader, PEEK_LEN, Peek, TransactionType, peek};
use crate::units::{EpochMillis, PhysicalOffset};

/// What stands at one position of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFrame {
    /// A record that fits its place.
    Record(Record),
    /// The rest of the segment is filler.
    Blank,
    /// Zeros, or the end of the file: nothing was written here.
    End,
    /// Something else: torn, stale or damaged.
    Bad,
}

/// A record of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record {
    /// Length in bytes, the DLedger head included.
    pub len: u64,
    /// When the broker stored the message.
    pub stored_at: EpochMillis,
    /// Whether dispatch gives it a unit in a consume queue; prepared and rolled back transactions get none.
    pub has_unit: bool,
    /// Index of the entry, in DLedger mode.
    pub ledger_index: Option<i64>,
}

impl LogFrame {
    /// Reads what stands `at` bytes into a segment of `segment_len` bytes that begins at `base`.
    ///
    /// # Errors
    /// What the system said.
    pub fn read<S: ByteSource>(
        kind: LogKind,
        source: &S,
        base: u64,
        segment_len: u64,
        at: u64,
    ) -> io::Result<Self> {
        let mut bytes = [0; LEDGER_HEADER_LEN + MAX_HEADER_LEN];
        let read = source.read_at(at, &mut bytes)?;
        let bytes = &bytes[..read];
        let rest = segment_len.saturating_sub(at);
        let Ok(position) = i64::try_from(base.saturating_add(at)).map(PhysicalOffset) else {
            return Ok(Self::Bad);
        };
        Ok(match kind {
            LogKind::DLedger => Self::ledger(bytes, position, rest),
            LogKind::Plain | LogKind::Controller => Self::message(bytes, position, rest),
        })
    }

    fn message(bytes: &[u8], position: PhysicalOffset, rest: u64) -> Self {
        match peek(bytes) {
            Peek::Zero => Self::End,
            Peek::Short { .. } if rest < u64::try_from(PEEK_LEN).unwrap_or_default() => Self::Blank,
            Peek::Short { .. } | Peek::Invalid { .. } => Self::Bad,
            Peek::Blank { .. } => Self::Blank,
            Peek::Message { .. } => match MessageHeader::decode(bytes) {
                Ok(header) if header.physical_offset == position => Self::record(&header, 0, rest, None),
                _ => Self::Bad,
            },
        }
    }

    fn ledger(bytes: &[u8], position: PhysicalOffset, rest: u64) -> Self {
        match LedgerFrame::decode(bytes) {
            LedgerFrame::Blank { .. } => Self::Blank,
            LedgerFrame::End => Self::End,
            LedgerFrame::Short { found: 0 } => Self::End,
            LedgerFrame::Entry(entry) if entry.is_sane_at(position) => {
                let body = bytes.get(LEDGER_HEADER_LEN..).unwrap_or_default();
                match MessageHeader::decode(body) {
                    Ok(header) if header.total_len == entry.body_size => {
                        Self::record(&header, LEDGER_HEADER_LEN, rest, Some(entry.index))
                    }
                    _ => Self::Bad,
                }
            }
            LedgerFrame::Short { .. } | LedgerFrame::Entry(_) => Self::Bad,
        }
    }

    fn record(header: &MessageHeader, head_len: usize, rest: u64, ledger_index: Option<i64>) -> Self {
        let len =
            u64::try_from(header.total_len).unwrap_or_default() + u64::try_from(head_len).unwrap_or_default();
        if header.total_len <= 0 || len > rest {
            return Self::Bad;
        }
        Self::Record(Record {
            len,
            stored_at: header.store_timestamp,
            has_unit: matches!(header.transaction_type(), TransactionType::None | TransactionType::Commit),
            ledger_index,
        })
    }
}
