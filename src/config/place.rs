//! Where a path ends up, so that the exporter's own state cannot land in the store.

use std::path::{Component, Path, PathBuf};

/// Whether `path` is `root` or lies below it, symbolic links followed as far as the paths exist.
///
/// Comparing the texts would not do: `state.path: /var/state` may be a link into the store.
#[must_use]
pub fn is_at_or_below(root: &Path, path: &Path) -> bool {
    resolve(path).starts_with(resolve(root))
}

/// The path made absolute, its existing part with links resolved, the rest by the text.
fn resolve(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut resolved = PathBuf::new();
    for component in absolute.components() {
        if component == Component::ParentDir {
            resolved.pop();
            continue;
        }
        resolved.push(component);
        if let Ok(real) = resolved.canonicalize() {
            resolved = real;
        }
    }
    resolved
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_only_begins_alike_is_outside() {
        assert!(is_at_or_below(Path::new("/no/such/store"), Path::new("/no/such/store")));
        assert!(is_at_or_below(Path::new("/no/such/store/"), Path::new("/no/such/store/a/b")));
        assert!(is_at_or_below(Path::new("/no/such/store"), Path::new("/no/such/x/../store/a")));
        assert!(!is_at_or_below(Path::new("/no/such/store"), Path::new("/no/such/store-state")));
        assert!(!is_at_or_below(Path::new("/no/such/store"), Path::new("/no/such/store/../state")));
    }

    #[test]
    fn a_link_into_the_store_is_inside() {
        let dir = tempfile::tempdir().unwrap();
        let store = dir.path().join("store");
        std::fs::create_dir(&store).unwrap();
        std::os::unix::fs::symlink(&store, dir.path().join("link")).unwrap();
        assert!(is_at_or_below(&store, &dir.path().join("link/not/yet/there")));
        assert!(is_at_or_below(&dir.path().join("link"), &store.join("state")));
        assert!(!is_at_or_below(&store, &dir.path().join("state")));
    }
}
