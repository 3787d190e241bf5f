//! Writes stores as a broker does: segments of the log, consume queues, checkpoint.
//!
//! What forecasts say is held against stores of real brokers elsewhere; this is for sizes and histories that no fixture has.

#![allow(dead_code, reason = "each user takes its own part")]
#![allow(clippy::unwrap_used, reason = "a test says by failing what was not there")]

use std::collections::{BTreeMap, VecDeque};
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rocketmq_store_exporter::broker::BrokerConf;
use rocketmq_store_exporter::broker::release::Release;
use rocketmq_store_exporter::format::java_properties::JavaProperties;
use rocketmq_store_exporter::recovery::{Question, Reach, Shutdown, Without};
use rocketmq_store_exporter::store::layout::LogKind;

const HEADER_LEN: usize = 88;
const LEDGER_HEAD_LEN: i64 = 48;
/// Length of a file of DLedger's index, most of it a hole.
const LEDGER_INDEX_FILE_LEN: u64 = 32 * 5 * 1024 * 1024;
/// Bytes that are gathered before they are written.
const GATHERED: usize = 4 << 20;

/// A message in the log.
#[derive(Debug, Clone)]
pub struct Written {
    pub topic: usize,
    pub queue: i32,
    pub physical: i64,
    pub size: i32,
    pub ordinal: i64,
}

/// How the log is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Log {
    Plain,
    DLedger,
}

pub struct StoreWriter {
    root: PathBuf,
    log: Log,
    pub segment_len: i64,
    pub queue_file_len: i64,
    /// Exclusive end of the log.
    pub end: i64,
    pub topics: Vec<String>,
    next_ordinals: BTreeMap<(usize, i32), i64>,
    /// Messages that have no unit yet.
    pub pending: VecDeque<Written>,
    segment: Option<(i64, File)>,
    gathered: (i64, Vec<u8>),
    units: BTreeMap<(usize, i32, i64), (i64, Vec<u8>)>,
    entries: i64,
    /// Units of DLedger's index that are not written yet.
    ledger_index: Vec<u8>,
    stored_at: i64,
    /// How long a new file is empty before it has its length: a broker makes it in two steps.
    pub empty_for: Duration,
}

impl StoreWriter {
    pub fn new(root: &Path, log: Log, segment_len: i64, queue_file_len: i64) -> Self {
        fs::create_dir_all(root.join("commitlog")).unwrap();
        fs::create_dir_all(root.join("consumequeue")).unwrap();
        fs::create_dir_all(root.join("config")).unwrap();
        fs::write(root.join("abort"), b"").unwrap();
        let writer = Self {
            root: root.to_owned(),
            log,
            segment_len,
            queue_file_len,
            end: 0,
            topics: Vec::new(),
            next_ordinals: BTreeMap::new(),
            pending: VecDeque::new(),
            segment: None,
            gathered: (0, Vec::new()),
            units: BTreeMap::new(),
            entries: 0,
            ledger_index: Vec::new(),
            stored_at: 1_700_000_000_000,
            empty_for: Duration::ZERO,
        };
        fs::create_dir_all(writer.log_dir()).unwrap();
        writer.write_checkpoint(0, 0, 0);
        writer
    }

    /// What the next start would do after a kill, the broker's properties being those of this store and `more`.
    pub fn question(&self, release: Release, more: &str) -> Question {
        let text = format!(
            "storePathRootDir={}\nmappedFileSizeConsumeQueue={}\nmappedFileSizeCommitLog={}\n{more}\n",
            self.root.display(),
            self.queue_file_len,
            self.segment_len
        );
        Question {
            root: self.root.clone(),
            conf: BrokerConf::as_broker_takes_it(&JavaProperties::parse(text.as_bytes()).unwrap()).0,
            release,
            mode: Some(if self.log == Log::DLedger { LogKind::DLedger } else { LogKind::Plain }),
            shutdown: Shutdown::Unclean,
            without: Without::default(),
            reach: Reach::Recent,
            digest: false,
        }
    }

    pub fn log_dir(&self) -> PathBuf {
        match self.log {
            Log::Plain => self.root.join("commitlog"),
            Log::DLedger => self.root.join("dledger-n0/data"),
        }
    }

