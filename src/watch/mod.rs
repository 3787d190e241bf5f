//! Following: the directory of the store, and what it once held.
//!
//! Sees what changed since the last look, and keeps the high-water marks that tell a loss from a state that was always so.
//! Does not say why something changed; [`crate::observe`] does.

pub mod tree;
