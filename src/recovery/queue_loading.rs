//! Consume queues as load finds them on disk (R2).
//!
//! Upstream: `ConsumeQueueStore.load`; in 4.9.x `DefaultMessageStore.loadConsumeQueue`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::any_queue::AnyQueue;
use super::disk::{Disk, RecoveryError};
use super::file_list::FileList;
use super::file_loading::{LoadFailure, Loader};
use super::forecast::LogLine;
use super::on_cores::for_each;
use super::queue_kind::{QueueKind, WrongKind};
use super::queue_table::QueueTable;

/// Why queues cannot be loaded.
#[derive(Debug)]
pub enum QueueLoadFailure {
    /// A file.
    File(LoadFailure),
    /// A directory of another kind than its topic tells.
    Kind {
        /// The directory.
        path: PathBuf,
        /// What is wrong with the kind.
        wrong: WrongKind,
    },
}

/// One kind of queues by its name in the broker's log, and whether all of it was loaded.
pub type LoadedKind = (&'static str, Result<(), QueueLoadFailure>);

impl QueueLoadFailure {
    /// Whether load ends with an exception, and says no more.
    #[must_use]
    pub fn is_exception(&self) -> bool {
        match self {
            Self::File(failure) => failure.is_exception(),
            Self::Kind { .. } => true,
        }
    }
}

impl QueueTable<'_> {
    /// Loads all queues that have a directory; gives for each kind, by its name in the broker's log, what the broker refuses to start
    /// with. An exception ends load.
    ///
    /// # Errors
    /// As [`Disk::list`].
    pub fn load(&mut self, disk: &Disk) -> Result<Vec<LoadedKind>, RecoveryError> {
        let kinds: &[(&str, &'static str)] = if self.rules.has_batch_queues {
            &[("consumequeue", "SimpleCQ"), ("batchconsumequeue", "BatchCQ")]
        } else {
            &[("consumequeue", "logics queue")]
        };
        let mut found = Vec::new();
        for (dir, name) in kinds {
            let loaded = self.load_kind(disk, &self.root.join(dir), *dir == "batchconsumequeue")?;
            let is_exception = loaded.as_ref().is_err_and(QueueLoadFailure::is_exception);
            found.push((*name, loaded));
            // A wrong length does not keep the other kind from being loaded.
            if is_exception {
                break;
            }
        }
        self.slots.sort_by(|a, b| (&a.topic, a.id).cmp(&(&b.topic, b.id)));
        for (at, slot) in self.slots.iter().enumerate() {
            self.places.entry(slot.topic.clone()).or_default().insert(slot.id, at);
        }
        Ok(found)
    }

    /// Reads on all cores, then takes what was found in the order in which the broker comes to it.
    fn load_kind(
        &mut self,
        disk: &Disk,
        dir: &Path,
        is_batch: bool,
    ) -> Result<Result<(), QueueLoadFailure>, RecoveryError> {
        let mut topics: Vec<_> = disk
            .names(dir)?
            .unwrap_or_default()
            .into_iter()
            .map(|name| (Arc::<str>::from(name.to_string_lossy()), dir.join(name), Ok(Vec::new())))
            .collect();
        for_each(&mut topics, |(_, dir, queues)| {
            *queues = disk.names(dir).map(|names| {
                names.unwrap_or_else(|| {
                    disk.note_moved();
                    Vec::new()
                })
            });
            Ok(())
        })?;
        let should_be = if is_batch { QueueKind::Batch } else { QueueKind::Simple };
        let (mut found, mut end) = (Vec::new(), Ok(()));
        for (topic, dir, names) in topics {
            let before = found.len();
            found.extend(names?.into_iter().filter_map(|name| {
                let id = name.to_str()?.parse::<i32>().ok()?;
                Some((topic.clone(), id, dir.join(name), None))
            }));
            if let Some((_, _, dir, _)) = found.get(before)
                && let Err(wrong) = self.kinds.check(&topic, should_be)
            {
                end = Err(QueueLoadFailure::Kind { path: dir.clone(), wrong });
                found.truncate(before);
                break;
            }
        }
        for_each(&mut found, |(topic, id, dir, loaded)| {
            *loaded = Some(self.load_queue(disk, topic, *id, is_batch, dir));
            Ok(())
        })?;
        for (topic, id, _, loaded) in found {
            let Some(loaded) = loaded else { continue };
            let (queue, unlinked) = loaded?;
            for path in unlinked {
                self.lines.push(LogLine::of_empty_file(&path));
                disk.unlink(path);
            }
            match queue {
                Ok(queue) => self.insert(&topic, id, queue),
                Err(failure) => return Ok(Err(QueueLoadFailure::File(failure))),
            }
        }
        Ok(end)
    }

    /// A queue with its files, and those that loading it unlinks.
    #[allow(clippy::type_complexity, reason = "a pair of what its parts already name")]
    fn load_queue(
        &self,
        disk: &Disk,
        topic: &str,
        id: i32,
        is_batch: bool,
        found: &Path,
    ) -> Result<(Result<AnyQueue, LoadFailure>, Vec<PathBuf>), RecoveryError> {
        let mut queue = self.empty(topic, id, is_batch);
        let mut unlinked = Vec::new();
        let mut lists = match &mut queue {
            AnyQueue::Simple(queue) => {
                let ext = queue.ext.as_mut().map(|ext| (&ext.dir, &mut ext.list));
                [Some((&queue.dir, &mut queue.list)), ext]
            }
            AnyQueue::Batch(queue) => [Some((&queue.dir, &mut queue.list)), None],
        };
        for (dir, list) in lists.iter_mut().flatten() {
            let loader = Loader::Broker(self.rules);
            let loading = FileList::look(disk, std::slice::from_ref(*dir), list.file_len, loader)?;
            unlinked.extend(loading.unlinked);
            match loading.failure {
                None => **list = loading.list,
                Some(failure) => return Ok((Err(failure), unlinked)),
            }
        }
        if queue.list().files.is_empty() && !found.exists() {
            disk.note_moved();
        }
        Ok((Ok(queue), unlinked))
    }
}
