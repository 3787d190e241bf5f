//! What is needed, and what holds once the rest is given up.

use std::path::PathBuf;

use super::{files, places, privileges, system_calls};
use crate::label::label_set;

label_set! {
    /// A part of what a process can be held to.
    pub enum Part {
        /// Reads and writes only where its paths are.
        Files = "files",
        /// Opens no connection and no further port.
        Network = "network",
        /// Has no capability but those by which it reads, and gains none.
        Privileges = "privileges",
        /// Changes no times, modes or owners, takes no lock, starts no program.
        SystemCalls = "system_calls",
    }
}

/// Where the process goes on to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Writes {
    /// Nowhere.
    Nowhere,
    /// Below a directory that holds its own state.
    State(PathBuf),
    /// Below a directory in which it plays the broker too: with locks and times of its files.
    Play(PathBuf),
}

impl Writes {
    pub(super) fn dir(&self) -> Option<&PathBuf> {
        match self {
            Self::Nowhere => None,
            Self::State(dir) | Self::Play(dir) => Some(dir),
        }
    }
}

/// What the process goes on to need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Needs {
    /// Files and directories that it reads, those too that are not there yet.
    pub reads: Vec<PathBuf>,
    /// Where it writes.
    pub writes: Writes,
}

/// What holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Confinement {
    held: Vec<Part>,
    /// What does not hold, and why.
    pub gaps: Vec<String>,
}

impl Confinement {
    /// Whether the kernel holds the process to this.
    #[must_use]
    pub fn holds(&self, part: Part) -> bool {
        self.held.contains(&part)
    }
}

/// Gives up everything but `needs`, as far as this kernel can.
#[must_use]
pub fn confine(needs: &Needs) -> Confinement {
    let (mut held, mut gaps) = (Vec::new(), Vec::new());
    let mut take = |outcome: Result<&'static [Part], String>| match outcome {
        Ok(parts) => held.extend(parts),
        Err(gap) => gaps.push(gap),
    };
    let (places, open) = places::anchors(&needs.reads);
    take(privileges::drop_all_but_reading(&needs.writes).map(|()| &[Part::Privileges][..]));
    take(files::restrict(&places, &needs.writes));
    // Without a socket there is no connection either.
    take(system_calls::refuse(&needs.writes).map(|()| &[Part::SystemCalls, Part::Network][..]));
    if !open.is_empty() {
        held.retain(|part| *part != Part::Files);
        gaps.push(reading_everywhere(&open));
    }
    Confinement { held, gaps }
}

fn reading_everywhere(open: &[PathBuf]) -> String {
    let names: Vec<_> = open.iter().map(|path| path.display().to_string()).collect();
    format!("files: {} is not there, and may come anywhere; reads are not confined", names.join(", "))
}
