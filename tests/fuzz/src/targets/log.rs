//! Logs: what brokers print, and what they store.

use std::io::Write as _;
use std::sync::OnceLock;

use rocketmq_store_exporter::format::log_line::{LineSplitter, RawLine};
use rocketmq_store_exporter::store::consumequeue::UnitFormat;
use rocketmq_store_exporter::store::layout::LogKind;
use rocketmq_store_exporter::store::log_frame::LogFrame;
use rocketmq_store_exporter::watch::lines::occurrence;
use rocketmq_store_exporter::watch::{LogFile, LogTail};

use super::Answer;

/// Lines against the catalogue of events.
pub fn lines(bytes: &[u8], answer: &mut Answer) {
    let mut splitter = LineSplitter::default();
    for line in bytes.split(|byte| *byte == b'\n') {
        match splitter.split(line) {
            RawLine::Entry(entry) => {
                assert!(entry.text.len() <= line.len());
                for log in LogFile::ALL {
                    answer.tell(&occurrence(log, &entry));
                }
                answer.tell(&(entry.at, entry.level));
            }
            RawLine::Continuation(text) => assert!(text.len() <= line.len()),
        }
    }
}

/// A log directory: `store.log`, and behind the first NUL a rotated file, packed if it says so.
pub fn files(bytes: &[u8], answer: &mut Answer) {
    static DIR: OnceLock<tempfile::TempDir> = OnceLock::new();
    let dir = DIR.get_or_init(|| tempfile::tempdir().unwrap()).path();
    let old = dir.join("otherdays");
    std::fs::create_dir_all(&old).unwrap();
    let (live, rotated) = match bytes.iter().position(|byte| *byte == 0) {
        Some(at) => (&bytes[..at], &bytes[at + 1..]),
        None => (bytes, &b""[..]),
    };
    std::fs::write(dir.join("store.log"), live).unwrap();
    let (plain, packed) = (old.join("store.2.log"), old.join("store.1.log.gz"));
    let is_packed = rotated.starts_with(&[0x1f, 0x8b]);
    std::fs::write(if is_packed { &packed } else { &plain }, rotated).unwrap();
    let _ = std::fs::remove_file(if is_packed { plain } else { packed });

    let mut tail = LogTail::new(dir, None);
    // A packed byte makes at most 1032.
    let most = 64 + bytes.len();
    for polls in 0.. {
        assert!(polls < most, "a tail of {} bytes is not read after {most} looks", bytes.len());
        let report = tail.poll(&mut |occurrence| answer.tell(&occurrence.text));
        if report.caught_up {
            break;
        }
    }
    LogFile::ALL.into_iter().for_each(|log| answer.tell(tail.stats(log)));
}

/// A packed file for [`files`].
pub fn packed(live: &[u8], rotated: &[u8]) -> Vec<u8> {
    let mut bytes = live.to_vec();
    bytes.push(0);
    let mut encoder = flate2::write::GzEncoder::new(bytes, flate2::Compression::fast());
    encoder.write_all(rotated).unwrap();
    encoder.finish().unwrap()
}

/// A segment of a log walked from end to end, record by record; the same bytes as units of queues.
pub fn walk(bytes: &[u8], answer: &mut Answer) {
    let source = bytes.to_vec();
    let len = u64::try_from(bytes.len()).unwrap();
    for kind in LogKind::ALL {
        let (mut at, mut steps) = (0, 0);
        while at < len {
            let frame = LogFrame::read(kind, &source, 0, len, at).unwrap();
            answer.tell(&frame);
            let LogFrame::Record(record) = frame else { break };
            assert!(record.len > 0 && record.len <= len - at, "a record ends inside of its segment");
            at += record.len;
            steps += 1;
            assert!(steps <= len);
        }
    }
    for format in [UnitFormat::Simple, UnitFormat::Batch] {
        for at in (0..len).step_by(usize::try_from(format.unit_len()).unwrap()) {
            answer.tell(&format.slot(&source, at).unwrap());
        }
    }
}
