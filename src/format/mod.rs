//! What the bytes of a store mean.
//!
//! Pure functions from copied bytes to values: no file is opened here, no clock is read, nothing is logged. Decoders trust
//! none of the bytes: no input panics, and none makes them allocate more than the input is long.
//!
//! The source of truth is upstream's `org.apache.rocketmq.store` and `io.openmessaging.storage.dledger`, releases 4.9.4 to
//! 5.5.1; each decoder names the class.

pub mod batch_cq_unit;
pub mod bytes;
pub mod checkpoint;
pub mod cq_ext_unit;
pub mod cq_unit;
pub mod index_file;
pub mod java_hash;
pub mod java_properties;
pub mod ledger_checkpoint;
pub mod ledger_entry;
pub mod log_line;
pub mod loose_json;
pub mod message;
mod message_header;
pub mod properties;
pub mod segment_name;
