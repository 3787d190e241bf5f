//! Watches the store of an Apache RocketMQ broker from outside.
//!
//! # The map, bottom to top
//!
//! A room names only rooms above its own line.
//!
//! | room | knows |
//! |---|---|
//! | [`label`] | closed sets of words |
//! | [`count`] | numbers with what they count |
//! | [`units`] | positions and times as types |
//! | [`confine`] | what the process gives up |
//! | [`format`](mod@format) | what bytes mean |
//! | [`broker`] | what the broker was told, and which release it is |
//! | [`store`] | where bytes are, and how to copy them out |
//! | [`recovery`] | what a broker does to its store when it starts |
//! | [`inspect`] | what operators want to know of a store |
//! | [`watch`] | what changed: the broker's logs, the directory of the store |
//! | [`preview`] | the next start of a broker, told to people: findings, remedies, comparison |
//! | [`observe`] | one consistent picture of all that, and what it means |
//! | [`metrics`] | the picture as Prometheus wants it |
//! | [`web`] | the picture for people and their tools |
//! | [`config`] | what the exporter was told: YAML, environment, flags |
//! | [`demo`] | a captured incident, lived through once more |
//! | [`app`] | the parts, started and stopped |
//! | [`cli`] | the command line |

pub mod app;
pub mod broker;
pub mod cli;
pub mod config;
pub mod confine;
pub mod count;
pub mod demo;
pub mod format;
pub mod inspect;
pub mod label;
pub mod metrics;
pub mod observe;
pub mod preview;
pub mod recovery;
pub mod store;
pub mod units;
pub mod watch;
pub mod web;
