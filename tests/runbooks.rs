//! What runbooks tell people to do can be done, and every alert is provoked with real brokers or damaged stores.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use rocketmq_store_exporter::preview::finding::CATALOGUE;

fn below(dir: &str, ending: &str) -> BTreeMap<String, String> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join(dir);
    let entries = std::fs::read_dir(&dir)
        .expect("the directory is there")
        .map(|entry| entry.expect("it is listed").path());
    let files = entries.filter(|path| path.extension().is_some_and(|found| found == ending));
    let name = |path: &PathBuf| path.file_stem().expect("it has a name").to_string_lossy().into_owned();
    files.map(|path| (name(&path), std::fs::read_to_string(&path).expect("it is text"))).collect()
}

fn runbooks() -> BTreeMap<String, String> {
    below("alerts/runbooks", "md")
}

fn flags_of(command: &str) -> BTreeSet<String> {
    let help = std::process::Command::new(env!("CARGO_BIN_EXE_rocketmq-store-exporter"))
        .args([command, "--help"])
        .output()
        .expect("it runs");
    let help = String::from_utf8(help.stdout).expect("help is text");
    let flags = help.lines().filter_map(|line| line.trim_start().strip_prefix("--"));
    flags.map(|flag| flag.split(' ').next().unwrap_or_default().to_owned()).collect()
}

#[test]
fn commands_of_the_exporter_take_the_flags_that_runbooks_give_them() {
    let known: BTreeMap<&str, BTreeSet<String>> =
        ["preview", "compare", "inspect", "check-config"].map(|command| (command, flags_of(command))).into();
    let mut met = 0;
    for (name, text) in runbooks() {
        for call in text.split("rocketmq-store-exporter ").skip(1) {
            let call = call.split(['`', '\n', ';']).next().unwrap_or_default();
            let Some(flags) = call.split(' ').next().and_then(|command| known.get(command)) else { continue };
            for flag in call.split(' ').filter_map(|word| word.strip_prefix("--")) {
                assert!(flags.contains(flag), "{name}: {call}");
                met += 1;
            }
        }
    }
    assert!(met > 15, "{met}");
}

#[test]
fn runbooks_ask_only_pages_that_are_served() {
    let served = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/web/mod.rs"))
        .expect("it is there");
    let mut met = 0;
    for (name, text) in runbooks() {
        for page in text.split("/api/v1/").skip(1) {
            let page = page.split(|c: char| !c.is_ascii_lowercase()).next().unwrap_or_default();
            let is_served =
                [" ", "`", "?"].iter().any(|end| served.contains(&format!("GET /api/v1/{page}{end}")));
            assert!(is_served, "{name}: /api/v1/{page}");
            met += 1;
        }
    }
    assert!(met > 5, "{met}");
}

#[test]
fn runbooks_name_only_findings_that_there_are() {
    let beginnings = ["CL_", "CQ_", "FILE_", "CONSUMER_", "TABLE_"];
    let mut met = 0;
    for (name, text) in runbooks() {
        let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        for word in words.filter(|word| beginnings.iter().any(|begin| word.starts_with(begin))) {
            assert!(CATALOGUE.iter().any(|finding| finding.id == word), "{name}: {word}");
            met += 1;
        }
    }
    assert!(met > 10, "{met}");
}

#[test]
fn every_alert_is_provoked_in_the_lab() {
    let scenarios = below("tests/lab/scenarios", "py");
    let of = |begin: &str| {
        scenarios
            .iter()
            .filter(|(name, _)| name.starts_with(begin))
            .map(|(_, text)| text.as_str())
            .collect::<String>()
    };
    let (quick, incident) = (of("alerts_"), of("incident"));
    // No broker and no store brings the exporter's own tasks to a panic: `tests/web_health.rs` does.
    let from_outside = |alert: &&String| *alert != "RocketMQStoreExporterImpaired";
    for alert in runbooks().keys().filter(from_outside) {
        let short = alert.strip_prefix("RocketMQStore").expect("all are named so");
        let is_provoked =
            quick.contains(&format!("\"{short}\"")) || incident.contains(&format!("\"{alert}\""));
        assert!(is_provoked, "{alert}");
    }
}
