//! The configuration as its users see it: one file and flags in, values or every problem out.

use std::path::PathBuf;
use std::time::Duration;

use proptest::prelude::*;
use rocketmq_store_exporter::config::{
    BrokerMode, Config, Loaded, LogLevel, Origin, Override, ReadMode, load, variables,
};

fn load_text(yaml: &str, overrides: &[Override]) -> Loaded {
    let dir = tempfile::tempdir().expect("there is room for a file");
    let file = dir.path().join("exporter.yaml");
    std::fs::write(&file, yaml).expect("there is room for a file");
    load(Some(&file), overrides)
}

/// Each problem as `key: value: expectation`.
fn problems(loaded: Loaded) -> Vec<String> {
    let problems = loaded.outcome.expect_err("there should be problems");
    problems.iter().map(|p| format!("{}: {}: {}", p.key, p.value, p.expected)).collect()
}

#[test]
fn the_store_directory_alone_is_enough() {
    let loaded = load(None, &[Override::text("store.path", "--store.path", "/data/store")]);
    let config = loaded.outcome.unwrap();
    assert_eq!(config, Config::for_store(PathBuf::from("/data/store")));
    assert_eq!(config.web.listen_addresses[0].to_string(), ":5558");
    assert_eq!(config.follow.start_interval, Duration::from_millis(200));
    assert_eq!(config.budget.bytes_per_pass, 256 << 20);
    assert_eq!((config.logs_path, config.state_path, config.broker.mode), (None, None, None));
}

#[test]
fn every_key_can_be_given() {
    let yaml = r#"
store: {path: /data/store}
logs: {path: /data/logs}
state: {path: /data/state}
broker: {conf: /etc/broker.conf, version: 5.2.0, mode: dledger}
web: {listen_addresses: ["127.0.0.1:1", "[::1]:2"], telemetry_path: /store/metrics}
log: {level: debug, format: json}
follow: {interval: 1m, start_interval: 50ms, max_cpu_ratio: 1}
budget: {bytes_per_pass: 4194304, time_per_pass: 1m30s}
preview: {interval: 2m, max_bytes: 1GiB, max_time: 5s}
topics: {limit: 0}
bad_queues: {limit: 1}
evidence: {starts: 9, max_bytes: 1GiB}
read_mode: pread
"#;
    let loaded = load_text(yaml, &[]);
    let config = loaded.outcome.unwrap();
    assert_eq!(config.broker.mode, Some(BrokerMode::Dledger));
    assert_eq!(config.broker.version.as_deref(), Some("5.2.0"));
    assert_eq!(config.log.level, LogLevel::Debug);
    assert_eq!(config.web.listen_addresses.len(), 2);
    assert_eq!(config.budget.bytes_per_pass, 4 << 20);
    assert_eq!(config.budget.time_per_pass, Duration::from_secs(90));
    assert_eq!(config.evidence.max_bytes, 1 << 30);
    assert_eq!((config.preview.interval, config.preview.max_bytes), (Duration::from_secs(120), 1 << 30));
    assert_eq!(config.preview.max_time, Duration::from_secs(5));
    assert_eq!((config.topics_limit, config.read_mode), (0, ReadMode::Pread));
}

#[test]
fn a_flag_wins_over_the_file_and_the_file_over_the_default() {
    let yaml = "store: {path: /from/file}\nlog: {level: warn}\n";
    let config =
        load_text(yaml, &[Override::text("store.path", "--store.path", "/from/flag")]).outcome.unwrap();
    assert_eq!(config.store_path, PathBuf::from("/from/flag"));
    assert_eq!(config.log.level, LogLevel::Warn);
    assert_eq!(config.follow.interval, Duration::from_secs(5));
}

#[test]
fn the_effective_configuration_reads_back_to_the_same() {
    let first = load_text("store: {path: /s}\ntopics: {limit: 7}\nbroker: {version: 5.2.0}\n", &[]);
    let second = load_text(&first.effective, &[]);
    assert_eq!(first.effective, second.effective);
    assert_eq!(first.outcome.unwrap(), second.outcome.unwrap());
}

