//! How long the broker's load takes.
//!
//! The rates were measured with the real store's own `load()` on two shared cores with a warm page cache: release 5.5.0 takes
//! 0.95 s for 930,000 messages of 1 KiB in one segment and 3.8 s for 19,835 queues of one file; release 5.2.0 takes 6.8 s for
//! the same messages, as it prints a WARN line for each that it dispatches again.

use serde::Serialize;

use crate::broker::BrokerConf;
use crate::recovery::Forecast;

/// Seconds a message that is read and dispatched.
const MESSAGE: f64 = 1.0e-6;
/// Seconds a line of the log.
const LINE: f64 = 6.3e-6;
/// Seconds a queue that is loaded and scanned.
const QUEUE: f64 = 1.9e-4;
/// Files of a queue that are scanned.
const SCANNED_FILES: i64 = 3;

/// What a start costs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Estimate {
    /// How long load takes.
    pub duration_seconds: f64,
    /// What that goes by.
    pub basis: &'static str,
    /// Bytes that load reads.
    pub bytes_to_read: u64,
    /// Files that load opens.
    pub files_to_open: u64,
}

/// What a start costs by the numbers of its forecast.
#[must_use]
pub fn estimate(forecast: &Forecast, conf: &BrokerConf) -> Estimate {
    let log = &forecast.commitlog;
    let scanned = u64::try_from(log.scan_end.saturating_sub(log.scan_from)).unwrap_or(0);
    let segment_len = u64::try_from(conf.mapped_file_size_commit_log).unwrap_or(0).max(1);
    let written = u64::try_from(log.max_offset.saturating_sub(log.min_offset)).unwrap_or(0);
    let segments = written.div_ceil(segment_len);
    let scanned_units = conf.mapped_file_size_consume_queue.saturating_mul(SCANNED_FILES);
    let (mut files, mut bytes) = (segments, scanned);
    for queue in &forecast.queues {
        files += u64::try_from(queue.before.files).unwrap_or(0);
        let units = queue.before.units.saturating_mul(20);
        bytes += units.min(u64::try_from(scanned_units).unwrap_or(u64::MAX));
    }
    let lines = forecast.log.iter().map(|line| line.count).sum::<u64>();
    let seconds = |count: u64, each: f64| {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        f64::from(count) * each
    };
    Estimate {
        duration_seconds: seconds(log.messages_scanned, MESSAGE)
            + seconds(lines, LINE)
            + seconds(forecast.totals.queues, QUEUE),
        basis: "load() of the real store on 2 cores, warm page cache: 1 µs a message, 6.3 µs a line of its log, 0.19 ms a queue; a cold disk adds bytes_to_read at its own speed",
        bytes_to_read: bytes,
        files_to_open: files,
    }
}