    pub fn queue_dir(&self, topic: usize, queue: i32) -> PathBuf {
        self.root.join("consumequeue").join(&self.topics[topic]).join(queue.to_string())
    }

    /// Number of a topic.
    pub fn topic(&mut self, name: &str) -> usize {
        match self.topics.iter().position(|known| known == name) {
            Some(at) => at,
            None => {
                self.topics.push(name.to_owned());
                self.topics.len() - 1
            }
        }
    }

    /// Forgets what a queue has had, as when its topic was deleted.
    pub fn forget_topic(&mut self, topic: usize) {
        self.next_ordinals.retain(|(known, _), _| *known != topic);
        self.pending.retain(|message| message.topic != topic);
    }

    /// The next message is stored this many milliseconds later.
    pub fn wait(&mut self, millis: i64) {
        self.stored_at += millis;
    }

    /// Time of the last message.
    pub fn now(&self) -> i64 {
        self.stored_at
    }

    pub fn write_checkpoint(&self, timestamp: i64, index: i64, logics_physical: i64) {
        let mut bytes = vec![0; 4096];
        for (at, field) in [timestamp, timestamp, index, 0, 0, logics_physical].into_iter().enumerate() {
            bytes[at * 8..at * 8 + 8].copy_from_slice(&field.to_be_bytes());
        }
        fs::write(self.root.join("checkpoint"), bytes).unwrap();
    }

    /// What DLedger writes every three seconds: here with all entries committed.
    pub fn write_ledger_checkpoint(&self) {
        let text = format!("committedIndex={}\nendIndex={0}\n", self.entries - 1);
        fs::write(self.root.join("dledger-n0/checkpoint"), text).unwrap();
    }

    /// Appends a message with a body of `body_len` bytes to the log; it waits for its unit.
    pub fn append(&mut self, topic: usize, queue: i32, body_len: usize) -> Written {
        let properties =
            format!("UNIQ_KEY\u{1}7F000001{:024X}\u{2}WAIT\u{1}true\u{2}TAGS\u{1}TagA\u{2}", self.end);
        let name = self.topics[topic].clone();
        let size = HEADER_LEN + body_len + 1 + name.len() + 2 + properties.len();
        let head_len = if self.log == Log::DLedger { LEDGER_HEAD_LEN } else { 0 };
        let whole = i64::try_from(size).unwrap() + head_len;
        let within = self.end % self.segment_len;
        if within + whole + 8 > self.segment_len {
            let rest = i32::try_from(self.segment_len - within).unwrap();
            let mut blank = Vec::new();
            match self.log {
                Log::Plain => blank.extend(rest.to_be_bytes()),
                Log::DLedger => blank.extend((-1_i32).to_be_bytes()),
            }
            match self.log {
                Log::Plain => blank.extend(0xCBD4_3194_u32.to_be_bytes()),
                Log::DLedger => blank.extend(rest.to_be_bytes()),
            }
            self.gather(&blank);
            self.flush_log();
            self.end += i64::from(rest);
        }
        self.stored_at += 1;
        let ordinal = self.next_ordinals.entry((topic, queue)).or_default();
        let written = Written {
            topic,
            queue,
            physical: self.end + head_len,
            size: i32::try_from(size).unwrap(),
            ordinal: *ordinal,
        };
        *ordinal += 1;
        let mut bytes = Vec::with_capacity(size + 48);
        if self.log == Log::DLedger {
            bytes.extend(1_i32.to_be_bytes());
            bytes.extend(i32::try_from(whole).unwrap().to_be_bytes());
            bytes.extend(self.entries.to_be_bytes());
            bytes.extend(0_i64.to_be_bytes());
            bytes.extend(self.end.to_be_bytes());
            bytes.extend([0; 12]);
            bytes.extend(written.size.to_be_bytes());
            self.ledger_index.extend(1_i32.to_be_bytes());
            self.ledger_index.extend(self.end.to_be_bytes());
            self.ledger_index.extend(i32::try_from(whole).unwrap().to_be_bytes());
            self.ledger_index.extend(self.entries.to_be_bytes());
            self.ledger_index.extend(0_i64.to_be_bytes());
            self.entries += 1;
        }
        let seed = u8::try_from(written.physical % 251).unwrap();
        let body = vec![b'a' ^ seed; body_len];
        bytes.extend(written.size.to_be_bytes());
        bytes.extend(0xDAA3_20A7_u32.to_be_bytes());
        bytes.extend((crc32fast::hash(&body) & 0x7FFF_FFFF).to_be_bytes());
        bytes.extend(queue.to_be_bytes());
        bytes.extend([0; 4]);
        bytes.extend(written.ordinal.to_be_bytes());
        bytes.extend(written.physical.to_be_bytes());
        bytes.extend([0; 4]);
        bytes.extend(self.stored_at.to_be_bytes());
        bytes.extend([127, 0, 0, 1, 0, 0, 0, 80]);
        bytes.extend(self.stored_at.to_be_bytes());
        bytes.extend([127, 0, 0, 1, 0, 0, 0, 80]);
        bytes.extend([0; 12]);
        bytes.extend(u32::try_from(body_len).unwrap().to_be_bytes());
        bytes.extend(body);
        bytes.push(u8::try_from(name.len()).unwrap());
        bytes.extend(name.as_bytes());
        bytes.extend(u16::try_from(properties.len()).unwrap().to_be_bytes());
        bytes.extend(properties.as_bytes());
        self.gather(&bytes);
        self.end += whole;
        self.pending.push_back(written.clone());
        written
    }

