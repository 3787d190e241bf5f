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

    /// The time in UTC to the second, `2026-11-23 09:10:18`.
    #[must_use]
    pub fn as_utc(self) -> String {
        let seconds = self.0.div_euclid(1000);
        let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
        let (year, month, day) = date(days);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
    }
}

/// Year, month and day in the proleptic Gregorian calendar, of days from 1970-01-01 on; years begin in March so that the leap
/// day comes last.
fn date(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let year = era * 400 + year_of_era;
    if month < 10 { (year, month + 3, day) } else { (year + 1, month - 9, day) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_in_utc() {
        assert_eq!(EpochMillis(1_795_424_994_443).as_utc(), "2026-11-23 09:09:54");
        assert_eq!(EpochMillis(0).as_utc(), "1970-01-01 00:00:00");
        assert_eq!(EpochMillis(951_782_400_000).as_utc(), "2000-02-29 00:00:00");
        assert_eq!(EpochMillis(-1).as_utc(), "1969-12-31 23:59:59");
    }
}
