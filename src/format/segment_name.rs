//! The name of a segment: the position of its first byte, decimal, padded with zeros to 20 digits.
//!
//! Commitlog, consume queues of all kinds, `consumequeue_ext` and both lists of DLedger name their files so; for a queue
//! the position is in bytes of that queue's own files, not a queue offset.
//!
//! Upstream: `UtilAll.offset2FileName`, `DLedgerUtils.offset2FileName`; read back with `Long.parseLong`.

/// Length of a segment's name in bytes.
pub const SEGMENT_NAME_LEN: usize = 20;

/// The base that a name stands for, or `None` if it is not exactly 20 ASCII digits or is beyond an `i64`, which upstream's
/// `Long.parseLong` refuses.
#[must_use]
pub fn parse(name: &str) -> Option<u64> {
    if name.len() != SEGMENT_NAME_LEN || !name.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    name.parse::<i64>().ok().and_then(|base| u64::try_from(base).ok())
}

/// The name of the segment that starts at `base`.
#[must_use]
pub fn format(base: u64) -> String {
    format!("{base:020}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_where_its_segment_starts() {
        assert_eq!(parse("00000000000000000000"), Some(0));
        assert_eq!(parse("00000000001073741824"), Some(1 << 30));
        assert_eq!(parse("09223372036854775807"), Some(i64::MAX.unsigned_abs()));
    }

    #[test]
    fn anything_but_20_ascii_digits_is_no_segment() {
        for name in [
            "",
            "0",
            "0000000000000000000",
            "000000000000000000000",
            "0000000000000000000a",
            "+0000000000000000001",
            "-0000000000000000001",
            " 0000000000000000000",
            "٠٠٠٠٠٠٠٠٠٠",
            "00000000000000000000.tmp",
            "09223372036854775808",
            "99999999999999999999",
        ] {
            assert_eq!(parse(name), None, "{name}");
        }
    }

    #[test]
    fn a_formatted_base_parses_to_itself() {
        for base in [0, 1, 20, 131_072, 1 << 40, i64::MAX.unsigned_abs()] {
            assert_eq!(parse(&format(base)), Some(base));
        }
    }
}
