//! One raw line of a broker log.
//!
//! | part | text |
//! |---|---|
//! | time | `2026-11-23 14:52:57`, one-second resolution, **always GMT+8** whatever the zone of the host |
//! | level | ` INFO`; missing in watermark.log and protection.log |
//! | thread | ` main`; missing where the level is, and in stats.log; may hold spaces, `$` and `#` |
//! | text | ` - ` and the rest |
//!
//! Anything that does not begin with a time continues the line before it (a stack trace).
//!
//! Source: the pattern `%d{yyy-MM-dd HH:mm:ss,GMT+8} %p %t - %m%n` of `logback_broker.xml` (≤ 5.0.0) and
//! `rmq.broker.logback.xml` (5.1.0 to 5.5.0). A fraction of a second is accepted, as people add one.

use crate::units::EpochMillis;

/// Length of the time at the begin of a line.
pub const STAMP_LEN: usize = 19;
const GMT_PLUS_8_MILLIS: i64 = 8 * 3600 * 1000;

/// Level of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// TRACE
    Trace,
    /// DEBUG
    Debug,
    /// INFO
    Info,
    /// WARN
    Warn,
    /// ERROR
    Error,
}

impl Level {
    /// All levels, the least important first.
    pub const ALL: [Self; 5] = [Self::Trace, Self::Debug, Self::Info, Self::Warn, Self::Error];

    /// Lower-case name, as a label value.
    #[must_use]
    pub fn id(self) -> &'static str {
        match self {
            Self::Trace => "trace",
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }

    /// Splits a level and the space behind it off the front.
    fn split(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (level, len) = match bytes.first()? {
            b'I' if bytes.starts_with(b"INFO ") => (Self::Info, 5),
            b'W' if bytes.starts_with(b"WARN ") => (Self::Warn, 5),
            b'E' if bytes.starts_with(b"ERROR ") => (Self::Error, 6),
            b'D' if bytes.starts_with(b"DEBUG ") => (Self::Debug, 6),
            b'T' if bytes.starts_with(b"TRACE ") => (Self::Trace, 6),
            _ => return None,
        };
        Some((level, bytes.get(len..)?))
    }
}

/// The parts of one line; borrowed, and not necessarily UTF-8.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogLine<'a> {
    /// When it was written.
    pub at: EpochMillis,
    /// Its level, if it names one.
    pub level: Option<Level>,
    /// Name of the thread; empty if it names none.
    pub thread: &'a [u8],
    /// The message.
    pub text: &'a [u8],
}

/// What a raw line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RawLine<'a> {
    /// A line of its own.
    Entry(LogLine<'a>),
    /// Part of the entry before it.
    Continuation(&'a [u8]),
}

/// Splits lines; remembers the last second, as floods share it.
#[derive(Debug, Clone, Default)]
pub struct LineSplitter {
    stamp: [u8; STAMP_LEN],
    second: Option<EpochMillis>,
}

impl LineSplitter {
    /// Splits one line that has lost its line end.
    #[inline]
    pub fn split<'a>(&mut self, line: &'a [u8]) -> RawLine<'a> {
        match self.entry(line) {
            Some(entry) => RawLine::Entry(entry),
            None => RawLine::Continuation(line),
        }
    }

    #[inline]
    fn entry<'a>(&mut self, line: &'a [u8]) -> Option<LogLine<'a>> {
        let (stamp, rest) = line.split_first_chunk::<STAMP_LEN>()?;
        let second = match self.second {
            Some(second) if self.stamp == *stamp => second,
            _ => {
                let second = millis(stamp)?;
                (self.stamp, self.second) = (*stamp, Some(second));
                second
            }
        };
        let (at, rest) = match rest {
            [b' ', rest @ ..] => (second, rest),
            [b'.' | b',', a @ b'0'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9', b' ', rest @ ..] => {
                let fraction = i64::from(a - b'0') * 100 + i64::from(b - b'0') * 10 + i64::from(c - b'0');
                (EpochMillis(second.0 + fraction), rest)
            }
            _ => return None,
        };
        let (level, rest) = match Level::split(rest) {
            Some((level, rest)) => (Some(level), rest),
            None => (None, rest),
        };
        if let Some(text) = rest.strip_prefix(b"- ") {
            return Some(LogLine { at, level, thread: b"", text });
        }
        level?;
        let mut from = 0;
        loop {
            let dash = from + memchr::memchr(b'-', rest.get(from..)?)?;
            if dash > 0 && rest.get(dash - 1) == Some(&b' ') && rest.get(dash + 1) == Some(&b' ') {
                let (thread, text) = (rest.get(..dash - 1)?, rest.get(dash + 2..)?);
                return Some(LogLine { at, level, thread, text });
            }
            from = dash + 1;
        }
    }
}

fn number(digits: &[u8]) -> Option<i64> {
    digits
        .iter()
        .try_fold(0_i64, |sum, digit| digit.is_ascii_digit().then(|| sum * 10 + i64::from(*digit - b'0')))
}

