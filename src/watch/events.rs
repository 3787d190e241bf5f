//! The closed catalogue of what a broker's log can say about its store.
//!
//! One row an event: its id is public (a label value and a key of the API), never re-used for something else. Which texts mean
//! an event stands in [`super::event_table`].

/// How much an event matters to an operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Tells what is going on.
    Info,
    /// Looks bad (WARN or ERROR), is not.
    Benign,
    /// Worth a look.
    Notable,
    /// Data or index lost or damaged, writes refused, or a start that fails.
    Damage,
}

impl Severity {
    /// Lower-case name, as a label value.
    #[must_use]
    pub fn id(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Benign => "benign",
            Self::Notable => "notable",
            Self::Damage => "damage",
        }
    }
}

macro_rules! events {
    ($($name:ident $id:literal $severity:ident $help:literal)*) => {
        /// Something a broker's log says.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Event {
            $(#[doc = $help] $name,)*
        }

        impl Event {
            /// Every event, in the order of the catalogue.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Its place in [`Self::ALL`], for tables by event.
            #[must_use]
            #[expect(clippy::as_conversions, reason = "the variants have no values of their own, so they count from 0")]
            pub fn index(self) -> usize {
                self as usize
            }

            /// Stable name in snake case.
            #[must_use]
            pub fn id(self) -> &'static str {
                match self {
                    $(Self::$name => $id,)*
                }
            }

            /// What it means, in one line.
            #[must_use]
            pub fn help(self) -> &'static str {
                match self {
                    $(Self::$name => $help,)*
                }
            }

            /// How much it matters.
            #[must_use]
            pub fn severity(self) -> Severity {
                match self {
                    $(Self::$name => Severity::$severity,)*
                }
            }
        }
    };
}

