//! Durations and amounts of bytes as operators type them: `1h30m`, `200ms`, `64MiB`.
//!
//! Durations are written as in Prometheus, which its users type every day.

use std::time::Duration;

const DURATION_UNITS: [(&str, u64); 5] =
    [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];
const BYTE_UNITS: [(&str, u64); 5] =
    [("", 1), ("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];

/// Reads `200ms`, `5s`, `2m`, `1h30m` (units `d`, `h`, `m`, `s`, `ms`, each at most once, largest first); `None` for anything
/// else, so also for a number without unit.
#[must_use]
pub fn parse_duration(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    let mut total: u64 = 0;
    let mut units = DURATION_UNITS.iter();
    while !rest.is_empty() {
        let (number, after) = split_number(rest)?;
        let unit_len = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, tail) = after.split_at(unit_len);
        let (_, millis) = units.by_ref().find(|(name, _)| *name == unit)?;
        total = total.checked_add(number.checked_mul(*millis)?)?;
        rest = tail;
    }
    (!text.trim().is_empty()).then(|| Duration::from_millis(total))
}

/// Writes a duration so that [`parse_duration`] reads it back; what is below a millisecond is cut off.
#[must_use]
pub fn duration_text(duration: Duration) -> String {
    let mut left = duration.as_millis();
    let mut text = String::new();
    for (unit, millis) in DURATION_UNITS {
        let count = left / u128::from(millis);
        left %= u128::from(millis);
        if count > 0 {
            text.push_str(&format!("{count}{unit}"));
        }
    }
    if text.is_empty() { "0s".into() } else { text }
}

/// Reads `4096`, `64KiB`, `256MiB`, `2GiB`; `None` for anything else.
#[must_use]
pub fn parse_bytes(text: &str) -> Option<u64> {
    let (number, unit) = split_number(text.trim())?;
    let (_, factor) = BYTE_UNITS.iter().find(|(name, _)| *name == unit.trim_start())?;
    number.checked_mul(*factor)
}

fn split_number(text: &str) -> Option<(u64, &str)> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, rest) = text.split_at(digits);
    Some((number.parse().ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_are_read_as_prometheus_writes_them() {
        let millis = |text| parse_duration(text).map(|d| d.as_millis());
        assert_eq!(millis("200ms"), Some(200));
        assert_eq!(millis("5s"), Some(5_000));
        assert_eq!(millis("2m"), Some(120_000));
        assert_eq!(millis("1h30m"), Some(5_400_000));
        assert_eq!(millis("1d2h3m4s5ms"), Some(93_784_005));
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in ["", " ", "5", "s", "-5s", "5 s", "1.5s", "5s1m", "5s5s", "5y", "99999999999999999999s"] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
        assert_eq!(parse_duration(&format!("{}d", u64::MAX)), None);
    }

    #[test]
    fn bytes_are_read_with_binary_units_only() {
        assert_eq!(parse_bytes("4096"), Some(4096));
        assert_eq!(parse_bytes("64KiB"), Some(65_536));
        assert_eq!(parse_bytes("2 GiB"), Some(2_147_483_648));
        for text in
            ["", "MiB", "1MB", "1mib", "-1", "1.5MiB", "99999999999999999999", "18446744073709551615GiB"]
        {
            assert_eq!(parse_bytes(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_written_duration_reads_back(millis in 0..10_000_000_000_u64) {
            let duration = Duration::from_millis(millis);
            prop_assert_eq!(parse_duration(&duration_text(duration)), Some(duration));
        }

        #[test]
        fn no_text_makes_a_parser_panic(text in ".{0,40}") {
            let _ = parse_duration(&text);
            let _ = parse_bytes(&text);
        }
    }
}
