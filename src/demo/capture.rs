//! The capture as a value: read once, checked, then only handed out.
//!
//! | member of the archive | what |
//! |---|---|
//! | `manifest.json` | what ran, and the files of every stage of its store |
//! | `first_run.jsonl`, `timeline.jsonl` | what was seen of the killed process, and of the one after it |
//! | others | content of files, less the zeros at their ends |

use std::collections::HashMap;
use std::io::{self, Read};
use std::path::{Component, Path};

use flate2::read::GzDecoder;
use serde::de::DeserializeOwned;

use super::manifest::{Manifest, Recorded, SCHEMA, Stage};
use crate::units::EpochMillis;

static EMBEDDED: &[u8] = include_bytes!("capture.tar.gz");

/// More than this is no capture (bytes, unpacked).
const MAX_UNPACKED: u64 = 64 * 1024 * 1024;

const MANIFEST: &str = "manifest.json";
const FIRST_RUN: &str = "first_run.jsonl";
const TIMELINE: &str = "timeline.jsonl";

/// Why an archive is no capture.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// It is no archive, or a damaged one.
    #[error("not a packed archive: {source}")]
    Archive {
        /// What was wrong.
        #[from]
        source: io::Error,
    },
    /// A member is missing.
    #[error("no member {name}")]
    Missing {
        /// Its name.
        name: String,
    },
    /// A member is not what it should be.
    #[error("{member}, line {line}: {source}")]
    Json {
        /// Its name.
        member: &'static str,
        /// The line; 1 where the member is one value.
        line: usize,
        /// What was wrong.
        source: serde_json::Error,
    },
    /// The manifest has a form that is not known here.
    #[error("manifest of schema {found}, expected {SCHEMA}")]
    Schema {
        /// Its schema.
        found: u32,
    },
    /// A file is listed with a length below that of its content.
    #[error("{path}: {content_len} bytes of content in a file of {len}")]
    Length {
        /// Path in the store.
        path: String,
        /// Length of the file.
        len: u64,
        /// Length of its content.
        content_len: usize,
    },
    /// A path leads out of the store.
    #[error("{path}: not a path below the store")]
    Outside {
        /// The path.
        path: String,
    },
}

/// A store at three stages, and what was seen on the way.
#[derive(Debug, Clone)]
pub struct Capture {
    manifest: Manifest,
    first_run: Vec<Recorded>,
    timeline: Vec<Recorded>,
    contents: HashMap<String, Vec<u8>>,
}

impl Capture {
    /// The capture that comes with the program.
    ///
    /// # Errors
    /// Only in a damaged program.
    pub fn embedded() -> Result<Self, CaptureError> {
        Self::read(EMBEDDED)
    }

    /// Length of the embedded capture as it is packed.
    #[must_use]
    pub fn embedded_len() -> usize {
        EMBEDDED.len()
    }

    /// Unpacks and checks an archive.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(packed: &[u8]) -> Result<Self, CaptureError> {
        let mut contents = members(packed)?;
        let mut take =
            |name: &str| contents.remove(name).ok_or_else(|| CaptureError::Missing { name: name.to_owned() });
        let manifest: Manifest = parse(MANIFEST, 1, &take(MANIFEST)?)?;
        if manifest.schema != SCHEMA {
            return Err(CaptureError::Schema { found: manifest.schema });
        }
        let first_run = records(FIRST_RUN, &take(FIRST_RUN)?)?;
        let timeline = records(TIMELINE, &take(TIMELINE)?)?;
        let capture = Self { manifest, first_run, timeline, contents };
        capture.check()?;
        Ok(capture)
    }

    fn check(&self) -> Result<(), CaptureError> {
        for stage in Stage::ALL {
            let stage = self.manifest.stage(stage);
            for file in &stage.files {
                let Some(content) = self.contents.get(&file.from) else {
                    return Err(CaptureError::Missing { name: file.from.clone() });
                };
                if u64::try_from(content.len()).is_ok_and(|len| len > file.len) {
                    let (path, len) = (file.path.clone(), file.len);
                    return Err(CaptureError::Length { path, len, content_len: content.len() });
                }
            }
            let paths = stage.files.iter().map(|file| &file.path).chain(&stage.empty_directories);
            if let Some(path) = paths.into_iter().find(|path| !is_below(path)) {
                return Err(CaptureError::Outside { path: path.clone() });
            }
        }
        Ok(())
    }

    /// What the capture says of itself.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// What was seen of the process that was killed.
    #[must_use]
    pub fn first_run(&self) -> &[Recorded] {
        &self.first_run
    }

    /// What was seen from the kill on.
    #[must_use]
    pub fn timeline(&self) -> &[Recorded] {
        &self.timeline
    }

    /// Content of a file by [`super::manifest::FileEntry::from`], less the zeros at its end.
    #[must_use]
    pub fn content(&self, from: &str) -> &[u8] {
        self.contents.get(from).map_or(&[], Vec::as_slice)
    }

    /// When the record of the restart begins: the moment of the kill.
    #[must_use]
    pub fn killed_at(&self) -> EpochMillis {
        let first = self.timeline.first().map_or(0, |recorded| recorded.ms);
        EpochMillis(self.manifest.started_at_ms.timeline.0.saturating_add(first))
    }
}

