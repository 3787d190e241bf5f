//! A consume queue of either kind.

use super::batch_queue::BatchQueue;
use super::ext::ExtQueue;
use super::file_list::FileList;
use super::queue::Queue;

/// One queue.
#[derive(Debug, Clone)]
pub enum AnyQueue {
    /// With units of 20 bytes.
    Simple(Queue),
    /// With units of 46 bytes.
    Batch(BatchQueue),
}

impl AnyQueue {
    /// End of the newest message with a unit, as the broker compares it.
    #[must_use]
    pub fn max_physical(&self) -> i64 {
        match self {
            Self::Simple(queue) => queue.max_physical,
            Self::Batch(queue) => queue.max_physical,
        }
    }

    /// First queue offset and exclusive end.
    #[must_use]
    pub fn ends(&self) -> (i64, i64) {
        match self {
            Self::Simple(queue) => (queue.min(), queue.max()),
            Self::Batch(queue) => (queue.min, queue.max),
        }
    }

    /// The files.
    #[must_use]
    pub fn list(&self) -> &FileList {
        match self {
            Self::Simple(queue) => &queue.list,
            Self::Batch(queue) => &queue.list,
        }
    }

    /// Its extension.
    pub fn ext_mut(&mut self) -> Option<&mut ExtQueue> {
        match self {
            Self::Simple(queue) => queue.ext.as_deref_mut(),
            Self::Batch(_) => None,
        }
    }

    /// Units written since loading, pre-blank ones included.
    #[must_use]
    pub fn written(&self) -> u64 {
        match self {
            Self::Simple(queue) => queue.written,
            Self::Batch(queue) => queue.written,
        }
    }

    /// Units below the write positions.
    #[must_use]
    pub fn units(&self) -> u64 {
        let bytes: i64 = self.list().files.iter().map(|file| file.wrote).sum();
        u64::try_from(bytes / self.unit_len()).unwrap_or(0)
    }

    /// Length of a unit.
    #[must_use]
    pub fn unit_len(&self) -> i64 {
        match self {
            Self::Simple(_) => 20,
            Self::Batch(_) => 46,
        }
    }
}
