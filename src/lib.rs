//! Watches the store of an Apache RocketMQ broker from outside.
//!
//! # The map, bottom to top
//!
//! | room | knows |
//! |---|---|
//! | [`units`] | positions and times as types |
//! | [`config`] | YAML, environment and flags in, checked values out |
//! | [`mod@format`] | what bytes mean |
//! | [`web`] | answers over HTTP |
//! | [`app`] | builds the parts from the configuration |
//! | [`cli`] | what can be typed, and what each command does |

pub mod app;
pub mod cli;
pub mod config;
pub mod format;
pub mod units;
pub mod web;
