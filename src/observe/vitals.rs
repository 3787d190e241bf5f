//! Whether the exporter's own tasks live: when each last gave a sign, and how often it panicked.
//!
//! Who looks asks when it looks: there is no watchdog that could get stuck itself. A task that waits for a disk is not stuck, and
//! nor are those that may wait for it: that is the store's trouble, and a new process would wait for the same disk.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::label::label_set;
use crate::watch::wake::{Wake, Woken};

label_set! {
    /// What the exporter does at the same time.
    pub enum Task {
        /// Answers questions about the next start.
        Answers = "answers",
        /// Plays the broker of the demo.
        Demo = "demo",
        /// Takes connections and requests.
        Http = "http",
        /// Foretells the next start.
        Outlook = "outlook",
        /// Looks at the store.
        Pass = "pass",
        /// Makes the answers of scrapes.
        Scrapes = "scrapes",
        /// Follows the broker's logs.
        Tail = "tail",
    }
}

/// Rest before a task is started again, and the longest one: each panic doubles it.
const REST: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// What is known of one task.
#[derive(Debug, Default)]
struct Pulse {
    /// ms after the begin, plus 1; 0: it was never started, rests, or is over.
    last_sign: AtomicU64,
    /// Longest time between two signs (ms).
    allowed: AtomicU64,
    thread: AtomicI32,
    panics: AtomicU64,
}

/// The tasks of one process.
#[derive(Debug)]
pub struct Vitals {
    began: Instant,
    pulses: [Pulse; Task::ALL.len()],
}

/// One piece of work of a task that rests between them: over when this is dropped.
#[derive(Debug)]
pub struct Work<'a>(&'a Pulse);

impl Drop for Work<'_> {
    fn drop(&mut self) {
        self.0.rest();
    }
}

impl Pulse {
    fn begin(&self, allowed: Duration) {
        self.allowed.store(u64::try_from(allowed.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
        self.thread.store(nix::unistd::gettid().as_raw(), Ordering::Relaxed);
    }

    fn rest(&self) {
        self.last_sign.store(0, Ordering::Relaxed);
        self.thread.store(0, Ordering::Relaxed);
    }
}

/// A task that gives no sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stuck {
    /// Which one.
    pub task: Task,
    /// For how long.
    pub since: Duration,
}

impl Default for Vitals {
    fn default() -> Self {
        Self { began: Instant::now(), pulses: Default::default() }
    }
}

impl Vitals {
    fn pulse(&self, task: Task) -> &Pulse {
        let at = Task::ALL.iter().position(|each| *each == task);
        &self.pulses[at.expect("every task is in the list of all")]
    }

    fn millis(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.began).as_millis()).unwrap_or(u64::MAX)
    }

    /// The task goes on.
    pub fn beat(&self, task: Task) {
        self.pulse(task).last_sign.store(self.millis(Instant::now()) + 1, Ordering::Relaxed);
    }

    /// This thread begins a piece of work of the task, which should be over after `allowed`.
    #[must_use]
    pub fn work(&self, task: Task, allowed: Duration) -> Work<'_> {
        let pulse = self.pulse(task);
        pulse.begin(allowed);
        self.beat(task);
        Work(pulse)
    }

    /// The task had panicked.
    pub fn panicked(&self, task: Task) {
        self.pulse(task).panics.fetch_add(1, Ordering::Relaxed);
    }

    /// How often it has panicked.
    #[must_use]
    pub fn panics(&self, task: Task) -> u64 {
        self.pulse(task).panics.load(Ordering::Relaxed)
    }

    /// Tasks that should have given a sign by now.
    #[must_use]
    pub fn stuck(&self, now: Instant) -> Vec<Stuck> {
        let overdue = Task::ALL.into_iter().filter_map(|task| {
            let pulse = self.pulse(task);
            let last_sign = pulse.last_sign.load(Ordering::Relaxed).checked_sub(1)?;
            let since = self.millis(now).saturating_sub(last_sign);
            (since > pulse.allowed.load(Ordering::Relaxed))
                .then(|| Stuck { task, since: Duration::from_millis(since) })
        });
        let overdue: Vec<_> = overdue.collect();
        let threads = || self.pulses.iter().map(|pulse| pulse.thread.load(Ordering::Relaxed));
        if !overdue.is_empty() && threads().any(waits_for_a_disk) { Vec::new() } else { overdue }
    }

    /// Runs a task until it ends by itself, again and again if it panics; at the latest after `allowed` it should give a sign. A panic
    /// gives none: a task that panics at once every time is as good as stuck.
    pub fn keep_running(
        &self,
        task: Task,
        allowed: Duration,
        wake: &mut Wake,
        mut run: impl FnMut(&mut Wake),
    ) {
        let pulse = self.pulse(task);
        pulse.begin(allowed);
        self.beat(task);
        let mut rest = REST.0;
        loop {
            let began = Instant::now();
            // What it had in hand stays: positions and counts are worth more than a clean begin, and each is changed in one step.
            let Err(panic) = catch_unwind(AssertUnwindSafe(|| run(wake))) else { break };
            self.panicked(task);
            if began.elapsed() > REST.1 {
                rest = REST.0;
            }
            let panic = text_of(&*panic);
            tracing::error!(task = task.as_str(), panic, ?rest, "a task panicked, it is started again");
            if !pause(wake, rest) {
                break;
            }
            rest = (rest * 2).min(REST.1);
        }
        pulse.rest();
    }
}

