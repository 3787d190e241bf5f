//! The timer's files, which can keep the broker from starting (R3).
//!
//! Upstream: `TimerCheckpoint`, `TimerWheel`, made by `BrokerController.initializeMessageStore`; `TimerMessageStore.load`, called by
//! `recoverAndInitService` once the store is loaded. Run against real brokers 5.2.0 and 5.5.0. Where the timer's log ends, and
//! what is cut off it, is not told.

use super::disk::{Disk, RecoveryError};
use super::file_list::FileList;
use super::file_loading::{LoadFailure, Loader};
use super::metadata::Tables;
use super::refusal::{EXIT_LOAD_FAILED, EXIT_UNCAUGHT, Refusal};

/// Length of `timerwheel`: two slots of 32 bytes for each second of seven days, whatever the precision.
const WHEEL_LEN: u64 = 7 * 86_400 * 2 * 32;

/// Opens checkpoint and wheel, before the store is loaded; `None` if the broker goes on.
#[must_use]
pub fn open(tables: &Tables<'_>) -> Option<Refusal> {
    let (conf, rules) = (tables.conf, tables.rules);
    if !rules.has_timer || !conf.timer_wheel_enable {
        return None;
    }
    let checkpoint = tables.root.join("config/timercheck");
    if checkpoint.is_dir() {
        return Some(Refusal {
            exit_code: EXIT_LOAD_FAILED,
            reason: "TIMER_UNREADABLE",
            path: Some(checkpoint),
        });
    }
    let wheel = tables.root.join("timerwheel");
    let len = std::fs::metadata(&wheel).map_or(0, |metadata| metadata.len());
    // With snapshots the newest of them is the wheel.
    if conf.timer_wheel_snapshot_flush && rules.has_timer_snapshots {
        return None;
    }
    if len != 0 && len != WHEEL_LEN {
        return Some(Refusal {
            exit_code: rules.exit_without_wheel,
            reason: "TIMER_UNREADABLE",
            path: Some(wheel),
        });
    }
    None
}

/// Loads log and metrics, once the store is loaded; `None` if the broker goes on.
///
/// # Errors
/// A file that cannot be read for another reason than its content.
pub fn load(tables: &Tables<'_>, disk: &Disk) -> Result<Option<Refusal>, RecoveryError> {
    let (conf, rules) = (tables.conf, tables.rules);
    if !rules.has_timer || !conf.timer_wheel_enable {
        return Ok(None);
    }
    let file_len = i64::from(conf.mapped_file_size_timer_log);
    let dir = tables.root.join("timerlog");
    let (exit_code, path) = match FileList::load(disk, &[dir], file_len, Loader::Broker(rules))? {
        Ok(_) => return tables.load_timer_metrics(disk),
        Err(LoadFailure::Length(path, _) | LoadFailure::Directory(path)) => (EXIT_LOAD_FAILED, path),
        Err(LoadFailure::Name(path)) => (EXIT_UNCAUGHT, path),
    };
    Ok(Some(Refusal { exit_code, reason: "TIMER_UNREADABLE", path: Some(path) }))
}
