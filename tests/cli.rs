//! The built program as its users call it: what it prints, and its exit codes.

use std::process::{Command, Output};

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rocketmq-store-exporter"));
    command.env_clear();
    command
}

fn run(args: &[&str]) -> Output {
    program().args(args).output().expect("the program starts")
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("it prints text")
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("it prints text")
}

#[test]
fn version_names_program_and_release() {
    let output = run(&["--version"]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(stdout(&output), format!("rocketmq-store-exporter {}\n", env!("CARGO_PKG_VERSION")));
    for command in ["serve", "preview", "compare", "inspect", "check-config", "demo"] {
        let output = run(&[command, "--version"]);
        let expected = format!("rocketmq-store-exporter-{command} {}\n", env!("CARGO_PKG_VERSION"));
        assert_eq!((output.status.code(), stdout(&output)), (Some(0), expected));
    }
}

#[test]
fn help_names_every_command_and_flag_with_its_variable() {
    let output = run(&["--help"]);
    assert_eq!(output.status.code(), Some(0));
    let help = stdout(&output);
    for word in ["serve", "check-config", "demo", "--store.path", "--version"] {
        assert!(help.contains(word), "{word} is missing in:\n{help}");
    }
    let help = stdout(&run(&["serve", "--help"]));
    for flag in [
        "config.file",
        "store.path",
        "logs.path",
        "state.path",
        "broker.conf",
        "broker.version",
        "mode",
        "web.listen-address",
        "web.telemetry-path",
        "log.level",
        "log.format",
    ] {
        let variable = format!("ROCKETMQ_STORE_EXPORTER_{}", flag.replace(['.', '-'], "_").to_uppercase());
        assert!(help.contains(&format!("--{flag} ")), "--{flag} is missing in:\n{help}");
        assert!(help.contains(&variable), "{variable} is missing in:\n{help}");
    }
}

#[test]
fn check_config_prints_the_effective_configuration() {
    let output = run(&["check-config", "--store.path", "/data/store", "--web.listen-address", ":1,:2"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(stderr(&output), "");
    let expected = "\
store:
  path: /data/store
logs:
  path: null
state:
  path: null
broker:
  conf: null
  version: null
  mode: null
web:
  listen_addresses:
  - :1
  - :2
  telemetry_path: /metrics
  config_file: null
log:
  level: info
  format: logfmt
follow:
  interval: 5s
  start_interval: 200ms
  max_cpu_ratio: 0.015
budget:
  bytes_per_pass: 256MiB
  time_per_pass: 10s
preview:
  interval: 15s
  max_bytes: 64GiB
  max_time: 1m
topics:
  limit: 50
bad_queues:
  limit: 20
evidence:
  starts: 3
  max_bytes: 16MiB
read_mode: auto
confine: auto
";
    assert_eq!(stdout(&output), expected);
}

#[test]
fn check_config_looks_at_what_the_configuration_names() {
    let dir = tempfile::tempdir().unwrap();
    let [absent, odd] = ["absent", "odd"].map(|name| dir.path().join(name).to_str().unwrap().to_owned());
    std::fs::write(&odd, "flushDiskType=SOMETIMES\nbrokerNmae=a\n").unwrap();
    for (path, told) in [(&absent, &["cannot be read"][..]), (&odd, &["flushDiskType", "brokerNmae"])] {
        let output = run(&["check-config", "--store.path", "/s", "--broker.conf", path]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        for told in told.iter().copied().chain([path.as_str()]) {
            assert!(stderr(&output).contains(told), "{told}: {}", stderr(&output));
        }
    }
}

#[test]
fn check_config_tells_each_problem_on_its_own_line() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("exporter.yaml");
    std::fs::write(&file, "stroe: {path: /data}\nfollow: {interval: 5 parsecs}\n").unwrap();
    let file = file.to_str().unwrap();
    let output = run(&["check-config", "--config.file", file, "--mode", "raft"]);
    assert_eq!(output.status.code(), Some(2));
    let expected = format!(
        "stroe: got {{\"path\":\"/data\"}} (from {file}), expected a known key, perhaps store\n\
         store.path: got nothing (from default), expected the broker's storePathRootDir, as with --store.path DIR\n\
         broker.mode: got \"raft\" (from --mode or ROCKETMQ_STORE_EXPORTER_MODE), expected one of plain, dledger, \
         controller\n\
         follow.interval: got \"5 parsecs\" (from {file}), expected a duration such as 200ms, 5s or 1h30m, from \
         100ms to 1h\n"
    );
    assert_eq!(stderr(&output), expected);
    assert!(stdout(&output).contains("interval: 5 parsecs"), "what was given is shown as given");
}

#[test]
fn a_flag_wins_over_its_variable_and_that_over_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("exporter.yaml");
    std::fs::write(&file, "store: {path: /file}\nlog: {level: error}\nbroker: {version: 4.9.8}\n").unwrap();
    let output = program()
        .env("ROCKETMQ_STORE_EXPORTER_CONFIG_FILE", &file)
        .env("ROCKETMQ_STORE_EXPORTER_STORE_PATH", "/variable")
        .env("ROCKETMQ_STORE_EXPORTER_LOG_LEVEL", "debug")
        .env("ROCKETMQ_STORE_EXPORTER_PORT", "tcp://10.0.0.1:5558")
        .args(["check-config", "--store.path", "/flag"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let effective = stdout(&output);
    for line in ["  path: /flag\n", "  level: debug\n", "  version: 4.9.8\n"] {
        assert!(effective.contains(line), "{line} is missing in:\n{effective}");
    }
}

#[test]
fn variables_of_keys_without_a_flag_were_ignored() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("exporter.yaml");
    std::fs::write(&file, "store: {path: /s}\nfollow: {interval: 9s}\n").unwrap();
    let check = |name: &str, value: &str| {
        let mut program = program();
        program.args(["check-config", "--config.file", file.to_str().unwrap()]);
        program.env(format!("ROCKETMQ_STORE_EXPORTER_{name}"), value).output().unwrap()
    };
    for (name, value, line) in [
        ("FOLLOW_INTERVAL", "7s", "  interval: 7s\n"),
        ("FOLLOW_START_INTERVAL", "50ms", "  start_interval: 50ms\n"),
        ("FOLLOW_MAX_CPU_RATIO", "0.5", "  max_cpu_ratio: 0.5\n"),
        ("BUDGET_BYTES_PER_PASS", "8MiB", "  bytes_per_pass: 8MiB\n"),
        ("TOPICS_LIMIT", "7", "  limit: 7\n"),
        ("CONFINE", "off", "\nconfine: off\n"),
        ("FOLLOW_INTERVAL", "", "  interval: 9s\n"),
    ] {
        let output = check(name, value);
        assert_eq!(output.status.code(), Some(0), "{name}: {}", stderr(&output));
        let effective = stdout(&output);
        assert!(effective.contains(line), "{line} is missing in:\n{effective}");
    }
    let wrong = check("FOLLOW_INTERVAL", "5 parsecs");
    assert_eq!(wrong.status.code(), Some(2));
    let told = "follow.interval: got \"5 parsecs\" (from ROCKETMQ_STORE_EXPORTER_FOLLOW_INTERVAL), expected a duration";
    assert!(stderr(&wrong).starts_with(told), "{}", stderr(&wrong));
}

#[test]
fn wrong_usage_ends_with_2() {
    for args in [
        &["--no-such-flag"][..],
        &["no-such-command"],
        &["serve"],
        &[],
        &["--log.level", "loud", "--store.path", "/s"],
        &["demo", "--web.listen-address", "nowhere"],
        &["demo", "--store.path", "/s"],
        &["--store.path", "/s", "check-config"],
    ] {
        let output = run(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert_ne!(stderr(&output), "", "{args:?}");
    }
}

#[test]
fn a_reader_that_goes_away_is_no_panic() {
    let output = Command::new("sh")
        .args([
            "-c",
            "\"$0\" check-config --store.path /s | true",
            env!("CARGO_BIN_EXE_rocketmq-store-exporter"),
        ])
        .output()
        .unwrap();
    assert_eq!(stderr(&output), "");
}

#[test]
fn a_demo_that_cannot_serve_says_so_and_leaves_nothing_behind() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let dir = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_rocketmq-store-exporter"))
        .args(["demo", "--web.listen-address", &address])
        .env("TMPDIR", dir.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert!(String::from_utf8(output.stderr).unwrap().contains(&address));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}
