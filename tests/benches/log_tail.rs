//! How fast a store.log is read, against mtail and grep.
//!
//! A log of about 200 MB is made out of the lines that real brokers have printed, each kind as often as in a start with many
//! queues and much to dispatch again. The tail reads it with its whole catalogue. mtail reads it with one counter for each of
//! 42 texts; the tail's counts of the same texts have to be the same. grep counts one text, as a lower bound of what reading
//! costs. The file lies in the page cache for all of them. Rates are by time on the clock, and by processor time, which says more on a
//! machine that others use too.

#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs, reason = "a bench prints, and may panic")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use rocketmq_store_exporter::watch::{Event, LogFile, LogTail};

const LOG_BYTES: u64 = 200 << 20;

/// Counter, event, and the texts that mtail looks for.
const PATTERNS: &[(Event, &[&str])] = &[
    (Event::ShutdownUnclean, &["last shutdown abnormally"]),
    (Event::ShutdownClean, &["last shutdown normally"]),
    (Event::LoadException, &["load exception$"]),
    (Event::LengthMismatch, &["length not matched message store config value"]),
    (Event::EmptyFileAutoDeleted, &["size is 0, auto delete"]),
    (Event::CheckpointLost, &["store checkpoint file not exists, "]),
    (Event::ConfirmOffsetRefused, &["Should not set confirm offset "]),
    (Event::LoadOk, &["load over, and the max phy offset = "]),
    (
        Event::RecoverCqDone,
        &["recover current consume queue over ", "Recover current batch consume queue file over:/"],
    ),
    (Event::RecoverFromFile, &["recover from this mapped file ", "recover from this mappFile "]),
    (Event::RecoverNextFile, &["recover next physics file, "]),
    (Event::RecoverFileEnd, &["recover physics file end, "]),
    (Event::EndOfData, &["found a illegal magic code 0x0$"]),
    (Event::IllegalMagic, &["found a illegal magic code 0x[^0]"]),
    (Event::CrcFailed, &["CRC check failed. bodyCRC="]),
    (Event::PropertyCrcFailed, &["failed to check message CRC, "]),
    (Event::DupInfoFailed, &["DupInfo in properties check failed. dupInfo="]),
    (Event::SizeMismatch, &["read total count not equals msg total size. totalSize="]),
    (Event::HalfMessage, &["found a half message at "]),
    (
        Event::CommitlogFilesDeletedCqWiped,
        &["The commitlog files are deleted, and delete the consume queue files"],
    ),
    (Event::LogicFileDestroyed, &["on recover, destroy a logic mapped file "]),
    (Event::ConfirmOffsetCorrected, &["correct confirmOffset to "]),
    (Event::FileReleased, &["unmap file\\[REF:", "close file channel "]),
    (Event::AdjacentOffsetMismatch, &["the adjacent mappedFile's offset don't match"]),
    (Event::OffsetNotMatched, &["Offset not matched. Request offset: "]),
    (
        Event::CqRebuildRepeated,
        &["Maybe try to build consume queue repeatedly ", "Build batch consume queue repeatedly, "],
    ),
    (Event::CqUnitRefused, &["Build  ?consume queue repeatedly, "]),
    (Event::CqOrderWrong, &["logic queue order maybe wrong, "]),
    (Event::CqPreBlankFilled, &["fill pre blank space "]),
    (Event::CqNotWritable, &["consume queue can not write, "]),
    (Event::ReputBelowMin, &["is smaller than minPyOffset="]),
    (Event::LogicOffsetCorrectNeeded, &["CorrectLogicOffsetService.needCorrect. "]),
    (
        Event::IndexError,
        &[
            "build index error, stop building index",
            "Mark index file cannot build flag",
            "putKey error commitlog ",
        ],
    ),
    (Event::AbortCreated, &["/abort create OK"]),
    (Event::AbortFound, &["/abort already exists"]),
    (Event::AbortDeleted, &["/abort delete OK"]),
    (Event::DiskIoError, &["Error occurred when (force|append|commit) "]),
    (Event::DiskPhysicOk, &["physic disk space "]),
    (Event::DiskLogicOk, &["logics disk space OK "]),
    (Event::DiskReclaim, &["disk maybe full soon, so reclaim space, "]),
    (
        Event::FlushSlow,
        &["Flush data to disk costs ", "Commit data to file costs ", "wait for flush failed, topic: "],
    ),
    (Event::ExpiredFilesDeleted, &["logics in current mappedFile max offset .*, delete it"]),
];

