//! Hostile bytes for everything that reads: one function a target, which `cargo fuzz`, `tests/fuzz/run` and `cargo test` share.
//!
//! | promise | how it is seen |
//! |---|---|
//! | no panic | overflow checks and debug assertions are on; a panic ends the run |
//! | progress | loops that a target runs itself count their steps; the rest has the time limit of the engine |
//! | memory | the most that is held at a time, counted by the allocator, against the length of the input |
//! | equal answers | every input is asked twice; answers are hashed as they are told, so that telling them needs no memory |

#![allow(clippy::unwrap_used, reason = "a target says by failing what was not there")]
#![allow(dead_code, reason = "fuzzing and tests each use their own part")]

mod answer;
mod damage;
mod formats;
mod http;
mod log;
#[path = "../../../support/plain_router.rs"]
mod plain_router;
#[path = "../../../support/recovery_case.rs"]
mod recovery_case;
mod seeds;
mod state;
mod stores;
mod texts;
#[path = "../../../support/watcher.rs"]
mod watcher;

use std::path::PathBuf;

pub use answer::Answer;
use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Something that takes bytes from outside.
pub struct Target {
    /// Its name: of the binary, of its directory among the regressions.
    pub name: &'static str,
    run: fn(&[u8], &mut Answer),
    /// Inputs to begin with, from files that brokers have written.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// Bytes that may be held at a time: so many, and so many for each byte of the input.
    memory: (usize, usize),
}

/// What is held whatever the input is: buffers of fixed size, tables that are built at the first use.
const SMALL: usize = 64 << 10;
/// The same where files are read in chunks, and queues are scanned on all cores.
const LARGE: usize = 96 << 20;

/// All targets.
pub const TARGETS: [Target; 14] = [
    Target { name: "formats", run: formats::run, seeds: seeds::records, memory: (SMALL, 16) },
    Target { name: "properties", run: texts::properties, seeds: seeds::properties, memory: (SMALL, 128) },
    Target { name: "tables", run: texts::tables, seeds: seeds::tables, memory: (SMALL, 256) },
    Target { name: "log_lines", run: log::lines, seeds: seeds::log_lines, memory: (SMALL, 64) },
    Target { name: "log_files", run: log::files, seeds: seeds::log_files, memory: (8 << 20, 64) },
    Target { name: "walk", run: log::walk, seeds: seeds::logs, memory: (SMALL, 16) },
    Target { name: "config", run: texts::config, seeds: seeds::config, memory: (1 << 20, 2048) },
    Target { name: "flags", run: texts::flags, seeds: seeds::flags, memory: (4 << 20, 2048) },
    Target { name: "web_config", run: texts::web_config, seeds: seeds::web_config, memory: (4 << 20, 2048) },
    Target { name: "http", run: http::run, seeds: seeds::requests, memory: (LARGE, 2048) },
    Target { name: "state", run: state::run, seeds: seeds::states, memory: (LARGE, 2048) },
    Target { name: "forecast", run: stores::forecast, seeds: seeds::damages, memory: (LARGE, 2048) },
    Target { name: "preview", run: stores::preview, seeds: seeds::damages, memory: (LARGE, 2048) },
    Target { name: "pass", run: stores::pass, seeds: seeds::damages, memory: (LARGE, 2048) },
];

impl Target {
    /// The target of this name.
    pub fn named(name: &str) -> &'static Self {
        TARGETS.iter().find(|target| target.name == name).unwrap()
    }

    /// Runs it, and fails where a promise is not kept.
    pub fn check(&self, bytes: &[u8]) {
        let first = self.answer(bytes);
        assert_eq!(first, self.answer(bytes), "equal bytes have equal answers");
    }

    /// Runs it without a look at the memory, of which others may hold some at the same time.
    pub fn ask(&self, bytes: &[u8]) -> Answer {
        let mut answer = Answer::default();
        (self.run)(bytes, &mut answer);
        answer
    }

    fn answer(&self, bytes: &[u8]) -> Answer {
        let (whatever, each) = self.memory;
        let before = MEMORY.current_usage();
        MEMORY.reset_peak_usage();
        let answer = self.ask(bytes);
        let held = MEMORY.peak_usage().saturating_sub(before);
        let limit = whatever + each * bytes.len();
        assert!(
            held <= limit,
            "{held} bytes were held for an input of {}, at most {limit} are right",
            bytes.len()
        );
        answer
    }
}

/// The package under test, of which this may be a part or which this may stand in.
fn package() -> PathBuf {
    let own = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    if own.ends_with("tests/fuzz") { own.join("../..") } else { own }
}
