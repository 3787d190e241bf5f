//! Reads of much at a time that leave the page cache as they found it: a broker serves its consumers out of that cache, and
//! nobody needs what is read here a second time soon.
//!
//! With `RWF_DONTCACHE` the kernel (6.14 and later: ext4, XFS, Btrfs) drops the pages again that it had to read from the disk, and
//! leaves those alone that were there. Elsewhere nobody but `mincore` could tell the two apart, and that takes `unsafe`; there it is read
//! as ever. `RWF_NOWAIT` cannot tell: it begins to read what is missing.

use std::io::{self, IoSliceMut};

use rustix::fs::{Advice, fadvise};
use rustix::io::{Errno, ReadWriteFlags, preadv2};

use super::source::{ByteSource, StoreFile, count_bytes};

/// `RWF_DONTCACHE` of `linux/fs.h`.
const DONT_CACHE: ReadWriteFlags = ReadWriteFlags::from_bits_retain(0x80);

impl StoreFile {
    /// As [`ByteSource::read_at`], and the page cache is as before where the kernel can see to it.
    ///
    /// # Errors
    /// As [`ByteSource::read_at`].
    pub fn read_passing(&self, at: u64, into: &mut [u8]) -> io::Result<usize> {
        let mut done = 0;
        while done < into.len() {
            let from = at.saturating_add(u64::try_from(done).unwrap_or(u64::MAX));
            match preadv2(self.file(), &mut [IoSliceMut::new(&mut into[done..])], from, DONT_CACHE) {
                Ok(0) => break,
                Ok(len) => {
                    count_bytes(len);
                    done += len;
                }
                Err(Errno::INTR) => {}
                Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL | Errno::PERM) => {
                    return Ok(done + self.read_at(from, &mut into[done..])?);
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(done)
    }

    /// Has the kernel read nothing ahead of what is asked for: what nobody asks for nobody drops.
    pub fn read_nothing_ahead(&self) {
        // Advice may be ignored.
        let _ = fadvise(self.file(), 0, None, Advice::Random);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_the_same_whatever_is_in_the_cache() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("segment");
        let bytes: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).collect();
        std::fs::write(&path, &bytes).unwrap();
        let file = StoreFile::open(&path).unwrap();
        file.file().sync_all().unwrap();
        let drop = |at: u64, len: u64| {
            fadvise(file.file(), at, std::num::NonZeroU64::new(len), Advice::DontNeed).unwrap()
        };
        for holes in [&[][..], &[(0, 4096)], &[(8192, 65_536), (400_000, 4096)], &[(0, 1 << 21)]] {
            for (at, len) in [
                (0, 1_200_000),
                (5, 100),
                (4_095, 9_000),
                (399_999, 700_000),
                (1_199_990, 100),
                (2_000_000, 10),
            ] {
                holes.iter().for_each(|(at, len)| drop(*at, *len));
                let mut into = vec![0; len];
                let found = file.read_passing(u64::try_from(at).unwrap(), &mut into).unwrap();
                let expected = bytes.get(at..(at + len).min(bytes.len())).unwrap_or_default();
                assert_eq!(&into[..found], expected, "{holes:?} {at} {len}");
            }
        }
    }
}
