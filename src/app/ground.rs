//! What is settled while nothing is given up yet, and what is needed after that.

use std::path::{Path, PathBuf};

use super::{Error, options, system};
use crate::broker::BrokerConf;
use crate::config::{Config, ConfineMode, is_at_or_below, read_web_file};
use crate::confine::{Confinement, Needs, Part, Writes, confine};

/// Where everything is.
pub(super) struct Ground {
    pub conf: Option<BrokerConf>,
    pub logs_dir: Option<PathBuf>,
    pub state_dir: Option<PathBuf>,
}

impl Ground {
    /// Finds the logs, and makes the directory for the state.
    pub fn prepare(config: &Config) -> Result<Self, Error> {
        let ground = Self {
            conf: options::read_broker_conf(config),
            logs_dir: config.logs_path.clone().or_else(|| options::find_logs(&config.store_path)),
            state_dir: state_dir(config)?,
        };
        let told = |path: Option<&PathBuf>| path.map(|path| path.display().to_string());
        tracing::info!(
            version = env!("CARGO_PKG_VERSION"),
            store = %config.store_path.display(),
            logs = told(ground.logs_dir.as_ref()),
            broker_conf = told(config.broker.conf.as_ref()),
            state = told(ground.state_dir.as_ref()),
            "watching"
        );
        Ok(ground)
    }

    /// Where the state is written to, and nothing else.
    pub fn writes(&self) -> Writes {
        self.state_dir.clone().map_or(Writes::Nowhere, Writes::State)
    }

    /// Gives up what a watcher of this store does not need, and tells what then holds.
    pub fn confine(&self, config: &Config, writes: Writes) -> Confinement {
        if config.confine == ConfineMode::Off {
            tracing::info!("not confined, as configured");
            return Confinement::default();
        }
        let mut reads = store_paths(&config.store_path, self.conf.as_ref());
        reads.extend(self.logs_dir.clone());
        reads.extend(config.broker.conf.clone());
        let web_files = config.web.config_file.as_deref().map(read_web_file);
        reads.extend(web_files.and_then(Result::ok).into_iter().flat_map(|(_, files)| files));
        let confinement = confine(&Needs { reads, writes });
        let [files, network, privileges, system_calls] = Part::ALL.map(|part| confinement.holds(part));
        if confinement.gaps.is_empty() {
            tracing::info!(files, network, privileges, system_calls, "confined");
        } else {
            let gaps = confinement.gaps.join("; ");
            tracing::warn!(files, network, privileges, system_calls, gaps, "confined in part");
        }
        confinement
    }
}

/// Gives up what a command does not need that reads a store once and writes nowhere. It goes on in any case, and says nothing: its
/// answer is the same.
pub fn confine_reader(store: &Path, conf: Option<&BrokerConf>, logs: Option<&Path>) {
    let mut reads = store_paths(store, conf);
    reads.extend(logs.map(Path::to_owned));
    let confinement = confine(&Needs { reads, writes: Writes::Nowhere });
    tracing::debug!(?confinement, "confined");
}

/// Paths of a store: its root, and what lies elsewhere.
fn store_paths(root: &Path, conf: Option<&BrokerConf>) -> Vec<PathBuf> {
    let mut paths = vec![root.to_owned()];
    let Some(conf) = conf else { return paths };
    // As they are written, and as they are seen from here.
    for conf in [conf.clone(), conf.clone().seen_at(root)] {
        paths.extend(conf.store_path_commit_log);
        paths.extend(conf.store_path_dledger_commit_log);
        paths.extend(conf.read_only_commit_log_store_paths);
        paths.extend(conf.store_path_epoch_file);
        paths.extend(conf.store_path_broker_identity);
    }
    paths
}

/// The configured place, or the usual one of the system; never below the store.
fn state_dir(config: &Config) -> Result<Option<PathBuf>, Error> {
    let (dir, is_told) = match &config.state_path {
        Some(dir) => (dir.clone(), true),
        None => {
            let base = std::env::var_os("XDG_STATE_HOME")
                .map(PathBuf::from)
                .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/state")));
            let Some(base) = base else {
                tracing::warn!(
                    "no place for the state was found, give --state.path; nothing outlives a restart"
                );
                return Ok(None);
            };
            (base.join("rocketmq-store-exporter"), false)
        }
    };
    if is_at_or_below(&config.store_path, &dir) {
        return Err(Error::StateInStore { state: dir, store: config.store_path.clone() });
    }
    match std::fs::create_dir_all(&dir) {
        Ok(()) => Ok(Some(dir)),
        Err(source) if is_told => Err(system(dir.display().to_string())(source)),
        Err(error) => {
            tracing::warn!(dir = %dir.display(), %error, "no place for the state, give --state.path; nothing outlives a restart");
            Ok(None)
        }
    }
}
