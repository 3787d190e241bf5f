//! The lock that the demo's broker holds on its own `lock` file.
//!
//! The broker's is a POSIX record lock, which a process cannot see on itself; an open file description lock is seen by the
//! exporter in this very process, and conflicts in the same way.

use std::fs::{File, OpenOptions};
use std::path::Path;

use nix::fcntl::{FcntlArg, fcntl};

use super::DemoError;
use crate::store::lock::first_byte;

/// Held until dropped.
#[derive(Debug)]
pub(super) struct BrokerLock {
    _file: File,
}

impl BrokerLock {
    pub(super) fn take(path: &Path) -> Result<Self, DemoError> {
        let file = OpenOptions::new().read(true).write(true).open(path).map_err(DemoError::io(path))?;
        fcntl(&file, FcntlArg::F_OFD_SETLK(&first_byte()))
            .map_err(|error| DemoError::io(path)(error.into()))?;
        Ok(Self { _file: file })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::lock::{LockState, query};

    #[test]
    fn the_lock_is_seen_from_this_process_until_it_is_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        std::fs::write(&path, b"lock").unwrap();
        let lock = BrokerLock::take(&path).unwrap();
        assert!(matches!(query(&path).unwrap(), LockState::Held { .. }));
        assert!(matches!(BrokerLock::take(&path), Err(DemoError::Io { .. })));
        drop(lock);
        assert_eq!(query(&path).unwrap(), LockState::Free);
    }
}
