//! A log that is not there, or no longer there, or not a file, is a condition and not a failure.

#[path = "support/tail.rs"]
mod tail;

use std::fs;

use nix::sys::stat::Mode;
use rocketmq_store_exporter::watch::FollowError;
use tail::{LogDir, follow, read, restart};

#[test]
fn a_log_is_awaited_until_its_first_line() {
    let logs = LogDir::new();
    let mut follower = follow(&logs);
    assert_eq!(read(&mut follower), Vec::<String>::new());
    logs.append("a1\n");
    assert_eq!(read(&mut follower), ["a1"]);
}

#[test]
fn what_was_written_before_a_deletion_is_read() {
    let logs = LogDir::new();
    let mut follower = follow(&logs);
    logs.append("a1\n");
    assert_eq!(read(&mut follower), ["a1"]);
    logs.append("a2\n");
    logs.remove();
    assert_eq!(read(&mut follower), ["a2"]);
    logs.append("b1\n");
    assert_eq!(read(&mut follower), ["b1"]);
}

#[test]
fn a_log_created_anew_before_the_next_look_is_read_from_its_begin() {
    let logs = LogDir::new();
    let mut follower = follow(&logs);
    logs.append("a1\n");
    assert_eq!(read(&mut follower), ["a1"]);
    logs.append("a2\n");
    logs.remove();
    logs.append("b1\n");
    assert_eq!(read(&mut follower), ["a2", "b1"]);
}

#[test]
fn a_restart_that_does_not_find_its_file_says_so() {
    let logs = LogDir::new();
    let mut follower = follow(&logs);
    logs.append("a1\n");
    assert_eq!(read(&mut follower), ["a1"]);
    logs.remove();
    logs.append("b1\n");
    let mut follower = restart(&logs, &follower);
    assert_eq!(read(&mut follower), ["b1"]);
    assert_eq!(follower.lost_track(), 1);
}

#[test]
fn a_missing_directory_is_an_absent_log() {
    let logs = LogDir::new();
    fs::remove_dir_all(logs.path().join("otherdays")).unwrap();
    let mut follower = follow(&logs);
    assert_eq!(read(&mut follower), Vec::<String>::new());
}

#[test]
fn a_pipe_or_a_link_is_refused_without_blocking() {
    let logs = LogDir::new();
    nix::unistd::mkfifo(&logs.live(), Mode::S_IRWXU).unwrap();
    let progress = follow(&logs).poll(1 << 20, |_| panic!("no line"));
    assert!(matches!(progress.error, Some(FollowError::NotAFile { .. })), "{:?}", progress.error);

    let logs = LogDir::new();
    std::os::unix::fs::symlink("/dev/zero", logs.live()).unwrap();
    let progress = follow(&logs).poll(1 << 20, |_| panic!("no line"));
    assert!(matches!(progress.error, Some(FollowError::NotAFile { .. })), "{:?}", progress.error);
}
