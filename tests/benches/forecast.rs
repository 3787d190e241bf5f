//! How long `preview` takes, the whole process, against the broker's own `load()` of the same store and against a bare pass of
//! checksums; and how long a forecast takes that goes on from the last one.
//!
//! | store | what |
//! |---|---|
//! | log | one segment of 1 GiB with about 930,000 messages in 64 queues, killed: the walk begins at the first segment |
//! | queues | 19,200 queues of one file, and a log of 960,000 short messages; a broker with 20,000 descriptors cannot hold more |
//! | files | 20,000 queues of ten full files |
//! | refresh | a log that grows by 1 MiB between two looks at it, at an eighth of a segment and at a full one |
//!
//! The bare pass only computes the checksums of message-sized pieces of the mapped segment, on one core; one more does so of a copy
//! in memory that it has made before. The broker's rows want a JDK, and Maven for its jars, which the lab fetches and keeps
//! (`LAB_CACHE`); without them they are left out. Every `load()` has a JVM of its own and a copy of the store, and the time of the
//! JVM's start does not count. Everything is warm; of several runs the fastest counts. Arguments name the stores to measure.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::as_conversions,
    missing_docs,
    reason = "a bench prints, and may panic"
)]

use std::fs::File;
use std::hint::black_box;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use mmap_io::MemoryMappedFile;
use rocketmq_store_exporter::broker::BrokerConf;
use rocketmq_store_exporter::format::java_properties::JavaProperties;
use rocketmq_store_exporter::recovery::{
    Budget, Memory, Question, Reach, Shutdown, Without, forecast, forecast_again,
};

#[path = "../support/store_writer.rs"]
mod store_writer;

use store_writer::{Log, StoreWriter};

const GIB: i64 = 1 << 30;
const QUEUE_FILE_LEN: i64 = 6_000_000;
const RELEASES: [&str; 2] = ["5.5.0", "5.2.0"];

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|name| !name.starts_with('-')).collect();
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|wanted| wanted == name);
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::find(dir.path());
    if is_wanted("log") {
        log(&dir.path().join("log"), &broker);
    }
    if is_wanted("queues") {
        queues(&dir.path().join("queues"), &broker);
    }
    if is_wanted("files") {
        files(&dir.path().join("files"));
    }
    if is_wanted("refresh") {
        refresh(&dir.path().join("refresh"));
    }
}

fn log(root: &Path, broker: &Result<Broker, String>) {
    let mut store = StoreWriter::new(root, Log::Plain, GIB, QUEUE_FILE_LEN);
    let topics: Vec<usize> = (0..8).map(|at| store.topic(&format!("topic-{at:03}"))).collect();
    let mut sizes = Vec::new();
    while store.end < GIB - 8_192 {
        let at = sizes.len();
        let queue = i32::try_from(at / topics.len() % 8).unwrap();
        sizes.push(store.append(topics[at % topics.len()], queue, 960).size);
        store.dispatch_one();
    }
    store.flush();
    println!("\nlog: {} messages of {} bytes", sizes.len(), sizes[0]);
    let checksums = |mut rest: &[u8]| {
        for size in &sizes {
            let (message, behind) = rest.split_at(usize::try_from(*size).unwrap());
            black_box(crc32fast::hash(message));
            rest = behind;
        }
    };
    let segment = Path::new("commitlog/00000000000000000000");
    let as_written = |root: &Path| write_by_message(&root.join(segment), &sizes);
    as_written(root);
    let segment = root.join(segment);
    let bare = fastest(5, || {
        let mapped = MemoryMappedFile::open_ro(&segment).unwrap();
        checksums(&mapped.as_slice(0, mapped.len()).unwrap());
        mapped
    });
    row("bare checksums, mapped", bare, None);
    let copy = std::fs::read(&segment).unwrap();
    row("bare checksums, a copy", fastest(5, || checksums(&copy)), None);
    drop(copy);
    let preview = Preview { root, queue_file_len: QUEUE_FILE_LEN };
    assert_eq!(preview.count("/commitlog/messages_scanned"), sizes.len());
    let ours = fastest(9, || preview.run());
    row("preview", ours, None);
    println!(
        "    {:.0} % of the speed of bare checksums of the mapped segment",
        100.0 * bare.as_secs_f64() / ours.as_secs_f64()
    );
    beside(broker, root, QUEUE_FILE_LEN, ours, &as_written);
}

