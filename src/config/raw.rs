//! The configuration file as it is typed: one field a key, with its meaning, form and default.
//!
//! Leaves are untyped on purpose: a value of the wrong type is one problem among others, which `validate` reports together with
//! the rest, where a typed mirror would stop at the first.
//!
//! Durations are written `200ms`, `5s`, `2m` or `1h30m`; amounts of bytes as a plain number or with `KiB`, `MiB` or `GiB`.

use serde::{Deserialize, Serialize};
use serde_yaml::Value;

/// The whole file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Raw {
    /// Where the broker keeps its data.
    pub store: Store,
    /// Where the broker writes its logs.
    pub logs: Logs,
    /// Where the exporter keeps its own state.
    pub state: State,
    /// What is known about the broker beforehand.
    pub broker: Broker,
    /// The HTTP server.
    pub web: Web,
    /// The exporter's own log.
    pub log: Log,
    /// How often the store is looked at.
    pub follow: Follow,
    /// What one pass over the store may cost.
    pub budget: Budget,
    /// Forecasts of the next start.
    pub preview: Preview,
    /// Metrics per topic.
    pub topics: Topics,
    /// Metrics per queue.
    pub bad_queues: BadQueues,
    /// Copies kept for the analysis of an incident.
    pub evidence: Evidence,
    /// How bytes of the store are read: `auto` (segments of the log through mappings where the file system allows it, the rest
    /// with `pread`) or `pread`. Default `auto`.
    pub read_mode: Value,
    /// What the process gives up before it looks at the store: `auto` (whatever it does not need, as far as the kernel can) or `off`,
    /// for a store of which parts lie behind links that are made later. Default `auto`.
    pub confine: Value,
}

/// Keys below `store`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Store {
    /// The broker's `storePathRootDir`. The only key without a default. It need not exist yet: a store that is missing, or is none,
    /// is reported as a metric.
    pub path: Value,
}

/// Keys below `logs`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Logs {
    /// Directory that holds `store.log`. Default: the first of `<store>/../logs/rocketmqlogs` and `<store>/../logs` in which a log lies, looked for until there is one.
    pub path: Value,
}

/// Keys below `state`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// Directory for log positions, high-water marks and evidence; must not be the store or lie below it. Default: chosen by the
    /// exporter, outside the store.
    pub path: Value,
}

/// Keys below `broker`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Broker {
    /// The broker's properties file (`broker.conf`). Default: none, so upstream's defaults for the release hold.
    pub conf: Value,
    /// Release of the broker, `X.Y.Z`. Default: detected.
    pub version: Value,
    /// How the commitlog is replicated: `plain`, `dledger` or `controller`. Default: by the properties, else by what lies in the store.
    pub mode: Value,
}

/// Keys below `web`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Web {
    /// Addresses to serve on, `HOST:PORT` each; no host means all interfaces. Default `[":5558"]`.
    pub listen_addresses: Value,
    /// Path of the metrics. Default `/metrics`.
    pub telemetry_path: Value,
    /// Web configuration file in the format of Prometheus' exporter-toolkit: TLS, client certificates, basic authentication,
    /// headers. Default: none, so everybody may ask, over plain HTTP.
    pub config_file: Value,
}

/// Keys below `log`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    /// Least severe level that is written: `error`, `warn`, `info`, `debug` or `trace`. Default `info`.
    pub level: Value,
    /// `logfmt` or `json`; both go to standard error. Default `logfmt`.
    pub format: Value,
}

/// Keys below `follow`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Follow {
    /// Time between two passes over the store while nothing special happens, 100ms to 1h. Default `5s`.
    pub interval: Value,
    /// Time between two passes from the moment a start of the broker is seen until its recovery is over, 10ms to 1m and not above
    /// `follow.interval`. Default `200ms`.
    pub start_interval: Value,
    /// Share of one core that idle passes may cost, above 0 and up to 1; `follow.interval` is stretched to keep it. Default `0.015`.
    pub max_cpu_ratio: Value,
}

/// Keys below `budget`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// Most bytes one pass reads from the store, at least 1MiB; what is left over is marked as incomplete. Default `256MiB`.
    pub bytes_per_pass: Value,
    /// Most time one pass takes, 100ms to 1h; what is left over is marked as incomplete. Default `10s`.
    pub time_per_pass: Value,
}

/// Keys below `preview`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preview {
    /// Time between two forecasts of what would happen if the broker were killed now, 1s to 1h; no forecast is made while the
    /// broker loads. Default `15s`.
    pub interval: Value,
    /// Most bytes one forecast reads from the store, at least 1MiB; one that would need more is inconclusive. Default `64GiB`.
    pub max_bytes: Value,
    /// Most time one forecast takes, 100ms to 1h; one that would need more is inconclusive. One is made at a time: a question over HTTP
    /// waits as long for its turn. Default `1m`.
    pub max_time: Value,
}

/// Keys below `topics`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Topics {
    /// Topics with series of their own, 0 to 1000; the rest is folded into one, and 0 turns them off. Default `50`.
    pub limit: Value,
}

/// Keys below `bad_queues`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BadQueues {
    /// Queues in trouble that get a series of their own, worst first, 0 to 1000. Default `20`.
    pub limit: Value,
}

/// Keys below `evidence`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// Starts of the broker whose evidence is kept, beside the last whose queues had units, 0 to 100; 0 keeps none. Default `3`.
    pub starts: Value,
    /// Most bytes the evidence of one start takes, at least 64KiB. Default `16MiB`.
    pub max_bytes: Value,
}

impl Default for Raw {
    /// Every default of the program, in the form in which a user would type it; null means that the key is not set.
    fn default() -> Self {
        Self {
            store: Store { path: Value::Null },
            logs: Logs { path: Value::Null },
            state: State { path: Value::Null },
            broker: Broker { conf: Value::Null, version: Value::Null, mode: Value::Null },
            web: Web {
                listen_addresses: vec![":5558"].into(),
                telemetry_path: "/metrics".into(),
                config_file: Value::Null,
            },
            log: Log { level: "info".into(), format: "logfmt".into() },
            follow: Follow {
                interval: "5s".into(),
                start_interval: "200ms".into(),
                max_cpu_ratio: 0.015.into(),
            },
            budget: Budget { bytes_per_pass: "256MiB".into(), time_per_pass: "10s".into() },
            preview: Preview { interval: "15s".into(), max_bytes: "64GiB".into(), max_time: "1m".into() },
            topics: Topics { limit: 50.into() },
            bad_queues: BadQueues { limit: 20.into() },
            evidence: Evidence { starts: 3.into(), max_bytes: "16MiB".into() },
            read_mode: "auto".into(),
            confine: "auto".into(),
        }
    }
}
