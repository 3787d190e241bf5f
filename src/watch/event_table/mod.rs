//! Which text means which event: one row a text.
//!
//! A row is anchored at the begin of the text, or, for texts that begin with a path or a name, at its end. Of the rows that
//! fit, the one with the longest begin wins; of those with the same begin, the first. A text that fits no row as it is, but begins with
//! `[…]` (the id of a DLedger peer), is tried again behind it.
//!
//! A row's logs are those in which its text is accepted. They are wider than where upstream writes it: people route loggers
//! elsewhere, and DLedger's own lines went to different files over time.
//!
//! Source: the log calls of `org.apache.rocketmq.store`, `org.apache.rocketmq.common.ServiceThread` and
//! `io.openmessaging.storage.dledger.store.file`, releases 4.9.4 to 5.5.0. Texts that differ by release have a row each.

mod ledger;
mod running;
mod starting;

use super::events::Event;
use super::facts::FactKind;
use super::occurrence::{LogFile, PhaseHint, Release, Releases};

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

    const fn rest(mut self, rest: Rest) -> Self {
        self.rest = rest;
        self
    }

    const fn ends(self, end: &'static str) -> Self {
        self.rest(Rest::Ends(end))
    }

    const fn holds(self, part: &'static str) -> Self {
        self.rest(Rest::Holds(part))
    }

    const fn phase(mut self, phase: PhaseHint) -> Self {
        self.phase = Some(phase);
        self
    }

    const fn fact(mut self, fact: FactKind) -> Self {
        self.fact = Some(fact);
        self
    }

    const fn since(mut self, first: Release) -> Self {
        self.releases = Some(Releases { from: Some(first), to: None });
        self
    }

    const fn until(mut self, last: Release) -> Self {
        self.releases = Some(Releases { from: None, to: Some(last) });
        self
    }

    const fn between(mut self, first: Release, last: Release) -> Self {
        self.releases = Some(Releases { from: Some(first), to: Some(last) });
        self
    }
}

const fn store(event: Event, start: &'static str) -> Pattern {
    Pattern::new(event, Logs::Store, start)
}

const fn error(event: Event, start: &'static str) -> Pattern {
    Pattern::new(event, Logs::Error, start)
}

const fn ledger(event: Event, start: &'static str) -> Pattern {
    Pattern::new(event, Logs::Ledger, start)
}

const fn any(event: Event, start: &'static str) -> Pattern {
    Pattern::new(event, Logs::Any, start)
}

/// All rows.
pub fn patterns() -> impl Iterator<Item = &'static Pattern> {
    starting::PATTERNS.iter().chain(running::PATTERNS).chain(ledger::PATTERNS)
}
