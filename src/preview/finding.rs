//! What can be found out about a start: the one catalogue that help, documentation and pages print.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::label::label_set;

label_set! {
    /// How bad it is.
    pub enum Severity {
        /// Good to know.
        Info = "info",
        /// Somebody should look.
        Warning = "warning",
        /// Something is lost, or nothing starts.
        Critical = "critical",
    }
}

/// One kind of finding.
#[derive(Debug, PartialEq, Eq)]
pub struct Kind {
    /// Its stable name.
    pub id: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// One line of help.
    pub help: &'static str,
    /// Where upstream speaks of it.
    pub upstream: Option<&'static str>,
    /// Releases in which it happens.
    pub releases: &'static str,
}

macro_rules! catalogue {
    ($($id:ident $severity:ident $releases:literal $(($upstream:literal))? $help:literal)+) => {
        $(
            #[doc = $help]
            pub const $id: Kind = Kind {
                id: stringify!($id),
                severity: Severity::$severity,
                help: $help,
                upstream: catalogue!(@upstream $($upstream)?),
                releases: $releases,
            };
        )+

        /// Every kind, worst first.
        pub const CATALOGUE: &[&Kind] = &[$(&$id),+];
    };
    (@upstream $upstream:literal) => { Some($upstream) };
    (@upstream) => { None };
}

