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
//! `io.openmessaging.storage.dledger.store.file`, releases 4.9.4 to 5.5.1. Texts that differ by release have a row each.

mod ledger;
mod pattern;
mod rows;
mod running;
mod starting;

pub use pattern::{Logs, Pattern, Rest};
pub use rows::patterns;
