//! The INFO lines that mark a phase of load, and what is told of gaps in the log.
//!
//! Upstream: `DefaultMessageStore.load` and `recover`, `CommitLog.load`, `MappedFileQueue.checkSelf`, `ConsumeQueueStore.loadConsumeQueues`.

use super::file_list::ListedFile;
use super::forecast::LogLine;
use super::load::Load;

impl Load<'_> {
    pub(super) fn tell_phase(&mut self, text: String) {
        self.lines.push(LogLine::info(text));
    }

    /// Neighbours in the log that do not follow one another.
    pub(super) fn tell_gaps(&mut self) {
        if !self.setting.rules.tells_gaps {
            return;
        }
        let list = &self.log;
        let is_apart = |pair: &&[ListedFile]| pair[1].base - pair[0].base != list.file_len;
        self.lines.extend(list.files.windows(2).filter(is_apart).map(|pair| {
            let (before, behind) = (pair[0].path(), pair[1].path());
            let text = format!(
                "[BUG]The mappedFile queue's data is damaged, the adjacent mappedFile's offset don't match. pre file {}, cur file {}",
                before.display(),
                behind.display()
            );
            LogLine::new("ERROR", text)
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
