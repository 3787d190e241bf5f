//! Configuration: a YAML file, environment variables and flags in, checked values out.
//!
//! It knows every key, its default and what its value must look like; it does not know what the values are used for, but for
//! the web configuration, which says what [`crate::web`] wants of clients. The
//! rest of the program sees [`Config`] only, through `app` and `cli`; other rooms take small option structs of their own.
//!
//! Promises: a flag wins over its environment variable, that over the file, that over the default. All problems of
//! a configuration are found in one go, each with key, value and what was expected. Nothing is clamped or guessed, and an
//! unknown key is refused. The YAML library is named in this room alone.
//!
//! Keys and defaults stand in [`raw`], one doc comment each. The environment variable of a flag is its name in capitals behind
//! `ROCKETMQ_STORE_EXPORTER_`, with `_` for dots and dashes; other variables of that prefix are left alone, because Kubernetes
//! makes some (`…_PORT`, `…_SERVICE_HOST`) for a Service of that name.

mod layers;
mod listen;
mod place;
mod problem;
mod quantity;
pub mod raw;
mod validate;
mod values;
mod web_file;

pub use layers::{Loaded, Override, load, variables};
pub use listen::ListenAddress;
pub use place::is_at_or_below;
pub use problem::{Origin, Problem};
pub use quantity::{duration_text, parse_bytes, parse_duration};
pub use values::{
    BrokerMode, BrokerOptions, BudgetOptions, Config, ConfineMode, EvidenceOptions, FollowOptions, LogFormat,
    LogLevel, LogOptions, ReadMode, WebOptions, Word,
};
pub use web_file::read as read_web_file;