fn members(packed: &[u8]) -> Result<HashMap<String, Vec<u8>>, CaptureError> {
    let mut archive = tar::Archive::new(GzDecoder::new(packed).take(MAX_UNPACKED));
    let mut members = HashMap::new();
    for entry in archive.entries()? {
        let mut entry = entry?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let mut content = Vec::new();
        entry.read_to_end(&mut content)?;
        members.insert(name, content);
    }
    Ok(members)
}

fn parse<T: DeserializeOwned>(member: &'static str, line: usize, text: &[u8]) -> Result<T, CaptureError> {
    serde_json::from_slice(text).map_err(|source| CaptureError::Json { member, line, source })
}

fn records(member: &'static str, text: &[u8]) -> Result<Vec<Recorded>, CaptureError> {
    let lines = text.split(|byte| *byte == b'\n').enumerate().filter(|(_, line)| !line.is_empty());
    lines.map(|(index, line)| parse(member, index + 1, line)).collect()
}

fn is_below(path: &str) -> bool {
    !path.is_empty() && Path::new(path).components().all(|part| matches!(part, Component::Normal(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(members: &[(&str, &str)]) -> Vec<u8> {
        let encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        let mut archive = tar::Builder::new(encoder);
        for (name, content) in members {
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len().try_into().unwrap());
            archive.append_data(&mut header, name, content.as_bytes()).unwrap();
        }
        archive.into_inner().unwrap().finish().unwrap()
    }

    fn manifest_with(file: &str) -> String {
        let stage = format!(r#"{{"files":[{file}],"empty_directories":[]}}"#);
        format!(
            r#"{{"schema":1,"release":"5.2.0","mode":"dledger","root":"/s","started_at_ms":{{"first_run":0,"timeline":9}},
            "config":{{}},"workload":{{"topics":[],"queues_per_topic":0,"messages":0}},
            "lost":{{"queues":0,"files":0,"units":0}},
            "files":{{"running":{stage},"killed":{stage},"restarted":{stage}}}}}"#
        )
    }

    fn read_with(file: &str) -> Result<Capture, CaptureError> {
        let timeline = r#"{"ms":-5,"kind":"lock","held":false}"#;
        let members =
            [(MANIFEST, &*manifest_with(file)), (FIRST_RUN, ""), (TIMELINE, timeline), ("m", "abc")];
        Capture::read(&packed(&members))
    }

    #[test]
    fn what_is_no_archive_is_refused() {
        assert!(matches!(Capture::read(b"not packed"), Err(CaptureError::Archive { .. })));
        assert!(matches!(Capture::read(&EMBEDDED[..1000]), Err(CaptureError::Archive { .. })));
        let missing = Capture::read(&packed(&[("other", "x")])).unwrap_err();
        assert_eq!(missing.to_string(), "no member manifest.json");
    }

    #[test]
    fn a_capture_that_contradicts_itself_is_refused() {
        let capture = read_with(r#"{"path":"a/b","len":3,"mtime_ms":0,"from":"m"}"#).unwrap();
        assert_eq!(capture.content("m"), b"abc");
        assert_eq!(capture.killed_at(), EpochMillis(4));
        for (file, expected) in [
            (r#"{"path":"a","len":2,"mtime_ms":0,"from":"m"}"#, "a: 3 bytes of content in a file of 2"),
            (r#"{"path":"a","len":2,"mtime_ms":0,"from":"n"}"#, "no member n"),
            (r#"{"path":"../a","len":3,"mtime_ms":0,"from":"m"}"#, "../a: not a path below the store"),
            (r#"{"path":"/a","len":3,"mtime_ms":0,"from":"m"}"#, "/a: not a path below the store"),
        ] {
            assert_eq!(read_with(file).unwrap_err().to_string(), expected);
        }
    }

    #[test]
    fn a_bad_line_is_told_with_its_number() {
        let line = format!("{}\n{}\n", r#"{"ms":1,"kind":"phase","phase":"end"}"#, r#"{"ms":1,"kind":"x"}"#);
        let error = records(TIMELINE, line.as_bytes()).unwrap_err();
        assert!(error.to_string().starts_with("timeline.jsonl, line 2: unknown variant `x`"), "{error}");
    }
}
