//! The command line: what can be typed, and what each command does with it.
//!
//! Texts are taken as typed and checked together with the configuration file, so that all problems of a call are told at once.
//! Exit codes: 0 ran, 1 ran and `--fail-on` was met, 2 wrong usage or configuration, 3 could not run, 4 ran with `--fail-on` and
//! could not tell.

mod inspect;
mod one_line;
mod preview;
mod progress;

pub use one_line::OneLine;
use std::io::Write;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::config::{self, Config, ListenAddress, Loaded, LogOptions, Override, Problem};
use crate::preview::text_table::printable;

/// Exit code of a command that did what it was asked to.
pub const EXIT_RAN: u8 = 0;
/// Exit code for wrong usage or configuration.
pub const EXIT_WRONG_USAGE: u8 = 2;
/// Exit code of a command that could not do what it was asked to.
pub const EXIT_COULD_NOT_RUN: u8 = 3;

/// Watches the store of an Apache RocketMQ broker from outside and serves what it sees to Prometheus.
///
/// It reads the broker's store directory and logs; it never writes below the store and never takes the broker's lock.
/// Without a command it does what `serve` does.
#[derive(Debug, Parser)]
#[command(
    name = "rocketmq-store-exporter",
    version,
    propagate_version = true,
    args_conflicts_with_subcommands = true
)]
pub struct Cli {
    /// Flags of `serve` when no command is given.
    #[command(flatten)]
    pub serve: ServeFlags,
    /// The command.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What can be asked for.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Be the sidecar: watch the store and the logs, serve metrics
    Serve(ServeFlags),
    /// Say what the broker's next start would do to this store, before anybody starts it
    Preview(preview::PreviewFlags),
    /// The same store under several releases, kinds of shutdown or remedies, side by side
    Compare(preview::CompareFlags),
    /// Look at a store once, and tell what is there
    Inspect(inspect::InspectFlags),
    /// Read the configuration, print the effective one as YAML, and list every problem
    CheckConfig(ServeFlags),
    /// Show a recorded incident without any broker: replay it in a temporary directory and serve what is seen
    Demo(DemoFlags),
}

/// Flags of `serve` and `check-config`; each wins over its key in the configuration file.
#[derive(Debug, Args)]
pub struct ServeFlags {
    /// Configuration file (YAML)
    #[arg(long = "config.file", value_name = "FILE", env = "ROCKETMQ_STORE_EXPORTER_CONFIG_FILE")]
    pub config_file: Option<PathBuf>,
    /// The broker's storePathRootDir; enough to run
    #[arg(long = "store.path", value_name = "DIR", env = "ROCKETMQ_STORE_EXPORTER_STORE_PATH")]
    pub store_path: Option<String>,
    /// Directory that holds store.log [default: searched beside the store]
    #[arg(long = "logs.path", value_name = "DIR", env = "ROCKETMQ_STORE_EXPORTER_LOGS_PATH")]
    pub logs_path: Option<String>,
    /// Directory for the exporter's own state, outside the store [default: chosen]
    #[arg(long = "state.path", value_name = "DIR", env = "ROCKETMQ_STORE_EXPORTER_STATE_PATH")]
    pub state_path: Option<String>,
    /// The broker's properties file
    #[arg(long = "broker.conf", value_name = "FILE", env = "ROCKETMQ_STORE_EXPORTER_BROKER_CONF")]
    pub broker_conf: Option<String>,
    /// Release of the broker [default: detected]
    #[arg(long = "broker.version", value_name = "X.Y.Z", env = "ROCKETMQ_STORE_EXPORTER_BROKER_VERSION")]
    pub broker_version: Option<String>,
    /// plain, dledger or controller [default: detected]
    #[arg(long = "mode", value_name = "MODE", env = "ROCKETMQ_STORE_EXPORTER_MODE")]
    pub mode: Option<String>,
    /// Address to serve on, repeatable; no host means all interfaces [default: :5558]
    #[arg(
        long = "web.listen-address",
        value_name = "HOST:PORT",
        value_delimiter = ',',
        env = "ROCKETMQ_STORE_EXPORTER_WEB_LISTEN_ADDRESS"
    )]
    pub listen_addresses: Option<Vec<String>>,
    /// Path of the metrics [default: /metrics]
    #[arg(
        long = "web.telemetry-path",
        value_name = "PATH",
        env = "ROCKETMQ_STORE_EXPORTER_WEB_TELEMETRY_PATH"
    )]
    pub telemetry_path: Option<String>,
    /// Web configuration file: TLS, client certificates, basic authentication (format of Prometheus' exporter-toolkit)
    #[arg(long = "web.config.file", value_name = "FILE", env = "ROCKETMQ_STORE_EXPORTER_WEB_CONFIG_FILE")]
    pub web_config_file: Option<String>,
    /// Flags of the exporter's own log.
    #[command(flatten)]
    pub log: LogFlags,
}

