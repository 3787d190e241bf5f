//! The object that `preview --format json` and `GET /api/v1/preview` give.

use std::path::PathBuf;

use serde::Serialize;

use super::asked::{Asked, Problem};
use super::assumption::{Assumed, Assumption, StoreSeen, Surroundings};
use super::estimate::{Estimate, estimate};
use super::evidence::{self, Scene};
use super::finding::Finding;
use super::remedy::{self, Remedy};
use crate::recovery::forecast::QueueForecast;
use crate::recovery::{Budget, Forecast, Question, RecoveryError, Verdict, forecast};
use crate::store::layout::RootState;

/// Version of the object's shape; it grows with every change that a reader could stumble over.
pub const SCHEMA_VERSION: u32 = 1;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum PreviewError {
    /// What was typed cannot be used.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Problems(Vec<Problem>),
    /// The broker's properties cannot be read.
    #[error("{}: {source}", path.display())]
    Conf {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// No store stands there.
    #[error("{}: expected the broker's storePathRootDir, found: {}", root.display(), state.as_str())]
    NoStore {
        /// Where it should be.
        root: PathBuf,
        /// What stands there.
        state: RootState,
    },
    /// The store cannot be read.
    #[error(transparent)]
    Recovery(#[from] RecoveryError),
}

/// Which queues an answer lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum QueueScope {
    /// Those that the start changes or that lack units.
    #[default]
    Changed,
    /// All.
    All,
}

impl QueueScope {
    /// The scope that goes by this word.
    ///
    /// # Errors
    /// If none does.
    pub fn read(word: &str) -> Result<Self, Problem> {
        match word {
            "changed" => Ok(Self::Changed),
            "all" => Ok(Self::All),
            _ => Err(Problem {
                name: "queues".to_owned(),
                found: word.to_owned(),
                expected: "all or changed".to_owned(),
            }),
        }
    }

    /// Leaves these.
    pub(super) fn choose(self, queues: &mut Vec<QueueForecast>) {
        if self == Self::Changed {
            queues.retain(QueueForecast::is_touched);
            queues.shrink_to_fit();
        }
    }
}

/// The answer.
#[derive(Debug, Clone, Serialize)]
pub struct Preview {
    /// See [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// The store.
    pub store: StoreSeen,
    /// What the answer goes by.
    pub assumed: Assumed,
    /// What the start does.
    #[serde(flatten)]
    pub forecast: Forecast,
    /// What that means, worst first.
    pub findings: Vec<Finding>,
    /// What could be done instead, best first.
    pub remedies: Vec<Remedy>,
    /// What the start costs.
    pub estimate: Estimate,
}

impl Preview {
    /// Answers a question, remedies included.
    ///
    /// # Errors
    /// What is wrong with the question, or keeps the store from being read.
    pub fn of(asked: &Asked, around: &Surroundings, budget: &Budget) -> Result<Self, PreviewError> {
        Self::by(Assumption::settle(asked, around)?, QueueScope::All, budget)
    }

    /// Answers a question that is settled, remedies included.
    ///
    /// # Errors
    /// What keeps the store from being read.
    pub fn by(assumption: Assumption, scope: QueueScope, budget: &Budget) -> Result<Self, PreviewError> {
        let forecast = run(&assumption, budget)?;
        let asked = assumption.clone();
        // Queues that are not listed go before remedies are computed: these need as much memory as the start itself.
        let mut found = Self::without_remedies(assumption, forecast).listing(scope);
        found.remedies = remedy::remedies(&asked, &found.forecast, budget)?;
        Ok(found)
    }

    /// Says what a forecast means, and looks for no remedy.
    #[must_use]
    pub fn without_remedies(assumption: Assumption, mut forecast: Forecast) -> Self {
        let findings = evidence::findings(&Scene { assumption: &assumption, forecast: &forecast });
        let estimate = estimate(&forecast, &assumption.question.conf);
        forecast.start.path =
            forecast.start.path.map(|path| match path.strip_prefix(&assumption.question.root) {
                Ok(below) => below.to_owned(),
                Err(_) => path,
            });
        Self {
            schema_version: SCHEMA_VERSION,
            store: assumption.store,
            assumed: assumption.assumed,
            forecast,
            findings,
            remedies: Vec::new(),
            estimate,
        }
    }

    /// Leaves out queues that are not asked for.
    #[must_use]
    pub fn listing(mut self, scope: QueueScope) -> Self {
        scope.choose(&mut self.forecast.queues);
        self
    }
}

/// The forecast for an assumption, which is inconclusive where too little is known.
///
/// # Errors
/// What keeps the store from being read.
pub fn run(assumption: &Assumption, budget: &Budget) -> Result<Forecast, RecoveryError> {
    run_by(assumption, |question| forecast(question, budget))
}

/// The same, with forecasts that `tell` makes.
///
/// # Errors
/// As [`run`].
pub fn run_by(
    assumption: &Assumption,
    tell: impl FnOnce(&Question) -> Result<Forecast, RecoveryError>,
) -> Result<Forecast, RecoveryError> {
    let inconclusive =
        |why: &str| Ok(Forecast::inconclusive(assumption.store.mode, assumption.is_clean(), why));
    if let Some(why) = assumption.not_modelled() {
        return inconclusive(why);
    }
    if !assumption.is_release_known {
        return inconclusive("the broker's release is not known");
    }
    tell(&assumption.question)
}

/// The verdict that goes by this word.
///
/// # Errors
/// If none does.
pub fn verdict(word: &str) -> Result<Verdict, Problem> {
    Verdict::ALL.into_iter().find(|verdict| verdict.as_str() == word).ok_or_else(|| Problem {
        name: "fail-on".to_owned(),
        found: word.to_owned(),
        expected: Verdict::ALL.map(Verdict::as_str).join(", "),
    })
}
