//! What happens, in plain lines for a terminal, and what to look at. Numbers and quoted lines come from the capture.

use std::io::Write;
use std::time::Duration;

use super::DemoError;
use super::capture::Capture;
use super::manifest::{Happening, Milestone, Stage};
use super::player::{DemoDirs, Pace};
use crate::format::log_line::{LineSplitter, LogLine, RawLine};
use crate::watch::matcher::Matcher;
use crate::watch::{Event, LogFile};

const PREFIX: &str = "rocketmq_store_";

/// How the names of metrics begin that show what the broker is doing.
const LIFE: [&str; 3] = ["phase", "lock_held", "abort_file_present"];
/// Those that show what there is to lose.
const QUEUES: [&str; 3] = ["consumequeue_queues", "consumequeue_files", "consumequeue_units"];
/// Those that show what was lost.
const LOSS: [&str; 3] = ["consumequeue_vanished_", "consumequeue_units_removed_total", "dispatch_lag_bytes"];
/// The one that counts lines.
const EVENTS: &str = "log_events_total";
/// Those that foretell it.
const PREVIEW: [&str; 2] = ["recovery_preview_verdict", "recovery_preview_units_lost"];

/// What is told of, and where.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scene<'a> {
    pub(super) capture: &'a Capture,
    pub(super) dirs: &'a DemoDirs,
    pub(super) pace: Pace,
}

/// Tells the story to somebody at a terminal.
pub struct Narration<'o> {
    out: &'o mut dyn Write,
    url: String,
}

impl std::fmt::Debug for Narration<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Narration").field("url", &self.url).finish_non_exhaustive()
    }
}

impl<'o> Narration<'o> {
    /// Writes to `out`; `url` is where the exporter serves, such as `http://127.0.0.1:5558`.
    pub fn new(out: &'o mut dyn Write, url: &str) -> Self {
        Self { out, url: url.trim_end_matches('/').to_owned() }
    }

    /// How the names of the metrics begin that people are told to look at.
    pub fn metrics() -> impl Iterator<Item = String> {
        let names = LIFE.into_iter().chain(QUEUES).chain(LOSS).chain([EVENTS]).chain(PREVIEW);
        names.map(|name| format!("{PREFIX}{name}"))
    }

    pub(super) fn begin(&mut self, scene: Scene<'_>) -> Result<(), DemoError> {
        let manifest = scene.capture.manifest();
        let (url, workload) = (self.url.clone(), &manifest.workload);
        self.say(&format!(
            "A recorded broker {} in {} mode: {} topics of {} queues, {} messages. No broker runs here; files and",
            manifest.release,
            manifest.mode,
            workload.topics.len(),
            workload.queues_per_topic,
            workload.messages
        ))?;
        self.say(
            "logs change as its files and logs did, and the exporter watches them like those of any broker.",
        )?;
        self.say("")?;
        for (name, path) in [
            ("page", "/"),
            ("metrics", "/metrics"),
            ("events", "/api/v1/events"),
            ("queues", "/api/v1/queues"),
            ("preview", "/api/v1/preview"),
        ] {
            self.say(&format!("  {name:<8} {url}{path}"))?;
        }
        let dirs = scene.dirs;
        for (name, path) in [("store", &dirs.store), ("logs", &dirs.logs), ("conf", &dirs.broker_conf)] {
            self.say(&format!("  {name:<8} {}", path.display()))?;
        }
        self.say("")?;
        self.say(
            "The broker is running and idle: it holds its lock, and its abort file lies there as it should.",
        )?;
        self.look_at(&[LIFE, QUEUES].concat())?;
        self.say("What would happen if it were killed now is known already:")?;
        self.look_at(&PREVIEW)?;
        self.say(&format!(
            "  by hand  rocketmq-store-exporter preview --store.path {} --broker.conf {} --broker.version {}",
            dirs.store.display(),
            dirs.broker_conf.display(),
            manifest.release
        ))?;
        self.say(&format!("In {} it will be killed.", seconds(scene.pace.running)))
    }

    /// Tells of the recorded event `index`, if there is anything to tell.
    pub(super) fn tell(&mut self, scene: Scene<'_>, index: usize) -> Result<(), DemoError> {
        let Some(recorded) = scene.capture.timeline().get(index) else { return Ok(()) };
        let manifest = scene.capture.manifest();
        let lost = manifest.lost;
        let tenths = (recorded.ms + 50) / 100;
        let at = format!("t+{}.{} s ", tenths / 10, tenths % 10);
        match &recorded.what {
            Happening::Phase { phase: Milestone::Killed } => {
                let changed = match manifest.files_changed(Stage::Running, Stage::Killed) {
                    0 => "no file of the store has changed".to_owned(),
                    files => format!("{files} files of the store have changed"),
                };
                self.say("")?;
                self.say(&format!(
                    "The broker is killed with SIGKILL: {changed}, the lock is free, the abort file stays."
                ))?;
                self.look_at(&LIFE)?;
                self.say(&format!("In {} it will be started again.", seconds(scene.pace.killed)))
            }
            Happening::Phase { phase: Milestone::Started } => {
                self.say("")?;
                self.say(&format!(
                    "{at} The broker is started. It serves no metrics of its own while it loads."
                ))
            }
            Happening::Log { file, line } => self.tell_line(&at, file, line),
            Happening::Delete { .. } => match Removal::ending_at(scene.capture, index) {
                Some(removal) => {
                    self.say(&format!(
                        "{at} {} consumequeue files of {} queues are unlinked within {} ms: {} units gone. All {} \
                         messages are still in the log.",
                        removal.files, lost.queues, removal.took_ms, lost.units, manifest.workload.messages
                    ))?;
                    self.look_at_loss()
                }
                None => Ok(()),
            },
            Happening::Lock { held: true } => self.say(&format!(
                "{at} The broker takes its lock and will serve, with {} queues that it takes for empty.",
                lost.queues
            )),
            Happening::Phase { phase: Milestone::End } => {
                self.say("")?;
                self.say(&format!(
                    "{at} That was it. Nothing builds the index again by itself. The exporter should show 1 {},",
                    Event::DupInfoFailed
                ))?;
                self.say(&format!(
                    "{} queues and {} files vanished, {} units removed, and a dispatch lag of the whole log.",
                    lost.queues, lost.files, lost.units
                ))?;
                self.look_at_loss()?;
                self.say(&format!("  events   curl -s {}/api/v1/events", self.url))?;
                self.say(&format!("Ctrl-C ends the demo and removes {}.", scene.dirs.home.display()))
            }
            _ => Ok(()),
        }
    }

