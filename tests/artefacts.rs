//! README, alerts, runbooks and their tests agree with each other and with the program.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use rocketmq_store_exporter::config::raw::Raw;
use serde::Deserialize;

const RUNBOOK_SECTIONS: [&str; 4] = ["Meaning", "Impact", "Diagnosis", "Mitigation"];

#[derive(Deserialize)]
struct RuleFile {
    groups: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
    rules: Vec<Rule>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    alert: String,
    expr: String,
    #[serde(rename = "for")]
    _pending_for: Option<String>,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn rules() -> Vec<Rule> {
    let text = read(&root().join("alerts/rocketmq-store.rules.yaml"));
    let file: RuleFile = serde_yaml::from_str(&text).expect("the rules are YAML of the known form");
    file.groups.into_iter().flat_map(|group| group.rules).collect()
}

/// Names of files below `dir` that end with `ending`, without that ending.
fn stems(dir: &str, ending: &str) -> BTreeSet<String> {
    let entries = std::fs::read_dir(root().join(dir)).expect("the directory is there");
    let names = entries.map(|entry| entry.expect("it can be listed").file_name().into_string());
    names.filter_map(|name| name.ok()?.strip_suffix(ending).map(str::to_owned)).collect()
}

/// The exporter's metrics that an expression or a text names.
fn metric_names(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != ':');
    words.filter(|word| word.starts_with("rocketmq_store_")).map(str::to_owned).collect()
}

#[test]
fn the_readme_names_every_configuration_key_with_its_default() {
    let defaults = serde_yaml::to_value(Raw::default()).expect("the defaults are YAML");
    let mut keys = BTreeMap::new();
    for (name, value) in defaults.as_mapping().expect("sections") {
        let name = name.as_str().expect("a text");
        match value.as_mapping() {
            Some(section) => keys.extend(section.iter().map(|(leaf, value)| {
                (format!("{name}.{}", leaf.as_str().expect("a text")), default_text(value))
            })),
            None => _ = keys.insert(name.to_owned(), default_text(value)),
        }
    }
    let readme = read(&root().join("README.md"));
    let configuration = readme.split("\n## ").find(|part| part.starts_with("Configuration\n")).unwrap();
    let rows = configuration.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | "));
    let default_of = |rest: &str| rest.split(" |").next().unwrap_or_default().trim_matches('`').to_owned();
    let told: BTreeMap<String, String> = rows.map(|(key, rest)| (key.to_owned(), default_of(rest))).collect();
    assert_eq!(told, keys);
}

fn default_text(value: &serde_yaml::Value) -> String {
    match value {
        serde_yaml::Value::Null => "none".into(),
        serde_yaml::Value::String(text) => text.clone(),
        other => serde_json::to_string(other).expect("plain values can be shown"),
    }
}

#[test]
fn every_alert_has_a_severity_and_says_what_to_do() {
    for Rule { alert, labels, annotations, .. } in rules() {
        let severity = labels.get("severity").map_or("", String::as_str);
        assert!(["critical", "warning", "info"].contains(&severity), "{alert}: severity {severity:?}");
        let keys: Vec<&str> = annotations.keys().map(String::as_str).collect();
        assert_eq!(keys, ["description", "runbook_url", "summary"], "{alert}");
        let summary = &annotations["summary"];
        let is_sentence = summary.starts_with(|c: char| c.is_uppercase()) && summary.ends_with('.');
        assert!(is_sentence && !summary.contains("{{"), "{alert}: {summary}");
        let description = &annotations["description"];
        assert!(description.contains("{{") && description.ends_with('.'), "{alert}: {description}");
        assert!(annotations["runbook_url"].ends_with(&format!("/{alert}.md")), "{alert}");
    }
}

#[test]
fn alerts_and_runbooks_are_the_same_set() {
    let alerts: Vec<_> =
        rules().into_iter().map(|rule| (rule.alert, rule.labels["severity"].clone())).collect();
    let both: BTreeSet<_> = alerts.iter().collect();
    assert_eq!(both.len(), alerts.len(), "no two rules share a name and a severity");
    let names: BTreeSet<String> = alerts.into_iter().map(|(name, _)| name).collect();
    assert!(names.iter().all(|name| name.starts_with("RocketMQStore")), "{names:?}");
    assert_eq!(names, stems("alerts/runbooks", ".md"));
}