#[test]
fn all_problems_are_told_in_one_go() {
    let yaml = r#"
store: {path: 7}
log: {level: loud, formt: json}
follow: {interval: 5, start_interval: 2h, max_cpu_ratio: 0}
web: {listen_addresses: ":5558", telemetry_path: metrics}
broker: {version: 5.2, mode: raft}
budget: {bytes_per_pass: 4MB, time_per_pass: -1s}
topics: {limit: -1}
bad_queues: {limit: 1001}
evidence: {starts: many, max_bytes: 1}
read_mode: [mmap]
confine: sometimes
budgets: {}
"#;
    let found = problems(load_text(yaml, &[]));
    let expected = [
        "log.formt: \"json\": a known key, perhaps log.format",
        "budgets: {}: a known key, perhaps budget",
        "store.path: 7: a path as text",
        "broker.version: 5.2: a release as three numbers, such as 5.2.0",
        "broker.mode: \"raft\": one of plain, dledger, controller",
        "web.listen_addresses: \":5558\": a list of HOST:PORT or :PORT, at least one, no two alike",
        "web.telemetry_path: \"metrics\": a path such as /metrics: letters, digits, -, _, . and inner slashes, and \
         none of the exporter's other pages",
        "log.level: \"loud\": one of error, warn, info, debug, trace",
        "follow.interval: 5: a duration such as 200ms, 5s or 1h30m, from 100ms to 1h",
        "follow.start_interval: \"2h\": a duration such as 200ms, 5s or 1h30m, from 10ms to 1m",
        "follow.max_cpu_ratio: 0: a number above 0 and up to 1",
        "budget.bytes_per_pass: \"4MB\": an amount of bytes such as 4194304 or 64MiB, at least 1MiB",
        "budget.time_per_pass: \"-1s\": a duration such as 200ms, 5s or 1h30m, from 100ms to 1h",
        "topics.limit: -1: a whole number from 0 to 1000",
        "bad_queues.limit: 1001: a whole number from 0 to 1000",
        "evidence.starts: \"many\": a whole number from 0 to 100",
        "evidence.max_bytes: 1: an amount of bytes such as 4194304 or 64MiB, at least 64KiB",
        "read_mode: [\"mmap\"]: one of auto, pread",
        "confine: \"sometimes\": one of auto, off",
    ];
    assert_eq!(found, expected);
}

#[test]
fn an_unknown_key_names_the_nearest_known_one() {
    let suggestion = |yaml: &str| problems(load_text(&format!("store: {{path: /s}}\n{yaml}"), &[])).remove(0);
    assert_eq!(
        suggestion("follow: {intervall: 5s}"),
        "follow.intervall: \"5s\": a known key, perhaps follow.interval"
    );
    assert_eq!(
        suggestion("web: {listen-addresses: []}"),
        "web.listen-addresses: []: a known key, perhaps web.listen_addresses"
    );
    assert_eq!(suggestion("interval: 5s"), "interval: \"5s\": a known key, perhaps follow.interval");
    assert_eq!(suggestion("log.level: info"), "log.level: \"info\": it nested: `level` below `log`");
    assert_eq!(suggestion("elephants: 2"), "elephants: 2: a known key");
    assert_eq!(suggestion("7: {a: b}"), "7: {\"a\":\"b\"}: a known key");
    assert_eq!(suggestion("log: loud"), "log: \"loud\": a mapping with level, format");
}

#[test]
fn an_empty_section_and_an_empty_value_leave_the_default() {
    let config = load_text("store: {path: /s}\nlog:\nbroker: {conf: }\nread_mode:\n", &[]).outcome.unwrap();
    assert_eq!(config, Config::for_store("/s".into()));
    assert!(load_text("", &[Override::text("store.path", "--store.path", "/s")]).outcome.is_ok());
}

