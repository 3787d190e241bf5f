//! How long a line of the broker's log takes from being appended to being visible at `/metrics`, against `tail -F`.
//!
//! Lines are appended at moments that have nothing to do with the exporter's own intervals. Both are asked without pause.

#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs, reason = "a bench prints, and may panic")]

use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

#[path = "support/exporter.rs"]
#[allow(dead_code, reason = "each benchmark uses a part of it")]
mod exporter;

use exporter::Exporter;

const LINES: u32 = 60;

fn main() {
    let dir = tempfile::tempdir().unwrap();
    let (store, logs) = (dir.path().join("store"), dir.path().join("logs"));
    fs::create_dir_all(store.join("commitlog")).unwrap();
    fs::create_dir_all(&logs).unwrap();
    let log = logs.join("store.log");
    let mut out = OpenOptions::new().create(true).append(true).open(&log).unwrap();
    let exporter = Exporter::start(&store, &logs, &dir.path().join("state"));
    exporter.wait_ready();

    let mut tail = Command::new("tail")
        .arg("-F")
        .arg(&log)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let (sender, seen) = mpsc::channel();
    let lines = BufReader::new(tail.stdout.take().unwrap()).lines();
    let reader = std::thread::spawn(move || {
        for _ in lines {
            if sender.send(Instant::now()).is_err() {
                return;
            }
        }
    });
    std::thread::sleep(Duration::from_secs(1));

    let (mut by_metrics, mut by_tail) = (Vec::new(), Vec::new());
    for line in 1..=LINES {
        std::thread::sleep(Duration::from_millis(u64::from(101 + line * 37 % 211)));
        let began = Instant::now();
        writeln!(out, "2026-11-23 14:54:51 WARN main - DupInfo in properties check failed. dupInfo=null")
            .unwrap();
        let wanted = format!("rocketmq_store_log_events_total{{event=\"dup_info_failed\"}} {line}\n");
        while !exporter.get().unwrap().contains(&wanted) {
            assert!(began.elapsed() < Duration::from_secs(10), "line {line} was not seen");
        }
        by_metrics.push(began.elapsed());
        by_tail.push(seen.recv_timeout(Duration::from_secs(10)).unwrap().saturating_duration_since(began));
    }
    tail.kill().unwrap();
    tail.wait().unwrap();
    reader.join().unwrap();
    let (metrics, tail) = (figures("exporter", &mut by_metrics), figures("tail -F", &mut by_tail));
    println!(
        "median of the exporter over that of tail -F: {:.2}x",
        metrics.as_secs_f64() / tail.as_secs_f64()
    );
}

fn figures(name: &str, times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    let median = times[times.len() / 2];
    println!(
        "{name:<9} median {median:>9.2?}, largest {:>9.2?} of {} lines",
        times[times.len() - 1],
        times.len()
    );
    median
}
