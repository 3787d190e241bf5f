//! Whatever happens to the consume queues between two passes, a pass shows what the broker holds, and what is gone is counted
//! once: against a slow, plain model of a broker.
//!
//! Time is the model's: directories get its time as their stamp, as they get the kernel's, so that a quick pass trusts a stamp
//! exactly where it would, and two changes within one second look like one.
//!
//! What cannot be told, and is left out here: a cut of which no line tells; what two starts took of which the watcher hears
//! before it has looked once; and units cut off and then written over with as many new ones or more, if no pass came between
//! the cut and the broker's last life.

#![expect(clippy::unwrap_used, reason = "tests may panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use rocketmq_store_exporter::observe::observer::Memory;
use rocketmq_store_exporter::observe::state_file::Saved;
use rocketmq_store_exporter::recovery::queue_truncation::Truncation;
use rocketmq_store_exporter::store::layout::{Layout, LayoutOptions};
use rocketmq_store_exporter::units::PhysicalOffset;
use rocketmq_store_exporter::watch::lines::TailPosition;
use rocketmq_store_exporter::watch::tree::{Budget, PassReport, QueueTree, Thoroughness};

const UNITS_A_FILE: i64 = 5;
const FILE_LEN: i64 = UNITS_A_FILE * 20;
const MESSAGE: i64 = 100;

/// Topic and id of each queue.
const QUEUES: [(&str, u32); 4] = [("A", 0), ("A", 1), ("B", 0), ("C", 7)];

/// When the model begins (s); the real clock is long past it.
const BEGIN: i64 = 1_000_000;

#[derive(Debug, Clone)]
enum Action {
    Append {
        queue: usize,
        count: u8,
    },
    ExpireFront {
        queue: usize,
    },
    Unlink {
        queue: usize,
    },
    DeleteTopic {
        queue: usize,
    },
    /// A start of the broker that cuts all queues at the message that is `back` messages before the end of the log.
    CutAtStart {
        back: u8,
    },
    CleanStart,
    /// Time goes on (s).
    Wait {
        seconds: u8,
    },
    Pass {
        is_thorough: bool,
    },
    /// A pass while the lines of a start have not been read to their end.
    EarlyPass {
        is_thorough: bool,
    },
    RestartOfTheWatcher,
}

fn actions() -> impl Strategy<Value = Vec<Action>> {
    let queue = 0..QUEUES.len();
    let action = prop_oneof![
        6 => (queue.clone(), 1..9_u8).prop_map(|(queue, count)| Action::Append { queue, count }),
        1 => queue.clone().prop_map(|queue| Action::ExpireFront { queue }),
        1 => queue.clone().prop_map(|queue| Action::Unlink { queue }),
        1 => queue.prop_map(|queue| Action::DeleteTopic { queue }),
        2 => (1..20_u8).prop_map(|back| Action::CutAtStart { back }),
        1 => Just(Action::CleanStart),
        3 => (0..4_u8).prop_map(|seconds| Action::Wait { seconds }),
        4 => any::<bool>().prop_map(|is_thorough| Action::Pass { is_thorough }),
        2 => any::<bool>().prop_map(|is_thorough| Action::EarlyPass { is_thorough }),
        1 => Just(Action::RestartOfTheWatcher),
    ];
    prop::collection::vec(action, 1..50)
}

/// One queue as the broker holds it: unit by queue offset. What was cut off stays on disk until it is written over.
#[derive(Debug, Default, Clone)]
struct Queue {
    files: BTreeSet<i64>,
    units: BTreeMap<i64, i64>,
    stale: BTreeMap<i64, i64>,
    next: i64,
}

struct Broker {
    root: PathBuf,
    queues: [Queue; QUEUES.len()],
    log_end: i64,
    /// The model's time (s).
    now: i64,
}

impl Broker {
    fn new(root: &Path) -> Self {
        fs::create_dir_all(root.join("commitlog")).unwrap();
        fs::create_dir_all(root.join("consumequeue")).unwrap();
        let broker = Self { root: root.to_owned(), queues: Default::default(), log_end: 0, now: BEGIN };
        broker.stamp(&broker.root.join("consumequeue"));
        broker
    }

