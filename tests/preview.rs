//! `preview` and `compare` as their users call them: exit codes, the shape of the JSON, the text.

#![allow(clippy::unwrap_used, reason = "a test says by failing what was not there")]

#[path = "support/recovery_case.rs"]
mod recovery_case;

use std::path::Path;
use std::process::{Command, Output};

use recovery_case::Case;
use rocketmq_store_exporter::broker::release::KNOWN;
use rocketmq_store_exporter::demo::{Capture, Stage, StoreFiles, TimeShift};
use rocketmq_store_exporter::recovery::Verdict;
use serde_json::Value;

/// A broker of 5.2.0 in DLedger mode, killed, with 7 segments and 278 units.
struct Killed {
    case: Case,
    conf: tempfile::NamedTempFile,
}

impl Killed {
    fn new() -> Self {
        let case = Case::named("5.2.0-dledger-f0");
        let conf = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(conf.path(), case.conf_text()).unwrap();
        Self { case, conf }
    }

    fn run(&self, args: &[&str]) -> Output {
        let (command, rest) = args.split_first().unwrap();
        Command::new(env!("CARGO_BIN_EXE_rocketmq-store-exporter"))
            .env_clear()
            .env("COLUMNS", "80")
            .arg(command)
            .current_dir(self.case.root())
            .args(["--store.path", "."])
            .args(["--broker.conf".as_ref(), self.conf.path().as_os_str()])
            .args(rest)
            .output()
            .unwrap()
    }

