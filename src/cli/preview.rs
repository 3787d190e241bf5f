//! `preview` and `compare`: a question typed, answered once.

use std::io::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;

use super::one_line::escaped;
use super::progress::Progress;
use super::{EXIT_COULD_NOT_RUN, EXIT_RAN, EXIT_WRONG_USAGE};
use crate::app;
use crate::config::{parse_bytes, parse_duration};
use crate::preview::assumption::Assumption;
use crate::preview::comparison::{self, Columns, Comparison};
use crate::preview::text_table::printable;
use crate::preview::{Asked, Preview, PreviewError, Problem, QueueScope, Surroundings, answer, remedy, text};
use crate::recovery::{Budget, Verdict};
use crate::store::layout::RootState;

/// Exit code of a command that ran, and found what `--fail-on` was to fail on.
const EXIT_FAILED_ON: u8 = 1;
/// Exit code of a command that ran with `--fail-on`, and could not tell.
const EXIT_INCONCLUSIVE: u8 = 4;
/// Widest text for people.
const MAX_WIDTH: usize = 120;

/// A store, and what is assumed of its broker.
#[derive(Debug, Args)]
pub struct QuestionFlags {
    /// The broker's storePathRootDir
    #[arg(long = "store.path", value_name = "DIR", env = "ROCKETMQ_STORE_EXPORTER_STORE_PATH")]
    store_path: Option<PathBuf>,
    /// Directory that holds store.log, for the release [default: searched beside the store]
    #[arg(long = "logs.path", value_name = "DIR", env = "ROCKETMQ_STORE_EXPORTER_LOGS_PATH")]
    logs_path: Option<PathBuf>,
    /// The broker's properties file [default: upstream's defaults]
    #[arg(long = "broker.conf", value_name = "FILE", env = "ROCKETMQ_STORE_EXPORTER_BROKER_CONF")]
    broker_conf: Option<PathBuf>,
    /// Release to foretell [default: detected]
    #[arg(long = "broker.version", value_name = "X.Y.Z", env = "ROCKETMQ_STORE_EXPORTER_BROKER_VERSION")]
    broker_version: Option<String>,
    /// Set one key of the broker's properties; repeatable
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// plain, dledger or controller [default: by the properties, else by what lies in the store]
    #[arg(long = "mode", value_name = "MODE", env = "ROCKETMQ_STORE_EXPORTER_MODE")]
    mode: Option<String>,
    /// How the broker ended: as-found (by the abort file), clean or unclean
    #[arg(long = "shutdown", value_name = "KIND", default_value = "as-found")]
    shutdown: String,
    /// As if this was not there: abort, checkpoint, dledger-checkpoint or index; repeatable
    #[arg(long = "without", value_name = "FILE")]
    without: Vec<String>,
    /// Which queues the JSON lists: changed or all [default: changed; compare lists none]
    #[arg(long = "queues", value_name = "WHICH")]
    queues: Option<String>,
    /// Add units_sha1 to each queue's after_load: SHA-1 over the bytes of its units
    #[arg(long = "digest")]
    digest: bool,
    /// text for people, json for tools
    #[arg(long = "format", value_name = "FORMAT", default_value = "text")]
    format: String,
    /// Stop after reading this much of the store (like 10GiB), and say so
    #[arg(long = "budget.bytes", value_name = "SIZE")]
    budget_bytes: Option<String>,
    /// Stop after this time (like 30s), and say so
    #[arg(long = "budget.time", value_name = "DURATION")]
    budget_time: Option<String>,
    /// Exit with 1 if the verdict is this one or a worse one, with 4 if it is inconclusive
    #[arg(long = "fail-on", value_name = "VERDICT")]
    fail_on: Option<String>,
}

/// Flags of `preview`.
#[derive(Debug, Args)]
pub struct PreviewFlags {
    #[command(flatten)]
    question: QuestionFlags,
    /// Exit with 0 where the store is missing or empty, as before the first start of a broker: nothing can be lost
    #[arg(long = "allow-empty")]
    allow_empty: bool,
}

/// Flags of `compare`.
#[derive(Debug, Args)]
pub struct CompareFlags {
    #[command(flatten)]
    question: QuestionFlags,
    /// Releases to compare, like 5.2.0,5.3.3 [default: the store's own and all newer ones]
    #[arg(long = "versions", value_name = "A,B,…")]
    versions: Option<String>,
    /// Compare remedies instead of kinds of shutdown
    #[arg(long = "remedies")]
    remedies: bool,
}

