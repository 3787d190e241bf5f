//! One consume queue as the broker holds it in memory: scanned, appended to, truncated (R1, R10).
//!
//! Upstream: `ConsumeQueue.recover`, `putMessagePositionInfo`, `truncateDirtyLogicFiles`, `correctMinOffset`.

use std::path::Path;
use std::sync::Arc;

use super::disk::{Disk, RecoveryError};
use super::ext::ExtQueue;
use super::file_list::{FileList, ListedFile, OpenListed};
use super::memory::{FileId, Scan};
use super::queue_truncation::is_kept;
use crate::format::cq_ext_unit::is_ext_address;
use crate::format::cq_unit::{CqUnit, PRE_BLANK_SIZE, UNIT_LEN};
use crate::units::PhysicalOffset;

/// Bytes of a unit.
pub(super) const UNIT: i64 = 20;

/// What happened to a unit that was to be put.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Put {
    /// It is in its slot.
    InPlace,
    /// It was appended, but the end of the queue was below its slot.
    Misplaced,
    /// The message ends at or below the queue's maximum: nothing was written.
    Repeated,
    /// The slot lies below the end of the queue: nothing was written.
    BelowEnd,
    /// The last file had no room for a whole unit: nothing was written. A second later the broker tries again, takes the message
    /// for one that has its unit, and goes on.
    NoRoom {
        /// Whether the end of the queue was below its slot.
        is_misplaced: bool,
    },
    /// No file could be written.
    Failed,
}

/// An ordinary queue. There may be hundreds of thousands.
#[derive(Debug, Clone)]
pub struct Queue {
    /// Its directory.
    pub dir: Arc<Path>,
    /// Its files.
    pub list: FileList,
    /// Its extension, with `enableConsumeQueueExt`.
    pub ext: Option<Box<ExtQueue>>,
    /// Exclusive end of the newest message that has a unit; -1 without.
    pub max_physical: i64,
    /// Position of the first unit that counts.
    pub min_position: i64,
    /// Units written since loading, pre-blank ones included.
    pub written: u64,
    /// Start of the message behind which no scanned unit of the last file begins, if only scanned since.
    scanned: Option<i64>,
    /// Position and message of the first and the last unit scanned, if nothing was put since.
    pub(super) edges: [Option<(i64, PhysicalOffset)>; 2],
}

impl Queue {
    /// A queue with these files, not scanned.
    #[must_use]
    pub fn new(dir: Arc<Path>, list: FileList, ext: Option<Box<ExtQueue>>) -> Self {
        Self {
            dir,
            list,
            ext,
            max_physical: -1,
            min_position: 0,
            written: 0,
            scanned: None,
            edges: [None; 2],
        }
    }

    /// Exclusive end of the queue offsets.
    #[must_use]
    pub fn max(&self) -> i64 {
        self.list.max_offset() / UNIT
    }

    /// The first queue offset.
    #[must_use]
    pub fn min(&self) -> i64 {
        self.min_position / UNIT
    }

    /// Finds the end in the last three files.
    ///
    /// # Errors
    /// As [`Disk::bytes`].
    pub fn recover(&mut self, disk: &Disk) -> Result<(), RecoveryError> {
        let count = self.list.files.len();
        if count == 0 {
            return Ok(());
        }
        let mut max_ext_address = 1;
        let mut at = count.saturating_sub(3);
        let end = loop {
            let file = &mut self.list.files[at];
            let scan = scan(disk, file, self.list.file_len)?;
            let edge =
                |(position, unit): (i64, CqUnit)| (file.base.saturating_add(position), unit.physical_offset);
            self.edges[0] = self.edges[0].or(scan.first.map(edge));
            if let Some(last) = scan.last {
                self.edges[1] = Some(edge(last));
                self.max_physical = last.1.end().0;
            }
            max_ext_address = scan.ext_address.unwrap_or(max_ext_address);
            let found = scan.pointed.until;
            self.scanned = scan.newest_start;
            file.pointed = Some(Box::new(scan.pointed));
            if found == self.list.file_len && at + 1 < count {
                at += 1;
                continue;
            }
            break self.list.files[at].base + found;
        };
        self.list.flushed = end;
        self.list.truncate(disk, end);
        // A file whose base is no multiple of the length stays behind the end, and nobody has looked at it.
        if self.list.files.len() > at + 1 {
            self.scanned = None;
        }
        if let Some(ext) = &mut self.ext {
            ext.recover(disk)?;
            ext.truncate_by_max(disk, max_ext_address)?;
        }
        Ok(())
    }

