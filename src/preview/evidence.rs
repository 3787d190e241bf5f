//! Finds in a forecast what the catalogue knows, with the numbers that show it.

use std::path::Path;

use serde_json::{Value, json};

use super::assumption::Assumption;
use super::finding::{self, Finding};
use crate::count::{counted, either};
use crate::inspect::metadata;
use crate::recovery::forecast::QueueForecast;
use crate::recovery::metadata::Tables;
use crate::recovery::release::{NEWEST, Rules};
use crate::recovery::reput::waits_for_confirm;
use crate::recovery::{BUDGET_USED_UP, Forecast, Verdict};
use crate::store::layout::LogKind;
use crate::store::segments::Segments;

/// Examples that evidence lists of what there may be thousands of.
const EXAMPLES: usize = 20;
/// Groups that a summary names.
const NAMED_GROUPS: usize = 5;

/// What findings are looked for in.
#[derive(Debug, Clone, Copy)]
pub struct Scene<'a> {
    /// What the forecast goes by.
    pub assumption: &'a Assumption,
    /// The forecast.
    pub forecast: &'a Forecast,
}

/// All findings, worst first.
#[must_use]
pub fn findings(scene: &Scene<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    if scene.forecast.verdict == Verdict::Inconclusive {
        found.extend(scene.inconclusive());
    }
    found.extend(scene.refusal());
    if scene.forecast.start.starts() {
        found.extend(scene.losses());
        found.extend(scene.cuts_of_the_log());
        found.extend(scene.queues());
        found.extend(scene.lost_tables());
        found.extend(scene.offsets());
        found.extend(scene.files());
    }
    found.extend(scene.circumstances());
    found.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    found
}

/// Where the queue goes on once the broker serves.
fn next_of(queue: &QueueForecast) -> i64 {
    queue.after_start.as_ref().map_or(queue.after_load.max_offset, |after| after.max_offset)
}

fn lost_of(queue: &QueueForecast) -> u64 {
    queue.units_lost.unwrap_or(0)
}