fn fixture(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/log").join(name)).unwrap()
}

/// Writes the log; returns its length.
fn generate(path: &Path) -> u64 {
    let start = fixture("5.2.0-dledger-killed.store.log");
    let lines: Vec<&str> = start.lines().filter(|line| !line.contains("last shutdown")).collect();
    let samples = fixture("lines.txt");
    let rare: Vec<&str> = samples.lines().filter_map(|line| line.split('|').nth(2)).collect();
    let mut out = BufWriter::new(fs::File::create(path).unwrap());
    let mut len = 0;
    let mut put = |line: &str| {
        len += u64::try_from(line.len()).unwrap() + 1;
        writeln!(out, "{line}").unwrap();
        len
    };
    // One start only, or the tail would skip what is before the last.
    put(
        "2026-11-23 14:54:51 INFO main - last shutdown abnormally, store path root dir: /home/rocketmq/store",
    );
    let begins_a_start = |line: &str| {
        ["MessageStoreState", "last shutdown", "timer checkpoint", "HA Service: ", "RocksDBStorage init"]
            .iter()
            .any(|text| line.contains(text))
    };
    // Phases that come after recovery would make the load lines of the next round a new start.
    let ends_a_load = |line: &str| {
        [
            "service started",
            "service start",
            "service end",
            "/abort ",
            "ConsumeQueueStore start!",
            "load over",
            "recover end",
            "[STORETPS]",
            "[PAGECACHERT]",
            "Timer progress",
            "disk space OK",
            "disk maybe full soon",
            "begin to delete",
            "reclaim disk space",
            "executeDelete",
            "topic destroyed",
            "queue destroyed",
            "ConsumeQueue cleaned",
            "DeleteTopic",
            "start commitLog",
            "shutdown",
            "interrupted, possibly",
        ]
        .iter()
        .any(|text| line.contains(text))
    };
    let (loading, recovering): (Vec<&str>, Vec<&str>) =
        lines.into_iter().filter(|line| !begins_a_start(line) && !ends_a_load(line)).partition(|line| {
            line.contains(" load ") || line.contains("store checkpoint") || line.contains("Load ")
        });
    let mut written = 0;
    while written < LOG_BYTES / 4 {
        for line in &loading {
            written = put(line);
        }
    }
    let mut offset = 0_u64;
    let mut second = 0;
    let is_recovery = |line: &&&str| {
        line.contains("recover current consume queue")
            || line.contains("next consume queue")
            || line.contains("recover mode")
    };
    let (queues, log): (Vec<&str>, Vec<&str>) = recovering.iter().partition(|line| is_recovery(line));
    while written < LOG_BYTES / 2 {
        for line in &queues {
            written = put(line);
        }
    }
    while written < LOG_BYTES {
        for line in &log {
            put(line);
        }
        for _ in 0..400 {
            offset += 546;
            second = (second + 1) % 600_000;
            let (minute, second) = (second / 10_000, second / 100 % 60);
            written = put(&format!(
                "2026-11-23 15:{minute:02}:{second:02} WARN main - Maybe try to build consume queue repeatedly maxPhysicOffset=1189738 phyOffset={offset}"
            ));
        }
    }
    for line in rare {
        if !begins_a_start(line) {
            put(line);
        }
    }
    out.flush().unwrap();
    len
}

fn tail(dir: &Path) -> (BTreeMap<Event, u64>, Cost, u64) {
    let mut counts = BTreeMap::new();
    let mut told = vec![0_u64; Event::ALL.len()];
    let mut bytes = 0;
    let position = {
        // The search for the last start is not what is measured: an empty log first, then the lines.
        let live = dir.join("store.log");
        let hidden = dir.join("hidden");
        fs::rename(&live, &hidden).unwrap();
        let mut tail = LogTail::new(dir, None);
        tail.poll(&mut |_| {});
        fs::rename(&hidden, &live).unwrap();
        tail.position()
    };
    let mut tail = LogTail::new(dir, Some(position));
    let ((), cost) = measure(|| {
        loop {
            let report = tail.poll(&mut |occurrence| told[occurrence.event.index()] += 1);
            bytes += report.bytes;
            if report.caught_up {
                break;
            }
        }
    });
    for (event, count) in Event::ALL.iter().zip(told) {
        counts.insert(*event, count);
    }
    assert_eq!(tail.stats(LogFile::Store).unparsed_lines, 0);
    (counts, cost, bytes)
}

