//! Watches the store of an Apache RocketMQ broker from outside.
//!
//! # The map, bottom to top
//!
//! | room | knows |
//! |---|---|
//! | [`units`] | positions and times as types |
//! | [`format`] | what bytes mean |
//! | [`watch`] | what happens over time: the broker's logs as a stream of known events |

pub mod format;
pub mod units;
pub mod watch;
