//! Texts that people and brokers write: properties, tables, configuration, flags.

use std::path::PathBuf;
use std::sync::OnceLock;

use clap::Parser as _;
use rocketmq_store_exporter::broker::{BrokerConf, release};
use rocketmq_store_exporter::cli::Cli;
use rocketmq_store_exporter::config::{self, Override};
use rocketmq_store_exporter::format::java_properties::JavaProperties;
use rocketmq_store_exporter::format::loose_json::{self, LooseJsonError};
use rocketmq_store_exporter::inspect::metadata::consumer_offsets;
use rocketmq_store_exporter::preview::answer::verdict;
use rocketmq_store_exporter::preview::{Asked, comparison};
use rocketmq_store_exporter::recovery::Verdict;

use super::Answer;

/// A properties file, and what the broker takes from it.
pub fn properties(bytes: &[u8], answer: &mut Answer) {
    let java = JavaProperties::parse(bytes);
    if let Ok(java) = &java {
        let lines = bytes.iter().filter(|byte| matches!(byte, b'\r' | b'\n')).count() + 1;
        assert!(java.entries().iter().all(|entry| (1..=lines).contains(&entry.line)));
        let len: usize = java.entries().iter().map(|entry| entry.key.len() + entry.value.len()).sum();
        assert!(len <= 3 * bytes.len());
        let (conf, problems) = BrokerConf::as_broker_takes_it(java);
        answer.tell(&(conf.commit_log_paths(), conf.ledger_data_paths(), conf.disk_thresholds()));
        answer.tell(&(conf, problems));
    }
    answer.tell(&java);
}

/// A table of `config/`.
pub fn tables(bytes: &[u8], answer: &mut Answer) {
    match loose_json::parse(bytes) {
        Ok(value) => {
            answer.tell(&consumer_offsets(&value));
            answer.tell(&value);
        }
        Err(LooseJsonError::Empty) => answer.tell(&"empty"),
        Err(LooseJsonError::Syntax { line, column, source }) => {
            let found = bytes.split(|byte| *byte == b'\n').nth(line.saturating_sub(1));
            assert!(found.is_some_and(|line| column <= line.len() + 1), "{line}:{column} {source}");
            answer.tell(&(line, column, source.to_string()));
        }
    }
}

fn file(name: &str, bytes: &[u8]) -> PathBuf {
    static DIR: OnceLock<tempfile::TempDir> = OnceLock::new();
    let path = DIR.get_or_init(|| tempfile::tempdir().unwrap()).path().join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

/// A configuration file.
pub fn config(bytes: &[u8], answer: &mut Answer) {
    let loaded = config::load(Some(&file("config.yaml", bytes)), &[]);
    if let Err(problems) = &loaded.outcome {
        assert!(!problems.is_empty());
        problems.iter().for_each(|problem| answer.tell(&problem.to_string()));
    }
    answer.tell(&loaded);
}

/// A web configuration file.
pub fn web_config(bytes: &[u8], answer: &mut Answer) {
    match config::read_web_file(&file("web.yaml", bytes)) {
        Ok((_, files)) => answer.tell(&files),
        Err(problems) => {
            assert!(!problems.is_empty());
            problems.iter().for_each(|problem| answer.tell(&problem.to_string()));
        }
    }
}

/// Keys that flags give, and flags that give them.
const KEYS: [(&str, &str); 9] = [
    ("store.path", "--store.path"),
    ("logs.path", "--logs.path"),
    ("state.path", "--state.path"),
    ("broker.conf", "--broker.conf"),
    ("broker.version", "--broker.version"),
    ("broker.mode", "--mode"),
    ("web.telemetry_path", "--web.telemetry-path"),
    ("log.level", "--log.level"),
    ("log.format", "--log.format"),
];

/// A command line, one word a line; the same words as values of flags, and as parameters of a question.
pub fn flags(bytes: &[u8], answer: &mut Answer) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let words: Vec<&str> = text.split('\n').collect();
    let parsed = Cli::try_parse_from(std::iter::once("exporter").chain(words.iter().copied()));
    answer.tell(&parsed.map_err(|error| error.to_string()));
    let mut overrides: Vec<_> =
        KEYS.iter().zip(&words).map(|((key, flag), word)| Override::text(key, flag, word)).collect();
    let addresses: Vec<String> = words.iter().skip(KEYS.len()).map(ToString::to_string).collect();
    overrides.push(Override::list("web.listen_addresses", "--web.listen-address", &addresses));
    answer.tell(&config::load(None, &overrides));

    let mut asked = Asked::default();
    for word in words {
        let (name, value) = word.split_once('=').unwrap_or((word, ""));
        answer.tell(&asked.take(name.trim_start_matches('-'), value));
        answer.tell(&(config::parse_bytes(value), config::parse_duration(value), release::parse(value)));
        answer.tell(&comparison::versions(value));
        answer.tell(&verdict(value).map(Verdict::as_str));
    }
    answer.tell(&asked);
}
