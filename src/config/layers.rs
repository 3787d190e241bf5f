//! Lays the file and the flags over the defaults, and says where every value came from.
//!
//! The defaults double as the list of known keys, so a key cannot be known without having a field in [`Raw`].

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

use serde_yaml::{Mapping, Value};

use super::problem::environment_variable;
use super::raw::Raw;
use super::{Config, Origin, Problem, validate};
use crate::store::told_file::{self, Links};

/// Values longer than this are cut in problems.
const SHOWN_CHARS: usize = 80;

/// A value that a flag or its environment variable gives for a key.
#[derive(Debug, Clone, PartialEq)]
pub struct Override {
    key: Cow<'static, str>,
    origin: Origin,
    value: Value,
}

impl Override {
    /// One text for `key`, given by `flag` (with its dashes).
    #[must_use]
    pub fn text(key: &'static str, flag: &'static str, text: &str) -> Self {
        Self { key: key.into(), origin: Origin::Flag(flag), value: text.into() }
    }

    /// A list of texts for `key`, given by `flag` (with its dashes).
    #[must_use]
    pub fn list(key: &'static str, flag: &'static str, texts: &[String]) -> Self {
        Self { key: key.into(), origin: Origin::Flag(flag), value: texts.to_vec().into() }
    }
}

/// What the variables of the environment give for keys, each named after its key: `follow.interval` has
/// `ROCKETMQ_STORE_EXPORTER_FOLLOW_INTERVAL`. Values are written as in the file. Other variables with that beginning are nobody's
/// mistake: Kubernetes sets some for a service of that name.
#[must_use]
pub fn variables(value_of: impl Fn(&str) -> Option<String>) -> Vec<Override> {
    let given = |key: String| {
        let name = environment_variable(&key);
        let text = value_of(&name).filter(|text| !text.is_empty())?;
        let value = serde_yaml::from_str(&text).ok().filter(is_plain).unwrap_or(Value::String(text));
        Some(Override { key: key.into(), origin: Origin::Variable(name), value })
    };
    Layers::new().known.into_iter().filter_map(given).collect()
}

/// What came out of reading a configuration.
#[derive(Debug)]
pub struct Loaded {
    /// All keys as YAML: what was given, else the default; null means not set. Values in trouble stand there as given.
    pub effective: String,
    /// The checked configuration, or everything that is wrong with it.
    pub outcome: Result<Config, Vec<Problem>>,
}

/// Where each key that is not a default came from.
#[derive(Debug, Default)]
pub(super) struct Origins(BTreeMap<String, Origin>);

impl Origins {
    pub(super) fn of(&self, key: &str) -> Origin {
        self.0.get(key).cloned().unwrap_or(Origin::Default)
    }
}

/// Reads `file`, lays `overrides` over it, and checks the result.
#[must_use]
pub fn load(file: Option<&Path>, overrides: &[Override]) -> Loaded {
    let mut layers = Layers::new();
    let file_is_usable = file.is_none_or(|path| layers.add_file(path));
    for given in overrides {
        layers.add_override(given);
    }
    let raw: Raw = serde_yaml::from_value(Value::Mapping(layers.values))
        .expect("laying values over the defaults keeps their keys, and leaves take any value");
    let effective = serde_yaml::to_string(&raw).expect("values that came from YAML can be written as YAML");
    let mut problems = layers.problems;
    let outcome = match validate::check(&raw, &layers.origins) {
        Ok(config) if problems.is_empty() => Ok(config),
        Ok(_) => Err(problems),
        Err(found) => {
            // Without the file, a key that is not set says nothing: the file may have set it.
            let is_told = |problem: &Problem| file_is_usable || problem.origin != Origin::Default;
            problems.extend(found.into_iter().filter(is_told));
            Err(problems)
        }
    };
    Loaded { effective, outcome }
}

struct Layers {
    values: Mapping,
    /// Keys that hold a value, with their whole path.
    known: Vec<String>,
    /// Keys that hold other keys.
    sections: Vec<String>,
    origins: Origins,
    problems: Vec<Problem>,
}

impl Layers {
    fn new() -> Self {
        let defaults = serde_yaml::to_value(Raw::default()).expect("the defaults are plain YAML values");
        let Value::Mapping(values) = defaults else { unreachable!("a struct becomes a mapping") };
        let (mut known, mut sections) = (Vec::new(), Vec::new());
        for (name, value) in &values {
            let name = name.as_str().unwrap_or_default();
            match value {
                Value::Mapping(section) => {
                    let leaves = section.keys().filter_map(Value::as_str);
                    known.extend(leaves.map(|leaf| format!("{name}.{leaf}")));
                    sections.push(name.to_owned());
                }
                _ => known.push(name.to_owned()),
            }
        }
        Self { values, known, sections, origins: Origins::default(), problems: Vec::new() }
    }

