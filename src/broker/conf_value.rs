//! How single values of `broker.conf` are read, and what is said about bad ones.
//!
//! Upstream sets each key by reflection and passes over a value that it cannot parse: the default stays and nothing is
//! logged. Numbers are not trimmed, so white space behind one is enough; texts are. A boolean is true if it is `true` in
//! any case, and false if it is anything else.
//!
//! Upstream: `MixAll.properties2Object`.

use std::collections::HashSet;
use std::fmt::Display;

use crate::format::java_properties::{JavaProperties, JavaPropertiesError, Property};

/// One value that is not what its key wants.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {key} is {value:?}, expected {expected}; taken as {taken}")]
pub struct ConfProblem {
    /// Line of the entry, counted from 1.
    pub line: usize,
    /// Key.
    pub key: String,
    /// Value as written, escapes resolved.
    pub value: String,
    /// What the key wants.
    pub expected: &'static str,
    /// What stands in [`super::BrokerConf`] instead.
    pub taken: String,
}

/// All problems of a file, in the order in which the keys are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfProblems(pub Vec<ConfProblem>);

impl Display for ConfProblems {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (at, problem) in self.0.iter().enumerate() {
            write!(f, "{}{problem}", if at == 0 { "" } else { "\n" })?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfProblems {}

/// Why a `broker.conf` is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfError {
    /// It is not in the form of properties; the broker does not start on it.
    #[error(transparent)]
    Form(#[from] JavaPropertiesError),
    /// Some values are not what their keys want.
    #[error(transparent)]
    Values(#[from] ConfProblems),
}

/// Whether a name's case matters: to upstream's enums it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Case {
    Counts,
    Ignored,
}

/// Reads values by key, and remembers which keys were asked for and what was wrong.
pub(super) struct Values<'p> {
    properties: &'p JavaProperties,
    asked: HashSet<&'static str>,
    problems: Vec<ConfProblem>,
}

impl<'p> Values<'p> {
    pub(super) fn new(properties: &'p JavaProperties) -> Self {
        Self { properties, asked: HashSet::new(), problems: Vec::new() }
    }

    /// A number of any sign.
    pub(super) fn int<T: Copy + Display + std::str::FromStr>(&mut self, key: &'static str, default: T) -> T {
        let expected = "a whole number without white space around it";
        self.parsed(key, default, expected, |value| value.parse().ok())
    }

    /// A number of which something is made that cannot be empty: a file's length, a count.
    pub(super) fn size(&mut self, key: &'static str, default: i32) -> i32 {
        let expected = "a whole number above 0 without white space around it";
        self.parsed(key, default, expected, |value| value.parse().ok().filter(|size| *size > 0))
    }

    /// A yes or no. Whatever is neither counts as no.
    pub(super) fn flag(&mut self, key: &'static str, default: bool) -> bool {
        let Some(entry) = self.ask(key) else { return default };
        let is_true = entry.value.eq_ignore_ascii_case("true");
        if !is_true && !entry.value.eq_ignore_ascii_case("false") {
            self.problem(entry, "true or false without white space around it", is_true);
        }
        is_true
    }

    /// A text, trimmed.
    pub(super) fn text(&mut self, key: &'static str) -> Option<String> {
        // Java's trim takes everything up to the blank.
        self.ask(key).map(|entry| entry.value.trim_matches(|char| char <= ' ').to_owned())
    }

    /// One of a few names, of which the first is the default.
    pub(super) fn choice<T: Copy, const N: usize>(
        &mut self,
        key: &'static str,
        choices: [(&'static str, T); N],
        case: Case,
        expected: &'static str,
    ) -> T {
        const { assert!(N > 0, "a choice needs a default") };
        let default = choices[0];
        let Some(entry) = self.ask(key) else { return default.1 };
        let name = entry.value.trim_matches(|char| char <= ' ');
        let is_meant = |choice: &str| match case {
            Case::Counts => choice == name,
            Case::Ignored => choice.eq_ignore_ascii_case(name),
        };
        match choices.iter().find(|(choice, _)| is_meant(choice)) {
            Some((_, choice)) => *choice,
            None => {
                self.problem(entry, expected, default.0);
                default.1
            }
        }
    }

    /// Something that is wrong with an entry only beside others. Nothing is said of an entry that is not there.
    pub(super) fn clash(&mut self, key: &'static str, expected: &'static str, taken: &'static str) {
        if let Some(entry) = self.ask(key) {
            self.problem(entry, expected, taken);
        }
    }

    /// Entries that nobody asked for, and all problems.
    pub(super) fn finish(self) -> (Vec<Property>, Vec<ConfProblem>) {
        let is_unknown = |entry: &&Property| !self.asked.contains(entry.key.as_str());
        (self.properties.entries().iter().filter(is_unknown).cloned().collect(), self.problems)
    }

    fn ask(&mut self, key: &'static str) -> Option<&'p Property> {
        self.asked.insert(key);
        self.properties.entry(key)
    }

    fn parsed<T: Copy + Display>(
        &mut self,
        key: &'static str,
        default: T,
        expected: &'static str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> T {
        let Some(entry) = self.ask(key) else { return default };
        parse(&entry.value).unwrap_or_else(|| {
            self.problem(entry, expected, default);
            default
        })
    }

    fn problem(&mut self, entry: &Property, expected: &'static str, taken: impl Display) {
        self.problems.push(ConfProblem {
            line: entry.line,
            key: entry.key.clone(),
            value: entry.value.clone(),
            expected,
            taken: taken.to_string(),
        });
    }
}