    fn json(&self, args: &[&str]) -> Value {
        let output = self.run(args);
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

fn names(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn the_json_has_all_that_is_promised() {
    let killed = Killed::new();
    let found = killed.json(&["preview", "--broker.version", "5.2.0", "--format", "json", "--digest"]);
    for (at, promised) in [
        (
            "",
            "schema_version verdict complete consistent store assumed start commitlog ledger truncation reput_from \
             queues totals files index log findings remedies estimate not_modelled",
        ),
        ("/store", "root mode broker_state"),
        ("/assumed", "version version_source shutdown shutdown_source overrides without"),
        ("/start", "outcome exit_code reason path"),
        (
            "/commitlog",
            "min_offset max_offset scan_from scan_end truncate_to messages_scanned segments_unlinked bytes_dropped \
             messages_dropped",
        ),
        ("/ledger", "begin_index end_index committed_index committed_offset"),
        ("/truncation", "fires consumequeue_max_physical_offset process_offset"),
        ("/queues/0", "topic queue before after_load units_removed units_added units_lost next_offset"),
        ("/queues/0/before", "min_offset max_offset max_physical_offset files"),
        ("/queues/0/after_load", "min_offset max_offset max_physical_offset files units_sha1"),
        (
            "/totals",
            "queues queues_changed queues_emptied units_removed units_added units_lost messages_dropped files_unlinked",
        ),
        ("/files", "unlinked created"),
        ("/index", "unlinked"),
        ("/log/0", "level text count"),
        ("/findings/0", "id severity summary evidence upstream releases"),
        ("/remedies/0", "id title steps verdict units_lost"),
        ("/estimate", "duration_seconds basis bytes_to_read files_to_open"),
    ] {
        let object = found.pointer(at).unwrap_or_else(|| panic!("{at}"));
        let there = names(object);
        for name in promised.split_whitespace() {
            assert!(there.contains(&name), "{at}/{name} is missing in {there:?}");
        }
    }
    assert_eq!(found["schema_version"], 1);
    assert_eq!(found["verdict"], "index_loss");
    assert_eq!(found["totals"]["units_lost"], 109);
    assert_eq!(found["findings"][0]["id"], "CQ_WIPE_DUP_INFO");
    assert_eq!(found["findings"][0]["upstream"], "apache/rocketmq#8032");
    assert_eq!(found["remedies"][0]["id"], "remove_abort");
    assert_eq!(found["remedies"][0]["units_lost"], 0);
    assert_eq!(found["assumed"]["shutdown_source"], "abort_file");
}

#[test]
fn only_changed_queues_are_listed_unless_all_are_asked_for() {
    let killed = Killed::new();
    let changed = killed.json(&["preview", "--broker.version", "5.2.0", "--format", "json"]);
    let all = killed.json(&["preview", "--broker.version", "5.2.0", "--format", "json", "--queues", "all"]);
    let total = all["totals"]["queues"].as_u64().unwrap();
    assert_eq!(u64::try_from(all["queues"].as_array().unwrap().len()).unwrap(), total);
    let listed = changed["queues"].as_array().unwrap();
    assert!(!listed.is_empty() && u64::try_from(listed.len()).unwrap() < total);
    let is_sorted = |queues: &[Value]| {
        queues
            .is_sorted_by_key(|queue| (queue["topic"].as_str().unwrap().to_owned(), queue["queue"].as_i64()))
    };
    assert!(is_sorted(all["queues"].as_array().unwrap()));
}

#[test]
fn exit_codes_tell_what_was_asked_for() {
    let killed = Killed::new();
    let code = |args: &[&str]| killed.run(args).status.code().unwrap();
    let version = ["--broker.version", "5.2.0"];
    let with = |more: &[&'static str]| [&["preview"], &version[..], more].concat();
    assert_eq!(code(&with(&[])), 0);
    assert_eq!(code(&with(&["--fail-on", "message_loss"])), 0, "index_loss is not as bad");
    assert_eq!(code(&with(&["--fail-on", "index_loss"])), 1);
    assert_eq!(code(&with(&["--fail-on", "trimmed"])), 1);
    assert_eq!(code(&with(&["--shutdown", "clean", "--fail-on", "trimmed"])), 0);
    assert_eq!(code(&with(&["--fail-on", "loss"])), 2);
    assert_eq!(code(&with(&["--unknown"])), 2);
    assert_eq!(code(&["preview"]), 0, "a release that is not known is an answer");
    assert_eq!(code(&["preview", "--fail-on", "index_loss"]), 4);
    assert_eq!(code(&["compare", "--versions", "5.1.4,5.2.0", "--fail-on", "index_loss"]), 1);
    assert_eq!(code(&["compare", "--versions", "5.1.4", "--fail-on", "index_loss"]), 0);
}

#[test]
fn why_it_failed_is_said_last() {
    let killed = Killed::new();
    let told = |args: &[&str]| String::from_utf8(killed.run(args).stdout).unwrap();
    let preview = ["preview", "--broker.version", "5.2.0", "--fail-on"];
    let text = told(&[&preview[..], &["trimmed"]].concat());
    let (_, last) = text.rsplit_once("\n\n").unwrap();
    assert!(
        last.starts_with("Failed      --fail-on trimmed: index_loss: the next start of 5.2.0 "),
        "{text}"
    );
    assert!(!told(&[&preview[..], &["message_loss"]].concat()).contains("Failed"));
    let json = told(&[&preview[..], &["trimmed", "--format", "json"]].concat());
    serde_json::from_str::<Value>(&json).unwrap();
}

#[test]
fn a_store_that_is_not_there_could_not_be_asked() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("nowhere");
    let output = Command::new(env!("CARGO_BIN_EXE_rocketmq-store-exporter"))
        .env_clear()
        .args(["preview", "--broker.version", "5.2.0", "--store.path"])
        .arg(&path)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(3));
    let told = String::from_utf8(output.stderr).unwrap();
    let path = path.display();
    assert_eq!(told, format!("{path}: expected the broker's storePathRootDir, found: missing\n"));
}

#[test]
fn where_a_broker_never_started_nothing_can_be_lost_if_that_is_allowed() {
    let code = |path: &Path| {
        let args = [
            "preview",
            "--allow-empty",
            "--broker.version",
            "5.2.0",
            "--fail-on",
            "index_loss",
            "--store.path",
        ];
        let mut command = Command::new(env!("CARGO_BIN_EXE_rocketmq-store-exporter"));
        command.env_clear().args(args).arg(path).output().unwrap().status.code()
    };
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(code(dir.path()), Some(0), "empty");
    assert_eq!(code(&dir.path().join("missing")), Some(0));
    std::fs::write(dir.path().join("notes"), "").unwrap();
    assert_eq!(code(dir.path()), Some(3), "another directory is no store that is empty");
}

#[test]
fn every_problem_of_a_call_is_told() {
    let killed = Killed::new();
    let output = killed.run(&[
        "preview",
        "--broker.version",
        "latest",
        "--shutdown",
        "dirty",
        "--without",
        "log",
        "--format",
        "yaml",
        "--queues",
        "some",
        "--budget.bytes",
        "much",
        "--budget.time",
        "long",
        "--fail-on",
        "loss",
        "--mode",
        "raft",
    ]);
    assert_eq!(output.status.code(), Some(2));
    let told = String::from_utf8(output.stderr).unwrap();
    for name in [
        "version",
        "shutdown",
        "without",
        "format",
        "queues",
        "budget.bytes",
        "budget.time",
        "fail-on",
        "mode",
    ] {
        assert!(told.lines().any(|line| line.starts_with(&format!("{name}: found "))), "{name} in {told}");
    }
    let output = killed.run(&["preview", "--set", "recheckReputOffsetFromCQ=true", "--set", "brokerId=x"]);
    assert_eq!(output.status.code(), Some(2));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("recheckReputOffsetFromCQ=true") && told.contains("brokerId=x"), "{told}");
    for command in ["preview", "compare", "inspect"] {
        let output = Command::new(env!("CARGO_BIN_EXE_rocketmq-store-exporter"))
            .env_clear()
            .args([command, "--format", "yaml"])
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2));
        let told = String::from_utf8(output.stderr).unwrap();
        for name in ["store.path", "format"] {
            assert!(
                told.lines().any(|line| line.starts_with(&format!("{name}: found "))),
                "{name} in {told}"
            );
        }
    }
}

