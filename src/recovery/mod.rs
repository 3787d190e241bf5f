//! What a broker does to its store when it starts.
//!
//! Knows the rules of upstream's recovery, a row of a table a release ([`release`]); reads files through [`crate::store`] and
//! changes none. [`forecast()`] answers a [`Question`] with plain data. Not modelled: queues in RocksDB, and what
//! [`Forecast::not_modelled`] names.
//!
//! The rules, with their upstream methods; read in releases 4.9.4 to 5.5.1, run against the real store in all of them but
//! 5.1.2, which is not published, and 4.9.8, of which there is no broker; its store is that of 4.9.7 to the letter:
//!
//! - **R1 truncation of a consume queue** (`ConsumeQueue.truncateDirtyLogicFiles`, `BatchConsumeQueue.truncateDirtyLogicFiles`):
//!   from the last file back, a file whose first unit's message begins at or behind the cut is unlinked; in the first one that
//!   is not, the write position moves to the first unit whose message begins at or behind the cut, or that is not valid.
//!   Nothing is zeroed. The first unit of a file is kept without a look at its validity (hazard H1: a file of zeros gets one
//!   phantom unit); pre-blank units alone set the queue's maximum to 2147483647 (H2); a queue without files left has the cut
//!   itself as its maximum (H3), which 5.5.1 forgets again when it looks for minima.
//! - **R2 loading files** (`MappedFileQueue.load`, `MmapFileList.load`): a wrong length refuses the start; the last entry of a
//!   directory, if empty, is deleted by newer releases; a name that is no number ends load with an exception.
//! - **R3 refusing** (`DefaultMessageStore.load`, `BrokerController.initialize`): false or an exception is exit code -3, DLedger's
//!   own refusal -1. Some releases end with -1 in place of -3 as shutting down fails: where a table of `config/` can be read from
//!   neither copy, or the store does not load and the timer is on, which is loaded only after it. The timer's files and the delay
//!   levels can end the broker too.
//! - **R4 one record** (`CommitLog.checkMessageAndReturnSize`): magic, lengths, body or property checksum, `DUP_INFO`. Neither
//!   the offset nor the queue offset in a message is compared with its place.
//! - **R5 clean start** (`CommitLog.recoverNormally`), **R6 unclean start** (`recoverAbnormally`): which segment the walk
//!   begins with, and which messages it dispatches.
//! - **R7 DLedger's own recovery** (`DLedgerMmapFileStore.recover`): end of the data by heads of entries alone, index rebuilt,
//!   committed position by its checkpoint.
//! - **R8 unclean start in DLedger mode** (`DLedgerCommitLog.recoverAbnormally`, 5.2.0 and later): walks over the entries, and
//!   counts messages without the heads of their entries, so that the end it finds lies 48 bytes a message too low.
//! - **R9 truncation test**: the end of the queues at or above the end of the walk cuts the queues there; 5.5.0 takes the
//!   checkpoint's offset for the end of the queues after an unclean stop. In plain mode the log is cut there too.
//! - **R10 putting a unit** (`ConsumeQueue.putMessagePositionInfo`, `ConsumeQueueExt.put`): repeated, below the end, pre-blank,
//!   or appended, be it to the wrong slot. The extension gets a unit before the queue asks whether it has one.
//! - **R11 index** (`IndexService.load`, `buildIndex`): after an unclean stop files newer than the checkpoint are unlinked.
//! - **R12 after load** (`DefaultMessageStore.start`, `ReputMessageService.doReput`): where dispatch begins.
//! - **R13 loss**: a message in the log that has no unit after R12, and which nothing will index again.

pub mod any_queue;
pub mod batch_queue;
mod confirm;
pub mod delay_levels;
pub mod disk;
pub mod dispatch_counts;
pub mod dropped;
pub mod ext;
pub mod file_list;
pub mod file_loading;
pub mod forecast;
pub mod index;
pub mod ledger;
mod ledger_lines;
pub mod load;
pub mod loss;
pub mod memory;
pub mod metadata;
mod noted;
pub mod on_cores;
pub mod parse;
mod phase_lines;
pub mod pieces;
pub mod plan;
pub mod question;
pub mod queue;
pub mod queue_kind;
pub mod queue_loading;
pub mod queue_minimum;
pub mod queue_table;
pub mod queue_truncation;
pub mod record;
pub mod refusal;
pub mod release;
pub mod replay;
pub mod reput;
mod strides;
pub mod table_field;
pub mod table_form;
pub mod tally;
pub mod timer;
pub mod unmodelled;

pub use disk::{Budget, RecoveryError};
pub use forecast::{Forecast, Verdict};
pub use memory::Memory;
pub use question::{BUDGET_USED_UP, Question, Reach, Shutdown, Without, forecast, forecast_again};
