//! Turns a configuration as typed into one as meant, or lists everything that is wrong with it.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use serde_yaml::Value;

use super::layers::{Origins, shown};
use super::raw::Raw;
use super::values::{
    BrokerOptions, BudgetOptions, Config, ConfineMode, EvidenceOptions, FollowOptions, LogFormat, LogLevel,
    LogOptions, PreviewOptions, ReadMode, WebOptions, Word,
};
use super::{ListenAddress, Origin, Problem, duration_text, is_at_or_below, parse_bytes, parse_duration};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

/// Paths that the exporter serves itself, so that the metrics cannot stand there.
const TAKEN_PATHS: [&str; 5] = ["/", "/preview", "/assets", "/api", "/-"];

/// Checks every key; the problems come in the order of the file.
pub(super) fn check(raw: &Raw, origins: &Origins) -> Result<Config, Vec<Problem>> {
    let mut seen = Checker { origins, problems: Vec::new() };
    let config = Config {
        store_path: seen.store_path(&raw.store.path),
        logs_path: seen.path("logs.path", &raw.logs.path),
        state_path: seen.path("state.path", &raw.state.path),
        broker: BrokerOptions {
            conf: seen.path("broker.conf", &raw.broker.conf),
            version: seen.version("broker.version", &raw.broker.version),
            is_version_by_flag: matches!(origins.of("broker.version"), Origin::Flag(_)),
            mode: (!raw.broker.mode.is_null())
                .then(|| seen.word("broker.mode", &raw.broker.mode, super::BrokerMode::Plain)),
        },
        web: WebOptions {
            listen_addresses: seen.listen_addresses("web.listen_addresses", &raw.web.listen_addresses),
            telemetry_path: seen.telemetry_path("web.telemetry_path", &raw.web.telemetry_path),
            config_file: seen.web_file("web.config_file", &raw.web.config_file),
        },
        log: LogOptions {
            level: seen.word("log.level", &raw.log.level, LogLevel::Info),
            format: seen.word("log.format", &raw.log.format, LogFormat::Logfmt),
        },
        follow: FollowOptions {
            interval: seen.duration("follow.interval", &raw.follow.interval, 100 * MS..=HOUR),
            start_interval: seen.duration(
                "follow.start_interval",
                &raw.follow.start_interval,
                10 * MS..=60 * SECOND,
            ),
            max_cpu_ratio: seen.ratio("follow.max_cpu_ratio", &raw.follow.max_cpu_ratio),
        },
        budget: BudgetOptions {
            bytes_per_pass: seen.bytes("budget.bytes_per_pass", &raw.budget.bytes_per_pass, "1MiB"),
            time_per_pass: seen.duration("budget.time_per_pass", &raw.budget.time_per_pass, 100 * MS..=HOUR),
        },
        preview: PreviewOptions {
            interval: seen.duration("preview.interval", &raw.preview.interval, SECOND..=HOUR),
            max_bytes: seen.bytes("preview.max_bytes", &raw.preview.max_bytes, "1MiB"),
            max_time: seen.duration("preview.max_time", &raw.preview.max_time, 100 * MS..=HOUR),
        },
        topics_limit: seen.count("topics.limit", &raw.topics.limit, 1000),
        bad_queues_limit: seen.count("bad_queues.limit", &raw.bad_queues.limit, 1000),
        evidence: EvidenceOptions {
            starts: seen.count("evidence.starts", &raw.evidence.starts, 100),
            max_bytes: seen.bytes("evidence.max_bytes", &raw.evidence.max_bytes, "64KiB"),
        },
        read_mode: seen.word("read_mode", &raw.read_mode, ReadMode::Auto),
        confine: seen.word("confine", &raw.confine, ConfineMode::Auto),
    };
    seen.keys_against_each_other(raw, &config);
    if seen.problems.is_empty() { Ok(config) } else { Err(seen.problems) }
}

/// Each method notes a problem and returns a stand-in if the value cannot be used; a configuration with problems is thrown away,
/// so no stand-in is ever seen.
struct Checker<'a> {
    origins: &'a Origins,
    problems: Vec<Problem>,
}

