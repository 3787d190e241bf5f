//! Passes leave a store as they found it: names, content and times.

#![expect(clippy::unwrap_used, reason = "tests may panic")]

#[path = "support/stores.rs"]
mod stores;
#[path = "support/watcher.rs"]
#[allow(dead_code, reason = "each test uses a part of it")]
mod watcher;

use std::collections::BTreeMap;
use std::fs::{self, File, FileTimes};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rocketmq_store_exporter::demo::{Capture, Stage, StoreFiles, TimeShift};
use rocketmq_store_exporter::store::source::bytes_read;
use stores::unpack;
use watcher::Watcher;

/// When each file was last read.
fn access_times(root: &Path) -> BTreeMap<PathBuf, (i64, i64)> {
    let mut found = BTreeMap::new();
    let mut dirs = vec![root.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            let metadata = fs::symlink_metadata(&path).unwrap();
            if metadata.is_dir() {
                // Listing a directory is a read that cannot be hidden.
                dirs.push(path);
            } else {
                found.insert(path, (metadata.atime(), metadata.atime_nsec()));
            }
        }
    }
    found
}

/// What can be told of a file: length, blocks, both times of change, and its bytes unless it is long.
type Print = (u64, u64, (i64, i64), (i64, i64), Vec<u8>);

fn print(root: &Path) -> BTreeMap<PathBuf, Print> {
    let mut found = BTreeMap::new();
    let mut dirs = vec![root.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            let metadata = fs::symlink_metadata(&path).unwrap();
            let is_short = metadata.is_file() && metadata.len() < 1 << 20;
            let bytes = if is_short { fs::read(&path).unwrap() } else { Vec::new() };
            let modified = (metadata.mtime(), metadata.mtime_nsec());
            let changed = (metadata.ctime(), metadata.ctime_nsec());
            if metadata.is_dir() {
                dirs.push(path.clone());
            }
            found.insert(path, (metadata.len(), metadata.blocks(), modified, changed, bytes));
        }
    }
    found
}

fn unpack_demo(root: &Path) {
    let capture = Capture::embedded().unwrap();
    StoreFiles::unpack(&capture, Stage::Running, root, TimeShift::default()).unwrap();
}

#[test]
fn passes_over_a_store_leave_it_alone() {
    let stores: [fn(&Path); 3] = [
        |root| unpack("5.3.3-dledger-killed.tar.gz", "restarted", root),
        |root| unpack("5.2.0-plain-killed.tar.gz", "killed", root),
        unpack_demo,
    ];
    for unpack in stores {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        unpack(&path("store"));
        let before = print(&path("store"));
        let mut watcher = Watcher::start(&path("store"), &path("logs"), &path("state"));
        for _ in 0..3 {
            watcher.look();
        }
        watcher.stop();
        assert!(path("state/state.json").exists());
        let after = print(&path("store"));
        let changed: Vec<_> = before.iter().filter(|(path, print)| after.get(*path) != Some(print)).collect();
        assert!(changed.is_empty(), "{changed:?}");
        assert_eq!(before.len(), after.len());
    }
}

#[test]
fn passes_over_a_store_of_their_own_user_do_not_even_show_as_reads() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    unpack("5.3.3-dledger-killed.tar.gz", "restarted", &path("store"));
    let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
    let times = FileTimes::new().set_accessed(long_ago).set_modified(long_ago + Duration::from_secs(1));
    for file in access_times(&path("store")).keys() {
        File::options().write(true).open(file).unwrap().set_times(times).unwrap();
    }
    // A time of access before the one of change moves with the next read even where the file system spares itself most of them.
    let witness = path("store/config/topics.json");
    fs::read(&witness).unwrap();
    let shows_reads = access_times(&path("store"))[&witness] != (1_000_000, 0);
    File::options().write(true).open(&witness).unwrap().set_times(times).unwrap();

    let before = access_times(&path("store"));
    let mut watcher = Watcher::start(&path("store"), &path("logs"), &path("state"));
    let read = bytes_read();
    for _ in 0..3 {
        watcher.look();
    }
    assert!(bytes_read() > read + 10_000, "the store was read");
    let after = access_times(&path("store"));
    let changed: Vec<_> = before.iter().filter(|(path, time)| after.get(*path) != Some(time)).collect();
    assert!(
        changed.is_empty(),
        "{changed:?}, though reads do {}show here",
        if shows_reads { "" } else { "not " }
    );
}