#[test]
fn what_is_set_and_what_is_taken_for_missing_changes_the_answer() {
    let killed = Killed::new();
    let ask = |more: &[&str]| {
        let args = [&["preview", "--broker.version", "5.2.0", "--format", "json"], more].concat();
        let found = killed.json(&args);
        (found["verdict"].as_str().unwrap().to_owned(), found["assumed"].clone())
    };
    let (verdict, assumed) = ask(&["--set", "recheckReputOffsetFromCq=true"]);
    assert_eq!(verdict, "reindexed");
    assert_eq!(assumed["overrides"]["recheckReputOffsetFromCq"], "true");
    let (verdict, assumed) = ask(&["--set", "namesrvAddr=localhost:9876"]);
    assert_eq!(
        (verdict.as_str(), &assumed["overrides"]["namesrvAddr"]),
        ("index_loss", &"localhost:9876".into())
    );
    let (verdict, assumed) = ask(&["--without", "dledger-checkpoint", "--without", "index"]);
    assert_eq!(verdict, "reindexed");
    assert_eq!(assumed["without"], serde_json::json!(["dledger-checkpoint", "index"]));
    assert_eq!(ask(&["--without", "abort"]).0, "unchanged");
    let (verdict, assumed) = ask(&["--shutdown", "clean"]);
    assert_eq!(verdict, "unchanged");
    assert_eq!((&assumed["shutdown"], &assumed["shutdown_source"]), (&"clean".into(), &"flag".into()));
}

