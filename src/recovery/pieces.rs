//! The records of a segment from a position on, parsed piece by piece ahead of whoever takes them.
//!
//! Where a piece begins nobody knows which byte begins a record. Workers guess it: the first magic that stands in its place in
//! a message whose own offset says so. The records of a piece are taken only if they begin exactly where those before
//! ended; otherwise the piece is parsed again from there. So no answer rests on a guess, and at most a few pieces are in
//! memory.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::thread;

use memchr::memmem;

use super::disk::{Disk, RecoveryError};
use super::file_list::{ListedFile, OpenListed};
use super::on_cores::threads;
use super::parse::{Checks, Failure, Parsed, Parser, Request, filler_len};
use super::record::{Namer, Names, Record};
use super::strides::{STRIDE, Strides};
use crate::format::ledger_entry::{LEDGER_HEADER_LEN, LEDGER_MAGIC};
use crate::format::message::{MAGIC_V1, MAGIC_V2, Peek, peek};

/// Bytes of a piece: it fits into the second level cache of a core, and is worth waking a thread for.
const PIECE: usize = 1024 << 10;
/// Bytes read beyond a record's first, so that it is mostly whole.
const BEYOND: usize = 4 << 10;
/// The longest record that is parsed ahead.
const LONGEST: usize = 8 << 20;

/// How records stand in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Records {
    /// Messages.
    Messages,
    /// DLedger entries, or messages of the log before it.
    Entries,
}

/// What stands at a position.
#[derive(Debug)]
pub enum Met<'m> {
    /// A message, and its bytes.
    Message(&'m Record, &'m [u8]),
    /// The rest of the segment is filler.
    Blank {
        /// Whether its length says so too; else it may be a damaged message.
        reaches_end: bool,
    },
    /// Nothing that recovery goes beyond.
    Fail(Failure),
}

/// Where to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Go {
    /// Behind the message; nowhere, if it was none.
    On,
    /// At this position in the segment.
    To(i64),
    /// Nowhere.
    Stop,
}

/// How a log is read.
#[derive(Debug, Clone, Copy)]
pub struct Reading<'r> {
    /// The store.
    pub disk: &'r Disk,
    /// How messages are parsed.
    pub parser: &'r Parser<'r>,
    /// Numbers of the queues.
    pub names: &'r Names,
    /// How records stand in it.
    pub records: Records,
    /// What is checked.
    pub checks: Checks,
    /// Bytes of a piece.
    piece: usize,
}

#[derive(Debug, Default)]
struct Piece {
    number: usize,
    strides: Strides,
    bytes_at: usize,
    /// Where the first record begins.
    first: usize,
    records: Vec<Record>,
    /// Where the last record ends.
    end: usize,
    failed: Option<RecoveryError>,
}

impl<'r> Reading<'r> {
    /// Reads with the usual length of pieces.
    #[must_use]
    pub fn new(
        disk: &'r Disk,
        parser: &'r Parser<'r>,
        names: &'r Names,
        records: Records,
        checks: Checks,
    ) -> Self {
        Self { disk, parser, names, records, checks, piece: PIECE }
    }

