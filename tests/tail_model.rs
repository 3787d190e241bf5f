//! Whatever happens to a log: each complete line is seen once, and in order.
//!
//! The model keeps the bytes of each file that has ever been the live one; the complete lines of those, one file after the other, are
//! what has to be seen. Left out is what cannot be noticed: a file removed, or truncated without a copy, before its last lines were
//! read, so both happen only when the follower has just read everything and still runs.

#![allow(clippy::unwrap_used, reason = "a test may panic, its helpers too")]

#[path = "support/tail.rs"]
mod tail;

use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use tail::{LogDir, follow, read, restart};

#[derive(Debug, Clone)]
enum Action {
    Append { lines: u8, cut: u8 },
    RotateByRename,
    RotateByGzip,
    GzipLater { number: u32 },
    CopyAndTruncate,
    TruncateWhenRead,
    RemoveWhenRead,
    Poll,
    PollALittle,
    Restart,
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        8 => (0..5_u8, 0..40_u8).prop_map(|(lines, cut)| Action::Append { lines, cut }),
        2 => Just(Action::RotateByRename),
        2 => Just(Action::RotateByGzip),
        2 => (1..4_u32).prop_map(|number| Action::GzipLater { number }),
        1 => Just(Action::CopyAndTruncate),
        1 => Just(Action::TruncateWhenRead),
        1 => Just(Action::RemoveWhenRead),
        4 => Just(Action::Poll),
        2 => Just(Action::PollALittle),
        3 => Just(Action::Restart),
    ]
}

#[derive(Default)]
struct Model {
    done: Vec<String>,
    live: String,
    number: u32,
}

impl Model {
    fn line(&mut self) -> String {
        self.number += 1;
        format!(
            "{:06} INFO main - load commit log OK {}\n",
            self.number,
            "x".repeat(usize::try_from(self.number % 60).unwrap())
        )
    }

    /// The live file becomes another one; an unfinished line at its end never counts.
    fn next_file(&mut self) {
        let complete = self.live.rfind('\n').map_or(0, |end| end + 1);
        self.done.extend(self.live[..complete].lines().map(str::to_owned));
        self.live.clear();
    }

    fn expected(mut self) -> Vec<String> {
        self.next_file();
        self.done
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 400,
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct("tests/tail_model.regressions"))),
        ..ProptestConfig::default()
    })]

    #[test]
    fn each_complete_line_is_seen_once_and_in_order(actions in prop::collection::vec(action(), 1..40)) {
        let logs = LogDir::new();
        let mut model = Model::default();
        let mut follower = follow(&logs);
        let mut seen = Vec::new();
        // Rotated files are never more than upstream keeps.
        let mut rotated = 0;
        // What is cut off one line and written with the next piece.
        let mut held = String::new();
        for action in actions {
            match action {
                Action::Append { lines, cut } => {
                    let mut text = std::mem::take(&mut held);
                    for _ in 0..lines {
                        text.push_str(&model.line());
                    }
                    held = text.split_off(text.len() - usize::from(cut).min(text.len()));
                    logs.append(&text);
                    model.live.push_str(&text);
                }
                Action::RotateByRename | Action::RotateByGzip | Action::CopyAndTruncate
                    if rotated >= 15 || !logs.live().exists() || model.live.is_empty() => {}
                Action::RotateByRename => {
                    rotated += 1;
                    logs.rotate_by_rename();
                    model.next_file();
                }
                Action::RotateByGzip => {
                    rotated += 1;
                    logs.rotate_by_gzip();
                    model.next_file();
                }
                Action::GzipLater { number } => logs.gzip_later(number),
                Action::CopyAndTruncate => {
                    // A copy is found again by what has been read of the file: something must have been.
                    seen.extend(read(&mut follower));
                    if model.live.contains('\n') {
                        rotated += 1;
                        logs.copy_and_truncate();
                        model.next_file();
                    }
                }
                Action::TruncateWhenRead if logs.live().exists() => {
                    seen.extend(read(&mut follower));
                    logs.truncate();
                    model.next_file();
                    seen.extend(read(&mut follower));
                }
                Action::RemoveWhenRead if logs.live().exists() => {
                    seen.extend(read(&mut follower));
                    logs.remove();
                    logs.append("");
                    model.next_file();
                    seen.extend(read(&mut follower));
                }
                Action::TruncateWhenRead | Action::RemoveWhenRead => {}
                Action::Poll => seen.extend(read(&mut follower)),
                Action::PollALittle => {
                    let progress = follower.poll(1, |line| seen.push(String::from_utf8_lossy(line).into_owned()));
                    prop_assert!(progress.error.is_none(), "{:?}", progress.error);
                }
                Action::Restart => follower = restart(&logs, &follower),
            }
        }
        seen.extend(read(&mut follower));
        prop_assert_eq!(seen, model.expected());
    }
}
