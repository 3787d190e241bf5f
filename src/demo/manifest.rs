//! What the capture says of itself: `manifest.json`, and one line of `first_run.jsonl` or `timeline.jsonl`.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use crate::units::EpochMillis;

/// The form of the manifest that is read here.
pub const SCHEMA: u32 = 1;

/// A moment at which the whole store was copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The broker runs and is idle.
    Running,
    /// It was killed.
    Killed,
    /// It has started again and serves.
    Restarted,
}

impl Stage {
    /// All of them, in the order of time.
    pub const ALL: [Self; 3] = [Self::Running, Self::Killed, Self::Restarted];
}

/// `manifest.json`.
#[derive(Debug, Clone, Deserialize)]
pub struct Manifest {
    /// Form of the manifest.
    pub schema: u32,
    /// Release of the broker.
    pub release: String,
    /// How it kept its log.
    pub mode: String,
    /// Its `storePathRootDir`, which its log lines name.
    pub root: String,
    /// When its two processes started.
    pub started_at_ms: StartedAt,
    /// Its properties.
    pub config: BTreeMap<String, String>,
    /// What was done with it before it was killed.
    pub workload: Workload,
    /// What the restart took away.
    pub lost: Lost,
    files: Stages,
}

/// Starts of the two processes.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct StartedAt {
    /// The one that was killed; zero of `first_run.jsonl`.
    pub first_run: EpochMillis,
    /// The one after it; zero of `timeline.jsonl`.
    pub timeline: EpochMillis,
}

/// What was done with the broker.
#[derive(Debug, Clone, Deserialize)]
pub struct Workload {
    /// Topics that were made.
    pub topics: Vec<String>,
    /// Queues of each.
    pub queues_per_topic: u32,
    /// Messages that were sent.
    pub messages: u64,
}

/// What was there before the restart and not after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Lost {
    /// Consume queues whose files all went.
    pub queues: u64,
    /// Files of consume queues.
    pub files: u64,
    /// Their units.
    pub units: u64,
}

#[derive(Debug, Clone, Deserialize)]
struct Stages {
    running: StageFiles,
    killed: StageFiles,
    restarted: StageFiles,
}

/// The store at one stage; paths are relative to its root.
#[derive(Debug, Clone, Deserialize)]
pub struct StageFiles {
    /// Every file.
    pub files: Vec<FileEntry>,
    /// Directories without anything in them.
    pub empty_directories: Vec<String>,
}

/// One file of a stage.
#[derive(Debug, Clone, Deserialize)]
pub struct FileEntry {
    /// Its path.
    pub path: String,
    /// Its length in bytes.
    pub len: u64,
    /// When it was written last.
    pub mtime_ms: EpochMillis,
    /// Member of the archive that holds its content, less the zeros at its end. Equal members are equal files.
    pub from: String,
}

impl Manifest {
    /// The text of its properties, for a store that stands elsewhere.
    #[must_use]
    pub fn properties(&self, root: &Path) -> String {
        let others = self.config.iter().filter(|(key, _)| *key != "storePathRootDir");
        let mut text: String = others.map(|(key, value)| format!("{key}={value}\n")).collect();
        text += &format!("storePathRootDir={}\n", root.display());
        text
    }

    /// The store at a stage.
    #[must_use]
    pub fn stage(&self, stage: Stage) -> &StageFiles {
        match stage {
            Stage::Running => &self.files.running,
            Stage::Killed => &self.files.killed,
            Stage::Restarted => &self.files.restarted,
        }
    }

    /// Files that are not the same at both stages.
    #[must_use]
    pub fn files_changed(&self, before: Stage, after: Stage) -> usize {
        let contents = |stage| {
            let files = self.stage(stage).files.iter();
            files.map(|file| (file.path.as_str(), file.from.as_str())).collect::<BTreeMap<_, _>>()
        };
        let (before, after) = (contents(before), contents(after));
        let gone = before.keys().filter(|path| !after.contains_key(*path)).count();
        gone + after.iter().filter(|(path, from)| before.get(*path) != Some(from)).count()
    }
}

impl StageFiles {
    /// One file by its path.
    #[must_use]
    pub fn file(&self, path: &str) -> Option<&FileEntry> {
        self.files.iter().find(|file| file.path == path)
    }
}

/// One line of a record.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Recorded {
    /// When it was seen, relative to the start of the process (ms).
    pub ms: i64,
    /// What was seen.
    #[serde(flatten)]
    pub what: Happening,
}

/// What can be seen of a broker from outside. Paths are relative to the root of the store.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Happening {
    /// A line of a log.
    Log {
        /// Name of the log's file.
        file: String,
        /// The line without its end.
        line: String,
    },
    /// A file appeared.
    Create {
        /// Its path.
        path: String,
    },
    /// A file was written to.
    Write {
        /// Its path.
        path: String,
    },
    /// A file went.
    Delete {
        /// Its path.
        path: String,
    },
    /// The store's lock was taken or released.
    Lock {
        /// Taken.
        held: bool,
    },
    /// Something was done to the broker, or waited for.
    Phase {
        /// What.
        phase: Milestone,
    },
}

/// What was done to the broker, or waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Milestone {
    /// It answers, and the name server knows it.
    Serving,
    /// All messages are sent.
    Produced,
    /// The consumer group has committed.
    Consumed,
    /// SIGKILL was sent.
    Killed,
    /// The next process was started.
    Started,
    /// The record ends.
    End,
}
