//! Work on many queues, shared among cores.

use std::num::NonZero;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::thread;

use super::disk::RecoveryError;

/// Threads at most: the broker that a store belongs to may run beside.
const MOST: usize = 2;
/// Items that a thread takes at one go.
const BATCH: usize = 128;

/// Threads that are worth starting.
#[must_use]
pub fn threads() -> usize {
    // Once: it reads the files of the process's control group.
    static THREADS: LazyLock<usize> =
        LazyLock::new(|| thread::available_parallelism().map_or(1, NonZero::get).min(MOST));
    *THREADS
}

/// Does `each` to all items, in no order. Of several errors that of the first item counts.
///
/// # Errors
/// What `each` said.
pub fn for_each<T: Send>(
    items: &mut [T],
    each: impl Fn(&mut T) -> Result<(), RecoveryError> + Sync,
) -> Result<(), RecoveryError> {
    if threads() < 2 || items.len() <= BATCH {
        return items.iter_mut().try_for_each(each);
    }
    let batches = Mutex::new(items.chunks_mut(BATCH).enumerate());
    let failed: Mutex<Option<(usize, RecoveryError)>> = Mutex::new(None);
    let work = || {
        loop {
            let batch = batches.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some((number, batch)) = batch else { return };
            if let Err(error) = batch.iter_mut().try_for_each(&each) {
                let mut failed = failed.lock().unwrap_or_else(PoisonError::into_inner);
                if failed.as_ref().is_none_or(|(first, _)| number < *first) {
                    *failed = Some((number, error));
                }
                return;
            }
        }
    };
    thread::scope(|scope| {
        for _ in 1..threads() {
            // Without a second thread the first one does it all.
            let _ = thread::Builder::new().spawn_scoped(scope, work);
        }
        work();
    });
    match failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some((_, error)) => Err(error),
        None => Ok(()),
    }
}
