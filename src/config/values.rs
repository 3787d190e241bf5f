//! The configuration as it is meant: what every other part of the program gets to see.

use std::path::PathBuf;
use std::time::Duration;

use super::{ListenAddress, layers, raw::Raw, validate};

/// A configuration without problems. The keys are explained in [`super::raw`].
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// `store.path`: the broker's `storePathRootDir`.
    pub store_path: PathBuf,
    /// `logs.path`; `None`: search beside the store.
    pub logs_path: Option<PathBuf>,
    /// `state.path`, neither the store nor below it; `None`: choose a place outside the store.
    pub state_path: Option<PathBuf>,
    /// What is known about the broker beforehand.
    pub broker: BrokerOptions,
    /// The HTTP server.
    pub web: WebOptions,
    /// The exporter's own log.
    pub log: LogOptions,
    /// How often the store is looked at.
    pub follow: FollowOptions,
    /// What one pass may cost.
    pub budget: BudgetOptions,
    /// Forecasts of the next start.
    pub preview: PreviewOptions,
    /// `topics.limit`: topics with series of their own; 0: none.
    pub topics_limit: usize,
    /// `bad_queues.limit`: queues with a series of their own; 0: none.
    pub bad_queues_limit: usize,
    /// Copies kept for the analysis of an incident.
    pub evidence: EvidenceOptions,
    /// `read_mode`: how bytes are read.
    pub read_mode: ReadMode,
    /// `confine`: what the process gives up.
    pub confine: ConfineMode,
}

impl Config {
    /// The defaults, for the store at `store_path`.
    #[must_use]
    pub fn for_store(store_path: PathBuf) -> Self {
        let mut raw = Raw::default();
        raw.store.path = "/".into();
        let config = validate::check(&raw, &layers::Origins::default());
        Self { store_path, ..config.expect("a test shows that the defaults have no problem") }
    }
}

/// Keys below `broker`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerOptions {
    /// The broker's properties file.
    pub conf: Option<PathBuf>,
    /// Release, three numbers with dots.
    pub version: Option<String>,
    /// Whether the release was given by flag or environment variable, and not by the file.
    pub is_version_by_flag: bool,
    /// How the commitlog is replicated.
    pub mode: Option<BrokerMode>,
}

/// Keys below `web`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebOptions {
    /// Addresses to serve on, at least one, no two alike.
    pub listen_addresses: Vec<ListenAddress>,
    /// Path of the metrics, with its leading slash.
    pub telemetry_path: String,
    /// Web configuration file, which was found to be usable.
    pub config_file: Option<PathBuf>,
}

/// Keys below `log`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogOptions {
    /// Least severe level that is written.
    pub level: LogLevel,
    /// How a line is written.
    pub format: LogFormat,
}

/// Keys below `follow`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FollowOptions {
    /// Time between two idle passes.
    pub interval: Duration,
    /// Time between two passes while the broker starts; not above `interval`.
    pub start_interval: Duration,
    /// Share of a core that idle passes may cost, above 0 and up to 1.
    pub max_cpu_ratio: f64,
}

/// Keys below `budget`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BudgetOptions {
    /// Most bytes one pass reads.
    pub bytes_per_pass: u64,
    /// Most time one pass takes.
    pub time_per_pass: Duration,
}

/// Keys below `preview`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PreviewOptions {
    /// Time between two forecasts.
    pub interval: Duration,
    /// Most bytes one forecast reads.
    pub max_bytes: u64,
    /// Most time one forecast takes.
    pub max_time: Duration,
}

/// Keys below `evidence`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EvidenceOptions {
    /// Starts whose evidence is kept; 0: none.
    pub starts: usize,
    /// Most bytes for one start.
    pub max_bytes: u64,
}

/// A value that is one of a few words.
pub trait Word: Copy + PartialEq + 'static {
    /// Every value with its word, in the order in which they are offered.
    const ALL: &'static [(&'static str, Self)];

    /// The word for this value.
    fn word(self) -> &'static str {
        Self::ALL.iter().find(|(_, value)| *value == self).map_or("", |(word, _)| word)
    }
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$variant_doc])* $variant,)* }

        impl Word for $name {
            const ALL: &'static [(&'static str, Self)] = &[$(($word, Self::$variant)),*];
        }
    };
}

words! {
    /// How the broker's commitlog is replicated.
    BrokerMode {
        /// A broker on its own, or with slaves.
        Plain = "plain",
        /// The commitlog is a DLedger log.
        Dledger = "dledger",
        /// Master and slaves are chosen by a controller.
        Controller = "controller",
    }
}
words! {
    /// How bytes of the store are read.
    ReadMode {
        /// Segments of the log through mappings where the file system allows it, the rest through read calls.
        Auto = "auto",
        /// Everything through read calls.
        Pread = "pread",
    }
}
words! {
    /// What the process gives up before it looks at the store.
    ConfineMode {
        /// Whatever it does not need, as far as the kernel can.
        Auto = "auto",
        /// Nothing.
        Off = "off",
    }
}
words! {
    /// Severity of a log line, most severe first.
    LogLevel {
        /// The exporter does not do its job.
        Error = "error",
        /// It goes on, something is off.
        Warn = "warn",
        /// A state changed.
        Info = "info",
        /// What it does and why.
        Debug = "debug",
        /// Everything.
        Trace = "trace",
    }
}
words! {
    /// How a log line is written.
    LogFormat {
        /// `key=value` pairs.
        Logfmt = "logfmt",
        /// One JSON object a line.
        Json = "json",
    }
}
