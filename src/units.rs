//! Positions and times that upstream mixes under the name "offset", kept apart as types.
//!
//! All of them come from disk or from a log line, so arithmetic on them is checked or saturating.

use serde::{Deserialize, Serialize};

macro_rules! position {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl $name {
            /// This position moved by `delta`; `None` if that leaves the range of an `i64`.
            #[must_use]
            pub fn checked_add(self, delta: i64) -> Option<Self> {
                self.0.checked_add(delta).map(Self)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

position! {
    /// Byte position in the whole commitlog (upstream: `phyOffset`, `physicOffset`, `commitLogOffset`).
    PhysicalOffset
}
position! {
    /// Ordinal of a unit in one consume queue (upstream: `queueOffset`, `cqOffset`).
    QueueOffset
}
position! {
    /// Byte position in one queue's files: ordinal × unit length (upstream: `expectLogicOffset` and other "logic" offsets).
    QueuePosition
}
position! {
    /// Milliseconds since 1970-01-01T00:00:00Z.
    EpochMillis
}

impl EpochMillis {
    /// Seconds since the epoch, as Prometheus wants them.
    #[must_use]
    #[expect(clippy::as_conversions, reason = "a time in ms fits the 53 bits of an f64 for 285,000 years")]
    pub fn as_seconds(self) -> f64 {
        self.0 as f64 / 1000.0
    }
}
