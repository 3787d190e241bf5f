//! The page says everything in each of its languages, and has no text that it never says.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use rocketmq_store_exporter::broker::release::VersionSource;
use rocketmq_store_exporter::confine::Part;
use rocketmq_store_exporter::observe::phase::{Phase, PreviousShutdown};
use rocketmq_store_exporter::observe::picture::DiskArea;
use rocketmq_store_exporter::observe::shrinkage::Explained;
use rocketmq_store_exporter::observe::vitals::Task;
use rocketmq_store_exporter::preview::assumption::BrokerState;
use rocketmq_store_exporter::preview::finding::{CATALOGUE, Severity};
use rocketmq_store_exporter::recovery::Verdict;
use rocketmq_store_exporter::store::layout::{LogKind, RootState};
use rocketmq_store_exporter::watch::Event;

#[path = "support/page_texts.rs"]
#[allow(dead_code, reason = "each test uses a part of it")]
mod page_texts;

use page_texts::{TEXTS, forms, is_known, placeholders};

/// Closed sets of the exporter, by the beginning of the names under which the page has texts for them.
fn sets() -> BTreeMap<&'static str, BTreeSet<&'static str>> {
    let severities =
        Severity::ALL.map(Severity::as_str).into_iter().chain(Event::ALL.iter().map(|e| e.severity().id()));
    let feed = [
        "start",
        "recovery_over",
        "stopped",
        "evidence",
        "shrinkage",
        "confirmed",
        "wrong",
        "not_comparable",
    ];
    BTreeMap::from([
        ("verdict", Verdict::ALL.map(Verdict::as_str).into()),
        ("sentence", Verdict::ALL.map(Verdict::as_str).into()),
        ("phase", Phase::ALL.map(Phase::as_str).into()),
        ("state", BrokerState::ALL.map(BrokerState::as_str).into()),
        ("source", VersionSource::ALL.map(VersionSource::as_str).into()),
        ("shutdown", PreviousShutdown::ALL.map(PreviousShutdown::as_str).into()),
        ("by", ["abort_file", "flag"].into()),
        ("log", LogKind::ALL.map(LogKind::as_str).into()),
        ("root", RootState::ALL.map(RootState::as_str).into()),
        ("explained", Explained::ALL.map(Explained::as_str).into()),
        ("area", DiskArea::ALL.map(DiskArea::as_str).into()),
        ("threshold", ["delete_expired", "clean_forcibly", "refuse_writes"].into()),
        ("severity", severities.collect()),
        ("event", Event::ALL.iter().map(|event| event.id()).chain(feed).collect()),
        ("task", Task::ALL.map(Task::as_str).into()),
        ("confined", Part::ALL.map(Part::as_str).into()),
        ("finding", CATALOGUE.iter().map(|kind| kind.id).collect()),
        ("error", quoted(include_str!("../src/web/error.rs"), "(StatusCode::").collect()),
    ])
}

/// The first text between quotes of each line of a source that has `mark`.
fn quoted<'a>(source: &'a str, mark: &str) -> impl Iterator<Item = &'a str> {
    source.lines().filter(move |line| line.contains(mark)).filter_map(|line| line.split('"').nth(1))
}

/// Sources of the page, without what it has from elsewhere.
fn scripts() -> BTreeMap<PathBuf, String> {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/src/web/page");
    let entries = std::fs::read_dir(dir).expect("the page is there");
    let paths = entries.map(|entry| entry.expect("it can be listed").path());
    let scripts = paths
        .filter(|path| path.extension().is_some_and(|ending| ending == "js") && !path.ends_with("preact.js"));
    scripts.map(|path| (path.clone(), std::fs::read_to_string(&path).expect("it can be read"))).collect()
}

/// Names of texts that a script says: whole ones, and beginnings of those that it puts together.
fn said(script: &str) -> (BTreeSet<&str>, BTreeSet<&str>) {
    let is_name = |text: &&str| {
        !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '.')
    };
    let quoted = script.split('"').skip(1).step_by(2).filter(is_name);
    // A backtick that ends a template is followed by no name and a brace.
    let begun = script.split('`').filter_map(|text| Some(text.split_once("${")?.0));
    let begun = begun.filter(|text| text.ends_with('.') || text.ends_with('_')).filter(is_name);
    (quoted.filter(|name| TEXTS.keys.contains_key(*name)).collect(), begun.collect())
}

#[test]
fn every_text_is_there_in_both_languages_with_the_same_places() {
    for (name, text) in TEXTS
        .keys
        .iter()
        .map(|(name, text)| (name.as_str(), text))
        .chain(TEXTS.sentences.iter().map(|text| (text.en.as_str(), text)))
    {
        let places = |text| placeholders(text).0.into_iter().collect::<BTreeSet<_>>();
        assert!(!text.en.is_empty() && !text.zh.is_empty(), "{name}");
        assert_eq!(places(&text.en), places(&text.zh), "{name}");
    }
}

