//! Files of the state directory, written so that a link that somebody put there leads nowhere: what a link points at may lie in
//! the store, where nothing is ever written (I1).

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

/// Makes a file anew; what had its name before is gone.
///
/// # Errors
/// What the system said.
pub fn create(path: &Path) -> io::Result<File> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    // Fails where something came between the two.
    File::options().write(true).create_new(true).open(path)
}

/// Makes a file anew that holds these bytes.
///
/// # Errors
/// What the system said.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    create(path)?.write_all(bytes)
}

/// Makes a directory where none is; one behind a link is none.
///
/// # Errors
/// What the system said.
pub fn directory(path: &Path) -> io::Result<()> {
    match std::fs::create_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            if std::fs::symlink_metadata(path)?.is_dir() { Ok(()) } else { Err(error) }
        }
        made => made,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_replaced_and_what_it_points_at_stays() {
        let dir = tempfile::tempdir().unwrap();
        let (store, link) = (dir.path().join("store"), dir.path().join("link"));
        std::fs::write(&store, b"kept").unwrap();
        std::os::unix::fs::symlink(&store, &link).unwrap();
        write(&link, b"own").unwrap();
        assert_eq!(
            (std::fs::read(&store).unwrap(), std::fs::read(&link).unwrap()),
            (b"kept".into(), b"own".into())
        );
    }

    #[test]
    fn a_directory_behind_a_link_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(dir.path(), dir.path().join("link")).unwrap();
        directory(&dir.path().join("own")).unwrap();
        directory(&dir.path().join("own")).unwrap();
        assert_eq!(directory(&dir.path().join("link")).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    }
}
