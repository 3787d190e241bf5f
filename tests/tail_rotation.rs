//! A log that is rotated loses no line and repeats none.

#[path = "support/tail.rs"]
mod tail;

use std::fs::{self, File};

use tail::{LogDir, follow, pack, read, restart};

#[test]
fn renaming_loses_nothing() {
    let logs = LogDir::new();
    let mut follower = follow(&logs);
    logs.append("a1\na2\n");
    assert_eq!(read(&mut follower), ["a1", "a2"]);
    logs.append("a3\n");
    logs.rotate_by_rename();
    logs.append("b1\n");
    assert_eq!(read(&mut follower), ["a3", "b1"]);
    assert_eq!(follower.rotations(), 1);
}

#[test]
fn compressing_in_place_loses_nothing() {
    let logs = LogDir::new();
    let mut follower = follow(&logs);
    logs.append("a1\n");
    assert_eq!(read(&mut follower), ["a1"]);
    logs.append("a2\n");
    // The archive is there already, and the live file is written to still.
    logs.shift();
    pack(&logs.live(), &logs.old(1, "log.gz"));
    assert_eq!(read(&mut follower), ["a2"]);
    // Between unlinking and creating there is no file.
    logs.remove();
    assert_eq!(read(&mut follower), Vec::<String>::new());
    logs.append("b1\n");
    assert_eq!(read(&mut follower), ["b1"]);
}

#[test]
fn several_rotations_between_two_polls_lose_nothing() {
    let logs = LogDir::new();
    let mut follower = follow(&logs);
    logs.append("a1\n");
    assert_eq!(read(&mut follower), ["a1"]);
    logs.append("a2\n");
    logs.rotate_by_gzip();
    logs.append("b1\nb2\n");
    logs.rotate_by_rename();
    logs.append("c1\n");
    logs.rotate_by_gzip();
    logs.append("d1\n");
    assert_eq!(read(&mut follower), ["a2", "b1", "b2", "c1", "d1"]);
    assert_eq!(follower.rotations(), 3);
}

#[test]
fn a_log_was_told_again_after_its_file_system_was_mounted_anew() {
    let logs = LogDir::new();
    let mut follower = follow(&logs);
    logs.append("a1\na2\n");
    assert_eq!(read(&mut follower), ["a1", "a2"]);
    // The same file under another number.
    let mount_anew = || {
        let copy = logs.path().join("copy");
        fs::copy(logs.live(), &copy).unwrap();
        fs::rename(copy, logs.live()).unwrap();
    };
    mount_anew();
    assert_eq!(read(&mut follower), Vec::<String>::new());
    logs.append("a3\n");
    assert_eq!(read(&mut follower), ["a3"]);
    mount_anew();
    logs.append("a4\n");
    assert_eq!(read(&mut restart(&logs, &follower)), ["a4"]);
}

#[test]
fn a_restart_goes_on_in_the_file_that_was_rotated_meanwhile() {
    for gzip in [false, true] {
        let logs = LogDir::new();
        let mut follower = follow(&logs);
        logs.append("old1\n");
        logs.rotate_by_gzip();
        logs.append("a1\n");
        assert_eq!(read(&mut follower), ["old1", "a1"]);
        logs.append("a2\n");
        logs.rotate_by_rename();
        logs.append("b1\n");
        logs.rotate_by_rename();
        logs.append("c1\n");
        if gzip {
            logs.gzip_later(2);
        }
        let mut follower = restart(&logs, &follower);
        assert_eq!(read(&mut follower), ["a2", "b1", "c1"]);
        assert_eq!(follower.lost_track(), 0);
    }
}

