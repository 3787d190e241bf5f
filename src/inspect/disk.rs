//! How full the disks are, against the broker's own three thresholds.
//!
//! Upstream: `UtilAll.getDiskPartitionSpaceUsedPercent` ((total - free) / total, free as for root) and
//! `DefaultMessageStore.CleanCommitLogService`, releases 4.9.4 to 5.5.0.

use std::path::Path;

/// Share of the file system of `path` that is used, as the broker computes it; `None` if the system does not say.
#[must_use]
#[expect(clippy::as_conversions, reason = "a ratio needs no more than 53 bits")]
pub fn used_ratio(path: &Path) -> Option<f64> {
    let stat = nix::sys::statvfs::statvfs(path).ok()?;
    let (total, free) = (stat.blocks() as f64, stat.blocks_free() as f64);
    (total > 0.0).then(|| (total - free) / total)
}
