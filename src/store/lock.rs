//! Whether a broker holds the store's `lock` file; asked, never taken.
//!
//! The broker locks byte 0 of `lock` with a POSIX record lock in `DefaultMessageStore.start()`, that is after `load()`: a free
//! lock beside a present `abort` file means a broker that is loading or one that was killed.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::fcntl::{FcntlArg, OFlag, fcntl};

use super::StoreError;

/// What the kernel says about byte 0 of `lock`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockState {
    /// There is no `lock` file: no broker has ever used this store.
    Absent,
    /// Nobody holds it.
    Free,
    /// A process holds it; its id where it can be seen from here (0 or less from another pid namespace).
    Held {
        /// The holder as this process sees it.
        pid: i32,
    },
}

/// Asks with `F_OFD_GETLK` on a read-only descriptor, which takes nothing and, unlike `F_GETLK`, also sees a lock of this very
/// process. Closing the descriptor releases no lock, as this process never holds a POSIX lock on the file.
///
/// # Errors
/// What the system said, other than that the file is not there.
pub fn query(path: &Path) -> Result<LockState, StoreError> {
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    let file = match OpenOptions::new().read(true).custom_flags(flags.bits()).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(LockState::Absent),
        Err(error) => return Err(StoreError::io(path, error)),
    };
    let mut question = first_byte();
    fcntl(&file, FcntlArg::F_OFD_GETLK(&mut question)).map_err(|error| StoreError::io(path, error.into()))?;
    if i32::from(question.l_type) == nix::libc::F_UNLCK {
        Ok(LockState::Free)
    } else {
        Ok(LockState::Held { pid: question.l_pid })
    }
}

/// The exclusive lock on byte 0 that `FileChannel.tryLock(0, 1, false)` asks for.
#[must_use]
#[expect(
    clippy::as_conversions,
    reason = "the constants are declared wider than the fields that they are for"
)]
pub fn first_byte() -> nix::libc::flock {
    nix::libc::flock {
        l_type: nix::libc::F_WRLCK as nix::libc::c_short,
        l_whence: nix::libc::SEEK_SET as nix::libc::c_short,
        l_start: 0,
        l_len: 1,
        l_pid: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lock_is_seen_and_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        assert_eq!(query(&path).unwrap(), LockState::Absent);
        std::fs::write(&path, b"lock").unwrap();
        assert_eq!(query(&path).unwrap(), LockState::Free);

        let holder = OpenOptions::new().write(true).read(true).open(&path).unwrap();
        fcntl(&holder, FcntlArg::F_OFD_SETLK(&first_byte())).unwrap();
        assert!(matches!(query(&path).unwrap(), LockState::Held { .. }));
        drop(holder);
        assert_eq!(query(&path).unwrap(), LockState::Free);
    }
}
