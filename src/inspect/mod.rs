//! What operators want to know of a store, one question a file.
//!
//! Reads through [`crate::store`], decides nothing about recovery. Every answer is plain data; what could not be told is
//! `None`, never zero (I6).

pub mod disk;
pub mod log_end;
pub mod metadata;
pub mod small_files;
