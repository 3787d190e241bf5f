//! Small files that lie outside of the store: the configuration, certificates, the broker's properties, the exporter's own state.
//!
//! Whatever stands there, reading ends: only a regular file is read, so that no pipe blocks and no device goes on for ever, and no
//! more of it than [`MOST`] bytes.

use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::fcntl::OFlag;

/// Most bytes of one file. The state of a million queues has about 100 MB.
pub const MOST: u64 = 256 << 20;

/// What becomes of a link in the last part of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Links {
    /// It leads to the file: what Kubernetes mounts of a ConfigMap or a Secret are links.
    Followed,
    /// It is no file: nobody but the exporter writes there.
    Refused,
}

/// Reads the whole file.
///
/// # Errors
/// What the system said; of anything but a regular file, and of one that is too long, what was expected.
pub fn read(path: &Path, links: Links) -> io::Result<Vec<u8>> {
    let mut flags = OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    if links == Links::Refused {
        flags |= OFlag::O_NOFOLLOW;
    }
    let no_file = || io::Error::new(io::ErrorKind::InvalidInput, "expected a regular file");
    let opened = OpenOptions::new().read(true).custom_flags(flags.bits()).open(path);
    let file = opened.map_err(|error| match error.raw_os_error() {
        // A link, a socket.
        Some(nix::libc::ELOOP | nix::libc::ENXIO) => no_file(),
        _ => error,
    })?;
    if !file.metadata()?.is_file() {
        return Err(no_file());
    }
    let mut bytes = Vec::new();
    if file.take(MOST + 1).read_to_end(&mut bytes)? > usize::try_from(MOST).unwrap_or(usize::MAX) {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "expected at most 256 MiB"));
    }
    Ok(bytes)
}

/// The same for text.
///
/// # Errors
/// As [`read`], and for what is no UTF-8.
pub fn read_text(path: &Path, links: Links) -> io::Result<String> {
    String::from_utf8(read(path, links)?)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "stream did not contain valid UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_a_regular_file_is_read_and_nothing_blocks() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        nix::unistd::mkfifo(&path("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(path("socket")).unwrap();
        std::os::unix::fs::symlink("/dev/zero", path("device")).unwrap();
        std::fs::write(path("file"), "text").unwrap();
        std::os::unix::fs::symlink(path("file"), path("link")).unwrap();
        for name in ["pipe", "socket", "device", "."] {
            for links in [Links::Followed, Links::Refused] {
                let error = read(&path(name), links).unwrap_err();
                assert_eq!(error.to_string(), "expected a regular file", "{name}");
            }
        }
        assert_eq!(read(&path("link"), Links::Followed).unwrap(), b"text");
        assert!(read(&path("link"), Links::Refused).is_err());
        assert_eq!(read(&path("absent"), Links::Followed).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_file_without_end_is_given_up() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        std::fs::File::create(&path).unwrap().set_len(MOST + 1).unwrap();
        assert_eq!(read(&path, Links::Followed).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
    }
}
