//! The demo's log files: recorded lines, written now.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use super::DemoError;
use super::clock::TimeShift;
use crate::format::log_line::{LineSplitter, RawLine, STAMP_LEN, stamp};
use crate::units::EpochMillis;

/// The directory of the logs, and those that have been written to.
#[derive(Debug)]
pub(super) struct LogFiles {
    directory: PathBuf,
    open: BTreeMap<String, File>,
}

impl LogFiles {
    pub(super) fn create(directory: &Path) -> Result<Self, DemoError> {
        fs::create_dir_all(directory).map_err(DemoError::io(directory))?;
        Ok(Self { directory: directory.to_owned(), open: BTreeMap::new() })
    }

    /// Appends a line that was seen at `seen`, as if it had been written `shift` later.
    pub(super) fn append(
        &mut self,
        name: &str,
        line: &str,
        seen: EpochMillis,
        shift: TimeShift,
    ) -> Result<(), DemoError> {
        let path = self.directory.join(name);
        if !self.open.contains_key(name) {
            let file = File::options().create(true).append(true).open(&path).map_err(DemoError::io(&path))?;
            self.open.insert(name.to_owned(), file);
        }
        let Some(file) = self.open.get_mut(name) else { return Ok(()) };
        let text = moved(line, seen, shift) + "\n";
        file.write_all(text.as_bytes()).map_err(DemoError::io(&path))
    }
}

/// The line with the time at its begin moved. The time has seconds only, so what is below a second comes from when the line was
/// seen: without that, lines would fall back behind the moment to which they are moved by up to a second.
fn moved(line: &str, seen: EpochMillis, shift: TimeShift) -> String {
    match LineSplitter::default().split(line.as_bytes()) {
        RawLine::Entry(entry) => {
            let written = EpochMillis(seen.0.clamp(entry.at.0, entry.at.0.saturating_add(999)));
            stamp(shift.apply(written)) + line.get(STAMP_LEN..).unwrap_or_default()
        }
        RawLine::Continuation(_) => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: i64 = 1_795_416_777_000;
    const LINE: &str = "2026-11-23 14:52:57 INFO main - load over, at 2026-11-23 14:52:57";

    fn moved_by(shift: i64, seen: i64) -> String {
        moved(LINE, EpochMillis(seen), TimeShift::between(EpochMillis(0), EpochMillis(shift)))
    }

    #[test]
    fn only_the_time_at_the_begin_moves() {
        let expected = "2026-11-23 15:52:57 INFO main - load over, at 2026-11-23 14:52:57";
        assert_eq!(moved_by(3_600_000, AT), expected);
        assert_eq!(moved("\tat java.lang", EpochMillis(AT), TimeShift::default()), "\tat java.lang");
    }

    #[test]
    fn what_is_below_a_second_comes_from_when_the_line_was_seen() {
        assert!(moved_by(600, AT + 300).starts_with("2026-11-23 14:52:57"));
        assert!(moved_by(600, AT + 400).starts_with("2026-11-23 14:52:58"));
        assert!(moved_by(600, AT + 2400).starts_with("2026-11-23 14:52:58"), "seen late, written before");
    }

    #[test]
    fn lines_are_appended_to_their_file() {
        let dir = tempfile::tempdir().unwrap();
        let mut logs = LogFiles::create(&dir.path().join("logs")).unwrap();
        for name in ["store.log", "broker_default.log", "store.log"] {
            logs.append(name, LINE, EpochMillis(AT), TimeShift::default()).unwrap();
        }
        let text = fs::read_to_string(dir.path().join("logs/store.log")).unwrap();
        assert_eq!(text, format!("{LINE}\n{LINE}\n"));
    }
}
