//! A log that is truncated in place is read from its begin again, and its copy from where it was.

#[path = "support/tail.rs"]
mod tail;

use tail::{LogDir, follow, read, restart};

#[test]
fn a_truncated_file_is_read_from_its_begin() {
    let logs = LogDir::new();
    let mut follower = follow(&logs);
    logs.append("a1\na2\n");
    assert_eq!(read(&mut follower), ["a1", "a2"]);
    logs.truncate();
    logs.append("b1\n");
    assert_eq!(read(&mut follower), ["b1"]);
}

#[test]
fn a_file_that_has_grown_past_the_old_position_is_noticed_by_its_first_bytes() {
    let logs = LogDir::new();
    let mut follower = follow(&logs);
    logs.append("a1\n");
    assert_eq!(read(&mut follower), ["a1"]);
    logs.truncate();
    logs.append("b1\nb2\nb3\n");
    assert_eq!(read(&mut follower), ["b1", "b2", "b3"]);
}

#[test]
fn what_was_not_read_before_is_read_in_the_copy() {
    let logs = LogDir::new();
    let mut follower = follow(&logs);
    logs.append("a1\n");
    assert_eq!(read(&mut follower), ["a1"]);
    logs.append("a2\n");
    logs.copy_and_truncate();
    logs.append("b1\n");
    assert_eq!(read(&mut follower), ["a2", "b1"]);
}

#[test]
fn a_restart_notices_it_too() {
    let logs = LogDir::new();
    let mut follower = follow(&logs);
    logs.append("a1\n");
    assert_eq!(read(&mut follower), ["a1"]);
    logs.append("a2\n");
    logs.copy_and_truncate();
    logs.gzip_later(1);
    logs.append("b1\nb2\nb3\n");
    assert_eq!(read(&mut restart(&logs, &follower)), ["a2", "b1", "b2", "b3"]);
}

#[test]
fn a_copy_not_yet_truncated_is_not_read_twice() {
    let logs = LogDir::new();
    let mut follower = follow(&logs);
    logs.append("a1\n");
    std::fs::copy(logs.live(), logs.old(1, "log")).unwrap();
    assert_eq!(read(&mut follower), ["a1"]);
    logs.truncate();
    logs.append("b1\n");
    assert_eq!(read(&mut follower), ["b1"]);
}

#[test]
fn a_file_truncated_before_its_first_line_was_complete_is_not_taken_for_another() {
    let logs = LogDir::new();
    let mut follower = follow(&logs);
    logs.append("line 1\n");
    assert_eq!(read(&mut follower), ["line 1"]);
    logs.rotate_by_rename();
    // As short as this it could be the begin of any file.
    logs.append("line");
    assert_eq!(read(&mut follower), Vec::<String>::new());
    logs.truncate();
    logs.append("l");
    assert_eq!(read(&mut follower), Vec::<String>::new());
    logs.append("ine 2\n");
    assert_eq!(read(&mut follower), ["line 2"]);
}
