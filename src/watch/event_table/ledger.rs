//! Rows of the DLedger library (0.2.x to 0.3.2): `DLedgerMmapFileStore`, `DLedgerLeaderElector`, `DLedgerEntryPusher`.

use super::pattern::{Pattern, ledger};
use crate::watch::events::Event as E;
use crate::watch::facts::FactKind as F;
use crate::watch::occurrence::PhaseHint::{Failed, Loading};

#[rustfmt::skip]
pub(super) const PATTERNS: &[Pattern] = &[
    ledger(E::DledgerError, "Load file failed, this usually indicates fatal error, you should check it manually").phase(Failed),
    ledger(E::DledgerRecoverStep, "Begin to recover data from entryIndex=").phase(Loading),
    ledger(E::DledgerRecoverStep, "Trying to recover data file ").phase(Loading),
    ledger(E::DledgerRecoverStep, "Recover data file over, the last file ").phase(Loading),
    ledger(E::DledgerRecoverStep, "Recover data file to the end of ").phase(Loading),
    ledger(E::DledgerFileRejected, "Pre check data and index failed "),
    ledger(E::DledgerIndexRebuilt, "Compare data to index failed "),
    ledger(E::DledgerIndexRebuilt, "[Recovery] rebuild for index wrotePos="),
    ledger(E::DledgerRecovered, "Recover data to the end entryIndex=").phase(Loading).fact(F::LedgerRecovered),
    ledger(E::DledgerError, "[MONITOR]The processOffset is too small, you should check it manually before truncating the data from ").phase(Failed),
    ledger(E::DledgerCommitted, "Recover to get committed index=").phase(Loading).fact(F::LedgerCommitted),
    ledger(E::DledgerCommitSkipped, "[MONITOR]Skip update committed index for new="),
    ledger(E::DledgerTruncated, "[TRUNCATE]leaderId="),
    ledger(E::DledgerTruncated, "[TRUNCATE] rebuild for "),
    ledger(E::DledgerTruncated, "Revise dataFileList flushedWhere from "),
    ledger(E::DledgerTruncated, "Revise indexFileList flushedWhere from "),
    ledger(E::DledgerFlushSlow, "Flush data cost="),
    ledger(E::DledgerExpiry, "Clean space count="),
    ledger(E::DledgerError, "Persist checkpoint failed"),
    ledger(E::DledgerError, "Load checkpoint failed"),
    ledger(E::DledgerError, "Load last term failed"),
    ledger(E::DledgerRole, "[ChangeRoleToLeader] from term: "),
    ledger(E::DledgerRole, "[ChangeRoleToCandidate] from term: "),
    ledger(E::DledgerRole, "[ChangeRoleToFollower] from term: "),
    ledger(E::DledgerRole, "[VOTE_RESULT] "),
    ledger(E::DledgerRole, "[HeartBeatTimeOut] "),
];
