//! What the parts are told, from the configuration.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::Error;
use crate::broker::release::VersionSource;
use crate::broker::{BrokerConf, is_property};
use crate::config::{BrokerMode, Config, ReadMode, read_web_file};
use crate::format::java_properties::JavaProperties;
use crate::inspect::log_end;
use crate::observe::outlook::Foreteller;
use crate::observe::pass::PassOptions;
use crate::preview::{Asked, Surroundings};
use crate::store::layout::{LayoutOptions, LogKind};
use crate::store::told_file::{self, Links};
use crate::web::access::Access;

pub(super) fn read_broker_conf(config: &Config) -> Option<BrokerConf> {
    let path = config.broker.conf.as_ref()?;
    match told_file::read(path, Links::Followed)
        .map_err(|error| error.to_string())
        .and_then(|bytes| JavaProperties::parse(&bytes).map_err(|error| error.to_string()))
    {
        Ok(properties) => {
            let (conf, problems) = BrokerConf::as_broker_takes_it(&properties);
            for problem in &problems {
                tracing::warn!(path = %path.display(), %problem, "the broker does not take this as written");
            }
            let unknown: Vec<_> =
                conf.other.iter().map(|entry| entry.key.as_str()).filter(|key| !is_property(key)).collect();
            if !unknown.is_empty() {
                let keys = unknown.join(" ");
                tracing::warn!(path = %path.display(), keys, "no release of the broker takes these; a plug-in may");
            }
            Some(conf)
        }
        Err(error) => {
            tracing::error!(path = %path.display(), %error, "broker.conf cannot be read: paths and thresholds are upstream's defaults, and nothing is foretold");
            None
        }
    }
}

pub(super) fn pass_options(config: &Config, conf: Option<&BrokerConf>, stop: Arc<AtomicBool>) -> PassOptions {
    let told = conf.filter(|conf| conf.tells_log_kind).map(|conf| {
        if conf.enable_dleger_commit_log {
            LogKind::DLedger
        } else if conf.enable_controller_mode {
            LogKind::Controller
        } else {
            LogKind::Plain
        }
    });
    let layout = LayoutOptions {
        log_kind: mode(config).or(told),
        commitlog_dirs: conf.map(configured_commitlog_dirs).unwrap_or_default(),
        ledger_data_dirs: conf.map(configured_ledger_dirs).unwrap_or_default(),
        ledger_self_id: conf.and_then(|conf| conf.dleger_self_id.clone()),
    };
    let hours = conf.map_or_else(|| BrokerConf::default().file_reserved_time, |conf| conf.file_reserved_time);
    PassOptions {
        root: config.store_path.clone(),
        layout,
        // Not from the defaults: a length that nobody configured would make every file of another length look wrong.
        segment_len: None,
        file_reserved: Duration::from_secs(u64::try_from(hours).unwrap_or_default() * 3600),
        read_mode: match config.read_mode {
            ReadMode::Auto => log_end::ReadMode::Auto,
            ReadMode::Pread => log_end::ReadMode::Pread,
        },
        time_budget: config.budget.time_per_pass,
        byte_budget: config.budget.bytes_per_pass,
        stop,
    }
}

fn configured_commitlog_dirs(conf: &BrokerConf) -> Vec<PathBuf> {
    if conf.store_path_commit_log.is_empty() { Vec::new() } else { conf.commit_log_paths() }
}

fn configured_ledger_dirs(conf: &BrokerConf) -> Vec<PathBuf> {
    if conf.store_path_dledger_commit_log.is_empty() { Vec::new() } else { conf.ledger_data_paths() }
}

/// How the log is kept, where that was configured.
fn mode(config: &Config) -> Option<LogKind> {
    config.broker.mode.map(|mode| match mode {
        BrokerMode::Plain => LogKind::Plain,
        BrokerMode::Dledger => LogKind::DLedger,
        BrokerMode::Controller => LogKind::Controller,
    })
}

/// The release, where that was configured.
pub(super) fn version(config: &Config) -> Option<(String, VersionSource)> {
    config.broker.version.clone().map(|version| {
        let by_flag = config.broker.is_version_by_flag;
        (version, if by_flag { VersionSource::Flag } else { VersionSource::Config })
    })
}

/// The question about the next start that follows from the configuration alone.
pub(super) fn asked(config: &Config) -> Asked {
    Asked {
        root: config.store_path.clone(),
        broker_conf: config.broker.conf.clone(),
        version: version(config),
        mode: mode(config),
        goes_by_files: true,
        ..Asked::default()
    }
}

/// What makes forecasts.
pub(super) fn foreteller(config: &Config) -> Foreteller {
    Foreteller {
        asked: asked(config),
        around: surroundings(config.logs_path.as_deref(), &config.store_path),
        max_bytes: config.preview.max_bytes,
        max_time: config.preview.max_time,
        known: std::sync::Mutex::default(),
    }
}

/// What tells of a broker beside its store.
#[must_use]
pub fn surroundings(logs: Option<&Path>, store: &Path) -> Surroundings {
    Surroundings {
        version: std::env::var("ROCKETMQ_VERSION").ok(),
        home: std::env::var("ROCKETMQ_HOME").ok(),
        logs: logs.map(Path::to_owned).or_else(|| find_logs(store)),
        ..Surroundings::default()
    }
}

/// Where the image and the charts put the logs, seen from the store.
pub(super) fn find_logs(store: &Path) -> Option<PathBuf> {
    let beside = store.parent()?;
    [beside.join("logs/rocketmqlogs"), beside.join("logs")]
        .into_iter()
        .find(|dir| dir.join("store.log").exists() || dir.join("broker.log").exists())
}

/// Who may ask: what the web configuration file says from moment to moment, else everybody.
pub(super) fn access(config: &Config) -> Result<Access, Error> {
    let Some(path) = config.web.config_file.clone() else { return Ok(Access::open()) };
    let read = move || {
        read_web_file(&path).map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>())
    };
    Access::told(read).map_err(|problems| Error::WebFile(problems.join("\n")))
}
