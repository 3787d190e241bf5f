//! A line counts when its line end is there, however long it takes and however long it is.

#[path = "support/tail.rs"]
mod tail;

use tail::{LogDir, follow, read, restart, saved};

#[test]
fn a_line_in_pieces_is_one_line() {
    let logs = LogDir::new();
    let mut follower = follow(&logs);
    logs.append("a1\nthe li");
    assert_eq!(read(&mut follower), ["a1"]);
    logs.append("ne");
    assert_eq!(read(&mut follower), Vec::<String>::new());
    logs.append("\n");
    assert_eq!(read(&mut follower), ["the line"]);
}

#[test]
fn a_position_is_the_begin_of_a_line() {
    let logs = LogDir::new();
    let mut follower = follow(&logs);
    logs.append("a1\nthe li");
    assert_eq!(read(&mut follower), ["a1"]);
    assert_eq!(saved(&follower).line_at, 3);
    logs.append("ne\n");
    assert_eq!(read(&mut restart(&logs, &follower)), ["the line"]);
}

#[test]
fn of_a_very_long_line_the_begin_is_kept() {
    let logs = LogDir::new();
    let mut follower = follow(&logs);
    logs.append("a1\n");
    let piece = "x".repeat(1 << 20);
    for _ in 0..10 {
        logs.append(&piece);
        let lines = read(&mut follower);
        assert!(lines.is_empty() || lines == ["a1"]);
    }
    assert_eq!(saved(&follower).line_at, 3);
    logs.append("\nb1\n");
    let lines = read(&mut follower);
    assert_eq!(lines.iter().map(String::len).collect::<Vec<_>>(), [64 * 1024, 2]);
    assert_eq!(saved(&follower).line_at, 3 + (10 << 20) + 1 + 3);
}

#[test]
fn a_long_line_that_fits_the_buffer_is_cut_the_same_way() {
    let logs = LogDir::new();
    logs.append(&format!("{}\nb1\n", "x".repeat(100 * 1024)));
    let lines = read(&mut follow(&logs));
    assert_eq!(lines.iter().map(String::len).collect::<Vec<_>>(), [64 * 1024, 2]);
}

#[test]
fn a_carriage_return_belongs_to_the_line_end() {
    let logs = LogDir::new();
    logs.append("a1\r\n\r\na2\n");
    assert_eq!(read(&mut follow(&logs)), ["a1", "", "a2"]);
}

#[test]
fn a_budget_ends_a_poll_between_lines() {
    let logs = LogDir::new();
    let line = format!("{}\n", "x".repeat(999));
    logs.append(&line.repeat(2000));
    let mut follower = follow(&logs);
    let mut lines = 0;
    let progress = follower.poll(300_000, |_| lines += 1);
    assert!(!progress.at_end && progress.bytes < 600_000);
    assert!(lines > 200 && lines < 600);
    assert!(follower.unread() > 1_000_000);
    assert_eq!(lines + read(&mut follower).len(), 2000);
}
