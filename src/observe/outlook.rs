//! What the next start would do, kept fresh: of a running broker as if it were killed now, else as its store stands.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::phase::Phase;
use crate::preview::answer::run;
use crate::preview::assumption::Assumption;
use crate::preview::{Asked, Preview, PreviewError, Surroundings};
use crate::recovery::{Budget, Reach, Shutdown};
use crate::units::EpochMillis;

/// A forecast of the next start, and when it was made.
#[derive(Debug, Clone)]
pub struct Outlook {
    /// When it was begun.
    pub made_at: EpochMillis,
    /// How long it took.
    pub took: Duration,
    /// The forecast, all queues and no remedies.
    pub preview: Arc<Preview>,
    /// Whether it was made of a broker that ran: it then holds for the store of that moment only.
    pub is_of_running: bool,
}

/// Makes outlooks of one store.
#[derive(Debug)]
pub struct Foreteller {
    /// The store, and what the broker was told.
    pub asked: Asked,
    /// What is known beside the store.
    pub around: Surroundings,
    /// Most bytes one forecast reads.
    pub max_bytes: u64,
    /// Most time one forecast takes.
    pub max_time: Duration,
}

impl Foreteller {
    /// Looks at the store as it is now.
    ///
    /// # Errors
    /// What keeps the store from being read.
    pub fn foretell(
        &self,
        phase: Option<Phase>,
        around: Surroundings,
        now: EpochMillis,
    ) -> Result<Outlook, PreviewError> {
        let began = Instant::now();
        let mut asked = self.asked.clone();
        let is_of_running = phase == Some(Phase::Running);
        if is_of_running {
            asked.shutdown = Shutdown::Unclean;
        }
        let budget = Budget { bytes: Some(self.max_bytes), deadline: began.checked_add(self.max_time) };
        let mut assumption = Assumption::settle(&asked, &around)?;
        // What went long ago is counted elsewhere, and cold data is not read for it.
        assumption.question.reach = Reach::Recent;
        let forecast = run(&assumption, &budget)?;
        let preview = Arc::new(Preview::put_together(assumption, forecast, Vec::new()));
        Ok(Outlook { made_at: now, took: began.elapsed(), preview, is_of_running })
    }
}
