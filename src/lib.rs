//! Watches the store of an Apache RocketMQ broker from outside.
//!
//! # The map, bottom to top
//!
//! A room names only rooms above its own line.
//!
//! | room | knows |
//! |---|---|
//! | [`units`] | positions and times as types |
//! | [`format`] | what bytes mean |
//! | [`store`] | where bytes are, and how to copy them out |
//! | [`recovery`] | what a broker does to its store when it starts |
//! | [`inspect`] | what operators want to know of a store |
//! | [`watch`] | what changed: the broker's logs, the directory of the store |
//! | [`config`] | what the exporter was told: YAML, environment, flags |
//! | [`cli`] | the command line |
//! | [`app`] | the parts, started and stopped |

pub mod app;
pub mod cli;
pub mod config;
pub mod format;
pub mod inspect;
pub mod observe;
pub mod recovery;
pub mod store;
pub mod units;
pub mod watch;
