//! Whether the files of a store are still those that they were: their names, inodes, lengths and times of change in one number.
//!
//! What a broker writes through a mapping shows in none of them for a while: of a store in use the stamp tells little.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::layout::Layout;

/// Directories below `consumequeue/` and the like: topics, queues.
const DEPTH: usize = 2;

/// The stamp of a store at this moment. Costs one look at each directory and at each file's inode.
#[must_use]
pub fn stamp(layout: &Layout) -> u64 {
    let mut stamp = DefaultHasher::new();
    take(&layout.root, 0, &mut stamp);
    for dir in &layout.log_dirs {
        take(dir, 0, &mut stamp);
    }
    if let Some(dir) = &layout.ledger_dir {
        take(dir, 1, &mut stamp);
    }
    for dir in [layout.consumequeue(), layout.batch_consumequeue(), layout.root.join("consumequeue_ext")] {
        take(&dir, DEPTH, &mut stamp);
    }
    for dir in [layout.root.join("commitlog"), layout.index(), layout.root.join("config")] {
        take(&dir, 0, &mut stamp);
    }
    stamp.finish()
}

/// The entries of a directory, and of those below it down to `depth`. What cannot be read counts as not there.
fn take(dir: &Path, depth: usize, stamp: &mut DefaultHasher) {
    let Ok(entries) = std::fs::read_dir(dir) else { return };
    let mut entries: Vec<_> = entries.filter_map(Result::ok).map(|entry| entry.path()).collect();
    entries.sort();
    for path in entries {
        let Ok(metadata) = std::fs::symlink_metadata(&path) else { continue };
        path.hash(stamp);
        metadata.ino().hash(stamp);
        if metadata.is_dir() {
            if depth > 0 {
                take(&path, depth - 1, stamp);
            }
        } else {
            (metadata.len(), metadata.mtime(), metadata.mtime_nsec()).hash(stamp);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::layout::LayoutOptions;

    #[test]
    fn it_changes_with_the_files_and_only_then() {
        let root = tempfile::tempdir().unwrap();
        let queue = root.path().join("consumequeue/T/0");
        std::fs::create_dir_all(&queue).unwrap();
        std::fs::create_dir(root.path().join("commitlog")).unwrap();
        let layout = Layout::detect(root.path(), &LayoutOptions::default()).unwrap();
        let first = stamp(&layout);
        assert_eq!(stamp(&layout), first);
        std::fs::write(queue.join("00000000000000000000"), [0; 20]).unwrap();
        let second = stamp(&layout);
        assert_ne!(second, first);
        std::fs::write(root.path().join("abort"), b"1").unwrap();
        assert_ne!(stamp(&layout), second);
    }
}
