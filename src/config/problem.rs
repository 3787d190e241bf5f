//! One thing that is wrong with a configuration.

use std::fmt;
use std::path::PathBuf;

/// Who gave a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nobody: it is the default.
    Default,
    /// The configuration file.
    File(PathBuf),
    /// A flag or its environment variable; this is how the flag is written.
    Flag(&'static str),
    /// The environment variable of a key, by its name.
    Variable(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Variable(name) => f.write_str(name),
            Self::Flag(flag) => write!(f, "{flag} or {}", environment_variable(flag)),
        }
    }
}

/// The environment variable that stands for a flag or key: `--log.level` → `ROCKETMQ_STORE_EXPORTER_LOG_LEVEL`.
pub(super) fn environment_variable(flag: &str) -> String {
    let name = flag.trim_start_matches('-').replace(['.', '-'], "_").to_uppercase();
    format!("ROCKETMQ_STORE_EXPORTER_{name}")
}

/// One value that cannot be used: `follow.interval: got "5 parsecs" (from exporter.yaml), expected a duration …`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key}: got {value} (from {origin}), expected {expected}")]
pub struct Problem {
    /// Path of the key, `follow.interval`; `config.file` for the file as a whole.
    pub key: String,
    /// The value as given, as YAML on one line, or `nothing`.
    pub value: String,
    /// What would have been right, so that "expected …" reads as a sentence.
    pub expected: String,
    /// Who gave the value.
    pub origin: Origin,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_reads_as_one_sentence() {
        let problem = Problem {
            key: "log.level".into(),
            value: "\"loud\"".into(),
            expected: "one of error, warn".into(),
            origin: Origin::Flag("--log.level"),
        };
        assert_eq!(
            problem.to_string(),
            "log.level: got \"loud\" (from --log.level or ROCKETMQ_STORE_EXPORTER_LOG_LEVEL), \
             expected one of error, warn"
        );
    }
}