#[test]
fn a_packed_log_of_several_members_was_read_twice() {
    let logs = LogDir::new();
    let mut follower = follow(&logs);
    logs.append("a1\na2\na3\n");
    assert_eq!(read(&mut follower), ["a1", "a2", "a3"]);
    // As `gzip >>` leaves it: the file tells the length of the last member alone.
    let parts = [("a1\na2\na3\n", "first"), ("a4\n", "second")];
    let packed = parts.map(|(text, name)| {
        let (plain, packed) = (logs.path().join(name), logs.path().join(format!("{name}.gz")));
        fs::write(&plain, text).unwrap();
        pack(&plain, &packed);
        fs::read(packed).unwrap()
    });
    fs::write(logs.old(1, "log.gz"), packed.concat()).unwrap();
    logs.remove();
    logs.append("b1\n");
    let mut follower = restart(&logs, &follower);
    assert_eq!(read(&mut follower), ["a4", "b1"]);
    assert_eq!(follower.lost_track(), 0);
}

#[test]
fn a_packed_log_of_more_than_4_gib_was_read_twice() {
    let logs = LogDir::new();
    let mut follower = follow(&logs);
    logs.append("a1\na2\n");
    assert_eq!(read(&mut follower), ["a1", "a2"]);
    logs.append("a3\n");
    logs.rotate_by_gzip();
    // What the length of a file of 4 GiB and one byte looks like.
    let mut bytes = fs::read(logs.old(1, "log.gz")).unwrap();
    let trailer = bytes.len() - 4;
    bytes[trailer..].copy_from_slice(&1_u32.to_le_bytes());
    fs::write(logs.old(1, "log.gz"), bytes).unwrap();
    logs.append("b1\n");
    let mut follower = restart(&logs, &follower);
    let mut lines = Vec::new();
    // The broken end is told once; behind it reading goes on.
    for _ in 0..3 {
        follower.poll(u64::MAX, |line| lines.push(String::from_utf8(line.to_vec()).unwrap()));
    }
    assert_eq!(lines, ["a3", "b1"]);
    assert_eq!(follower.lost_track(), 0);
}

#[test]
fn a_restart_before_the_first_line_of_the_new_file_repeats_nothing() {
    let logs = LogDir::new();
    let mut follower = follow(&logs);
    logs.append("a1\n");
    logs.rotate_by_gzip();
    assert_eq!(read(&mut follower), ["a1"]);
    let mut follower = restart(&logs, &follower);
    logs.append("b1\n");
    logs.rotate_by_gzip();
    logs.append("c1\n");
    assert_eq!(read(&mut follower), ["b1", "c1"]);
}

#[test]
fn a_restart_while_the_live_file_is_compressed_reads_it_once() {
    let logs = LogDir::new();
    let mut follower = follow(&logs);
    logs.append("a1\n");
    assert_eq!(read(&mut follower), ["a1"]);
    logs.rotate_by_rename();
    logs.append("b1\nb2\n");
    logs.shift();
    pack(&logs.live(), &logs.old(1, "log.gz"));
    let mut follower = restart(&logs, &follower);
    assert_eq!(read(&mut follower), ["b1", "b2"]);
}

#[test]
fn a_damaged_archive_is_told_and_passed() {
    let logs = LogDir::new();
    logs.append("a1\n");
    logs.rotate_by_gzip();
    let packed = fs::read(logs.old(1, "log.gz")).unwrap();
    fs::write(logs.old(1, "log.gz"), &packed[..packed.len() - 6]).unwrap();
    logs.append("b1\n");
    let mut follower = follow(&logs);
    let mut lines = Vec::new();
    let mut errors = 0;
    for _ in 0..3 {
        let progress = follower.poll(1 << 20, |line| lines.push(String::from_utf8_lossy(line).into_owned()));
        errors += u32::from(progress.error.is_some());
    }
    assert_eq!(lines.last().map(String::as_str), Some("b1"));
    assert_eq!(errors, 1);
}

#[test]
fn other_files_beside_the_archives_do_not_matter() {
    let logs = LogDir::new();
    for name in ["store.x.log", "storeerror.1.log", "store.1.log.gz.tmp", "store..log"] {
        fs::write(logs.path().join("otherdays").join(name), "foreign\n").unwrap();
    }
    fs::create_dir(logs.old(3, "log")).unwrap();
    File::create(logs.old(2, "log.gz")).unwrap();
    logs.append("a1\n");
    assert_eq!(read(&mut follow(&logs)), ["a1"]);
}
