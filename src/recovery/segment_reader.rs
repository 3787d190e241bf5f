//! The bytes of one segment from a position to the segment's end, read piece by piece.

use super::disk::{Disk, RecoveryError};
use super::file_list::ListedFile;
use super::parse::{Checks, Parsed, Parser};
use crate::format::ledger_entry::LEDGER_HEADER_LEN;
use crate::store::source::StoreFile;

/// Bytes read at one go.
const WINDOW: usize = 1 << 20;
/// More bytes than the parts of a message can take beyond three times its length.
const SLACK: usize = 512;

/// Reads forward through one segment.
#[derive(Debug)]
pub struct SegmentReader<'d> {
    disk: &'d Disk,
    file: Option<StoreFile>,
    listed: &'d ListedFile,
    len: usize,
    start: usize,
    window: Vec<u8>,
}

/// How records stand in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Records {
    /// Messages.
    Messages,
    /// DLedger entries, or messages of the log before it.
    Entries,
}

impl<'d> SegmentReader<'d> {
    /// Opens a segment of `len` bytes.
    ///
    /// # Errors
    /// As [`Disk::open`].
    pub fn open(disk: &'d Disk, listed: &'d ListedFile, len: i64) -> Result<Self, RecoveryError> {
        let file = if listed.is_on_disk() { disk.open(&listed.path)? } else { None };
        let len = usize::try_from(len).unwrap_or(0);
        Ok(Self { disk, file, listed, len, start: 0, window: Vec::new() })
    }

    /// Bytes from `at` on, at least `want` of them unless the segment ends before.
    fn from(&mut self, at: usize, want: usize) -> Result<&[u8], RecoveryError> {
        let end = at.saturating_add(want).min(self.len);
        if at < self.start || end > self.start + self.window.len() {
            let len = (end.saturating_sub(at)).max(WINDOW).min(self.len.saturating_sub(at));
            self.start = at;
            self.window = match &self.file {
                Some(file) => {
                    let from = u64::try_from(at).unwrap_or(u64::MAX);
                    self.disk.bytes_of(file, &self.listed.path, from, len)?
                }
                None => Vec::new(),
            };
            self.window.resize(len, 0);
        }
        Ok(self.window.get(at - self.start..).unwrap_or_default())
    }

    /// Parses what stands at `at`, as if the segment ended at `limit`.
    ///
    /// # Errors
    /// As [`Disk::bytes`].
    pub fn parse(
        &mut self,
        parser: &Parser<'_>,
        records: Records,
        checks: Checks,
        at: i64,
        limit: i64,
    ) -> Result<Parsed, RecoveryError> {
        let at = usize::try_from(at).unwrap_or(usize::MAX);
        let rest = usize::try_from(limit).unwrap_or(0).min(self.len).saturating_sub(at);
        let head = self.from(at.min(self.len), 64)?;
        let claimed = |from: usize| {
            let total =
                head.get(from..).and_then(|bytes| bytes.first_chunk::<4>()).map(|b| i32::from_be_bytes(*b));
            usize::try_from(total.unwrap_or(0)).unwrap_or(0)
        };
        let total = match records {
            Records::Messages => claimed(0),
            Records::Entries => claimed(0).max(claimed(LEDGER_HEADER_LEN)),
        };
        // What is not read reads as missing; nothing looks beyond three times the length.
        let want = total.saturating_mul(3).saturating_add(SLACK).min(rest);
        let bytes = self.from(at.min(self.len), want)?;
        let bytes = bytes.get(..rest.min(bytes.len())).unwrap_or_default();
        Ok(match records {
            Records::Messages => parser.message(bytes, checks, rest),
            Records::Entries => parser.entry(bytes, checks, rest),
        })
    }
}
