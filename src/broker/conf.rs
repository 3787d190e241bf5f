//! `broker.conf`: where the store lies and what decides about its recovery.
//!
//! Upstream: `MessageStoreConfig`, `BrokerConfig`, `BrokerIdentity`, `BrokerStartup.buildBrokerController`.

use std::path::PathBuf;

use super::conf_value::{Case, ConfError, ConfProblem, ConfProblems, Values};
use crate::format::cq_unit::UNIT_LEN;
use crate::format::java_properties::{JavaProperties, Property};

/// Stands between several paths (upstream `rocketmq.broker.multiPathSplitter`, a system property of the JVM).
pub const MULTI_PATH_SPLITTER: char = ',';

const ROOT_DIR: &str = "${user.home}/store";
const DELAY_LEVELS: &str = "1s 5s 10s 30s 1m 2m 3m 4m 5m 6m 7m 8m 9m 10m 20m 30m 1h 2h";

/// `brokerRole`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BrokerRole {
    /// `ASYNC_MASTER`.
    AsyncMaster,
    /// `SYNC_MASTER`.
    SyncMaster,
    /// `SLAVE`.
    Slave,
}

impl BrokerRole {
    /// The word in `broker.conf`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AsyncMaster => "ASYNC_MASTER",
            Self::SyncMaster => "SYNC_MASTER",
            Self::Slave => "SLAVE",
        }
    }
}

/// `flushDiskType`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FlushDiskType {
    /// `ASYNC_FLUSH`.
    AsyncFlush,
    /// `SYNC_FLUSH`.
    SyncFlush,
}

/// `storeType`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StoreType {
    /// `default`: consume queues are files.
    Default,
    /// `defaultRocksDB`: consume queues are in RocksDB.
    DefaultRocksDb,
}