    /// Forgets the units of messages that begin at `cut` or later.
    ///
    /// # Errors
    /// As [`Disk::bytes`].
    pub fn truncate(&mut self, disk: &Disk, cut: PhysicalOffset) -> Result<(), RecoveryError> {
        // What was scanned ends where it would be cut, unless a foreign name put the end elsewhere.
        let ends_there = |file: &ListedFile| file.wrote > 0 && file.base % self.list.file_len.max(1) == 0;
        if self.scanned.is_some_and(|newest| newest < cut.0) && self.list.files.last().is_some_and(ends_there)
        {
            return Ok(());
        }
        self.scanned = None;
        self.max_physical = cut.0;
        while let Some(at) = self.list.files.len().checked_sub(1) {
            let mut kept = 0;
            let max_physical = &mut self.max_physical;
            let file = self.list.files[at].open(disk)?;
            let from = last_below(disk, &self.list.files[at], &file, cut)?;
            file.slots(disk, from, self.list.file_len, |position, slot| {
                let unit = CqUnit::decode(slot);
                let at = u64::try_from(position).unwrap_or(0);
                let is_kept = is_kept(at, unit.physical_offset, unit.is_valid(), cut);
                if is_kept {
                    kept = position + UNIT;
                    *max_physical = unit.physical_offset.0.wrapping_add(i64::from(unit.size));
                }
                is_kept
            })?;
            if kept > 0 {
                self.list.files[at].wrote = kept;
                return Ok(());
            }
            self.list.remove_last(disk);
        }
        Ok(())
    }

    /// Puts the unit of a message.
    ///
    /// # Errors
    /// As [`Disk::bytes`].
    pub fn put(
        &mut self,
        disk: &Disk,
        physical: PhysicalOffset,
        size: i32,
        tags_code: i64,
        ordinal: i64,
    ) -> Result<Put, RecoveryError> {
        let end = physical.0.wrapping_add(i64::from(size));
        if end <= self.max_physical {
            return Ok(Put::Repeated);
        }
        let expected = ordinal.wrapping_mul(UNIT);
        let Some(at) = self.list.last_for_append(disk, &self.dir, expected) else { return Ok(Put::Failed) };
        (self.scanned, self.edges) = (None, [None; 2]);
        let file_len = self.list.file_len;
        let file = &mut self.list.files[at];
        if file.is_first_created && ordinal != 0 && file.wrote == 0 {
            (self.min_position, self.list.flushed) = (expected, expected);
            let blank = unit_bytes(PhysicalOffset(0), PRE_BLANK_SIZE, 0);
            let count = usize::try_from(expected % file_len / UNIT).unwrap_or(0);
            file.write(disk, &blank.repeat(count))?;
            self.written += u64::try_from(count).unwrap_or(0);
        }
        let current = file.base + file.wrote;
        if ordinal != 0 && expected < current {
            return Ok(Put::BelowEnd);
        }
        let is_misplaced = ordinal != 0 && expected != current;
        self.max_physical = end;
        if !self.list.append(disk, at, &unit_bytes(physical, size, tags_code))? {
            return Ok(Put::NoRoom { is_misplaced });
        }
        self.written += 1;
        Ok(if is_misplaced { Put::Misplaced } else { Put::InPlace })
    }

    /// As if the log had never been.
    pub fn destroy(&mut self, disk: &Disk) {
        self.list.destroy(disk);
        if let Some(ext) = &mut self.ext {
            ext.list.destroy(disk);
        }
        (self.max_physical, self.min_position) = (-1, 0);
        (self.scanned, self.edges) = (None, [None; 2]);
    }
}

