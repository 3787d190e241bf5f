//! The INFO lines that mark a phase of load, and what is told of states that it does not reach and of gaps in the log.
//!
//! Upstream: `DefaultMessageStore.load` and `recover`, `CommitLog.load`, `MappedFileQueue.checkSelf`, `ConsumeQueueStore.loadConsumeQueues`,
//! `MessageStoreStateMachine.transitTo`.

use super::forecast::LogLine;
use super::load::Load;

/// What load reaches, one after the other.
const STATES: [&str; 4] = ["LOAD_COMMITLOG_OK", "LOAD_CONSUME_QUEUE_OK", COMPACTION, "LOAD_INDEX_OK"];
const COMPACTION: &str = "LOAD_COMPACTION_OK";
/// Where the log stands among them.
pub const LOG_STATE: usize = 0;
/// Where the queues do.
pub const QUEUES_STATE: usize = 1;
/// Where the index does.
pub const INDEX_STATE: usize = 3;

impl Load<'_> {
    pub(super) fn tell_phase(&mut self, text: String) {
        self.lines.push(LogLine::info(text));
    }

    /// Neighbours in the log that do not follow one another.
    pub(super) fn tell_gaps(&mut self) {
        if !self.setting.rules.tells_gaps {
            return;
        }
        self.lines.extend(self.log.gaps().map(|(before, behind)| {
            let text = format!(
                "[BUG]The mappedFile queue's data is damaged, the adjacent mappedFile's offset don't match. pre file {}, cur file {}",
                before.path().display(),
                behind.path().display()
            );
            LogLine::new("ERROR", text)
        }));
    }

    /// States that are not reached because the part at `failed` of [`STATES`] is not loaded. Each line has times behind this.
    pub(super) fn tell_missed_states(&mut self, failed: usize) {
        if !self.setting.rules.tells_states {
            return;
        }
        let is_passed = |state: &&&str| **state != COMPACTION || self.setting.conf.enable_compaction;
        let before = STATES[..failed].iter().rfind(is_passed).unwrap_or(&"LOAD_BEGIN");
        // The index is looked at only where all before it is loaded.
        let missed = &STATES[failed..INDEX_STATE.max(failed + 1)];
        self.lines.extend(missed.iter().filter(is_passed).map(|state| {
            LogLine::warn(format!("MessageStoreState transition from {before} to {state} failed"))
        }));
    }

    /// How the broker stopped before.
    pub(super) fn tell_begin(&mut self) {
        let shutdown = if self.setting.is_clean { "normally" } else { "abnormally" };
        let root = self.setting.root.display();
        let root = self.setting.rules.root_in_first_line.map(|name| format!(", {name}: {root}"));
        self.tell_phase(format!("last shutdown {shutdown}{}", root.unwrap_or_default()));
    }

    /// Where the log ends now.
    pub(super) fn tell_end(&mut self) {
        let max_offset = self.max_offset();
        for line in self.setting.rules.recovery_end_line.into_iter().chain(["load over"]) {
            self.tell_phase(format!("{line}, and the max phy offset = {max_offset}"));
        }
    }
}
