//! When it is worth looking again.
//!
//! Polling must be enough: writes through a mapping raise no file events, and events get lost. So events only shorten a wait.
//! Without watches to be had (`fs.inotify.max_user_watches` used up) everything works, a little later.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};

/// Why a wait ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Woken {
    /// The time was up.
    ByTime,
    /// A watched directory changed.
    ByChange,
    /// Somebody asked for a look at once.
    ByRequest,
    /// The end.
    ByStop,
}

/// Ends waits from outside.
#[derive(Debug, Clone)]
pub struct Waker {
    sender: SyncSender<Woken>,
    is_stopped: Arc<AtomicBool>,
}

impl Waker {
    /// Asks for a look at once.
    pub fn request(&self) {
        // Full: it has been asked already, and will look.
        let _ = self.sender.try_send(Woken::ByRequest);
    }

    /// Ends the waiting for good.
    pub fn stop(&self) {
        self.is_stopped.store(true, Ordering::Relaxed);
        let _ = self.sender.send(Woken::ByStop);
    }

    /// Set once [`Waker::stop`] was called: for work between two waits that takes long.
    #[must_use]
    pub fn stopped(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.is_stopped)
    }
}

/// Waits for time, changes and requests.
#[derive(Debug)]
pub struct Wake {
    receiver: Receiver<Woken>,
    watcher: Option<RecommendedWatcher>,
}

/// Events in flight; more of the same say nothing new.
const QUEUE: usize = 64;

impl Wake {
    /// Nothing is watched yet.
    #[must_use]
    pub fn new() -> (Self, Waker) {
        let (sender, receiver) = sync_channel(QUEUE);
        let changes = sender.clone();
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            // Our own reading raises access events.
            if event.is_ok_and(|event| !matches!(event.kind, EventKind::Access(_))) {
                let _ = changes.try_send(Woken::ByChange);
            }
        });
        let watcher =
            watcher.inspect_err(|error| tracing::info!(%error, "no file events, polling alone")).ok();
        (Self { receiver, watcher }, Waker { sender, is_stopped: Arc::default() })
    }

    /// Watches the entries of a directory. That it cannot is no fault.
    pub fn watch(&mut self, dir: &Path) {
        if let Some(watcher) = &mut self.watcher
            && let Err(error) = watcher.watch(dir, RecursiveMode::NonRecursive)
        {
            tracing::debug!(dir = %dir.display(), %error, "not watched");
        }
    }

    /// Waits until something happens, `at_most` that long. Of several things that have happened the last in the order of
    /// [`Woken`] is told.
    pub fn wait(&mut self, at_most: Duration) -> Woken {
        let mut woken = match self.receiver.recv_timeout(at_most) {
            Ok(woken) => woken,
            Err(RecvTimeoutError::Timeout) => return Woken::ByTime,
            Err(RecvTimeoutError::Disconnected) => return Woken::ByStop,
        };
        let until = Instant::now() + Duration::from_millis(1);
        while let Ok(next) = self.receiver.try_recv() {
            woken = match (woken, next) {
                (Woken::ByStop, _) | (_, Woken::ByStop) => Woken::ByStop,
                (Woken::ByRequest, _) | (_, Woken::ByRequest) => Woken::ByRequest,
                _ => next,
            };
            if Instant::now() > until {
                break;
            }
        }
        woken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_a_change_and_the_end_shorten_a_wait() {
        let dir = tempfile::tempdir().unwrap();
        let (mut wake, waker) = Wake::new();
        assert_eq!(wake.wait(Duration::ZERO), Woken::ByTime);
        wake.watch(dir.path());
        std::fs::write(dir.path().join("abort"), b"1").unwrap();
        assert_eq!(wake.wait(Duration::from_secs(10)), Woken::ByChange);
        while wake.wait(Duration::from_millis(20)) == Woken::ByChange {}
        waker.request();
        waker.stop();
        assert_eq!(wake.wait(Duration::from_secs(10)), Woken::ByStop);
    }
}
