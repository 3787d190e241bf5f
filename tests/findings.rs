//! Every kind of finding is raised by a store of a real broker, damaged where that takes damage.

#![allow(clippy::unwrap_used, reason = "a test says by failing what was not there")]

#[path = "support/page_texts.rs"]
#[allow(dead_code, reason = "each test uses a part of it")]
mod page_texts;
#[path = "support/recovery_case.rs"]
mod recovery_case;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use recovery_case::Case;
use rocketmq_store_exporter::broker::release::VersionSource;
use rocketmq_store_exporter::preview::assumption::Assumption;
use rocketmq_store_exporter::preview::finding::CATALOGUE;
use rocketmq_store_exporter::preview::{Asked, Preview, Surroundings, answer};
use rocketmq_store_exporter::recovery::{Budget, Shutdown, Verdict};
use rocketmq_store_exporter::store::layout::LogKind;

fn asked(case: &Case) -> (Asked, tempfile::NamedTempFile) {
    let conf = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(conf.path(), case.conf_text()).unwrap();
    let asked = Asked {
        root: case.root().to_owned(),
        broker_conf: Some(conf.path().to_owned()),
        version: Some((case.text("version").to_owned(), VersionSource::Flag)),
        mode: LogKind::ALL.into_iter().find(|mode| mode.as_str() == case.text("mode")),
        ..Asked::default()
    };
    (asked, conf)
}

fn preview(case: &Case, change: impl FnOnce(&mut Asked), budget: &Budget) -> Preview {
    let (mut asked, _conf) = asked(case);
    change(&mut asked);
    Preview::of(&asked, &Surroundings::default(), budget).unwrap()
}

fn ids(preview: &Preview) -> BTreeSet<&'static str> {
    preview.findings.iter().map(|finding| finding.id).collect()
}

fn killed() -> Case {
    Case::named("5.2.0-dledger-f0")
}