/// Waits out the whole time, unless the end comes before.
fn pause(wake: &mut Wake, time: Duration) -> bool {
    let until = Instant::now() + time;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return true;
        }
        if wake.wait(left) == Woken::ByStop {
            return false;
        }
    }
}

/// What a panic said.
fn text_of(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no text")
}

/// Whether a thread of this process is in an uninterruptible wait, as the kernel shows it.
fn waits_for_a_disk(thread: i32) -> bool {
    let path = Path::new("/proc/self/task").join(thread.to_string()).join("stat");
    // The name before it may hold anything.
    thread != 0
        && std::fs::read_to_string(path)
            .is_ok_and(|stat| stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('D')))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALLOWED: Duration = Duration::from_secs(60);

    #[test]
    fn a_task_that_panics_is_counted_and_started_again() {
        let (vitals, (mut wake, waker)) = (Vitals::default(), Wake::new());
        let mut runs = 0;
        vitals.keep_running(Task::Pass, ALLOWED, &mut wake, |_| {
            runs += 1;
            assert!(runs > 1, "the first run ends badly");
        });
        assert_eq!((runs, vitals.panics(Task::Pass), vitals.panics(Task::Tail)), (2, 1, 0));
        drop(waker);
    }

    #[test]
    fn a_task_that_panics_is_not_started_again_at_the_end() {
        let (vitals, (mut wake, waker)) = (Vitals::default(), Wake::new());
        let mut runs = 0;
        vitals.keep_running(Task::Tail, ALLOWED, &mut wake, |_| {
            runs += 1;
            waker.stop();
            panic!("at the end");
        });
        assert_eq!((runs, vitals.panics(Task::Tail)), (1, 1));
    }

    #[test]
    fn a_task_without_a_sign_is_stuck_until_it_gives_one_or_is_over() {
        let (vitals, (mut wake, _waker)) = (Vitals::default(), Wake::new());
        let later = |time: Duration| Instant::now() + time;
        assert_eq!(vitals.stuck(later(ALLOWED * 100)), []);
        vitals.keep_running(Task::Outlook, ALLOWED, &mut wake, |_| {
            assert_eq!(vitals.stuck(later(ALLOWED / 2)), []);
            let stuck = vitals.stuck(later(ALLOWED * 2));
            assert_eq!(stuck.iter().map(|stuck| stuck.task).collect::<Vec<_>>(), [Task::Outlook]);
            assert!(stuck[0].since >= ALLOWED * 2 - Duration::from_secs(1));
        });
        assert_eq!(vitals.stuck(later(ALLOWED * 100)), []);
    }

    #[test]
    fn a_task_that_panics_every_time_becomes_stuck() {
        let (vitals, (mut wake, waker)) = (Vitals::default(), Wake::new());
        let mut runs = 0;
        vitals.keep_running(Task::Pass, ALLOWED, &mut wake, |_| {
            runs += 1;
            if runs == 2 {
                assert_eq!(vitals.stuck(Instant::now() + ALLOWED).len(), 1, "no sign since the begin");
                waker.stop();
            }
            panic!("again");
        });
        assert_eq!(vitals.panics(Task::Pass), 2);
    }

    #[test]
    fn a_thread_that_runs_does_not_wait_for_a_disk() {
        assert!(!waits_for_a_disk(nix::unistd::gettid().as_raw()));
        assert!(!waits_for_a_disk(0));
    }
}
