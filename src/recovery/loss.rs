//! Messages that should have a unit and will have none (R13).
//!
//! A part of the log and the units that point into it are compared queue by queue, each side held as a [`Tally`]: where they are
//! the same, nothing is missing, and neither side is kept. Only where they differ messages are looked up one by one. What a walk
//! has read is not read again for it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Range;

use super::any_queue::AnyQueue;
use super::disk::{Disk, RecoveryError};
use super::dropped::{next_magic, within_or_behind};
use super::file_list::{FileList, ListedFile};
use super::memory::{LastMessage, PartMark, Within};
use super::parse::{Checks, ENTRY_HEAD, Parser};
use super::pieces::{Go, Met, Reading, Records};
use super::queue_table::QueueTable;
use super::record::{Names, Record};
use super::replay::{Walk, slot_of};
use super::tally::{Pointed, Tally};
use crate::format::cq_unit::PRE_BLANK_SIZE;

/// What is missing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Loss {
    /// Messages that should have a unit.
    pub messages: u64,
    /// Those without, by queue.
    pub missing: BTreeMap<(String, i32), u64>,
}

/// What messages are looked up in.
#[derive(Debug)]
pub struct Search<'s, 'a> {
    /// The store.
    pub disk: &'s Disk,
    /// How messages are read.
    pub parser: &'s Parser<'s>,
    /// The queues as they will be.
    pub queues: &'s QueueTable<'a>,
    /// The walk, and what it met.
    pub walk: &'s Walk,
    /// Where the queues are cut.
    pub cut: Option<i64>,
    /// What the files of each queue point at, where that has been read.
    pub pointed: HashMap<(usize, usize), Pointed>,
}

impl Loss {
    /// All that is missing.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.missing.values().sum()
    }
}

impl Search<'_, '_> {
    /// Goes through the messages of `span` in all logs.
    ///
    /// # Errors
    /// As [`Disk::bytes`].
    pub fn find(&mut self, logs: &[(&FileList, Records)], span: &Range<i64>) -> Result<Loss, RecoveryError> {
        let mut loss = Loss::default();
        for (list, records) in logs {
            let covered = self.covered(list, *records, span);
            if let Some(covered) = &covered {
                let starts = &self.walk.starts;
                self.compare(list, *records, covered, &self.walk.names, starts, &mut loss)?;
            }
            for file in &list.files {
                let (from, to) =
                    (file.base.max(span.start), file.base.saturating_add(list.file_len).min(span.end));
                // The walk begins with a segment: what it has not read of one is the rest.
                let from = covered
                    .as_ref()
                    .filter(|covered| covered.contains(&from))
                    .map_or(from, |covered| covered.end);
                if from >= to {
                    continue;
                }
                let range = from..to;
                let part = self.part(list, *records, file, &range)?;
                self.compare(list, *records, &range, &part.names, &part.starts, &mut loss)?;
            }
        }
        Ok(loss)
    }

    /// The part of this log that was walked, if nothing stands against taking the walk's word for it.
    fn covered(&self, list: &FileList, records: Records, span: &Range<i64>) -> Option<Range<i64>> {
        let range = self.walk.range.clone().filter(|range| !range.is_empty())?;
        let is_its_log = self.walk.records == Some(records) && list.find(range.start, false).is_some();
        (is_its_log && span.start <= range.start && range.end <= span.end).then_some(range)
    }

