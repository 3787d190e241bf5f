//! All consume queues of a store, followed from pass to pass.
//!
//! A pass is incremental at three levels: a topic or queue directory whose time stamp stands still is not listed again, and a
//! queue whose next slot is still free is not searched. What it finds smaller than before it reports as a [`Shrinkage`]; why
//! is not its business.
//!
//! The entries are at the same time the high-water marks: restored from the state directory at start ([`QueueTree::restore`]),
//! they make a shrinkage visible that happened while nobody looked.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::recovery::queue_truncation::Truncation;
use crate::store::consumequeue::{Ends, QueueDir, UnitFormat};
use crate::store::layout::Layout;
use crate::store::queue_files::{QueueFiles, Stamp};
use crate::store::source::bytes_read;
use crate::store::{ReadFailure, StoreError};
use crate::units::QueueOffset;

/// One queue, as people name it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct QueueKey {
    /// How its units are laid out; tells `consumequeue/` from `batchconsumequeue/`.
    pub format: UnitFormat,
    /// Name of the topic's directory.
    pub topic: Arc<str>,
    /// Queue id.
    pub queue: u32,
}

/// One queue as last seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct QueueEntry {
    /// Its files.
    pub files: QueueFiles,
    /// Its ends; `None` without files, or before they could be read.
    pub ends: Option<Ends>,
    /// Its max offset before the broker's last start, less what was found gone since: by this a cut of that start is measured,
    /// as new units may already stand behind the cut when it becomes known.
    mark: QueueOffset,
    stamp: Option<Stamp>,
    is_racy: bool,
}

impl QueueEntry {
    /// An entry as the state directory remembers it; the next pass lists the directory anew.
    #[must_use]
    pub fn remembered(files: QueueFiles, ends: Option<Ends>) -> Self {
        let mark = ends.map_or(QueueOffset(0), |ends| ends.max);
        Self { files, ends, mark, stamp: None, is_racy: false }
    }

    /// The same, measured by `mark` ([`QueueEntry::mark`]) if a start is under way.
    #[must_use]
    pub fn marked(self, mark: QueueOffset) -> Self {
        Self { mark, ..self }
    }

    /// By what a cut that is not known yet will be measured; to be remembered with the entry.
    #[must_use]
    pub fn mark(&self) -> QueueOffset {
        self.mark
    }

    /// Units of messages in it: without pre-blank ones.
    #[must_use]
    pub fn units(&self) -> u64 {
        self.ends.map_or(0, |ends| u64::try_from(ends.max.0.saturating_sub(ends.min.0)).unwrap_or_default())
    }
}

/// A queue of which something is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shrinkage {
    /// Which.
    pub key: QueueKey,
    /// As it was.
    pub before: QueueEntry,
    /// As it is; without files if all are gone.
    pub after: QueueEntry,
}

impl Shrinkage {
    fn between(key: &QueueKey, before: &QueueEntry, after: &QueueEntry) -> Option<Self> {
        let shrinkage = Self { key: key.clone(), before: *before, after: *after };
        let is_smaller =
            shrinkage.files_removed() > 0 || shrinkage.units_removed() > 0 || shrinkage.is_max_back();
        is_smaller.then_some(shrinkage)
    }

    /// Whether all its files are gone.
    #[must_use]
    pub fn is_vanished(&self) -> bool {
        self.before.files.count > 0 && self.after.files.count == 0
    }

    /// Whether its max offset went back.
    #[must_use]
    pub fn is_max_back(&self) -> bool {
        match (self.before.ends, self.after.ends) {
            (Some(before), Some(after)) => after.max < before.max,
            (Some(before), None) => self.is_vanished() && before.max.0 > 0,
            _ => false,
        }
    }

    /// Files that were there and are not.
    #[must_use]
    pub fn files_removed(&self) -> u64 {
        let (before, after) = (&self.before.files, &self.after.files);
        if after.count == 0 {
            return u64::from(before.count);
        }
        if before.count == 0 || before.file_len == 0 {
            return 0;
        }
        let front =
            after.first_base.min(before.last_base + before.file_len).saturating_sub(before.first_base);
        let back = before
            .last_base
            .saturating_sub(after.last_base.max(before.first_base.saturating_sub(before.file_len)));
        ((front + back) / before.file_len).min(u64::from(before.count))
    }

