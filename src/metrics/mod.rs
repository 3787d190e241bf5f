//! The picture of a store as Prometheus wants it.
//!
//! Every metric is declared once, in [`catalogue`]; [`collector`] fills the families anew at each scrape from what is known by
//! then, so a queue that is gone leaves no series behind, and a scrape touches no disk. What is unknown has no sample (I6);
//! closed label sets are exported in full; the number of series is bounded by the configuration, whatever the store holds (I8).

pub mod catalogue;
pub mod collector;
mod families;
mod preview_families;
mod store_families;

pub use collector::StoreCollector;
