//! Somebody who truncates, unlinks, replaces, extends, hollows out and rewrites files at random, while others read them.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// A generator without state to keep: the same numbers on every machine.
pub struct Numbers(pub u64);

impl Numbers {
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % limit.max(1)
    }

    fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| u8::try_from(self.below(256)).unwrap()).collect()
    }
}

/// The files below a directory, as they were before the storm.
pub struct Files(Vec<(PathBuf, Vec<u8>)>);

impl Files {
    pub fn below(root: &Path) -> Self {
        fn walk(dir: &Path, found: &mut Vec<(PathBuf, Vec<u8>)>) {
            for entry in fs::read_dir(dir).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    walk(&path, found);
                } else {
                    let bytes = fs::read(&path).unwrap();
                    found.push((path, bytes));
                }
            }
        }
        let mut found = Vec::new();
        walk(root, &mut found);
        found.sort();
        Self(found)
    }

    /// Does one thing to one file.
    pub fn strike(&self, numbers: &mut Numbers) {
        let (path, good) = &self.0[numbers.below(self.0.len())];
        let outcome = match numbers.below(8) {
            0 => open(path).and_then(|file| file.set_len(u64::try_from(numbers.below(good.len())).unwrap())),
            1 => fs::remove_file(path),
            2 => replace(path, good),
            3 => replace(path, &numbers.bytes(good.len().min(4096))),
            4 => open(path)
                .and_then(|file| file.set_len(u64::try_from(good.len() + numbers.below(1 << 16)).unwrap())),
            // A hole from somewhere to the end.
            5 => open(path).and_then(|file| {
                file.set_len(u64::try_from(numbers.below(good.len())).unwrap())?;
                file.set_len(u64::try_from(good.len()).unwrap())
            }),
            6 => {
                let at = u64::try_from(numbers.below(good.len())).unwrap();
                let len = 1 + numbers.below(200);
                open(path).and_then(|file| file.write_all_at(&numbers.bytes(len), at))
            }
            _ => open(path).and_then(|file| file.write_all_at(good, 0)),
        };
        // Of a file that is gone nothing more can be taken until it is put back.
        if let Err(error) = outcome {
            assert_eq!(error.kind(), io::ErrorKind::NotFound, "{}: {error}", path.display());
        }
    }

    /// Puts every file back as it was.
    pub fn restore(&self) {
        for (path, good) in &self.0 {
            replace(path, good).unwrap();
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).open(path)
}

/// As a whole, by another file of the same name.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let beside = path.with_extension("beside");
    fs::write(&beside, bytes)?;
    fs::rename(beside, path)
}
