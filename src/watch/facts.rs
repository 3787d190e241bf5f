//! Reads values out of the text of a known line.

use super::occurrence::Fact;

/// What can be read from a line, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FactKind {
    /// Orderly stop, by the row alone.
    ShutdownClean,
    /// Unclean stop, by the row alone.
    ShutdownUnclean,
    /// `…maxPhyOffsetOfConsumeQueue(X) >= processOffset(T)…`
    Truncation,
    /// `delete file[REF:n] <path> OK, …`
    FileDeleted,
    /// `…, <path>`
    PathBehindComma,
    /// `on recover, destroy a logic mapped file <path>`
    LogicFileDestroyed,
    /// `… = N`
    LoadOver,
    /// `cleanExpiredConsumerQueue: <topic> <queue> …`
    QueueInWords,
    /// `cleanExpiredConsumerQueue: <topic>,topic destroyed`
    TopicInWords,
    /// `…topic=<topic>[, queueId=<queue>]`
    TopicInFields,
    /// `recover current consume queue over <path> <end>`
    QueueScanned,
    /// `…over:<path> processOffset:<end>`
    BatchQueueScanned,
    /// `…file <path>`
    ScanStart,
    /// `…, <path>`
    ScanNext,
    /// `…, <path>[ pos=<n>]` or `…mapped file <path>`
    ScanStopped,
    /// The first number in the line.
    LogCut,
    /// `total cost: a ms, recoverConsumeQueue: b ms, …` or `total:a recoverCq:b recoverClog:c …`
    RecoveryCost,
    /// `transition from <a> to <b>; Time in previous state=<n>ms…`
    StateTransition,
    /// `entryIndex=<n> processOffset=<m>`
    LedgerRecovered,
    /// `committed index=<n>`
    LedgerCommitted,
    /// `behind=<n>`
    ReputBehind,
}

impl FactKind {
    /// Reads it; `None` if the text is not as expected.
    #[must_use]
    pub fn read(self, text: &str) -> Option<Fact> {
        let text = text.trim_end();
        Some(match self {
            Self::ShutdownClean => Fact::Shutdown { clean: true },
            Self::ShutdownUnclean => Fact::Shutdown { clean: false },
            Self::Truncation => Fact::Truncation {
                consumequeue_max: number_behind(text, "maxPhyOffsetOfConsumeQueue(")?,
                process_offset: number_behind(text, "processOffset(")?,
            },
            Self::FileDeleted => {
                let path = behind(text, "] ")?;
                Fact::FileDeleted { path: path.rsplit_once(" OK, ")?.0.to_owned() }
            }
            Self::PathBehindComma => Fact::FileDeleted { path: behind(text, ", ")?.to_owned() },
            Self::LogicFileDestroyed => {
                Fact::LogicFileDestroyed { path: behind(text, "mapped file ")?.to_owned() }
            }
            Self::LoadOver => Fact::LoadOver { max_offset: number_behind(text, " = ")? },
            Self::QueueInWords => {
                let (topic, rest) = behind(text, ": ")?.split_once(' ')?;
                Fact::TopicDeleted {
                    topic: topic.to_owned(),
                    queue: Some(rest.split(' ').next()?.parse().ok()?),
                }
            }
            Self::TopicInWords => {
                let topic = behind(text, ": ")?.strip_suffix(",topic destroyed")?;
                Fact::TopicDeleted { topic: topic.to_owned(), queue: None }
            }
            Self::TopicInFields => match behind(text, "topic=")?.split_once(", queueId=") {
                Some((topic, queue)) => {
                    Fact::TopicDeleted { topic: topic.to_owned(), queue: Some(queue.parse().ok()?) }
                }
                None => Fact::TopicDeleted { topic: behind(text, "topic=")?.to_owned(), queue: None },
            },
            Self::QueueScanned => {
                let (path, end) =
                    text.strip_prefix("recover current consume queue over ")?.rsplit_once(' ')?;
                Fact::QueueScanned { path: path.to_owned(), end: end.parse().ok()? }
            }
            Self::BatchQueueScanned => {
                let (path, end) = behind(text, "over:")?.rsplit_once(" processOffset:")?;
                Fact::QueueScanned { path: path.to_owned(), end: end.parse().ok()? }
            }
            Self::ScanStart => {
                let path = behind(text, "this mapped file ").or_else(|| behind(text, "this mappFile "))?;
                Fact::ScanStart { path: path.to_owned() }
            }
            Self::ScanNext => Fact::ScanNext { path: behind(text, ", ")?.to_owned() },
            Self::ScanStopped => {
                let path = behind(text, ", last mapped file ").or_else(|| behind(text, ", "))?;
                match path.rsplit_once(" pos=") {
                    Some((path, pos)) => Fact::ScanStopped { path: path.to_owned(), pos: pos.parse().ok() },
                    None => Fact::ScanStopped { path: path.to_owned(), pos: None },
                }
            }
            Self::LogCut => Fact::LogCut { at: text.split([' ', ',']).find_map(|word| word.parse().ok())? },
            Self::RecoveryCost => {
                let part = |names: [&str; 2]| {
                    let found = names.iter().find_map(|name| number_behind(text, name))?;
                    u64::try_from(found).ok()
                };
                Fact::RecoveryCost {
                    consumequeue_ms: part(["recoverConsumeQueue: ", "recoverCq:"]),
                    commitlog_ms: part(["recoverCommitLog: ", "recoverClog:"]),
                    total_ms: part(["total cost: ", "total:"])?,
                }
            }
            Self::StateTransition => {
                let (states, times) = behind(text, "transition from ")?.split_once(';')?;
                let (from, to) = states.split_once(" to ")?;
                Fact::StateTransition {
                    from: from.to_owned(),
                    to: to.to_owned(),
                    millis: u64::try_from(number_behind(times, "previous state=")?).ok()?,
                }
            }
            Self::LedgerRecovered => Fact::LedgerRecovered {
                last_index: number_behind(text, "entryIndex=")?,
                end: number_behind(text, "processOffset=")?,
            },
            Self::LedgerCommitted => {
                Fact::LedgerCommitted { index: number_behind(text, "committed index=")? }
            }
            Self::ReputBehind => Fact::ReputBehind { bytes: number_behind(text, "behind=")? },
        })
    }
}

