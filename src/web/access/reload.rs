//! Rules as the file says them now.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use super::rules::Rules;

/// Time between two looks at the files.
const EVERY: Duration = Duration::from_secs(1);

/// Why the file cannot be used: one sentence a problem.
pub type Unusable = Vec<String>;

type Read = Box<dyn Fn() -> Result<(Rules, Vec<PathBuf>), Unusable> + Send + Sync>;
/// When a file was last changed, and its length; `None` if it is not there.
type Stamps = Vec<Option<(SystemTime, u64)>>;

/// The rules in force.
pub struct Access {
    read: Option<Read>,
    state: Mutex<State>,
}

struct State {
    rules: Arc<Rules>,
    files: Vec<PathBuf>,
    stamps: Stamps,
    looked_at: Instant,
    is_failing: bool,
}

impl std::fmt::Debug for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Access").field("rules", &self.rules()).finish_non_exhaustive()
    }
}

impl Access {
    /// Everybody may ask, over plain HTTP.
    #[must_use]
    pub fn open() -> Self {
        Self::with(None, Rules::default(), Vec::new())
    }

    /// Rules that `read` tells, with the files that it has read; read again when one of those changes.
    ///
    /// # Errors
    /// What is wrong with the files now.
    pub fn told(
        read: impl Fn() -> Result<(Rules, Vec<PathBuf>), Unusable> + Send + Sync + 'static,
    ) -> Result<Self, Unusable> {
        let (rules, files) = read()?;
        Ok(Self::with(Some(Box::new(read)), rules, files))
    }

    fn with(read: Option<Read>, rules: Rules, files: Vec<PathBuf>) -> Self {
        let stamps = stamps(&files);
        let state =
            State { rules: Arc::new(rules), files, stamps, looked_at: Instant::now(), is_failing: false };
        Self { read, state: Mutex::new(state) }
    }

    /// The rules in force.
    pub fn rules(&self) -> Arc<Rules> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(read) = &self.read
            && state.looked_at.elapsed() >= EVERY
        {
            state.looked_at = Instant::now();
            let now = stamps(&state.files);
            // While they cannot be used, files that were not named before may be what is missing.
            if now != state.stamps || state.is_failing {
                state.stamps = now;
                state.read_again(read);
            }
        }
        Arc::clone(&state.rules)
    }
}

impl State {
    fn read_again(&mut self, read: &Read) {
        match read() {
            Ok((rules, files)) => {
                self.stamps = stamps(&files);
                (self.rules, self.files, self.is_failing) = (Arc::new(rules), files, false);
                tracing::info!("the web configuration has changed and is in force");
            }
            Err(problems) if !self.is_failing => {
                self.is_failing = true;
                let problems = problems.join("; ");
                tracing::error!(
                    problems,
                    "the changed web configuration cannot be used, the one before stays"
                );
            }
            Err(_) => {}
        }
    }
}

fn stamps(files: &[PathBuf]) -> Stamps {
    let stamp = |file: &PathBuf| {
        let metadata = std::fs::metadata(file).ok()?;
        Some((metadata.modified().ok()?, metadata.len()))
    };
    files.iter().map(stamp).collect()
}
