//! A bar on the standard error while a long read goes on; only on a terminal, and only after a second.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::store::source::bytes_read;

/// Reads that are over by then need no bar.
const PATIENCE: Duration = Duration::from_secs(1);
/// How the bar looks.
const STYLE: &str = "{bar:30} {bytes} of at most {total_bytes} read, {bytes_per_sec}, {elapsed}";
const TICK: Duration = Duration::from_millis(100);

/// Shows how far reading has come until it is dropped.
pub(super) struct Progress {
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Progress {
    /// Expects `total` bytes at most.
    pub(super) fn start(total: u64) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&is_over);
        let began = (Instant::now(), bytes_read());
        // Without a thread there is no bar, and nothing else is missing.
        let thread = std::thread::Builder::new().spawn(move || show(total, began, &told)).ok();
        Self { is_over, thread }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // A bar that panicked is no reason to end without the answer.
            let _ = thread.join();
        }
    }
}

fn show(total: u64, (began, read_before): (Instant, u64), is_over: &AtomicBool) {
    let mut bar: Option<ProgressBar> = None;
    while !is_over.load(Ordering::Relaxed) {
        std::thread::park_timeout(TICK);
        if began.elapsed() < PATIENCE {
            continue;
        }
        let bar = bar.get_or_insert_with(|| {
            let style = ProgressStyle::with_template(STYLE).expect("a test reads it");
            ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr()).with_style(style)
        });
        bar.set_position((bytes_read() - read_before).min(total));
    }
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_can_be_drawn_and_ends_with_what_it_watches() {
        assert!(ProgressStyle::with_template(STYLE).is_ok());
        drop(Progress::start(0));
    }
}