    /// Units that were there and are not.
    #[must_use]
    pub fn units_removed(&self) -> u64 {
        let Some(before) = self.before.ends else { return 0 };
        let Some(after) = self.after.ends else {
            return if self.is_vanished() { self.before.units() } else { 0 };
        };
        let has_new_front = after.min_physical > before.min_physical;
        if has_new_front && after.min_physical >= before.max_physical && before.max_physical.0 > 0 {
            // Nothing in it is as old as the newest unit of before: the files were replaced.
            return self.before.units();
        }
        let front = after.min.0.min(before.max.0).saturating_sub(before.min.0).max(0);
        let back = before.max.0.saturating_sub(after.max.0.max(before.min.0)).max(0);
        u64::try_from(front.saturating_add(back)).unwrap_or_default().min(self.before.units())
    }
}

/// What one pass saw, beyond the entries.
#[derive(Debug, Default)]
pub struct PassReport {
    /// Queues of which something is gone.
    pub shrinkages: Vec<Shrinkage>,
    /// Reads that failed, by reason; a file that went between listing and opening counts as [`ReadFailure::Gone`].
    pub failures: Vec<(ReadFailure, PathBuf)>,
    /// Whether the pass came to the end within its time; if not, the next one goes on where it stopped.
    pub is_complete: bool,
}

#[derive(Debug, Default)]
struct TopicEntry {
    stamp: Option<Stamp>,
    is_racy: bool,
    queues: BTreeMap<u32, QueueEntry>,
}

/// All consume queues of a store.
#[derive(Debug, Default)]
pub struct QueueTree {
    topics: BTreeMap<(UnitFormat, Arc<str>), TopicEntry>,
    roots: BTreeMap<UnitFormat, (Stamp, bool)>,
    resume_after: Option<(UnitFormat, Arc<str>)>,
}

/// What a pass may cost; it stops at the first topic behind it, and the next pass goes on there.
#[derive(Debug, Clone)]
pub struct Budget {
    deadline: Instant,
    last_byte: u64,
    stop: Arc<AtomicBool>,
}

impl Budget {
    /// That much time and that many bytes from now on.
    #[must_use]
    pub fn from_now(time: Duration, bytes: u64) -> Self {
        let last_byte = bytes_read().saturating_add(bytes);
        Self { deadline: Instant::now() + time, last_byte, stop: Arc::default() }
    }

    /// The same, and nothing more once `stop` is set.
    #[must_use]
    pub fn unless(self, stop: &Arc<AtomicBool>) -> Self {
        Self { stop: Arc::clone(stop), ..self }
    }

    fn is_spent(&self) -> bool {
        self.stop.load(Ordering::Relaxed) || bytes_read() >= self.last_byte || Instant::now() >= self.deadline
    }
}

/// How much a pass trusts the time stamps of directories.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Thoroughness {
    /// Directories with the stamp of before are not listed.
    Quick,
    /// Every directory is listed and every file's length looked at.
    Thorough,
}

impl QueueTree {
    /// Puts back what the state directory remembers.
    pub fn restore(&mut self, key: QueueKey, entry: QueueEntry) {
        self.topics.entry((key.format, key.topic)).or_default().queues.insert(key.queue, entry);
    }

    /// All queues, by kind, topic and id.
    pub fn iter(&self) -> impl Iterator<Item = (UnitFormat, &Arc<str>, u32, &QueueEntry)> {
        self.topics.iter().flat_map(|((format, topic), entry)| {
            entry.queues.iter().map(move |(queue, entry)| (*format, topic, *queue, entry))
        })
    }

    /// Makes what is known now what a cut of the next start is measured by. To be called after each pass that no start is near.
    pub fn settle_marks(&mut self) {
        for entry in self.topics.values_mut().flat_map(|topic| topic.queues.values_mut()) {
            entry.mark = entry.ends.map_or(QueueOffset(0), |ends| ends.max);
        }
    }