    /// All that dispatch needs of a message that was met.
    #[must_use]
    pub fn request<'b>(&self, bytes: &'b [u8]) -> Option<Request<'b>> {
        match self.parse(bytes, Checks { crc: false, dup_info: false }, bytes.len()) {
            Parsed::Message(request) => Some(request),
            _ => None,
        }
    }

    /// What stands at one position, as if the segment ended at `len`.
    ///
    /// # Errors
    /// As [`Disk::bytes`].
    pub fn one<T>(
        &self,
        file: &ListedFile,
        at: i64,
        len: i64,
        each: impl FnOnce(Parsed<'_>) -> T,
    ) -> Result<T, RecoveryError> {
        let mut bytes = Vec::new();
        let (at, len) = (usize::try_from(at).unwrap_or(usize::MAX), usize::try_from(len).unwrap_or(0));
        let rest = self.whole(&file.open(self.disk)?, at, len, &mut bytes)?;
        Ok(each(self.parse(&bytes, self.checks, rest)))
    }

    fn parse<'b>(&self, bytes: &'b [u8], checks: Checks, rest: usize) -> Parsed<'b> {
        match self.records {
            Records::Messages => self.parser.message(bytes, checks, rest),
            Records::Entries => self.parser.entry(bytes, checks, rest),
        }
    }

    /// Length that a record claims, the head of its entry included; 0 where none begins, as nobody looks at more than its magic.
    fn claimed(&self, bytes: &[u8]) -> usize {
        let at = |from: usize| match peek(bytes.get(from..).unwrap_or_default()) {
            Peek::Message { len, .. } => usize::try_from(len).unwrap_or(0),
            _ => 0,
        };
        match self.records {
            Records::Messages => at(0),
            Records::Entries => at(0).max(at(LEDGER_HEADER_LEN).saturating_add(LEDGER_HEADER_LEN)),
        }
    }

    /// All bytes that what stands at `at` may be told by; says how many there are up to the segment's end.
    fn whole(
        &self,
        file: &OpenListed<'_>,
        at: usize,
        limit: usize,
        bytes: &mut Vec<u8>,
    ) -> Result<usize, RecoveryError> {
        let rest = limit.saturating_sub(at);
        let from = i64::try_from(at).unwrap_or(i64::MAX);
        bytes.resize(64.min(rest), 0);
        file.read(self.disk, from, bytes)?;
        // What is not read reads as missing.
        let want = self.parser.reach(self.claimed(bytes)).min(rest);
        bytes.resize(want, 0);
        file.read(self.disk, from, bytes)?;
        Ok(rest)
    }

    /// Gives `each` what stands in `range` of a segment, record after record, as if the segment ended with the range.
    ///
    /// # Errors
    /// As [`Disk::bytes`], and what `each` said.
    pub fn segment(
        &self,
        file: &ListedFile,
        range: Range<i64>,
        each: impl FnMut(i64, Met<'_>) -> Result<Go, RecoveryError>,
    ) -> Result<(), RecoveryError> {
        let place = |at: i64| usize::try_from(at).unwrap_or(0);
        let (from, limit) = (place(range.start), place(range.end));
        let open = file.open(self.disk)?;
        let workers = if limit.saturating_sub(from) > 2 * self.piece { threads() } else { 1 };
        if workers < 2 {
            return self.take(&open, from, limit, None, each);
        }
        let next = AtomicUsize::new(0);
        // The memory comes before the number, so that the lowest number always has some.
        let parse = |namer: &mut Namer<'_>, mut piece: Piece| {
            piece.number = next.fetch_add(1, Ordering::Relaxed);
            let at = from.saturating_add(piece.number.saturating_mul(self.piece));
            let until = at.saturating_add(self.piece).min(limit);
            let is_known = piece.number == 0;
            (at < limit).then(|| {
                piece.failed = self.fill(&open, namer, &mut piece, at..until, limit, is_known).err();
                piece
            })
        };
        let (free, to_fill) = channel();
        let (filled, done) = channel();
        let to_fill = Mutex::new(to_fill);
        let free_one = || to_fill.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let work = |filled: Sender<Piece>| {
            let mut namer = Namer::new(self.names);
            while let Ok(Some(piece)) = free_one().map(|piece| parse(&mut namer, piece)) {
                if filled.send(piece).is_err() {
                    return;
                }
            }
        };
        thread::scope(|scope| {
            for _ in 1..workers {
                let (filled, work) = (filled.clone(), &work);
                let _ = thread::Builder::new().spawn_scoped(scope, move || work(filled));
            }
            drop(filled);
            for _ in 0..3 * workers {
                let _ = free.send(Piece::default());
            }
            let help = |namer: &mut Namer<'_>| {
                let piece = to_fill.try_lock().ok()?.try_recv().ok()?;
                parse(namer, piece)
            };
            let ahead = Ahead { done, free, waiting: Vec::new(), next: 0, help: &help };
            self.take(&open, from, limit, Some(ahead), each)
        })
    }

    /// Parses the records that begin in `range`.
    fn fill(
        &self,
        open: &OpenListed<'_>,
        namer: &mut Namer<'_>,
        piece: &mut Piece,
        range: Range<usize>,
        limit: usize,
        is_known: bool,
    ) -> Result<(), RecoveryError> {
        let (from, len, most) = (range.start, range.len(), limit - range.start);
        piece.records.clear();
        piece.strides.clear();
        (piece.bytes_at, piece.first, piece.end) = (from, range.end, range.end);
        let base = open.base().saturating_add(i64::try_from(from).unwrap_or(i64::MAX));
        let read = |at: usize, into: &mut [u8]| {
            open.read_ahead(self.disk, i64::try_from(from + at).unwrap_or(i64::MAX), into)
        };
        let mut at = 0;
        if !is_known {
            let mut first = self.first_record(piece.strides.read_to(STRIDE.min(most), most, read)?, base);
            if first.is_none() {
                let front = len.saturating_add(64).min(most);
                first = self.first_record(&piece.strides.read_to(front, most, read)?[..front], base);
            }
            match first {
                Some(first) if first < len => at = first,
                _ => return Ok(()),
            }
        }
        piece.first = from + at;
        while at < len {
            let rest = most - at;
            let mut bytes = &piece.strides.read_to(at + BEYOND.min(rest), most, read)?[at..];
            let need = self.claimed(bytes).max(2 * LEDGER_HEADER_LEN).min(rest);
            if need > bytes.len() {
                if need > LONGEST {
                    break;
                }
                bytes = &piece.strides.read_to(at + need, most, read)?[at..];
            }
            let Parsed::Message(request) = self.parse(bytes, self.checks, rest) else { break };
            let Ok(size @ 1..) = usize::try_from(request.byte_len()) else { break };
            piece.records.push(Record::of(&request, namer.number(request.raw_topic, request.queue_id)));
            at += size;
        }
        piece.end = from + at;
        Ok(())
    }

    /// The first place in `bytes`, which begin at `base` of the log, where a record seems to begin.
    fn first_record(&self, bytes: &[u8], base: i64) -> Option<usize> {
        let [magic @ .., _] = MAGIC_V1.to_be_bytes();
        memmem::find_iter(bytes, &magic).find_map(|found| {
            let message = found.checked_sub(4)?;
            let head = bytes.get(message..)?.first_chunk::<36>()?;
            let (_, magic) = head.get(..8)?.split_last_chunk::<4>()?;
            let (_, physical) = head.split_last_chunk::<8>()?;
            let is_in_place =
                i64::from_be_bytes(*physical) == base.saturating_add(i64::try_from(message).ok()?);
            if !is_in_place || ![MAGIC_V1, MAGIC_V2].contains(&u32::from_be_bytes(*magic)) {
                return None;
            }
            match self.records {
                Records::Messages => Some(message),
                Records::Entries => {
                    let entry = message.checked_sub(LEDGER_HEADER_LEN)?;
                    let is_entry = bytes.get(entry..)?.starts_with(&LEDGER_MAGIC.to_be_bytes());
                    Some(if is_entry { entry } else { message })
                }
            }
        })
    }

    fn take(
        &self,
        open: &OpenListed<'_>,
        from: usize,
        limit: usize,
        mut ahead: Option<Ahead<'_>>,
        mut each: impl FnMut(i64, Met<'_>) -> Result<Go, RecoveryError>,
    ) -> Result<(), RecoveryError> {
        let (mut namer, mut spare) = (Namer::new(self.names), Piece::default());
        let mut at = from;
        while at < limit {
            let number = at.saturating_sub(from) / self.piece;
            let until = from.saturating_add((number + 1).saturating_mul(self.piece)).min(limit);
            let parsed = ahead.as_mut().and_then(|ahead| ahead.take(number, &mut namer));
            let is_ahead = parsed.is_some();
            let mut piece = parsed.unwrap_or_else(|| std::mem::take(&mut spare));
            if let Some(failed) = piece.failed.take() {
                return Err(failed);
            }
            if !is_ahead || piece.first != at {
                self.fill(open, &mut namer, &mut piece, at..until, limit, true)?;
            }
            self.disk.count(piece.strides.bytes().len())?;
            let mut go = Go::On;
            for record in &piece.records {
                let size = usize::try_from(record.byte_len()).unwrap_or(0);
                let begin = at - piece.bytes_at;
                let bytes = piece.strides.bytes().get(begin..begin + size).unwrap_or_default();
                go = each(i64::try_from(at).unwrap_or(i64::MAX), Met::Message(record, bytes))?;
                if go != Go::On {
                    break;
                }
                at += size;
            }
            if go == Go::On && at < until {
                go = self.unusual(open, &mut namer, at, limit, &mut each)?;
            }
            match go {
                Go::On => {}
                Go::To(to) => at = usize::try_from(to).unwrap_or(usize::MAX).max(at + 1),
                Go::Stop => return Ok(()),
            }
            match &ahead {
                Some(ahead) if is_ahead => drop(ahead.free.send(piece)),
                _ => spare = piece,
            }
        }
        Ok(())
    }

    /// What stands where parsing ahead came to an end.
    fn unusual(
        &self,
        open: &OpenListed<'_>,
        namer: &mut Namer<'_>,
        at: usize,
        limit: usize,
        each: &mut impl FnMut(i64, Met<'_>) -> Result<Go, RecoveryError>,
    ) -> Result<Go, RecoveryError> {
        let mut bytes = Vec::new();
        let rest = self.whole(open, at, limit, &mut bytes)?;
        let place = i64::try_from(at).unwrap_or(i64::MAX);
        let go = match self.parse(&bytes, self.checks, rest) {
            Parsed::Message(request) => {
                let record = Record::of(&request, namer.number(request.raw_topic, request.queue_id));
                let size = usize::try_from(record.byte_len()).unwrap_or(0);
                return Ok(
                    match each(place, Met::Message(&record, bytes.get(..size).unwrap_or_default()))? {
                        Go::On => Go::To(place.saturating_add(record.byte_len())),
                        go => go,
                    },
                );
            }
            Parsed::Blank => each(place, Met::Blank { reaches_end: filler_len(&bytes) == Some(rest) })?,
            Parsed::Fail(failure) => each(place, Met::Fail(failure))?,
        };
        Ok(if go == Go::On { Go::Stop } else { go })
    }
}

/// Pieces that others parse too.
struct Ahead<'h> {
    done: Receiver<Piece>,
    free: Sender<Piece>,
    waiting: Vec<Piece>,
    /// The lowest number that was not taken.
    next: usize,
    /// Parses one that nobody does yet.
    help: &'h dyn Fn(&mut Namer<'_>) -> Option<Piece>,
}

