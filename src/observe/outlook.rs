//! What the next start would do, kept fresh: of a running broker as if it were killed now, else as its store stands.
//!
//! After the first look at a store only what was written since is read, until the broker starts again.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::phase::Phase;
use crate::preview::answer::run_by;
use crate::preview::assumption::Assumption;
use crate::preview::{Asked, Preview, PreviewError, Surroundings};
use crate::recovery::{Budget, Memory, Reach, Shutdown, forecast_again};
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

/// As long as this, everything is read again: nobody but a broker may write to a store, but somebody might.
const TRUSTED: Duration = Duration::from_secs(3_600);

/// In what state of the broker a store was looked at: the phase, and when the broker began to start.
pub type State = (Option<Phase>, Option<EpochMillis>);

/// What was read of a store, and since when it is trusted.
#[derive(Debug, Default)]
pub struct Known {
    of: Option<(State, Instant)>,
    memory: Memory,
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
    /// What was read of the store before.
    pub known: Mutex<Known>,
}

impl Foreteller {
    /// Looks at the store as it is now.
    ///
    /// # Errors
    /// What keeps the store from being read.
    pub fn foretell(
        &self,
        state: State,
        around: Surroundings,
        now: EpochMillis,
    ) -> Result<Outlook, PreviewError> {
        let began = Instant::now();
        let mut asked = self.asked.clone();
        let is_of_running = state.0 == Some(Phase::Running);
        if is_of_running {
            asked.shutdown = Shutdown::Unclean;
        }
        let budget = Budget { bytes: Some(self.max_bytes), deadline: began.checked_add(self.max_time) };
        let mut assumption = Assumption::settle(&asked, &around)?;
        // What went long ago is counted elsewhere, and cold data is not read for it.
        assumption.question.reach = Reach::Recent;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        // Who knows what is done to the store of a broker that is down.
        if !is_of_running || known.of.is_none_or(|(of, since)| of != state || since.elapsed() > TRUSTED) {
            *known = Known { of: Some((state, began)), ..Known::default() };
        }
        let tell = |question: &_| forecast_again(question, &budget, &mut known.memory);
        let forecast = run_by(&assumption, tell)?;
        drop(known);
        let preview = Arc::new(Preview::without_remedies(assumption, forecast));
        Ok(Outlook { made_at: now, took: began.elapsed(), preview, is_of_running })
    }
}
