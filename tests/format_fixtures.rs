//! Bytes written by RocketMQ releases mean to the decoders what their annotations say.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::PathBuf;

use rocketmq_store_exporter::format::batch_cq_unit::BatchCqUnit;
use rocketmq_store_exporter::format::checkpoint::{CHECKPOINT_LEN, Checkpoint};
use rocketmq_store_exporter::format::cq_ext_unit::{CqExtFrame, ext_position};
use rocketmq_store_exporter::format::cq_unit::CqUnit;
use rocketmq_store_exporter::format::index_file::{self, IndexEntry, IndexHeader};
use rocketmq_store_exporter::format::java_hash::tags_code;
use rocketmq_store_exporter::format::ledger_checkpoint::{LedgerCheckpoint, LedgerTerm};
use rocketmq_store_exporter::format::ledger_entry::{LedgerEntryHeader, LedgerFrame, LedgerIndexUnit};
use rocketmq_store_exporter::format::loose_json;
use rocketmq_store_exporter::format::message::{
    Host, MAGIC_BLANK, MAX_HEADER_LEN, Message, MessageHeader, MessageVersion, Peek, PropertyCrc,
    TransactionType, peek,
};
use rocketmq_store_exporter::units::PhysicalOffset;

type Fields = BTreeMap<String, String>;

/// A `.hex` file: what it is, its bytes, and what each field is said to be.
struct Fixture {
    kind: String,
    bytes: Vec<u8>,
    said: Fields,
}

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/format").join(name)
}

fn whole(name: &str) -> Vec<u8> {
    std::fs::read(path(name)).expect("the fixture is there")
}

fn fixture(name: &str) -> Fixture {
    let text = String::from_utf8(whole(&format!("{name}.hex"))).expect("a .hex file is text");
    let mut found = Fixture { kind: String::new(), bytes: Vec::new(), said: Fields::new() };
    for line in text.lines() {
        if let Some(comment) = line.strip_prefix('#') {
            if let Some(kind) = comment.trim().strip_prefix("kind: ") {
                found.kind = kind.to_owned();
            }
            continue;
        }
        let (data, comment) = line.split_once('#').unwrap_or((line, ""));
        let mut words = data.split_whitespace();
        assert_eq!(
            words.next(),
            Some(found.bytes.len().to_string().as_str()),
            "{name}: position in {line:?}"
        );
        found.bytes.extend(words.map(|word| u8::from_str_radix(word, 16).expect("two hexadecimal digits")));
        if let Some((field, value)) = comment.split_once('=') {
            found.said.insert(field.trim().to_owned(), value.trim().to_owned());
        }
    }
    found
}

fn fixed<const N: usize>(bytes: &[u8]) -> &[u8; N] {
    bytes.try_into().expect("the sample is one record")
}

fn fields<const N: usize>(pairs: [(&str, &dyn Display); N]) -> Fields {
    pairs.iter().map(|(field, value)| ((*field).to_owned(), value.to_string())).collect()
}

fn host(host: &Host) -> String {
    std::net::SocketAddr::new(host.ip, u16::try_from(host.port).expect("a real port")).to_string()
}

fn message(bytes: &[u8]) -> Fields {
    let message = Message::decode(bytes).expect("a whole message");
    let header = &message.header;
    let magic = if header.version == MessageVersion::V1 { "0xdaa320a7" } else { "0xdaa320ab" };
    let mut found = fields([
        ("total_len", &header.total_len),
        ("magic", &magic),
        ("body_crc", &header.body_crc),
        ("queue_id", &header.queue_id),
        ("flag", &header.flag),
        ("queue_offset", &header.queue_offset),
        ("physical_offset", &header.physical_offset),
        ("sys_flag", &header.sys_flag),
        ("born_timestamp", &header.born_timestamp),
        ("born_host", &host(&header.born_host)),
        ("store_timestamp", &header.store_timestamp),
        ("store_host", &host(&header.store_host)),
        ("reconsume_times", &header.reconsume_times),
        ("prepared_transaction_offset", &header.prepared_transaction_offset),
        ("body_len", &header.body_len),
        ("topic_len", &message.topic.len()),
        ("topic", &message.topic_str().expect("topics are text")),
        ("properties_len", &message.properties.as_bytes().len()),
    ]);
    if !message.body.is_empty() {
        found.insert("computed_body_crc".to_owned(), message.computed_body_crc().to_string());
    }
    let properties: BTreeMap<_, _> = message.properties.iter().collect();
    if !properties.is_empty() {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("these properties are text");
        let pairs: Vec<_> =
            properties.iter().map(|(name, value)| format!("{}={}", text(name), text(value))).collect();
        found.insert("properties".to_owned(), pairs.join("; "));
    }
    found
}