/// Form of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Text,
    Json,
}

/// The form that goes by this word.
pub(super) fn read_format(word: &str) -> Result<Format, Problem> {
    match word {
        "text" => Ok(Format::Text),
        "json" => Ok(Format::Json),
        other => Err(problem("format", other, "text or json")),
    }
}

/// The store that is meant. Asked for here and not by the parser of flags, so that it is told with all other problems.
pub(super) fn read_root(given: Option<&PathBuf>) -> Result<PathBuf, Problem> {
    given.cloned().ok_or_else(|| {
        problem("store.path", "nothing", "the broker's storePathRootDir, as with --store.path DIR")
    })
}

/// The flags, read.
struct Read {
    asked: Asked,
    around: Surroundings,
    queues: Option<QueueScope>,
    format: Format,
    budget: Budget,
    fail_on: Option<Verdict>,
}

impl Read {
    /// What the answer goes by. From then on all that is left to do is to read.
    fn settled(&self) -> Result<Assumption, PreviewError> {
        let assumption = Assumption::settle(&self.asked, &self.around)?;
        let question = &assumption.question;
        app::confine_reader(&question.root, Some(&question.conf), self.around.logs.as_deref());
        Ok(assumption)
    }
}

/// Bytes that so many forecasts read at most.
fn total(assumption: &Assumption, starts: usize) -> u64 {
    assumption.log_bytes().saturating_mul(u64::try_from(starts).unwrap_or(1))
}

/// Takes values one by one, and remembers what was wrong with each.
#[derive(Default)]
struct Problems(Vec<Problem>);

impl Problems {
    fn take<T>(&mut self, outcome: Result<T, Problem>) -> Option<T> {
        outcome.map_err(|problem| self.0.push(problem)).ok()
    }
}

impl QuestionFlags {
    fn read(&self, problems: &mut Problems) -> Read {
        let root = problems.take(read_root(self.store_path.as_ref())).unwrap_or_default();
        let mut asked =
            Asked { root: root.clone(), broker_conf: self.broker_conf.clone(), ..Asked::default() };
        let given = [("version", &self.broker_version), ("mode", &self.mode)];
        let mut pairs: Vec<(&str, &String)> =
            given.iter().filter_map(|(name, value)| value.as_ref().map(|value| (*name, value))).collect();
        pairs.push(("shutdown", &self.shutdown));
        pairs.extend(self.set.iter().map(|value| ("set", value)));
        pairs.extend(self.without.iter().map(|value| ("without", value)));
        for (name, value) in pairs {
            problems.take(asked.take(name, value));
        }
        asked.digest = self.digest;
        let queues = self.queues.as_deref().map(QueueScope::read);
        let format = read_format(&self.format);
        let bytes = self
            .budget_bytes
            .as_deref()
            .map(|text| parse_bytes(text).ok_or_else(|| problem("budget.bytes", text, "a size like 10GiB")));
        let time = self.budget_time.as_deref().map(|text| {
            parse_duration(text).ok_or_else(|| problem("budget.time", text, "a duration like 30s"))
        });
        let fail_on = self.fail_on.as_deref().map(answer::verdict);
        let within = |time: Duration| Instant::now().checked_add(time);
        Read {
            asked,
            around: app::surroundings(self.logs_path.as_deref(), &root),
            queues: queues.and_then(|scope| problems.take(scope)),
            format: problems.take(format).unwrap_or(Format::Text),
            budget: Budget {
                bytes: bytes.and_then(|bytes| problems.take(bytes)),
                deadline: time.and_then(|time| problems.take(time)).and_then(within),
            },
            fail_on: fail_on.and_then(|verdict| problems.take(verdict)),
        }
    }
}

impl PreviewFlags {
    /// Answers on the standard output.
    #[must_use]
    pub fn run(&self) -> u8 {
        let mut problems = Problems::default();
        let read = self.question.read(&mut problems);
        let scope = read.queues.unwrap_or_default();
        let outcome = refuse(problems).and_then(|()| read.settled()).and_then(|assumption| {
            let starts = 1 + remedy::attempts(&assumption).len();
            let _progress = Progress::start(total(&assumption, starts));
            Preview::by(assumption, scope, &read.budget)
        });
        if self.allow_empty
            && let Err(PreviewError::NoStore { root, state: state @ (RootState::Missing | RootState::Empty) }) =
                &outcome
        {
            let root = printable(&root.to_string_lossy());
            let text = format!("{root}: {}, nothing can be lost\n", state.as_str());
            return if finish_text(&text) { EXIT_RAN } else { EXIT_COULD_NOT_RUN };
        }
        finish(outcome, &read, |preview| Told {
            verdict: preview.forecast.verdict,
            sentence: text::sentence(&preview),
            text: match read.format {
                Format::Text => text::preview(&preview, width()),
                Format::Json => json(&preview),
            },
        })
    }
}

