//! A question as typed: flags of the command line and parameters of a query have the same names and values.

use std::path::PathBuf;

use crate::broker::release::{self, VersionSource};
use crate::recovery::{Shutdown, Without};
use crate::store::layout::LogKind;

/// What is wrong with one value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name}: found {found:?}, expected {expected}")]
pub struct Problem {
    /// The flag or parameter, without dashes; the path of a file that was given.
    pub name: String,
    /// What was typed.
    pub found: String,
    /// What would do.
    pub expected: String,
}

/// A question.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asked {
    /// Root of the store.
    pub root: PathBuf,
    /// The broker's properties file.
    pub broker_conf: Option<PathBuf>,
    /// Release, and who said so.
    pub version: Option<(String, VersionSource)>,
    /// Keys of the broker's properties, and their values instead.
    pub overrides: Vec<(String, String)>,
    /// How the log is kept.
    pub mode: Option<LogKind>,
    /// How the broker ended before.
    pub shutdown: Shutdown,
    /// Files taken for missing.
    pub without: Without,
    /// Whether the units of each queue get a digest.
    pub digest: bool,
    /// Whether lengths of files that nobody told are taken from the files that are there, not from upstream's defaults.
    pub goes_by_files: bool,
}

impl Asked {
    /// Takes a value: `version`, `mode`, `shutdown`, `set` or `without`.
    ///
    /// # Errors
    /// What is wrong with it; an unknown name too.
    pub fn take(&mut self, name: &str, value: &str) -> Result<(), Problem> {
        let problem = |expected: &str| Problem {
            name: name.to_owned(),
            found: value.to_owned(),
            expected: expected.to_owned(),
        };
        match name {
            "version" => {
                release::parse(value).ok_or_else(|| problem("a release like 5.2.0"))?;
                self.version = Some((value.trim().to_owned(), VersionSource::Flag));
            }
            "mode" => {
                let mode = LogKind::ALL.into_iter().find(|mode| mode.as_str() == value);
                self.mode = Some(mode.ok_or_else(|| problem("plain, dledger or controller"))?);
            }
            "shutdown" => {
                self.shutdown = match value {
                    "as-found" => Shutdown::AsFound,
                    "clean" => Shutdown::Clean,
                    "unclean" => Shutdown::Unclean,
                    _ => return Err(problem("as-found, clean or unclean")),
                }
            }
            "set" => {
                let pair = value.split_once('=').filter(|(key, _)| !key.is_empty());
                let (key, value) = pair.ok_or_else(|| problem("KEY=VALUE"))?;
                self.overrides.push((key.to_owned(), value.to_owned()));
            }
            "without" => match value {
                "abort" => self.without.abort = true,
                "checkpoint" => self.without.checkpoint = true,
                "dledger-checkpoint" => self.without.ledger_checkpoint = true,
                "index" => self.without.index = true,
                _ => return Err(problem("abort, checkpoint, dledger-checkpoint or index")),
            },
            _ => {
                return Err(problem(
                    "version, mode, shutdown, set, without, and queues or versions and remedies",
                ));
            }
        }
        Ok(())
    }

    /// Words of the files taken for missing.
    #[must_use]
    pub fn without_words(&self) -> Vec<&'static str> {
        let Without { abort, checkpoint, ledger_checkpoint, index, queues: _ } = self.without;
        let words = [
            (abort, "abort"),
            (checkpoint, "checkpoint"),
            (ledger_checkpoint, "dledger-checkpoint"),
            (index, "index"),
        ];
        words.into_iter().filter(|(is_on, _)| *is_on).map(|(_, word)| word).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_used_is_told_with_what_would_do() {
        let mut asked = Asked::default();
        for (name, value) in [
            ("version", "latest"),
            ("mode", "Plain"),
            ("shutdown", "dirty"),
            ("set", "key"),
            ("set", "=value"),
            ("without", "log"),
            ("verson", "5.2.0"),
        ] {
            let problem = asked.take(name, value).unwrap_err().to_string();
            assert!(problem.starts_with(&format!("{name}: found {value:?}, expected ")), "{problem}");
        }
        assert_eq!(asked, Asked::default(), "nothing of it was taken");
    }

    #[test]
    fn values_may_hold_further_equals_signs_and_files_add_up() {
        let mut asked = Asked::default();
        asked.take("set", "dLegerPeers=n0-a:1;x=y").unwrap();
        asked.take("without", "abort").unwrap();
        asked.take("without", "dledger-checkpoint").unwrap();
        assert_eq!(asked.overrides, [("dLegerPeers".to_owned(), "n0-a:1;x=y".to_owned())]);
        assert_eq!(asked.without_words(), ["abort", "dledger-checkpoint"]);
    }
}
