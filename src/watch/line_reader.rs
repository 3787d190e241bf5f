//! Cuts the bytes of one file into lines, within a fixed amount of memory.
//!
//! A line counts when its line end is there. Of a line longer than [`KEPT_LEN`] the begin is kept and the rest skipped.

use super::FollowError;
use super::source::Source;

/// Bytes of a line that are kept.
pub const KEPT_LEN: usize = 64 * 1024;
const BUFFER_LEN: usize = 4 * KEPT_LEN;

/// Reads lines from one position of one file on.
#[derive(Debug)]
pub(super) struct LineReader {
    buf: Vec<u8>,
    /// Bytes of an unfinished line at the front of the buffer.
    have: usize,
    /// The line at the front is longer than what is kept of it.
    skipping: bool,
    /// Position of the first byte of the line that is not finished.
    line_at: u64,
    /// Position of the next byte to read.
    read_at: u64,
}

/// How far a reader came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pumped {
    pub(super) bytes: u64,
    pub(super) at_end: bool,
}

impl LineReader {
    pub(super) fn new(line_at: u64) -> Self {
        Self { buf: Vec::new(), have: 0, skipping: false, line_at, read_at: line_at }
    }

    /// Position of the begin of the line that comes next; always the begin of a line.
    pub(super) fn line_at(&self) -> u64 {
        self.line_at
    }

    /// Position up to which bytes have been read.
    pub(super) fn read_at(&self) -> u64 {
        self.read_at
    }

    /// Hands complete lines, without their line ends and with their positions, to `sink` until the file's end, or until
    /// `budget` bytes have been read.
    pub(super) fn pump<F: FnMut(u64, &[u8])>(
        &mut self,
        source: &mut Source,
        budget: u64,
        mut sink: F,
    ) -> Result<Pumped, FollowError> {
        self.buf.resize(BUFFER_LEN, 0);
        let mut bytes = 0;
        while bytes < budget {
            let (have, left) = (self.have, budget - bytes);
            let room = self.buf.get_mut(have..).unwrap_or_default();
            let len = usize::try_from(left).map_or(room.len(), |left| left.min(room.len()));
            let room = room.get_mut(..len).unwrap_or_default();
            let Some(n) = source.read_at(room, self.read_at, left)? else {
                return Ok(Pumped { bytes: budget, at_end: false });
            };
            if n == 0 {
                return Ok(Pumped { bytes, at_end: true });
            }
            let len = u64::try_from(n).unwrap_or(0);
            bytes += len;
            self.cut(n, &mut sink);
            self.read_at += len;
        }
        Ok(Pumped { bytes, at_end: false })
    }

    /// Takes the lines out of the buffer, into which `n` bytes have just been read behind those of the unfinished line.
    fn cut<F: FnMut(u64, &[u8])>(&mut self, n: usize, sink: &mut F) {
        let (new, end) = (self.have, self.have + n);
        let mut start = 0;
        for found in memchr::memchr_iter(b'\n', &self.buf[new..end]) {
            let line_end = new + found;
            // While skipping, the front of the buffer is all that is left of the line.
            let line = if self.skipping { &self.buf[..new] } else { &self.buf[start..line_end] };
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            sink(self.line_at, line.get(..KEPT_LEN).unwrap_or(line));
            self.skipping = false;
            start = line_end + 1;
            self.line_at = self.read_at + u64::try_from(found + 1).unwrap_or(0);
        }
        if self.skipping {
            return;
        }
        self.buf.copy_within(start..end, 0);
        self.have = end - start;
        if self.have > KEPT_LEN {
            self.have = KEPT_LEN;
            self.skipping = true;
        }
    }
}
