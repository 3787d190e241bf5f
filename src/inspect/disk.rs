//! How full the disks are, against the broker's own three thresholds.
//!
//! Upstream: `UtilAll.getDiskPartitionSpaceUsedPercent` ((total - free) / total, free as for root) and
//! `DefaultMessageStore.CleanCommitLogService`, releases 4.9.4 to 5.5.1.

use std::path::Path;

use crate::store::layout::Layout;

/// Share of the file system of `path` that is used, as the broker computes it; `None` if the system does not say.
#[must_use]
#[expect(clippy::as_conversions, reason = "a ratio needs no more than 53 bits")]
pub fn used_ratio(path: &Path) -> Option<f64> {
    let stat = nix::sys::statvfs::statvfs(path).ok()?;
    let (total, free) = (stat.blocks() as f64, stat.blocks_free() as f64);
    (total > 0.0).then(|| (total - free) / total)
}

/// Shares of the file systems of log and queues, which may be two.
#[must_use]
pub fn areas(layout: &Layout) -> [Option<f64>; 2] {
    let log = layout.log_dirs.first().and_then(|dir| used_ratio(dir));
    // Before the first message there are no queues, and their directory will lie in that of the root.
    [log, used_ratio(&layout.consumequeue()).or_else(|| used_ratio(&layout.root))]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::layout::LayoutOptions;

    #[test]
    fn queues_on_a_file_system_of_their_own_have_a_share_of_their_own() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("commitlog")).unwrap();
        let layout = || Layout::detect(root.path(), &LayoutOptions::default()).unwrap();
        let [_, without_queues] = areas(&layout());
        assert!(without_queues.is_some());
        let dev = Path::new("/dev");
        std::os::unix::fs::symlink(dev, root.path().join("consumequeue")).unwrap();
        let [log, queues] = areas(&layout()).map(Option::unwrap);
        // Others write to the root's file system meanwhile.
        assert!((queues - used_ratio(dev).unwrap()).abs() < (queues - log).abs(), "{log} {queues}");
    }
}
