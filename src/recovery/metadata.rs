//! Tables in `config/` that must be readable, or the broker does not start (R3).
//!
//! Upstream: `ConfigManager.load`, `loadBak`; `BrokerController.initializeMetadata`, `recoverAndInitService`. A table is read from
//! its file, from its backup if that is empty, missing or damaged, and only two damaged copies are a failure. Run against
//! real brokers of all releases from 4.9.4 to 5.5.0 with text, cut JSON, zeros and an array in both copies.

use std::path::{Path, PathBuf};

use super::disk::RecoveryError;
use super::load::{EXIT_LOAD_FAILED, Refusal};
use super::release::Rules;
use crate::format::loose_json;
use crate::store::StoreError;
use crate::store::source::read_small;

/// Most bytes of a table.
const MOST: usize = 64 << 20;
/// Tables that are read before the store is loaded.
const BEFORE_LOAD: [&str; 4] = ["topics", "consumerOffset", "subscriptionGroup", "consumerFilter"];
/// The same, since batch queues are known.
const BEFORE_LOAD_SINCE_5: [&str; 2] = ["topicQueueMapping", "consumerOrderInfo"];

/// The table because of which the broker ends before it loads its store.
///
/// # Errors
/// A table that cannot be read for another reason than its content.
pub fn refused_before_load(root: &Path, rules: &Rules) -> Result<Option<Refusal>, RecoveryError> {
    let later = rules.has_batch_queues.then_some(BEFORE_LOAD_SINCE_5).into_iter().flatten();
    for table in BEFORE_LOAD.into_iter().chain(later) {
        if let Some(path) = damaged(root, table)? {
            return Ok(Some(refusal(path, rules.exit_without_tables)));
        }
    }
    Ok(None)
}

/// The same for the offsets of delayed messages, which are read after that.
///
/// # Errors
/// As [`refused_before_load`].
pub fn refused_after_load(root: &Path) -> Result<Option<Refusal>, RecoveryError> {
    Ok(damaged(root, "delayOffset")?.map(|path| refusal(path, EXIT_LOAD_FAILED)))
}

fn refusal(path: PathBuf, exit_code: i32) -> Refusal {
    Refusal { exit_code, reason: "TABLE_UNREADABLE", path: Some(path) }
}

/// The file of a table whose copies are both damaged.
fn damaged(root: &Path, table: &str) -> Result<Option<PathBuf>, RecoveryError> {
    let path = root.join("config").join(format!("{table}.json"));
    let is_damaged = is_damaged(&path)? && is_damaged(&path.with_extension("json.bak"))?;
    Ok(is_damaged.then_some(path))
}

fn is_damaged(path: &Path) -> Result<bool, RecoveryError> {
    match read_small(path, MOST) {
        Ok(bytes) => Ok(!bytes.is_empty() && !loose_json::parse(&bytes).is_ok_and(|table| table.is_object())),
        Err(error @ StoreError::NotAFile { .. }) if !error.is_link() => Ok(false),
        Err(error) if error.is_gone() => Ok(false),
        Err(error) => Err(error.into()),
    }
}
