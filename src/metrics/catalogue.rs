//! Every metric of the exporter: name, kind, labels and help. The names are the public interface.

/// Counter or gauge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only ever grows, over restarts of the exporter too unless its help says otherwise.
    Counter,
    /// As it is now.
    Gauge,
}

/// One metric.
#[derive(Debug, PartialEq, Eq)]
pub struct Metric {
    /// Full name.
    pub name: &'static str,
    /// Counter or gauge.
    pub kind: Kind,
    /// Names of its labels, in order.
    pub labels: &'static [&'static str],
    /// One sentence for people.
    pub help: &'static str,
}

macro_rules! metrics {
    ($($id:ident $kind:ident $name:literal [$($label:literal)*] $help:literal)*) => {
        $(
            #[doc = $help]
            pub static $id: Metric = Metric {
                name: concat!("rocketmq_store_", $name),
                kind: Kind::$kind,
                labels: &[$($label),*],
                help: $help,
            };
        )*

        /// Every metric, in the order in which they are declared.
        pub static ALL: &[&Metric] = &[$(&$id),*];
    };
}

metrics! {
    EXPORTER_BUILD_INFO Gauge "exporter_build_info" ["version"] "1, with the version of the exporter."
    UP Gauge "up" [] "Whether a store stands at the configured root and the last pass over it came through."
    ROOT_STATE Gauge "root_state" ["state"] "1 for what stands at the configured root; anything but store means a wrong mount or a broker that never started."
    COLLECTOR_SUCCESS Gauge "collector_success" ["collector"] "Whether a part of the last pass came through."
    COLLECTOR_DURATION Gauge "collector_duration_seconds" ["collector"] "How long a part of the last pass took."
    COLLECTOR_LAST_SUCCESS Gauge "collector_last_success_timestamp_seconds" ["collector"] "When a part of a pass last came through."
    EXPORTER_READ_BYTES Counter "exporter_read_bytes_total" [] "Bytes copied out of the store since the exporter started."
    EXPORTER_READ_ERRORS Counter "exporter_read_errors_total" ["reason"] "Reads of the store that failed since the exporter started; gone means a file vanished between listing and opening, which is normal."
    EXPORTER_CONFINED Gauge "exporter_confined" ["part"] "Whether the kernel holds the exporter to what it needs: its paths, no further connections, no privileges, no system calls that change what it reads."
    EXPORTER_PANICS Counter "exporter_panics_total" ["task"] "Panics of a task since the exporter started; it is started again each time."
    EXPORTER_TASK_STUCK Gauge "exporter_task_stuck" ["task"] "Whether a task gives no sign of life though it should, and waits for no disk; /-/healthy answers 503 then."
    EXPORTER_SERIES_SUPPRESSED Gauge "exporter_series_suppressed" ["collector"] "Topics or queues without series of their own because of a limit."

    BROKER_INFO Gauge "broker_info" ["cluster_name" "broker_name" "broker_id" "broker_role" "broker_version" "version_source" "log_kind" "queue_kind"] "1, with what is known of the broker; empty labels are unknown."
    ABORT_FILE_PRESENT Gauge "abort_file_present" [] "Whether the abort file is there: the broker runs, or it was not stopped orderly."
    LOCK_HELD Gauge "lock_held" [] "Whether a process holds the store's lock file, which a broker takes after recovery."
    PHASE Gauge "phase" ["phase"] "1 for where the broker is in its life."
    PHASE_START Gauge "phase_start_timestamp_seconds" [] "When the present phase began."
    LAST_START Gauge "last_start_timestamp_seconds" [] "When the broker's last start began."
    LAST_SHUTDOWN_CLEAN Gauge "last_shutdown_clean" [] "Whether the broker had been stopped orderly before its last start."
    STARTS Counter "starts_total" ["previous_shutdown"] "Starts of the broker by how its life before had ended."
    LOAD_FAILURES Counter "load_failures_total" [] "Starts of the broker whose load failed."
    LAST_RECOVERY_DURATION Gauge "last_recovery_duration_seconds" ["part"] "How long the broker's last recovery took; its own figures where it logs them."
    LAST_RECOVERY_END Gauge "last_recovery_end_timestamp_seconds" [] "When the broker's last recovery was over."
    RECOVERY_PROGRESS Gauge "recovery_progress_ratio" ["part"] "How far a recovery under way has come; a lower bound, as the broker drops log lines under load."
    RECOVERY_ESTIMATED_END Gauge "recovery_estimated_end_timestamp_seconds" [] "When a recovery under way will be over at the pace so far."

    COMMITLOG_MIN_OFFSET Gauge "commitlog_min_offset_bytes" [] "Position of the first byte of the log's first segment."
    COMMITLOG_MAX_OFFSET Gauge "commitlog_max_offset_bytes" [] "Exclusive end of the last record of the log."
    COMMITLOG_FILES Gauge "commitlog_files" [] "Segments of the log."
    COMMITLOG_ALLOCATED Gauge "commitlog_allocated_bytes" [] "Bytes that the file system has allocated for the log."
    COMMITLOG_APPARENT Gauge "commitlog_apparent_bytes" [] "Bytes that the log's files seem to have."
    COMMITLOG_GAPS Gauge "commitlog_gaps" [] "Places where a segment of the log does not begin where the one before ends."
    COMMITLOG_INVALID_FILES Gauge "commitlog_invalid_files" ["reason"] "Files beside the log's segments that are none; most of them make the broker refuse to start."
    COMMITLOG_TAIL_STATE Gauge "commitlog_tail_state" ["state"] "1 for what stands behind the last record of the log."
    COMMITLOG_OLDEST_MESSAGE Gauge "commitlog_oldest_message_timestamp_seconds" [] "When the oldest message of the log was stored."
    COMMITLOG_NEWEST_MESSAGE Gauge "commitlog_newest_message_timestamp_seconds" [] "When the newest message of the log was stored."
    COMMITLOG_TRUNCATIONS Counter "commitlog_truncations_total" [] "Times that the end of the log was seen to go back."
    COMMITLOG_TRUNCATED_BYTES Counter "commitlog_truncated_bytes_total" [] "Bytes by which the end of the log went back, in all."
    DLEDGER_FIRST_INDEX Gauge "dledger_first_index" [] "Index of the oldest DLedger entry."
    DLEDGER_LAST_INDEX Gauge "dledger_last_index" [] "Index of the newest DLedger entry."
    DLEDGER_COMMITTED_INDEX Gauge "dledger_committed_index" [] "Committed index in DLedger's checkpoint; -1 before anything was committed."

    CHECKPOINT_VALID Gauge "checkpoint_valid" [] "Whether the checkpoint is there and long enough."
    CHECKPOINT_TIMESTAMP Gauge "checkpoint_timestamp_seconds" ["record"] "Times in the checkpoint; 0 as long as the broker has not written one."
    CHECKPOINT_OFFSET Gauge "checkpoint_offset_bytes" ["record"] "Positions in the checkpoint; 0 as long as the broker has not written one."
    CHECKPOINT_MODIFIED Gauge "checkpoint_modified_timestamp_seconds" [] "When the checkpoint's file was last changed."
    METADATA_FILE_VALID Gauge "metadata_file_valid" ["file" "copy"] "Whether a table in config/ that is there can be read."
    TOPIC_MISMATCHES Gauge "topic_mismatches" ["kind"] "Queues on disk that topics.json does not account for."
    CONSUMER_OFFSETS_BEYOND_MAX Gauge "consumer_offsets_beyond_max" [] "Committed consumer offsets behind the end of their queue."
    CONSUMER_OFFSETS_BELOW_MIN Gauge "consumer_offsets_below_min" [] "Committed consumer offsets before the begin of their queue."

    CONSUMEQUEUE_TOPICS Gauge "consumequeue_topics" ["topic_class"] "Topics with queues on disk."
    CONSUMEQUEUE_QUEUES Gauge "consumequeue_queues" ["topic_class"] "Queues on disk."
    CONSUMEQUEUE_FILES Gauge "consumequeue_files" ["topic_class"] "Files of queues."
    CONSUMEQUEUE_ALLOCATED Gauge "consumequeue_allocated_bytes" ["topic_class"] "Bytes that the file system has allocated for queues."
    CONSUMEQUEUE_UNITS Gauge "consumequeue_units" ["topic_class"] "Units of messages in queues."
    CONSUMEQUEUE_MAX_PHYSICAL Gauge "consumequeue_max_physical_offset_bytes" [] "Exclusive end of the newest message that any queue points at."
    DISPATCH_LAG_BYTES Gauge "dispatch_lag_bytes" [] "Bytes of the log from the oldest message without a unit to the end."
    DISPATCH_LAG_SECONDS Gauge "dispatch_lag_seconds" [] "Age of the oldest message without a unit; 0 if there is none."
    CONSUMEQUEUE_INCONSISTENT Gauge "consumequeue_inconsistent_queues" ["reason"] "Queues with something wrong."
    CONSUMEQUEUE_VANISHED_QUEUES Counter "consumequeue_vanished_queues_total" ["explained"] "Queues of which all files went, by what explains it."
    CONSUMEQUEUE_VANISHED_FILES Counter "consumequeue_vanished_files_total" ["explained"] "Files of queues that went, by what explains it."
    CONSUMEQUEUE_SHRUNK_QUEUES Counter "consumequeue_shrunk_queues_total" ["explained"] "Queues whose max offset went back while files remained, by what explains it."
    CONSUMEQUEUE_UNITS_REMOVED Counter "consumequeue_units_removed_total" ["explained"] "Units that went, by what explains it."
    CONSUMEQUEUE_LAST_SHRINK Gauge "consumequeue_last_shrink_timestamp_seconds" ["explained"] "When units, files or queues were last seen to be gone; only for what has happened."
    INDEX_FILES Gauge "index_files" [] "Files of the hash index."
    INDEX_FILES_NEWER Gauge "index_files_newer_than_checkpoint" [] "Index files that an unclean start unlinks, as the checkpoint does not cover them."

    DISK_USED Gauge "disk_used_ratio" ["area"] "Share of the disk in use, as the broker computes it."
    DISK_THRESHOLD Gauge "disk_threshold_ratio" ["threshold"] "Shares at which the broker removes expired files, removes files by force, and refuses writes."
    RECLAIMABLE Gauge "reclaimable_bytes" ["reason"] "Bytes allocated for files that the broker may remove or nobody will read."

    PREVIEW_VERDICT Gauge "recovery_preview_verdict" ["verdict"] "1 for what the next start would do: of a running broker if it were killed now, else of its store as it stands."
    PREVIEW_TIMESTAMP Gauge "recovery_preview_timestamp_seconds" [] "When the last preview was made."
    PREVIEW_DURATION Gauge "recovery_preview_duration_seconds" [] "How long the last preview took."
    PREVIEW_COMPLETE Gauge "recovery_preview_complete" [] "Whether the last preview read everything it needed."
    PREVIEW_CONSISTENT Gauge "recovery_preview_consistent" [] "Whether nothing moved while the last preview was made."
    PREVIEW_UNITS_REMOVED Gauge "recovery_preview_units_removed" [] "Units that the next start would take from the queues."
    PREVIEW_UNITS_LOST Gauge "recovery_preview_units_lost" [] "Units missing after the next start whose messages are in the part of the log that recovery reads, and which nothing would put again."
    PREVIEW_QUEUES_EMPTIED Gauge "recovery_preview_queues_emptied" [] "Queues that would have units before the next start and none after it."
    PREVIEW_FILES_UNLINKED Gauge "recovery_preview_files_unlinked" [] "Files that the next start would unlink."
    PREVIEW_MESSAGES_DROPPED Gauge "recovery_preview_messages_dropped" [] "Whole messages that the next start would cut out of the log."
    PREVIEW_REDISPATCH_BYTES Gauge "recovery_preview_redispatch_bytes" [] "Bytes of the log that the next start would read, to recover and to dispatch."
    PREVIEW_ESTIMATED_DURATION Gauge "recovery_preview_estimated_duration_seconds" [] "How long the next start would load, on a warm page cache."
    PREVIEW_FINDINGS Gauge "recovery_preview_findings" ["severity"] "Findings of the last preview."
    PREVIEW_MISMATCHES Counter "recovery_preview_mismatches_total" [] "Details of starts that came otherwise than the last preview before them said."

    LOG_EVENTS Counter "log_events_total" ["event"] "Events in the broker's logs."
    LOG_LAST_EVENT Gauge "log_last_event_timestamp_seconds" ["event"] "When an event was last logged, to the second; only for what has happened."
    LOG_LINES Counter "log_lines_total" ["log" "level"] "Lines of the broker's logs read since the exporter started."
    LOG_LAST_LINE Gauge "log_last_line_timestamp_seconds" ["log"] "When the last line of a log was written, to the second."
    LOG_UNREAD Gauge "log_unread_bytes" ["log"] "Bytes of a log that are there and not yet read."
    LOG_ROTATIONS Counter "log_rotations_total" ["log"] "New files that took a log's place since the exporter started."
    LOG_UNPARSED Counter "log_unparsed_lines_total" ["log"] "Lines of a log that are neither of the broker's form nor part of a stack trace, since the exporter started."

    TOPIC_QUEUES Gauge "topic_queues" ["topic"] "Queues of a topic; the topics beyond the limit are summed up as __other__."
    TOPIC_UNITS Gauge "topic_units" ["topic"] "Units of a topic."
    TOPIC_ALLOCATED Gauge "topic_allocated_bytes" ["topic"] "Bytes that the file system has allocated for a topic's queues."
    TOPIC_LAG Gauge "topic_dispatch_lag_bytes" ["topic"] "Bytes of a topic's messages without a unit, of the first 2,000 records behind the newest dispatched one."
    TOPIC_UNITS_REMOVED Gauge "topic_units_removed" ["topic"] "Units of a topic that went for no good reason (recovery or unexplained), in all."
    BAD_QUEUE Gauge "bad_queue" ["topic" "queue" "reason"] "1 for a queue with something wrong, worst first up to a limit; all of them are in the API."
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_and_only_they_end_in_total_and_names_are_unique() {
        for metric in ALL {
            assert_eq!(metric.kind == Kind::Counter, metric.name.ends_with("_total"), "{}", metric.name);
            assert!(metric.help.ends_with('.'), "{}", metric.name);
        }
        let names: std::collections::BTreeSet<_> = ALL.iter().map(|metric| metric.name).collect();
        assert_eq!(names.len(), ALL.len());
    }
}
