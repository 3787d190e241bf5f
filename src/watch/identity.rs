//! What makes two looks at a file looks at the same file.
//!
//! Device and inode say it while the file is open; afterwards an inode may be given to another file. What its first
//! bytes say survives renaming, copying and gzip.

use serde::{Deserialize, Serialize};

/// Device and inode; sure while somebody holds the file open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FileId {
    /// Device.
    pub dev: u64,
    /// Inode.
    pub ino: u64,
}

impl FileId {
    /// Of a file's metadata.
    #[must_use]
    pub fn of(metadata: &std::fs::Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;
        Self { dev: metadata.dev(), ino: metadata.ino() }
    }
}

/// Length and hash of a file's first bytes. Log lines begin with a time, so the first line alone is as good as unique.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Fingerprint {
    len: usize,
    hash: u64,
}

impl Fingerprint {
    /// Bytes looked at, at most.
    pub const MAX_LEN: usize = 1024;

    /// Of the first bytes of a file; those behind [`Self::MAX_LEN`] do not count.
    #[must_use]
    pub fn of(head: &[u8]) -> Self {
        let head = head.get(..Self::MAX_LEN).unwrap_or(head);
        // FNV-1a: the value is saved, so it must not change with the compiler as std's hashers may.
        let hash = head.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Self { len: head.len(), hash }
    }

    /// Whether a file that begins with `head` may be the one this was taken of, grown or not.
    #[must_use]
    pub fn fits(self, head: &[u8]) -> bool {
        head.get(..self.len).is_some_and(|head| Self::of(head) == self)
    }

    /// Whether it was taken of nothing, so that it fits every file.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.len == 0
    }

    /// Whether more bytes of the file would make it surer.
    #[must_use]
    pub fn is_short(self) -> bool {
        self.len < Self::MAX_LEN
    }
}

/// A file as it is remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileMark {
    /// Its inode when last seen.
    pub id: FileId,
    /// Its first bytes.
    pub first: Fingerprint,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_grows_keeps_its_fingerprint() {
        let early = Fingerprint::of(b"2026-11-23 14:52:57 INFO main - a\n");
        assert!(early.fits(b"2026-11-23 14:52:57 INFO main - a\n2026-11-23 14:52:58 INFO main - b\n"));
        assert!(!early.fits(b"2026-11-23 14:52:57 INFO main - b\n"));
        assert!(!early.fits(b"2026-11-23"));
    }

    #[test]
    fn bytes_behind_the_first_ones_do_not_count() {
        let (mut a, mut b) = (vec![b'x'; 1024], vec![b'x'; 1024]);
        a.push(b'a');
        b.extend_from_slice(b"bb");
        assert_eq!(Fingerprint::of(&a), Fingerprint::of(&b));
    }
}
