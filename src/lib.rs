//! Watches the store of an Apache RocketMQ broker from outside.
//!
//! # The map, bottom to top
//!
//! | room | knows |
//! |---|---|
//! | [`units`] | positions and times as types |
//! | [`format`](mod@format) | what bytes mean |
//! | [`broker`] | what the broker was told |

pub mod broker;
pub mod format;
pub mod units;
