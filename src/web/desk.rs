//! A thread on which answers of one kind are made, one after the other.
//!
//! One for all of them, as the C library keeps memory for each thread that has freed much: with a thread an answer, what a
//! forecast of 50,000 queues had taken was kept several times over, and what a scrape takes as often as scrapes came at once.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::observe::vitals::{Task, Vitals};

type Job = Box<dyn FnOnce() + Send>;

/// Where jobs are handed in.
#[derive(Debug)]
pub(super) struct Desk(Sender<Job>);

impl Desk {
    /// Begins to take jobs of a task; each should be over after `allowed`.
    pub fn open(task: Task, allowed: Duration, vitals: Arc<Vitals>) -> Self {
        let (hand_in, jobs) = channel::<Job>();
        let name = task.as_str();
        let work = move || {
            for job in jobs {
                let _work = vitals.work(task, allowed);
                // Who waits for it notices.
                if catch_unwind(AssertUnwindSafe(job)).is_err() {
                    vitals.panicked(task);
                    tracing::error!(task = name, "an answer was not finished");
                }
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
    use std::time::Instant;

    use super::*;

    #[tokio::test]
    async fn a_job_that_panics_ends_no_other_and_all_run_on_the_same_thread() {
        let vitals = Arc::new(Vitals::default());
        let desk = Desk::open(Task::Scrapes, Duration::from_secs(60), Arc::clone(&vitals));
        let thread = || std::thread::current().id();
        let first = desk.done(thread).await;
        assert_eq!(desk.done(|| panic!("wanted")).await, None::<()>);
        assert!(first.is_some());
        assert_eq!(desk.done(thread).await, first);
        assert_eq!(vitals.panics(Task::Scrapes), 1);
    }

    #[tokio::test]
    async fn a_job_that_hangs_is_told_until_it_is_over() {
        let vitals = Arc::new(Vitals::default());
        let desk = Desk::open(Task::Answers, Duration::from_millis(1), Arc::clone(&vitals));
        let (release, released) = channel::<()>();
        let job = desk.done(move || released.recv().is_ok());
        let look = async {
            while vitals.stuck(Instant::now()).is_empty() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            let stuck = vitals.stuck(Instant::now());
            assert_eq!(stuck.iter().map(|stuck| stuck.task).collect::<Vec<_>>(), [Task::Answers]);
            release.send(()).unwrap();
        };
        assert_eq!(tokio::join!(job, look).0, Some(true));
        desk.done(|| ()).await;
        let rests = async {
            while !vitals.stuck(Instant::now() + Duration::from_secs(1)).is_empty() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), rests).await.expect("who rests is not stuck");
    }
}
