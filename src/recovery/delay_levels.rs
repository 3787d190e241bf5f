//! `messageDelayLevel`: how long a message of each level is delayed.
//!
//! Upstream: `ScheduleMessageService.parseDelayLevel`, `DefaultMessageStore.parseDelayLevel`.

/// `1s 5s 10s` in milliseconds, by level from 1 on.
#[must_use]
pub fn delays(levels: &str) -> Vec<i64> {
    levels.split(' ').map_while(delay).collect()
}

/// Whether the broker takes all levels; else it does not start (`ScheduleMessageService.parseDelayLevel`).
#[must_use]
pub fn takes_delays(levels: &str) -> bool {
    levels.split(' ').all(|level| delay(level).is_some())
}

fn delay(level: &str) -> Option<i64> {
    let (at, last) = level.char_indices().last()?;
    let unit = match last {
        's' => 1_000,
        'm' => 60_000,
        'h' => 3_600_000,
        'd' => 86_400_000,
        _ => return None,
    };
    level.get(..at)?.parse::<i64>().ok()?.checked_mul(unit)
}