/// What no fixture shows as it is: stores changed by hand, and questions of another kind.
fn made_by_hand() -> BTreeMap<&'static str, Preview> {
    let plain = |name: &str| Case::named(name);
    let mut found = BTreeMap::new();
    let unlimited = Budget::default();
    let all = |_: &mut Asked| {};
    found.insert("RELEASE_UNKNOWN", preview(&killed(), |asked| asked.version = None, &unlimited));
    let set = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    found.insert(
        "NOT_MODELLED",
        preview(&killed(), |asked| asked.overrides.push(set("storeType", "defaultRocksDB")), &unlimited),
    );
    found.insert("MODE_NOT_TOLD", preview(&killed(), |asked| asked.mode = None, &unlimited));
    let small = Budget { bytes: Some(100), ..Budget::default() };
    found.insert("BUDGET_USED_UP", preview(&killed(), all, &small));
    let newer = |asked: &mut Asked| asked.version = Some(("6.1.0".to_owned(), VersionSource::Flag));
    found.insert("RELEASE_NEWER", preview(&killed(), newer, &unlimited));
    let both = |asked: &mut Asked| {
        asked.overrides.push(set("enableControllerMode", "true"));
        asked.overrides.push(set("enableDLegerCommitLog", "true"));
    };
    found.insert("CONTROLLER_AND_DLEDGER", preview(&killed(), both, &unlimited));
    let case = plain("5.2.0-plain-f0");
    case.tear_end();
    found.insert("CL_TORN_TAIL", preview(&case, all, &unlimited));
    let case = plain("5.2.0-plain-f0");
    let log = case.root().join("commitlog");
    for entry in std::fs::read_dir(log).unwrap() {
        std::fs::remove_file(entry.unwrap().path()).unwrap();
    }
    found.insert("CQ_DELETED_WITHOUT_LOG", preview(&case, all, &unlimited));
    let case = plain("5.2.0-plain-f0");
    std::fs::write(case.root().join("commitlog/notes"), vec![0; 16384]).unwrap();
    found.insert("FILE_FOREIGN_NAME", preview(&case, all, &unlimited));
    let case = plain("5.2.0-plain-f0");
    std::fs::create_dir_all(case.root().join("index/20261123000000000")).unwrap();
    found.insert("INDEX_UNREADABLE", preview(&case, all, &unlimited));
    let case = plain("5.2.0-plain-f0");
    let config = case.root().join("config");
    std::fs::create_dir_all(&config).unwrap();
    std::fs::write(config.join("topics.json"), "{\"topicConfigTable\":{").unwrap();
    let without_backup = preview(&case, all, &unlimited);
    assert!(without_backup.forecast.start.starts(), "the backup is missing, which counts as empty");
    found.insert("TABLE_LOST", without_backup);
    std::fs::write(config.join("topics.json.bak"), [0; 200]).unwrap();
    let without = preview(&case, all, &unlimited);
    assert_eq!(without.forecast.start.exit_code, Some(255));
    assert_eq!(without.forecast.start.path.as_deref(), Some(Path::new("config/topics.json")));
    found.insert("TABLE_UNREADABLE", without);
    std::fs::rename(config.join("topics.json"), config.join("delayOffset.json")).unwrap();
    std::fs::rename(config.join("topics.json.bak"), config.join("delayOffset.json.bak")).unwrap();
    assert_eq!(preview(&case, all, &unlimited).forecast.start.exit_code, Some(253), "read after load");
    let case = plain("5.2.0-plain-f0");
    std::fs::write(case.root().join("timerwheel"), [0; 100]).unwrap();
    found.insert("TIMER_UNREADABLE", preview(&case, all, &unlimited));
    let case = plain("5.2.0-plain-f0");
    std::fs::create_dir_all(case.root().join("config")).unwrap();
    let topics = r#"{"topicConfigTable":{"T0":{"attributes":{"queue.type":"batchcq"}}}}"#;
    std::fs::write(case.root().join("config/topics.json"), topics).unwrap();
    found.insert("QUEUE_KIND_UNKNOWN", preview(&case, all, &unlimited));
    let levels = |asked: &mut Asked| asked.overrides.push(set("messageDelayLevel", "1s 5x"));
    found.insert("DELAY_LEVELS_UNREADABLE", preview(&plain("5.2.0-plain-f0"), levels, &unlimited));
    let case = plain("5.2.0-plain-f0");
    std::fs::create_dir_all(case.root().join("config")).unwrap();
    let offsets = r#"{"offsetTable":{"T0@G1":{0:7,1:99999},"gone@G2":{0:1}}}"#;
    std::fs::write(case.root().join("config/consumerOffset.json"), "{").unwrap();
    std::fs::write(case.root().join("config/consumerOffset.json.bak"), offsets).unwrap();
    let beyond = preview(&case, all, &unlimited);
    let evidence = beyond.findings.iter().find(|found| found.id == "CONSUMER_OFFSETS_BEYOND_MAX").unwrap();
    assert_eq!(evidence.evidence["offsets"], 2);
    assert_eq!(evidence.evidence["groups"], serde_json::json!(["G1", "G2"]));
    found.insert("CONSUMER_OFFSETS_BEYOND_MAX", beyond);
    let case = plain("5.2.0-plain-f0");
    let queue = case.root().join("consumequeue/T9/0");
    std::fs::create_dir_all(&queue).unwrap();
    let mut units = Vec::new();
    for (physical, size) in [(0_i64, i32::MAX), (0, i32::MAX), (1 << 40, 100)] {
        units.extend(physical.to_be_bytes());
        units.extend(size.to_be_bytes());
        units.extend([0; 8]);
    }
    units.resize(200, 0);
    std::fs::write(queue.join(format!("{:020}", 0)), units).unwrap();
    found.insert("CQ_MAXIMUM_TWO_GIB", preview(&case, all, &unlimited));
    found.insert("START_EXCEPTION", full_queue());
    found.insert("STORE_MOVED", moved());
    found
}

/// A queue full to the end of its last file, and messages whose places in it are taken: dispatch makes the next file and puts
/// nothing into it. The broker itself ends with exit code 255 on it (5.2.0 run; the store code of 5.0.0 and 5.2.0 throws).
fn full_queue() -> Preview {
    let case = Case::named("5.2.0-plain-f0");
    let queues = case.root().join("consumequeue");
    let unit = std::fs::read(queues.join("T0/0").join(format!("{:020}", 0))).unwrap()[..20].to_vec();
    std::fs::remove_dir_all(&queues).unwrap();
    std::fs::create_dir_all(queues.join("T0/0")).unwrap();
    for base in [0, 200, 400, 600] {
        std::fs::write(queues.join("T0/0").join(format!("{base:020}")), unit.repeat(10)).unwrap();
    }
    let recheck = |asked: &mut Asked| {
        asked.without.abort = true;
        asked.overrides.push(("recheckReputOffsetFromCq".to_owned(), "true".to_owned()));
    };
    let found = preview(&case, recheck, &Budget::default());
    let start = &found.forecast.start;
    assert_eq!((start.exit_code, start.reason), (Some(255), Some("START_EXCEPTION")));
    found
}

