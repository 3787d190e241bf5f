//! The demo's store directory: a stage put on disk, then changed file by file as the record says.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use super::DemoError;
use super::capture::Capture;
use super::clock::{TimeShift, system_time};
use super::manifest::{FileEntry, Stage};
use crate::units::EpochMillis;

/// A store directory whose files all come from a capture.
#[derive(Debug)]
pub struct StoreFiles {
    root: PathBuf,
    /// Path of each file, and the member that it was made of.
    held: BTreeMap<String, String>,
}

impl StoreFiles {
    /// Puts a stage into the directory `root`, which is made if need be. Files have their true lengths, with holes behind their
    /// content, and their recorded times, moved.
    ///
    /// # Errors
    /// What the system said.
    pub fn unpack(capture: &Capture, stage: Stage, root: &Path, shift: TimeShift) -> Result<Self, DemoError> {
        fs::create_dir_all(root).map_err(DemoError::io(root))?;
        let mut store = Self { root: root.to_owned(), held: BTreeMap::new() };
        let stage = capture.manifest().stage(stage);
        for file in &stage.files {
            store.put(capture, file, shift.apply(file.mtime_ms))?;
        }
        store.make_directories(&stage.empty_directories)?;
        Ok(store)
    }

    /// Makes the directory equal to a stage by the smallest number of changes.
    ///
    /// # Errors
    /// What the system said.
    pub fn enter(&mut self, capture: &Capture, stage: Stage, at: EpochMillis) -> Result<(), DemoError> {
        let stage = capture.manifest().stage(stage);
        for file in &stage.files {
            if self.held.get(&file.path) != Some(&file.from) {
                self.put(capture, file, at)?;
            }
        }
        let surplus = self.held.keys().filter(|path| stage.file(path).is_none());
        for path in surplus.cloned().collect::<Vec<_>>() {
            self.delete(&path)?;
        }
        self.make_directories(&stage.empty_directories)
    }

    /// Writes a file as `stage` has it: only its time where it has that content already. A file that comes and goes between
    /// two stages has no recorded content and is left out.
    ///
    /// # Errors
    /// What the system said.
    pub fn write(
        &mut self,
        capture: &Capture,
        stage: Stage,
        path: &str,
        at: EpochMillis,
    ) -> Result<(), DemoError> {
        match capture.manifest().stage(stage).file(path) {
            Some(file) if self.held.get(path) != Some(&file.from) => self.put(capture, file, at),
            Some(_) => self.touch(path, at),
            None if self.held.contains_key(path) => self.touch(path, at),
            None => Ok(()),
        }
    }

    /// Unlinks a file; its directory stays.
    ///
    /// # Errors
    /// What the system said.
    pub fn delete(&mut self, path: &str) -> Result<(), DemoError> {
        if self.held.remove(path).is_none() {
            return Ok(());
        }
        let target = self.root.join(path);
        fs::remove_file(&target).map_err(DemoError::io(&target))
    }

    /// Paths of all files, sorted.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.held.keys().map(String::as_str)
    }

    /// A reader finds the old file or the new one, never a part: most of the broker's small files are replaced like this, and
    /// the mapped ones change within one page.
    fn put(&mut self, capture: &Capture, file: &FileEntry, at: EpochMillis) -> Result<(), DemoError> {
        let target = self.root.join(&file.path);
        if let Some(directory) = target.parent() {
            fs::create_dir_all(directory).map_err(DemoError::io(directory))?;
        }
        let mut pending = target.clone().into_os_string();
        pending.push(".tmp");
        let pending = PathBuf::from(pending);
        write_sparse(&pending, capture.content(&file.from), file.len, at)
            .and_then(|()| fs::rename(&pending, &target))
            .map_err(DemoError::io(&target))?;
        self.held.insert(file.path.clone(), file.from.clone());
        Ok(())
    }

    fn touch(&self, path: &str, at: EpochMillis) -> Result<(), DemoError> {
        let target = self.root.join(path);
        let touched = File::options().write(true).open(&target);
        touched.and_then(|file| file.set_modified(system_time(at))).map_err(DemoError::io(&target))
    }

    fn make_directories(&self, paths: &[String]) -> Result<(), DemoError> {
        for path in paths {
            let directory = self.root.join(path);
            fs::create_dir_all(&directory).map_err(DemoError::io(&directory))?;
        }
        Ok(())
    }
}

fn write_sparse(path: &Path, content: &[u8], len: u64, at: EpochMillis) -> std::io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(content)?;
    file.set_len(len)?;
    file.set_modified(system_time(at))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    fn modified(path: &Path) -> i64 {
        let metadata = fs::metadata(path).unwrap();
        metadata.mtime() * 1000 + metadata.mtime_nsec() / 1_000_000
    }

    #[test]
    fn a_stage_has_its_recorded_lengths_and_moved_times_and_costs_only_its_content() {
        let capture = Capture::embedded().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let shift = TimeShift::between(EpochMillis(0), EpochMillis(-1_000_000));
        for (index, stage) in Stage::ALL.into_iter().enumerate() {
            let root = dir.path().join(index.to_string());
            let store = StoreFiles::unpack(&capture, stage, &root, shift).unwrap();
            let files = &capture.manifest().stage(stage).files;
            assert_eq!(store.paths().count(), files.len());
            for file in files {
                let path = root.join(&file.path);
                let metadata = fs::metadata(&path).unwrap();
                assert_eq!(metadata.len(), file.len, "{}", file.path);
                assert_eq!(modified(&path), file.mtime_ms.0 - 1_000_000, "{}", file.path);
                let content = u64::try_from(capture.content(&file.from).len()).unwrap();
                assert!(metadata.blocks() * 512 <= content + 64 * 1024, "{} is not sparse", file.path);
            }
        }
    }

    #[test]
    fn a_write_without_a_change_leaves_the_file_where_it_is() {
        let capture = Capture::embedded().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let at = EpochMillis(1_700_000_000_000);
        let mut store =
            StoreFiles::unpack(&capture, Stage::Running, dir.path(), TimeShift::default()).unwrap();
        let path = dir.path().join("lock");
        let before = fs::metadata(&path).unwrap().ino();
        store.write(&capture, Stage::Restarted, "lock", at).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().ino(), before);
        assert_eq!(modified(&path), at.0);
        store.write(&capture, Stage::Restarted, "no such file", at).unwrap();
        store.delete("no such file").unwrap();
        assert!(!dir.path().join("no such file").exists());
    }

    #[test]
    fn one_stage_becomes_the_next() {
        let capture = Capture::embedded().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let mut store =
            StoreFiles::unpack(&capture, Stage::Running, dir.path(), TimeShift::default()).unwrap();
        store.enter(&capture, Stage::Restarted, EpochMillis(0)).unwrap();
        let restarted = capture.manifest().stage(Stage::Restarted);
        assert_eq!(store.paths().count(), restarted.files.len());
        assert!(restarted.empty_directories.iter().all(|path| dir.path().join(path).is_dir()));
        for file in &restarted.files {
            assert_eq!(fs::metadata(dir.path().join(&file.path)).unwrap().len(), file.len);
        }
    }
}