/// Goes through the valid units at the front of a file, from where the last forecast ended.
fn scan(disk: &Disk, file: &ListedFile, file_len: i64) -> Result<Scan, RecoveryError> {
    let memory = disk.memory.as_ref().filter(|_| file.id != FileId::default());
    let mut scan = memory.and_then(|memory| memory.scan(file.id)).unwrap_or_default();
    if scan.pointed.until < file_len {
        let open = file.open(disk)?;
        if let Some((at, unit)) = scan.last
            && unit_at(disk, &open, at)? != unit
        {
            scan = Scan::default();
        }
        open.slots(disk, scan.pointed.until, file_len, |position, slot| {
            let unit = CqUnit::decode(slot);
            if unit.is_valid() {
                scan.add(position, unit);
            }
            unit.is_valid()
        })?;
    }
    if let Some(memory) = memory {
        memory.put_scan(file.id, scan.clone());
    }
    Ok(scan)
}

impl Scan {
    fn add(&mut self, position: i64, unit: CqUnit) {
        self.pointed.add_unit(unit.physical_offset.0, unit.size);
        self.pointed.until = position + UNIT;
        self.newest_start = self.newest_start.max(Some(unit.physical_offset.0)).max(Some(-1));
        if is_ext_address(unit.tags_code) {
            self.ext_address = Some(unit.tags_code);
        }
        self.first.get_or_insert((position, unit));
        self.last = Some((position, unit));
    }
}

/// Place of the last scanned unit whose message begins below `cut`, so that all before it do too; 0 where that is not known.
fn last_below(
    disk: &Disk,
    file: &ListedFile,
    open: &OpenListed<'_>,
    cut: PhysicalOffset,
) -> Result<i64, RecoveryError> {
    let Some(pointed) = file.pointed.as_deref().filter(|pointed| pointed.is_ordered) else { return Ok(0) };
    let (mut low, mut high) = (0, pointed.until / UNIT);
    while high - low > 1 {
        let middle = low.midpoint(high);
        if unit_at(disk, open, middle * UNIT)?.physical_offset < cut {
            low = middle;
        } else {
            high = middle;
        }
    }
    Ok(low * UNIT)
}

/// Bytes of a unit.
fn unit_bytes(physical: PhysicalOffset, size: i32, tags_code: i64) -> [u8; UNIT_LEN] {
    let mut bytes = [0; UNIT_LEN];
    bytes[..8].copy_from_slice(&physical.0.to_be_bytes());
    bytes[8..12].copy_from_slice(&size.to_be_bytes());
    bytes[12..].copy_from_slice(&tags_code.to_be_bytes());
    bytes
}

