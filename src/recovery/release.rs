//! What differs between releases: one row of rules a release.
//!
//! Every rule was read in upstream's sources; rows marked in [`Rules::is_checked`] were also run against the real store.

use crate::broker::release::Release;

/// A file sorted last in its directory that has no bytes at all (R2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EmptyLastFile {
    /// The broker refuses to start.
    Refuse,
    /// The broker deletes it and goes on.
    Delete,
}

/// Where a clean start begins to read a plain log (R5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CleanStart {
    /// The third segment from the end, dispatching nothing.
    ThirdFromEnd,
    /// The last segment whose name is not above the end of the queues.
    BaseBelowQueues,
    /// The last segment whose first message parses and is not behind the end of the queues.
    FirstMessageBelowQueues,
}

/// Which segment is old enough to begin an unclean start with (R6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Matching {
    /// Magic and store time of its first message, read raw.
    RawTimestamp,
    /// The first message parses; its store time.
    ParsedTimestamp,
    /// The first message parses; its offset against the checkpoint's, else its store time.
    ParsedOffset,
}

/// Which of both numbers of a truncation is compared with the end of the scan (R9).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TruncationTest {
    /// The end of the queues before anything was dispatched.
    BeforeDispatch,
    /// The end of the queues as it is then.
    AfterDispatch,
}

/// What an unclean start does in DLedger mode (R8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LedgerUnclean {
    /// The same as a clean one.
    AsClean,
    /// Reads and dispatches entries, every message needing `DUP_INFO`; leaves the entries' heads out of its count.
    AlwaysDupCheck,
    /// The same without that need.
    DupCheckIfEnabled,
}

/// Where `start()` begins to dispatch (R12).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReputStart {
    /// The end of the queues.
    QueueEnd,
    /// The end of the log, or the confirm offset with `duplicationEnable`.
    LogEnd,
    /// The confirm offset, which in plain mode is the end of the log.
    Confirm,
}

/// Which light queues a message is dispatched to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LightQueues {
    /// All that it names.
    All,
    /// None for messages of retry topics.
    NotOfRetry,
    /// None for messages of retry, schedule and timer topics, and none whose name has a slash.
    NotOfSystem,
}

