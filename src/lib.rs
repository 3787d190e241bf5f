//! Watches the store of an Apache RocketMQ broker from outside.
//!
//! # The map, bottom to top
//!
//! | room | knows |
//! |---|---|
//! | [`units`] | positions and times as types |
//! | [`format`] | what bytes mean |

pub mod format;
pub mod inspect;
pub mod recovery;
pub mod store;
pub mod units;
pub mod watch;
