//! What a start of the broker told of itself, line by line: what its forecast is measured by.

use std::collections::BTreeMap;

use serde::Serialize;

use super::observer::queue_of;
use crate::format::log_line::Level;
use crate::watch::{Event, Fact, Occurrence};

/// The account of one start.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct StartAccount {
    /// Lines heard; without any there is nothing to measure by.
    pub lines: u64,
    /// Both numbers of each `truncate dirty logic files`.
    pub truncations: Vec<(i64, i64)>,
    /// `load over, and the max phy offset = …`
    pub max_offset: Option<i64>,
    /// Where DLedger found its data to end.
    pub ledger_end: Option<i64>,
    /// `DupInfo in properties check failed`
    pub dup_info_failures: u64,
    /// Queues by topic and id: the position at which their scan ended.
    #[serde(skip)]
    pub scanned: BTreeMap<(String, u32), i64>,
}

impl StartAccount {
    /// Takes in one line of the start.
    pub fn hear(&mut self, line: &Occurrence) {
        self.lines += 1;
        if line.event == Event::DupInfoFailed && line.level >= Level::Warn {
            self.dup_info_failures += 1;
        }
        match &line.fact {
            Some(Fact::Truncation { consumequeue_max, process_offset }) => {
                self.truncations.push((*consumequeue_max, *process_offset));
            }
            Some(Fact::LoadOver { max_offset }) => self.max_offset = Some(*max_offset),
            Some(Fact::LedgerRecovered { end, .. }) => self.ledger_end = Some(*end),
            Some(Fact::QueueScanned { path, end }) => {
                if let Some((topic, queue, _)) = queue_of(path) {
                    self.scanned.insert((topic, queue), *end);
                }
            }
            _ => {}
        }
    }
}
