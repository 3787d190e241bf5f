//! One unit of `consumequeue_ext`, of variable length, big-endian.
//!
//! | at | length | field |
//! |---|---|---|
//! | 0 | 2 | size of the unit, 20 + bit map; -1 fills a segment's end |
//! | 2 | 8 | tags code |
//! | 10 | 8 | store timestamp |
//! | 18 | 2 | size of the bit map; below 1 means none |
//! | 20 | n | bit map |
//!
//! A unit of the queue itself points here by an address in place of its tags code: the position in the files of
//! `consumequeue_ext` minus 2^63, which is below every hash.
//!
//! Upstream: `ConsumeQueueExt`; the same in all releases.

use super::bytes::Reader;
use crate::units::EpochMillis;

/// Length of a unit without bit map (upstream `MIN_EXT_UNIT_SIZE`).
pub const MIN_EXT_UNIT_LEN: usize = 20;
/// The size that fills a segment's end.
pub const EXT_FILLER: i16 = -1;

/// The largest tags code that is an address (upstream `MAX_ADDR`).
const MAX_ADDRESS: i64 = -2_147_483_649;

/// A unit as its bytes say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CqExtUnit<'a> {
    /// Size of the whole unit as written; recovery goes on by it, whatever it is.
    pub size: i16,
    /// Tags code of the message.
    pub tags_code: i64,
    /// When the message was stored.
    pub store_timestamp: EpochMillis,
    /// Size of the bit map as written.
    pub bit_map_size: i16,
    /// Bit map of the filter.
    pub bit_map: &'a [u8],
}

/// What starts at one position of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CqExtFrame<'a> {
    /// A unit.
    Unit(CqExtUnit<'a>),
    /// A size below 1: nothing follows in this segment (0 where nothing was written, -1 where it was filled).
    End {
        /// The size.
        size: i16,
    },
}

/// The bytes end inside a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a unit takes {needed} bytes, {found} are left")]
pub struct CqExtShort {
    /// Bytes that it takes.
    pub needed: usize,
    /// Bytes that are there.
    pub found: usize,
}

impl<'a> CqExtFrame<'a> {
    /// Decodes what starts at the first byte of `bytes`.
    ///
    /// # Errors
    ///
    /// If the bytes end before the unit does.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, CqExtShort> {
        let mut reader = Reader::new(bytes);
        let short = |needed| CqExtShort { needed, found: bytes.len() };
        let size = reader.i16().ok_or(short(2))?;
        if size < 1 {
            return Ok(Self::End { size });
        }
        let (Some(tags_code), Some(stored), Some(bit_map_size)) = (reader.i64(), reader.i64(), reader.i16())
        else {
            return Err(short(MIN_EXT_UNIT_LEN));
        };
        let bit_map_len = usize::try_from(bit_map_size).unwrap_or(0);
        let bit_map = reader.take(bit_map_len).ok_or(short(MIN_EXT_UNIT_LEN + bit_map_len))?;
        Ok(Self::Unit(CqExtUnit {
            size,
            tags_code,
            store_timestamp: EpochMillis(stored),
            bit_map_size,
            bit_map,
        }))
    }
}

/// Whether a tags code is an address in `consumequeue_ext`.
#[must_use]
pub fn is_ext_address(tags_code: i64) -> bool {
    tags_code <= MAX_ADDRESS
}

/// Byte position in the files of `consumequeue_ext` that a tags code stands for; `None` if it is no address.
#[must_use]
pub fn ext_position(tags_code: i64) -> Option<u64> {
    is_ext_address(tags_code).then(|| tags_code.wrapping_sub(i64::MIN).cast_unsigned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_hash_of_tags_is_above_every_address() {
        assert_eq!(ext_position(i64::from(i32::MIN)), None);
        assert_eq!(ext_position(i64::from(i32::MIN) - 1), Some((1 << 63) - (1 << 31) - 1));
        assert_eq!(ext_position(i64::MIN), Some(0));
        assert_eq!(ext_position(i64::MIN + 28), Some(28));
        assert_eq!(ext_position(0), None);
    }

    #[test]
    fn a_unit_that_the_bytes_cut_is_short() {
        let mut unit = vec![0, 22, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 2, 0xAB, 0xCD];
        assert!(
            matches!(CqExtFrame::decode(&unit), Ok(CqExtFrame::Unit(unit)) if unit.bit_map == [0xAB, 0xCD])
        );
        unit.pop();
        assert_eq!(CqExtFrame::decode(&unit), Err(CqExtShort { needed: 22, found: 21 }));
        assert_eq!(CqExtFrame::decode(&unit[..19]), Err(CqExtShort { needed: 20, found: 19 }));
        assert_eq!(CqExtFrame::decode(&unit[..1]), Err(CqExtShort { needed: 2, found: 1 }));
    }
}
