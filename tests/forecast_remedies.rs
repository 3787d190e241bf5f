//! One store as several starts would leave it. The numbers are those of the real store code, started on the same store.

#![allow(clippy::unwrap_used, reason = "a test says by failing what was not there")]

#[path = "support/recovery_case.rs"]
mod recovery_case;

use recovery_case::Case;
use rocketmq_store_exporter::broker::release::Release;
use rocketmq_store_exporter::recovery::{
    Budget, Forecast, Question, Reach, Shutdown, Verdict, Without, forecast,
};

/// A broker of 5.2.0 in DLedger mode, killed, with 7 segments and 278 units.
fn killed() -> Case {
    Case::named("5.2.0-dledger-f0")
}

fn ask(case: &Case, release: Release, change: impl FnOnce(&mut Question)) -> Forecast {
    let mut question = Question { release, reach: Reach::Start, ..case.question() };
    change(&mut question);
    forecast(&question, &Budget::default()).unwrap()
}

fn outcome(case: &Case, release: Release, change: impl FnOnce(&mut Question)) -> (Verdict, Option<u64>) {
    let found = ask(case, release, change);
    (found.verdict, found.totals.units_lost)
}

#[test]
fn the_same_killed_store_loses_what_the_release_makes_it_lose() {
    let case = killed();
    assert_eq!(outcome(&case, (5, 2, 0), |_| {}), (Verdict::IndexLoss, Some(109)));
    assert_eq!(outcome(&case, (5, 3, 3), |_| {}), (Verdict::IndexLoss, Some(2)));
    assert_eq!(outcome(&case, (5, 4, 0), |_| {}), (Verdict::IndexLoss, Some(2)));
    assert_eq!(outcome(&case, (5, 5, 0), |_| {}), (Verdict::Unchanged, Some(0)));
    assert_eq!(outcome(&case, (5, 1, 4), |_| {}), (Verdict::Unchanged, Some(0)));
}

#[test]
fn a_start_without_the_abort_file_keeps_everything() {
    let case = killed();
    let without = Without { abort: true, ..Without::default() };
    assert_eq!(outcome(&case, (5, 2, 0), |q| q.without = without), (Verdict::Unchanged, Some(0)));
    assert_eq!(outcome(&case, (5, 2, 0), |q| q.shutdown = Shutdown::Clean), (Verdict::Unchanged, Some(0)));
}

#[test]
fn what_is_removed_comes_back_without_the_ledger_checkpoint_or_with_a_recheck() {
    let case = killed();
    let without = Without { ledger_checkpoint: true, ..Without::default() };
    for release in [(5, 2, 0), (5, 3, 3)] {
        assert_eq!(outcome(&case, release, |q| q.without = without), (Verdict::Reindexed, Some(0)));
        let recheck = |q: &mut Question| q.conf.recheck_reput_offset_from_cq = true;
        assert_eq!(outcome(&case, release, recheck), (Verdict::Reindexed, Some(0)));
    }
}

#[test]
fn a_file_of_the_wrong_length_refuses_the_start_and_names_the_file() {
    let case = killed();
    let path = case.root().join("consumequeue/T0/0/00000000000000000000");
    std::fs::File::options().write(true).open(&path).unwrap().set_len(199).unwrap();
    let found = ask(&case, (5, 3, 3), |_| {});
    assert_eq!((found.verdict, found.start.exit_code), (Verdict::RefuseStart, Some(255)));
    assert_eq!(found.start.path.as_deref(), Some(path.as_path()));
    assert_eq!(found.files.unlinked, Vec::<std::path::PathBuf>::new());
}

#[test]
fn a_timer_that_was_never_loaded_changes_the_exit_code_of_a_store_that_does_not_load() {
    let case = killed();
    std::fs::write(case.root().join("consumequeue/T0/0/00000000000000000000"), "short").unwrap();
    let code = |release, timer| ask(&case, release, |q| q.conf.timer_wheel_enable = timer).start.exit_code;
    for (release, with_timer) in [
        ((4, 9, 7), 253),
        ((5, 1, 1), 253),
        ((5, 1, 3), 255),
        ((5, 2, 0), 255),
        ((5, 3, 3), 255),
        ((5, 3, 4), 253),
        ((5, 4, 0), 253),
    ] {
        assert_eq!((code(release, true), code(release, false)), (Some(with_timer), Some(253)), "{release:?}");
    }
}

#[test]
fn nothing_is_told_of_queues_in_rocksdb_or_of_a_release_without_rules() {
    let case = killed();
    assert_eq!(outcome(&case, (4, 8, 0), |_| {}).0, Verdict::Inconclusive);
    let newer = ask(&case, (5, 6, 0), |_| {});
    assert_eq!(newer.rules_since, "5.5.1");
    assert!(newer.not_modelled.iter().any(|note| note.contains("newer")));
}
