//! Whatever the bytes of a store are, a forecast ends, and with an answer.

#![allow(clippy::unwrap_used, reason = "a test says by failing what was not there")]

#[path = "support/recovery_case.rs"]
mod recovery_case;

use std::path::{Path, PathBuf};

use recovery_case::Case;
use rocketmq_store_exporter::recovery::release::ROWS;
use rocketmq_store_exporter::recovery::{Budget, Verdict};

/// A generator without state to keep: the same numbers on every machine.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % limit.max(1)
    }
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

#[test]
fn random_bytes_in_any_file_end_no_forecast_without_an_answer() {
    let mut numbers = Numbers(7);
    let fixtures = Case::all();
    for round in 0..60 {
        let case = Case::unpack(&fixtures[numbers.below(fixtures.len())]);
        let files = files(case.root());
        for _ in 0..=numbers.below(6) {
            let path = &files[numbers.below(files.len())];
            let mut bytes = std::fs::read(path).unwrap();
            if bytes.is_empty() || bytes.len() > 1 << 20 {
                continue;
            }
            let start = numbers.below(bytes.len());
            let fill = numbers.below(3);
            for byte in bytes.iter_mut().skip(start).take(1 + numbers.below(24)) {
                *byte = match fill {
                    0 => u8::try_from(numbers.below(256)).unwrap(),
                    1 => 0xFF,
                    _ => 0x7F,
                };
            }
            std::fs::write(path, bytes).unwrap();
            if numbers.below(8) == 0 {
                let name =
                    ["9223372036854775807", "-0000000000000000020", "00000000000000000001"][numbers.below(3)];
                std::fs::rename(path, path.with_file_name(name)).unwrap();
                break;
            }
        }
        let rules = ROWS[numbers.below(ROWS.len())];
        let found = case.forecast_as(rules.since, &Budget::default()).unwrap();
        assert!(found.complete, "round {round}: {:?}", found.not_modelled);
    }
}

#[test]
fn a_budget_that_is_used_up_is_an_answer() {
    let case = Case::unpack(&Case::all()[0]);
    let found = case.forecast_as((5, 3, 3), &Budget { bytes: Some(1000), deadline: None }).unwrap();
    assert!(!found.complete);
    assert_eq!(found.verdict, Verdict::Inconclusive);
}