impl Scene<'_> {
    fn rules(&self) -> Option<Rules> {
        Rules::of(self.assumption.question.release)
    }

    fn has_line(&self, start: &str) -> bool {
        self.forecast.log.iter().any(|line| line.text.starts_with(start))
    }

    fn count(&self, of: impl Fn(&QueueForecast) -> bool) -> usize {
        self.forecast.queues.iter().filter(|queue| of(queue)).count()
    }

    fn inconclusive(&self) -> Option<Finding> {
        let why = self.forecast.not_modelled.first().cloned().unwrap_or_default();
        let kind = if !self.assumption.is_release_known && self.assumption.not_modelled().is_none() {
            return Some(Finding::new(
                &finding::RELEASE_UNKNOWN,
                "the broker's release is not known; give it (--broker.version)".to_owned(),
                &[],
            ));
        } else if why == BUDGET_USED_UP {
            &finding::BUDGET_USED_UP
        } else {
            &finding::NOT_MODELLED
        };
        Some(Finding::new(kind, format!("no start is foretold: {why}"), &[("reason", json!(why))]))
    }

    fn refusal(&self) -> Option<Finding> {
        let start = &self.forecast.start;
        let kind = finding::kind(start.reason?)?;
        let exit_code = start.exit_code.unwrap_or_default();
        let mut evidence = vec![("exit_code", json!(exit_code))];
        let mut summary = format!("the broker ends with exit code {exit_code}");
        if let Some(path) = &start.path {
            summary = format!("{summary} because of {}", path.display());
            evidence.push(("path", json!(path.to_string_lossy())));
            if let Ok(metadata) = std::fs::metadata(path) {
                evidence.push(("length", json!(metadata.len())));
            }
        }
        if kind.id == finding::FILE_WRONG_LENGTH.id {
            let conf = &self.assumption.question.conf;
            let told = [
                ("mappedFileSizeCommitLog", i64::from(conf.mapped_file_size_commit_log)),
                ("mappedFileSizeConsumeQueue", conf.mapped_file_size_consume_queue),
            ];
            let told: Vec<_> = told.iter().map(|(key, len)| format!("{key}={len}")).collect();
            summary = format!(
                "{summary}: its length is not the one that the broker is told ({}); if the broker is told another, give its properties (--broker.conf)",
                told.join(", ")
            );
        }
        Some(Finding::new(kind, summary, &evidence))
    }

    /// Units whose message stays and which nothing puts again.
    fn losses(&self) -> Vec<Finding> {
        let forecast = self.forecast;
        let conf = &self.assumption.question.conf;
        let mut found = Vec::new();
        let truncation = forecast.truncation.filter(|truncation| truncation.fires);
        let cut_now: u64 = forecast.queues.iter().map(|queue| lost_of(queue).min(queue.units_removed)).sum();
        let mut unexplained = forecast.totals.units_lost.unwrap_or(0);
        if let Some(cut) = truncation.filter(|_| cut_now > 0 && !forecast.is_clean)
            && forecast.mode == LogKind::DLedger
        {
            let numbers = [
                ("units_lost", json!(cut_now)),
                ("queues", json!(self.count(|queue| lost_of(queue).min(queue.units_removed) > 0))),
                ("consumequeue_max_physical_offset", json!(cut.consumequeue_max_physical_offset)),
                ("process_offset", json!(cut.process_offset)),
                ("scan_end", json!(forecast.commitlog.scan_end)),
                ("messages_scanned", json!(forecast.commitlog.messages_scanned)),
            ];
            let is_whole =
                forecast.ledger.is_none_or(|ledger| ledger.end_offset <= forecast.commitlog.scan_end);
            let (kind, why) = if self.has_line("DupInfo in properties check failed") {
                (
                    &finding::CQ_WIPE_DUP_INFO,
                    "the first message without DUP_INFO is taken for the end of the log",
                )
            } else if is_whole {
                (&finding::CQ_TAIL_CUT_HEADER, "the end of the log is counted 48 bytes a message too low")
            } else {
                (&finding::CQ_CUT_AT_DAMAGE, "a record that cannot be read is taken for the end of the log")
            };
            let summary = format!(
                "{why}: queues are cut at {}, and {} that pointed to messages behind it never {} back",
                cut.process_offset,
                counted(cut_now, "unit"),
                either(&cut_now, "comes", "come")
            );
            found.push(Finding::new(kind, summary, &numbers));
            unexplained -= cut_now.min(unexplained);
        }
        if unexplained > 0 {
            let waits = self.rules().is_some_and(|rules| waits_for_confirm(conf, &rules, forecast.mode));
            let kind = if waits { &finding::CQ_WAITS_FOR_CONFIRM } else { &finding::CQ_MISSING_NOT_REBUILT };
            let queues = self.count(|queue| lost_of(queue) > 0);
            let summary = format!(
                "{} in the log {} no unit in {}, and dispatch begins at {}: nothing puts {}",
                counted(unexplained, "message"),
                either(&unexplained, "has", "have"),
                counted(queues, "queue"),
                forecast.reput_from,
                either(&unexplained, "it", "them")
            );
            let evidence = [
                ("units_lost", json!(unexplained)),
                ("queues", json!(queues)),
                ("reput_from", json!(forecast.reput_from)),
            ];
            found.push(Finding::new(kind, summary, &evidence));
        }
        if self.has_line("The commitlog files are deleted") && forecast.totals.units_removed > 0 {
            let removed = forecast.totals.units_removed;
            let units = counted(removed, "unit");
            let summary = format!("there is no log, and the queues with their {units} are deleted");
            let evidence = [("units_removed", json!(removed)), ("queues", json!(forecast.totals.queues))];
            found.push(Finding::new(&finding::CQ_DELETED_WITHOUT_LOG, summary, &evidence));
        }
        found
    }

    fn cuts_of_the_log(&self) -> Vec<Finding> {
        let log = &self.forecast.commitlog;
        let mut found = Vec::new();
        let end = log
            .truncate_to
            .or(self.forecast.ledger.map(|ledger| ledger.end_offset))
            .unwrap_or(log.max_offset);
        if log.messages_dropped > 0 {
            let kind = if self.has_line("DupInfo in properties check failed") {
                &finding::CL_DUP_INFO_MISSING
            } else {
                &finding::CL_DAMAGED_MIDDLE
            };
            let summary = format!(
                "the log is cut at {end}: {} ({} bytes) behind it {}",
                counted(log.messages_dropped, "whole message"),
                log.bytes_dropped,
                either(&log.messages_dropped, "goes", "go")
            );
            let evidence = [
                ("truncate_to", json!(end)),
                ("messages_dropped", json!(log.messages_dropped)),
                ("bytes_dropped", json!(log.bytes_dropped)),
                ("segments_unlinked", json!(log.segments_unlinked.len())),
            ];
            found.push(Finding::new(kind, summary, &evidence));
        } else if log.is_torn {
            let (kind, what) = if self.forecast.has_torn_tail() {
                (&finding::CL_TORN_TAIL, "part of a record")
            } else {
                (&finding::CL_DAMAGED_KEPT, "a damaged record, which DLedger keeps")
            };
            let line = self.forecast.log.iter().rfind(|line| is_of_record(&line.text));
            let line = line.map(|line| line.text.as_str());
            let summary = format!("at {} stands {what}", log.scan_end);
            let summary = line.map_or(summary.clone(), |line| format!("{summary}: {line}"));
            let evidence = [("offset", json!(log.scan_end)), ("line", json!(line))];
            found.push(Finding::new(kind, summary, &evidence));
        }
        if log.messages_dropped == 0 && !log.segments_unlinked.is_empty() {
            let paths: Vec<_> = log.segments_unlinked.iter().map(|path| path.to_string_lossy()).collect();
            let summary = format!(
                "{} without messages {} unlinked",
                counted(paths.len(), "segment"),
                either(&paths.len(), "is", "are")
            );
            let evidence = [("paths", json!(paths.iter().take(EXAMPLES).collect::<Vec<_>>()))];
            found.push(Finding::new(&finding::CL_SPARE_SEGMENT_UNLINKED, summary, &evidence));
        }
        if let Ok(segments) = Segments::list(&self.assumption.layout.log_dirs, None)
            && segments.gaps() > 0
        {
            let pairs = segments.list.windows(2);
            let gap = pairs.filter(|pair| pair[0].end() != pair[1].base).map(|pair| pair[0].end()).next();
            let summary = format!(
                "{} between segments, {} {}",
                counted(segments.gaps(), "gap"),
                either(&segments.gaps(), "at", "the first at"),
                gap.map_or_else(|| "an unknown place".to_owned(), |at| at.to_string())
            );
            let evidence = [("gaps", json!(segments.gaps())), ("offset", json!(gap))];
            found.push(Finding::new(&finding::CL_SEGMENT_MISSING, summary, &evidence));
        }
        found
    }

    fn queues(&self) -> Vec<Finding> {
        let forecast = self.forecast;
        let mut found = Vec::new();
        let examples = |of: &dyn Fn(&QueueForecast) -> bool| -> (usize, Value) {
            let queues = forecast.queues.iter().filter(|queue| of(queue));
            let names: Vec<_> = queues.map(|queue| format!("{}/{}", queue.topic, queue.queue)).collect();
            (names.len(), json!(names.iter().take(EXAMPLES).collect::<Vec<_>>()))
        };
        let put_later: u64 = forecast
            .queues
            .iter()
            .map(|queue| {
                let after = queue.after_start.as_ref().map_or(0, |after| after.units);
                after.saturating_sub(queue.after_load.units)
            })
            .sum();
        if forecast.totals.units_added + put_later > 0 {
            let put = |count| format!("{} {} put", counted(count, "unit"), either(&count, "is", "are"));
            let summary = match (forecast.totals.units_added, put_later) {
                (now, 0) => format!("{} while loading", put(now)),
                (0, later) => format!("{} when the broker serves", put(later)),
                (now, later) => format!("{} while loading and {later} when the broker serves", put(now)),
            };
            let evidence =
                [("units_added", json!(forecast.totals.units_added)), ("units_put_later", json!(put_later))];
            found.push(Finding::new(&finding::CQ_REINDEXED, summary, &evidence));
        }
        let is_behind = |queue: &QueueForecast| {
            let now = queue.after_start.as_ref().map_or(queue.after_load.units, |after| after.units);
            queue.units_removed > lost_of(queue) && now < queue.before.units
        };
        let (count, names) = examples(&is_behind);
        if count > 0 && !self.has_line("The commitlog files are deleted") {
            let of = |queue: &QueueForecast| queue.units_removed - lost_of(queue);
            let units: u64 = forecast.queues.iter().filter(|queue| is_behind(queue)).map(of).sum();
            let summary = format!(
                "{} in {} {} to where no message will be",
                counted(units, "unit"),
                counted(count, "queue"),
                either(&units, "points", "point")
            );
            let evidence = [("units", json!(units)), ("queues", names)];
            found.push(Finding::new(&finding::CQ_UNITS_BEHIND_LOG, summary, &evidence));
        }
        let (count, names) =
            examples(&|queue| queue.after_load.units > queue.before.units + queue.units_added);
        if count > 0 {
            let summary = format!(
                "{} {} a unit that belongs to no message",
                counted(count, "queue"),
                either(&count, "gets", "get")
            );
            found.push(Finding::new(&finding::CQ_PHANTOM_UNIT, summary, &[("queues", names)]));
        }
        let two_gib = i64::from(i32::MAX);
        let (count, names) = examples(&|queue| {
            queue.after_load.max_physical_offset == two_gib && queue.before.max_physical_offset != two_gib
        });
        if count > 0 {
            let summary = format!(
                "{} {} no unit of a message below 2147483647",
                counted(count, "queue"),
                either(&count, "takes", "take")
            );
            found.push(Finding::new(&finding::CQ_MAXIMUM_TWO_GIB, summary, &[("queues", names)]));
        }
        let (count, names) = examples(&|queue| next_of(queue) < queue.before.max_offset);
        if count > 0 {
            let summary = format!(
                "{} {} out queue offsets a second time",
                counted(count, "queue"),
                either(&count, "hands", "hand")
            );
            found.push(Finding::new(&finding::QUEUE_OFFSETS_REUSED, summary, &[("queues", names)]));
        }
        found
    }

    fn lost_tables(&self) -> Option<Finding> {
        let lost: Vec<_> = self.forecast.files.lost.iter().map(|path| path.to_string_lossy()).collect();
        (!lost.is_empty()).then(|| {
            let names = lost.join(", ");
            let summary =
                format!("damaged and without a backup: {names}; the broker starts without what stood there");
            Finding::new(&finding::TABLE_LOST, summary, &[("paths", json!(lost))])
        })
    }

    /// Committed offsets beyond the end that the queues will have.
    fn offsets(&self) -> Option<Finding> {
        let question = &self.assumption.question;
        let rules = self.rules()?;
        let (root, release) = (&self.assumption.layout.root, question.release);
        let tables = Tables { root, conf: &question.conf, release, rules: &rules };
        let offsets = metadata::consumer_offsets(&tables.get(tables.consumer_offsets())?);
        let ends: std::collections::HashMap<(&str, i32), i64> =
            self.forecast.queues.iter().map(|queue| ((&*queue.topic, queue.queue), next_of(queue))).collect();
        let mut beyond = Vec::new();
        let mut groups = std::collections::BTreeSet::new();
        for (topic, group, queue, offset) in &offsets {
            let id = i32::try_from(*queue).ok();
            let end = id.and_then(|id| ends.get(&(topic.as_str(), id))).copied().unwrap_or(0);
            if offset.0 > end {
                groups.insert(group.as_str());
                beyond.push(json!({
                    "group": group, "topic": topic, "queue": queue, "committed": offset.0, "max_offset": end,
                }));
            }
        }
        let (count, groups) = (beyond.len(), groups.into_iter().collect::<Vec<_>>());
        beyond.truncate(EXAMPLES);
        (count > 0).then(|| {
            let named = groups.iter().take(NAMED_GROUPS).copied().collect::<Vec<_>>().join(", ");
            let more = if groups.len() > NAMED_GROUPS { ", …" } else { "" };
            let summary = format!(
                "{} of {} ({named}{more}) {} queue",
                counted(count, "committed offset"),
                counted(groups.len(), "group"),
                either(&count, "lies beyond the end of its", "lie beyond the end of their")
            );
            let evidence =
                [("offsets", json!(count)), ("groups", json!(groups)), ("examples", json!(beyond))];
            Finding::new(&finding::CONSUMER_OFFSETS_BEYOND_MAX, summary, &evidence)
        })
    }

    fn files(&self) -> Vec<Finding> {
        let mut found = Vec::new();
        let index = &self.forecast.index.unlinked;
        if !index.is_empty() {
            let summary = format!(
                "{} {} unlinked",
                counted(index.len(), "index file"),
                either(&index.len(), "is", "are")
            );
            let paths: Vec<_> = index.iter().take(EXAMPLES).map(|path| path.to_string_lossy()).collect();
            let evidence = [("paths", json!(paths))];
            found.push(Finding::new(&finding::INDEX_FILES_UNLINKED, summary, &evidence));
        }
        let is_first_ledger_file = |path: &Path| {
            path.components()
                .next()
                .is_some_and(|first| first.as_os_str().as_encoded_bytes().starts_with(b"dledger-"))
                && path.components().any(|part| part.as_os_str() == "data")
        };
        if let Some(path) = self.forecast.files.created.iter().find(|path| is_first_ledger_file(path))
            && self.forecast.mode == LogKind::DLedger
        {
            let summary = format!("the plain log is closed, DLedger's begins with {}", path.display());
            found.push(Finding::new(
                &finding::MIGRATION_TO_DLEDGER,
                summary,
                &[("path", json!(path.to_string_lossy()))],
            ));
        }
        found
    }

    fn circumstances(&self) -> Vec<Finding> {
        let mut found = Vec::new();
        let question = &self.assumption.question;
        let is_missing = question.without.checkpoint || !self.assumption.layout.checkpoint().exists();
        if is_missing && !self.forecast.is_clean && self.forecast.verdict != Verdict::Inconclusive {
            let summary =
                "there is no checkpoint, so the log is read from as far back as recovery looks".to_owned();
            found.push(Finding::new(&finding::CHECKPOINT_MISSING, summary, &[]));
        }
        if self.assumption.is_mode_left_open && self.forecast.mode == LogKind::DLedger {
            let summary = "the properties do not set enableDLegerCommitLog, and the store is one of DLedger: it is taken for set".to_owned();
            found.push(Finding::new(&finding::MODE_NOT_TOLD, summary, &[]));
        }
        if self.assumption.is_release_known && question.release > NEWEST {
            let version = self.assumed_version();
            let summary = format!("{version} is answered by the rules of {}", self.forecast.rules_since);
            let evidence = [("version", json!(version)), ("rules_of", json!(self.forecast.rules_since))];
            found.push(Finding::new(&finding::RELEASE_NEWER, summary, &evidence));
        }
        if !self.forecast.consistent {
            let summary = "files went while they were read; ask again".to_owned();
            found.push(Finding::new(&finding::STORE_MOVED, summary, &[]));
        }
        found
    }

    fn assumed_version(&self) -> String {
        self.assumption.assumed.version.clone().unwrap_or_default()
    }
}

/// Whether the broker says this of a record that it cannot read.
fn is_of_record(line: &str) -> bool {
    let begins = [
        "found a half message",
        "CRC check failed",
        "[BUG]read total count not equals",
        "found a illegal magic code",
    ];
    begins.iter().any(|begin| line.starts_with(begin))
}
