//! What the broker was told.
//!
//! Knows the keys of `broker.conf` that decide where a store lies and what recovery does with it, with upstream's defaults,
//! and how the broker reads a value. Does not know where a store really lies, nor which release runs: a key that only some
//! releases have is read for all of them, and its doc says which.
//!
//! Promises: every problem of a file is told at once, and what the broker would make of the file is known in spite of them.
//!
//! The source of truth is upstream's `BrokerStartup`, `MixAll.properties2Object`, `MessageStoreConfig` and `BrokerConfig`,
//! releases 4.9.4 to 5.5.1; defaults were compared with the objects of 5.2.0 and 5.3.3.

mod conf;
mod conf_value;
mod effective;
mod property_names;
pub mod release;

pub use conf::{BrokerConf, BrokerRole, FlushDiskType, MULTI_PATH_SPLITTER, StoreType};
pub use conf_value::{ConfError, ConfProblem, ConfProblems};
pub use property_names::is_property;
