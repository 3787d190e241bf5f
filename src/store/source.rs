//! Copies bytes out of a file that somebody else is writing.
//!
//! All reading of a store goes through [`ByteSource`]: `pread` ([`StoreFile`]) for the many small files, a mapping
//! ([`super::mapping::MappedFile`]) for segments of the log that are walked for long, memory in tests. A read that meets the
//! end of the file returns fewer bytes; the caller decides what that means.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::unistd::{Whence, lseek};

use super::StoreError;

/// Bytes at positions.
pub trait ByteSource {
    /// Copies up to `into.len()` bytes from `at` and says how many there were; fewer than asked for means the end.
    ///
    /// # Errors
    /// What the system said.
    fn read_at(&self, at: u64, into: &mut [u8]) -> io::Result<usize>;

    /// Copies exactly `N` bytes, or `None` where the source ends before.
    ///
    /// # Errors
    /// As [`ByteSource::read_at`].
    fn array_at<const N: usize>(&self, at: u64) -> io::Result<Option<[u8; N]>>
    where
        Self: Sized,
    {
        let mut bytes = [0; N];
        Ok((self.read_at(at, &mut bytes)? == N).then_some(bytes))
    }
}

impl ByteSource for [u8] {
    fn read_at(&self, at: u64, into: &mut [u8]) -> io::Result<usize> {
        let rest = usize::try_from(at).ok().and_then(|at| self.get(at..)).unwrap_or_default();
        let len = rest.len().min(into.len());
        into[..len].copy_from_slice(&rest[..len]);
        Ok(len)
    }
}

impl ByteSource for Vec<u8> {
    fn read_at(&self, at: u64, into: &mut [u8]) -> io::Result<usize> {
        self.as_slice().read_at(at, into)
    }
}

/// All bytes that this process has copied out of stores since it began.
static BYTES_READ: AtomicU64 = AtomicU64::new(0);

/// All bytes that this process has copied out of stores since it began.
#[must_use]
pub fn bytes_read() -> u64 {
    BYTES_READ.load(Ordering::Relaxed)
}

pub(super) fn count_bytes(len: usize) {
    BYTES_READ.fetch_add(u64::try_from(len).unwrap_or(u64::MAX), Ordering::Relaxed);
}

/// A regular file of a store, read with `pread`.
#[derive(Debug)]
pub struct StoreFile(File);

/// `O_NOATIME` is for the owner of a file alone; after the first refusal it is not tried again.
static MAY_KEEP_ATIME: AtomicBool = AtomicBool::new(true);

impl StoreFile {
    /// Opens a regular file for reading; never follows a link in the last part of the path, never blocks on a pipe.
    ///
    /// # Errors
    /// [`StoreError::NotAFile`] for anything but a regular file, otherwise what the system said.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let open = |extra: OFlag| {
            OpenOptions::new()
                .read(true)
                .custom_flags((OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC | extra).bits())
                .open(path)
        };
        let file = if MAY_KEEP_ATIME.load(Ordering::Relaxed) {
            open(OFlag::O_NOATIME).or_else(|error| {
                if error.raw_os_error() != Some(nix::libc::EPERM) {
                    return Err(error);
                }
                MAY_KEEP_ATIME.store(false, Ordering::Relaxed);
                open(OFlag::empty())
            })
        } else {
            open(OFlag::empty())
        };
        let file = file.map_err(|error| match error.raw_os_error().map(Errno::from_raw) {
            // A link, a socket.
            Some(Errno::ELOOP | Errno::ENXIO) => StoreError::NotAFile { path: path.to_owned() },
            _ => StoreError::io(path, error),
        })?;
        let metadata = file.metadata().map_err(|error| StoreError::io(path, error))?;
        if !metadata.is_file() {
            return Err(StoreError::NotAFile { path: path.to_owned() });
        }
        Ok(Self(file))
    }

    /// Length and times as they are now.
    ///
    /// # Errors
    /// What the system said.
    pub fn metadata(&self) -> io::Result<std::fs::Metadata> {
        self.0.metadata()
    }

    /// Where, at or behind `at`, something may be written; `None` if nothing is. A file system that knows no holes has it all
    /// written.
    ///
    /// # Errors
    /// What the system said.
    pub fn data_from(&self, at: u64) -> io::Result<Option<u64>> {
        let Ok(from) = i64::try_from(at) else { return Ok(None) };
        match lseek(&self.0, from, Whence::SeekData) {
            Ok(found) => Ok(u64::try_from(found).ok()),
            Err(Errno::ENXIO) => Ok(None),
            Err(Errno::EINVAL | Errno::EOPNOTSUPP) => Ok(Some(at)),
            Err(error) => Err(error.into()),
        }
    }

    pub(super) fn file(&self) -> &File {
        &self.0
    }

    pub(super) fn try_clone(&self) -> io::Result<Self> {
        self.0.try_clone().map(Self)
    }
}

impl ByteSource for StoreFile {
    fn read_at(&self, at: u64, into: &mut [u8]) -> io::Result<usize> {
        let mut done = 0;
        while done < into.len() {
            let from = at.saturating_add(u64::try_from(done).unwrap_or(u64::MAX));
            match self.0.read_at(&mut into[done..], from) {
                Ok(0) => break,
                Ok(len) => done += len,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        count_bytes(done);
        Ok(done)
    }
}

/// Reads a whole small file (`checkpoint`, `config/*.json`), at most `limit` bytes of it.
///
/// # Errors
/// As [`StoreFile::open`].
pub fn read_small(path: &Path, limit: usize) -> Result<Vec<u8>, StoreError> {
    let file = StoreFile::open(path)?;
    let len = file.metadata().map_err(|error| StoreError::io(path, error))?.len();
    let mut bytes = vec![0; usize::try_from(len).unwrap_or(limit).min(limit)];
    let read = file.read_at(0, &mut bytes).map_err(|error| StoreError::io(path, error))?;
    bytes.truncate(read);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipe_a_link_a_socket_and_a_directory_are_refused_without_blocking() {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        std::fs::write(dir.path().join("file"), b"x").unwrap();
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(dir.path().join("file"), &link).unwrap();
        let socket = dir.path().join("socket");
        let _bound = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        for path in [pipe.as_path(), link.as_path(), socket.as_path(), dir.path()] {
            assert!(matches!(StoreFile::open(path), Err(StoreError::NotAFile { .. })), "{}", path.display());
        }
        assert!(StoreFile::open(&dir.path().join("absent")).unwrap_err().is_gone());
    }

    #[test]
    fn holes_are_stepped_over() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let written = File::create(&path).unwrap();
        written.set_len(4 << 20).unwrap();
        written.write_all_at(b"x", (1 << 20) + 5).unwrap();
        let file = StoreFile::open(&path).unwrap();
        let found = file.data_from(100).unwrap().unwrap();
        assert!((100..=(1 << 20) + 5).contains(&found), "{found}");
        assert_eq!(file.data_from((1 << 20) + 5).unwrap(), Some((1 << 20) + 5));
        assert_eq!(file.data_from(4 << 20).unwrap(), None, "behind the end is nothing");
    }

    #[test]
    fn a_read_over_the_end_returns_what_there_is() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        std::fs::write(&path, b"0123456789").unwrap();
        let file = StoreFile::open(&path).unwrap();
        let mut into = [0; 8];
        assert_eq!(file.read_at(6, &mut into).unwrap(), 4);
        assert_eq!(file.array_at::<4>(6).unwrap(), Some(*b"6789"));
        assert_eq!(file.array_at::<5>(6).unwrap(), None);
        assert_eq!(read_small(&path, 3).unwrap(), b"012");
    }
}
