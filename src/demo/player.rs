//! Lives through the incident: a store and logs are made, then the recorded time passes again.
//!
//! | act | what changes | how long |
//! |---|---|---|
//! | running | nothing: the exporter learns the store | [`Pace::running`] |
//! | killed | the lock is released, files that differ are replaced | [`Pace::killed`] |
//! | restart | everything that was seen of the next process | as recorded |
//! | after | nothing | until told to end |

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

use super::DemoError;
use super::capture::Capture;
use super::clock::{Clock, TimeShift};
use super::lock::BrokerLock;
use super::logs::LogFiles;
use super::manifest::{Happening, Manifest, Milestone, Recorded, Stage};
use super::narration::{Narration, Scene};
use super::store::StoreFiles;
use crate::units::EpochMillis;

/// One wait in the last act, which has no end of its own.
const AFTER: Duration = Duration::from_secs(3600);

/// How long the acts last that were not recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// From the begin to the kill.
    pub running: Duration,
    /// From the kill to the restart.
    pub killed: Duration,
}

impl Default for Pace {
    /// Long enough for a pass over the store in each act.
    fn default() -> Self {
        Self { running: Duration::from_secs(8), killed: Duration::from_secs(6) }
    }
}

/// Where things are; all below one directory, laid out as in the home of a broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DemoDirs {
    /// The temporary directory.
    pub home: PathBuf,
    /// The broker's `storePathRootDir`.
    pub store: PathBuf,
    /// Directory of its logs.
    pub logs: PathBuf,
    /// Its properties file.
    pub broker_conf: PathBuf,
    /// An empty directory for the exporter's own state.
    pub state: PathBuf,
}

impl DemoDirs {
    fn below(home: &Path) -> Self {
        Self {
            home: home.to_owned(),
            store: home.join("store"),
            logs: home.join("logs").join("rocketmqlogs"),
            broker_conf: home.join("conf").join("broker.conf"),
            state: home.join("state"),
        }
    }
}

/// The demo's broker. Dropping it releases the lock and removes everything.
#[derive(Debug)]
pub struct Player {
    capture: Capture,
    dirs: DemoDirs,
    store: StoreFiles,
    logs: LogFiles,
    lock: Option<BrokerLock>,
    _home: TempDir,
}

impl Player {
    /// Puts a running broker's store, logs and properties into a new temporary directory, as if it were killed at `now`.
    ///
    /// # Errors
    /// When the temporary directory cannot be made or written to.
    pub fn prepare(capture: Capture, now: EpochMillis) -> Result<Self, DemoError> {
        let parent = std::env::temp_dir();
        let home = tempfile::Builder::new().prefix("rocketmq-store-demo-").tempdir_in(&parent);
        let home = home.map_err(DemoError::io(&parent))?;
        let dirs = DemoDirs::below(home.path());
        fs::create_dir(&dirs.state).map_err(DemoError::io(&dirs.state))?;
        write_conf(capture.manifest(), &dirs)?;

        let shift = TimeShift::between(capture.killed_at(), now);
        let store = StoreFiles::unpack(&capture, Stage::Running, &dirs.store, shift)?;
        let lock = Some(BrokerLock::take(&dirs.store.join("lock"))?);
        let mut logs = LogFiles::create(&dirs.logs)?;
        let zero = capture.manifest().started_at_ms.first_run;
        for recorded in capture.first_run() {
            if let Happening::Log { file, line } = &recorded.what {
                logs.append(file, line, after(zero, recorded.ms), shift)?;
            }
        }
        Ok(Self { capture, dirs, store, logs, lock, _home: home })
    }

    /// Where things are.
    #[must_use]
    pub fn dirs(&self) -> &DemoDirs {
        &self.dirs
    }

    /// What is replayed.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        self.capture.manifest()
    }

    /// Plays all acts and stays in the last one until the clock says to end, which it may do at any time.
    ///
    /// # Errors
    /// When a file cannot be changed, or nothing can be told.
    pub fn play(
        &mut self,
        pace: Pace,
        clock: &mut dyn Clock,
        narration: &mut Narration<'_>,
    ) -> Result<(), DemoError> {
        narration.begin(self.scene(pace))?;
        if !clock.wait(pace.running) {
            return Ok(());
        }
        let started = self.capture.timeline().partition_point(|recorded| recorded.ms < 0);
        let killed_at = self.capture.killed_at();
        if !self.replay(0..started, killed_at, pace, clock, narration)? || !clock.wait(pace.killed) {
            return Ok(());
        }
        let started_at = self.capture.manifest().started_at_ms.timeline;
        let end = self.capture.timeline().len();
        if self.replay(started..end, started_at, pace, clock, narration)? {
            while clock.wait(AFTER) {}
        }
        Ok(())
    }

    /// Lets a part of the record happen, `recorded_begin` being now; `false` if told to end.
    fn replay(
        &mut self,
        part: std::ops::Range<usize>,
        recorded_begin: EpochMillis,
        pace: Pace,
        clock: &mut dyn Clock,
        narration: &mut Narration<'_>,
    ) -> Result<bool, DemoError> {
        let shift = TimeShift::between(recorded_begin, clock.now());
        for index in part {
            let Some(recorded) = self.capture.timeline().get(index).cloned() else { break };
            let seen = after(self.capture.manifest().started_at_ms.timeline, recorded.ms);
            // Due times come from the begin, so that what one step costs does not add up.
            let left = shift.apply(seen).0.saturating_sub(clock.now().0);
            if let Ok(left @ 1..) = u64::try_from(left)
                && !clock.wait(Duration::from_millis(left))
            {
                return Ok(false);
            }
            self.happen(&recorded, seen, shift, clock.now())?;
            narration.tell(self.scene(pace), index)?;
        }
        Ok(true)
    }

    fn scene(&self, pace: Pace) -> Scene<'_> {
        Scene { capture: &self.capture, dirs: &self.dirs, pace }
    }

    fn happen(
        &mut self,
        recorded: &Recorded,
        seen: EpochMillis,
        shift: TimeShift,
        now: EpochMillis,
    ) -> Result<(), DemoError> {
        match &recorded.what {
            Happening::Log { file, line } => self.logs.append(file, line, seen, shift),
            Happening::Create { path } | Happening::Write { path } => {
                self.store.write(&self.capture, Stage::Restarted, path, now)
            }
            Happening::Delete { path } => self.store.delete(path),
            Happening::Lock { held: false } => {
                self.lock = None;
                Ok(())
            }
            Happening::Lock { held: true } => {
                if self.lock.is_none() {
                    self.lock = Some(BrokerLock::take(&self.dirs.store.join("lock"))?);
                }
                Ok(())
            }
            // The kernel takes the lock from a killed process.
            Happening::Phase { phase: Milestone::Killed } => {
                self.lock = None;
                self.store.enter(&self.capture, Stage::Killed, now)
            }
            // What came and went between two looks of the recorder.
            Happening::Phase { phase: Milestone::End } => {
                self.store.enter(&self.capture, Stage::Restarted, now)
            }
            Happening::Phase { .. } => Ok(()),
        }
    }
}

fn after(zero: EpochMillis, ms: i64) -> EpochMillis {
    EpochMillis(zero.0.saturating_add(ms))
}

fn write_conf(manifest: &Manifest, dirs: &DemoDirs) -> Result<(), DemoError> {
    if let Some(directory) = dirs.broker_conf.parent() {
        fs::create_dir_all(directory).map_err(DemoError::io(directory))?;
    }
    let text = manifest.properties(&dirs.store);
    fs::write(&dirs.broker_conf, text).map_err(DemoError::io(&dirs.broker_conf))
}