    fn dir(&self, queue: usize) -> PathBuf {
        let (topic, id) = QUEUES[queue];
        self.root.join("consumequeue").join(topic).join(id.to_string())
    }

    /// Gives `dir` and all below it that have changed since the last time the model's time for the real one.
    fn stamp(&self, dir: &Path) {
        for entry in fs::read_dir(dir).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                self.stamp(&entry.path());
            }
        }
        let metadata = fs::metadata(dir).unwrap();
        if metadata.mtime() > BEGIN * 100 {
            let now = UNIX_EPOCH + Duration::from_secs(u64::try_from(self.now).unwrap());
            File::open(dir).unwrap().set_modified(now).unwrap();
        }
    }

    fn write(&self, queue: usize, offset: i64, physical: i64, size: i32) {
        let base = offset / UNITS_A_FILE * FILE_LEN;
        let dir = self.dir(queue);
        fs::create_dir_all(&dir).unwrap();
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(dir.join(format!("{base:020}")))
            .unwrap();
        file.set_len(u64::try_from(FILE_LEN).unwrap()).unwrap();
        let mut unit = physical.to_be_bytes().to_vec();
        unit.extend(size.to_be_bytes());
        unit.extend([0; 8]);
        file.write_all_at(&unit, u64::try_from(offset * 20 - base).unwrap()).unwrap();
    }

    fn append(&mut self, queue: usize, count: u8) {
        for _ in 0..count {
            let offset = self.queues[queue].next;
            let base = offset / UNITS_A_FILE * FILE_LEN;
            if self.queues[queue].files.is_empty() {
                // The first file of a queue that does not begin at 0 is filled up to there.
                for blank in base / 20..offset {
                    self.write(queue, blank, 0, i32::MAX);
                }
            }
            self.write(queue, offset, self.log_end, i32::try_from(MESSAGE).unwrap());
            let held = &mut self.queues[queue];
            held.files.insert(base);
            held.stale.remove(&offset);
            held.units.insert(offset, self.log_end);
            held.next += 1;
            self.log_end += MESSAGE;
        }
    }

    fn unlink(&mut self, queue: usize, base: i64) {
        fs::remove_file(self.dir(queue).join(format!("{base:020}"))).unwrap();
        let held = &mut self.queues[queue];
        held.files.remove(&base);
        let gone = base / 20..(base + FILE_LEN) / 20;
        held.units.retain(|offset, _| !gone.contains(offset));
        held.stale.retain(|offset, _| !gone.contains(offset));
    }

    fn unlink_all(&mut self, queue: usize) {
        for base in self.queues[queue].files.clone() {
            self.unlink(queue, base);
        }
    }

    fn delete_topic(&mut self, queue: usize) {
        let topic = QUEUES[queue].0;
        for each in (0..QUEUES.len()).filter(|each| QUEUES[*each].0 == topic) {
            self.unlink_all(each);
            self.queues[each] = Queue::default();
        }
        let dir = self.root.join("consumequeue").join(topic);
        if dir.exists() {
            fs::remove_dir_all(dir).unwrap();
        }
    }

    /// What a scan at start takes for units: stale ones too, up to the first free slot.
    fn scan(&mut self) {
        for held in &mut self.queues {
            while let Some(physical) = held.stale.remove(&held.next) {
                held.units.insert(held.next, physical);
                held.next += 1;
            }
            // Behind a free slot nothing is ever read again.
            held.stale.clear();
        }
    }

    /// R1, from the last file back.
    fn cut(&mut self, truncate_to: i64) {
        self.scan();
        for queue in 0..self.queues.len() {
            while let Some(base) = self.queues[queue].files.last().copied() {
                let held = &self.queues[queue];
                let first = held.units.range(base / 20..).next().map(|(_, physical)| *physical);
                // A pre-blank unit points at 0.
                let is_blank_first = !held.units.contains_key(&(base / 20));
                let points_at = if is_blank_first { Some(0) } else { first };
                if points_at.is_none_or(|first| first < truncate_to) {
                    break;
                }
                self.unlink(queue, base);
                let held = &mut self.queues[queue];
                held.next = held.next.min(base / 20);
            }
            let held = &mut self.queues[queue];
            // In the last file that stays everything from the first one on that is to go; files before it are not looked at.
            let last = held.files.last().map_or(0, |base| base / 20);
            let first =
                held.units.range(last..).find(|(_, at)| **at >= truncate_to).map(|(offset, _)| *offset);
            let cut: Vec<i64> = first
                .map(|first| held.units.range(first..).map(|(offset, _)| *offset).collect())
                .unwrap_or_default();
            held.next = first.unwrap_or(held.next);
            for offset in cut {
                let physical = held.units.remove(&offset).unwrap();
                held.stale.insert(offset, physical);
            }
            if held.files.is_empty() {
                held.next = 0;
            }
        }
    }
}

