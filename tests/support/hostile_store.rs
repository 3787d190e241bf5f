//! A store whose topics have names that no broker would give them.

#![allow(clippy::unwrap_used, reason = "a test says by failing what was not there")]

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

/// Names of topics: what would run in a page, what a terminal obeys, what ends a line, a label or a text, and what is none.
pub fn names() -> Vec<OsString> {
    let mut names: Vec<Vec<u8>> = [
        "<img src=x onerror=window.isHurt=true>",
        "<script>window.isHurt=true<\u{2215}script>",
        "\"><svg onload=window.isHurt=true>",
        "javascript:window.isHurt=true",
        "'+window.isHurt+'",
        "a\nrocketmq_store_up 7\nb",
        "a\r\nb\tc\u{0b}\u{7f}",
        "\u{1b}[2J\u{1b}]0;title\u{7}",
        "\u{9b}2J\u{202e}txt\u{2028}\u{200b}\u{feff}",
        "back\\slash\\n\\",
        "\"quoted\"} 1",
        "{a=\"b\"}",
        "__other__",
        "订单-ä-😀",
        "%s%n%x",
        " ",
        "-",
        "%RETRY%\n",
        "%DLQ%<b>",
    ]
    .into_iter()
    .map(|name| name.as_bytes().to_vec())
    .collect();
    names.push("é".repeat(127).into_bytes());
    names.push(vec![b'x'; 255]);
    names.extend([b"T\xff\xfe".to_vec(), b"\xc0\xaf".to_vec(), b"\xed\xa0\x80".to_vec()]);
    names.into_iter().map(OsString::from_vec).collect()
}

/// A name as long as a length of two bytes can tell, for messages and tables.
fn long() -> String {
    let name = "<b>\"\n\u{1b}[2J\\".repeat(6000);
    name.chars().take(65_535).collect()
}

/// The store of a killed broker with such topics beside its own, and files with such names everywhere.
pub fn make(root: &Path) {
    super::stores::unpack("5.2.0-plain-killed.tar.gz", "killed", root);
    for name in names() {
        let queue = root.join("consumequeue").join(&name).join("0");
        fs::create_dir_all(&queue).unwrap();
        let file = format!("{:020}", 0);
        fs::copy(root.join("consumequeue/T0/0").join(&file), queue.join(&file)).unwrap();
        for dir in ["commitlog", "index", "consumequeue/T0/0"] {
            fs::create_dir_all(root.join(dir)).unwrap();
            fs::write(root.join(dir).join(&name), b"x").unwrap();
        }
    }
    fs::create_dir_all(root.join("config")).unwrap();
    let names: Vec<String> =
        names().iter().map(|name| name.to_string_lossy().into_owned()).chain([long()]).collect();
    let topics: serde_json::Map<_, _> = names
        .iter()
        .map(|name| {
            (name.clone(), serde_json::json!({"topicName": name, "readQueueNums": 4, "writeQueueNums": 4}))
        })
        .collect();
    let offsets: serde_json::Map<_, _> =
        names.iter().map(|name| (format!("{name}@<i>{name}"), serde_json::json!({"0": 1_000_000}))).collect();
    let tables = [
        ("topics.json", serde_json::json!({ "topicConfigTable": topics })),
        ("consumerOffset.json", serde_json::json!({ "offsetTable": offsets })),
    ];
    for (file, table) in tables {
        fs::write(root.join("config").join(file), table.to_string()).unwrap();
    }
}