fn decode(kind: &str, bytes: &[u8]) -> Fields {
    match kind {
        "message" => message(bytes),
        "peek" => match peek(bytes) {
            Peek::Blank { len } => fields([("len", &len), ("magic", &format!("{MAGIC_BLANK:#010x}"))]),
            other => panic!("{other:?}"),
        },
        "ledger" => {
            let head = LedgerEntryHeader::decode(fixed(bytes));
            fields([
                ("magic", &head.magic),
                ("size", &head.size),
                ("index", &head.index),
                ("term", &head.term),
                ("position", &head.position),
                ("channel", &head.channel),
                ("chain_crc", &head.chain_crc),
                ("body_crc", &head.body_crc),
                ("body_size", &head.body_size),
            ])
        }
        "ledger-blank" => match LedgerFrame::decode(bytes) {
            LedgerFrame::Blank { len } => fields([("magic", &-1), ("len", &len), ("zeros", &"8 bytes")]),
            other => panic!("{other:?}"),
        },
        "ledger-index" => {
            let unit = LedgerIndexUnit::decode(fixed(bytes));
            fields([
                ("magic", &unit.magic),
                ("position", &unit.position),
                ("size", &unit.size),
                ("index", &unit.index),
                ("term", &unit.term),
            ])
        }
        "cq-unit" => {
            let unit = CqUnit::decode(fixed(bytes));
            assert!(unit.is_valid() && !unit.is_pre_blank());
            fields([
                ("physical_offset", &unit.physical_offset),
                ("size", &unit.size),
                ("tags_code", &unit.tags_code),
            ])
        }
        "batch-cq-unit" => {
            let unit = BatchCqUnit::decode(fixed(bytes));
            assert!(unit.is_valid());
            fields([
                ("physical_offset", &unit.physical_offset),
                ("size", &unit.size),
                ("tags_code", &unit.tags_code),
                ("store_timestamp", &unit.store_timestamp),
                ("base_offset", &unit.base_offset),
                ("batch_size", &unit.batch_size),
                ("compacted_offset", &unit.compacted_offset),
                ("reserved", &unit.reserved),
            ])
        }
        "cq-ext-unit" => match CqExtFrame::decode(bytes).expect("a whole unit") {
            CqExtFrame::Unit(unit) => fields([
                ("size", &unit.size),
                ("tags_code", &unit.tags_code),
                ("store_timestamp", &unit.store_timestamp),
                ("bit_map_size", &unit.bit_map_size),
            ]),
            other => panic!("{other:?}"),
        },
        "cq-ext-end" => match CqExtFrame::decode(bytes).expect("a size") {
            CqExtFrame::End { size } => fields([("size", &size)]),
            other => panic!("{other:?}"),
        },
        "index-header" => {
            let header = IndexHeader::decode(fixed(bytes));
            fields([
                ("begin_timestamp", &header.begin_timestamp),
                ("end_timestamp", &header.end_timestamp),
                ("begin_physical_offset", &header.begin_physical_offset),
                ("end_physical_offset", &header.end_physical_offset),
                ("hash_slot_count", &header.hash_slot_count),
                ("index_count", &header.index_count()),
            ])
        }
        "index-entry" => {
            let entry = IndexEntry::decode(fixed(bytes));
            fields([
                ("key_hash", &entry.key_hash),
                ("physical_offset", &entry.physical_offset),
                ("seconds_since_begin", &entry.seconds_since_begin),
                ("previous", &entry.previous),
            ])
        }
        "checkpoint" => {
            let checkpoint = Checkpoint::decode(bytes);
            assert!(!checkpoint.is_short());
            fields([
                ("physic_msg_timestamp", &checkpoint.physic_msg_timestamp),
                ("logics_msg_timestamp", &checkpoint.logics_msg_timestamp),
                ("index_msg_timestamp", &checkpoint.index_msg_timestamp),
                ("master_flushed_offset", &checkpoint.master_flushed_offset),
                ("confirm_physical_offset", &checkpoint.confirm_physical_offset),
                ("logics_physical_offset", &checkpoint.logics_physical_offset),
            ])
        }
        other => panic!("no decoder for {other}"),
    }
}

