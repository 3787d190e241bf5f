//! What a pass over many consume queues costs, against `find` over the same tree, and what a scrape costs beside it.
//!
//! Trees of sparse files are made for it: queues with four files each, of which the last holds a few units. `find -type f
//! -printf '%s'` looks at every file once, as a pass that trusts nothing does. The exporter itself runs over the largest tree,
//! for its resident memory, its processor time while nothing happens, and the time of a scrape. Everything is warm. Figures
//! are processor time, which other work on the machine disturbs less than the clock.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::as_conversions,
    missing_docs,
    reason = "a bench prints, and may panic"
)]

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rocketmq_store_exporter::store::layout::{Layout, LayoutOptions};
use rocketmq_store_exporter::watch::tree::{QueueTree, Thoroughness};

const QUEUES: u64 = 50_000;
const QUEUES_PER_TOPIC: u64 = 50;
const FILES: u64 = 4;
const FILE_LEN: u64 = 6_000_000;
const UNITS_IN_LAST: u64 = 5;

fn main() {
    let dir = tempfile::tempdir().unwrap();
    println!(
        "{:>8} {:>8} {:>11} {:>11} {:>11} {:>11} {:>13}",
        "queues", "files", "find", "first pass", "thorough", "quick", "thorough/find"
    );
    let mut per_queue = Vec::new();
    for queues in [QUEUES / 8, QUEUES / 2, QUEUES] {
        let root = dir.path().join(queues.to_string());
        make_store(&root, queues);
        let layout = Layout::detect(&root, &LayoutOptions::default()).unwrap();
        find(&root);
        let found = (0..3).map(|_| find(&root)).min().unwrap();
        let mut tree = QueueTree::default();
        let first = pass(&mut tree, &layout, Thoroughness::Thorough);
        let thorough = (0..3).map(|_| pass(&mut tree, &layout, Thoroughness::Thorough)).min().unwrap();
        let quick = (0..3).map(|_| pass(&mut tree, &layout, Thoroughness::Quick)).min().unwrap();
        println!(
            "{queues:>8} {:>8} {found:>11.1?} {first:>11.1?} {thorough:>11.1?} {quick:>11.1?} {:>12.2}x",
            queues * FILES,
            thorough.as_secs_f64() / found.as_secs_f64()
        );
        per_queue.push(thorough.as_secs_f64() * 1e6 / queues as f64);
    }
    println!(
        "cost per queue (thorough): {:.1} µs at {} queues, {:.1} µs at {QUEUES}: {:.2}x (1 = grows as the number of files)",
        per_queue[0],
        QUEUES / 8,
        per_queue[2],
        per_queue[2] / per_queue[0]
    );
    whole_exporter(&dir.path().join(QUEUES.to_string()), dir.path());
}

fn make_store(root: &Path, queues: u64) {
    fs::create_dir_all(root.join("commitlog")).unwrap();
    let mut physical = 0_i64;
    for queue in 0..queues {
        let topic = format!("topic-{:05}", queue / QUEUES_PER_TOPIC);
        let dir = root.join("consumequeue").join(topic).join((queue % QUEUES_PER_TOPIC).to_string());
        fs::create_dir_all(&dir).unwrap();
        for file in 0..FILES {
            let name = format!("{:020}", file * FILE_LEN);
            let out = File::create(dir.join(name)).unwrap();
            out.set_len(FILE_LEN).unwrap();
            // A full file needs its last unit only: nobody looks at those between.
            let slots = if file + 1 == FILES { 0..UNITS_IN_LAST } else { 0..1 };
            for slot in slots {
                let mut unit = Vec::with_capacity(20);
                unit.extend(physical.to_be_bytes());
                unit.extend(100_i32.to_be_bytes());
                unit.extend(0_i64.to_be_bytes());
                out.write_all_at(&unit, slot * 20).unwrap();
                physical += 100;
            }
        }
    }
}

/// User and system time of `find` over the tree.
fn find(root: &Path) -> Duration {
    let before = children_time();
    let status = Command::new("find")
        .arg(root.join("consumequeue"))
        .args(["-type", "f", "-printf", "%s"])
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
    children_time() - before
}

fn pass(tree: &mut QueueTree, layout: &Layout, thoroughness: Thoroughness) -> Duration {
    let before = thread_time();
    let now = i64::try_from(std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs()).unwrap();
    let deadline = Instant::now() + Duration::from_secs(600);
    // Two seconds ahead of the tree's making, so that its time stamps are trusted.
    let report = tree.refresh(layout, thoroughness, now + 10, deadline).unwrap();
    assert!(report.is_complete && report.failures.is_empty() && report.shrinkages.is_empty());
    thread_time() - before
}

fn whole_exporter(root: &Path, dir: &Path) {
    let state = dir.join("state");
    let mut exporter = Exporter::start(root, &state);
    exporter.wait_ready();
    let scrape = (0..20).map(|_| exporter.scrape()).min().unwrap();
    let before = exporter.cpu();
    let began = Instant::now();
    std::thread::sleep(Duration::from_secs(120));
    let idle = (exporter.cpu() - before).as_secs_f64() / began.elapsed().as_secs_f64();
    println!(
        "exporter over {QUEUES} queues: {} MiB resident now, {} MiB at most, {:.2} % of a core over {:.0?} in which nothing happened, \
         a scrape in {scrape:.1?}",
        exporter.memory("VmRSS:") / 1024,
        exporter.memory("VmHWM:") / 1024,
        idle * 100.0,
        began.elapsed(),
    );
}

struct Exporter {
    child: Child,
    port: u16,
}

impl Exporter {
    fn start(root: &Path, state: &Path) -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Command::new(env!("CARGO_BIN_EXE_rocketmq-store-exporter"))
            .arg("serve")
            .arg("--store.path")
            .arg(root)
            .arg("--logs.path")
            .arg(root)
            .arg("--state.path")
            .arg(state)
            .arg("--web.listen-address")
            .arg(format!("127.0.0.1:{port}"))
            .spawn()
            .unwrap();
        Self { child, port }
    }

    fn get(&self) -> std::io::Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        Ok(text)
    }

    fn wait_ready(&mut self) {
        let until = Instant::now() + Duration::from_secs(120);
        while Instant::now() < until {
            if self.get().is_ok_and(|text| text.contains("\nrocketmq_store_up 1")) {
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("the exporter did not come up");
    }

    fn scrape(&self) -> Duration {
        let began = Instant::now();
        assert!(self.get().unwrap().contains("topic_class=\"user\""));
        began.elapsed()
    }

    fn memory(&self, field: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with(field)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    fn cpu(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
        let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
        Duration::from_millis(ticks * 10)
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn thread_time() -> Duration {
    nix::time::clock_gettime(nix::time::ClockId::CLOCK_THREAD_CPUTIME_ID).map(Duration::from).unwrap()
}

fn children_time() -> Duration {
    let usage = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_CHILDREN).unwrap();
    let of = |time: nix::sys::time::TimeVal| {
        Duration::from_micros(u64::try_from(time.tv_sec() * 1_000_000 + time.tv_usec()).unwrap())
    };
    of(usage.user_time()) + of(usage.system_time())
}
