//! One log file, plain or gzipped, held open and read by position.
//!
//! A file is opened so that it can neither block nor be written: read-only, non-blocking, and only a regular file that
//! is no symbolic link is accepted.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use nix::fcntl::OFlag;

use super::FollowError;
use super::identity::{FileId, FileMark, Fingerprint};

/// Reads a file from its start without moving the position that other readers of the same descriptor use.
#[derive(Debug)]
struct FromStart {
    file: File,
    at: u64,
}

impl Read for FromStart {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.file.read_at(buf, self.at)?;
        self.at += u64::try_from(n).unwrap_or(0);
        Ok(n)
    }
}

#[derive(Debug)]
enum Bytes {
    Plain(File),
    Packed { decoder: Box<MultiGzDecoder<FromStart>>, at: u64, len: u64, head: Vec<u8> },
}

/// An open log file.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) path: PathBuf,
    pub(super) id: FileId,
    bytes: Bytes,
}

/// What stands behind a path.
pub(super) fn identity(path: &Path) -> Result<Option<FileId>, FollowError> {
    match std::fs::symlink_metadata(path) {
        Ok(metadata) => Ok(Some(FileId::of(&metadata))),
        Err(source) if source.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(FollowError::Open { path: path.to_owned(), source }),
    }
}

impl Source {
    /// Opens a file; `None` if there is none. A name in `.gz` is unpacked while reading.
    pub(super) fn open(path: &Path) -> Result<Option<Self>, FollowError> {
        let failed = |source| FollowError::Open { path: path.to_owned(), source };
        let flags = OFlag::O_NONBLOCK | OFlag::O_NOFOLLOW | OFlag::O_NOCTTY;
        let file = match OpenOptions::new().read(true).custom_flags(flags.bits()).open(path) {
            Ok(file) => file,
            Err(source) if source.kind() == io::ErrorKind::NotFound => return Ok(None),
            // A link, a socket.
            Err(source) if matches!(source.raw_os_error(), Some(nix::libc::ELOOP | nix::libc::ENXIO)) => {
                return Err(FollowError::NotAFile { path: path.to_owned() });
            }
            Err(source) => return Err(failed(source)),
        };
        let metadata = file.metadata().map_err(failed)?;
        if !metadata.is_file() {
            return Err(FollowError::NotAFile { path: path.to_owned() });
        }
        let id = FileId::of(&metadata);
        let bytes = if path.extension().is_some_and(|ext| ext == "gz") {
            // The last four bytes of a gzip file are the length of what its last member holds, the upper bits of it cut off.
            let mut trailer = [0; 4];
            if let Some(at) = metadata.len().checked_sub(4) {
                file.read_exact_at(&mut trailer, at).map_err(failed)?;
            }
            let len = u64::from(u32::from_le_bytes(trailer));
            let head = unpack_head(file.try_clone().map_err(failed)?);
            let decoder = Box::new(MultiGzDecoder::new(FromStart { file, at: 0 }));
            Bytes::Packed { decoder, at: 0, len, head }
        } else {
            Bytes::Plain(file)
        };
        Ok(Some(Self { path: path.to_owned(), id, bytes }))
    }

    /// The first bytes of the file, as many as a fingerprint wants.
    pub(super) fn head(&self) -> Result<Vec<u8>, FollowError> {
        match &self.bytes {
            Bytes::Packed { head, .. } => Ok(head.clone()),
            Bytes::Plain(file) => {
                let mut head = vec![0; Fingerprint::MAX_LEN];
                let mut len = 0;
                while let Some(rest) = head.get_mut(len..).filter(|rest| !rest.is_empty()) {
                    let at = u64::try_from(len).unwrap_or(0);
                    match file.read_at(rest, at).map_err(|source| self.failed(source))? {
                        0 => break,
                        n => len += n,
                    }
                }
                head.truncate(len);
                Ok(head)
            }
        }
    }

    /// What to remember the file by.
    pub(super) fn mark(&self) -> Result<FileMark, FollowError> {
        Ok(FileMark { id: self.id, first: Fingerprint::of(&self.head()?) })
    }

    /// Length of what the file holds, in bytes; of a gzipped one of several members, or of more than 4 GiB, less than that.
    pub(super) fn len(&self) -> Result<u64, FollowError> {
        match &self.bytes {
            Bytes::Plain(file) => Ok(file.metadata().map_err(|source| self.failed(source))?.len()),
            Bytes::Packed { len, .. } => Ok(*len),
        }
    }

    /// Whether it holds this many bytes, and perhaps more.
    pub(super) fn holds(&self, bytes: u64) -> Result<bool, FollowError> {
        if self.len()? >= bytes {
            return Ok(true);
        }
        match &self.bytes {
            Bytes::Plain(_) => Ok(false),
            // Only who unpacks it knows. What cannot be unpacked is not there.
            Bytes::Packed { decoder, .. } => {
                let file = decoder.get_ref().file.try_clone().map_err(|source| self.failed(source))?;
                let mut unpacked = MultiGzDecoder::new(FromStart { file, at: 0 }).take(bytes);
                let _ = io::copy(&mut unpacked, &mut io::sink());
                Ok(unpacked.limit() == 0)
            }
        }
    }

    /// Reads bytes from position `at`. Of a gzipped file positions can only grow; what lies between is unpacked, at most
    /// `skip` bytes of it, and `Ok(None)` says that `at` is not reached yet.
    pub(super) fn read_at(
        &mut self,
        buf: &mut [u8],
        at: u64,
        skip: u64,
    ) -> Result<Option<usize>, FollowError> {
        match &mut self.bytes {
            Bytes::Plain(file) => file.read_at(buf, at).map(Some),
            Bytes::Packed { decoder, at: reached, .. } => {
                let missing = at.saturating_sub(*reached);
                match io::copy(&mut decoder.take(missing.min(skip)), &mut io::sink()) {
                    Err(source) => Err(source),
                    Ok(skipped) => {
                        *reached += skipped;
                        if missing > skip && skipped > 0 {
                            Ok(None)
                        } else if *reached < at {
                            Ok(Some(0))
                        } else {
                            decoder.read(buf).map(|n| {
                                *reached += u64::try_from(n).unwrap_or(0);
                                Some(n)
                            })
                        }
                    }
                }
            }
        }
        .map_err(|source| FollowError::Read { path: self.path.clone(), source })
    }

    fn failed(&self, source: io::Error) -> FollowError {
        FollowError::Read { path: self.path.clone(), source }
    }
}

/// The first bytes of a gzipped file; what can be had of one that is cut off or still being written.
fn unpack_head(file: File) -> Vec<u8> {
    let mut decoder = MultiGzDecoder::new(FromStart { file, at: 0 });
    let mut head = vec![0; Fingerprint::MAX_LEN];
    let mut len = 0;
    while let Some(rest) = head.get_mut(len..).filter(|rest| !rest.is_empty()) {
        match decoder.read(rest) {
            Ok(0) | Err(_) => break,
            Ok(n) => len += n,
        }
    }
    head.truncate(len);
    head
}