impl Checker<'_> {
    fn refuse(&mut self, key: &str, value: &Value, expected: impl Into<String>) {
        let origin = self.origins.of(key);
        self.problems.push(Problem {
            key: key.into(),
            value: shown(value),
            expected: expected.into(),
            origin,
        });
    }

    fn store_path(&mut self, value: &Value) -> PathBuf {
        if value.is_null() {
            self.refuse("store.path", value, "the broker's storePathRootDir, as with --store.path DIR");
        }
        self.path("store.path", value).unwrap_or_default()
    }

    fn path(&mut self, key: &str, value: &Value) -> Option<PathBuf> {
        match value {
            Value::Null => None,
            Value::String(text) if !text.is_empty() && !text.contains('\0') => Some(PathBuf::from(text)),
            _ => {
                self.refuse(key, value, "a path as text");
                None
            }
        }
    }

    fn web_file(&mut self, key: &str, value: &Value) -> Option<PathBuf> {
        let path = self.path(key, value)?;
        match super::web_file::read(&path) {
            Ok(_) => Some(path),
            Err(problems) => {
                self.problems.extend(problems);
                None
            }
        }
    }

    fn version(&mut self, key: &str, value: &Value) -> Option<String> {
        let is_release = |text: &str| {
            let numbers: Vec<_> = text.split('.').map(str::parse::<u16>).collect();
            numbers.len() == 3 && numbers.iter().all(Result::is_ok) && !text.contains('+')
        };
        match value {
            Value::Null => None,
            Value::String(text) if is_release(text) => Some(text.clone()),
            _ => {
                self.refuse(key, value, "a release as three numbers, such as 5.2.0");
                None
            }
        }
    }

    fn word<W: Word>(&mut self, key: &str, value: &Value, stand_in: W) -> W {
        let found = W::ALL.iter().find(|(word, _)| value.as_str() == Some(word));
        found.map_or_else(
            || {
                let words: Vec<&str> = W::ALL.iter().map(|(word, _)| *word).collect();
                self.refuse(key, value, format!("one of {}", words.join(", ")));
                stand_in
            },
            |(_, meant)| *meant,
        )
    }

    fn listen_addresses(&mut self, key: &str, value: &Value) -> Vec<ListenAddress> {
        let expected = "a list of HOST:PORT or :PORT, at least one, no two alike";
        let mut addresses = Vec::new();
        for item in value.as_sequence().unwrap_or(&Vec::new()) {
            match item.as_str().map(str::parse::<ListenAddress>) {
                Some(Ok(address)) if !addresses.contains(&address) || address.port == 0 => {
                    addresses.push(address);
                }
                _ => self.refuse(key, item, expected),
            }
        }
        if value.as_sequence().is_none_or(Vec::is_empty) {
            self.refuse(key, value, expected);
        }
        addresses
    }

    fn telemetry_path(&mut self, key: &str, value: &Value) -> String {
        let text = value.as_str().unwrap_or_default();
        let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'-' | b'_' | b'.');
        let is_taken =
            TAKEN_PATHS.iter().any(|taken| text == *taken || text.starts_with(&format!("{taken}/")));
        let is_clean = !text.contains("//") && !text.contains("/.") && !text.ends_with('/');
        if !text.starts_with('/') || !text.bytes().all(is_plain) || is_taken || !is_clean {
            let expected = "a path such as /metrics: letters, digits, -, _, . and inner slashes, and none of the \
                            exporter's other pages";
            self.refuse(key, value, expected);
        }
        text.to_owned()
    }

    fn duration(&mut self, key: &str, value: &Value, range: RangeInclusive<Duration>) -> Duration {
        let found = value.as_str().and_then(parse_duration).filter(|duration| range.contains(duration));
        found.unwrap_or_else(|| {
            let (least, most) = (duration_text(*range.start()), duration_text(*range.end()));
            self.refuse(key, value, format!("a duration such as 200ms, 5s or 1h30m, from {least} to {most}"));
            Duration::ZERO
        })
    }

    fn bytes(&mut self, key: &str, value: &Value, least: &str) -> u64 {
        let found = value.as_u64().or_else(|| value.as_str().and_then(parse_bytes));
        found.filter(|bytes| Some(*bytes) >= parse_bytes(least)).unwrap_or_else(|| {
            self.refuse(key, value, format!("an amount of bytes such as 4194304 or 64MiB, at least {least}"));
            0
        })
    }

    fn count(&mut self, key: &str, value: &Value, most: usize) -> usize {
        let found = value.as_u64().and_then(|count| usize::try_from(count).ok());
        found.filter(|count| *count <= most).unwrap_or_else(|| {
            self.refuse(key, value, format!("a whole number from 0 to {most}"));
            0
        })
    }

    fn ratio(&mut self, key: &str, value: &Value) -> f64 {
        let found = value.as_f64().filter(|ratio| *ratio > 0.0 && *ratio <= 1.0);
        found.unwrap_or_else(|| {
            self.refuse(key, value, "a number above 0 and up to 1");
            0.0
        })
    }

    fn keys_against_each_other(&mut self, raw: &Raw, config: &Config) {
        let FollowOptions { interval, start_interval, .. } = config.follow;
        if interval > Duration::ZERO && start_interval > interval {
            let expected = format!("at most follow.interval, which is {}", duration_text(interval));
            self.refuse("follow.start_interval", &raw.follow.start_interval, expected);
        }
        let has_store = !config.store_path.as_os_str().is_empty();
        if let Some(state) = &config.state_path
            && has_store
            && is_at_or_below(&config.store_path, state)
        {
            let expected = format!("a directory outside the store {}", config.store_path.display());
            self.refuse("state.path", &raw.state.path, expected);
        }
    }
}
