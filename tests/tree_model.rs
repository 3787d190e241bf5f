//! Whatever happens to the consume queues between two passes, a pass shows what the broker holds, and what is gone is counted
//! once: against a slow, plain model of a broker.
//!
//! What cannot be told, and is left out here: a cut of which no line tells; and units cut off and then written over with as
//! many new ones or more, if no pass came between the cut and the broker's last life.

#![expect(clippy::unwrap_used, reason = "tests may panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use proptest::prelude::*;
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
    Pass,
    RestartOfTheWatcher,
}

fn actions() -> impl Strategy<Value = Vec<Action>> {
    let queue = 0..3_usize;
    let action = prop_oneof![
        6 => (queue.clone(), 1..9_u8).prop_map(|(queue, count)| Action::Append { queue, count }),
        1 => queue.clone().prop_map(|queue| Action::ExpireFront { queue }),
        1 => queue.clone().prop_map(|queue| Action::Unlink { queue }),
        1 => queue.prop_map(|queue| Action::DeleteTopic { queue }),
        2 => (1..20_u8).prop_map(|back| Action::CutAtStart { back }),
        1 => Just(Action::CleanStart),
        4 => Just(Action::Pass),
        1 => Just(Action::RestartOfTheWatcher),
    ];
    prop::collection::vec(action, 1..40)
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
    queues: [Queue; 3],
    log_end: i64,
}

impl Broker {
    fn new(root: &Path) -> Self {
        fs::create_dir_all(root.join("commitlog")).unwrap();
        fs::create_dir_all(root.join("consumequeue")).unwrap();
        Self { root: root.to_owned(), queues: Default::default(), log_end: 0 }
    }

    fn dir(&self, queue: usize) -> PathBuf {
        self.root.join("consumequeue").join(format!("topic{queue}")).join("0")
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
        self.unlink_all(queue);
        let dir = self.dir(queue);
        if dir.exists() {
            fs::remove_dir_all(dir.parent().unwrap()).unwrap();
        }
        self.queues[queue] = Queue::default();
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

    fn refresh(&mut self) {
        let budget = Budget::from_now(Duration::from_secs(60), u64::MAX);
        // Directories change faster here than their time stamps: none of them is trusted.
        let report = self.tree.refresh(&self.layout, Thoroughness::Thorough, 0, &budget).unwrap();
        self.count(&report);
    }

    fn pass(&mut self) {
        self.refresh();
        if let Some(truncation) = self.start.take() {
            let report = self.tree.after_start(&self.layout, truncation.as_ref());
            self.count(&report);
            self.refresh();
        }
        self.tree.settle_marks();
    }

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

/// What broker and watcher are compared by.
struct Comparison {
    broker: Broker,
    watcher: Watcher,
    /// Units that the broker held at the last pass, and how many of all those ever held are gone.
    held: BTreeSet<(usize, i64)>,
    removed: u64,
}

impl Comparison {
    fn new(root: &Path) -> Self {
        let broker = Broker::new(root);
        let layout = Layout::detect(root, &LayoutOptions::default()).unwrap();
        let watcher = Watcher { tree: QueueTree::default(), layout, removed: 0, start: None };
        Self { broker, watcher, held: BTreeSet::new(), removed: 0 }
    }

    fn act(&mut self, action: &Action) -> Result<(), TestCaseError> {
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
                    self.pass()?;
                }
                self.start(action);
            }
            Action::Pass => self.pass()?,
            Action::RestartOfTheWatcher => self.watcher.restart(),
        }
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

    fn pass(&mut self) -> Result<(), TestCaseError> {
        self.watcher.pass();
        let now = units(&self.broker);
        self.removed += u64::try_from(self.held.difference(&now).count()).unwrap();
        self.held = now;
        for (_, topic, _, entry) in self.watcher.tree.iter() {
            let queue = &self.broker.queues[topic.trim_start_matches("topic").parse::<usize>().unwrap()];
            let ends = entry.ends.map(|ends| (ends.min.0, ends.max.0));
            let first = queue.units.first_key_value().map(|(offset, _)| *offset);
            let model = (!queue.files.is_empty()).then(|| (first.unwrap_or(queue.next), queue.next));
            prop_assert_eq!(ends, model, "{}", topic);
        }
        prop_assert_eq!(self.watcher.removed, self.removed, "units removed");
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_pass_shows_what_the_broker_holds_and_counts_what_is_gone_once(actions in actions()) {
        let dir = tempfile::tempdir().unwrap();
        let mut comparison = Comparison::new(dir.path());
        for action in actions.iter().chain([&Action::Pass]) {
            comparison.act(action)?;
        }
    }
}