    fn tell_line(&mut self, at: &str, file: &str, line: &str) -> Result<(), DemoError> {
        let Some((event, entry)) = known_line(file, line) else { return Ok(()) };
        let meaning = match event {
            Event::ShutdownUnclean => "its abort file was there",
            Event::DupInfoFailed => "it takes a sound message for a damaged one: apache/rocketmq#8032",
            Event::DirtyLogicTruncated => "all units at or above the second number are to go",
            Event::LoadOk => "it finds its log whole, and nothing amiss",
            _ => return Ok(()),
        };
        let text = String::from_utf8_lossy(entry.text);
        self.say(&format!("{at} {file}: {text}"))?;
        self.say(&format!("{:width$} ({meaning})", "", width = at.len()))
    }

    fn look_at_loss(&mut self) -> Result<(), DemoError> {
        let line = format!("{EVENTS}.*{}", Event::DupInfoFailed);
        let mut names = vec![line.as_str()];
        names.extend(LOSS);
        self.look_at(&names)
    }

    fn look_at(&mut self, names: &[&str]) -> Result<(), DemoError> {
        let (url, names) = (&self.url, names.join("|"));
        let command = format!("  look at  curl -s {url}/metrics | grep -E '^{PREFIX}({names})'");
        self.say(&command)
    }

    fn say(&mut self, line: &str) -> Result<(), DemoError> {
        writeln!(self.out, "{line}")
            .and_then(|()| self.out.flush())
            .map_err(|source| DemoError::Told { source })
    }
}

/// Consume queue files that went.
struct Removal {
    files: usize,
    took_ms: i64,
}

impl Removal {
    /// All of them, if the event `index` is the last.
    fn ending_at(capture: &Capture, index: usize) -> Option<Self> {
        let timeline = capture.timeline().iter().enumerate();
        let deletions: Vec<_> = timeline
            .filter(|(_, recorded)| {
                matches!(&recorded.what, Happening::Delete { path } if path.starts_with("consumequeue/"))
            })
            .collect();
        let ((_, first), (last, ended)) = (deletions.first()?, deletions.last()?);
        (*last == index).then_some(Self { files: deletions.len(), took_ms: ended.ms - first.ms })
    }
}

fn known_line<'a>(file: &str, line: &'a str) -> Option<(Event, LogLine<'a>)> {
    let log = LogFile::ALL.into_iter().find(|log| file.strip_suffix(".log") == Some(log.id()))?;
    let RawLine::Entry(entry) = LineSplitter::default().split(line.as_bytes()) else { return None };
    Some((Matcher::get().find(log, entry.text)?.event, entry))
}

fn seconds(time: Duration) -> String {
    format!("{} s", time.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn told() -> String {
        let capture = Capture::embedded().unwrap();
        let home = PathBuf::from("/h");
        let dirs = DemoDirs {
            store: home.join("store"),
            logs: home.join("logs"),
            broker_conf: home.join("conf"),
            state: home.join("state"),
            home,
        };
        let scene = Scene { capture: &capture, dirs: &dirs, pace: Pace::default() };
        let mut out = Vec::new();
        let mut narration = Narration::new(&mut out, "http://127.0.0.1:5558/");
        narration.begin(scene).unwrap();
        for index in 0..capture.timeline().len() {
            narration.tell(scene, index).unwrap();
        }
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_story_is_told_in_its_order_with_the_numbers_of_the_capture() {
        let told = told();
        let lost = Capture::embedded().unwrap().manifest().lost;
        let mut rest = told.as_str();
        for expected in [
            "http://127.0.0.1:5558/metrics\n",
            "is running",
            "preview --store.path /h/store --broker.conf /h/conf --broker.version 5.2.0\n",
            "killed with SIGKILL: no file of the store has changed",
            "t+0.0 s  The broker is started",
            "last shutdown abnormally",
            "DupInfo in properties check failed. dupInfo=null",
            "truncate dirty logic files",
            "load over",
            &format!("{} consumequeue files of {} queues are unlinked", lost.files, lost.queues),
            &format!("{} units gone", lost.units),
            "takes its lock",
            "That was it",
            "removes /h.",
        ] {
            let at =
                rest.find(expected).unwrap_or_else(|| panic!("{expected:?} is missing or late:\n{told}"));
            rest = &rest[at + expected.len()..];
        }
        assert_eq!(told.matches("are unlinked").count(), 1);
    }

    #[test]
    fn a_terminal_that_is_gone_is_an_error() {
        struct Closed;
        impl Write for Closed {
            fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
                Err(std::io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let mut closed = Closed;
        let error = Narration::new(&mut closed, "u").say("x").unwrap_err();
        assert_eq!(error.to_string(), "cannot write what happens: broken pipe");
    }
}