/// What a `broker.conf` says, with upstream's default where it says nothing. A release in parentheses is the first that
/// knows the key; older ones pass over it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerConf {
    /// `storePathRootDir`: root of the store; left as it is where it holds something like `${user.home}`.
    pub store_path_root_dir: PathBuf,
    /// `storePathCommitLog`, split at commas; empty if unset.
    pub store_path_commit_log: Vec<PathBuf>,
    /// `storePathDLedgerCommitLog`, split at commas; empty if unset.
    pub store_path_dledger_commit_log: Vec<PathBuf>,
    /// `readOnlyCommitLogStorePaths`, split at commas; upstream looks at it only beside several commitlog paths.
    pub read_only_commit_log_store_paths: Vec<PathBuf>,
    /// `storePathEpochFile` (5.1.4).
    pub store_path_epoch_file: Option<PathBuf>,
    /// `storePathBrokerIdentity` (5.1.4).
    pub store_path_broker_identity: Option<PathBuf>,
    /// `enableDLegerCommitLog`: DLedger mode.
    pub enable_dleger_commit_log: bool,
    /// `dLegerSelfId`: names the directory `dledger-<id>`.
    pub dleger_self_id: Option<String>,
    /// `dLegerGroup`.
    pub dleger_group: Option<String>,
    /// `dLegerPeers`.
    pub dleger_peers: Option<String>,
    /// `enableControllerMode` (5.0.0).
    pub enable_controller_mode: bool,
    /// `allAckInSyncStateSet` (5.0.0).
    pub all_ack_in_sync_state_set: bool,
    /// `brokerName`; upstream's default is the host's name.
    pub broker_name: Option<String>,
    /// `brokerClusterName`.
    pub broker_cluster_name: String,
    /// `brokerId` as written; upstream makes it 0 for masters and -1 in DLedger mode.
    pub broker_id: i64,
    /// `brokerRole`.
    pub broker_role: BrokerRole,
    /// `listenPort`.
    pub listen_port: i32,
    /// `flushDiskType`.
    pub flush_disk_type: FlushDiskType,
    /// `storeType` (5.1.4).
    pub store_type: StoreType,
    /// `mappedFileSizeCommitLog`: length of commitlog and DLedger data segments in bytes.
    pub mapped_file_size_commit_log: i32,
    /// `mappedFileSizeConsumeQueue` in bytes, rounded up to whole units of 20 as upstream does.
    pub mapped_file_size_consume_queue: i64,
    /// `mapperFileSizeBatchConsumeQueue` (spelt so; 5.0.0) in bytes, not rounded.
    pub mapper_file_size_batch_consume_queue: i32,
    /// `mappedFileSizeConsumeQueueExt` in bytes.
    pub mapped_file_size_consume_queue_ext: i32,
    /// `mappedFileSizeTimerLog` (5.0.0) in bytes.
    pub mapped_file_size_timer_log: i32,
    /// `enableConsumeQueueExt`.
    pub enable_consume_queue_ext: bool,
    /// `maxHashSlotNum`: slots of an index file.
    pub max_hash_slot_num: i32,
    /// `maxIndexNum`: entries of an index file.
    pub max_index_num: i32,
    /// `messageIndexEnable`.
    pub message_index_enable: bool,
    /// `messageIndexSafe`: recovery goes back to where the index is certain.
    pub message_index_safe: bool,
    /// `checkCRCOnRecover`.
    pub check_crc_on_recover: bool,
    /// `enabledAppendPropCRC` (5.2.0).
    pub enabled_append_prop_crc: bool,
    /// `forceVerifyPropCRC` (5.2.0).
    pub force_verify_prop_crc: bool,
    /// `duplicationEnable`.
    pub duplication_enable: bool,
    /// `recheckReputOffsetFromCq` (5.0.0).
    pub recheck_reput_offset_from_cq: bool,
    /// `readUnCommitted` (5.3.0).
    pub read_un_committed: bool,
    /// `transientStorePoolEnable`.
    pub transient_store_pool_enable: bool,
    /// `enableLmq`.
    pub enable_lmq: bool,
    /// `enableMultiDispatch`.
    pub enable_multi_dispatch: bool,
    /// `enableCompaction` (5.1.0).
    pub enable_compaction: bool,
    /// `timerWheelEnable` (5.0.0).
    pub timer_wheel_enable: bool,
    /// `timerWheelSnapshotFlush` (5.3.4).
    pub timer_wheel_snapshot_flush: bool,
    /// `timerRocksDBEnable` (5.4.0).
    pub timer_rocksdb_enable: bool,
    /// `enableBuildConsumeQueueConcurrently` (5.1.0).
    pub enable_build_consume_queue_concurrently: bool,
    /// `enableCalcFilterBitMap`: units of the queue extension hold bit maps.
    pub enable_calc_filter_bit_map: bool,
    /// `configManagerVersion` (5.3.2): with `V2` the tables are in RocksDB.
    pub config_manager_version: Option<String>,
    /// `putConsumeQueueDataByFileChannel` (5.3.1).
    pub put_consume_queue_data_by_file_channel: bool,
    /// `writeWithoutMmap` (5.3.4).
    pub write_without_mmap: bool,
    /// `enableLogConsumeQueueRepeatedlyBuildWhenRecover` (5.3.4): recovery tells of units that are there already.
    pub enable_log_consume_queue_repeatedly_build_when_recover: bool,
    /// `rocksdbCQDoubleWriteEnable` (5.3.1).
    pub rocksdb_cq_double_write_enable: bool,
    /// `useSeparateStorePathForRocksdbCQ` (5.5.0).
    pub use_separate_store_path_for_rocksdb_cq: bool,
    /// `commitLogRecoverMaxNum` (5.4.0): files that abnormal recovery looks back; below 1 counts as 10.
    pub commit_log_recover_max_num: i32,
    /// `checkCommitLogOffsetOnRecover` (5.5.0).
    pub check_commit_log_offset_on_recover: bool,
    /// `enableAcceleratedRecovery` (5.3.4).
    pub enable_accelerated_recovery: bool,
    /// `indexFileWriteEnable` (5.4.0).
    pub index_file_write_enable: bool,
    /// `indexRocksDBEnable` (5.4.0).
    pub index_rocksdb_enable: bool,
    /// `transRocksDBEnable` (5.4.0).
    pub trans_rocksdb_enable: bool,
    /// `messageDelayLevel`: delays of the levels 1, 2, and so on.
    pub message_delay_level: String,
    /// `fileReservedTime`: hours that a segment is kept.
    pub file_reserved_time: i32,
    /// `deleteWhen`: hours of the day when segments are deleted, separated by semicolons.
    pub delete_when: String,
    /// `deleteFileBatchMax` (5.0.0): segments deleted at one go.
    pub delete_file_batch_max: i32,
    /// `cleanFileForciblyEnable`.
    pub clean_file_forcibly_enable: bool,
    /// `diskMaxUsedSpaceRatio` in percent as written; see [`BrokerConf::effective_disk_max_used`].
    pub disk_max_used_space_ratio: i32,
    /// `diskSpaceCleanForciblyRatio` (5.0.0) in percent as written; see [`BrokerConf::effective_disk_clean_forcibly`].
    pub disk_space_clean_forcibly_ratio: i32,
    /// `diskSpaceWarningLevelRatio` (5.0.0) in percent as written; see [`BrokerConf::effective_disk_warning`].
    pub disk_space_warning_level_ratio: i32,
    /// `flushConsumeQueueThoroughInterval` in milliseconds: the age that a checkpoint may have.
    pub flush_consume_queue_thorough_interval: i32,
    /// `flushCommitLogThoroughInterval` in milliseconds.
    pub flush_commit_log_thorough_interval: i32,
    /// Whether anything is said about how the log is kept: `enableDLegerCommitLog` or `enableControllerMode`.
    pub tells_log_kind: bool,
    /// Entries with other keys, in the order of the file. Upstream knows hundreds more and passes over the rest.
    pub other: Vec<Property>,
}

