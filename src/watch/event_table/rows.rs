//! All rows, in the order in which the first of equals wins.

use super::{Pattern, ledger, running, starting};

/// All rows.
pub fn patterns() -> impl Iterator<Item = &'static Pattern> {
    starting::PATTERNS.iter().chain(running::PATTERNS).chain(ledger::PATTERNS)
}
