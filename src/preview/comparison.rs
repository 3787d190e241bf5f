//! One store under several releases and remedies, side by side.

use std::fmt::Write as _;

use serde::Serialize;

use super::answer::{PreviewError, QueueScope, SCHEMA_VERSION, run};
use super::asked::{Asked, Problem};
use super::assumption::{Assumed, Assumption, BrokerState, StoreSeen, Surroundings};
use super::remedy::{Rank, rank, same_release};
use super::text::wrapped;
use super::text_table::{Lean, printable, table};
use crate::broker::release::{self, KNOWN, Release};
use crate::recovery::forecast::QueueForecast;
use crate::recovery::release::Rules;
use crate::recovery::{Budget, Forecast, Question, RecoveryError, Shutdown, Verdict};

const CLEAN_STOP: &str = "clean_stop";

/// Which columns there are beside the start as it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Columns {
    /// Kinds of shutdown.
    #[default]
    Shutdowns,
    /// Remedies.
    Remedies,
}

/// One start.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Cell {
    /// Name of its column.
    pub column: String,
    /// What it does.
    pub verdict: Verdict,
    /// Units that stay lost; absent if nothing starts.
    pub units_lost: Option<u64>,
    /// Units that load takes away.
    pub units_removed: u64,
    /// Whole messages that go.
    pub messages_dropped: u64,
    /// Exit code, where nothing starts.
    pub exit_code: Option<i32>,
    /// The queues, as an answer to a preview has them; absent if nobody asked for any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queues: Option<Vec<QueueForecast>>,
}

/// One release.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// The release.
    pub version: String,
    /// Its starts, one a column; remedies that it does not know are left out.
    pub cells: Vec<Cell>,
}

/// Release and column that lose least.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Best {
    /// The release.
    pub version: String,
    /// The column.
    pub column: String,
}

/// The table.
#[derive(Debug, Clone, Serialize)]
pub struct Comparison {
    /// As in the answer to a preview.
    pub schema_version: u32,
    /// The store.
    pub store: StoreSeen,
    /// What the comparison goes by.
    pub assumed: Assumed,
    /// Names of the columns.
    pub columns: Vec<String>,
    /// The releases.
    pub rows: Vec<Row>,
    /// The start that loses least of those that somebody can choose; absent if there is none.
    pub best: Option<Best>,
}

/// Reads `A,B,…`.
///
/// # Errors
/// All that are no releases.
pub fn versions(text: &str) -> Result<Vec<Release>, Problem> {
    let words = || text.split(',').map(str::trim);
    let others: Vec<&str> = words().filter(|word| release::parse(word).is_none()).collect();
    if others.is_empty() {
        return Ok(words().filter_map(release::parse).collect());
    }
    Err(Problem {
        name: "versions".to_owned(),
        found: others.join(","),
        expected: "releases like 5.2.0,5.3.3".to_owned(),
    })
}

impl Comparison {
    /// Computes every cell. Without `versions`: the release of the store, and all known ones above it.
    ///
    /// # Errors
    /// As [`super::Preview::of`].
    pub fn of(
        asked: &Asked,
        around: &Surroundings,
        versions: &[Release],
        columns: Columns,
        budget: &Budget,
    ) -> Result<Self, PreviewError> {
        Self::by(Assumption::settle(asked, around)?, versions, columns, None, budget)
    }

    /// The same for a question that is settled; each start with these of its queues.
    ///
    /// # Errors
    /// What keeps the store from being read.
    pub fn by(
        assumption: Assumption,
        versions: &[Release],
        columns: Columns,
        queues: Option<QueueScope>,
        budget: &Budget,
    ) -> Result<Self, PreviewError> {
        let own = assumption.is_release_known.then_some(assumption.question.release);
        let mut releases = versions.to_vec();
        if releases.is_empty() {
            releases.extend(own);
            releases.extend(KNOWN.iter().filter(|known| own.is_none_or(|own| **known > own)));
        }
        let is_release_told = own.is_some() || !versions.is_empty();
        let is_stopped = assumption.store.broker_state == BrokerState::Stopped;
        // How a stopped broker has ended is past, nobody wants a kill, and from no release there is no way to another.
        let is_choice = |column: &str| match column {
            "unclean_stop" => false,
            CLEAN_STOP => is_release_told && !is_stopped,
            _ => is_release_told,
        };
        let mut names = vec!["as_it_stands".to_owned()];
        let mut rows = Vec::new();
        let mut best = None;
        let mut told = Told { queues, starts: Vec::new() };
        for number in releases {
            let mut as_it_stands = assumption.clone();
            as_it_stands.question.release = number;
            as_it_stands.is_release_known = true;
            let version = format!("{}.{}.{}", number.0, number.1, number.2);
            let mut cells = Vec::new();
            let mut starts = vec![(names[0].clone(), as_it_stands.clone())];
            starts.extend(others(&as_it_stands, columns));
            for (column, start) in starts {
                let (rank, cell) = told.cell(&start, budget)?;
                if is_choice(&column)
                    && !matches!(cell.verdict, Verdict::Inconclusive | Verdict::RefuseStart)
                    && best.as_ref().is_none_or(|(least, _)| rank < *least)
                {
                    let start = Best { version: version.clone(), column: column.clone() };
                    best = Some((rank, start));
                }
                if !names.contains(&column) {
                    names.push(column.clone());
                }
                cells.push(Cell { column, ..cell });
            }
            rows.push(Row { version, cells });
        }
        Ok(Self {
            schema_version: SCHEMA_VERSION,
            store: assumption.store,
            assumed: assumption.assumed,
            columns: names,
            rows,
            best: best.map(|(_, best)| best),
        })
    }

