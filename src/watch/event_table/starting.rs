//! Rows of a start, until recovery is over: `DefaultMessageStore.load`, `CommitLog`, `DLedgerCommitLog`, `ConsumeQueue`.

use super::pattern::{Pattern, Rest, any, error, store};
use crate::watch::events::Event as E;
use crate::watch::facts::{FactKind as F, consumequeue_was_ahead, names_index_file};
use crate::watch::occurrence::PhaseHint::{
    Failed, LoadOver, Loading, Opening, RecoveringCommitLog, RecoveringConsumeQueue, Running, Stopping,
};

const TRANSITION: &str = "MessageStoreState transition from ";

const fn transition(rest: &'static str) -> Pattern {
    store(E::StoreStateTransition, TRANSITION).holds(rest).since((5, 3, 4)).fact(F::StateTransition)
}

#[rustfmt::skip]
pub(super) const PATTERNS: &[Pattern] = &[
    // The process is new.
    store(E::StartBegun, "MessageStoreState initialized, state=").since((5, 3, 4)).phase(Opening),
    store(E::StartBegun, "MessageRocksDBStorage init success, dbPath: ").since((5, 4, 0)).phase(Opening),
    store(E::StartBegun, "Load default HA Service: ").since((5, 0, 0)).phase(Opening),
    store(E::StartBegun, "Load AutoSwitch HA Service: ").since((5, 0, 0)).phase(Opening),
    store(E::StartBegun, "timer checkpoint file ").since((5, 0, 0)).phase(Opening),
    store(E::ShutdownClean, "last shutdown normally").rest(Rest::Nothing).until((4, 9, 8)).phase(Opening).fact(F::ShutdownClean),
    store(E::ShutdownClean, "last shutdown normally, root dir: ").between((5, 0, 0), (5, 0, 0)).phase(Opening).fact(F::ShutdownClean),
    store(E::ShutdownClean, "last shutdown normally, store path root dir: ").since((5, 1, 0)).phase(Opening).fact(F::ShutdownClean),
    store(E::ShutdownClean, "last shutdown normally").phase(Opening).fact(F::ShutdownClean),
    store(E::ShutdownUnclean, "last shutdown abnormally").rest(Rest::Nothing).until((4, 9, 8)).phase(Opening).fact(F::ShutdownUnclean),
    store(E::ShutdownUnclean, "last shutdown abnormally, root dir: ").between((5, 0, 0), (5, 0, 0)).phase(Opening).fact(F::ShutdownUnclean),
    store(E::ShutdownUnclean, "last shutdown abnormally, store path root dir: ").since((5, 1, 0)).phase(Opening).fact(F::ShutdownUnclean),
    store(E::ShutdownUnclean, "last shutdown abnormally").phase(Opening).fact(F::ShutdownUnclean),
    store(E::StoreStateFailed, TRANSITION).holds(" failed;").since((5, 3, 4)).phase(Failed),
    transition("INIT to LOAD_BEGIN;").phase(Opening),
    transition(" to LOAD_").phase(Loading),
    transition(" to RECOVER_BEGIN;").phase(RecoveringConsumeQueue),
    transition(" to RECOVER_CONSUME_QUEUE_OK;").phase(RecoveringCommitLog),
    transition(" to RECOVER_COMMITLOG_OK;").phase(RecoveringCommitLog),
    transition(" to RECOVER_TOPIC_QUEUE_TABLE_OK;").phase(LoadOver),
    transition(" to RUNNING;").phase(Running),
    transition(" to SHUTDOWN_").phase(Stopping),
    transition(""),

    // Files are mapped.
    store(E::LoadStep, "load commit log OK").rest(Rest::Nothing).phase(Loading),
    store(E::LoadFailed, "load commit log Failed").rest(Rest::Nothing).phase(Failed),
    // The timer's log is loaded once the store's own load is over.
    any(E::LoadStep, "load ").holds("/timerlog/"),
    any(E::LoadStep, "load ").ends(" OK").phase(Loading),
    any(E::LoadFailed, "load ").ends(" Failed").phase(Failed),
    store(E::LoadStep, "load consume queue ").ends(" OK").phase(Loading),
    store(E::LoadFailed, "load consume queue ").ends(" Failed").phase(Failed),
    store(E::LoadStep, "load consume queue extend").ends(" OK").phase(Loading),
    store(E::LoadFailed, "load consume queue extend").ends(" Failed").phase(Failed),
    store(E::LoadStep, "load logics queue all over, OK").until((4, 9, 8)).phase(Loading),
    store(E::LoadStep, "load SimpleCQ all over, OK").since((5, 0, 0)).phase(Loading),
    store(E::LoadStep, "load BatchCQ all over, OK").since((5, 0, 0)).phase(Loading),
    store(E::LoadStep, "Load batch consume queue ").holds(" OK").since((5, 0, 0)).phase(Loading),
    store(E::LoadFailed, "Load batch consume queue ").holds(" Failed").since((5, 0, 0)).phase(Failed),
    store(E::LoadStep, "load rocksdb consume queue ").since((5, 2, 0)).phase(Loading),
    store(E::LoadStep, "load index file OK, ").phase(Loading),
    store(E::LoadStep, "compactionStore ").ends(" load completed.").since((5, 1, 0)).phase(Loading),
    store(E::LoadStep, "loop to scan all topicConfig with fixed delay ").since((5, 1, 0)).phase(Loading),
    store(E::LoadStep, "Registered CommitLogDispatchStore: ").since((5, 5, 0)).phase(Loading),
    store(E::LoadStep, "CombineConsumeQueueStore init, ").since((5, 3, 4)).phase(Loading),
    store(E::LoadStep, "CombineConsumeQueueStore load success").since((5, 3, 4)).phase(Loading),
    store(E::CqStoreMismatch, "CombineConsumeQueueStore load fail, ").since((5, 3, 4)).phase(Failed),
    store(E::CqStoreMismatch, "CombineConsumeQueueStore can not recover all inner store").since((5, 3, 4)),
    store(E::CqStoreMismatch, "CombineConsumeQueueStore checkAssignOffsetStore fail").since((5, 3, 4)),
    any(E::LengthMismatch, "").ends(" length not matched message store config value, please check it manually").phase(Failed),
    any(E::LengthMismatch, "").ends(". You should delete old files before changing mapped file size").phase(Failed),
    store(E::EmptyFileAutoDeleted, "").ends(" size is 0, auto delete. is_ok: true").since((5, 1, 3)).phase(Loading),
    store(E::EmptyFileAutoDeleted, "").ends(" size is 0, auto delete. is_ok: false").since((5, 1, 3)).phase(Loading),
    store(E::IndexFileError, "load file ").rest(Rest::Is(is_index_error)),
    any(E::LoadFailed, "load file ").ends(" error").phase(Failed),
    store(E::CheckpointLoaded, "store checkpoint file exists, ").phase(Loading),
    store(E::CheckpointLost, "store checkpoint file not exists, ").phase(Loading),
    store(E::CheckpointLoaded, "store checkpoint file ").phase(Loading),
    store(E::CheckpointLoaded, "store checkpoint file masterFlushedOffset ").since((5, 0, 0)).phase(Loading),
    store(E::CheckpointLoaded, "store checkpoint file confirmPhyOffset ").since((5, 1, 1)).phase(Loading),
    store(E::CheckpointLoaded, "store checkpoint file logicsPhysicalOffset ").since((5, 5, 0)).phase(Loading),
    store(E::CheckpointLoaded, "Init the confirmOffset to ").since((5, 1, 1)).phase(Loading),
    store(E::ConfirmOffsetRefused, "Should not set confirm offset "),
    any(E::LoadException, "load exception").rest(Rest::Nothing).phase(Failed),
    any(E::LockFailed, "Lock failed,").holds("MQ already started").phase(Failed),

    // Consume queues are scanned.
    store(E::RecoverMode, "message store recover mode: ").between((5, 1, 0), (5, 3, 3)).phase(RecoveringConsumeQueue),
    store(E::RecoverMode, "Start to recover consume queue concurrently=").since((5, 3, 4)).phase(RecoveringConsumeQueue),
    store(E::RecoverCqStep, "recover current consume queue file over,  ").phase(RecoveringConsumeQueue),
    store(E::RecoverCqStep, "recover last consume queue file over, last mapped file ").phase(RecoveringConsumeQueue),
    store(E::RecoverCqStep, "recover next consume queue file, ").phase(RecoveringConsumeQueue),
    store(E::RecoverCqDone, "recover current consume queue over ").phase(RecoveringConsumeQueue).fact(F::QueueScanned),
    store(E::RecoverCqStep, "Recover current batch consume queue file over, file:").since((5, 0, 0)).phase(RecoveringConsumeQueue),
    store(E::RecoverCqStep, "Recover last batch consume queue file over, last mapped file:").since((5, 0, 0)).phase(RecoveringConsumeQueue),
    store(E::RecoverCqStep, "Recover next batch consume queue file: ").since((5, 0, 0)).phase(RecoveringConsumeQueue),
    store(E::RecoverCqDone, "Recover current batch consume queue file over:").since((5, 0, 0)).phase(RecoveringConsumeQueue).fact(F::BatchQueueScanned),
    store(E::RecoverCqFailed, "Exception occurs while recover consume queue concurrently").since((5, 1, 0)),
    store(E::CqExtStep, "Truncate consume queue extend file by max "),
    store(E::CqExtStep, "Truncate consume queue ext by "),
    store(E::CqExtStep, "Recover next consume queue extend file, "),
    store(E::CqExtStep, "All files of consume queue extend has been recovered over, last mapped file "),
    store(E::CqExtBroken, "[BUG] address ").ends(" of consume queue extend not found!"),
    store(E::CqExtBroken, "[BUG] Consume queue extend unit(").ends(") is not found!"),

    // The log is scanned.
    store(E::RecoverFromCandidate, "find check timestamp, ").until((5, 3, 3)).phase(RecoveringCommitLog),
    store(E::RecoverFromCandidate, "find check. beginPhyOffset: ").between((5, 2, 0), (5, 3, 3)).phase(RecoveringCommitLog),
    store(E::RecoverFromCandidate, "dledger find check timestamp, ").between((5, 2, 0), (5, 3, 3)).phase(RecoveringCommitLog),
    store(E::RecoverFromCandidate, "CommitLog isMmapFileMatchedRecover find satisfied MmapFile for index, ").since((5, 3, 4)).phase(RecoveringCommitLog),
    store(E::RecoverFromCandidate, "DLedgerCommitLog isMmapFileMatchedRecover find satisfied MmapFile for index, ").since((5, 3, 4)).phase(RecoveringCommitLog),
    store(E::RecoverFromCandidate, "recoverNormally maxRecoverNum: ").since((5, 4, 0)).phase(RecoveringCommitLog),
    store(E::RecoverFromCandidate, "recoverAbnormally maxRecoverNum: ").since((5, 4, 0)).phase(RecoveringCommitLog),
    store(E::RecoverFromCandidate, "index isMappedFileMatchedRecover lastOffsetPy: ").since((5, 4, 0)).phase(RecoveringCommitLog),
    store(E::RecoverFromCandidate, "trans isMappedFileMatchedRecover lastOffsetPy: ").since((5, 4, 0)).phase(RecoveringCommitLog),
    store(E::RecoverFromCandidate, "isMappedFileMatchedRecover ").holds(" recover form ").since((5, 4, 0)).phase(RecoveringCommitLog),
    store(E::RecoverFromCandidate, "recover using acceleration, recovery offset is ").since((5, 3, 4)).phase(RecoveringCommitLog),
    store(E::RecoverFromFile, "recover from this mapped file ").phase(RecoveringCommitLog).fact(F::ScanStart),
    store(E::RecoverFromFile, "dledger recover from this mappFile ").since((5, 2, 0)).phase(RecoveringCommitLog).fact(F::ScanStart),
    store(E::RecoverNextFile, "recover next physics file, ").phase(RecoveringCommitLog).fact(F::ScanNext),
    store(E::RecoverNextFile, "dledger recover next physics file, ").since((5, 2, 0)).phase(RecoveringCommitLog).fact(F::ScanNext),
    store(E::RecoverFileEnd, "recover physics file end, ").phase(RecoveringCommitLog).fact(F::ScanStopped),
    store(E::RecoverFileEnd, "dledger recover physics file end, ").since((5, 2, 0)).phase(RecoveringCommitLog).fact(F::ScanStopped),
    store(E::RecoverFilesOver, "recover last 3 physics file over, last mapped file ").phase(RecoveringCommitLog).fact(F::ScanStopped),
    store(E::RecoverFilesOver, "recover physics file over, last mapped file ").phase(RecoveringCommitLog).fact(F::ScanStopped),
    store(E::RecoverFilesOver, "dledger recover physics file over, last mapped file ").since((5, 2, 0)).phase(RecoveringCommitLog).fact(F::ScanStopped),
    any(E::EndOfData, "found a illegal magic code 0x0").rest(Rest::Nothing),
    any(E::IllegalMagic, "found a illegal magic code 0x"),
    store(E::CrcFailed, "CRC check failed. bodyCRC="),
    store(E::PropertyCrcFailed, "CommitLog#checkAndDispatchMessage: failed to check message CRC, ").since((5, 2, 0)),
    store(E::DupInfoFailed, "DupInfo in properties check failed. dupInfo=").since((5, 0, 0)),
    store(E::SizeMismatch, "[BUG]read total count not equals msg total size. totalSize="),
    store(E::HalfMessage, "found a half message at ").since((5, 0, 0)).fact(F::LogCut),
    store(E::IllegalOffset, "found illegal commitlog offset ").since((5, 5, 0)),
    store(E::DispatchCheckFailed, "checkMessageAndReturnSize failed, may can not dispatch").since((5, 3, 2)),
    store(E::CqFlushFailed, "Failed to flush ConsumeQueueStore").since((5, 3, 2)),
    store(E::DirtyLogicTruncated, "maxPhyOffsetOfConsumeQueue(").rest(Rest::Is(consumequeue_was_ahead)).phase(RecoveringCommitLog).fact(F::Truncation),
    store(E::DirtyLogicChecked, "maxPhyOffsetOfConsumeQueue(").holds(") >= processOffset(").phase(RecoveringCommitLog).fact(F::Truncation),
    store(E::DirtyLogicTruncated, "[TruncateCQ]maxPhyOffsetOfConsumeQueue(").rest(Rest::Is(consumequeue_was_ahead)).phase(RecoveringCommitLog).fact(F::Truncation),
    store(E::DirtyLogicChecked, "[TruncateCQ]maxPhyOffsetOfConsumeQueue(").holds(") >= processOffset(").phase(RecoveringCommitLog).fact(F::Truncation),
    store(E::DirtyLogicTruncated, "dledger maxPhyOffsetOfConsumeQueue(").rest(Rest::Is(consumequeue_was_ahead)).since((5, 2, 0)).phase(RecoveringCommitLog).fact(F::Truncation),
    store(E::DirtyLogicChecked, "dledger maxPhyOffsetOfConsumeQueue(").holds(") >= processOffset(").since((5, 2, 0)).phase(RecoveringCommitLog).fact(F::Truncation),
    store(E::CommitlogFilesDeletedCqWiped, "The commitlog files are deleted, and delete the consume queue files").phase(RecoveringCommitLog),
    any(E::LogicFileDestroyed, "on recover, destroy a logic mapped file ").fact(F::LogicFileDestroyed),
    store(E::BatchCqTruncated, "Truncate batch logic file topic=").since((5, 0, 0)),
    store(E::ConfirmOffsetCorrected, "confirmOffset ").holds(", correct confirmOffset to ").since((5, 1, 1)),
    store(E::LedgerMigration, "Recover old commitlog "),
    store(E::LedgerMigration, "Will set the initial commitlog offset="),
    store(E::LedgerMigration, "Try to delete the last old commitlog file "),

    // Recovery is over.
    store(E::RecoverDone, "message store recover total cost: ").between((5, 1, 0), (5, 3, 3)).phase(RecoveringCommitLog).fact(F::RecoveryCost),
    store(E::RecoverDone, "Recover end total:").between((5, 0, 0), (5, 0, 0)).phase(RecoveringCommitLog).fact(F::RecoveryCost),
    store(E::RecoverDone, "message store recover end, and the max phy offset = ").since((5, 1, 0)).phase(LoadOver).fact(F::LoadOver),
    store(E::LoadOk, "load over, and the max phy offset = ").phase(LoadOver).fact(F::LoadOver),
    error(E::LoadFailed, "MessageRocksDBStorage init error, dbPath: ").since((5, 4, 0)),
];

/// `load file <f> error` of the index service names the file last; that of a queue of files is told apart by its directory.
fn is_index_error(rest: &[u8]) -> bool {
    rest.trim_ascii_end().ends_with(b" error") && names_index_file(rest)
}
