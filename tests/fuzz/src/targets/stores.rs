//! Damaged stores: the forecast in all modes and releases, what people are told of it, and the sidecar's own passes.

use rocketmq_store_exporter::broker::release::Release;
use rocketmq_store_exporter::preview::{Asked, Preview, Surroundings, text};
use rocketmq_store_exporter::recovery::release::ROWS;
use rocketmq_store_exporter::recovery::{self, Budget, Question, Reach, Shutdown};
use rocketmq_store_exporter::store::layout::LogKind;

use super::Answer;
use super::damage::{self, Dials};
use super::watcher::Watcher;

impl Dials {
    fn release(&self) -> Release {
        ROWS[self.release % ROWS.len()].since
    }

    fn mode(&self) -> Option<LogKind> {
        // Mostly the store's own.
        match self.flags % 8 {
            kind @ 0..3 => Some(LogKind::ALL[usize::from(kind)]),
            _ => None,
        }
    }

    fn shutdown(&self) -> Shutdown {
        [Shutdown::AsFound, Shutdown::Clean, Shutdown::Unclean][usize::from(self.flags >> 3) % 3]
    }

    fn reach(&self) -> Reach {
        [Reach::Load, Reach::Recent, Reach::Start][usize::from(self.flags >> 5) % 3]
    }
}

/// What the next start does.
pub fn forecast(bytes: &[u8], answer: &mut Answer) {
    damage::with(bytes, |case, dials| {
        let own = case.question();
        let question = Question {
            release: dials.release(),
            mode: dials.mode().or(own.mode),
            shutdown: dials.shutdown(),
            reach: dials.reach(),
            ..own
        };
        match recovery::forecast(&question, &Budget::default()) {
            Ok(found) => {
                assert!(found.complete || !found.not_modelled.is_empty(), "what is not told has a reason");
                answer.tell(&found);
            }
            Err(error) => answer.tell(&error.to_string()),
        }
    });
}

/// The same for people and tools, with remedies.
pub fn preview(bytes: &[u8], answer: &mut Answer) {
    damage::with(bytes, |case, dials| {
        let (major, minor, patch) = dials.release();
        let mut asked = Asked { root: case.root().to_owned(), goes_by_files: true, ..Asked::default() };
        asked.take("version", &format!("{major}.{minor}.{patch}")).unwrap();
        (asked.mode, asked.shutdown) = (dials.mode(), dials.shutdown());
        match Preview::of(&asked, &Surroundings::default(), &Budget::default()) {
            Ok(preview) => {
                let shown = text::preview(&preview, 80);
                assert!(!shown.chars().any(|char| char.is_control() && char != '\n'), "{shown:?}");
                answer.tell(&shown);
                answer.tell(&serde_json::to_string(&preview).unwrap());
            }
            Err(error) => answer.tell(&error.to_string()),
        }
    });
}

/// What the sidecar sees of it.
pub fn pass(bytes: &[u8], answer: &mut Answer) {
    damage::with(bytes, |case, _| {
        let dir = tempfile::tempdir().unwrap();
        let mut watcher = Watcher::start(case.root(), &dir.path().join("logs"), &dir.path().join("state"));
        watcher.look();
        watcher.look();
        let picture = watcher.observer.lock().unwrap().picture.clone().unwrap();
        answer.tell(&(&picture.queues.rows, picture.log.max, &picture.log.invalid, &picture.tables));
        let errors = picture.collectors.values().map(|state| state.error.clone());
        answer.tell(&errors.collect::<Vec<_>>());
    });
}