    /// Returns whether the file could be read as a mapping; the problem is noted otherwise.
    fn add_file(&mut self, path: &Path) -> bool {
        let read = told_file::read_text(path, Links::Followed)
            .map_err(|error| format!("a readable text file: {error}"));
        let parsed =
            read.and_then(|text| serde_yaml::from_str(&text).map_err(|error| format!("YAML: {error}")));
        match parsed {
            Ok(value) if !is_plain(&value) => self.refuse_file(
                path,
                "YAML without tags (!…), and with no list or mapping for a key".to_owned(),
            ),
            Ok(Value::Null) => true,
            Ok(Value::Mapping(given)) => {
                self.add_mapping(given, &Origin::File(path.to_owned()));
                true
            }
            Ok(other) => {
                self.refuse_file(path, format!("a mapping of keys at its top, not {}", shown(&other)))
            }
            Err(expected) => self.refuse_file(path, expected),
        }
    }

    fn refuse_file(&mut self, path: &Path, expected: String) -> bool {
        let value = path.display().to_string();
        let origin = Origin::Flag("--config.file");
        self.problems.push(Problem { key: "config.file".into(), value, expected, origin });
        false
    }

    fn add_mapping(&mut self, given: Mapping, origin: &Origin) {
        for (name, value) in given {
            let name = key_text(&name);
            match (self.values.get(&name), value) {
                (_, Value::Null) if self.values.contains_key(&name) => {}
                (Some(Value::Mapping(_)), Value::Mapping(section)) => {
                    for (leaf, value) in section {
                        let leaf = key_text(&leaf);
                        let is_known = self.values[&name].as_mapping().is_some_and(|s| s.contains_key(&leaf));
                        if !is_known {
                            self.refuse_key(format!("{name}.{leaf}"), &value, origin);
                        } else if !value.is_null() {
                            self.values[&name][&leaf] = value;
                            self.origins.0.insert(format!("{name}.{leaf}"), origin.clone());
                        }
                    }
                }
                (Some(Value::Mapping(section)), value) => {
                    let leaves: Vec<&str> = section.keys().filter_map(Value::as_str).collect();
                    let expected = format!("a mapping with {}", leaves.join(", "));
                    self.problems.push(Problem {
                        key: name,
                        value: shown(&value),
                        expected,
                        origin: origin.clone(),
                    });
                }
                (Some(_), value) => {
                    self.values[&name] = value;
                    self.origins.0.insert(name, origin.clone());
                }
                (None, value) => self.refuse_key(name, &value, origin),
            }
        }
    }

    fn refuse_key(&mut self, key: String, value: &Value, origin: &Origin) {
        let expected = match (self.known.contains(&key), key.split_once('.'), self.nearest(&key)) {
            (true, Some((section, leaf)), _) => format!("it nested: `{leaf}` below `{section}`"),
            (_, _, Some(near)) => format!("a known key, perhaps {near}"),
            _ => "a known key".into(),
        };
        self.problems.push(Problem { key, value: shown(value), expected, origin: origin.clone() });
    }

    fn nearest(&self, key: &str) -> Option<&str> {
        let typed = key.to_lowercase().replace('-', "_");
        let last = |key: &str| key.rsplit('.').next().map(str::to_owned);
        let distance = |known: &&String| strsim::damerau_levenshtein(&typed, known);
        let close = self.known.iter().chain(&self.sections).min_by_key(distance);
        close
            .filter(|known| distance(known) <= (known.len() / 4).max(2))
            .or_else(|| self.known.iter().find(|known| last(known) == last(&typed)))
            .map(String::as_str)
    }

    fn add_override(&mut self, given: &Override) {
        let value = given.value.clone();
        match given.key.split_once('.') {
            Some((section, leaf)) => self.values[section][leaf] = value,
            None => self.values[&*given.key] = value,
        }
        self.origins.0.insert(given.key.to_string(), given.origin.clone());
    }
}

/// Whether there is neither a tag anywhere nor a key that holds others: nothing has a use for them, and not all of them can be
/// written again.
fn is_plain(value: &Value) -> bool {
    match value {
        Value::Tagged(_) => false,
        Value::Sequence(values) => values.iter().all(is_plain),
        Value::Mapping(values) => values.iter().all(|(key, value)| {
            !matches!(key, Value::Tagged(_) | Value::Sequence(_) | Value::Mapping(_)) && is_plain(value)
        }),
        _ => true,
    }
}

fn key_text(key: &Value) -> String {
    key.as_str().map_or_else(|| shown(key), str::to_owned)
}

/// A value on one line, as JSON, which is YAML too.
pub(super) fn shown(value: &Value) -> String {
    if value.is_null() {
        return "nothing".into();
    }
    let text = serde_json::to_string(value).unwrap_or_else(|_| format!("{value:?}"));
    if text.chars().count() <= SHOWN_CHARS {
        return text;
    }
    text.chars().take(SHOWN_CHARS).chain("…".chars()).collect()
}