#[test]
fn every_runbook_has_its_four_sections_in_order() {
    for name in stems("alerts/runbooks", ".md") {
        let text = read(&root().join(format!("alerts/runbooks/{name}.md")));
        assert!(text.starts_with(&format!("# {name}\n\n> 中文摘要：")), "{name}");
        let parts: Vec<&str> = text.split("\n## ").skip(1).collect();
        let titles: Vec<&str> = parts.iter().filter_map(|part| part.lines().next()).collect();
        assert_eq!(titles, RUNBOOK_SECTIONS, "{name}");
        assert!(parts.iter().all(|part| part.lines().count() > 2), "{name} has an empty section");
    }
}

#[test]
fn runbooks_link_only_to_pages_that_are_there() {
    let names = stems("alerts/runbooks", ".md");
    for name in &names {
        let text = read(&root().join(format!("alerts/runbooks/{name}.md")));
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let page = link.split('#').next().unwrap_or_default();
            let is_known = page.strip_suffix(".md").is_some_and(|page| names.contains(page));
            let is_known = is_known || page == "../incident-5.2.0.md";
            assert!(is_known || link.starts_with("https://"), "{name} links to {link}");
        }
    }
}

#[test]
fn every_alert_is_shown_firing_and_silent() {
    let tests: Vec<String> = stems("tests/alerts", ".test.yaml")
        .iter()
        .map(|stem| read(&root().join(format!("tests/alerts/{stem}.test.yaml"))))
        .collect();
    for Rule { alert, annotations, .. } in rules() {
        let says = |text: &&String| text.contains(&alert);
        assert!(tests.iter().any(|text| says(&text)), "{alert} is not tested");
        let url = &annotations["runbook_url"];
        assert!(
            tests.iter().any(|text| text.contains(url)),
            "no test expects {alert} to fire with its texts"
        );
    }
}

#[test]
fn expressions_are_built_on_the_exporters_own_metrics() {
    for Rule { alert, expr, .. } in rules() {
        let names = metric_names(&expr);
        let is_about_the_target = expr.contains("up{job");
        assert!(!names.is_empty() || is_about_the_target, "{alert}: {expr}");
        assert!(names.iter().all(|name| !name.contains(':') && !name.ends_with('_')), "{alert}: {names:?}");
    }
}

#[test]
fn runbooks_name_the_metrics_of_their_alert() {
    for Rule { alert, expr, .. } in rules() {
        let text = read(&root().join(format!("alerts/runbooks/{alert}.md")));
        let (used, told) = (metric_names(&expr), metric_names(&text));
        let shares_one = used.iter().any(|name| told.contains(name));
        assert!(shares_one || used.is_empty(), "{alert}: uses {used:?}, tells {told:?}");
    }
}

/// Names of the catalogue, and of what the process itself is measured by.
fn known_metrics() -> BTreeSet<&'static str> {
    rocketmq_store_exporter::metrics::catalogue::ALL.iter().map(|metric| metric.name).collect()
}

#[test]
fn rules_their_tests_and_runbooks_name_only_metrics_of_the_catalogue() {
    let known = known_metrics();
    let dirs = [("alerts", ".yaml"), ("alerts/runbooks", ".md"), ("tests/alerts", ".yaml"), (".", ".md")];
    let mut unknown = Vec::new();
    for (dir, ending) in dirs {
        for stem in stems(dir, ending) {
            let file = format!("{dir}/{stem}{ending}");
            let named = metric_names(&read(&root().join(&file)));
            // In a text a name may stand for all that begin with it: `rocketmq_store_commitlog_`.
            let is_known = |name: &str| {
                known.contains(name)
                    || (name.ends_with('_') && known.iter().any(|each| each.starts_with(name)))
            };
            unknown.extend(
                named.into_iter().filter(|name| !is_known(name)).map(|name| format!("{file}: {name}")),
            );
        }
    }
    assert!(unknown.is_empty(), "{unknown:#?}");
}