/// Whether the first of the two numbers of `X) >= processOffset(T), …` is greater, so that units are removed.
#[must_use]
pub fn consumequeue_was_ahead(rest: &[u8]) -> bool {
    let read = || {
        let text = std::str::from_utf8(rest).ok()?;
        Some((number_behind(text, "")?, number_behind(text, "processOffset(")?))
    };
    read().is_some_and(|(consumequeue, log)| consumequeue > log)
}

/// Whether a line names a file of RocketMQ's index: `…/index/<17 digits of a time>`. DLedger's index files have 20 digits.
#[must_use]
pub fn names_index_file(rest: &[u8]) -> bool {
    memchr::memmem::find_iter(rest, b"/index/").any(|at| {
        let name = rest.get(at + 7..).unwrap_or_default();
        let digits = name.iter().take_while(|byte| byte.is_ascii_digit()).count();
        digits == 17 && name.get(17).is_none_or(|byte| *byte == b' ')
    })
}

fn behind<'a>(text: &'a str, mark: &str) -> Option<&'a str> {
    text.split_once(mark).map(|(_, rest)| rest)
}

fn number_behind(text: &str, mark: &str) -> Option<i64> {
    let rest = behind(text, mark)?;
    let end = rest.find(|c: char| !c.is_ascii_digit() && c != '-').unwrap_or(rest.len());
    rest.get(..end)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_do_not_fit_give_no_fact() {
        let text = "maxPhyOffsetOfConsumeQueue(99999999999999999999) >= processOffset(0), truncate dirty logic files";
        assert_eq!(FactKind::Truncation.read(text), None);
        assert!(!consumequeue_was_ahead(b"99999999999999999999) >= processOffset(0)"));
    }

    #[test]
    fn index_files_of_dledger_are_not_those_of_rocketmq() {
        assert!(names_index_file(b"0] /s/index/20261123065344006 OK, W:0 M:0, 75,63809"));
        assert!(!names_index_file(b"0] /s/dledger-n0/index/00000000000000000000 OK, W:0 M:0, 75,63809"));
        assert!(!names_index_file(b"0] /s/consumequeue/index/0/00000000000000000000 OK, W:0 M:0, 75,63809"));
    }
}
