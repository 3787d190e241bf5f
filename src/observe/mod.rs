//! One picture of broker and store out of everything that is seen of them, and what it means.
//!
//! Brings together what the tail of the logs hears and what passes over the store see: the broker's phase, what was lost and
//! why, what has to be kept as evidence. Does not know who asks: metrics and pages read finished pictures.
//!
//! Promises: no conclusion depends on one line of the log alone; every count survives a restart of the exporter exactly, as
//! positions, counts and high-water marks are saved in one file at once.

pub mod account;
pub mod evidence;
pub mod feed;
pub mod history;
pub mod observer;
pub mod outlook;
pub mod outlook_loop;
pub mod own_file;
pub mod pass;
pub mod pass_loop;
pub mod phase;
pub mod picture;
pub mod progress;
pub mod shrinkage;
pub mod state_file;
pub mod tail_loop;
pub mod turns;
pub mod verification;
pub mod vitals;