/// Rules, their tests, runbooks and texts that tell people what to ask Prometheus, by file.
fn texts_with_selectors() -> BTreeMap<String, String> {
    let dirs = [("alerts", ".yaml"), ("alerts/runbooks", ".md"), ("tests/alerts", ".yaml"), (".", ".md")];
    let files = dirs.iter().flat_map(|(dir, ending)| {
        stems(dir, ending).into_iter().map(move |stem| format!("{dir}/{stem}{ending}"))
    });
    files.map(|file| (file.clone(), read(&root().join(&file)))).collect()
}

/// Label and value of every condition `label="value"`, `label=~"one|other"`.
fn conditions(text: &str) -> BTreeSet<(String, String)> {
    let mut found = BTreeSet::new();
    for (at, operator) in ["=\"", "=~\""].iter().flat_map(|operator| text.match_indices(operator)) {
        let label =
            text[..at].rsplit(|c: char| !c.is_ascii_lowercase() && c != '_').next().unwrap_or_default();
        let values = text[at + operator.len()..].split('"').next().unwrap_or_default();
        found.extend(values.split('|').map(|value| (label.to_owned(), value.to_owned())));
    }
    found
}

#[test]
fn rules_their_tests_and_runbooks_name_only_label_values_that_there_are() {
    use rocketmq_store_exporter::observe::{phase, picture, shrinkage};
    use rocketmq_store_exporter::watch::{Event, LogFile};
    let known: BTreeMap<&str, BTreeSet<&str>> = [
        ("event", Event::ALL.iter().map(|each| each.id()).collect()),
        ("explained", shrinkage::Explained::ALL.iter().map(|each| each.as_str()).collect()),
        ("phase", phase::Phase::ALL.iter().map(|each| each.as_str()).collect()),
        ("previous_shutdown", phase::PreviousShutdown::ALL.iter().map(|each| each.as_str()).collect()),
        ("collector", picture::Collector::ALL.iter().map(|each| each.as_str()).collect()),
        ("log", LogFile::ALL.iter().map(|each| each.id()).collect()),
    ]
    .into();
    let mut met = BTreeSet::new();
    for (file, text) in texts_with_selectors() {
        for (label, value) in conditions(&text) {
            if let Some(known) = known.get(label.as_str()) {
                assert!(known.contains(value.as_str()), "{file}: {label}={value:?}");
                met.insert(label);
            }
        }
    }
    assert!(["event", "explained", "phase"].iter().all(|label| met.contains(*label)), "{met:?}");
}

#[test]
fn selectors_name_only_labels_that_their_metric_has() {
    use rocketmq_store_exporter::metrics::catalogue::ALL;
    // What Prometheus adds.
    let added = ["instance", "job", "__name__"];
    let mut met = 0;
    for (file, text) in texts_with_selectors() {
        for metric in ALL {
            let opening = format!("{}{{", metric.name);
            for (at, name) in text.match_indices(&opening) {
                let is_whole = !text[..at].ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
                let inside = text[at + name.len()..].split('}').next().unwrap_or_default();
                for (label, _) in conditions(inside).iter().filter(|_| is_whole) {
                    let is_known = metric.labels.contains(&label.as_str()) || added.contains(&label.as_str());
                    assert!(is_known, "{file}: {}{{{inside}}} has no label {label}", metric.name);
                    met += 1;
                }
            }
        }
    }
    assert!(met > 20, "{met}");
}

/// First cells of the rows of the table below a heading of the README.
fn first_cells(heading: &str) -> Vec<String> {
    let readme = read(&root().join("README.md"));
    let section = readme.split("\n## ").find(|part| part.starts_with(heading)).expect("the heading is there");
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.map(|row| format!("`{}", row.split(" |").next().unwrap_or_default())).collect()
}

