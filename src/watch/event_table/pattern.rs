//! One row: how a text begins and goes on, where it is accepted, and what it means.

use crate::watch::events::Event;
use crate::watch::facts::FactKind;
use crate::watch::occurrence::{LogFile, PhaseHint, Release, Releases};

/// The logs in which a text is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Logs {
    /// store.log
    Store,
    /// storeerror.log and store.log
    Error,
    /// broker_default.log and store.log
    Ledger,
    /// Any of the three.
    Any,
}

impl Logs {
    /// Whether a text of `log` is accepted.
    #[must_use]
    pub fn holds(self, log: LogFile) -> bool {
        match log {
            LogFile::Store => true,
            LogFile::StoreError => matches!(self, Self::Error | Self::Any),
            LogFile::BrokerDefault => matches!(self, Self::Ledger | Self::Any),
        }
    }
}

/// What must follow behind the begin of a text.
#[derive(Debug, Clone, Copy)]
pub enum Rest {
    /// Anything.
    Any,
    /// Nothing but blanks.
    Nothing,
    /// Anything that ends like this; blanks behind it do not count.
    Ends(&'static str),
    /// Anything that holds this.
    Holds(&'static str),
    /// What the function says.
    Is(fn(&[u8]) -> bool),
}

impl Rest {
    /// Whether `rest` is like this.
    #[must_use]
    pub fn fits(self, rest: &[u8]) -> bool {
        match self {
            Self::Any => true,
            Self::Nothing => rest.trim_ascii_end().is_empty(),
            Self::Ends(end) => rest.trim_ascii_end().ends_with(end.as_bytes()),
            Self::Holds(part) => memchr::memmem::find(rest, part.as_bytes()).is_some(),
            Self::Is(check) => check(rest),
        }
    }
}

/// One row.
#[derive(Debug, Clone, Copy)]
pub struct Pattern {
    /// What it means.
    pub event: Event,
    /// Where it is accepted.
    pub logs: Logs,
    /// How the text begins; empty for rows anchored at their end.
    pub start: &'static str,
    /// What follows.
    pub rest: Rest,
    /// Where in its life a broker is that prints it.
    pub phase: Option<PhaseHint>,
    /// Which releases print it, if not all.
    pub releases: Option<Releases>,
    /// What can be read from it.
    pub fact: Option<FactKind>,
}

impl Pattern {
    const fn new(event: Event, logs: Logs, start: &'static str) -> Self {
        Self { event, logs, start, rest: Rest::Any, phase: None, releases: None, fact: None }
    }

    pub(super) const fn rest(mut self, rest: Rest) -> Self {
        self.rest = rest;
        self
    }

    pub(super) const fn ends(self, end: &'static str) -> Self {
        self.rest(Rest::Ends(end))
    }

    pub(super) const fn holds(self, part: &'static str) -> Self {
        self.rest(Rest::Holds(part))
    }

    pub(super) const fn phase(mut self, phase: PhaseHint) -> Self {
        self.phase = Some(phase);
        self
    }

    pub(super) const fn fact(mut self, fact: FactKind) -> Self {
        self.fact = Some(fact);
        self
    }

    pub(super) const fn since(mut self, first: Release) -> Self {
        self.releases = Some(Releases { from: Some(first), to: None });
        self
    }

    pub(super) const fn until(mut self, last: Release) -> Self {
        self.releases = Some(Releases { from: None, to: Some(last) });
        self
    }

    pub(super) const fn between(mut self, first: Release, last: Release) -> Self {
        self.releases = Some(Releases { from: Some(first), to: Some(last) });
        self
    }
}

pub(super) const fn store(event: Event, start: &'static str) -> Pattern {
    Pattern::new(event, Logs::Store, start)
}

pub(super) const fn error(event: Event, start: &'static str) -> Pattern {
    Pattern::new(event, Logs::Error, start)
}

pub(super) const fn ledger(event: Event, start: &'static str) -> Pattern {
    Pattern::new(event, Logs::Ledger, start)
}

pub(super) const fn any(event: Event, start: &'static str) -> Pattern {
    Pattern::new(event, Logs::Any, start)
}
