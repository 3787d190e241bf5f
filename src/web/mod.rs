//! What the outside gets to see over HTTP.
//!
//! It knows how answers are written; it does not know where their content comes from. It reads nothing from the store: what is
//! served was put together before the request came.

mod format;
mod openmetrics;

pub use format::Format;
pub use openmetrics::encode;