/// mtail's counters after reading the log once; `None` if it is not installed.
fn mtail(dir: &Path) -> Option<(BTreeMap<String, u64>, Cost)> {
    let mut program = String::new();
    for (event, texts) in PATTERNS {
        let id = event.id();
        writeln!(program, "counter {id}").unwrap();
        for text in *texts {
            writeln!(program, "/{}/ {{\n  {id}++\n}}", text.replace('/', "\\/")).unwrap();
        }
    }
    let programs = dir.join("events.mtail");
    fs::write(&programs, program).unwrap();
    let mut command = Command::new("mtail");
    command
        .args(["--one_shot", "--one_shot_format=json", "--port=0", "--progs"])
        .arg(&programs)
        .arg("--logs")
        .arg(dir.join("store.log"));
    let (output, cost) = measure(|| command.output());
    let output = output.ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let metrics: serde_json::Value = serde_json::from_str(&text)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    let mut counts = BTreeMap::new();
    for (name, metric) in metrics.as_object().unwrap() {
        let value = metric[0]["LabelValues"][0]["Value"]["Value"].as_u64().unwrap_or(0);
        counts.insert(name.clone(), value);
    }
    Some((counts, cost))
}

fn grep(dir: &Path) -> Option<Cost> {
    let mut command = Command::new("grep");
    command.args(["-c", "maxPhyOffsetOfConsumeQueue"]).arg(dir.join("store.log"));
    let (output, cost) = measure(|| command.output());
    output.ok().map(|_| cost)
}

/// What something took.
#[derive(Clone, Copy)]
struct Cost {
    clock: Duration,
    processor: Duration,
}

/// Processor time of this process and of its ended children; the kernel counts hundredths of a second.
fn processor() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let fields = stat.rsplit(')').next().unwrap().split_whitespace().skip(11).take(4);
    Duration::from_millis(fields.map(|ticks| ticks.parse::<u64>().unwrap() * 10).sum())
}

fn measure<T>(run: impl FnOnce() -> T) -> (T, Cost) {
    let (clock, before) = (Instant::now(), processor());
    let result = run();
    (result, Cost { clock: clock.elapsed(), processor: processor() - before })
}

fn rate(bytes: u64, took: Duration) -> f64 {
    let megabytes = u32::try_from(bytes / 1_000_000).unwrap();
    f64::from(megabytes) / took.as_secs_f64()
}

fn print(name: &str, bytes: u64, cost: Cost, ours: Cost) {
    println!(
        "{name:<10} {:8.1} MB/s by the clock, {:8.1} by processor time; log_tail is {:.2} and {:.2} times that",
        rate(bytes, cost.clock),
        rate(bytes, cost.processor),
        cost.clock.as_secs_f64() / ours.clock.as_secs_f64(),
        cost.processor.as_secs_f64() / ours.processor.as_secs_f64(),
    );
}

fn main() {
    let dir = tempfile::tempdir().unwrap();
    let len = generate(&dir.path().join("store.log"));
    let (mut counts, mut ours, mut bytes) = tail(dir.path());
    for _ in 0..4 {
        let again = tail(dir.path());
        if again.1.clock < ours.clock {
            (counts, ours, bytes) = again;
        }
    }
    assert_eq!(bytes, len);
    println!(
        "log        {} MB, {} events; log_tail is the best of 5",
        len / 1_000_000,
        counts.values().sum::<u64>()
    );
    print("log_tail", len, ours, ours);
    match grep(dir.path()) {
        Some(cost) => print("grep -c", len, cost, ours),
        None => println!("grep       is not installed"),
    }
    match mtail(dir.path()) {
        Some((theirs, cost)) => {
            print("mtail", len, cost, ours);
            let differ: Vec<_> = PATTERNS
                .iter()
                .map(|(event, _)| (event, counts[event], theirs.get(event.id()).copied().unwrap_or(0)))
                .filter(|(_, our, their)| our != their)
                .collect();
            assert!(differ.is_empty(), "event, ours, mtail's: {differ:?}");
            println!("counts     equal for {} events", PATTERNS.len());
        }
        None => println!("mtail      is not installed"),
    }
}