#[test]
fn every_annotated_sample_decodes_to_its_annotations() {
    let mut seen = 0;
    for entry in std::fs::read_dir(path("")).expect("the fixtures are there") {
        let file = entry.expect("a directory entry").path();
        let (Some(name), Some("hex")) =
            (file.file_stem().and_then(|name| name.to_str()), file.extension().and_then(|end| end.to_str()))
        else {
            continue;
        };
        let fixture = fixture(name);
        assert_eq!(decode(&fixture.kind, &fixture.bytes), fixture.said, "{name}");
        seen += 1;
    }
    assert!(seen >= 26, "only {seen} samples");
}

#[test]
fn headers_of_all_messages_decode_without_their_bodies() {
    for name in ["message-v1", "message-v2", "message-empty-body", "message-in-ledger-entry"] {
        let bytes = fixture(name).bytes;
        let message = Message::decode(&bytes).expect("a whole message");
        let head = bytes.get(..MAX_HEADER_LEN.min(bytes.len())).unwrap_or_default();
        assert_eq!(MessageHeader::decode(head).as_ref(), Ok(&message.header), "{name}");
        assert_eq!(
            MessageHeader::decode(&bytes[..message.header.header_len()]).as_ref(),
            Ok(&message.header)
        );
        assert!(MessageHeader::decode(&bytes[..message.header.header_len() - 1]).is_err());
        assert!(message.is_body_intact());
        assert_eq!(message.read_len(), bytes.len());
        let version = message.header.version;
        assert_eq!(peek(&bytes), Peek::Message { len: message.header.total_len, version }, "{name}");
    }
    assert_eq!(peek(&fixture("message-v2").bytes[..7]), Peek::Short { found: 7 });
    assert_eq!(peek(&[0; 8]), Peek::Zero);
}

#[test]
fn parts_of_transactions_are_told_by_the_system_flag() {
    for (name, kind) in [
        ("message-of-cq-unit", TransactionType::None),
        ("message-prepared", TransactionType::Prepared),
        ("message-commit", TransactionType::Commit),
        ("message-rollback", TransactionType::Rollback),
    ] {
        let bytes = fixture(name).bytes;
        assert_eq!(
            Message::decode(&bytes).expect("a whole message").header.transaction_type(),
            kind,
            "{name}"
        );
    }
}

#[test]
fn the_crc_in_the_properties_covers_the_message_but_itself() {
    let mut bytes = fixture("message-property-crc").bytes;
    let crc = |bytes: &[u8]| Message::decode(bytes).expect("a whole message").property_crc();
    assert_eq!(crc(&bytes), PropertyCrc::Matches { crc: 1_805_537_341 });
    bytes[12] ^= 1;
    assert!(matches!(crc(&bytes), PropertyCrc::Differs { recorded: 1_805_537_341, .. }));
    assert_eq!(crc(&fixture("message-v1").bytes), PropertyCrc::Absent);
}

#[test]
fn a_message_zeroed_before_its_properties_is_never_taken_for_whole() {
    let bytes = fixture("message-of-cq-unit").bytes;
    let message = Message::decode(&bytes).expect("a whole message");
    let body = message.header.header_len()..message.header.header_len() + message.body.len();
    let torn = |from: usize| {
        let mut torn = bytes.clone();
        torn[from..].fill(0);
        torn
    };
    for from in 4..body.start - 4 {
        let torn = torn(from);
        assert!(!Message::decode(&torn).is_ok_and(|message| message.is_body_intact()), "zeros from {from}");
    }
    for from in body.end..body.end + 8 {
        assert!(
            Message::decode(&torn(from)).is_err_and(|error| error.is_half_message()),
            "zeros from {from}"
        );
    }
}