pub(super) fn unit_at(disk: &Disk, file: &OpenListed<'_>, at: i64) -> Result<CqUnit, RecoveryError> {
    let mut bytes = [0; UNIT_LEN];
    file.read(disk, at, &mut bytes)?;
    Ok(CqUnit::decode(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recovery::file_loading::Loader;

    const FILE_LEN: i64 = 100;

    /// A queue of files of five units each, the files given as their units.
    fn queue(dir: &Path, files: &[&[(i64, i32)]]) -> Queue {
        for (at, units) in files.iter().enumerate() {
            let mut bytes: Vec<u8> = Vec::new();
            for (physical, size) in *units {
                bytes.extend(unit_bytes(PhysicalOffset(*physical), *size, 0));
            }
            bytes.resize(100, 0);
            std::fs::write(dir.join(format!("{:020}", at * 100)), bytes).unwrap();
        }
        let dirs = [dir.to_owned()];
        let list = FileList::load(&Disk::default(), &dirs, FILE_LEN, Loader::Ledger).unwrap().unwrap();
        let mut queue = Queue::new(dir.into(), list, None);
        queue.recover(&Disk::default()).unwrap();
        queue
    }

    const FULL: [(i64, i32); 5] = [(0, 10), (10, 10), (20, 10), (30, 10), (40, 10)];

    #[test]
    fn the_scan_stops_at_the_first_slot_that_is_not_valid_and_unlinks_what_follows() {
        let dir = tempfile::tempdir().unwrap();
        let disk = Disk::default();
        let mut found = queue(dir.path(), &[&FULL, &[(50, 10), (0, 0), (70, 10)], &[(80, 10)]]);
        assert_eq!((found.max(), found.max_physical, found.list.files.len()), (6, 60, 2));
        found.truncate(&disk, PhysicalOffset(35)).unwrap();
        assert_eq!((found.max(), found.max_physical, found.list.files.len()), (4, 40, 1));
    }

    #[test]
    fn a_file_of_zeros_gets_a_phantom_unit() {
        let dir = tempfile::tempdir().unwrap();
        let mut found = queue(dir.path(), &[&FULL, &[]]);
        assert_eq!((found.max(), found.max_physical), (5, 50));
        found.truncate(&Disk::default(), PhysicalOffset(50)).unwrap();
        assert_eq!((found.max(), found.max_physical), (6, 0), "H1");
    }

    #[test]
    fn pre_blank_units_alone_make_the_maximum_of_two_gib() {
        let dir = tempfile::tempdir().unwrap();
        let disk = Disk::default();
        let mut found = queue(dir.path(), &[&[(0, PRE_BLANK_SIZE), (0, PRE_BLANK_SIZE), (500, 10)]]);
        found.truncate(&disk, PhysicalOffset(500)).unwrap();
        assert_eq!((found.max(), found.max_physical), (2, i64::from(PRE_BLANK_SIZE)), "H2");
        assert_eq!(found.put(&disk, PhysicalOffset(500), 10, 0, 2).unwrap(), Put::Repeated);
    }

    #[test]
    fn a_queue_without_files_left_has_the_cut_as_its_maximum() {
        let dir = tempfile::tempdir().unwrap();
        let disk = Disk::default();
        let mut found = queue(dir.path(), &[&FULL]);
        found.truncate(&disk, PhysicalOffset(0)).unwrap();
        assert_eq!((found.max(), found.max_physical, found.list.files.len()), (0, 0, 0), "H3");
        assert_eq!(found.put(&disk, PhysicalOffset(0), 10, 0, 3).unwrap(), Put::InPlace);
        let bytes = found.list.files[0].bytes(&disk, 40, 20).unwrap();
        assert_eq!(
            CqUnit::decode(bytes.first_chunk().unwrap()).size,
            PRE_BLANK_SIZE,
            "padded up to its slot"
        );
    }

    #[test]
    fn a_unit_goes_to_the_end_of_the_queue_whatever_its_slot() {
        let dir = tempfile::tempdir().unwrap();
        let disk = Disk::default();
        let mut found = queue(dir.path(), &[&[(0, 10), (10, 10)]]);
        assert_eq!(found.put(&disk, PhysicalOffset(10), 10, 0, 1).unwrap(), Put::Repeated);
        assert_eq!(found.put(&disk, PhysicalOffset(20), 10, 0, 1).unwrap(), Put::BelowEnd);
        assert_eq!(found.put(&disk, PhysicalOffset(30), 10, 0, 4).unwrap(), Put::Misplaced);
        assert_eq!(found.put(&disk, PhysicalOffset(40), 10, 0, 0).unwrap(), Put::InPlace, "0 is not checked");
        assert_eq!((found.max(), found.max_physical), (4, 50));
    }

    #[test]
    fn a_file_without_room_for_a_whole_unit_takes_none() {
        let dir = tempfile::tempdir().unwrap();
        let disk = Disk::default();
        let mut found = queue(dir.path(), &[&FULL[..4]]);
        // As a name that is no multiple of the length leaves it.
        found.list.files[0].wrote = 81;
        let mut put = || found.put(&disk, PhysicalOffset(50), 10, 0, 5).unwrap();
        assert_eq!((put(), put()), (Put::NoRoom { is_misplaced: true }, Put::Repeated));
        assert_eq!((found.list.files[0].wrote, found.max_physical), (81, 60));
    }
}