impl Ahead<'_> {
    /// The piece with this number; `None` if it was taken before, or nobody makes it.
    fn take(&mut self, number: usize, namer: &mut Namer<'_>) -> Option<Piece> {
        if number < self.next {
            return None;
        }
        self.next = number + 1;
        loop {
            self.waiting.extend(self.done.try_iter());
            while let Some(passed) = self.waiting.iter().position(|piece| piece.number < number) {
                let _ = self.free.send(self.waiting.swap_remove(passed));
            }
            if let Some(found) = self.waiting.iter().position(|piece| piece.number == number) {
                return Some(self.waiting.swap_remove(found));
            }
            let piece = (self.help)(namer).or_else(|| self.done.recv().ok())?;
            self.waiting.push(piece);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::BrokerConf;
    use crate::demo::{Capture, Stage};
    use crate::recovery::dropped::next_magic;
    use crate::recovery::file_list::FileList;
    use crate::recovery::file_loading::Loader;
    use crate::recovery::release::Rules;

    /// What is met in a segment, damage stepped over; with pieces of this length.
    fn met(list: &FileList, from: i64, piece: usize) -> Vec<String> {
        let (disk, names) = (Disk::default(), Names::default());
        let (rules, conf) = (Rules::of((5, 3, 3)).unwrap(), BrokerConf::default());
        let parser = Parser::new(&rules, &conf, false);
        let checks = Checks { crc: true, dup_info: false };
        let reading = Reading { piece, ..Reading::new(&disk, &parser, &names, Records::Entries, checks) };
        let mut met = Vec::new();
        let file = &list.files[0];
        let each = |at: i64, what: Met<'_>| match what {
            Met::Message(record, bytes) => {
                assert_eq!(i64::try_from(bytes.len()).unwrap(), record.byte_len());
                let name = names.get(record.name);
                met.push(format!("{at} {name:?} {} {:?}", record.physical, record.size));
                Ok(Go::On)
            }
            Met::Blank { .. } => {
                met.push(format!("{at} blank"));
                Ok(Go::Stop)
            }
            Met::Fail(failure) => {
                met.push(format!("{at} {failure:?}"));
                let next = next_magic(&disk, list, file, Records::Entries, at + 1)?;
                Ok(next.map_or(Go::Stop, Go::To))
            }
        };
        reading.segment(file, from..list.file_len, each).unwrap();
        met
    }

    #[test]
    fn what_is_met_does_not_depend_on_how_the_segment_is_cut() {
        let capture = Capture::embedded().unwrap();
        let stage = capture.manifest().stage(Stage::Killed);
        let log = stage.files.iter().find(|file| file.path.contains("/data/")).unwrap();
        let whole = capture.content(&log.from).to_vec();
        let mut random = 0x2545_F491_4F6C_DD1D_u64;
        let mut below = |limit: usize| {
            random = (random ^ (random << 13)) ^ ((random ^ (random << 13)) >> 7);
            random ^= random << 17;
            usize::try_from(random % u64::try_from(limit).unwrap()).unwrap()
        };
        for damages in [0, 1, 3, 40] {
            let mut bytes = whole.clone();
            for _ in 0..damages {
                let at = below(bytes.len() - 64);
                match below(3) {
                    0 => bytes[at] ^= 0x41,
                    1 => bytes[at..at + 64].fill(0),
                    // A record inside another one, which a guess may take for the first of its piece.
                    _ => bytes.copy_within(..600.min(whole.len() - at), at),
                }
            }
            let dir = tempfile::tempdir().unwrap();
            std::fs::write(dir.path().join(format!("{:020}", 0)), &bytes).unwrap();
            let len = i64::try_from(bytes.len()).unwrap();
            let dirs = [dir.path().to_owned()];
            let list = FileList::load(&Disk::default(), &dirs, len, Loader::Ledger).unwrap().unwrap();
            let plain = met(&list, 0, usize::MAX / 4);
            assert!(plain.len() > 1_900, "{}", plain.len());
            for piece in [700, 4_096, 65_536] {
                assert_eq!(met(&list, 0, piece), plain, "{damages} damages, pieces of {piece}");
            }
        }
    }
}
