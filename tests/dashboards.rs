//! The dashboards follow the rules of Grafana's dashboard-linter, and name only metrics that there are. That each query has an answer,
//! the lab shows (scenario `dashboards`).

use std::collections::{BTreeMap, BTreeSet};

use rocketmq_store_exporter::metrics::catalogue;
use serde_json::Value;

const NAMES: [&str; 3] = ["overview", "recovery", "exporter"];
const SELECTOR: &str = r#"job=~"$job", instance=~"$instance""#;
/// Series that are not the exporter's: of Prometheus' client library, of the rule files, of the broker itself.
const OTHERS: [&str; 5] = [
    "process_",
    "rocketmq_store:",
    "ALERTS",
    "rocketmq_storage_dispatch_behind",
    "rocketmq_messages_in_total",
];

fn boards() -> BTreeMap<&'static str, Value> {
    let read = |name: &'static str| {
        let path = format!("{}/dashboards/{name}.json", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        (name, serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}")))
    };
    NAMES.map(read).into()
}

fn list<'v>(value: &'v Value, name: &str) -> &'v [Value] {
    value[name].as_array().map(Vec::as_slice).unwrap_or_default()
}

/// Panels, those in rows too, with whether they are of the broker's own metrics.
fn panels(board: &Value) -> Vec<(&Value, bool)> {
    let mut found = Vec::new();
    for panel in list(board, "panels") {
        if panel["type"] == "row" {
            let is_optional = panel["title"].as_str().unwrap_or_default().contains("optional");
            found.extend(list(panel, "panels").iter().map(|panel| (panel, is_optional)));
        } else {
            found.push((panel, false));
        }
    }
    found
}

/// Words of a query that can be names of series.
fn series(query: &str) -> BTreeSet<String> {
    let outside: String = query.split('"').step_by(2).collect();
    let words = outside.split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != ':');
    words
        .filter(|word| word.starts_with("rocketmq_") || word.starts_with("process_") || *word == "ALERTS")
        .map(str::to_owned)
        .collect()
}

#[test]
fn a_board_has_its_variables_its_tag_and_its_links() {
    let mut uids = BTreeSet::new();
    for (name, board) in boards() {
        let variables = list(&board["templating"], "list");
        let names: Vec<_> =
            variables.iter().map(|variable| variable["name"].as_str().unwrap_or_default()).collect();
        assert_eq!(names, ["datasource", "job", "instance"], "{name}");
        assert_eq!(variables[0]["label"], "Data Source");
        for variable in &variables[1..] {
            assert_eq!(
                (&variable["allValue"], &variable["multi"], &variable["refresh"]),
                (&".+".into(), &true.into(), &2.into())
            );
            assert_eq!(variable["datasource"]["uid"], "$datasource");
        }
        assert_eq!(board["editable"], false, "{name}");
        assert_eq!(board["timezone"], "utc", "{name}");
        assert!(
            board["title"].as_str().is_some_and(|title| title.starts_with("RocketMQ Store / ")),
            "{name}"
        );
        assert!(uids.insert(board["uid"].as_str().unwrap_or_default().to_owned()), "{name}");
        let links = list(&board, "links");
        assert_eq!((&links[0]["tags"], &links[0]["keepTime"]), (&board["tags"], &true.into()), "{name}");
        assert!(list(&board["annotations"], "list").len() >= 3, "{name}");
    }
}

#[test]
fn a_panel_says_what_it_shows_in_which_unit_and_asks_for_the_chosen_brokers() {
    for (name, board) in boards() {
        let mut ids = BTreeSet::new();
        for (panel, is_optional) in panels(&board) {
            let title = panel["title"].as_str().unwrap_or_default();
            let at = format!("{name}: {title}");
            assert!(
                !title.is_empty() && panel["description"].as_str().is_some_and(|text| text.ends_with('.')),
                "{at}"
            );
            assert!(
                panel["fieldConfig"]["defaults"]["unit"].as_str().is_some_and(|unit| !unit.is_empty()),
                "{at}"
            );
            assert_eq!(panel["datasource"]["uid"], "$datasource", "{at}");
            assert!(ids.insert(panel["id"].as_u64()), "{at}: its id is another's");
            assert!(!list(panel, "targets").is_empty(), "{at}");
            for target in list(panel, "targets") {
                let query = target["expr"].as_str().unwrap_or_default();
                assert_eq!(target["datasource"]["uid"], "$datasource", "{at}");
                // Every series of the exporter has the selector; thresholds are the same for all.
                let own = series(query).iter().filter(|name| !name.contains(':')).count();
                assert!(is_optional || own == 0 || query.matches(SELECTOR).count() >= own, "{at}: {query}");
                for (place, _) in query.match_indices("_total") {
                    let before = &query[..place];
                    let call = before.rfind("increase(").max(before.rfind("rate("));
                    let is_stock = panel["type"] != "timeseries";
                    assert!(call.is_some() || is_stock, "{at}: {query}");
                }
                assert!(
                    !query.contains("[1m]") && !query.contains("[5m]"),
                    "{at}: $__rate_interval is the window"
                );
            }
        }
    }
}

#[test]
fn panels_lie_beside_each_other() {
    for (name, board) in boards() {
        let mut taken = BTreeSet::new();
        for panel in list(&board, "panels") {
            let of = |key: &str| panel["gridPos"][key].as_u64().unwrap_or_default();
            assert!(of("x") + of("w") <= 24, "{name}: {}", panel["title"]);
            for y in of("y")..of("y") + of("h") {
                for x in of("x")..of("x") + of("w") {
                    assert!(taken.insert((x, y)), "{name}: {} lies on another panel", panel["title"]);
                }
            }
        }
    }
}

#[test]
fn queries_name_series_that_there_are_and_leave_few_out() {
    let known: BTreeSet<String> = catalogue::ALL.iter().map(|metric| metric.name.to_owned()).collect();
    let mut shown = BTreeSet::new();
    for (name, board) in boards() {
        let marks = list(&board["annotations"], "list").iter().map(|mark| mark["expr"].as_str());
        let targets = panels(&board).into_iter().flat_map(|(panel, _)| list(panel, "targets"));
        let queries: Vec<_> =
            targets.map(|target| target["expr"].as_str()).chain(marks).flatten().map(series).collect();
        for word in queries.into_iter().flatten() {
            let is_other = OTHERS.iter().any(|other| word.starts_with(other));
            assert!(is_other || known.contains(&word), "{name}: {word}");
            shown.insert(word);
        }
    }
    let share = shown.intersection(&known).count() * 100 / known.len();
    assert!(share >= 50, "only {share} % of the metrics are shown");
}
