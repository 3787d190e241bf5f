//! What the bytes of a store mean.
//!
//! Pure functions from copied bytes to values: no file is opened here, no clock is read, nothing is logged. Decoders trust
//! none of the bytes: no input panics, and none makes them allocate more than the input is long.
//!
//! The source of truth is upstream's `org.apache.rocketmq.store` and `io.openmessaging.storage.dledger`, releases 4.9.4 to
//! 5.5.0; each decoder names the class.

pub mod bytes;
pub mod cq_unit;
pub mod log_line;