#[test]
fn a_file_that_cannot_be_used_is_the_problem_and_not_the_keys_it_may_have_set() {
    let found = problems(load(Some("/no/such/file.yaml".as_ref()), &[]));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("config.file: /no/such/file.yaml: a readable text file: "), "{found:?}");

    for (yaml, start) in [
        ("a: [", "YAML: "),
        ("- store", "a mapping of keys at its top"),
        ("a: 1\na: 2", "YAML: "),
        ("a: *b", "YAML: "),
    ] {
        let found = load_text(yaml, &[]).outcome.unwrap_err();
        assert_eq!(found.len(), 1, "{yaml}: {found:?}");
        assert!(found[0].expected.starts_with(start), "{yaml}: {found:?}");
    }
}

#[test]
fn a_tag_or_a_key_that_holds_others_is_refused_wherever_it_stands() {
    for yaml in [
        "!a {store: {path: /s}}",
        "store: {path: !a !b /s}",
        "log: {level: [{!a x: 1}]}",
        "!a x: 1",
        "log: {level: [{{a: 1}: 1}]}",
        "[a]: 1",
    ] {
        let told = problems(load_text(yaml, &[Override::text("store.path", "--store.path", "/s")]));
        assert!(told.len() == 1 && told[0].contains("config.file"), "{yaml}: {told:?}");
    }
    for yaml in ["!a [!b c]", "{{a: 1}: 1}", "[[{[a]: 1}]]"] {
        let of_level = |name: &str| name.ends_with("_LOG_LEVEL").then(|| yaml.to_owned());
        let mut given = variables(of_level);
        given.push(Override::text("store.path", "--store.path", "/s"));
        let told = problems(load_text("", &given));
        assert!(told.len() == 1 && told[0].contains("log.level"), "{yaml}: {told:?}");
    }
}

#[test]
fn a_flag_is_checked_even_if_the_file_cannot_be_read() {
    let overrides = [Override::text("log.level", "--log.level", "loud")];
    let found = load(Some("/no/such/file.yaml".as_ref()), &overrides).outcome.unwrap_err();
    assert_eq!(found.len(), 2);
    assert_eq!(found[1].origin, Origin::Flag("--log.level"));
}

#[test]
fn state_in_the_store_is_refused() {
    for state in ["/s", "/s/", "/s/state", "/x/../s/state"] {
        let found = problems(load_text(&format!("store: {{path: /s}}\nstate: {{path: {state}}}"), &[]));
        assert_eq!(found, [format!("state.path: \"{state}\": a directory outside the store /s")]);
    }
    assert!(load_text("store: {path: /s}\nstate: {path: /s-state}", &[]).outcome.is_ok());
}

#[test]
fn starts_are_not_followed_more_slowly_than_idle_times() {
    let found = problems(load_text("store: {path: /s}\nfollow: {interval: 100ms}", &[]));
    assert_eq!(found, ["follow.start_interval: \"200ms\": at most follow.interval, which is 100ms"]);
}

#[test]
fn addresses_and_the_metrics_path_keep_out_of_each_others_way() {
    let loads = |web: &str| load_text(&format!("store: {{path: /s}}\nweb: {web}"), &[]).outcome.is_ok();
    assert!(loads("{listen_addresses: [':0', ':0']}"));
    assert!(!loads("{listen_addresses: [':1', ':1']}"));
    assert!(!loads("{listen_addresses: []}"));
    for path in ["/", "/-/healthy", "/api/v1/store", "/preview", "/a//b", "/a/", "/a b", "/..", "/{x}", ""] {
        assert!(!loads(&format!("{{telemetry_path: '{path}'}}")), "{path}");
    }
    assert!(loads("{telemetry_path: /apis}"));
}

#[test]
fn a_long_value_is_cut() {
    let yaml = format!("store: {{path: /s}}\nread_mode: {}", "é".repeat(5000));
    assert!(load_text(&yaml, &[]).outcome.unwrap_err()[0].value.chars().count() < 100);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_file_makes_the_reader_panic(yaml in "(store|web|log|path|level|[:{}\\[\\],\"'!&*<|> \n-]|[a-z0-9]){0,40}") {
        let _ = load_text(&yaml, &[]);
    }
}