impl CompareFlags {
    /// Answers on the standard output.
    #[must_use]
    pub fn run(&self) -> u8 {
        let mut problems = Problems::default();
        let read = self.question.read(&mut problems);
        let versions = self.versions.as_deref().map(comparison::versions);
        let versions = versions.and_then(|versions| problems.take(versions)).unwrap_or_default();
        // A digest stands in a queue, so that whoever wants the one wants the other.
        let queues = read.queues.or(self.question.digest.then(QueueScope::default));
        let columns = if self.remedies { Columns::Remedies } else { Columns::Shutdowns };
        let outcome = refuse(problems).and_then(|()| read.settled()).and_then(|assumption| {
            let starts = versions.len().max(1) * (1 + remedy::attempts(&assumption).len());
            let _progress = Progress::start(total(&assumption, starts));
            Comparison::by(assumption, &versions, columns, queues, &read.budget)
        });
        finish(outcome, &read, |comparison| Told {
            verdict: comparison.worst(),
            sentence: "the worst of these starts".to_owned(),
            text: match read.format {
                Format::Text => comparison.text(width()),
                Format::Json => json(&comparison),
            },
        })
    }
}

/// An answer as it is told.
struct Told {
    verdict: Verdict,
    /// What the verdict is about.
    sentence: String,
    text: String,
}

/// A problem of the flag that is called so.
pub(super) fn problem(name: &str, found: &str, expected: &str) -> Problem {
    Problem { name: name.to_owned(), found: found.to_owned(), expected: expected.to_owned() }
}

fn refuse(problems: Problems) -> Result<(), PreviewError> {
    if problems.0.is_empty() { Ok(()) } else { Err(PreviewError::Problems(problems.0)) }
}

/// Widths beyond which lines are hard to read are not used up.
pub(super) fn width() -> usize {
    textwrap::termwidth().min(MAX_WIDTH)
}

pub(super) fn json<T: serde::Serialize>(value: &T) -> String {
    let text = serde_json::to_string_pretty(value)
        .expect("every map has texts for keys, and names that are no text were made some");
    escaped(&text) + "\n"
}

#[expect(clippy::print_stderr, reason = "problems of a call are told where its caller looks")]
fn finish<T>(outcome: Result<T, PreviewError>, read: &Read, write: impl FnOnce(T) -> Told) -> u8 {
    let told = match outcome {
        Ok(answer) => write(answer),
        Err(PreviewError::Problems(problems)) => return refuse_problems(&problems),
        Err(error) => {
            eprintln!("{}", printable(&error.to_string()));
            return match error {
                PreviewError::Problems(_) | PreviewError::Conf { .. } => EXIT_WRONG_USAGE,
                PreviewError::NoStore { .. } | PreviewError::Recovery(_) => EXIT_COULD_NOT_RUN,
            };
        }
    };
    let verdict = told.verdict;
    let failed_on = read.fail_on.filter(|limit| verdict >= *limit);
    let last = failed_on.filter(|_| read.format == Format::Text);
    let last = last.map(|limit| text::failed(limit, verdict, &told.sentence, width())).unwrap_or_default();
    if !finish_text(&(told.text + &last)) {
        return EXIT_COULD_NOT_RUN;
    }
    match failed_on {
        None => EXIT_RAN,
        Some(_) if verdict == Verdict::Inconclusive => EXIT_INCONCLUSIVE,
        Some(_) => EXIT_FAILED_ON,
    }
}

/// Writes an answer; `false` if nobody takes it.
pub(super) fn finish_text(text: &str) -> bool {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_ok()
}

/// Tells all problems of a call.
#[expect(clippy::print_stderr, reason = "problems of a call are told where its caller looks")]
pub(super) fn refuse_problems(problems: &[Problem]) -> u8 {
    for problem in problems {
        eprintln!("{}", printable(&problem.to_string()));
    }
    EXIT_WRONG_USAGE
}
