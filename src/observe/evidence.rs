//! Copies of what a start of the broker overwrites, for whoever has to analyse or repair afterwards.
//!
//! Kept per start in `<state>/evidence/<start, UTC seconds>/`, the last few of them:
//!
//! | file | what |
//! |---|---|
//! | `consumerOffset.json`, `consumerOffset.json.bak` | consumers overwrite them with 0 within seconds of a loss |
//! | `checkpoint`, `ledger-checkpoint` | what recovery went by |
//! | `queues.tsv` | both ends of every queue, as they were before |
//! | `store.log.tail` | the end of the broker's log |
//! | `about.json` | when, which start, what is missing |
//!
//! They are the copies that the last pass before the start held in memory, so they are right even if the start was quicker
//! than the exporter.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

use super::own_file;
use super::phase::Start;
use crate::inspect::metadata::{Table, TableCopy};
use crate::inspect::small_files::Copies;
use crate::store::layout::Layout;
use crate::store::source::{ByteSource, StoreFile};
use crate::watch::tree::{QueueEntry, QueueKey, QueueTree, Shrinkage};

/// How much of the broker's log is kept.
const LOG_TAIL: u64 = 256 << 10;

/// What there is to keep.
pub struct Evidence<'a> {
    /// Paths of the store.
    pub layout: &'a Layout,
    /// The small files as they were before.
    pub copies: &'a Copies,
    /// The queues, possibly after the loss...
    pub tree: &'a QueueTree,
    /// ...and what the loss took from them.
    pub taken: &'a [Shrinkage],
    /// `store.log`, if it is known where that is.
    pub store_log: Option<PathBuf>,
    /// The start.
    pub start: &'a Start,
    /// Whether the exporter was there before the start.
    pub was_there_before: bool,
}

impl Evidence<'_> {
    /// Writes at most `max_bytes` below `dir`, and removes what is older than the last `keep` starts but for the last one before which
    /// queues had units.
    ///
    /// # Errors
    /// What the system said; what was written so far stays.
    pub fn keep(&self, dir: &Path, keep: usize, max_bytes: u64) -> io::Result<Option<PathBuf>> {
        if keep == 0 {
            return Ok(None);
        }
        let dir = dir.join("evidence");
        let own = dir.join(self.start.began_at.0.div_euclid(1000).to_string());
        own_file::directory(&dir)?;
        own_file::directory(&own)?;
        let mut left = max_bytes;
        let mut left_out = Vec::new();
        for (name, bytes) in self.files() {
            let len = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
            if len > left {
                left_out.push(name);
                continue;
            }
            left -= len;
            own_file::write(&own.join(name), &bytes)?;
        }
        let about = serde_json::json!({
            "start_began_at_ms": self.start.began_at,
            "captured_before_the_start": self.was_there_before,
            "store": self.layout.root,
            "left_out_for_size": left_out,
        });
        own_file::write(&own.join("about.json"), format!("{about:#}\n").as_bytes())?;
        drop_oldest(&dir, keep)?;
        Ok(Some(own))
    }

    fn files(&self) -> Vec<(&'static str, Vec<u8>)> {
        let mut files = Vec::new();
        let mut add = |name, path: &Path| {
            if let Some(copy) = self.copies.last(path) {
                files.push((name, copy.bytes.clone()));
            }
        };
        add("consumerOffset.json", &TableCopy::Primary.path(self.layout, Table::ConsumerOffset));
        add("consumerOffset.json.bak", &TableCopy::Backup.path(self.layout, Table::ConsumerOffset));
        add("checkpoint", &self.layout.checkpoint());
        if let Some(path) = self.layout.ledger_checkpoint() {
            add("ledger-checkpoint", &path);
        }
        if let Some(tail) = self.store_log.as_deref().and_then(tail_of) {
            files.push(("store.log.tail", tail));
        }
        files.push(("queues.tsv", self.queues().into_bytes()));
        files
    }

    fn queues(&self) -> String {
        let mut table = String::from("topic\tqueue\tfiles\tmin_offset\tmax_offset\tmax_physical_offset\n");
        let mut row = |topic: &str, queue: u32, entry: &QueueEntry| {
            let (min, max, physical) =
                entry.ends.map_or((-1, -1, -1), |ends| (ends.min.0, ends.max.0, ends.max_physical.0));
            let _ = writeln!(
                table,
                "{}\t{queue}\t{}\t{min}\t{max}\t{physical}",
                topic.escape_debug(),
                entry.files.count
            );
        };
        let taken: BTreeSet<&QueueKey> = self.taken.iter().map(|shrinkage| &shrinkage.key).collect();
        for shrinkage in self.taken {
            row(&shrinkage.key.topic, shrinkage.key.queue, &shrinkage.before);
        }
        for (format, topic, queue, entry) in self.tree.iter() {
            if !taken.contains(&QueueKey { format, topic: topic.clone(), queue }) {
                row(topic, queue, entry);
            }
        }
        table
    }
}

fn tail_of(path: &Path) -> Option<Vec<u8>> {
    let file = StoreFile::open(path).ok()?;
    let from = file.metadata().ok()?.len().saturating_sub(LOG_TAIL);
    let mut bytes = vec![0; usize::try_from(LOG_TAIL).ok()?];
    let read = file.read_at(from, &mut bytes).ok()?;
    bytes.truncate(read);
    Some(bytes)
}

/// Keeps the newest starts, and the newest of those whose queues still had units: it has what a repair needs.
fn drop_oldest(dir: &Path, keep: usize) -> io::Result<()> {
    let mut starts: Vec<(i64, PathBuf)> = std::fs::read_dir(dir)?
        .filter_map(|entry| {
            let entry = entry.ok()?;
            Some((entry.file_name().to_str()?.parse().ok()?, entry.path()))
        })
        .collect();
    starts.sort_unstable_by_key(|(began, _)| std::cmp::Reverse(*began));
    let last_good = starts.iter().position(|(_, path)| had_units(path));
    for (at, (_, path)) in starts.iter().enumerate().skip(keep) {
        if Some(at) != last_good {
            std::fs::remove_dir_all(path)?;
        }
    }
    Ok(())
}

/// Whether a queue had an end above 0 before the start that this is the evidence of.
fn had_units(start: &Path) -> bool {
    let table = std::fs::read_to_string(start.join("queues.tsv")).unwrap_or_default();
    let mut ends = table.lines().filter_map(|line| line.split('\t').nth(4)?.parse::<i64>().ok());
    ends.any(|end| end > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_start_that_still_had_units_stays_however_many_come_after_it() {
        let dir = tempfile::tempdir().unwrap();
        let start = |began: i64, end: i64| {
            let path = dir.path().join(began.to_string());
            std::fs::create_dir(&path).unwrap();
            let table = format!(
                "topic\tqueue\tfiles\tmin_offset\tmax_offset\tmax_physical_offset\nT\t0\t1\t0\t{end}\t-1\n"
            );
            std::fs::write(path.join("queues.tsv"), table).unwrap();
            drop_oldest(dir.path(), 2).unwrap();
        };
        let kept = || {
            let names = std::fs::read_dir(dir.path())
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap());
            let mut names: Vec<i64> = names.map(|name| name.parse().unwrap()).collect();
            names.sort_unstable();
            names
        };
        for (began, end) in [(1, 7), (2, 9), (3, 0), (4, 0), (5, 0)] {
            start(began, end);
        }
        assert_eq!(kept(), [2, 4, 5]);
        start(6, 3);
        assert_eq!(kept(), [5, 6]);
    }
}