    /// Compares the messages of one part of the log, whose starts are known by queue, with the units.
    fn compare(
        &mut self,
        list: &FileList,
        records: Records,
        range: &Range<i64>,
        names: &Names,
        starts: &[Tally],
        loss: &mut Loss,
    ) -> Result<(), RecoveryError> {
        let mut differing: HashMap<(String, i32), HashSet<i64>> = HashMap::new();
        let mut behind_cut: Option<Vec<Tally>> = None;
        for (number, messages) in starts.iter().enumerate().filter(|(_, messages)| messages.count > 0) {
            loss.messages += messages.count;
            let key = names.get(u32::try_from(number).unwrap_or(u32::MAX));
            let Some(place) = self.queues.place(&key.0, key.1) else {
                *loss.missing.entry(key).or_default() += messages.count;
                continue;
            };
            let mut units = Tally::default();
            self.units(place, range, |tally| units.add_all(tally))?;
            if units == *messages {
                continue;
            }
            if units.count == 0 {
                *loss.missing.entry(key).or_default() += messages.count;
                continue;
            }
            let behind = match &mut behind_cut {
                Some(behind) => behind,
                none => none.insert(self.behind_cut(list, records, range, names)?),
            };
            let behind = behind.get(number).copied().unwrap_or_default();
            if behind.count > 0 && messages.without(behind) == units {
                *loss.missing.entry(key).or_default() += behind.count;
                continue;
            }
            let mut starts = HashSet::new();
            self.each_unit(place, range, |start| {
                starts.insert(start);
            })?;
            differing.insert(key, starts);
        }
        if differing.is_empty() {
            return Ok(());
        }
        let (names, mut found) = (Names::default(), HashMap::new());
        for file in &list.files {
            let from = file.base.max(range.start);
            let part = from..file.base.saturating_add(list.file_len).min(range.end);
            if part.is_empty() {
                continue;
            }
            let from = part.start - file.base;
            self.read(list, records, file, from..part.end - file.base, &names, |record, place, _| {
                let (name, start) = (record.name, file.base + place + record.head_len());
                let units: &mut Option<&HashSet<i64>> =
                    found.entry(name).or_insert_with(|| differing.get(&names.get(name)));
                if record.has_unit() && units.is_some_and(|units| !units.contains(&start)) {
                    *loss.missing.entry(names.get(name)).or_default() += 1;
                }
            })?;
        }
        Ok(())
    }

    /// The messages behind the place where queues are cut, by queue: mostly those that are missing.
    fn behind_cut(
        &self,
        list: &FileList,
        records: Records,
        range: &Range<i64>,
        names: &Names,
    ) -> Result<Vec<Tally>, RecoveryError> {
        let mut starts = Vec::new();
        let Some(cut) = self.cut.filter(|cut| *cut > range.start) else { return Ok(starts) };
        for file in &list.files {
            // The head of an entry may stand before the cut, and its message behind it.
            let from = (cut - ENTRY_HEAD - file.base).max(0);
            let end = range.end.min(file.base.saturating_add(list.file_len)) - file.base;
            if from >= end {
                continue;
            }
            let Some(from) = next_magic(self.disk, list, file, records, from)? else { continue };
            self.read(list, records, file, from..end, names, |record, place, _| {
                let start = file.base + place + record.head_len();
                if record.has_unit() && start >= cut {
                    slot_of(&mut starts, record.name).add(start);
                }
            })?;
        }
        Ok(starts)
    }

    /// The messages of a part of a segment that should have a unit, by queue.
    fn part(
        &self,
        list: &FileList,
        records: Records,
        file: &ListedFile,
        range: &Range<i64>,
    ) -> Result<PartMark, RecoveryError> {
        let key = (file.id, range.start);
        let known = match self.disk.memory.as_ref().and_then(|memory| memory.part(key)) {
            Some(known) if self.is_there(list, records, file, known.last)? => Some(known),
            _ => None,
        };
        let begin = PartMark { place: range.start - file.base, ..PartMark::default() };
        let mut part = known.unwrap_or(begin);
        let (names, mut is_whole) = (part.names.clone(), true);
        let mut newest: Option<(Record, LastMessage, Option<LastMessage>)> = None;
        let span = part.place..range.end - file.base;
        self.read(list, records, file, span, &names, |record, place, was_found| {
            is_whole &= !was_found;
            if record.has_unit() {
                slot_of(&mut part.starts, record.name).add(file.base + place + record.head_len());
            }
            part.place = place + record.byte_len();
            let last = LastMessage { place, physical: record.physical, size: record.size };
            newest = Some((*record, last, part.last.replace(last)));
        })?;
        if let Some(memory) = self.disk.memory.as_ref().filter(|_| is_whole) {
            let mut kept = part.clone();
            // The newest message may have been read while it was written.
            if let Some((record, message, before)) = newest {
                if record.has_unit() {
                    slot_of(&mut kept.starts, record.name)
                        .remove(file.base + message.place + record.head_len());
                }
                (kept.place, kept.last) = (message.place, before);
            }
            memory.put_part(key, kept);
        }
        Ok(part)
    }

