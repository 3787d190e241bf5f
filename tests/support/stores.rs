//! Fixture stores, unpacked: files with their true lengths, sparse where they were cut.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;

/// A file of `tests/fixtures/stores`.
pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/stores").join(name)
}

/// Makes `root` hold what `member` of the archive holds, and nothing else.
pub fn unpack(archive: &str, member: &str, root: &Path) {
    if root.exists() {
        fs::remove_dir_all(root).unwrap();
    }
    fs::create_dir_all(root).unwrap();
    let mut tar = tar::Archive::new(GzDecoder::new(File::open(fixture(archive)).unwrap()));
    for entry in tar.entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().into_owned();
        let Ok(below) = path.strip_prefix(member) else { continue };
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        if below == Path::new("lengths.tsv") {
            for row in String::from_utf8(bytes).unwrap().lines() {
                let (len, path) = row.split_once('\t').unwrap();
                let path = root.join(path);
                if len == "dir" {
                    fs::create_dir_all(path).unwrap();
                } else {
                    fs::create_dir_all(path.parent().unwrap()).unwrap();
                    File::create(path).unwrap().set_len(len.parse().unwrap()).unwrap();
                }
            }
        } else {
            use std::os::unix::fs::FileExt;
            let file = File::options().write(true).open(root.join(below)).unwrap();
            file.write_all_at(&bytes, 0).unwrap();
        }
    }
}