/// As if a file had gone while it was read.
fn moved() -> Preview {
    let case = killed();
    let (asked, _conf) = asked(&case);
    let assumption = Assumption::settle(&asked, &Surroundings::default()).unwrap();
    let mut forecast = answer::run(&assumption, &Budget::default()).unwrap();
    assert!(forecast.consistent);
    forecast.consistent = false;
    Preview::without_remedies(assumption, forecast)
}

#[test]
fn each_kind_of_finding_is_raised() {
    let mut raised: BTreeMap<&str, String> = BTreeMap::new();
    for path in Case::all() {
        let case = Case::unpack(&path);
        let found = preview(&case, |_| {}, &Budget::default());
        for id in ids(&found) {
            raised.entry(id).or_insert_with(|| path.file_stem().unwrap().to_string_lossy().into_owned());
        }
        assert_ne!(found.forecast.verdict, Verdict::Inconclusive, "{}", path.display());
        assert!(found.forecast.consistent, "{}: nothing moves here", path.display());
        page_texts::assert_knows(&found);
        if found.forecast.verdict >= Verdict::IndexLoss {
            let is_critical =
                found.findings.first().is_some_and(|finding| finding.severity.as_str() == "critical");
            assert!(is_critical, "{}: {:?} without a reason", path.display(), found.forecast.verdict);
        }
    }
    for (id, found) in &made_by_hand() {
        assert!(ids(found).contains(id), "{id}: {:?}", found.findings);
        page_texts::assert_knows(found);
        raised.entry(id).or_insert_with(|| "made by hand".to_owned());
    }
    let missing: Vec<_> =
        CATALOGUE.iter().map(|kind| kind.id).filter(|id| !raised.contains_key(id)).collect();
    assert!(missing.is_empty(), "no store raises {missing:?}; raised were {raised:#?}");
}

#[test]
fn without_properties_a_watcher_goes_by_the_lengths_of_the_files_that_are_there() {
    let case = killed();
    let bare = |asked: &mut Asked| asked.broker_conf = None;
    let found = preview(&case, bare, &Budget::default());
    assert_eq!(found.forecast.start.reason, Some("FILE_WRONG_LENGTH"), "upstream's defaults hold");
    let watcher = |asked: &mut Asked| {
        bare(asked);
        asked.goes_by_files = true;
    };
    let found = preview(&case, watcher, &Budget::default());
    assert_eq!((found.forecast.verdict, found.forecast.totals.units_lost), (Verdict::IndexLoss, Some(109)));
    assert_eq!(found.assumed.overrides["mappedFileSizeCommitLog"], "16384");
    assert_eq!(found.assumed.overrides["mappedFileSizeConsumeQueue"], "200");
}

#[test]
fn the_list_of_findings_is_the_catalogue() {
    let mut list = "# Findings of the preview\n\n\
        What `findings` in the answers of `preview` and `/api/v1/preview` can hold, worst first. Numbers and names of the store at hand are in \
        `summary` and `evidence`.\n\n\
        | id | severity | releases | what it means |\n|---|---|---|---|\n"
        .to_owned();
    for kind in CATALOGUE {
        let upstream = kind.upstream.map_or_else(String::new, |upstream| {
            format!(" ([{upstream}](https://github.com/{}))", upstream.replace('#', "/issues/"))
        });
        let severity = kind.severity.as_str();
        writeln!(list, "| `{}` | {severity} | {} | {}{upstream} |", kind.id, kind.releases, kind.help)
            .unwrap();
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("alerts/findings.md");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &list).unwrap();
    }
    assert_eq!(list, std::fs::read_to_string(&path).unwrap_or_default());
}

#[test]
fn queues_are_built_anew_from_all_segments_also_where_recovery_looks_at_the_last_ones_only() {
    let case = Case::named("5.5.0-plain-x12");
    let all = |asked: &mut Asked| asked.shutdown = Shutdown::Clean;
    let found = preview(&case, all, &Budget::default());
    assert_eq!((found.forecast.verdict, found.forecast.totals.units_lost), (Verdict::IndexLoss, Some(95)));
    let anew = found.remedies.iter().find(|remedy| remedy.id == "rebuild_queues").unwrap();
    assert_eq!(anew.units_lost, Some(0));
    let segments = std::fs::read_dir(case.root().join("commitlog")).unwrap().count();
    let step = format!("Set commitLogRecoverMaxNum={} in broker.conf", segments + 1);
    assert!(anew.steps.iter().any(|told| told.starts_with(&step)), "{:?}", anew.steps);
}
