//! Where recovery begins to read the log (R5, R6, R8): facts in, index of a segment out.

use super::release::{CleanStart, Matching, Rules};
use crate::broker::BrokerConf;
use crate::format::checkpoint::Checkpoint;
use crate::format::message::{MAGIC_V1, MAGIC_V2};
use crate::units::{EpochMillis, PhysicalOffset};

/// The first message of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FirstMessage {
    /// When it was stored.
    pub stored_at: EpochMillis,
    /// The offset written in it.
    pub physical: PhysicalOffset,
}

/// The first message as its bytes say, unparsed: for releases that look at magic and time alone.
#[must_use]
pub fn raw_first_message(message: &[u8], takes_v2: bool) -> Option<FirstMessage> {
    let i32_at = |at: usize| message.get(at..)?.first_chunk::<4>().map(|bytes| i32::from_be_bytes(*bytes));
    let i64_at = |at: usize| message.get(at..)?.first_chunk::<8>().map(|bytes| i64::from_be_bytes(*bytes));
    let magic = i32_at(4)?.cast_unsigned();
    if magic != MAGIC_V1 && !(takes_v2 && magic == MAGIC_V2) {
        return None;
    }
    let stored_at = if i32_at(36)? & 0x10 == 0 { 56 } else { 68 };
    Some(FirstMessage { stored_at: EpochMillis(i64_at(stored_at)?), physical: PhysicalOffset(i64_at(28)?) })
}

/// Whether an unclean start may begin with the segment of this first message.
#[must_use]
pub fn is_old_enough(rules: &Rules, conf: &BrokerConf, checkpoint: &Checkpoint, first: FirstMessage) -> bool {
    let stored_at = first.stored_at;
    if stored_at.0 == 0 {
        return false;
    }
    let is_index_safe = conf.message_index_enable && conf.message_index_safe;
    if rules.matching == Matching::RawTimestamp {
        let limit =
            if is_index_safe { checkpoint.min_timestamp_with_index() } else { checkpoint.min_timestamp() };
        return stored_at <= limit;
    }
    if is_index_safe && stored_at > checkpoint.index_msg_timestamp {
        return false;
    }
    match rules.matching {
        Matching::ParsedOffset if checkpoint.logics_physical_offset.0 > 0 => {
            first.physical <= checkpoint.logics_physical_offset
        }
        Matching::ParsedOffset => stored_at <= checkpoint.logics_msg_timestamp,
        _ => stored_at <= checkpoint.min_timestamp(),
    }
}

/// How many segments are looked at, from the last one back.
#[must_use]
pub fn file_limit(rules: &Rules, conf: &BrokerConf) -> usize {
    match usize::try_from(conf.commit_log_recover_max_num) {
        _ if !rules.limits_files => usize::MAX,
        Ok(limit) if limit > 0 => limit,
        _ => 10,
    }
}

/// The segment that a clean start begins with.
///
/// # Errors
/// What `is_match` said.
pub fn clean_start<E>(
    rules: &Rules,
    limit: usize,
    bases: &[i64],
    queue_end: i64,
    mut is_match: impl FnMut(usize) -> Result<bool, E>,
) -> Result<usize, E> {
    match rules.clean_start {
        CleanStart::ThirdFromEnd => Ok(bases.len().saturating_sub(3)),
        CleanStart::BaseBelowQueues => {
            Ok(bases.iter().rposition(|base| *base <= queue_end).unwrap_or_default())
        }
        CleanStart::FirstMessageBelowQueues => {
            for (looked_at, at) in (1..bases.len()).rev().enumerate() {
                if is_match(at)? || looked_at + 1 >= limit {
                    return Ok(at);
                }
            }
            Ok(0)
        }
    }
}

/// The segment that an unclean start begins with.
///
/// # Errors
/// What `is_match` said.
pub fn unclean_start<E>(
    limit: usize,
    count: usize,
    mut is_match: impl FnMut(usize) -> Result<bool, E>,
) -> Result<usize, E> {
    for (looked_at, at) in (0..count).rev().enumerate() {
        if is_match(at)? || looked_at + 1 >= limit {
            return Ok(at);
        }
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(rules: &Rules, limit: usize, queue_end: i64) -> usize {
        let bases: Vec<i64> = (0..16).map(|at| at * 100).collect();
        let found: Result<_, ()> = clean_start(rules, limit, &bases, queue_end, |_| Ok(false));
        found.unwrap()
    }

    #[test]
    fn a_clean_start_begins_where_the_release_says() {
        let row = |release| Rules::of(release).unwrap();
        assert_eq!(start(&row((5, 3, 1)), usize::MAX, -1), 13);
        assert_eq!(start(&row((5, 3, 2)), usize::MAX, 1_000), 10);
        assert_eq!(start(&row((5, 3, 3)), usize::MAX, -1), 0);
        assert_eq!(start(&row((5, 4, 0)), 10, -1), 6, "the tenth from the end, matching or not");
    }

    #[test]
    fn an_unclean_start_goes_back_until_one_matches_or_the_limit_is_reached() {
        let start = |limit, matching: usize| -> Result<usize, ()> {
            unclean_start(limit, 16, |at| Ok(at <= matching))
        };
        assert_eq!(start(10, 9), Ok(9));
        assert_eq!(start(10, 2), Ok(6));
        assert_eq!(start(usize::MAX, 0), Ok(0));
    }
}
