//! Passes leave a store as they found it: names, content and times.

#![expect(clippy::unwrap_used, reason = "tests may panic")]

#[path = "support/stores.rs"]
mod stores;
#[path = "support/watcher.rs"]
#[allow(dead_code, reason = "each test uses a part of it")]
mod watcher;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use stores::unpack;
use watcher::Watcher;

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

#[test]
fn passes_over_a_store_leave_it_alone() {
    for (archive, member) in
        [("5.3.3-dledger-killed.tar.gz", "restarted"), ("5.2.0-plain-killed.tar.gz", "killed")]
    {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        unpack(archive, member, &path("store"));
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