    /// Whether a message is still in its place.
    fn is_there(
        &self,
        list: &FileList,
        records: Records,
        file: &ListedFile,
        message: Option<LastMessage>,
    ) -> Result<bool, RecoveryError> {
        let (Some(message), names) = (message, Names::default()) else { return Ok(true) };
        let checks = Checks { crc: false, dup_info: false };
        message.is_there(&Reading::new(self.disk, self.parser, &names, records, checks), file, list.file_len)
    }

    /// Gives `each` every message that begins in a part of a segment, its place, and whether it had to be looked for.
    fn read(
        &self,
        list: &FileList,
        records: Records,
        file: &ListedFile,
        range: Range<i64>,
        names: &Names,
        mut each: impl FnMut(&Record, i64, bool),
    ) -> Result<(), RecoveryError> {
        let checks = Checks { crc: false, dup_info: false };
        let reading = Reading::new(self.disk, self.parser, names, records, checks);
        let mut was_found = false;
        reading.segment(file, range.start..list.file_len, |place, met| match met {
            _ if place >= range.end => Ok(Go::Stop),
            Met::Message(record, _) => {
                if place + record.head_len() < range.end {
                    each(record, place, was_found);
                }
                Ok(Go::On)
            }
            Met::Blank { reaches_end: true } => Ok(Go::Stop),
            // What cannot be read may still have messages behind it.
            Met::Blank { .. } => {
                was_found = true;
                within_or_behind(self.disk, list, file, records, place)
            }
            Met::Fail(_) => {
                was_found = true;
                Ok(next_magic(self.disk, list, file, records, place + 1)?.map_or(Go::Stop, Go::To))
            }
        })
    }

    /// Gives `each` tallies of the units of a queue that point into `range`.
    fn units(
        &mut self,
        place: usize,
        range: &Range<i64>,
        mut each: impl FnMut(Tally),
    ) -> Result<(), RecoveryError> {
        let queues = self.queues;
        let Some(slot) = queues.slots.get(place) else { return Ok(()) };
        for (at, file) in slot.queue.list().files.iter().enumerate() {
            let known = file.pointed.as_deref().filter(|pointed| pointed.until == file.wrote);
            let pointed = match known {
                Some(pointed) => pointed,
                None if self.pointed.contains_key(&(place, at)) => &self.pointed[&(place, at)],
                None => {
                    let pointed = self.pointed_at(&slot.queue, file)?;
                    self.pointed.entry((place, at)).or_insert(pointed)
                }
            };
            if pointed.is_within(range) {
                each(pointed.starts);
            } else if pointed.meets(range) {
                each(self.within(&slot.queue, file, range)?);
            }
        }
        Ok(())
    }

