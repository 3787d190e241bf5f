//! Reads through a mapping without the risk of one.
//!
//! A mapping of a file that shrinks raises SIGBUS at the first touch behind the new end, and a signal ends the process. Here
//! nobody touches mapped memory: [`MappedFile`] asks the kernel to copy from it (`process_vm_readv` on the own process), and
//! for the kernel a page that is gone is an `EFAULT`, which is a value. That needs neither `unsafe` nor a signal handler, and
//! no reference into the mapping can leave this file (I2), as none is ever made.
//!
//! Some container runtimes refuse that call (`RuntimeDefault` of containerd 1.6 leaves it to those who may trace others): then
//! nothing is mapped, and everything is read with `pread`.
//!
//! `EFAULT` does not say why there is no page: the file has shrunk, which is an end, or its disk cannot be read, which must not
//! be taken for one. The file itself knows, so it is kept open and asked with `pread`.
//!
//! Mapped are segments of the log, which the broker unlinks but never shortens; the many small consume queue files are read
//! with `pread`, since a mapping each would cost more than it saves.

use std::io::{self, IoSliceMut};
use std::sync::OnceLock;

use memmap2::{MmapOptions, MmapRaw};
use nix::errno::Errno;
use nix::sys::uio::{RemoteIoVec, process_vm_readv};

use super::source::{ByteSource, StoreFile, count_bytes};

/// A whole file, mapped read-only at its length when it was opened.
#[derive(Debug)]
pub struct MappedFile {
    map: MmapRaw,
    file: StoreFile,
    pid: nix::unistd::Pid,
}

impl MappedFile {
    /// Maps `file`; an empty file maps to a source without bytes.
    ///
    /// # Errors
    /// What the system said; where files cannot be mapped or mappings not be copied from, read with [`StoreFile`] instead.
    pub fn new(file: &StoreFile) -> io::Result<Self> {
        if !may_copy() {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let map = MmapOptions::new().map_raw_read_only(file.file())?;
        Ok(Self { map, file: file.try_clone()?, pid: nix::unistd::Pid::this() })
    }
}

impl ByteSource for MappedFile {
    fn read_at(&self, at: u64, into: &mut [u8]) -> io::Result<usize> {
        let at = usize::try_from(at).unwrap_or(usize::MAX);
        let len = into.len().min(self.map.len().saturating_sub(at));
        if len == 0 {
            return Ok(0);
        }
        let base = self.map.as_ptr().addr() + at;
        let copied = process_vm_readv(
            self.pid,
            &mut [IoSliceMut::new(&mut into[..len])],
            &[RemoteIoVec { base, len }],
        );
        match copied {
            Ok(copied) if copied == len => {
                count_bytes(copied);
                Ok(copied)
            }
            Ok(_) | Err(Errno::EFAULT) => {
                self.file.read_at(u64::try_from(at).unwrap_or(u64::MAX), &mut into[..len])
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// Whether the kernel copies from the own memory for this process; asked once.
fn may_copy() -> bool {
    static MAY_COPY: OnceLock<bool> = OnceLock::new();
    *MAY_COPY.get_or_init(|| {
        let from = [0_u8; 1];
        let remote = RemoteIoVec { base: from.as_ptr().addr(), len: from.len() };
        process_vm_readv(nix::unistd::Pid::this(), &mut [IoSliceMut::new(&mut [0])], &[remote]).is_ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_shrinks_under_its_mapping_ends_there_and_raises_no_signal() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("segment");
        std::fs::write(&path, vec![7; 3 * 65536]).unwrap();
        let mapped = MappedFile::new(&StoreFile::open(&path).unwrap()).unwrap();
        assert_eq!(mapped.array_at::<2>(2 * 65536).unwrap(), Some([7, 7]));

        std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(100).unwrap();
        assert_eq!(mapped.array_at::<2>(10).unwrap(), Some([7, 7]));
        assert_eq!(mapped.array_at::<2>(2 * 65536).unwrap(), None);
        assert_eq!(mapped.read_at(90, &mut [0; 65536]).unwrap(), 10);
    }

    #[test]
    fn a_read_over_the_end_of_the_mapping_returns_what_there_is() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("segment");
        std::fs::write(&path, b"0123456789").unwrap();
        let mapped = MappedFile::new(&StoreFile::open(&path).unwrap()).unwrap();
        assert_eq!(mapped.read_at(8, &mut [0; 8]).unwrap(), 2);
        assert_eq!(mapped.read_at(u64::MAX, &mut [0; 8]).unwrap(), 0);
    }
}