struct Watcher {
    tree: QueueTree,
    layout: Layout,
    removed: u64,
    /// A start that the watcher has not been told of yet.
    start: Option<Option<Truncation>>,
}

impl Watcher {
    fn count(&mut self, report: &PassReport) {
        assert!(report.failures.is_empty(), "{:?}", report.failures);
        assert!(report.is_complete);
        self.removed += report.shrinkages.iter().map(|shrinkage| shrinkage.units_removed()).sum::<u64>();
    }

    fn refresh(&mut self, thoroughness: Thoroughness, now: i64) {
        let budget = Budget::from_now(Duration::from_secs(60), u64::MAX);
        let report = self.tree.refresh(&self.layout, thoroughness, now, &budget).unwrap();
        self.count(&report);
    }

    fn pass(&mut self, thoroughness: Thoroughness, now: i64) {
        self.refresh(thoroughness, now);
        if let Some(truncation) = self.start.take() {
            let report = self.tree.after_start(&self.layout, truncation.as_ref());
            self.count(&report);
            self.refresh(thoroughness, now);
        }
        self.tree.settle_marks();
    }

    /// Ends and comes back with what it saved.
    fn restart(&mut self) {
        let saved = Saved::of(&self.layout.root, TailPosition::default(), Memory::default(), &self.tree);
        let saved: Saved = serde_json::from_str(&serde_json::to_string(&saved).unwrap()).unwrap();
        self.tree = QueueTree::default();
        saved.restore(&mut self.tree);
    }
}

fn units(broker: &Broker) -> BTreeSet<(usize, i64)> {
    let of = |(queue, held): (usize, &Queue)| held.units.values().map(|at| (queue, *at)).collect::<Vec<_>>();
    broker.queues.iter().enumerate().flat_map(of).collect()
}

fn thoroughness(is_thorough: bool) -> Thoroughness {
    if is_thorough { Thoroughness::Thorough } else { Thoroughness::Quick }
}

/// What broker and watcher are compared by.
struct Comparison {
    broker: Broker,
    watcher: Watcher,
    /// Units that the broker held at the last pass, and how many of all those ever held are gone.
    held: BTreeSet<(usize, i64)>,
    removed: u64,
    /// Whether there was a pass since the start that the watcher has not been told of.
    has_looked_early: bool,
    /// Units that came and were cut off between two passes, and were then seen as they lay there, stale: whether those count
    /// depends on what is written over them first.
    chance: u64,
}

impl Comparison {
    fn new(root: &Path) -> Self {
        let broker = Broker::new(root);
        let layout = Layout::detect(root, &LayoutOptions::default()).unwrap();
        let watcher = Watcher { tree: QueueTree::default(), layout, removed: 0, start: None };
        Self { broker, watcher, held: BTreeSet::new(), removed: 0, has_looked_early: false, chance: 0 }
    }