    /// What all units of a file point at.
    fn pointed_at(&self, queue: &AnyQueue, file: &ListedFile) -> Result<Pointed, RecoveryError> {
        let scanned = file.pointed.as_deref();
        // Of a file that was scanned and then cut only the units that went are read.
        if let Some(scanned) = scanned.filter(|scanned| scanned.until > file.wrote) {
            let mut pointed = Pointed { until: file.wrote, ..scanned.clone() };
            let gone = whole_units(queue, file)..scanned.until;
            units_of(self.disk, queue, file, gone, |start, _| pointed.starts.remove(start))?;
            return Ok(pointed);
        }
        let memory =
            self.disk.memory.as_ref().filter(|_| scanned.is_none() && settled(queue, file) == file.wrote);
        let known = memory.and_then(|memory| memory.pointed(file.id));
        let mut pointed = known.or(scanned.cloned()).unwrap_or_default();
        let rest = pointed.until..file.wrote;
        units_of(self.disk, queue, file, rest, |start, size| pointed.add_unit(start, size))?;
        pointed.until = file.wrote;
        if let Some(memory) = memory {
            memory.put_pointed(file.id, pointed.clone());
        }
        Ok(pointed)
    }

    /// The units of a file that point into `range`.
    fn within(
        &self,
        queue: &AnyQueue,
        file: &ListedFile,
        range: &Range<i64>,
    ) -> Result<Tally, RecoveryError> {
        let settled = settled(queue, file);
        let known = self.disk.memory.as_ref().and_then(|memory| memory.within(file.id));
        let known = known.filter(|known| known.start == range.start && known.until <= settled);
        let mut within = known.unwrap_or(Within { start: range.start, ..Within::default() });
        let mut is_below_end = true;
        units_of(self.disk, queue, file, within.until..settled, |start, _| {
            is_below_end &= start < range.end;
            if range.contains(&start) {
                within.starts.add(start);
            }
        })?;
        within.until = settled;
        if let Some(memory) = self.disk.memory.as_ref().filter(|_| is_below_end && settled > 0) {
            memory.put_within(file.id, within);
        }
        units_of(self.disk, queue, file, settled..file.wrote, |start, _| {
            if range.contains(&start) {
                within.starts.add(start);
            }
        })?;
        Ok(within.starts)
    }

    /// Gives `each` the messages of the units of a queue that point into `range`.
    fn each_unit(
        &self,
        place: usize,
        range: &Range<i64>,
        mut each: impl FnMut(i64),
    ) -> Result<(), RecoveryError> {
        let Some(slot) = self.queues.slots.get(place) else { return Ok(()) };
        for file in &slot.queue.list().files {
            units_of(self.disk, &slot.queue, file, 0..file.wrote, |start, _| {
                if range.contains(&start) {
                    each(start);
                }
            })?;
        }
        Ok(())
    }
}

/// End of the last whole unit: a file whose name is no multiple of its length may be cut within one.
fn whole_units(queue: &AnyQueue, file: &ListedFile) -> i64 {
    file.wrote - file.wrote % queue.unit_len()
}

/// Bytes at the front of a file that a running broker does not write any more, and that recovery did not write.
fn settled(queue: &AnyQueue, file: &ListedFile) -> i64 {
    match file.pointed.as_deref() {
        Some(scanned) => scanned.until.min(whole_units(queue, file)),
        None if file.is_written() || file.wrote < queue.list().file_len => 0,
        None => file.wrote,
    }
}

/// Gives `each` start and size of the message of every unit in a part of a file; fillers are left out.
fn units_of(
    disk: &Disk,
    queue: &AnyQueue,
    file: &ListedFile,
    part: Range<i64>,
    mut each: impl FnMut(i64, i32),
) -> Result<(), RecoveryError> {
    let mut take = |unit: &[u8]| {
        let start = unit.first_chunk::<8>().map(|bytes| i64::from_be_bytes(*bytes));
        let size =
            unit.get(8..).and_then(|rest| rest.first_chunk::<4>()).map(|bytes| i32::from_be_bytes(*bytes));
        if let (Some(start), Some(size)) = (start, size)
            && size != PRE_BLANK_SIZE
        {
            each(start, size);
        }
        true
    };
    let open = file.open(disk)?;
    match queue {
        AnyQueue::Simple(_) => open.slots::<20>(disk, part.start, part.end, |_, unit| take(unit)),
        AnyQueue::Batch(_) => open.slots::<46>(disk, part.start, part.end, |_, unit| take(unit)),
    }
}