#[test]
fn each_cell_of_a_comparison_is_a_preview_of_its_own() {
    let killed = Killed::new();
    let set = ["--set", "enableAcceleratedRecovery=true"];
    let table = killed.json(
        &[&["compare", "--broker.version", "4.9.4", "--format", "json", "--digest"], &set[..]].concat(),
    );
    let rows = table["rows"].as_array().unwrap();
    assert_eq!(rows.len(), KNOWN.len());
    for row in rows {
        let version = row["version"].as_str().unwrap();
        for (column, shutdown) in
            [("as_it_stands", None), ("clean_stop", Some("clean")), ("unclean_stop", Some("unclean"))]
        {
            let mut args = vec!["preview", "--broker.version", version, "--format", "json", "--digest"];
            args.extend(set);
            args.extend(shutdown.iter().flat_map(|shutdown| ["--shutdown", shutdown]));
            let alone = killed.json(&args);
            let cell = row["cells"].as_array().unwrap().iter().find(|cell| cell["column"] == column).unwrap();
            assert_eq!(cell["verdict"], alone["verdict"], "{version} {column}");
            assert_eq!(cell["units_removed"], alone["totals"]["units_removed"], "{version} {column}");
            assert_eq!(cell["queues"], alone["queues"], "{version} {column}");
        }
    }
    // Which is no matter of the release that the store is asked about.
    let verdicts: Vec<_> =
        rows.last().unwrap()["cells"].as_array().unwrap().iter().map(|cell| &cell["verdict"]).collect();
    assert_eq!(verdicts, ["inconclusive", "unchanged", "inconclusive"]);
}

#[test]
fn a_budget_that_is_used_up_is_told_and_guesses_nothing() {
    let killed = Killed::new();
    let found =
        killed.json(&["preview", "--broker.version", "5.2.0", "--format", "json", "--budget.bytes", "1000"]);
    assert_eq!(found["verdict"], "inconclusive");
    assert_eq!(found["complete"], false);
    assert_eq!(found["findings"][0]["id"], "BUDGET_USED_UP");
}

#[test]
fn a_store_can_be_looked_at_once() {
    let killed = Killed::new();
    let found = killed.json(&["inspect", "--format", "json"]);
    assert_eq!(found["store"]["log_kind"], "dledger");
    assert_eq!(found["store"]["commitlog"]["max_offset"], 103_831);
    let units: i64 = found["queues"]
        .as_array()
        .unwrap()
        .iter()
        .map(|queue| queue["max_offset"].as_i64().unwrap() - queue["min_offset"].as_i64().unwrap())
        .sum();
    assert_eq!(units, 278);
    std::fs::write(killed.case.root().join("dledger-n0/data/notes"), "none").unwrap();
    let text = String::from_utf8(killed.run(&["inspect"]).stdout).unwrap();
    for line in [
        "Log           0 to 103831, 7 files, 0 gaps",
        "Invalid file  dledger-n0/data/notes (foreign_name, 4 bytes)",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    assert_eq!(killed.run(&["inspect", "--format", "xml", "--mode", "raft"]).status.code(), Some(2));
    let nowhere = Command::new(env!("CARGO_BIN_EXE_rocketmq-store-exporter"))
        .args(["inspect", "--store.path", "/nonexistent"])
        .output()
        .unwrap();
    assert_eq!(nowhere.status.code(), Some(3));
}

#[test]
fn queues_that_become_empty_are_told_of_only_where_there_are_some() {
    let killed = Killed::new();
    let verdict = |args: &[&str]| {
        let output = killed.run(&[&["preview", "--broker.version", "5.2.0"], args].concat());
        String::from_utf8(output.stdout).unwrap().split("\n\n").next().unwrap_or_default().replace('\n', " ")
    };
    let some_left = verdict(&[]);
    assert!(some_left.ends_with("without a unit, and nothing puts them again"), "{some_left}");
    let none_left = verdict(&["--without", "checkpoint"]);
    assert!(none_left.ends_with("nothing puts them again (19 queues become empty)"), "{none_left}");
}

#[test]
fn messages_without_a_unit_are_told_of_beside_cut_ones_only_where_there_are_some() {
    let verdict = |name: &str, version: &str| {
        let case = Case::named(name);
        let conf = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(conf.path(), case.conf_text()).unwrap();
        let output = Killed { case, conf }.run(&["preview", "--broker.version", version]);
        String::from_utf8(output.stdout).unwrap().split("\n\n").next().unwrap_or_default().replace('\n', " ")
    };
    let none = verdict("5.1.4-plain-r2", "5.1.4");
    assert!(none.ends_with("cuts 236 messages out of the log"), "{none}");
    let some = verdict("5.2.0-start-plain-x0", "5.2.0");
    assert!(
        some.contains("cuts 94 messages out of the log, and leaves ") && some.ends_with("without a unit"),
        "{some}"
    );
}

#[test]
fn a_torn_end_of_the_log_is_trimmed() {
    let case = Case::named("5.2.0-plain-f0");
    assert_eq!(case.forecast().verdict, Verdict::Unchanged);
    let end = case.tear_end();
    let torn = case.forecast();
    assert_eq!((torn.verdict, torn.commitlog.scan_end), (Verdict::Trimmed, end));
    assert_eq!((torn.totals.units_removed, torn.commitlog.messages_dropped), (0, 0));
}

#[test]
fn the_text_fits_a_terminal_and_ends_with_the_next_step() {
    let killed = Killed::new();
    for (name, args) in [
        ("preview-killed", &["preview", "--broker.version", "5.2.0"][..]),
        ("preview-clean", &["preview", "--broker.version", "5.2.0", "--shutdown", "clean"]),
        ("compare-remedies", &["compare", "--broker.version", "5.2.0", "--remedies"]),
    ] {
        let output = killed.run(args);
        let text = String::from_utf8(output.stdout).unwrap();
        for line in text.lines() {
            let width = line.chars().count();
            let is_one_word = line.split_whitespace().count() == 1;
            assert!(width <= 80 || is_one_word, "{name}: {width} wide: {line}");
        }
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/{name}.txt"));
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&golden, &text).unwrap();
        }
        assert_eq!(text, std::fs::read_to_string(&golden).unwrap_or_default(), "{name}");
    }
}