    /// Looks at every queue once, as far as `budget` goes.
    ///
    /// # Errors
    /// The root of the queues if it cannot be listed for any reason but that it is not there; nothing has changed then.
    pub fn refresh(
        &mut self,
        layout: &Layout,
        thoroughness: Thoroughness,
        now_seconds: i64,
        budget: &Budget,
    ) -> Result<PassReport, StoreError> {
        let mut report = PassReport { is_complete: true, ..PassReport::default() };
        let pass = Pass { is_thorough: thoroughness == Thoroughness::Thorough, now_seconds };
        for format in [UnitFormat::Simple, UnitFormat::Batch] {
            self.list_topics(format, &root(layout, format), pass)?;
        }
        let from = self.resume_after.take();
        let mut path = PathBuf::new();
        for ((format, topic), entry) in &mut self.topics {
            if from.as_ref().is_some_and(|from| (format, topic) <= (&from.0, &from.1)) {
                continue;
            }
            if budget.is_spent() {
                report.is_complete = false;
                break;
            }
            path.clone_from(&root(layout, *format));
            path.push(&**topic);
            entry.refresh(*format, topic, &mut path, pass, &mut report);
            self.resume_after = Some((*format, topic.clone()));
        }
        if report.is_complete {
            // A pass that began in the middle has not seen the front.
            report.is_complete = from.is_none();
            self.resume_after = None;
        }
        self.topics.retain(|_, topic| topic.stamp.is_some() || !topic.queues.is_empty());
        Ok(report)
    }

    /// Reads every queue as a broker has it that has just started: stale units of an earlier cut were read like any other,
    /// then `truncation`, if there was one, was applied (R1), of which nothing on disk need show.
    pub fn after_start(&mut self, layout: &Layout, truncation: Option<&Truncation>) -> PassReport {
        let mut report = PassReport { is_complete: true, ..PassReport::default() };
        for ((format, topic), topic_entry) in &mut self.topics {
            let root = root(layout, *format);
            for (queue, entry) in &mut topic_entry.queues {
                let Some(known) = entry.ends else { continue };
                let may_be_cut = truncation.is_some_and(|cut| cut.may_reach(&known));
                if known.cut.is_none() && !may_be_cut {
                    continue;
                }
                let dir = root.join(&**topic).join(queue.to_string());
                let queue_dir =
                    QueueDir { dir: &dir, files: &entry.files, format: *format, has_changed: false };
                match ends_after_start(&queue_dir, &known, truncation) {
                    Ok(Some(after)) => {
                        // Of what stands there now, only what stood there before the start can have been taken.
                        let marked = Ends { max: known.max.min(entry.mark).max(known.min), ..known };
                        let before = QueueEntry { ends: Some(marked), ..*entry };
                        entry.ends = Some(after);
                        entry.mark = entry.mark.min(after.max);
                        let key = QueueKey { format: *format, topic: topic.clone(), queue: *queue };
                        report.shrinkages.extend(Shrinkage::between(&key, &before, entry));
                    }
                    // Its files are gone, which the next pass sees by itself.
                    Ok(None) => {}
                    Err(error) if error.is_gone() => {}
                    Err(error) => report.failures.push((error.reason(), dir)),
                }
            }
        }
        report
    }

    fn list_topics(&mut self, format: UnitFormat, root: &Path, pass: Pass) -> Result<(), StoreError> {
        let metadata = match std::fs::metadata(root) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.roots.remove(&format);
                for (_, topic) in self.topics.iter_mut().filter(|((found, _), _)| *found == format) {
                    topic.stamp = None;
                }
                return Ok(());
            }
            Err(error) => return Err(StoreError::io(root, error)),
        };
        let stamp = Stamp::of(&metadata);
        if !pass.is_thorough && self.roots.get(&format) == Some(&(stamp, false)) {
            return Ok(());
        }
        for entry in std::fs::read_dir(root).map_err(|error| StoreError::io(root, error))? {
            let entry = entry.map_err(|error| StoreError::io(root, error))?;
            // A link is followed, as the broker does.
            let is_dir = entry.file_type().is_ok_and(|kind| {
                kind.is_dir()
                    || (kind.is_symlink() && std::fs::metadata(entry.path()).is_ok_and(|to| to.is_dir()))
            });
            if is_dir {
                let topic: Arc<str> = entry.file_name().to_string_lossy().into();
                self.topics.entry((format, topic)).or_default();
            }
        }
        self.roots.insert(format, (stamp, stamp.is_racy(pass.now_seconds)));
        Ok(())
    }
}

fn root(layout: &Layout, format: UnitFormat) -> PathBuf {
    match format {
        UnitFormat::Simple => layout.consumequeue(),
        UnitFormat::Batch => layout.batch_consumequeue(),
    }
}