/// `yyyy-MM-dd HH:mm:ss` in GMT+8 to milliseconds since the epoch.
fn millis(stamp: &[u8; STAMP_LEN]) -> Option<EpochMillis> {
    if [stamp[4], stamp[7], stamp[10], stamp[13], stamp[16]] != *b"-- ::" {
        return None;
    }
    let year = number(&stamp[0..4])?;
    let month = number(&stamp[5..7])?;
    let day = number(&stamp[8..10])?;
    let hour = number(&stamp[11..13])?;
    let minute = number(&stamp[14..16])?;
    let second = number(&stamp[17..19])?;
    let real =
        (1..=12).contains(&month) && (1..=31).contains(&day) && hour < 24 && minute < 60 && second <= 60;
    if !real {
        return None;
    }
    let seconds = days_since_epoch(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second;
    Some(EpochMillis(seconds * 1000 - GMT_PLUS_8_MILLIS))
}

/// Days from 1970-01-01 in the proleptic Gregorian calendar; years begin in March so that the leap day comes last.
fn days_since_epoch(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// The time as a broker writes it at the begin of a line; what is below a second is cut off.
#[must_use]
pub fn stamp(at: EpochMillis) -> String {
    EpochMillis(at.0.saturating_add(GMT_PLUS_8_MILLIS)).as_utc()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_written_time_reads_as_itself() {
        assert_eq!(stamp(EpochMillis(1_795_416_777_999)), "2026-11-23 14:52:57");
        assert_eq!(stamp(EpochMillis(-GMT_PLUS_8_MILLIS)), "1970-01-01 00:00:00");
        for day in 0..150_000 {
            let at = EpochMillis(day * 86_400_000 + 57_599_000);
            let text = stamp(at);
            assert_eq!(millis(text.as_bytes().try_into().unwrap()), Some(at), "{text}");
        }
    }

    fn entry(line: &[u8]) -> LogLine<'_> {
        match LineSplitter::default().split(line) {
            RawLine::Entry(entry) => entry,
            RawLine::Continuation(_) => panic!("not an entry: {}", String::from_utf8_lossy(line)),
        }
    }

    #[test]
    fn a_line_is_split_into_time_level_thread_and_text() {
        let line = entry(b"2026-11-23 14:52:57 INFO main - load commit log OK");
        // 06:52:57 UTC
        assert_eq!(line.at, EpochMillis(1_795_416_777_000));
        assert_eq!(line.level, Some(Level::Info));
        assert_eq!(line.thread, b"main");
        assert_eq!(line.text, b"load commit log OK");
    }

    #[test]
    fn a_thread_name_may_hold_anything() {
        let line =
            entry(b"2026-11-23 14:52:57 WARN org.apache.rocketmq.store.util.PerfCounter$Ticks - x - y");
        assert_eq!(line.thread, b"org.apache.rocketmq.store.util.PerfCounter$Ticks");
        assert_eq!(line.text, b"x - y");
        let line = entry(b"2026-11-23 14:52:57 INFO QuorumAckChecker-n0 #3 - [n0][LEADER]");
        assert_eq!(line.thread, b"QuorumAckChecker-n0 #3");
        assert_eq!(line.text, b"[n0][LEADER]");
    }

    #[test]
    fn level_and_thread_may_be_missing() {
        let line = entry(b"2026-11-23 14:54:00 - [WATERMARK] Send Queue Size: 0 SlowTimeMills: 0");
        assert_eq!((line.level, line.thread), (None, &b""[..]));
        let line = entry(b"2026-11-23 14:54:00 INFO - [GROUP_GET_SIZE]");
        assert_eq!(
            (line.level, line.thread, line.text),
            (Some(Level::Info), &b""[..], &b"[GROUP_GET_SIZE]"[..])
        );
    }

    #[test]
    fn what_has_no_time_continues_the_line_before() {
        let mut splitter = LineSplitter::default();
        for line in [
            &b"java.lang.RuntimeException: The queue type"[..],
            b"\tat org.apache.rocketmq.store.DefaultMessageStore.load(DefaultMessageStore.java:300)",
            b"",
            b"2026-13-23 14:52:57 INFO main - no such month",
            b"2026-11-23 14:52:57",
            b"2026-11-23 14:52:57 main - level missing",
            b"2026-11-23 14:52:57 INFO main -",
            b"\xff\xfe",
        ] {
            assert_eq!(splitter.split(line), RawLine::Continuation(line));
        }
    }

    #[test]
    fn a_fraction_of_a_second_is_read() {
        assert_eq!(entry(b"2026-11-23 14:52:57.123 INFO main - x").at, EpochMillis(1_795_416_777_123));
        assert_eq!(entry(b"2026-11-23 14:52:57,007 INFO main - x").at, EpochMillis(1_795_416_777_007));
    }

    #[test]
    fn the_remembered_second_is_not_kept_too_long() {
        let mut splitter = LineSplitter::default();
        let mut times = Vec::new();
        for second in
            ["2026-11-23 14:52:57", "2026-11-23 14:52:57", "2026-11-23 14:52:58", "2024-02-29 00:00:00"]
        {
            let line = format!("{second} INFO main - x");
            if let RawLine::Entry(line) = splitter.split(line.as_bytes()) {
                times.push(line.at.0);
            }
        }
        assert_eq!(times, [1_795_416_777_000, 1_795_416_777_000, 1_795_416_778_000, 1_709_136_000_000]);
    }
}