#[test]
fn the_readme_shows_what_is_printed_of_the_demo() {
    let dir = tempfile::tempdir().unwrap();
    let (root, conf) = (dir.path().join("store"), dir.path().join("broker.conf"));
    let capture = Capture::embedded().unwrap();
    let _store = StoreFiles::unpack(&capture, Stage::Killed, &root, TimeShift::default()).unwrap();
    std::fs::write(&conf, capture.manifest().properties(&root)).unwrap();
    let readme = include_str!("../README.md");
    let (_, after) = readme.split_once("after the kill and before the start:\n\n```text\n").unwrap();
    let (shown, _) = after.split_once("```").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_rocketmq-store-exporter"))
        .env_clear()
        .env("COLUMNS", "80")
        .args(["preview", "--broker.version", "5.2.0", "--store.path"])
        .args([&root, Path::new("--broker.conf"), &conf])
        .output()
        .unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    let printed = printed.replace(root.to_str().unwrap(), "/home/rocketmq/store");
    let (front, end) = shown.split_once("...\n").unwrap();
    assert!(printed.starts_with(front), "{printed}");
    assert!(printed.ends_with(end), "{printed}");
}

#[test]
fn a_look_that_cannot_read_the_queues_says_so_and_tells_no_number() {
    let killed = Killed::new();
    let queues = killed.case.root().join("consumequeue");
    // One that cannot be read hides no other.
    std::fs::write(queues.join("T0/7"), "").unwrap();
    assert_eq!(killed.run(&["inspect"]).status.code(), Some(0));
    std::fs::remove_dir_all(&queues).unwrap();
    std::fs::write(&queues, "").unwrap();
    let found = killed.run(&["inspect"]);
    let text = String::from_utf8(found.stdout).unwrap();
    assert_eq!(found.status.code(), Some(3), "{text}");
    assert!(text.contains("Not indexed   ?") && text.contains("Queues        ?, "), "{text}");
}