/// The row of a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// First release that has these rules.
    pub since: Release,
    /// Whether the row was run against the real store.
    pub is_checked: bool,
    /// Messages with a topic length of two bytes are messages.
    pub has_v2: bool,
    /// `duplicationEnable` makes recovery want `DUP_INFO`.
    pub checks_dup_info: bool,
    /// The parser looks at the bytes left in the file first.
    pub checks_bounds: bool,
    /// The parser tells of an exception that ends it.
    pub tells_exceptions: bool,
    /// That holds of a negative length too.
    pub refuses_negative_lengths: bool,
    /// The parts of a message are read into what the longest one before was read into.
    pub keeps_buffer: bool,
    /// `forceVerifyPropCRC` is known.
    pub has_property_crc: bool,
    /// A property CRC of 0 counts as one.
    pub zero_property_crc_counts: bool,
    /// A message whose properties hold a text where a number belongs is none.
    pub numbers_must_parse: bool,
    /// Files are mapped for reading alone with `writeWithoutMmap` (`DefaultMappedFile.init`).
    pub maps_read_only: bool,
    /// The rule for an empty last file.
    pub empty_last_file: EmptyLastFile,
    /// Directories among segments are passed over.
    pub skips_directories: bool,
    /// Batch queues and `topics.json` are read.
    pub has_batch_queues: bool,
    /// What the root is called in the first line of load, where it is told.
    pub root_in_first_line: Option<&'static str>,
    /// How the line begins that tells where the log ends after recovery, before the last one of load.
    pub recovery_end_line: Option<&'static str>,
    /// Loading the log tells of gaps between segments.
    pub tells_gaps: bool,
    /// An unclean recovery flushes the queues behind its walk.
    pub flushes_queues: bool,
    /// Recovery tells where it meets a half message.
    pub tells_half_messages: bool,
    /// The start of a clean recovery.
    pub clean_start: CleanStart,
    /// The start of an unclean recovery.
    pub matching: Matching,
    /// `commitLogRecoverMaxNum` is known.
    pub limits_files: bool,
    /// `checkCommitLogOffsetOnRecover` is known.
    pub has_offset_check: bool,
    /// The confirm offset is kept in the checkpoint, and bounds dispatch in controller mode.
    pub keeps_confirm: bool,
    /// When the end of the queues is compared.
    pub truncation_test: TruncationTest,
    /// Unclean starts in DLedger mode.
    pub ledger_unclean: LedgerUnclean,
    /// An unclean start goes by the offset in the checkpoint, not by the end of the queues.
    pub dispatches_from_checkpoint: bool,
    /// Where dispatch begins after load.
    pub reput_start: ReputStart,
    /// An index file that cannot be read makes load fail.
    pub index_failure_counts: bool,
    /// Tags get an entry in the index.
    pub indexes_tags: bool,
    /// An empty last file of a queue that begins above 0 makes load fail.
    pub fails_on_empty_queue_file: bool,
    /// The queue's minimum is found as 5.0.0 and later do.
    pub searches_minimum: bool,
    /// That search forgets what a queue had whose files are gone, and looks into one whose minimum is its end.
    pub resets_empty_queues: bool,
    /// Load corrects the offsets up to which delayed messages were delivered, and says so.
    pub corrects_delay_offsets: bool,
    /// What load reached is told where it fails.
    pub tells_states: bool,
    /// Delivery times of delayed messages are known while recovering.
    pub knows_delays: bool,
    /// The next queue offset is corrected from the confirm offset with `duplicationEnable`.
    pub compensates_duplication: bool,
    /// The same in controller mode.
    pub compensates_controller: bool,
    /// The light queues of a message.
    pub light_queues: LightQueues,
    /// How the line begins that tells of a unit whose place is taken.
    pub refused_unit_line: &'static str,
    /// Exit code of a container where a table of `config/` cannot be read.
    pub exit_without_tables: i32,
    /// Exit code of a container whose store does not load, with the timer on: `TimerMessageStore.shutdown` fails on a timer that
    /// was never loaded.
    pub exit_without_timer: i32,
    /// A table of `config/` that is empty or damaged is unlinked.
    pub unlinks_tables: bool,
    /// There is a timer wheel.
    pub has_timer: bool,
    /// `timerWheelSnapshotFlush` is known.
    pub has_timer_snapshots: bool,
    /// Exit code of a container where the timer wheel has another length.
    pub exit_without_wheel: i32,
    /// There are compacted topics.
    pub has_compaction: bool,
    /// `enableBuildConsumeQueueConcurrently` is known.
    pub has_concurrent_dispatch: bool,
    /// `readUnCommitted` is known.
    pub reads_uncommitted: bool,
    /// `indexFileWriteEnable`, `indexRocksDBEnable`, `transRocksDBEnable` and `timerRocksDBEnable` are known.
    pub has_rocksdb_index: bool,
    /// `enableControllerMode` is known.
    pub has_controller_mode: bool,
    /// `storeType` is known.
    pub has_rocksdb_queues: bool,
}

const V494: Rules = Rules {
    since: (4, 9, 4),
    is_checked: true,
    has_v2: false,
    checks_dup_info: false,
    checks_bounds: false,
    tells_exceptions: false,
    refuses_negative_lengths: false,
    keeps_buffer: false,
    has_property_crc: false,
    zero_property_crc_counts: false,
    numbers_must_parse: true,
    maps_read_only: false,
    empty_last_file: EmptyLastFile::Refuse,
    skips_directories: false,
    has_batch_queues: false,
    root_in_first_line: None,
    recovery_end_line: None,
    tells_gaps: false,
    flushes_queues: false,
    tells_half_messages: false,
    clean_start: CleanStart::ThirdFromEnd,
    matching: Matching::RawTimestamp,
    limits_files: false,
    has_offset_check: false,
    keeps_confirm: false,
    truncation_test: TruncationTest::BeforeDispatch,
    ledger_unclean: LedgerUnclean::AsClean,
    dispatches_from_checkpoint: false,
    reput_start: ReputStart::QueueEnd,
    index_failure_counts: false,
    corrects_delay_offsets: true,
    tells_states: false,
    indexes_tags: false,
    fails_on_empty_queue_file: false,
    searches_minimum: false,
    resets_empty_queues: false,
    knows_delays: false,
    compensates_duplication: false,
    compensates_controller: false,
    light_queues: LightQueues::All,
    refused_unit_line: "Build  consume queue repeatedly",
    exit_without_tables: 253,
    exit_without_timer: 253,
    unlinks_tables: false,
    has_timer: false,
    has_timer_snapshots: false,
    exit_without_wheel: 255,
    has_compaction: false,
    has_concurrent_dispatch: false,
    reads_uncommitted: false,
    has_rocksdb_index: false,
    has_controller_mode: false,
    has_rocksdb_queues: false,
};
const V497: Rules = Rules { since: (4, 9, 5), ..V494 };
const V500: Rules = Rules {
    since: (5, 0, 0),
    is_checked: true,
    checks_dup_info: true,
    has_batch_queues: true,
    root_in_first_line: Some("root dir"),
    recovery_end_line: Some("load over"),
    tells_gaps: true,
    tells_half_messages: true,
    reput_start: ReputStart::LogEnd,
    fails_on_empty_queue_file: true,
    searches_minimum: true,
    knows_delays: true,
    compensates_duplication: true,
    corrects_delay_offsets: false,
    exit_without_tables: 255,
    has_timer: true,
    has_controller_mode: true,
    ..V497
};
const V510: Rules = Rules {
    since: (5, 1, 0),
    has_v2: true,
    skips_directories: true,
    root_in_first_line: Some("store path root dir"),
    recovery_end_line: Some("message store recover end"),
    reput_start: ReputStart::Confirm,
    index_failure_counts: true,
    has_compaction: true,
    has_concurrent_dispatch: true,
    ..V500
};
const V511: Rules =
    Rules { since: (5, 1, 1), keeps_confirm: true, light_queues: LightQueues::NotOfRetry, ..V510 };
