//! A thread on which answers of one kind are made, one after the other.
//!
//! One for all of them, as the C library keeps memory for each thread that has freed much: with a thread an answer, what a
//! forecast of 50,000 queues had taken was kept several times over, and what a scrape takes as often as scrapes came at once.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Sender, channel};

use tokio::sync::oneshot;

type Job = Box<dyn FnOnce() + Send>;

/// Where jobs are handed in.
#[derive(Debug)]
pub(super) struct Desk(Sender<Job>);

impl Desk {
    /// Begins to take jobs, on a thread of this name.
    pub fn open(name: &str) -> Self {
        let (hand_in, jobs) = channel::<Job>();
        let work = move || {
            for job in jobs {
                // Who waits for it notices, and tells.
                let _ = catch_unwind(AssertUnwindSafe(job));
            }
        };
        if let Err(error) = std::thread::Builder::new().name(name.to_owned()).spawn(work) {
            tracing::error!(%error, name, "no thread for answers");
        }
        Self(hand_in)
    }

    /// What `job` gives; `None` if it panicked.
    pub async fn done<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        let (tell, told) = oneshot::channel();
        let job = move || {
            // Whoever asked may have gone.
            let _ = tell.send(job());
        };
        self.0.send(Box::new(job)).ok()?;
        told.await.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_job_that_panics_ends_no_other_and_all_run_on_the_same_thread() {
        let desk = Desk::open("test");
        let thread = || std::thread::current().id();
        let first = desk.done(thread).await;
        assert_eq!(desk.done(|| panic!("wanted")).await, None::<()>);
        assert!(first.is_some());
        assert_eq!(desk.done(thread).await, first);
    }
}
