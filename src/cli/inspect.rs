//! `inspect`: one look at a store, for people or as JSON.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Args;

use super::preview::{Format, finish_text, json, problem, read_format, read_root, refuse_problems, width};
use super::{EXIT_COULD_NOT_RUN, EXIT_RAN};
use crate::app;
use crate::config::{BrokerMode, Config, Word};
use crate::count::counted;
use crate::observe::picture::{Picture, QueueRow};
use crate::preview::text_table::{Lean, printable, table};
use crate::store::layout::{QueueKind, RootState};
use crate::store::told_file::{self, Links};
use crate::web::{picture_json, queue_json};

/// Files that are shown to people of which there should be none.
const FILES: usize = 10;
/// Queues that are shown to people.
const QUEUES: usize = 40;

/// Flags of `inspect`.
#[derive(Debug, Args)]
pub struct InspectFlags {
    /// The broker's storePathRootDir
    #[arg(long = "store.path", value_name = "DIR", env = "ROCKETMQ_STORE_EXPORTER_STORE_PATH")]
    store_path: Option<PathBuf>,
    /// The broker's properties file [default: upstream's defaults]
    #[arg(long = "broker.conf", value_name = "FILE", env = "ROCKETMQ_STORE_EXPORTER_BROKER_CONF")]
    broker_conf: Option<PathBuf>,
    /// plain, dledger or controller [default: by the properties, else by what lies in the store]
    #[arg(long = "mode", value_name = "MODE", env = "ROCKETMQ_STORE_EXPORTER_MODE")]
    mode: Option<String>,
    /// text for people, json for tools: the objects of /api/v1/store and /api/v1/queues
    #[arg(long = "format", value_name = "FORMAT", default_value = "text")]
    format: String,
}

impl InspectFlags {
    /// Answers on the standard output.
    #[must_use]
    pub fn run(&self) -> u8 {
        let mut problems = Vec::new();
        let format = read_format(&self.format).map_err(|problem| problems.push(problem)).ok();
        let root = read_root(self.store_path.as_ref()).map_err(|problem| problems.push(problem));
        let mut config = Config::for_store(root.unwrap_or_default());
        config.broker.conf.clone_from(&self.broker_conf);
        if let Some(word) = &self.mode {
            config.broker.mode =
                BrokerMode::ALL.iter().find(|(known, _)| known == word).map(|(_, mode)| *mode);
            if config.broker.mode.is_none() {
                problems.push(problem("mode", word, "plain, dledger or controller"));
            }
        }
        if let Some(path) = &self.broker_conf
            && let Err(error) = told_file::read(path, Links::Followed)
        {
            let expected = format!("a readable file: {error}");
            problems.push(problem("broker.conf", &path.display().to_string(), &expected));
        }
        let Some(format) = format.filter(|_| problems.is_empty()) else { return refuse_problems(&problems) };
        app::confine_inspection(&config);
        let picture = app::inspect(&config);
        let written = match format {
            Format::Text => finish_text(&text(&picture, width())),
            Format::Json => finish_text(&json(&serde_json::json!({
                "store": picture_json(&picture),
                "queues": picture.queues.rows.iter().map(queue_json).collect::<Vec<_>>(),
            }))),
        };
        let has_queues = picture.queues.is_listed || picture.queue_kind == Some(QueueKind::RocksDb);
        if written && picture.log.is_listed && has_queues { EXIT_RAN } else { EXIT_COULD_NOT_RUN }
    }
}

fn text(picture: &Picture, width: usize) -> String {
    let mut text = String::new();
    let mut fact = |name: &str, value: String| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{name:<14}{value}");
    };
    let known = |value: Option<u64>| value.map_or_else(|| "?".to_owned(), |value| value.to_string());
    fact(
        "Store",
        format!("{} ({})", printable(&picture.root.to_string_lossy()), picture.root_state.as_str()),
    );
    if picture.root_state != RootState::Store {
        return text;
    }
    let yes = |is_so: Option<bool>| is_so.map_or("?", |is_so| if is_so { "yes" } else { "no" });
    let is_held = picture.lock.map(|lock| matches!(lock, crate::store::lock::LockState::Held { .. }));
    fact("Mode", picture.log_kind.map_or("?", |kind| kind.as_str()).to_owned());
    fact("Lock held", yes(is_held).to_owned());
    fact("Abort file", yes(picture.is_abort_present).to_owned());
    let log = &picture.log;
    fact(
        "Log",
        format!(
            "{} to {}, {}, {}",
            known(log.min),
            known(log.max),
            counted(log.files, "file"),
            counted(log.gaps, "gap")
        ),
    );
    fact("Not indexed", log.lag_bytes.map_or_else(|| "?".to_owned(), |bytes| counted(bytes, "byte")));
    let rows = &picture.queues.rows;
    let queues = picture.queues.is_listed.then(|| u64::try_from(rows.len()).unwrap_or(u64::MAX));
    fact("Queues", format!("{}, of messages up to {}", known(queues), known(picture.queues.max_physical)));
    for file in log.invalid.iter().take(FILES) {
        let path = file.path.strip_prefix(&picture.root).unwrap_or(&file.path);
        let path = printable(&path.to_string_lossy());
        fact("Invalid file", format!("{path} ({}, {})", file.reason.as_str(), counted(file.len, "byte")));
    }
    if log.invalid.len() > FILES {
        fact("Invalid file", format!("… {} more", log.invalid.len() - FILES));
    }
    for (collector, state) in &picture.collectors {
        if let Some(error) = &state.error {
            fact(collector.as_str(), printable(error));
        }
    }
    if !picture.is_complete {
        fact("Incomplete", "the budget for one look was used up".to_owned());
    }
    let head = [
        ("TOPIC", Lean::Left),
        ("QUEUE", Lean::Right),
        ("FILES", Lean::Right),
        ("MIN", Lean::Right),
        ("MAX", Lean::Right),
        ("MAX PHYSICAL", Lean::Right),
        ("WRONG", Lean::Left),
    ];
    let row = |row: &&QueueRow| {
        vec![
            printable(&row.topic),
            row.queue.to_string(),
            row.files.to_string(),
            row.min.0.to_string(),
            row.max.0.to_string(),
            row.max_physical.0.to_string(),
            row.bad.map_or("", |bad| bad.as_str()).to_owned(),
        ]
    };
    // Those with something wrong first.
    let mut sorted: Vec<&QueueRow> = rows.iter().collect();
    sorted.sort_by_key(|row| std::cmp::Reverse(row.bad.is_some()));
    let lines: Vec<_> = sorted.iter().take(QUEUES).map(row).collect();
    if !lines.is_empty() {
        text.push('\n');
        text.push_str(&table(&head, &lines, width));
    }
    if rows.len() > QUEUES {
        let _ = writeln!(text, "  … {} more (--format json lists all)", rows.len() - QUEUES);
    }
    text
}