/// Writes the segment anew, one message after another as a broker does, so that the page cache holds it in the pages of a broker:
/// what is written or copied at one go lies there in pages of up to 2 MiB, which are faster to map and to read.
fn write_by_message(segment: &Path, sizes: &[i32]) {
    let bytes = std::fs::read(segment).unwrap();
    std::fs::remove_file(segment).unwrap();
    let file = File::create(segment).unwrap();
    file.set_len(u64::try_from(bytes.len()).unwrap()).unwrap();
    let mut at = 0;
    for size in sizes.iter().map(|size| usize::try_from(*size).unwrap()) {
        file.write_all_at(&bytes[at..at + size], u64::try_from(at).unwrap()).unwrap();
        at += size;
    }
    file.write_all_at(&bytes[at..], u64::try_from(at).unwrap()).unwrap();
}

fn queues(root: &Path, broker: &Result<Broker, String>) {
    let mut store = StoreWriter::new(root, Log::Plain, GIB, QUEUE_FILE_LEN);
    fill(&mut store, 48, 50);
    println!("\nqueues: 19,200 of one file");
    let preview = Preview { root, queue_file_len: QUEUE_FILE_LEN };
    assert_eq!(preview.count("/totals/queues"), 19_200);
    let ours = fastest(9, || preview.run());
    row("preview", ours, None);
    beside(broker, root, QUEUE_FILE_LEN, ours, &|_| ());
}

fn files(root: &Path) {
    let file_len = 20 * 5;
    let mut store = StoreWriter::new(root, Log::Plain, GIB, file_len);
    fill(&mut store, 50, 50);
    println!("\nfiles: 20,000 queues of ten full files");
    let preview = Preview { root, queue_file_len: file_len };
    assert_eq!(preview.count("/totals/queues"), 20_000);
    row("preview", fastest(3, || preview.run()), None);
    println!("    {} MiB resident at most", preview.peak_kib() / 1024);
}

fn refresh(root: &Path) {
    let mut store = StoreWriter::new(root, Log::Plain, GIB, QUEUE_FILE_LEN);
    let topics: Vec<usize> = (0..8).map(|at| store.topic(&format!("topic-{at:03}"))).collect();
    let mut memory = Memory::default();
    let mut grow_to = |end: i64| {
        let mut count = 0;
        while store.end < end {
            store.append(topics[count % topics.len()], i32::try_from(count / topics.len() % 8).unwrap(), 960);
            count += 1;
        }
        store.dispatch_all();
        store.flush();
    };
    for end in [GIB / 8, GIB - (16 << 20)] {
        grow_to(end);
        let asked = Question {
            shutdown: Shutdown::Unclean,
            reach: Reach::Recent,
            ..question(root, QUEUE_FILE_LEN, GIB)
        };
        let mut look = || {
            let began = Instant::now();
            let found = forecast_again(&asked, &Budget::default(), &mut memory).unwrap();
            assert!(found.complete && found.totals.units_lost == Some(0));
            began.elapsed()
        };
        println!("\nrefresh: a log of {} MiB, 64 queues", end >> 20);
        look();
        let again = (1..=5)
            .map(|times| {
                grow_to(end + (times << 20));
                look()
            })
            .min()
            .unwrap();
        row("after 1 MiB", again, None);
        let whole = fastest(3, || forecast(&asked, &Budget::default()).unwrap());
        row("everything", whole, Some(again));
    }
}

fn fill(store: &mut StoreWriter, queues: i32, units: usize) {
    let topics: Vec<usize> = (0..400).map(|at| store.topic(&format!("topic-{at:03}"))).collect();
    for _ in 0..units {
        for topic in &topics {
            for queue in 0..queues {
                store.append(*topic, queue, 100);
            }
        }
    }
    store.dispatch_all();
    store.flush();
}

fn question(root: &Path, queue_file_len: i64, segment_len: i64) -> Question {
    let text = format!(
        "storePathRootDir={}\nmappedFileSizeConsumeQueue={queue_file_len}\nmappedFileSizeCommitLog={segment_len}\n",
        root.display()
    );
    Question {
        root: root.to_owned(),
        conf: BrokerConf::as_broker_takes_it(&JavaProperties::parse(text.as_bytes()).unwrap()).0,
        release: (5, 5, 0),
        mode: None,
        shutdown: Shutdown::AsFound,
        without: Without::default(),
        reach: Reach::Start,
        digest: false,
    }
}

/// The command, of a store from which nothing goes.
struct Preview<'r> {
    root: &'r Path,
    queue_file_len: i64,
}

