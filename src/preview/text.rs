//! The answer for a terminal: the verdict in one sentence, what stands behind it, the tables that matter, the next step.

use std::fmt::{self, Write as _};

use super::answer::Preview;
use super::finding::{self, Severity};
use super::text_table::{Lean, printable, table};
use crate::count::{counted, either};
use crate::recovery::Verdict;
use crate::recovery::forecast::QueueForecast;

/// Queues that are shown.
const QUEUES: usize = 20;
/// Files that are shown.
const FILES: usize = 10;
/// Width of the names in front of facts.
const LABEL: usize = 12;

/// The whole text, no line wider than `width` unless a name is.
#[must_use]
pub fn preview(preview: &Preview, width: usize) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write_preview(&mut text, preview, width);
    text
}

/// The verdict in one sentence.
#[must_use]
pub fn sentence(preview: &Preview) -> String {
    let forecast = &preview.forecast;
    let totals = &forecast.totals;
    let release = preview.assumed.version.as_deref().unwrap_or("an unknown release");
    let lost = totals.units_lost.unwrap_or(0);
    match forecast.verdict {
        Verdict::Unchanged => {
            format!("the next start of {release} removes nothing that a consumer could read")
        }
        Verdict::Trimmed => {
            let torn = forecast.has_torn_tail().then(|| "the torn end of the log".to_owned());
            let units = (totals.units_removed > 0).then(|| counted(totals.units_removed, "unit"));
            let parts: Vec<_> = torn.into_iter().chain(units).collect();
            format!("the next start of {release} drops only what is no message ({})", parts.join(" and "))
        }
        Verdict::Reindexed => format!(
            "the next start of {release} loses nothing: what it takes from the queues or finds missing it puts again"
        ),
        Verdict::IndexLoss => {
            let queues = forecast.queues.iter().filter(|queue| queue.units_lost > Some(0)).count();
            let emptied = match totals.queues_emptied {
                0 => String::new(),
                emptied => {
                    format!(
                        " ({} {} empty)",
                        counted(emptied, "queue"),
                        either(&emptied, "becomes", "become")
                    )
                }
            };
            format!(
                "the next start of {release} leaves {} in {} without a unit, and nothing puts {} again{emptied}",
                counted(lost, "message"),
                counted(queues, "queue"),
                either(&lost, "it", "them")
            )
        }
        Verdict::MessageLoss => {
            let others = match lost {
                0 => String::new(),
                lost => format!(", and leaves {} without a unit", counted(lost, "other")),
            };
            format!(
                "the next start of {release} cuts {} out of the log{others}",
                counted(totals.messages_dropped, "message")
            )
        }
        Verdict::RefuseStart => format!(
            "{release} does not start on this store: it ends with exit code {}",
            forecast.start.exit_code.unwrap_or_default()
        ),
        Verdict::Inconclusive => {
            format!("nothing can be told: {}", forecast.not_modelled.first().map_or("", String::as_str))
        }
    }
}

/// What a command says last that failed as it was told to: of a container that fails only the end is kept.
#[must_use]
pub fn failed(limit: Verdict, verdict: Verdict, sentence: &str, width: usize) -> String {
    let why = format!("--fail-on {}: {}: {}", limit.as_str(), verdict.as_str(), printable(sentence));
    format!("\n{}\n", wrapped(&why, &format!("{:<LABEL$}", "Failed"), width))
}

fn write_preview(text: &mut String, preview: &Preview, width: usize) -> fmt::Result {
    let forecast = &preview.forecast;
    writeln!(
        text,
        "{}\n",
        wrapped(&format!("{}: {}", forecast.verdict.as_str(), printable(&sentence(preview))), "", width)
    )?;
    facts(text, preview, width)?;
    findings(text, preview, width)?;
    queues(text, preview, width)?;
    files(text, preview, width)?;
    remedies(text, preview, width)?;
    writeln!(text, "\n{}", wrapped(&next_step(preview), "Next step   ", width))
}

