//! Which release of the broker runs, and how that is known.
//!
//! Nothing in the store says it. In order of trust: what the operator said (flag, configuration), the environment of the image
//! (`ROCKETMQ_VERSION`), the running process where the pod shares its process namespace, the jars in `ROCKETMQ_HOME`, and at
//! last lines that only some releases print.

use std::path::{Path, PathBuf};

use crate::label::label_set;

/// Three numbers.
pub type Release = (u8, u8, u8);

/// The releases of the broker that are known here, oldest first.
pub const KNOWN: [Release; 18] = [
    (4, 9, 4),
    (4, 9, 7),
    (4, 9, 8),
    (5, 0, 0),
    (5, 1, 0),
    (5, 1, 1),
    (5, 1, 2),
    (5, 1, 3),
    (5, 1, 4),
    (5, 2, 0),
    (5, 3, 0),
    (5, 3, 1),
    (5, 3, 2),
    (5, 3, 3),
    (5, 3, 4),
    (5, 4, 0),
    (5, 5, 0),
    (5, 5, 1),
];

label_set! {
    /// How a release is known.
    pub enum VersionSource {
        /// `--broker.version`
        Flag = "flag",
        /// `broker.version` in the configuration file
        Config = "config",
        /// `ROCKETMQ_VERSION`
        Env = "env",
        /// the jars that the broker's process has open
        Process = "process",
        /// the jars in `ROCKETMQ_HOME/lib`
        Jar = "jar",
        /// lines that only this release prints
        Log = "log",
    }
}

impl VersionSource {
    /// Whether somebody has told it, and may take it back.
    #[must_use]
    pub fn is_told(self) -> bool {
        matches!(self, Self::Flag | Self::Config | Self::Env)
    }
}

/// A release, and how it is known.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Detected {
    /// As written, `5.2.0`.
    pub version: String,
    /// How it is known.
    pub source: VersionSource,
}

/// Where to look, beside the log.
#[derive(Debug, Clone, Default)]
pub struct Places<'a> {
    /// What the operator said, and where.
    pub told: Option<(&'a str, VersionSource)>,
    /// `ROCKETMQ_VERSION`
    pub env: Option<String>,
    /// `ROCKETMQ_HOME`
    pub home: Option<String>,
    /// The process that holds the store's lock.
    pub pid: Option<i32>,
}

impl Places<'_> {
    /// The release by the first place that tells.
    #[must_use]
    pub fn detect(&self) -> Option<Detected> {
        let detected = |version: String, source| Detected { version, source };
        if let Some((version, source)) = self.told {
            return Some(detected(version.to_owned(), source));
        }
        if let Some(version) = self.env.as_deref().filter(|text| parse(text).is_some()) {
            return Some(detected(version.to_owned(), VersionSource::Env));
        }
        if let Some(version) = self.pid.and_then(of_process) {
            return Some(detected(version, VersionSource::Process));
        }
        let lib = Path::new(self.home.as_deref()?).join("lib");
        of_jars(&lib).map(|version| detected(version, VersionSource::Jar))
    }
}

/// The one known release between two ends, if there is just one.
#[must_use]
pub fn only_known(from: Option<Release>, to: Option<Release>) -> Option<Detected> {
    let mut fitting = KNOWN
        .iter()
        .filter(|release| from.is_none_or(|from| **release >= from) && to.is_none_or(|to| **release <= to));
    let (only, more) = (fitting.next()?, fitting.next());
    more.is_none().then(|| Detected {
        version: format!("{}.{}.{}", only.0, only.1, only.2),
        source: VersionSource::Log,
    })
}

/// The three numbers of a release.
#[must_use]
pub fn parse(text: &str) -> Option<Release> {
    let mut numbers = text.trim().splitn(3, '.').map(str::parse);
    match (numbers.next()?, numbers.next()?, numbers.next()?) {
        (Ok(major), Ok(minor), Ok(patch)) => Some((major, minor, patch)),
        _ => None,
    }
}

/// The release in the name of a jar, `rocketmq-store-5.2.0.jar`.
fn of_jar(path: &str) -> Option<String> {
    let (_, rest) = path.rsplit_once("rocketmq-store-").or_else(|| path.rsplit_once("rocketmq-broker-"))?;
    let version = rest.split(".jar").next()?;
    parse(version).map(|_| version.to_owned())
}

/// The release by the jars in a directory.
fn of_jars(lib: &Path) -> Option<String> {
    let names = std::fs::read_dir(lib).ok()?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names.filter_map(|name| of_jar(&name)).next()
}

/// The release by the class path of a command line: its jars, or the directories of jars that it names as `lib/*`, as the broker's
/// own scripts do.
fn of_command_line(command_line: &[u8]) -> Option<String> {
    let words = || command_line.split(|byte| *byte == 0 || *byte == b':').map(String::from_utf8_lossy);
    words().find_map(|word| of_jar(&word)).or_else(|| {
        let dirs = words().filter_map(|word| word.strip_suffix("/*").map(PathBuf::from));
        dirs.filter(|dir| dir.is_absolute()).find_map(|dir| of_jars(&dir))
    })
}

/// The release of a running process, by its command line or the jars that it has open. The kernel tells a confined process only the
/// former.
fn of_process(pid: i32) -> Option<String> {
    let proc = Path::new("/proc").join(pid.to_string());
    if let Some(version) = of_command_line(&std::fs::read(proc.join("cmdline")).ok()?) {
        return Some(version);
    }
    let open = std::fs::read_dir(proc.join("fd")).ok()?;
    open.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok())
        .find_map(|target| of_jar(&target.to_string_lossy()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_jar_tells_the_release() {
        assert_eq!(of_jar("/opt/rocketmq/lib/rocketmq-store-5.2.0.jar").as_deref(), Some("5.2.0"));
        assert_eq!(of_jar("rocketmq-store-latest.jar"), None);
        assert_eq!(of_jar("rocketmq-client-5.2.0.jar"), None);
    }

    #[test]
    fn the_class_path_of_the_broker_s_own_scripts_leads_to_its_jars() {
        let home = tempfile::tempdir().unwrap();
        let lib = home.path().join("lib");
        std::fs::create_dir(&lib).unwrap();
        let command_line = format!("java\0-cp\0.:{0}/bin/../conf:{0}/lib/*:\0Main\0", home.path().display());
        assert_eq!(of_command_line(command_line.as_bytes()), None);
        std::fs::write(lib.join("rocketmq-store-5.2.0.jar"), b"").unwrap();
        assert_eq!(of_command_line(command_line.as_bytes()).as_deref(), Some("5.2.0"));
        assert_eq!(of_command_line(b"java\0-cp\0lib/*\0").as_deref(), None);
    }

    #[test]
    fn lines_tell_a_release_only_if_no_other_prints_them() {
        assert_eq!(only_known(Some((5, 2, 0)), Some((5, 2, 0))).unwrap().version, "5.2.0");
        assert_eq!(only_known(Some((5, 5, 1)), None).unwrap().source, VersionSource::Log);
        assert_eq!(only_known(Some((5, 2, 0)), Some((5, 3, 3))), None);
    }

    #[test]
    fn what_the_operator_said_comes_before_what_is_found() {
        let places = Places {
            told: Some(("5.3.3", VersionSource::Flag)),
            env: Some("5.2.0".to_owned()),
            ..Places::default()
        };
        assert_eq!(places.detect().unwrap().version, "5.3.3");
        let places = Places { told: None, ..places };
        assert_eq!(places.detect().unwrap().source, VersionSource::Env);
    }
}
