//! Fills the families that tell of the next start.

use super::catalogue as m;
use super::families::{Families, number};
use crate::observe::observer::Observer;
use crate::preview::finding::Severity;
use crate::recovery::{Forecast, Verdict};

pub(super) fn fill(families: &mut Families, observer: &Observer) {
    families.count(&m::PREVIEW_MISMATCHES, &[], observer.memory.forecast_mismatches);
    let Some(outlook) = observer.outlook.as_deref() else { return };
    let preview = &outlook.preview;
    let forecast = &preview.forecast;
    let verdicts = Verdict::ALL.iter().map(|verdict| verdict.as_str());
    families.one_of(&m::PREVIEW_VERDICT, verdicts, Some(forecast.verdict.as_str()));
    families.set(&m::PREVIEW_TIMESTAMP, &[], outlook.made_at.as_seconds());
    families.set(&m::PREVIEW_DURATION, &[], outlook.took.as_secs_f64());
    families.flag(&m::PREVIEW_COMPLETE, &[], forecast.complete);
    families.flag(&m::PREVIEW_CONSISTENT, &[], forecast.consistent);
    for severity in Severity::ALL {
        let of_it = preview.findings.iter().filter(|finding| finding.severity == severity).count();
        families.count(&m::PREVIEW_FINDINGS, &[severity.as_str()], u64::try_from(of_it).unwrap_or(u64::MAX));
    }
    // Nothing is known of a start that is not foretold, and nothing is gone where nothing starts.
    if forecast.verdict == Verdict::Inconclusive {
        return;
    }
    let totals = &forecast.totals;
    let counts = [
        (&m::PREVIEW_UNITS_REMOVED, Some(totals.units_removed)),
        (&m::PREVIEW_UNITS_LOST, totals.units_lost),
        (&m::PREVIEW_QUEUES_EMPTIED, Some(totals.queues_emptied)),
        (&m::PREVIEW_FILES_UNLINKED, Some(totals.files_unlinked)),
        (&m::PREVIEW_MESSAGES_DROPPED, Some(totals.messages_dropped)),
        (&m::PREVIEW_REDISPATCH_BYTES, Some(redispatch_bytes(forecast))),
    ];
    for (metric, count) in counts {
        if let Some(count) = count {
            families.set(metric, &[], number(count));
        }
    }
    families.set(&m::PREVIEW_ESTIMATED_DURATION, &[], preview.estimate.duration_seconds);
}

/// What recovery walks over, and what dispatch still has to read behind it.
fn redispatch_bytes(forecast: &Forecast) -> u64 {
    let log = &forecast.commitlog;
    let end = forecast.ledger.map_or(log.max_offset, |ledger| ledger.end_offset);
    let length = |from: i64, to: i64| u64::try_from(to.saturating_sub(from)).unwrap_or(0);
    length(log.scan_from, log.scan_end) + length(forecast.reput_from, end)
}
