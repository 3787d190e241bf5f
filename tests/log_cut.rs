//! What a start cuts off the log stays in the file: the end is told by what the broker logged, until something is written there.

#![expect(clippy::unwrap_used, reason = "tests may panic")]

#[path = "support/store_writer.rs"]
mod store_writer;
#[path = "support/watcher.rs"]
#[allow(dead_code, reason = "each test uses a part of it")]
mod watcher;

use std::fs;
use std::path::Path;

use store_writer::{Log, StoreWriter};
use watcher::Watcher;

/// A second after the writer's first message, as a broker's log tells it.
const LATER: &str = "2023-11-15 06:13:21";

struct Pod {
    dir: tempfile::TempDir,
    writer: StoreWriter,
}

impl Pod {
    /// A store of 100 messages that all have their units, and the end of each.
    fn new() -> (Self, Vec<i64>) {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("logs")).unwrap();
        let mut writer = StoreWriter::new(&dir.path().join("store"), Log::Plain, 1 << 20, 6_000_000);
        let topic = writer.topic("T");
        let mut ends = Vec::new();
        for _ in 0..100 {
            writer.append(topic, 0, 500);
            ends.push(writer.end);
        }
        writer.dispatch_all();
        writer.flush();
        (Self { dir, writer }, ends)
    }

    fn watcher(&self) -> Watcher {
        let path = |name: &str| self.dir.path().join(name);
        Watcher::start(&path("store"), &path("logs"), &path("state"))
    }

    /// The broker starts: it ends the log here, and takes the newest messages out of the queue.
    fn start_with_end(&self, end: i64, units: u64) {
        log(self.dir.path(), &format!("{LATER} INFO main - load over, and the max phy offset = {end}"));
        let queue = self.writer.queue_dir(0, 0).join(format!("{:020}", 0));
        let file = fs::OpenOptions::new().write(true).open(queue).unwrap();
        file.set_len(units * 20).unwrap();
    }
}

fn log(dir: &Path, line: &str) {
    let path = dir.join("logs/store.log");
    let before = fs::read_to_string(&path).unwrap_or_default();
    fs::write(path, format!("{before}{line}\n")).unwrap();
}

/// End of the log as it is known, how often it went back, and by how many bytes in all.
fn end(watcher: &mut Watcher) -> (i64, (u64, u64)) {
    watcher.read_logs();
    watcher.look();
    let observer = watcher.observer.lock().unwrap();
    let end = observer.picture.as_ref().unwrap().log.max.unwrap();
    (i64::try_from(end).unwrap(), observer.memory.log_truncations)
}

#[test]
fn a_log_cut_inside_a_segment_ends_there_and_is_counted_once() {
    let (mut pod, ends) = Pod::new();
    let mut watcher = pod.watcher();
    assert_eq!(end(&mut watcher), (ends[99], (0, 0)));
    pod.start_with_end(ends[49], 50);
    let gone = u64::try_from(ends[99] - ends[49]).unwrap();
    for _ in 0..3 {
        assert_eq!(end(&mut watcher), (ends[49], (1, gone)));
    }
    watcher.stop();
    let mut watcher = pod.watcher();
    assert_eq!(end(&mut watcher), (ends[49], (1, gone)), "after a restart of the exporter");

    // A message of the same length: where it ends, one that was cut off begins.
    pod.writer.wait(2_000);
    pod.writer.end = ends[49];
    pod.writer.append(0, 0, 500);
    pod.writer.flush();
    assert_eq!(pod.writer.end, ends[50]);
    assert_eq!(end(&mut watcher), (ends[50], (1, gone)));
    // One of another length: what is behind it is torn.
    pod.writer.append(0, 0, 300);
    pod.writer.flush();
    assert_eq!(end(&mut watcher), (pod.writer.end, (1, gone)));

    // The next start keeps all of it.
    log(pod.dir.path(), "2023-11-15 06:13:29 INFO main - register store serialization");
    log(
        pod.dir.path(),
        &format!("2023-11-15 06:13:30 INFO main - load over, and the max phy offset = {}", pod.writer.end),
    );
    assert_eq!(end(&mut watcher), (pod.writer.end, (1, gone)));
}

#[test]
fn records_of_a_master_are_taken_once_dispatch_has_reached_them() {
    let (pod, ends) = Pod::new();
    let mut watcher = pod.watcher();
    pod.start_with_end(ends[49], 50);
    assert_eq!(end(&mut watcher).0, ends[49]);
    // The master sends the same bytes once more, and they are dispatched.
    let queue = pod.writer.queue_dir(0, 0).join(format!("{:020}", 0));
    let mut units = fs::read(&queue).unwrap();
    for (at, begin) in ends.iter().take(79).enumerate().skip(49) {
        units.extend(begin.to_be_bytes());
        units.extend(i32::try_from(ends[at + 1] - begin).unwrap().to_be_bytes());
        units.extend(0_i64.to_be_bytes());
    }
    fs::write(queue, units).unwrap();
    let (known, (times, _)) = end(&mut watcher);
    assert_eq!((known, times), (ends[79], 0));
}
