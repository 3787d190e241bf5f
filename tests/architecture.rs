//! The map in `src/lib.rs` is true: rooms name only rooms above their own line, and crates stay where they belong.

#![expect(clippy::unwrap_used, reason = "tests may panic")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Where a crate may be named; everywhere else it may not.
const HOMES: &[(&str, &[&str])] = &[
    ("memmap2", &["store/mapping.rs"]),
    (
        "nix",
        &[
            "store/",
            "inspect/disk.rs",
            "web/server.rs",
            "watch/source.rs",
            "observe/pass_loop.rs",
            "observe/vitals.rs",
            "demo/lock.rs",
            "confine/system_calls.rs",
        ],
    ),
    ("landlock", &["confine/files.rs"]),
    ("seccompiler", &["confine/system_calls.rs"]),
    ("rustix", &["store/passing.rs", "confine/privileges.rs"]),
    ("notify", &["watch/wake.rs"]),
    ("serde_yaml", &["config/"]),
    ("prometheus", &["metrics/", "web/", "app.rs"]),
    ("axum", &["web/", "config/web_file.rs"]),
    ("rustls", &["web/access/tls.rs"]),
    ("tokio_rustls", &["web/access/listener.rs"]),
    ("hyper", &["web/packed.rs", "web/server.rs"]),
    ("hyper_util", &["web/server.rs"]),
    ("tokio_util", &["web/access/listener.rs", "web/server.rs", "app/servers.rs"]),
    ("x509_parser", &["web/access/tls.rs"]),
    ("bcrypt", &["web/access/rules.rs"]),
    ("ring", &["web/access/"]),
    ("headers", &["web/access/guard.rs"]),
    ("tower_http", &["web/"]),
    ("clap", &["cli.rs", "cli/", "main.rs"]),
    ("tokio", &["observe/turns.rs", "web/", "app.rs", "app/servers.rs"]),
    ("flate2", &["watch/", "web/packed.rs", "demo/"]),
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
        // What is in no room, `lib.rs` and `main.rs`, puts the rooms together.
        let Some(own) = rank(room_of(&path)) else {
            assert!(["lib.rs", "main.rs"].contains(&path.as_str()), "{path} is in no room of the map");
            continue;
        };
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

/// Paths that would lead past the rule above without being seen by it.
#[test]
fn other_rooms_are_named_by_their_whole_path() {
    for (path, code) in sources() {
        let depth = path.split('/').count() - 1 - usize::from(path.ends_with("/mod.rs"));
        for line in code_lines(&code) {
            assert!(!line.contains("crate::{"), "{path}: {}", line.trim());
            let steps = line.matches("super::").count();
            let is_chain = line.contains(&"super::".repeat(steps.max(1)));
            assert!(!is_chain || steps <= depth, "{path} leaves its room: {}", line.trim());
        }
    }
}

/// Whether `line` has `name` as the begin of a path, or names it in a `use`.
fn names_crate(line: &str, name: &str) -> bool {
    line.match_indices(name).any(|(at, _)| {
        let (before, after) = (&line[..at], &line[at + name.len()..]);
        let is_inside = before.ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':');
        let is_used = before.trim_start().trim_start_matches("pub ") == "use ";
        !is_inside && (after.starts_with("::") || (is_used && after.starts_with([';', ' '])))
    })
}

#[test]
fn crates_are_named_at_home_alone() {
    let sources = sources();
    let mut wrong = Vec::new();
    for (name, homes) in HOMES {
        let named = sources.iter().filter(|(_, code)| code_lines(code).any(|line| names_crate(line, name)));
        let named: Vec<&str> = named.map(|(path, _)| path.as_str()).collect();
        let abroad = named.iter().filter(|path| !homes.iter().any(|home| path.starts_with(home)));
        wrong.extend(abroad.map(|path| format!("{path} names {name}")));
        let empty = homes.iter().filter(|home| !named.iter().any(|path| path.starts_with(**home)));
        wrong.extend(empty.map(|home| format!("{home} does not name {name} any more")));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn files_are_named_after_things_and_stay_short() {
    const VAGUE: [&str; 9] =
        ["utils", "util", "common", "manager", "service", "impl", "helper", "helpers", "misc"];
    for path in sources().keys() {
        let vague = path.split('/').find(|part| VAGUE.contains(&part.trim_end_matches(".rs")));
        assert_eq!(vague, None, "{path}");
        let lines = fs::read_to_string(src().join(path)).unwrap().lines().count();
        assert!(lines <= 500, "{path} has {lines} lines");
    }
}

/// The front of a room says what it knows, lists what it has, and holds its errors; what it does stands in its files.
#[test]
fn the_front_of_a_room_holds_no_logic() {
    for (path, code) in sources().iter().filter(|(path, _)| path.ends_with("mod.rs")) {
        assert!(code.starts_with("//! "), "{path} says what it knows");
        let mut owner = String::new();
        // A closed set of words is declared as an enum inside of a macro.
        let code: String = code_lines(code).map(|line| format!("{line}\n")).collect();
        let code = code.replace("label_set! {\n    pub enum ", "pub enum ");
        let is_outermost = |line: &&str| !line.is_empty() && !line.starts_with([' ', '}', '#', ')']);
        for line in code.lines().filter(is_outermost) {
            let words: Vec<&str> = line.trim_end_matches([' ', '{']).split_whitespace().collect();
            let words = if words[0].starts_with("pub") { &words[1..] } else { &words[..] };
            let is_front = match words[0] {
                "mod" | "use" => line.ends_with([';', '{']),
                "enum" | "struct" => {
                    owner = words[1].to_owned();
                    ["Error", "Failure"].iter().any(|kind| owner.ends_with(kind))
                }
                "impl" => words.last() == Some(&owner.as_str()),
                _ => false,
            };
            assert!(is_front, "{path}: {line}");
        }
    }
}

/// What stands behind the tests of a file would be seen by none of these rules.
#[test]
fn tests_stand_at_the_end_of_their_file() {
    for path in sources().keys() {
        let text = fs::read_to_string(src().join(path)).unwrap();
        let Some((_, tests)) = text.split_once("\n#[cfg(test)]\n") else { continue };
        assert!(tests.starts_with("mod tests {\n"), "{path}");
        let end = tests.find("\n}\n").unwrap() + "\n}\n".len();
        assert_eq!(tests[end..].trim(), "", "{path}: behind its tests");
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
