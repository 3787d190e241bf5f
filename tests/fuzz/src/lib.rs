//! The targets under libFuzzer, on a stable compiler: what its instrumentation needs are flags of LLVM that `run` gives.

pub mod targets;

use std::io::Write as _;
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

pub use libfuzzer_sys;
use targets::Target;

unsafe extern "C" {
    safe fn atexit(callback: extern "C" fn()) -> i32;
    safe fn _exit(code: i32) -> !;
}

static RUNNING: OnceLock<(&'static Target, Instant, Option<u64>)> = OnceLock::new();
static BYTES: AtomicU64 = AtomicU64::new(0);
static RUNS: AtomicU64 = AtomicU64::new(0);

/// Makes a program of the target of this name.
#[macro_export]
macro_rules! target {
    ($name:literal) => {
        $crate::libfuzzer_sys::fuzz_target!(init: $crate::begin($name), |bytes: &[u8]| $crate::feed(bytes));
    };
}

/// Before the first input: writes the seeds where `FUZZ_SEEDS` says; `FUZZ_BYTES` is where to stop.
pub fn begin(name: &str) {
    let target = Target::named(name);
    if let Some(dir) = std::env::var_os("FUZZ_SEEDS") {
        for (number, seed) in (target.seeds)().iter().enumerate() {
            std::fs::write(Path::new(&dir).join(format!("seed-{number:03}")), seed).unwrap();
        }
    }
    let most = std::env::var("FUZZ_BYTES").ok().map(|text| text.parse().unwrap());
    RUNNING.get_or_init(|| (target, Instant::now(), most));
    atexit(report);
}

/// One input.
pub fn feed(bytes: &[u8]) {
    let (target, _, most) = RUNNING.get().unwrap();
    target.check(bytes);
    RUNS.fetch_add(1, Ordering::Relaxed);
    let len = u64::try_from(bytes.len()).unwrap();
    let fed = BYTES.fetch_add(len, Ordering::Relaxed) + len;
    if most.is_some_and(|most| fed >= most) {
        report();
        // The engine takes an orderly exit inside of a target for a failure.
        _exit(0);
    }
}

extern "C" fn report() {
    let (target, began, _) = RUNNING.get().unwrap();
    let (bytes, runs) = (BYTES.load(Ordering::Relaxed), RUNS.load(Ordering::Relaxed));
    let millis = began.elapsed().as_millis().max(1);
    let each = u128::from(runs) * 1000 / millis;
    let _ = writeln!(
        std::io::stdout(),
        "{:<12}{bytes:>14} bytes {runs:>10} runs {:>6} s {each:>8} runs/s",
        target.name,
        millis / 1000
    );
}
