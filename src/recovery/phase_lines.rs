//! The INFO lines that mark a phase of load.
//!
//! Upstream: `DefaultMessageStore.load` and `recover`, `CommitLog.load`, `ConsumeQueueStore.loadConsumeQueues`.

use super::forecast::LogLine;
use super::load::Load;

impl Load<'_> {
    pub(super) fn tell_phase(&mut self, text: String) {
        self.lines.push(LogLine::info(text));
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
