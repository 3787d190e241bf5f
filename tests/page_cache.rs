//! A preview leaves the page cache as it found it: what the broker's consumers read is there before and after.

#![expect(clippy::unwrap_used, reason = "tests may panic")]
#![expect(clippy::print_stderr, reason = "who runs it is told why nothing was tried")]

use std::fs::{self, File};
use std::io::IoSliceMut;
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::process::Command;

use rocketmq_store_exporter::recovery::{Budget, Question, Reach, forecast};
use rustix::fs::{Advice, fadvise};
use rustix::io::{ReadWriteFlags, preadv2};

#[path = "support/store_writer.rs"]
mod store_writer;

use store_writer::{Log, StoreWriter};

const MIB: i64 = 1 << 20;
const SEGMENT: i64 = 16 * MIB;
const QUEUE_FILE: i64 = 2_000_000;
/// Small reads go to the same pages again and again, and are left there (bytes).
const SMALL_READS: u64 = 256 << 10;

/// Bytes of each file that are in the page cache, as util-linux tells (`mincore`).
fn resident(files: &[PathBuf]) -> Option<Vec<u64>> {
    let told =
        Command::new("fincore").args(["--bytes", "--noheadings", "--output", "RES"]).args(files).output();
    let told = String::from_utf8(told.ok()?.stdout).unwrap();
    let found: Vec<u64> = told.lines().map(|line| line.trim().parse().unwrap()).collect();
    (found.len() == files.len()).then_some(found)
}

fn drop_pages(path: &Path, from: u64) {
    let file = File::open(path).unwrap();
    file.sync_all().unwrap();
    fadvise(&file, from, None::<NonZeroU64>, Advice::DontNeed).unwrap();
}

/// Whether this kernel, on this file system, has `RWF_DONTCACHE`; the same read without it leaves its pages.
fn drops_what_it_reads(file: &Path, at: u64) -> bool {
    let (mut bytes, opened) = ([0; 4096], File::open(file).unwrap());
    let flag = ReadWriteFlags::from_bits_retain(0x80);
    let read = preadv2(&opened, &mut [IoSliceMut::new(&mut bytes)], at, flag);
    drop_pages(file, 0);
    read.is_ok()
}

#[test]
fn a_preview_over_cold_segments_left_them_in_the_page_cache() {
    // Not below /tmp, which may be in memory.
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let root = dir.path().join("store");
    let mut store = StoreWriter::new(&root, Log::Plain, SEGMENT, QUEUE_FILE);
    let topic = store.topic("topic");
    while store.end < 3 * SEGMENT - 65_536 {
        store.append(topic, 0, 300);
    }
    store.dispatch_all();
    store.flush();
    let segment = |at: i64| root.join(format!("commitlog/{:020}", at * SEGMENT));
    let mut files: Vec<_> = (0..3).map(segment).collect();
    let queue = root.join("consumequeue/topic/0");
    files.extend(fs::read_dir(queue).unwrap().map(|entry| entry.unwrap().path()));
    // The first segment is cold, of the second one the end; the third is as the broker has just written it.
    let half = u64::try_from(SEGMENT / 2).unwrap();
    for (at, file) in files.iter().enumerate() {
        drop_pages(file, 0);
        let warm = if at == 0 { 0 } else { fs::metadata(file).unwrap().len() };
        fs::read(file).map(|bytes| assert!(u64::try_from(bytes.len()).unwrap() >= warm)).unwrap();
        match at {
            0 => drop_pages(file, 0),
            1 => drop_pages(file, half),
            _ => {}
        }
    }
    let Some(before) = resident(&files) else {
        eprintln!("no fincore: not tried");
        return;
    };
    if before[0] > 0 {
        eprintln!("the file system keeps its pages: not tried");
        return;
    }
    // What others write meanwhile can cost a few pages.
    assert!(before[1].abs_diff(half) <= SMALL_READS, "{} of {half}", before[1]);
    if !drops_what_it_reads(&files[0], half) {
        eprintln!("the kernel cannot read past the page cache: not tried");
        return;
    }
    let asked = Question { mode: None, reach: Reach::Start, ..store.question((5, 3, 3), "") };
    let found = forecast(&asked, &Budget::default()).unwrap();
    assert!(
        found.complete && found.bytes_read > u64::try_from(2 * SEGMENT).unwrap(),
        "{:?} {}",
        found.start,
        found.bytes_read
    );
    let after = resident(&files).unwrap();
    for ((file, before), after) in files.iter().zip(before).zip(after) {
        let file = file.display();
        assert!(
            after.abs_diff(before) <= SMALL_READS,
            "{file}: {before} bytes were in the cache, and {after} are"
        );
    }
}