/// Flags of `demo`.
#[derive(Debug, Args)]
pub struct DemoFlags {
    /// Address to serve on, repeatable
    #[arg(
        long = "web.listen-address",
        value_name = "HOST:PORT",
        value_delimiter = ',',
        env = "ROCKETMQ_STORE_EXPORTER_WEB_LISTEN_ADDRESS",
        default_value = "127.0.0.1:5558"
    )]
    pub listen_addresses: Vec<String>,
    /// Flags of the exporter's own log.
    #[command(flatten)]
    pub log: LogFlags,
}

/// Flags of the exporter's own log.
#[derive(Debug, Args)]
pub struct LogFlags {
    /// error, warn, info, debug or trace [default: info; for demo: warn]
    #[arg(long = "log.level", value_name = "LEVEL", env = "ROCKETMQ_STORE_EXPORTER_LOG_LEVEL")]
    pub level: Option<String>,
    /// logfmt or json [default: logfmt]
    #[arg(long = "log.format", value_name = "FORMAT", env = "ROCKETMQ_STORE_EXPORTER_LOG_FORMAT")]
    pub format: Option<String>,
}

/// What is left to do once arguments and configuration are read.
#[derive(Debug)]
pub enum Task {
    /// Watch this store.
    Serve(Box<Config>),
    /// Say what is amiss with what a configuration that is right names.
    Check(Box<Config>),
    /// Replay the recorded incident.
    Demo {
        /// Addresses to serve on.
        listen_addresses: Vec<ListenAddress>,
        /// The exporter's own log.
        log: LogOptions,
    },
    /// Nothing: everything is said, this is the exit code.
    Exit(u8),
}

impl Cli {
    /// Reads the configuration, and does what needs no more than that.
    #[must_use]
    pub fn into_task(self) -> Task {
        match self.command.unwrap_or(Command::Serve(self.serve)) {
            Command::Serve(flags) => match flags.load().outcome {
                Ok(config) => Task::Serve(Box::new(config)),
                Err(problems) => Task::Exit(refuse(&problems)),
            },
            Command::CheckConfig(flags) => {
                let loaded = flags.load();
                if std::io::stdout().write_all(loaded.effective.as_bytes()).is_err() {
                    return Task::Exit(EXIT_COULD_NOT_RUN);
                }
                match loaded.outcome {
                    Ok(config) => Task::Check(Box::new(config)),
                    Err(problems) => Task::Exit(refuse(&problems)),
                }
            }
            Command::Preview(flags) => Task::Exit(flags.run()),
            Command::Compare(flags) => Task::Exit(flags.run()),
            Command::Inspect(flags) => Task::Exit(flags.run()),
            Command::Demo(flags) => match flags.load().outcome {
                Ok(config) => Task::Demo { listen_addresses: config.web.listen_addresses, log: config.log },
                Err(problems) => Task::Exit(refuse(&problems)),
            },
        }
    }
}

impl ServeFlags {
    fn load(&self) -> Loaded {
        let texts = [
            ("store.path", "--store.path", &self.store_path),
            ("logs.path", "--logs.path", &self.logs_path),
            ("state.path", "--state.path", &self.state_path),
            ("broker.conf", "--broker.conf", &self.broker_conf),
            ("broker.version", "--broker.version", &self.broker_version),
            ("broker.mode", "--mode", &self.mode),
            ("web.telemetry_path", "--web.telemetry-path", &self.telemetry_path),
            ("web.config_file", "--web.config.file", &self.web_config_file),
        ];
        // A flag and its variable come behind, so they win.
        let mut overrides = config::variables(|name| std::env::var(name).ok());
        overrides.extend(given(&texts));
        overrides.extend(self.listen_addresses.as_deref().map(listen_override));
        overrides.extend(self.log.overrides());
        config::load(self.config_file.as_deref(), &overrides)
    }
}

impl DemoFlags {
    fn load(&self) -> Loaded {
        // The demo makes a store of its own, so any path will do; and its log is quieter, because it tells its story in the terminal.
        let mut overrides =
            vec![Override::text("store.path", "demo", "/"), Override::text("log.level", "demo", "warn")];
        overrides.push(listen_override(&self.listen_addresses));
        overrides.extend(self.log.overrides());
        config::load(None, &overrides)
    }
}

impl LogFlags {
    fn overrides(&self) -> Vec<Override> {
        given(&[("log.level", "--log.level", &self.level), ("log.format", "--log.format", &self.format)])
    }
}

fn listen_override(addresses: &[String]) -> Override {
    Override::list("web.listen_addresses", "--web.listen-address", addresses)
}

fn given(texts: &[(&'static str, &'static str, &Option<String>)]) -> Vec<Override> {
    let text_of = |(key, flag, text): &(&'static str, &'static str, &Option<String>)| {
        text.as_deref().map(|text| Override::text(key, flag, text))
    };
    texts.iter().filter_map(text_of).collect()
}

#[expect(clippy::print_stderr, reason = "problems of a call are told where its caller looks")]
fn refuse(problems: &[Problem]) -> u8 {
    for problem in problems {
        eprintln!("{}", printable(&problem.to_string()));
    }
    EXIT_WRONG_USAGE
}