fn facts(text: &mut String, preview: &Preview, width: usize) -> fmt::Result {
    let (store, assumed, forecast) = (&preview.store, &preview.assumed, &preview.forecast);
    let mut fact =
        |name: &str, value: &str| writeln!(text, "{}", wrapped(value, &format!("{name:<LABEL$}"), width));
    let state = store.broker_state.as_str();
    fact("Store", &format!("{}, {}, broker {state}", printable(&store.root), store.mode.as_str()))?;
    let release = match (&assumed.version, assumed.version_source) {
        (Some(version), Some(source)) => format!("release {version} ({})", source.as_str()),
        _ => "release not known".to_owned(),
    };
    let mut said =
        format!("{release}, {} stop ({})", assumed.shutdown, assumed.shutdown_source.replace('_', " "));
    for (key, value) in &assumed.overrides {
        write!(said, ", {}={}", printable(key), printable(value))?;
    }
    if !assumed.without.is_empty() {
        write!(said, ", without {}", assumed.without.join(", "))?;
    }
    fact("Assumed", &said)?;
    if forecast.start.starts() {
        let log = &forecast.commitlog;
        fact(
            "Log",
            &format!(
                "{} to {}; recovery reads {} to {}, {}",
                log.min_offset,
                log.max_offset,
                log.scan_from,
                log.scan_end,
                counted(log.messages_scanned, "message")
            ),
        )?;
        if let Some(cut) = forecast.truncation {
            let (queues, process) = (cut.consumequeue_max_physical_offset, cut.process_offset);
            let what = if cut.fires { "queues are cut at" } else { "does not fire at" };
            fact("Truncation", &format!("{what} {process}; the queues end at {queues}"))?;
        }
        fact("Dispatch", &format!("begins at {}", forecast.reput_from))?;
        let seconds = duration(preview.estimate.duration_seconds);
        fact("Load takes", &format!("about {seconds}, and longer from a cold disk"))?;
    }
    for note in &forecast.not_modelled {
        fact("Left out", note)?;
    }
    Ok(())
}

fn findings(text: &mut String, preview: &Preview, width: usize) -> fmt::Result {
    if preview.findings.is_empty() {
        return Ok(());
    }
    writeln!(text, "\nFindings")?;
    for finding in &preview.findings {
        let upstream = finding.upstream.map(|upstream| format!(" ({upstream})")).unwrap_or_default();
        let line = format!("{}{upstream}: {}", finding.id, printable(&finding.summary));
        writeln!(text, "{}", wrapped(&line, &format!("  {:<10}", finding.severity.as_str()), width))?;
    }
    Ok(())
}

fn queues(text: &mut String, preview: &Preview, width: usize) -> fmt::Result {
    let mut changed: Vec<_> = preview.forecast.queues.iter().filter(|queue| queue.is_touched()).collect();
    if changed.is_empty() {
        return Ok(());
    }
    changed.sort_by_key(|queue| std::cmp::Reverse((queue.units_lost, queue.units_removed)));
    writeln!(
        text,
        "\nQueues that change, worst first ({} of {})",
        changed.len(),
        preview.forecast.totals.queues
    )?;
    let head = [
        ("TOPIC", Lean::Left),
        ("QUEUE", Lean::Right),
        ("BEFORE", Lean::Right),
        ("REMOVED", Lean::Right),
        ("ADDED", Lean::Right),
        ("LOST", Lean::Right),
        ("MAX AFTER", Lean::Right),
    ];
    let row = |queue: &&QueueForecast| {
        vec![
            printable(&queue.topic),
            queue.queue.to_string(),
            queue.before.units.to_string(),
            queue.units_removed.to_string(),
            queue.units_added.to_string(),
            queue.units_lost.map_or_else(|| "?".to_owned(), |lost| lost.to_string()),
            queue.after_load.max_offset.to_string(),
        ]
    };
    let rows: Vec<_> = changed.iter().take(QUEUES).map(row).collect();
    text.push_str(&table(&head, &rows, width));
    if changed.len() > QUEUES {
        writeln!(text, "  … {} more (--format json lists all)", changed.len() - QUEUES)?;
    }
    Ok(())
}