impl BrokerConf {
    /// Reads a file, refusing it if anything is wrong with it.
    ///
    /// # Errors
    ///
    /// If it is not in the form of properties, or with all values that are not what their keys want.
    pub fn parse(bytes: &[u8]) -> Result<Self, ConfError> {
        let (conf, problems) = Self::as_broker_takes_it(&JavaProperties::parse(bytes)?);
        if problems.is_empty() { Ok(conf) } else { Err(ConfProblems(problems).into()) }
    }

    /// Reads a file as the broker does, which passes over bad values and keeps their defaults; and tells all of them.
    #[must_use]
    pub fn as_broker_takes_it(properties: &JavaProperties) -> (Self, Vec<ConfProblem>) {
        let mut values = Values::new(properties);
        let conf = Self::read(&mut values);
        if conf.enable_dleger_commit_log && conf.dleger_self_id.is_none() {
            values.clash("enableDLegerCommitLog", "dLegerSelfId beside it", "a node without a directory");
        }
        if conf.enable_dleger_commit_log && conf.enable_controller_mode {
            let expected = "false beside enableDLegerCommitLog=true";
            values.clash("enableControllerMode", expected, "a broker that does not start (5.1.1)");
        }
        if conf.broker_role == BrokerRole::Slave && !conf.enable_controller_mode && conf.broker_id <= 0 {
            values.clash("brokerRole", "brokerId above 0 beside SLAVE", "a broker that does not start");
        }
        let (other, problems) = values.finish();
        let tells_log_kind =
            ["enableDLegerCommitLog", "enableControllerMode"].iter().any(|key| properties.get(key).is_some());
        (Self { tells_log_kind, other, ..conf }, problems)
    }