#[test]
fn an_entry_its_index_unit_its_message_and_a_queues_unit_agree() {
    let head = LedgerEntryHeader::decode(fixed(&fixture("ledger-entry-head").bytes));
    let position = PhysicalOffset(131_072);
    assert!(head.is_sane_at(position));
    assert!(!head.is_sane_at(PhysicalOffset(0)));
    assert!(head.follows(&LedgerEntryHeader { index: head.index - 1, ..head }));
    assert!(!head.follows(&head));
    let unit = LedgerIndexUnit::decode(fixed(&fixture("ledger-index-unit").bytes));
    assert!(unit.matches(&head, position));
    assert_eq!(unit.end(), PhysicalOffset(131_072 + i64::from(head.size)));
    let body = fixture("message-in-ledger-entry").bytes;
    let message = Message::decode(&body).expect("a whole message");
    assert_eq!(message.header.physical_offset, head.body_position());
    assert_eq!(message.header.total_len, head.body_size);

    let unit = CqUnit::decode(fixed(&fixture("cq-unit").bytes));
    let bytes = fixture("message-of-cq-unit").bytes;
    let message = Message::decode(&bytes).expect("a whole message");
    assert_eq!(unit.physical_offset, message.header.physical_offset);
    assert_eq!(unit.size, message.header.total_len);
    assert_eq!(unit.tags_code, tags_code(message.properties.get("TAGS")));
}

#[test]
fn an_address_in_a_unit_leads_to_the_tags_code() {
    let unit = CqUnit::decode(fixed(&fixture("cq-unit-with-ext-address").bytes));
    assert_eq!(ext_position(unit.tags_code), Some(0));
    assert_eq!(ext_position(CqUnit::decode(fixed(&fixture("cq-unit").bytes)).tags_code), None);
}

#[test]
fn a_full_index_file_has_the_length_of_its_geometry() {
    assert!(IndexHeader::decode(fixed(&fixture("index-header-full").bytes)).is_full(400));
    assert!(!IndexHeader::decode(fixed(&fixture("index-header").bytes)).is_full(20_000_000));
    assert_eq!(index_file::file_len(101, 400), 8444);
    assert_eq!(index_file::entry_at(101, 1), 464);
}

#[test]
fn fields_that_a_release_does_not_know_are_zero() {
    let old = Checkpoint::decode(&fixture("checkpoint-4.9.7").bytes);
    assert_eq!((old.confirm_physical_offset.0, old.logics_physical_offset.0), (0, 0));
    let new = Checkpoint::decode(&fixture("checkpoint-5.5.0").bytes);
    assert_eq!(new.logics_physical_offset, PhysicalOffset(10_137));
    let mut file = fixture("checkpoint-5.5.0").bytes;
    file.resize(CHECKPOINT_LEN, 0);
    assert_eq!(Checkpoint { found_len: 48, ..Checkpoint::decode(&file) }, new);
    assert_eq!(old.min_timestamp().0, old.physic_msg_timestamp.0 - 3000);
}

#[test]
fn dledgers_text_files_tell_index_and_term() {
    let found = LedgerCheckpoint::decode(&whole("ledger-checkpoint.properties"));
    assert_eq!(found, Ok(LedgerCheckpoint { end_index: Some(1503), committed_index: Some(1503) }));
    let found = LedgerTerm::decode(&whole("ledger-currterm.properties"));
    assert_eq!(found, Ok(LedgerTerm { curr_term: Some(0), vote_leader: Some("n0".to_owned()) }));
}

#[test]
fn a_brokers_own_json_is_readable_though_its_keys_have_no_quotes() {
    for name in ["consumerOffset.json", "consumerOffset.json.bak", "delayOffset.json"] {
        let bytes = whole(name);
        assert!(serde_json::from_slice::<serde_json::Value>(&bytes).is_err(), "{name} is strict after all");
        assert!(loose_json::parse(&bytes).is_ok(), "{name}");
    }
    let offsets = loose_json::parse(&whole("consumerOffset.json")).expect("readable");
    assert_eq!(offsets["offsetTable"]["TopicB@G1"]["2"], 66);
    for name in ["topics.json", "topics.json.bak"] {
        let bytes = whole(name);
        let strict: serde_json::Value = serde_json::from_slice(&bytes).expect("no integer keys in here");
        assert_eq!(loose_json::parse(&bytes).expect("readable"), strict, "{name}");
        assert_eq!(strict["topicConfigTable"]["TopicA"]["writeQueueNums"], 4);
    }
}