/// What stands between backticks.
fn quoted(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

#[test]
fn the_readme_tells_of_every_endpoint_and_of_no_other() {
    let cells = first_cells("Ports and pages\n");
    let told: BTreeSet<&str> = cells.iter().flat_map(|cell| quoted(cell)).collect();
    let source = read(&root().join("src/web/mod.rs"));
    let rows = source.lines().filter_map(|line| line.strip_prefix("//! | `GET "));
    let served: BTreeSet<&str> = rows.map(|row| row.split(['`', '?']).next().unwrap_or_default()).collect();
    assert!(served.len() > 5);
    assert_eq!(told, served);
}

#[test]
fn the_readme_sends_people_to_places_that_there_are() {
    let readme = read(&root().join("README.md"));
    let is_place = |text: &str| {
        ["src", "alerts", "tests", "dashboards", "deploy", ".ci"]
            .iter()
            .any(|top| text == *top || text.strip_prefix(top).is_some_and(|rest| rest.starts_with('/')))
    };
    // Code blocks hold commands.
    let text: String = readme.split("```").step_by(2).collect();
    // A program may stand with its arguments.
    let first_words = quoted(&text).into_iter().filter_map(|text| text.split(' ').next());
    let places: BTreeSet<&str> = first_words.filter(|text| is_place(text)).collect();
    assert!(places.len() > 4, "{places:?}");
    for place in places {
        assert!(root().join(place).exists(), "{place}");
    }
}

#[test]
fn the_readme_in_chinese_says_the_same_and_names_nothing_else() {
    let (english, chinese) = (read(&root().join("README.md")), read(&root().join("README.zh-CN.md")));
    let headings = |text: &str| text.lines().filter(|line| line.starts_with("## ")).count();
    assert_eq!(headings(&chinese), headings(&english));
    // Commands are the same; what is said of them is not.
    let blocks = |text: &str| -> Vec<String> {
        let lines = |block: &str| {
            block
                .lines()
                .map(|line| line.split(" #").next().unwrap_or_default().trim_end().to_owned())
                .collect::<Vec<_>>()
        };
        text.split("```").skip(1).step_by(2).flat_map(lines).collect()
    };
    assert_eq!(blocks(&chinese), blocks(&english));
    let prose = |text: &str| text.split("```").step_by(2).collect::<String>();
    let (english, chinese) = (prose(&english), prose(&chinese));
    let known: BTreeSet<&str> = quoted(&english).into_iter().collect();
    let told: BTreeSet<&str> = quoted(&chinese).into_iter().collect();
    assert!(told.len() > 80, "{}", told.len());
    assert_eq!(told.difference(&known).collect::<Vec<_>>(), Vec::<&&str>::new());
    // All but keys, which the other has in a table, and figures.
    let in_tables_alone = ["Configuration\n", "What was measured\n"];
    let parts =
        english.split("\n## ").filter(|part| !in_tables_alone.iter().any(|title| part.starts_with(title)));
    let wanted: BTreeSet<&str> = parts.flat_map(quoted).collect();
    assert_eq!(wanted.difference(&told).collect::<Vec<_>>(), Vec::<&&str>::new());
}

fn flags_of(command: &str) -> BTreeSet<String> {
    let help = std::process::Command::new(env!("CARGO_BIN_EXE_rocketmq-store-exporter"))
        .args([command, "--help"])
        .output()
        .expect("it runs");
    let help = String::from_utf8(help.stdout).expect("text");
    let flags = help.lines().filter_map(|line| line.trim_start().strip_prefix("--"));
    flags.map(|flag| flag.split(' ').next().unwrap_or_default().to_owned()).collect()
}

#[test]
fn the_readme_names_every_flag_and_no_other() {
    let taken: BTreeSet<String> =
        ["serve", "preview", "compare", "inspect"].into_iter().flat_map(flags_of).collect();
    let readme = read(&root().join("README.md"));
    let text: String = readme.split("```").step_by(2).collect();
    let words = |text: &str| text.split(' ').next().unwrap_or_default().to_owned();
    let told = quoted(&text).into_iter().filter_map(|text| text.strip_prefix("--").map(words));
    assert_eq!(told.collect::<BTreeSet<String>>(), taken);
}

#[test]
fn the_demo_sends_people_to_metrics_that_there_are() {
    let known = known_metrics();
    for begin in rocketmq_store_exporter::demo::Narration::metrics() {
        assert!(known.iter().any(|name| name.starts_with(&begin)), "{begin}");
    }
}