fn files(text: &mut String, preview: &Preview, width: usize) -> fmt::Result {
    let forecast = &preview.forecast;
    let lists = [("Files that go", &forecast.files.unlinked), ("Files that come", &forecast.files.created)];
    for (title, paths) in lists {
        if paths.is_empty() {
            continue;
        }
        writeln!(text, "\n{title} ({})", paths.len())?;
        for path in paths.iter().take(FILES) {
            writeln!(text, "{}", wrapped(&printable(&path.to_string_lossy()), "  ", width))?;
        }
        if paths.len() > FILES {
            writeln!(text, "  … {} more", paths.len() - FILES)?;
        }
    }
    Ok(())
}

fn remedies(text: &mut String, preview: &Preview, width: usize) -> fmt::Result {
    if preview.remedies.is_empty() {
        return Ok(());
    }
    writeln!(text, "\nWhat could be done instead, each computed for this store, best first")?;
    for (at, remedy) in preview.remedies.iter().enumerate() {
        let outcome = match remedy.units_lost {
            Some(lost) => format!("{} lost", counted(lost, "unit")),
            None => "does not start".to_owned(),
        };
        let dropped = match remedy.messages_dropped {
            0 => String::new(),
            count => format!(", {} cut", counted(count, "message")),
        };
        let line = format!(
            "{} ({}): {}, {outcome}{dropped}, load takes about {}",
            remedy.title,
            remedy.id,
            remedy.verdict.as_str(),
            duration(remedy.duration_seconds)
        );
        writeln!(text, "{}", wrapped(&line, &format!("  {}. ", at + 1), width))?;
        for step in &remedy.steps {
            writeln!(text, "{}", wrapped(&printable(step), "     - ", width))?;
        }
    }
    Ok(())
}

fn next_step(preview: &Preview) -> String {
    match (preview.forecast.verdict, preview.remedies.first()) {
        (_, Some(best)) if best.units_lost == Some(0) && best.messages_dropped == 0 => {
            format!("do not start it as it is: {} loses nothing (see 1)", best.title)
        }
        (_, Some(best)) => format!("do not start it as it is: {} loses least (see 1)", best.title),
        (Verdict::IndexLoss | Verdict::MessageLoss, None) => {
            "keep a copy of the store before anything else: no other start that was tried loses less".to_owned()
        }
        (Verdict::RefuseStart, None) if preview.forecast.start.reason == Some(finding::FILE_WRONG_LENGTH.id) => {
            "make sure that the properties are the broker's own (--broker.conf); then find out why the file is of another length"
                .to_owned()
        }
        (Verdict::RefuseStart, None) => match &preview.forecast.start.path {
            Some(path) => format!(
                "find out why {} is as it is, and keep a copy before it is moved",
                printable(&path.to_string_lossy())
            ),
            None => "mend what the finding names, and ask again".to_owned(),
        },
        (Verdict::Inconclusive, None) => match preview.findings.first() {
            Some(finding) => format!("{}: {}", finding.id, printable(&finding.summary)),
            None => "ask again with what is missing".to_owned(),
        },
        _ => match preview.findings.iter().find(|finding| finding.severity == Severity::Critical) {
            Some(finding) => format!("find out about {} before the broker is started", finding.id),
            None => "the broker may be started".to_owned(),
        },
    }
}

fn duration(seconds: f64) -> String {
    if seconds < 1.0 { format!("{:.0} ms", seconds * 1_000.0) } else { format!("{seconds:.1} s") }
}

/// Wrapped behind a first indent; further lines are set in as far.
pub(super) fn wrapped(text: &str, first: &str, width: usize) -> String {
    let rest = " ".repeat(first.chars().count());
    // Paths and commands are there to be copied, and stay whole.
    let options = textwrap::Options::new(width)
        .initial_indent(first)
        .subsequent_indent(&rest)
        .word_splitter(textwrap::WordSplitter::NoHyphenation)
        .break_words(false);
    textwrap::fill(text, options)
}