impl Preview<'_> {
    /// It, with few descriptors.
    fn command(&self) -> Command {
        let mut command = Command::new("sh");
        command
            .args(["-c", "ulimit -n 256 && exec \"$@\"", "sh", env!("CARGO_BIN_EXE_rocketmq-store-exporter")])
            .args(["preview", "--broker.version", "5.5.0", "--format", "json", "--fail-on", "index_loss"])
            .arg("--store.path")
            .arg(self.root)
            .arg("--set")
            .arg(format!("mappedFileSizeConsumeQueue={}", self.queue_file_len));
        command
    }

    fn run(&self) -> Vec<u8> {
        let done = self.command().output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        done.stdout
    }

    /// A number of its answer.
    fn count(&self, pointer: &str) -> usize {
        let answer: serde_json::Value = serde_json::from_slice(&self.run()).unwrap();
        let told = |pointer| answer.pointer(pointer).and_then(serde_json::Value::as_u64);
        assert_eq!((told("/totals/units_lost"), &answer["complete"]), (Some(0), &true.into()));
        usize::try_from(told(pointer).unwrap()).unwrap()
    }

    fn peak_kib(&self) -> u64 {
        let mut running = self.command().stdout(Stdio::null()).spawn().unwrap();
        let status = format!("/proc/{}/status", running.id());
        let mut peak = 0;
        while running.try_wait().unwrap().is_none() {
            let status = std::fs::read_to_string(&status).unwrap_or_default();
            let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            peak = line.map_or(peak, |line| line.trim().trim_end_matches(" kB").parse().unwrap());
        }
        peak
    }
}

fn fastest<T>(times: u32, mut run: impl FnMut() -> T) -> Duration {
    (0..times)
        .map(|_| {
            let began = Instant::now();
            black_box(run());
            began.elapsed()
        })
        .min()
        .unwrap()
}

fn row(what: &str, took: Duration, ours: Option<Duration>) {
    let ratio = ours.map_or(String::new(), |ours| {
        format!("{:.1}x the time of ours", took.as_secs_f64() / ours.as_secs_f64())
    });
    println!("  {what:<24} {:>9.1} ms   {ratio}", took.as_secs_f64() * 1e3);
}

fn beside(
    broker: &Result<Broker, String>,
    root: &Path,
    queue_file_len: i64,
    ours: Duration,
    prepare: &dyn Fn(&Path),
) {
    match broker {
        Err(reason) => println!("  broker's own load         left out: {reason}"),
        Ok(broker) => {
            for (release, jars) in RELEASES.iter().zip(&broker.jars) {
                let took = (0..3).map(|_| broker.load(jars, root, queue_file_len, prepare)).min().unwrap();
                row(&format!("load() of {release}"), took, Some(ours));
            }
        }
    }
}

/// The real store code.
struct Broker {
    jars: Vec<PathBuf>,
    classes: PathBuf,
}

impl Broker {
    fn find(scratch: &Path) -> Result<Self, String> {
        let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
        let java = Command::new("java").arg("-version").output();
        if !java.is_ok_and(|found| found.status.success()) {
            return Err("no java".to_owned());
        }
        let mut jars = Vec::new();
        for release in RELEASES {
            let script = format!("import releases; print(releases.jars('{release}'))");
            let found = Command::new("python3")
                .args(["-c", &script])
                .env("PYTHONPATH", here.join("lab"))
                .env("PYTHONDONTWRITEBYTECODE", "1")
                .output();
            let path = found.ok().filter(|found| found.status.success());
            let path = path.and_then(|found| String::from_utf8(found.stdout).ok());
            match path {
                Some(path) => jars.push(PathBuf::from(path.trim())),
                None => return Err(format!("no jars of {release}")),
            }
        }
        let classes = scratch.join("classes");
        let compiled = Command::new("javac")
            .arg("-nowarn")
            .arg("-cp")
            .arg(jars[1].join("*"))
            .arg("-d")
            .arg(&classes)
            .arg(here.join("benches/LoadTime.java"))
            .status();
        if compiled.is_ok_and(|status| status.success()) {
            Ok(Self { jars, classes })
        } else {
            Err("no javac".to_owned())
        }
    }

    /// Time of one `load()`, on a copy of the store that was prepared.
    fn load(&self, jars: &Path, root: &Path, queue_file_len: i64, prepare: &dyn Fn(&Path)) -> Duration {
        let copy = root.with_extension("copy");
        let copied =
            Command::new("cp").arg("-a").arg("--sparse=always").arg(root).arg(&copy).status().unwrap();
        assert!(copied.success());
        prepare(&copy);
        // A broker holds every file of its queues open.
        let told = Command::new("sh")
            .args(["-c", "ulimit -n $(ulimit -H -n) && exec java \"$@\"", "java"])
            .arg("-Xmx2g")
            .arg("-cp")
            .arg(format!("{}:{}/*", self.classes.display(), jars.display()))
            .arg("LoadTime")
            .arg(&copy)
            .arg(queue_file_len.to_string())
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&told.stdout).into_owned();
        let nanos = text.lines().find_map(|line| line.strip_prefix("load true "));
        let nanos = nanos.unwrap_or_else(|| panic!("{text}\n{}", String::from_utf8_lossy(&told.stderr)));
        std::fs::remove_dir_all(&copy).unwrap();
        Duration::from_nanos(nanos.trim().parse().unwrap())
    }
}