const V512: Rules =
    Rules { since: (5, 1, 2), is_checked: false, light_queues: LightQueues::NotOfSystem, ..V511 };
const V513: Rules = Rules {
    since: (5, 1, 3),
    is_checked: true,
    empty_last_file: EmptyLastFile::Delete,
    exit_without_timer: 255,
    ..V512
};
const V514: Rules = Rules { since: (5, 1, 4), has_rocksdb_queues: true, ..V513 };
const V520: Rules = Rules {
    since: (5, 2, 0),
    has_property_crc: true,
    ledger_unclean: LedgerUnclean::AlwaysDupCheck,
    compensates_controller: true,
    ..V514
};
const V530: Rules = Rules {
    since: (5, 3, 0),
    ledger_unclean: LedgerUnclean::DupCheckIfEnabled,
    refused_unit_line: "Build consume queue repeatedly",
    reads_uncommitted: true,
    ..V520
};
const V531: Rules = Rules { since: (5, 3, 1), exit_without_wheel: 253, ..V530 };
const V532: Rules = Rules {
    since: (5, 3, 2),
    checks_bounds: true,
    tells_exceptions: true,
    flushes_queues: true,
    zero_property_crc_counts: true,
    clean_start: CleanStart::BaseBelowQueues,
    ..V531
};
const V534: Rules = Rules {
    since: (5, 3, 4),
    clean_start: CleanStart::FirstMessageBelowQueues,
    matching: Matching::ParsedTimestamp,
    truncation_test: TruncationTest::AfterDispatch,
    exit_without_tables: 253,
    exit_without_timer: 253,
    unlinks_tables: true,
    tells_states: true,
    has_timer_snapshots: true,
    maps_read_only: true,
    ..V532
};
const V540: Rules =
    Rules { since: (5, 4, 0), limits_files: true, indexes_tags: true, has_rocksdb_index: true, ..V534 };
const V550: Rules = Rules {
    since: (5, 5, 0),
    matching: Matching::ParsedOffset,
    has_offset_check: true,
    dispatches_from_checkpoint: true,
    fails_on_empty_queue_file: false,
    ..V540
};

const V551: Rules = Rules {
    since: (5, 5, 1),
    refuses_negative_lengths: true,
    keeps_buffer: true,
    resets_empty_queues: true,
    ..V550
};

/// All rows, oldest first.
pub const ROWS: [Rules; 16] =
    [V494, V497, V500, V510, V511, V512, V513, V514, V520, V530, V531, V532, V534, V540, V550, V551];

/// The newest release that the rows were made for; anything newer is answered with the last row.
pub const NEWEST: Release = (5, 5, 1);

/// The rules by which a message exists, though the release that starts may not be able to read it, or be told to accept none
/// without a checksum that it was written without.
pub const READS_MOST: Rules = Rules { has_property_crc: false, numbers_must_parse: false, ..V551 };

impl Rules {
    /// The row of a release: the newest one that is not newer than it. A release before the first row has none.
    #[must_use]
    pub fn of(release: Release) -> Option<Self> {
        ROWS.iter().rev().find(|row| row.since <= release).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_release_has_its_row_and_a_newer_one_the_last() {
        assert_eq!(Rules::of((4, 9, 8)).unwrap().since, (4, 9, 5));
        assert_eq!(Rules::of((5, 2, 9)).unwrap().since, (5, 2, 0));
        assert_eq!(Rules::of((5, 3, 3)).unwrap().since, (5, 3, 2));
        assert_eq!(Rules::of((6, 0, 0)).unwrap().since, NEWEST);
        assert_eq!(Rules::of((4, 8, 0)), None);
        assert!(ROWS.windows(2).all(|pair| pair[0].since < pair[1].since));
    }
}