events! {
    // Start and load
    StartBegun "start_begun" Info "first lines of a starting broker, before it says how it was stopped"
    ShutdownClean "shutdown_clean" Info "the broker starts and finds that it was stopped in order"
    ShutdownUnclean "shutdown_unclean" Notable "the broker starts and finds its abort file: it was killed, or kept the file at its stop"
    LoadStep "load_step" Info "one file, queue or part of the store is loaded"
    LoadFailed "load_failed" Damage "a file, a queue or the commitlog could not be loaded: the start is given up"
    LoadException "load_exception" Damage "an exception while loading: the start is given up, the stack trace says why"
    LengthMismatch "length_mismatch" Damage "a file has another length than configured: the start is given up"
    EmptyFileAutoDeleted "empty_file_auto_deleted" Benign "an empty last file was removed while loading"
    CheckpointLoaded "checkpoint_loaded" Info "a value of the checkpoint file"
    CheckpointLost "checkpoint_lost" Notable "no checkpoint file; normal at a first start only"
    ConfirmOffsetRefused "confirm_offset_refused" Benign "printed at each start with DLedger"
    IndexFileError "index_file_error" Notable "an index file cannot be used"
    LoadOk "load_ok" Info "load and recovery are over"
    LockFailed "lock_failed" Damage "another process holds the lock of the store; recovery has run all the same"
    StoreStateTransition "store_state_transition" Info "the store went from one state to the next"
    StoreStateFailed "store_state_failed" Damage "the store failed to reach its next state"

    // Recovery of the consume queues
    RecoverMode "recover_mode" Info "recovery begins, with the consume queues"
    RecoverCqStep "recover_cq_step" Info "the scan of a consume queue went on or met its last unit"
    RecoverCqDone "recover_cq_done" Info "one consume queue is scanned"
    RecoverCqFailed "recover_cq_failed" Damage "one consume queue could not be recovered"
    CqExtStep "cq_ext_step" Info "the extension of the consume queues is scanned"
    CqExtBroken "cq_ext_broken" Notable "a unit points behind the end of the extension of the consume queues"

    // Recovery of the log
    RecoverFromCandidate "recover_from_candidate" Info "a file from which recovery could begin"
    RecoverFromFile "recover_from_file" Info "the file from which the log is scanned"
    RecoverNextFile "recover_next_file" Info "the scan of the log goes on in the next file"
    RecoverFileEnd "recover_file_end" Info "the scan of the log stopped inside a file"
    RecoverFilesOver "recover_files_over" Info "the scan of the log ran over the end of the last file"
    RecoverDone "recover_done" Info "recovery is over, with its cost or the end of the log"
    EndOfData "end_of_data" Benign "the scan met magic 0x0: the end of what was written"
    IllegalMagic "illegal_magic" Damage "a record begins with a foreign magic: damage or foreign data"
    CrcFailed "crc_failed" Damage "the body of a message does not have its checksum"
    PropertyCrcFailed "property_crc_failed" Damage "a message does not have the checksum that its properties hold"
    DupInfoFailed "dup_info_failed" Damage "the check for duplicates refused a message; with DLedger on 5.2.0 the consume queues are being dropped"
    SizeMismatch "size_mismatch" Damage "the lengths inside a message disagree"
    HalfMessage "half_message" Damage "the log is cut at a message that is not whole"
    IllegalOffset "illegal_offset" Damage "a message names another position than its own; the log is cut there"
    DispatchCheckFailed "dispatch_check_failed" Notable "a damaged message was met while messages were dispatched"
    DirtyLogicChecked "dirty_logic_checked" Benign "consume queues end where the log ends: nothing is removed"
    DirtyLogicTruncated "dirty_logic_truncated" Damage "units of consume queues above the second number are removed"
    CommitlogFilesDeletedCqWiped "commitlog_files_deleted_cq_wiped" Damage "the log has no files: all consume queues are removed; normal at a first start only"
    LogicFileDestroyed "logic_file_destroyed" Notable "recovery removed a whole file whose first unit lies beyond the cut"
    BatchCqTruncated "batch_cq_truncated" Notable "a batch consume queue was cut"
    ConfirmOffsetCorrected "confirm_offset_corrected" Notable "the confirm offset did not fit the log"
    LedgerMigration "ledger_migration" Info "a plain commitlog is carried over to DLedger"
    LogTruncated "log_truncated" Notable "the log is held against the master's, and cut where it differs"
    LogTruncateFailed "log_truncate_failed" Damage "the log could not be cut to follow a master"

    // Files
    FileReleased "file_released" Info "a file was unmapped or closed"
    FileDeleted "file_deleted" Info "a file was removed, for any reason"
    IndexDestroyed "index_destroyed" Notable "an index file was removed: expired, or newer than the checkpoint at an unclean start"
    DeleteFailed "delete_failed" Damage "a file could not be removed, or the disk fills and nothing is left to remove"
    FileStillUsed "file_still_used" Benign "a file to be removed is still in use"
    MappedFileCreateFailed "mapped_file_create_failed" Damage "a new file could not be created or mapped"
    MappedFileCreateSlow "mapped_file_create_slow" Notable "a new file took long to create"
    TransientPoolShort "transient_pool_short" Notable "few or no buffers left outside the heap"
    AdjacentOffsetMismatch "adjacent_offset_mismatch" Damage "a file is missing in a sequence of files"
    OffsetNotMatched "offset_not_matched" Benign "a read outside the files that exist; frequent where queue files are small"

    // Dispatch and consume queues
    CqRebuildRepeated "cq_rebuild_repeated" Benign "a message is dispatched again although its unit exists"
    CqUnitRefused "cq_unit_refused" Notable "a unit was not written because its slot is taken"
    CqOrderWrong "cq_order_wrong" Damage "a unit was written to a wrong slot; the difference over 20 is the number of missing units"
    CqPreBlankFilled "cq_pre_blank_filled" Notable "a new queue begins above 0 and is filled up to there"
    CqWriteFailed "cq_write_failed" Damage "a unit could not be written"
    CqNotWritable "cq_not_writable" Damage "a consume queue refuses units for good"
    CqFlushFailed "cq_flush_failed" Notable "the consume queues could not be flushed"
    MultiDispatchWrong "multi_dispatch_wrong" Notable "queues and offsets of a message to many queues disagree"
    DispatchError "dispatch_error" Damage "a position in the log could not be dispatched; the rest of its range gets no units"
    DispatchRetried "dispatch_retried" Notable "a message could not be dispatched and is tried again"
    ReputFrom "reput_from" Info "where dispatch begins after a start"
    ReputProgress "reput_progress" Info "the start waits for dispatch to catch up"
    CqBehindLog "cq_behind_log" Notable "the consume queues end before the log begins; normal on an empty store"
    ReputBelowMin "reput_below_min" Damage "dispatch is behind the first byte of the log and jumps over what has expired"
    ReputUnfinishedAtStop "reput_unfinished_at_stop" Notable "stopped with messages not yet dispatched: the abort file stays"
    MinOffsetComputed "min_offset_computed" Info "the minimum offset of a queue was computed or left as it is"
    MinOffsetCorrectFailed "min_offset_correct_failed" Notable "the minimum offset of a queue could not be computed"
    LogicOffsetCorrectNeeded "logic_offset_correct_needed" Notable "the minimum offset of a queue disagrees with the log"
    QueueWithoutUnits "queue_without_units" Notable "a queue has no valid unit"
    IndexFull "index_full" Info "an index file is full, the next one is begun"
    IndexError "index_error" Damage "the index cannot be built; the store may refuse writes"

    // Running and stopping
    ServiceStarted "service_started" Info "a thread of the broker has started"
    ServiceEnded "service_ended" Info "a thread of the broker has ended"
    ServiceException "service_exception" Notable "a thread of the broker met an exception"
    AbortCreated "abort_created" Info "the abort file was created: the broker is starting after an orderly stop"
    AbortFound "abort_found" Notable "the abort file was there already"
    AbortDeleted "abort_deleted" Info "the abort file was removed: an orderly stop is finished"
    AbortKept "abort_kept" Notable "the abort file stays on purpose or could not be removed: the next start will be unclean"
    StoreRunning "store_running" Info "a sign of life of a running store"
    StoreShutDown "store_shut_down" Benign "a request came after the store had stopped"
    StoreNotWritable "store_not_writable" Damage "the store refuses writes"
    StoreNotReadable "store_not_readable" Damage "the store refuses reads"
    PutSlow "put_slow" Notable "a message took more than 500 ms to append"
    FlushSlow "flush_slow" Notable "a flush or commit took more than 500 ms"
    FlushHoldFailed "flush_hold_failed" Benign "a file was released while it was to be flushed"
    DiskIoError "disk_io_error" Damage "the disk refused bytes; the flushed offset moves on all the same"
    TopicDeleted "topic_deleted" Info "a topic was removed with its queues"
    QueueDestroyed "queue_destroyed" Info "one queue was removed: its topic is gone, or all its messages have expired"
    ExpiryStarted "expiry_started" Info "expired files are about to be removed"
    ForcedCleanStarted "forced_clean_started" Damage "files are removed before they expire, as the disk is full"
    ExpiredFilesDeleted "expired_files_deleted" Info "a file of a consume queue has expired"
    HangedCqFile "hanged_cq_file" Notable "the last unit of a consume queue's file cannot be read"
    DiskPhysicFull "disk_physic_full" Damage "the disk of the log is marked full: writes are refused"
    DiskPhysicOk "disk_physic_ok" Info "the disk of the log is no longer marked full"
    DiskLogicFull "disk_logic_full" Damage "the disk of the consume queues is marked full: writes are refused"
    DiskLogicOk "disk_logic_ok" Info "the disk of the consume queues is no longer marked full"
    DiskReclaim "disk_reclaim" Notable "the disk fills: space is reclaimed"
    DiskMeasureError "disk_measure_error" Benign "the use of a disk could not be measured; normal with DLedger, which has no commitlog directory"
    CqStoreMismatch "cq_store_mismatch" Damage "the combined stores of consume queues could not be loaded together"

    // DLedger
    DledgerError "dledger_error" Damage "DLedger cannot load, recover or keep its files"
    DledgerRecoverStep "dledger_recover_step" Info "DLedger scans its files"
    DledgerFileRejected "dledger_file_rejected" Notable "DLedger cannot begin its scan in a file and tries an earlier one"
    DledgerRecovered "dledger_recovered" Info "DLedger found the end of its log"
    DledgerIndexRebuilt "dledger_index_rebuilt" Notable "DLedger rewrites its index"
    DledgerCommitted "dledger_committed" Info "DLedger read the committed index from its checkpoint"
    DledgerCommitSkipped "dledger_commit_skipped" Notable "DLedger's checkpoint is older than its data"
    DledgerTruncated "dledger_truncated" Notable "a follower's log was cut to follow the leader"
    DledgerFlushSlow "dledger_flush_slow" Notable "a flush of DLedger took long"
    DledgerExpiry "dledger_expiry" Info "DLedger removes expired files"
    DledgerRole "dledger_role" Info "an election, or a change of role"
}

impl std::fmt::Display for Event {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.id())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_unique_and_in_snake_case() {
        let mut ids: Vec<_> = Event::ALL.iter().map(|event| event.id()).collect();
        assert!(ids.iter().all(|id| id.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')));
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), Event::ALL.len());
    }

    #[test]
    fn an_index_is_the_place_among_all() {
        assert!(Event::ALL.iter().enumerate().all(|(place, event)| event.index() == place));
    }
}