    fn read(v: &mut Values<'_>) -> Self {
        let store_path_root_dir =
            PathBuf::from(v.text("storePathRootDir").unwrap_or_else(|| ROOT_DIR.to_owned()));
        let store_path_commit_log = split_paths(v.text("storePathCommitLog"));
        let store_path_dledger_commit_log = split_paths(v.text("storePathDLedgerCommitLog"));
        let read_only_commit_log_store_paths = split_paths(v.text("readOnlyCommitLogStorePaths"));
        let broker_role = v.choice(
            "brokerRole",
            [
                ("ASYNC_MASTER", BrokerRole::AsyncMaster),
                ("SYNC_MASTER", BrokerRole::SyncMaster),
                ("SLAVE", BrokerRole::Slave),
            ],
            Case::Counts,
            "ASYNC_MASTER, SYNC_MASTER or SLAVE",
        );
        let flush_disk_type = v.choice(
            "flushDiskType",
            [("ASYNC_FLUSH", FlushDiskType::AsyncFlush), ("SYNC_FLUSH", FlushDiskType::SyncFlush)],
            Case::Counts,
            "ASYNC_FLUSH or SYNC_FLUSH",
        );
        let store_type = v.choice(
            "storeType",
            [("default", StoreType::Default), ("defaultRocksDB", StoreType::DefaultRocksDb)],
            Case::Ignored,
            "default or defaultRocksDB",
        );
        let queue_size = i64::from(v.size("mappedFileSizeConsumeQueue", 6_000_000));
        let mapped_file_size_consume_queue =
            i64::try_from(UNIT_LEN).map_or(queue_size, |unit| (queue_size + unit - 1) / unit * unit);
        Self {
            store_path_root_dir,
            store_path_commit_log,
            store_path_dledger_commit_log,
            read_only_commit_log_store_paths,
            store_path_epoch_file: v.text("storePathEpochFile").map(PathBuf::from),
            store_path_broker_identity: v.text("storePathBrokerIdentity").map(PathBuf::from),
            enable_dleger_commit_log: v.flag("enableDLegerCommitLog", false),
            dleger_self_id: v.text("dLegerSelfId"),
            dleger_group: v.text("dLegerGroup"),
            dleger_peers: v.text("dLegerPeers"),
            enable_controller_mode: v.flag("enableControllerMode", false),
            all_ack_in_sync_state_set: v.flag("allAckInSyncStateSet", false),
            broker_name: v.text("brokerName"),
            broker_cluster_name: v.text("brokerClusterName").unwrap_or_else(|| "DefaultCluster".to_owned()),
            broker_id: v.int("brokerId", 0),
            broker_role,
            listen_port: v.int("listenPort", 10911),
            flush_disk_type,
            store_type,
            mapped_file_size_commit_log: v.size("mappedFileSizeCommitLog", 1 << 30),
            mapped_file_size_consume_queue,
            mapper_file_size_batch_consume_queue: v.size("mapperFileSizeBatchConsumeQueue", 13_800_000),
            mapped_file_size_consume_queue_ext: v.size("mappedFileSizeConsumeQueueExt", 48 << 20),
            mapped_file_size_timer_log: v.size("mappedFileSizeTimerLog", 100 << 20),
            enable_consume_queue_ext: v.flag("enableConsumeQueueExt", false),
            max_hash_slot_num: v.size("maxHashSlotNum", 5_000_000),
            max_index_num: v.size("maxIndexNum", 20_000_000),
            message_index_enable: v.flag("messageIndexEnable", true),
            message_index_safe: v.flag("messageIndexSafe", false),
            check_crc_on_recover: v.flag("checkCRCOnRecover", true),
            enabled_append_prop_crc: v.flag("enabledAppendPropCRC", false),
            force_verify_prop_crc: v.flag("forceVerifyPropCRC", false),
            duplication_enable: v.flag("duplicationEnable", false),
            recheck_reput_offset_from_cq: v.flag("recheckReputOffsetFromCq", false),
            read_un_committed: v.flag("readUnCommitted", false),
            transient_store_pool_enable: v.flag("transientStorePoolEnable", false),
            enable_lmq: v.flag("enableLmq", false),
            enable_multi_dispatch: v.flag("enableMultiDispatch", false),
            enable_compaction: v.flag("enableCompaction", true),
            timer_wheel_enable: v.flag("timerWheelEnable", true),
            timer_wheel_snapshot_flush: v.flag("timerWheelSnapshotFlush", false),
            timer_rocksdb_enable: v.flag("timerRocksDBEnable", false),
            enable_build_consume_queue_concurrently: v.flag("enableBuildConsumeQueueConcurrently", false),
            enable_calc_filter_bit_map: v.flag("enableCalcFilterBitMap", false),
            config_manager_version: v.text("configManagerVersion"),
            put_consume_queue_data_by_file_channel: v.flag("putConsumeQueueDataByFileChannel", true),
            write_without_mmap: v.flag("writeWithoutMmap", false),
            enable_log_consume_queue_repeatedly_build_when_recover: v
                .flag("enableLogConsumeQueueRepeatedlyBuildWhenRecover", false),
            rocksdb_cq_double_write_enable: v.flag("rocksdbCQDoubleWriteEnable", false),
            use_separate_store_path_for_rocksdb_cq: v.flag("useSeparateStorePathForRocksdbCQ", false),
            commit_log_recover_max_num: v.int("commitLogRecoverMaxNum", 10),
            check_commit_log_offset_on_recover: v.flag("checkCommitLogOffsetOnRecover", false),
            enable_accelerated_recovery: v.flag("enableAcceleratedRecovery", false),
            index_file_write_enable: v.flag("indexFileWriteEnable", true),
            index_rocksdb_enable: v.flag("indexRocksDBEnable", false),
            trans_rocksdb_enable: v.flag("transRocksDBEnable", false),
            message_delay_level: v.text("messageDelayLevel").unwrap_or_else(|| DELAY_LEVELS.to_owned()),
            file_reserved_time: v.int("fileReservedTime", 72),
            delete_when: v.text("deleteWhen").unwrap_or_else(|| "04".to_owned()),
            delete_file_batch_max: v.int("deleteFileBatchMax", 10),
            clean_file_forcibly_enable: v.flag("cleanFileForciblyEnable", true),
            disk_max_used_space_ratio: v.int("diskMaxUsedSpaceRatio", 75),
            disk_space_clean_forcibly_ratio: v.int("diskSpaceCleanForciblyRatio", 85),
            disk_space_warning_level_ratio: v.int("diskSpaceWarningLevelRatio", 90),
            flush_consume_queue_thorough_interval: v.int("flushConsumeQueueThoroughInterval", 60_000),
            flush_commit_log_thorough_interval: v.int("flushCommitLogThoroughInterval", 10_000),
            tells_log_kind: false,
            other: Vec::new(),
        }
    }
}

impl Default for BrokerConf {
    /// What a broker does without a file.
    fn default() -> Self {
        Self::read(&mut Values::new(&JavaProperties::default()))
    }
}

/// Java's `split`: empty parts at the end do not count, those between do, and parts are not trimmed.
fn split_paths(text: Option<String>) -> Vec<PathBuf> {
    let text = text.unwrap_or_default();
    let text = text.trim_end_matches(MULTI_PATH_SPLITTER);
    if text.is_empty() { Vec::new() } else { text.split(MULTI_PATH_SPLITTER).map(PathBuf::from).collect() }
}