    /// The worst verdict of a start as it stands.
    #[must_use]
    pub fn worst(&self) -> Verdict {
        let own = self.rows.iter().filter_map(|row| row.cells.first());
        own.map(|cell| cell.verdict).max().unwrap_or(Verdict::Inconclusive)
    }

    /// The table for a terminal.
    #[must_use]
    pub fn text(&self, width: usize) -> String {
        let mut text = format!(
            "{}\n\n",
            wrapped(
                &format!(
                    "{}, {}, {} stop: verdict, and what is lost (units without index, messages cut from the log)",
                    printable(&self.store.root),
                    self.store.mode.as_str(),
                    self.assumed.shutdown
                ),
                "",
                width
            )
        );
        // Columns of the JSON are rows here: there may be a dozen releases, but then a terminal is wide enough for few only.
        for chunk in self.rows.chunks(3) {
            let mut head = vec![("", Lean::Left)];
            head.extend(chunk.iter().map(|row| (row.version.as_str(), Lean::Left)));
            let line = |column: &String| {
                let mut cells = vec![column.clone()];
                cells.extend(chunk.iter().map(|row| {
                    let cell = row.cells.iter().find(|cell| cell.column == *column);
                    cell.map_or_else(|| "-".to_owned(), Cell::text)
                }));
                cells
            };
            let lines: Vec<_> = self.columns.iter().map(line).collect();
            text.push_str(&table(&head, &lines, width));
            text.push('\n');
        }
        let has_remedies = !self.columns.iter().any(|column| column == CLEAN_STOP);
        // Writing to a string cannot fail.
        let _ = match &self.best {
            Some(Best { version, column }) if has_remedies => {
                writeln!(text, "Least is lost by {version} with {column}; `preview` tells the steps.")
            }
            Some(Best { version, column }) => writeln!(
                text,
                "Of what can still be chosen here, least is lost by {version} with {column}; --remedies shows more."
            ),
            None if self.assumed.version.is_none() => {
                writeln!(text, "The store's release is not known: give --broker.version.")
            }
            None => Ok(()),
        };
        text
    }
}

fn others(as_it_stands: &Assumption, columns: Columns) -> Vec<(String, Assumption)> {
    match columns {
        Columns::Remedies => {
            same_release(as_it_stands).into_iter().map(|attempt| (attempt.id, attempt.assumption)).collect()
        }
        Columns::Shutdowns => [(CLEAN_STOP, true), ("unclean_stop", false)]
            .into_iter()
            .map(|(name, is_clean)| {
                let mut changed = as_it_stands.clone();
                changed.set_clean(is_clean);
                (name.to_owned(), changed)
            })
            .collect(),
    }
}

/// Starts that were told, each once: one kind of shutdown is the store's own, and some releases go by the same rules.
struct Told {
    queues: Option<QueueScope>,
    starts: Vec<(Question, Rank, Cell)>,
}

impl Told {
    /// What a start does, in a cell without a column.
    fn cell(&mut self, start: &Assumption, budget: &Budget) -> Result<(Rank, Cell), RecoveryError> {
        let shutdown = if start.is_clean() { Shutdown::Clean } else { Shutdown::Unclean };
        let release = start.question.release;
        let release = Rules::of(release).map_or(release, |rules| rules.since);
        let question = Question { shutdown, release, ..start.question.clone() };
        if let Some((_, rank, cell)) = self.starts.iter().find(|(known, ..)| *known == question) {
            return Ok((*rank, cell.clone()));
        }
        let forecast = run(start, budget)?;
        let rank = rank(&forecast);
        let cell = Cell::of(forecast, self.queues);
        self.starts.push((question, rank, cell.clone()));
        Ok((rank, cell))
    }
}

impl Cell {
    fn of(mut forecast: Forecast, queues: Option<QueueScope>) -> Self {
        let queues = queues.map(|scope| {
            scope.choose(&mut forecast.queues);
            forecast.queues
        });
        let is_start = forecast.start.starts();
        Self {
            column: String::new(),
            verdict: forecast.verdict,
            units_lost: forecast.totals.units_lost.filter(|_| is_start),
            units_removed: forecast.totals.units_removed,
            messages_dropped: forecast.totals.messages_dropped,
            exit_code: forecast.start.exit_code,
            queues,
        }
    }

    fn text(&self) -> String {
        match (self.units_lost, self.messages_dropped) {
            (Some(0), 0) | (None, _) => self.verdict.as_str().to_owned(),
            (Some(lost), 0) => format!("{} {lost}", self.verdict.as_str()),
            (Some(lost), dropped) => format!("{} {lost}+{dropped}", self.verdict.as_str()),
        }
    }
}