#[test]
fn a_number_chooses_its_words_and_both_forms_are_known() {
    assert_eq!(
        forms("{n} {n:queue gets|queues get} {m:it|them}"),
        ["{n} queue gets it", "{n} queue gets them", "{n} queues get it", "{n} queues get them"]
    );
    for sentence in [
        "1 queue lost 2 files and 1 unit (recovery)",
        "2 queues lost 1 unit (recovery)",
        "1 message in the log has no unit in 1 queue, and dispatch begins at 0: nothing puts it",
        "2 units are put while loading and 1 when the broker serves",
    ] {
        assert!(is_known(sentence), "{sentence}");
    }
    assert!(!is_known("2 index file are unlinked"));
}

#[test]
fn what_is_told_of_a_forecast_that_was_tested_is_known() {
    let source = include_str!("../src/observe/verification.rs");
    let why: Vec<_> = quoted(source, "return Some(\"").collect();
    let what: Vec<_> = quoted(source, "comparison.equal(\"").collect();
    assert!(!why.is_empty());
    assert!(what.contains(&"end of the log"), "{what:?}");
    for sentence in why.into_iter().chain(what) {
        assert!(is_known(sentence), "{sentence}");
    }
    assert!(is_known("end of queue TopicA/0 before recovery") && is_known("least files of queue TopicA/0"));
}

#[test]
fn releases_of_a_finding_and_the_basis_of_an_estimate_are_known() {
    // A release alone is the same in both languages.
    let releases =
        CATALOGUE.iter().map(|kind| kind.releases).filter(|text| text.contains(char::is_alphabetic));
    for sentence in releases.chain(quoted(include_str!("../src/preview/estimate.rs"), "basis: \"")) {
        assert!(is_known(sentence), "{sentence}");
    }
}

#[test]
fn one_thing_has_one_name_in_chinese() {
    for text in TEXTS.keys.values().chain(&TEXTS.sentences) {
        // Names of places are no words.
        let english = placeholders(&text.en).1.concat().to_lowercase();
        for (name, chinese) in
            [("exporter", "导出器"), ("preview", "预览"), ("remedies", "处理办法"), ("remedy", "处理办法")]
        {
            assert!(!english.contains(name) || text.zh.contains(chinese), "{}: {}", text.en, text.zh);
        }
        for other in ["边车", "预演", "补救"] {
            assert!(!text.zh.contains(other), "{}", text.zh);
        }
    }
}

#[test]
fn every_word_of_the_exporter_has_its_text_and_no_other_has() {
    for (begin, words) in sets() {
        let prefix = format!("{begin}.");
        let texts: BTreeSet<_> = TEXTS.keys.keys().filter_map(|name| name.strip_prefix(&prefix)).collect();
        assert_eq!(texts, words, "{begin}");
    }
}

#[test]
fn english_texts_of_the_catalogues_are_those_of_the_catalogues() {
    for event in Event::ALL {
        assert_eq!(TEXTS.keys[&format!("event.{}", event.id())].en, event.help());
    }
    for kind in CATALOGUE {
        assert_eq!(TEXTS.keys[&format!("finding.{}", kind.id)].en, kind.help);
    }
}

#[test]
fn every_name_that_a_script_says_has_its_text() {
    for (path, script) in scripts() {
        for call in
            script.split(|c: char| !c.is_alphanumeric() && c != '(' && c != '"' && c != '.' && c != '_')
        {
            let begun = ["t(\"", "card(\"", "Trouble(\""].iter().find_map(|begin| call.strip_prefix(begin));
            if let Some(name) = begun.and_then(|rest| rest.split('"').next()) {
                assert!(TEXTS.keys.contains_key(name), "{}: {name}", path.display());
            }
        }
        for begin in said(&script).1 {
            assert!(TEXTS.keys.keys().any(|name| name.starts_with(begin)), "{}: {begin}", path.display());
        }
    }
}

#[test]
fn every_text_is_said() {
    let scripts = scripts();
    let (mut whole, mut begun) = (BTreeSet::new(), BTreeSet::new());
    for script in scripts.values() {
        let (names, begins) = said(script);
        whole.extend(names);
        begun.extend(begins);
    }
    let silent: Vec<_> = TEXTS
        .keys
        .keys()
        .filter(|name| !whole.contains(name.as_str()) && !begun.iter().any(|begin| name.starts_with(begin)))
        .collect();
    assert!(silent.is_empty(), "{silent:?}");
}
