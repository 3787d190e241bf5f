//! The confirm offset, behind which nothing is dispatched in controller mode and with `duplicationEnable`.
//!
//! Upstream: `CommitLog.recoverNormally`, `recoverAbnormally`, `setConfirmOffset`; `DLedgerCommitLog.setConfirmOffset`.

use super::forecast::LogLine;
use super::load::Load;
use crate::store::layout::LogKind;

impl Load<'_> {
    /// The confirm offset after a walk, in controller mode at most at a limit that has this name in the broker's log.
    pub(super) fn settle_confirm(&mut self, (name, limit): (&str, i64), last_start: i64) {
        let rules = self.setting.rules;
        if !rules.checks_dup_info {
            return;
        }
        if self.setting.mode == LogKind::Controller && rules.keeps_confirm {
            let min = self.min_offset();
            let before = self.confirm;
            let (relation, name, bound) = if before < min {
                ("less", "minPhyOffset", min)
            } else if before > limit {
                ("larger", name, limit)
            } else {
                return;
            };
            let text = format!(
                "confirmOffset {before} is {relation} than {name} {bound}, correct confirmOffset to {name}"
            );
            self.lines.push(LogLine::new("ERROR", text));
            self.set_confirm(bound);
        } else {
            self.set_confirm(last_start);
        }
    }

    /// `CommitLog.getConfirmOffset` while the log is recovered: that of a ledger without entries is 0.
    pub(super) fn confirm_so_far(&self) -> i64 {
        if self.setting.mode == LogKind::DLedger { 0 } else { self.confirm }
    }

    /// `CommitLog.setConfirmOffset`, which DLedger's own refuses.
    pub(super) fn set_confirm(&mut self, offset: i64) {
        if self.setting.mode == LogKind::DLedger {
            let text = format!("Should not set confirm offset {offset} for dleger commitlog");
            self.lines.push(LogLine::warn(text));
        } else {
            self.confirm = offset;
        }
    }
}
