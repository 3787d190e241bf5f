//! A directory of logs as a broker keeps it, and a follower on it.

#![allow(clippy::unwrap_used, reason = "a test may panic, its helpers too")]
#![allow(dead_code, reason = "each test file uses its own part")]

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::PathBuf;

use flate2::Compression;
use flate2::write::GzEncoder;
use rocketmq_store_exporter::watch::follower::{FilePosition, Follower};

pub struct LogDir {
    dir: tempfile::TempDir,
}

impl LogDir {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("otherdays")).unwrap();
        Self { dir }
    }

    pub fn path(&self) -> PathBuf {
        self.dir.path().to_owned()
    }

    pub fn live(&self) -> PathBuf {
        self.dir.path().join("store.log")
    }

    pub fn old(&self, number: u32, ending: &str) -> PathBuf {
        self.dir.path().join(format!("otherdays/store.{number}.{ending}"))
    }

    pub fn append(&self, text: &str) {
        let mut file = OpenOptions::new().append(true).create(true).open(self.live()).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    /// Makes room for a new `store.1.*`.
    pub fn shift(&self) {
        for number in (1..20).rev() {
            for ending in ["log", "log.gz"] {
                if self.old(number, ending).exists() {
                    fs::rename(self.old(number, ending), self.old(number + 1, ending)).unwrap();
                }
            }
        }
    }

    pub fn rotate_by_rename(&self) {
        self.shift();
        fs::rename(self.live(), self.old(1, "log")).unwrap();
        File::create(self.live()).unwrap();
    }

    /// As logback was seen to do it: compressed in place, then unlinked, then created.
    pub fn rotate_by_gzip(&self) {
        self.shift();
        pack(&self.live(), &self.old(1, "log.gz"));
        fs::remove_file(self.live()).unwrap();
        File::create(self.live()).unwrap();
    }

    pub fn gzip_later(&self, number: u32) {
        if self.old(number, "log").exists() {
            pack(&self.old(number, "log"), &self.old(number, "log.gz"));
            fs::remove_file(self.old(number, "log")).unwrap();
        }
    }

    pub fn copy_and_truncate(&self) {
        self.shift();
        fs::copy(self.live(), self.old(1, "log")).unwrap();
        OpenOptions::new().write(true).open(self.live()).unwrap().set_len(0).unwrap();
    }

    pub fn truncate(&self) {
        OpenOptions::new().write(true).open(self.live()).unwrap().set_len(0).unwrap();
    }

    pub fn remove(&self) {
        fs::remove_file(self.live()).unwrap();
    }
}

pub fn pack(from: &PathBuf, to: &PathBuf) {
    let mut encoder = GzEncoder::new(File::create(to).unwrap(), Compression::fast());
    io::copy(&mut File::open(from).unwrap(), &mut encoder).unwrap();
    encoder.finish().unwrap();
}

pub fn follow(logs: &LogDir) -> Follower {
    Follower::new(&logs.live(), FilePosition::default())
}

/// The position as it comes back out of a file.
pub fn saved(follower: &Follower) -> FilePosition {
    serde_json::from_str(&serde_json::to_string(&follower.position()).unwrap()).unwrap()
}

pub fn restart(logs: &LogDir, follower: &Follower) -> Follower {
    Follower::new(&logs.live(), saved(follower))
}

/// Polls until everything that is there has been read.
pub fn read(follower: &mut Follower) -> Vec<String> {
    let mut lines = Vec::new();
    for _ in 0..100 {
        let progress = follower.poll(1 << 20, |line| lines.push(String::from_utf8_lossy(line).into_owned()));
        assert!(progress.error.is_none(), "{:?}", progress.error);
        if progress.at_end {
            return lines;
        }
    }
    panic!("does not come to an end");
}