catalogue! {
    CQ_WIPE_DUP_INFO Critical "5.2.0" ("apache/rocketmq#8032")
        "Recovery in DLedger mode takes every message without DUP_INFO for the end of the log and cuts the queues there"
    CQ_TAIL_CUT_HEADER Critical "5.2.0 and later"
        "Recovery in DLedger mode counts a segment's messages without the 48 bytes in front of each, and cuts the queues too early"
    CQ_MISSING_NOT_REBUILT Critical "all"
        "Units that are missing now are not put by the start either: dispatch begins behind their messages"
    CQ_CUT_AT_DAMAGE Critical "5.2.0 and later"
        "Recovery stops at a damaged record in DLedger's data and cuts the queues there, while the ledger keeps what follows"
    CQ_WAITS_FOR_CONFIRM Critical "all"
        "With duplicationEnable dispatch waits for a confirm offset that nothing moves on, and queues stay without units"
    CQ_DELETED_WITHOUT_LOG Critical "all"
        "There are queues and no log: recovery takes the log for deleted and deletes the queues; it may be the wrong volume"
    CL_DAMAGED_MIDDLE Critical "all"
        "A record in the middle of the log cannot be read: recovery cuts the log there, and whole messages behind it go"
    CL_DUP_INFO_MISSING Critical "5.0.0 and later"
        "With duplicationEnable recovery takes a message without DUP_INFO for the end of the log and cuts the log there"
    CL_SEGMENT_MISSING Critical "all"
        "A segment between others is missing"
    FILE_WRONG_LENGTH Critical "all"
        "A file has another length than the broker is told: it does not start"
    FILE_FOREIGN_NAME Critical "all"
        "A file among segments or queue files has a name that is no offset: the broker does not start"
    QUEUE_KIND_MISMATCH Critical "5.0.0 and later"
        "Files of a queue are of another kind (simple, batch) than its topic says: the broker does not start"
    QUEUE_KIND_UNKNOWN Critical "5.0.0 and later"
        "A topic that has queues tells a queue.type that is no kind of queue: the broker does not start"
    INDEX_UNREADABLE Critical "5.1.0 and later"
        "An index file cannot be mapped: the broker does not start"
    TABLE_UNREADABLE Critical "all"
        "A table in config/ and its backup are both damaged: the broker does not start"
    LEDGER_EXIT Critical "all"
        "DLedger ends the process because of its data or index"
    TIMER_UNREADABLE Critical "5.0.0 and later"
        "The timer's checkpoint, wheel or log is of another length or kind than it should be: the broker does not start"
    DELAY_LEVELS_UNREADABLE Critical "all"
        "messageDelayLevel holds a level that is no number with s, m, h or d behind it: the broker does not start"
    LOAD_EXCEPTION Critical "all"
        "Loading ends with an exception: the broker does not start"
    START_EXCEPTION Critical "5.0.0 to 5.4.0" ("apache/rocketmq#9728")
        "The start ends with an exception once the store is loaded: the broker does not serve"
    CONTROLLER_AND_DLEDGER Critical "5.1.1 and later"
        "The broker is told both controller and DLedger mode: it does not start"
    TABLE_LOST Critical "all"
        "A table in config/ is damaged and has no backup: the broker starts with an empty one"
    QUEUE_OFFSETS_REUSED Warning "all"
        "The next messages get queue offsets that others have already had: consumers that are ahead skip them or start anew"
    CONSUMER_OFFSETS_BEYOND_MAX Warning "all"
        "Committed offsets of consumer groups lie beyond the end of their queue: the groups are reset"
    CQ_PHANTOM_UNIT Warning "all"
        "The first unit of a queue file is kept unread: a file of zeros gives its queue a unit without a message"
    CQ_MAXIMUM_TWO_GIB Warning "all"
        "Only filler units are left in a queue, and 2147483647 is taken for its end: messages below that get no unit"
    MODE_NOT_TOLD Warning "all"
        "The properties leave open how the log is kept, and the store shows DLedger: with these alone the broker starts in plain mode"
    RELEASE_UNKNOWN Warning "all"
        "Nothing tells which release the broker is"
    NOT_MODELLED Warning "all"
        "The store is of a kind for which no start is foretold"
    BUDGET_USED_UP Warning "all"
        "Reading stopped at the budget, before the end"
    CL_DAMAGED_KEPT Warning "5.2.0 and later"
        "Recovery stops at a record in DLedger's data that cannot be read; the ledger keeps it and what follows"
    CL_TORN_TAIL Info "all"
        "The log ends with part of a message: it is cut off"
    CQ_UNITS_BEHIND_LOG Info "all"
        "Units point to where the log will have ended: they are cut off"
    CQ_REINDEXED Info "all"
        "Units are missing or go, and are put again"
    CL_SPARE_SEGMENT_UNLINKED Info "all"
        "Segments without messages, made ahead of their use, are unlinked"
    INDEX_FILES_UNLINKED Info "all"
        "Index files newer than the checkpoint are unlinked: what is not dispatched again cannot be found by its key"
    CHECKPOINT_MISSING Info "all"
        "There is no checkpoint: an unclean start reads the log from as far back as it looks"
    MIGRATION_TO_DLEDGER Info "all"
        "The first start in DLedger mode: the plain log is closed, and DLedger's begins behind it"
    RELEASE_NEWER Info "all"
        "The release is newer than the rules known here: it is answered by the newest ones"
    STORE_MOVED Info "all"
        "Files went while they were read: the answer mixes two moments"
}

/// A finding.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Finding {
    /// Name of its kind.
    pub id: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What was found in this store.
    pub summary: String,
    /// The numbers behind it.
    pub evidence: Map<String, Value>,
    /// Where upstream speaks of it.
    pub upstream: Option<&'static str>,
    /// Releases in which it happens.
    pub releases: &'static str,
}

impl Finding {
    /// A finding of this kind.
    #[must_use]
    pub fn new(kind: &Kind, summary: String, evidence: &[(&str, Value)]) -> Self {
        Self {
            id: kind.id,
            severity: kind.severity,
            summary,
            evidence: evidence.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect(),
            upstream: kind.upstream,
            releases: kind.releases,
        }
    }
}

/// The kind with this name.
#[must_use]
pub fn kind(id: &str) -> Option<&'static Kind> {
    CATALOGUE.iter().find(|kind| kind.id == id).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_the_worst_come_first() {
        for (at, kind) in CATALOGUE.iter().enumerate() {
            assert!(CATALOGUE[..at].iter().all(|other| other.id != kind.id), "{}", kind.id);
        }
        assert!(CATALOGUE.is_sorted_by_key(|kind| std::cmp::Reverse(kind.severity)));
    }
}
