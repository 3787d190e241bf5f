//! A recorded incident of a real broker.
//!
//! Knows: what the capture holds (`capture.tar.gz`, made from a real broker by `tests/lab/capture.py`).
//!
//! Source of truth: `manifest.json` of the capture; no number of it is repeated here.

pub mod capture;
pub mod manifest;

pub use capture::{Capture, CaptureError};
pub use manifest::{Manifest, Stage};
