//! The map in `src/lib.rs` is true: rooms name only rooms above their own line, and crates stay where they belong.

#![expect(clippy::unwrap_used, reason = "tests may panic")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Where a crate may be named; everywhere else it may not.
const HOMES: &[(&str, &[&str])] = &[
    ("memmap2", &["store/mapping.rs"]),
    ("notify", &["watch/wake.rs"]),
    ("serde_yaml", &["config/"]),
    ("prometheus", &["metrics/", "web/", "app.rs"]),
    ("axum", &["web/", "app.rs"]),
    ("tower_http", &["web/"]),
    ("clap", &["cli.rs", "main.rs"]),
    ("tokio", &["web/", "app.rs"]),
    ("flate2", &["watch/", "demo/"]),
    ("tar", &["demo/"]),
    ("tempfile", &["demo/"]),
];

fn src() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Every source file by its path below `src`, without its tests.
fn sources() -> BTreeMap<String, String> {
    fn walk(dir: &Path, found: &mut BTreeMap<String, String>) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                let code = text.split("\n#[cfg(test)]").next().unwrap().to_owned();
                found.insert(path.strip_prefix(src()).unwrap().to_str().unwrap().to_owned(), code);
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(&src(), &mut found);
    found
}

fn code_lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.trim_start().starts_with("//"))
}

/// Rooms in the order of the map, bottom first.
fn rooms() -> Vec<String> {
    let lib = fs::read_to_string(src().join("lib.rs")).unwrap();
    let rows = lib.lines().filter_map(|line| line.strip_prefix("//! | [`"));
    rows.map(|row| row.split('`').next().unwrap().to_owned()).collect()
}

fn room_of(path: &str) -> &str {
    path.split('/').next().unwrap().trim_end_matches(".rs")
}

#[test]
fn the_map_names_every_room_once() {
    let mut named = rooms();
    let lib = fs::read_to_string(src().join("lib.rs")).unwrap();
    let mut declared: Vec<_> =
        lib.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).collect();
    named.sort();
    declared.sort_unstable();
    assert_eq!(named, declared);
}

#[test]
fn a_room_names_only_rooms_above_its_own_line() {
    let rooms = rooms();
    let rank = |room: &str| rooms.iter().position(|each| each == room);
    let mut wrong = Vec::new();
    for (path, code) in sources() {
        let Some(own) = rank(room_of(&path)) else { continue };
        for line in code_lines(&code) {
            for named in line.split("crate::").skip(1) {
                let named: String = named.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                if rank(&named).is_some_and(|named| named > own) {
                    wrong.push(format!("{path}: {}", line.trim()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn crates_are_named_at_home_alone() {
    let mut wrong = Vec::new();
    for (path, code) in sources() {
        for line in code_lines(&code) {
            for (name, homes) in HOMES {
                let is_named = line.contains(&format!("{name}::")) && !line.contains(&format!("::{name}::"));
                if is_named && !homes.iter().any(|home| path.starts_with(home)) {
                    wrong.push(format!("{path}: {}", line.trim()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn files_are_named_after_things_and_stay_short() {
    const VAGUE: [&str; 7] = ["utils", "util", "common", "manager", "service", "impl", "helper"];
    for (path, code) in sources() {
        let stem = Path::new(&path).file_stem().unwrap().to_str().unwrap().to_owned();
        assert!(!VAGUE.contains(&stem.as_str()), "{path}");
        assert!(code.lines().count() <= 500, "{path} has {} lines", code.lines().count());
    }
}

#[test]
fn there_is_no_unsafe_code() {
    let manifest = fs::read_to_string(src().parent().unwrap().join("Cargo.toml")).unwrap();
    assert!(manifest.contains("unsafe_code = \"forbid\""));
}

#[test]
fn the_decoders_do_no_input_or_output_and_read_no_clock() {
    for (path, code) in sources().iter().filter(|(path, _)| path.starts_with("format/")) {
        for word in ["std::fs", "std::io", "Instant", "SystemTime", "tracing::", "File"] {
            let named = code_lines(code).find(|line| line.contains(word) && !line.contains("IndexFile"));
            assert_eq!(named, None, "{path}: {word}");
        }
    }
}
