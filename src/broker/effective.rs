//! What the broker makes of its options: directories, and ratios within bounds.
//!
//! Upstream: `MultiPathMappedFileQueue`, `DLedgerConfig`, `DefaultMessageStore.CleanCommitLogService`.

use std::path::{Path, PathBuf};

use super::BrokerConf;

impl BrokerConf {
    /// Directories of the commitlog: those told, or `commitlog` below the root.
    #[must_use]
    pub fn commit_log_paths(&self) -> Vec<PathBuf> {
        if self.store_path_commit_log.is_empty() {
            vec![self.store_path_root_dir.join("commitlog")]
        } else {
            self.store_path_commit_log.clone()
        }
    }

    /// Directory of DLedger's files below the root, if there is an id to name it.
    #[must_use]
    pub fn ledger_dir(&self) -> Option<PathBuf> {
        self.dleger_self_id.as_ref().map(|id| self.store_path_root_dir.join(format!("dledger-{id}")))
    }

    /// Directories of DLedger's data: those told, or `data` in [`BrokerConf::ledger_dir`].
    #[must_use]
    pub fn ledger_data_paths(&self) -> Vec<PathBuf> {
        if self.store_path_dledger_commit_log.is_empty() {
            self.ledger_dir().iter().map(|dir| dir.join("data")).collect()
        } else {
            self.store_path_dledger_commit_log.clone()
        }
    }

    /// The same for a store that is seen at `root`: whatever the broker has below its own root is looked for there.
    #[must_use]
    pub fn seen_at(mut self, root: &Path) -> Self {
        let told = std::mem::replace(&mut self.store_path_root_dir, root.to_owned());
        let lists = [
            &mut self.store_path_commit_log,
            &mut self.store_path_dledger_commit_log,
            &mut self.read_only_commit_log_store_paths,
        ];
        for path in lists.into_iter().flatten() {
            if let Ok(below) = path.strip_prefix(&told) {
                *path = root.join(below);
            }
        }
        self
    }

    /// Root of the store.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.store_path_root_dir
    }

    /// Share of the disk above which expired segments are deleted at any hour, kept within 10 and 95 % as upstream does.
    #[must_use]
    pub fn effective_disk_max_used(&self) -> f64 {
        f64::from(self.disk_max_used_space_ratio.clamp(10, 95)) / 100.0
    }

    /// Share of the disk above which segments are deleted though not expired, kept within 30 and 85 % as upstream does.
    #[must_use]
    pub fn effective_disk_clean_forcibly(&self) -> f64 {
        f64::from(self.disk_space_clean_forcibly_ratio.clamp(30, 85)) / 100.0
    }

    /// Share of the disk above which the broker takes no messages, kept within 35 and 90 % as upstream does.
    #[must_use]
    pub fn effective_disk_warning(&self) -> f64 {
        f64::from(self.disk_space_warning_level_ratio.clamp(35, 90)) / 100.0
    }

    /// The three shares of the disk at which the broker acts, by name.
    #[must_use]
    pub fn disk_thresholds(&self) -> [(&'static str, f64); 3] {
        [
            ("delete_expired", self.effective_disk_max_used()),
            ("clean_forcibly", self.effective_disk_clean_forcibly()),
            ("refuse_writes", self.effective_disk_warning()),
        ]
    }
}
