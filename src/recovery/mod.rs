//! What a broker does to its store when it starts.
//!
//! Knows the rules of upstream's recovery; reads files through [`crate::store`] and changes none. The rules, each with its
//! upstream method and the releases in which it was read and checked against the real store:
//!
//! - **R1 truncation of a consume queue** (`ConsumeQueue.truncateDirtyLogicFiles`, `BatchConsumeQueue.truncateDirtyLogicFiles`;
//!   4.9.4 to 5.5.0): from the last file back, a file whose first unit's message begins at or behind the cut is unlinked; in
//!   the first one that is not, the write position moves to the first unit whose message begins at or behind the cut, or that
//!   is not valid. Nothing is zeroed. The first unit of a file is kept without a look at its validity.

pub mod queue_truncation;

pub mod batch_queue;
pub mod disk;
pub mod dropped;
pub mod ext;
pub mod file_list;
pub mod forecast;
pub mod index;
pub mod ledger;
pub mod load;
pub mod loss;
pub mod parse;
pub mod plan;
pub mod question;
pub mod queue;
pub mod queue_table;
pub mod release;
pub mod replay;
pub mod segment_reader;

pub use disk::{Budget, RecoveryError};
pub use forecast::{Forecast, Verdict};
pub use question::{Question, Reach, Shutdown, Without, forecast};
