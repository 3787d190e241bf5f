//! Where a rule has to stand, so that a path can be read whatever stands there later.
//!
//! A rule of Landlock stands on what a path leads to at the moment, and holds for all below it. A store that is moved aside and made
//! anew, or a volume mounted over it, would be out of its reach. So the rule stands on the directory that holds the path, and on the
//! one that holds what the path leads to where it is a link. Only a path in `/` or `/etc` is taken by itself: what lies beside it is
//! nobody's business.
//!
//! Links in a directory count as paths of their own, as parts of a store are put on other disks that way. A link that is made later
//! and leads elsewhere, or a disk mounted later above the directory that holds the path, cannot be read before the next start.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Directories that hold more than what an operator put there.
const TOO_WIDE: [&str; 2] = ["/", "/etc"];

/// How deep links are looked for: the parts of a store, and the topics in one of them.
const LEVELS: usize = 2;

/// Files and directories for the rules, and the paths for which nothing less would do than everything.
#[must_use]
pub fn anchors(reads: &[PathBuf]) -> (BTreeSet<PathBuf>, Vec<PathBuf>) {
    let (mut places, mut open) = (BTreeSet::new(), Vec::new());
    for path in reads {
        for path in std::iter::once(path.clone()).chain(links(path, LEVELS)) {
            let target = path.canonicalize().ok();
            for path in std::path::absolute(&path).ok().into_iter().chain(target) {
                match anchor(&path) {
                    Some(place) => places.extend([place]),
                    None => open.push(path),
                }
            }
        }
    }
    if !open.is_empty() {
        places.insert(PathBuf::from("/"));
    }
    (places, open)
}

/// Links among what lies in a directory.
fn links(dir: &Path, levels: usize) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).into_iter().flatten().filter_map(Result::ok) {
        match entry.file_type() {
            Ok(kind) if kind.is_symlink() => found.push(entry.path()),
            Ok(kind) if kind.is_dir() && levels > 1 => found.extend(links(&entry.path(), levels - 1)),
            _ => {}
        }
    }
    found
}

/// The nearest place from which `path` can be read, now and later; `None` if that is everything.
fn anchor(path: &Path) -> Option<PathBuf> {
    let holder = path.ancestors().skip(1).find(|holder| holder.is_dir())?;
    if !TOO_WIDE.iter().any(|wide| holder == Path::new(wide)) {
        return Some(holder.to_owned());
    }
    (path.exists() && path != Path::new("/")).then(|| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(paths: &[&Path]) -> (Vec<PathBuf>, Vec<PathBuf>) {
        let paths: Vec<_> = paths.iter().map(|path| (*path).to_owned()).collect();
        let (places, open) = anchors(&paths);
        (places.into_iter().collect(), open)
    }

    #[test]
    fn a_path_is_read_from_the_directory_that_holds_it_or_will() {
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().canonicalize().unwrap();
        std::fs::create_dir(home.join("store")).unwrap();
        assert_eq!(of(&[&home.join("store")]), (vec![home.clone()], vec![]));
        assert_eq!(of(&[&home.join("not/yet/there")]), (vec![home.clone()], vec![]));
    }

    #[test]
    fn a_link_is_read_from_both_of_its_ends_and_so_is_one_in_a_directory() {
        let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (home, disk) = (dir.path().canonicalize().unwrap(), other.path().canonicalize().unwrap());
        std::fs::create_dir_all(disk.join("a/store")).unwrap();
        std::fs::create_dir_all(disk.join("b/commitlog")).unwrap();
        std::os::unix::fs::symlink(disk.join("a/store"), home.join("store")).unwrap();
        std::os::unix::fs::symlink(disk.join("b/commitlog"), disk.join("a/store/commitlog")).unwrap();
        let (places, open) = of(&[&home.join("store")]);
        for place in [home, disk.join("a"), disk.join("b")] {
            assert!(places.contains(&place), "{} is missing in {places:?}", place.display());
        }
        assert_eq!(open, Vec::<PathBuf>::new());
    }

    #[test]
    fn neither_the_root_nor_etc_is_opened_for_what_lies_in_it() {
        assert_eq!(of(&[Path::new("/etc/passwd")]), (vec![PathBuf::from("/etc/passwd")], vec![]));
        assert_eq!(anchor(Path::new("/proc")), Some(PathBuf::from("/proc")));
        assert_eq!(anchor(Path::new("/")), None);
    }

    #[test]
    fn what_may_come_anywhere_is_told() {
        let path = PathBuf::from("/no-such-volume/store");
        assert_eq!(of(&[&path]), (vec![PathBuf::from("/")], vec![path]));
    }
}