    fn act(&mut self, action: &Action) -> Result<(), TestCaseError> {
        if self.has_looked_early
            && matches!(
                action,
                Action::ExpireFront { .. } | Action::Unlink { .. } | Action::DeleteTopic { .. }
            )
        {
            // A line is read within moments; in them files go by the start itself, not by retention.
            self.pass(true)?;
        }
        let broker = &mut self.broker;
        match action {
            Action::Append { queue, count } => broker.append(*queue, *count),
            Action::ExpireFront { queue } => {
                if broker.queues[*queue].files.len() > 1 {
                    let first = *broker.queues[*queue].files.first().unwrap();
                    broker.unlink(*queue, first);
                }
            }
            Action::Unlink { queue } => {
                broker.unlink_all(*queue);
                let held = &mut broker.queues[*queue];
                *held = Queue { next: held.next, ..Queue::default() };
            }
            Action::DeleteTopic { queue } => broker.delete_topic(*queue),
            Action::CutAtStart { .. } | Action::CleanStart => {
                // Between two starts it looks at least once: what it must be given to be exact.
                if self.watcher.start.is_some() {
                    self.pass(true)?;
                }
                self.start(action);
            }
            Action::Wait { seconds } => broker.now += i64::from(*seconds),
            Action::Pass { is_thorough } => self.pass(*is_thorough)?,
            Action::EarlyPass { is_thorough } if self.watcher.start.is_some() => {
                self.watcher.refresh(thoroughness(*is_thorough), self.broker.now);
                self.has_looked_early = true;
                self.chance += self.broker.queues.iter().enumerate().fold(0, |count, (queue, held)| {
                    let unseen = held.stale.values().filter(|at| !self.held.contains(&(queue, **at)));
                    count + u64::try_from(unseen.count()).unwrap()
                });
                self.take_in();
            }
            Action::EarlyPass { is_thorough } => self.pass(*is_thorough)?,
            Action::RestartOfTheWatcher => self.watcher.restart(),
        }
        self.broker.stamp(&self.broker.root.join("consumequeue"));
        Ok(())
    }

    fn start(&mut self, action: &Action) {
        let broker = &mut self.broker;
        let Action::CutAtStart { back } = action else {
            broker.scan();
            self.watcher.start = Some(None);
            return;
        };
        let truncate_to = (broker.log_end - i64::from(*back) * MESSAGE).max(0);
        broker.cut(truncate_to);
        self.watcher.start = Some(Some(Truncation {
            truncate_to: PhysicalOffset(truncate_to),
            resume_from: PhysicalOffset(broker.log_end),
        }));
    }

    /// The model's side of a pass.
    fn take_in(&mut self) {
        let now = units(&self.broker);
        self.removed += u64::try_from(self.held.difference(&now).count()).unwrap();
        self.held = now;
    }

    fn pass(&mut self, is_thorough: bool) -> Result<(), TestCaseError> {
        self.watcher.pass(thoroughness(is_thorough), self.broker.now);
        self.has_looked_early = false;
        self.take_in();
        let seen: BTreeMap<(&str, u32), _> = self
            .watcher
            .tree
            .iter()
            .filter_map(|(_, topic, id, entry)| {
                Some(((&**topic, id), entry.ends.map(|ends| (ends.min.0, ends.max.0))?))
            })
            .collect();
        let is_there = |(_, queue): &(_, &Queue)| !queue.files.is_empty();
        let held: BTreeMap<(&str, u32), _> = QUEUES
            .iter()
            .zip(&self.broker.queues)
            .filter(is_there)
            .map(|(key, queue)| {
                let first = queue.units.first_key_value().map(|(offset, _)| *offset);
                (*key, (first.unwrap_or(queue.next), queue.next))
            })
            .collect();
        prop_assert_eq!(seen, held);
        let expected = self.removed..=self.removed + self.chance;
        prop_assert!(
            expected.contains(&self.watcher.removed),
            "{} units removed, expected {:?}",
            self.watcher.removed,
            expected
        );
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(300),
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct("tests/tree_model.regressions"))),
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_pass_shows_what_the_broker_holds_and_counts_what_is_gone_once(actions in actions()) {
        let dir = tempfile::tempdir().unwrap();
        let mut comparison = Comparison::new(dir.path());
        for action in actions.iter().chain([&Action::Pass { is_thorough: false }]) {
            comparison.act(action)?;
        }
    }
}