fn ends_after_start(
    queue: &QueueDir<'_>,
    known: &Ends,
    truncation: Option<&Truncation>,
) -> Result<Option<Ends>, StoreError> {
    let scanned = match known.cut {
        Some(_) => queue.ends(Some(&Ends { cut: None, ..*known }))?,
        None => Some(*known),
    };
    match (truncation, scanned) {
        (Some(truncation), Some(scanned)) if truncation.may_reach(&scanned) => {
            truncation.apply(queue, &scanned)
        }
        (_, scanned) => Ok(scanned),
    }
}

#[derive(Clone, Copy)]
struct Pass {
    is_thorough: bool,
    now_seconds: i64,
}

impl TopicEntry {
    fn refresh(
        &mut self,
        format: UnitFormat,
        topic: &Arc<str>,
        path: &mut PathBuf,
        pass: Pass,
        report: &mut PassReport,
    ) {
        match self.list_queues(path, pass) {
            Ok(()) => {}
            Err(error) if error.is_gone() => self.stamp = None,
            Err(error) => {
                report.failures.push((error.reason(), path.clone()));
                return;
            }
        }
        let is_gone = self.stamp.is_none();
        let mut number = String::new();
        self.queues.retain(|queue, entry| {
            number.clear();
            let _ = std::fmt::Write::write_fmt(&mut number, format_args!("{queue}"));
            path.push(&number);
            let before = *entry;
            let outcome = if is_gone { Ok(false) } else { entry.refresh(path, format, pass) };
            match outcome {
                Ok(is_there) => {
                    if !is_there {
                        *entry = QueueEntry::default();
                    }
                    if *entry != before {
                        let key = QueueKey { format, topic: topic.clone(), queue: *queue };
                        let shrinkage = Shrinkage::between(&key, &before, entry);
                        if let Some(shrinkage) = &shrinkage {
                            let is_all_gone = shrinkage.units_removed() >= before.units();
                            let left =
                                entry.ends.filter(|_| !is_all_gone).map_or(QueueOffset(0), |ends| ends.max);
                            entry.mark = entry.mark.min(left);
                        }
                        report.shrinkages.extend(shrinkage);
                    }
                    path.pop();
                    is_there
                }
                Err(error) => {
                    // It stays as it was; what cannot be read is no loss.
                    report.failures.push((error.reason(), path.clone()));
                    path.pop();
                    true
                }
            }
        });
    }

    fn list_queues(&mut self, path: &Path, pass: Pass) -> Result<(), StoreError> {
        let wrap = |error| StoreError::io(path, error);
        let stamp = Stamp::of(&std::fs::metadata(path).map_err(wrap)?);
        if !pass.is_thorough && self.stamp == Some(stamp) && !self.is_racy {
            return Ok(());
        }
        for entry in std::fs::read_dir(path).map_err(wrap)? {
            if let Some(queue) = queue_id(&entry.map_err(wrap)?.file_name()) {
                self.queues.entry(queue).or_default();
            }
        }
        (self.stamp, self.is_racy) = (Some(stamp), stamp.is_racy(pass.now_seconds));
        Ok(())
    }
}

/// Names that are no number are ignored at this level, as upstream does (`Integer.parseInt` in a `try`).
fn queue_id(name: &OsStr) -> Option<u32> {
    name.to_str()?.parse().ok().filter(|id| i32::try_from(*id).is_ok())
}

impl QueueEntry {
    /// Whether the directory is there.
    fn refresh(&mut self, dir: &Path, format: UnitFormat, pass: Pass) -> Result<bool, StoreError> {
        let metadata = match std::fs::metadata(dir) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(StoreError::io(dir, error)),
        };
        if !metadata.is_dir() {
            return Ok(false);
        }
        let stamp = Stamp::of(&metadata);
        let mut files = self.files;
        if pass.is_thorough || self.stamp != Some(stamp) || self.is_racy {
            files = match QueueFiles::list(dir) {
                Err(error) if error.is_gone() => return Ok(false),
                files => files?,
            };
        }
        let has_changed = self.stamp != Some(stamp) || self.is_racy;
        let queue = QueueDir { dir, files: &files, format, has_changed };
        let ends = match queue.ends(self.ends.as_ref()) {
            // A file went since it was listed: the next pass lists again.
            Err(error) if error.is_gone() => {
                self.stamp = None;
                return Ok(true);
            }
            ends => ends?,
        };
        let (mark, is_racy) = (self.mark, stamp.is_racy(pass.now_seconds));
        *self = Self { files, ends, mark, stamp: Some(stamp), is_racy };
        Ok(true)
    }
}