    /// Gives a unit to the oldest message that waits for one.
    pub fn dispatch_one(&mut self) -> Option<Written> {
        let message = self.pending.pop_front()?;
        let position = message.ordinal * 20;
        let base = position - position % self.queue_file_len;
        let (_, units) = self
            .units
            .entry((message.topic, message.queue, base))
            .or_insert_with(|| (position - base, Vec::new()));
        units.extend(message.physical.to_be_bytes());
        units.extend(message.size.to_be_bytes());
        units.extend(i64::from(2_598_919).to_be_bytes());
        Some(message)
    }

    pub fn dispatch_all(&mut self) {
        while self.dispatch_one().is_some() {}
    }

    /// Brings everything to the files.
    pub fn flush(&mut self) {
        self.flush_log();
        self.flush_ledger_index();
        for ((topic, queue, base), (from, bytes)) in std::mem::take(&mut self.units) {
            let dir = self.queue_dir(topic, queue);
            fs::create_dir_all(&dir).unwrap();
            let path = dir.join(format!("{base:020}"));
            let file = self.file(&path, u64::try_from(self.queue_file_len).unwrap());
            file.write_all_at(&bytes, u64::try_from(from).unwrap()).unwrap();
        }
    }

    /// Opens a file, or makes it.
    fn file(&self, path: &Path, len: u64) -> File {
        let is_new = !path.exists();
        let file = File::options().write(true).create(true).truncate(false).open(path).unwrap();
        if is_new {
            std::thread::sleep(self.empty_for);
            file.set_len(len).unwrap();
        }
        file
    }

    fn gather(&mut self, bytes: &[u8]) {
        if self.gathered.1.is_empty() {
            self.gathered.0 = self.end;
        }
        self.gathered.1.extend(bytes);
        if self.gathered.1.len() > GATHERED {
            self.flush_log();
        }
    }

    fn flush_ledger_index(&mut self) {
        let bytes = std::mem::take(&mut self.ledger_index);
        if bytes.is_empty() {
            return;
        }
        let dir = self.root.join("dledger-n0/index");
        fs::create_dir_all(&dir).unwrap();
        let path = dir.join(format!("{:020}", 0));
        let file = self.file(&path, LEDGER_INDEX_FILE_LEN);
        let end = u64::try_from(self.entries * 32).unwrap();
        file.write_all_at(&bytes, end - u64::try_from(bytes.len()).unwrap()).unwrap();
    }

    fn flush_log(&mut self) {
        let (from, bytes) = (self.gathered.0, std::mem::take(&mut self.gathered.1));
        if bytes.is_empty() {
            return;
        }
        let base = from - from % self.segment_len;
        if self.segment.as_ref().is_none_or(|(open, _)| *open != base) {
            let path = self.log_dir().join(format!("{base:020}"));
            let file = self.file(&path, u64::try_from(self.segment_len).unwrap());
            self.segment = Some((base, file));
        }
        let (_, file) = self.segment.as_ref().unwrap();
        file.write_all_at(&bytes, u64::try_from(from - base).unwrap()).unwrap();
    }
}
