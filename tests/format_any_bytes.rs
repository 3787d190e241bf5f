//! No bytes make a decoder panic, read beyond them, or say two things about the same input.

use std::path::PathBuf;

use proptest::prelude::*;
use proptest::sample::Index;
use rocketmq_store_exporter::broker::BrokerConf;
use rocketmq_store_exporter::format::batch_cq_unit::BatchCqUnit;
use rocketmq_store_exporter::format::checkpoint::Checkpoint;
use rocketmq_store_exporter::format::cq_ext_unit::{CqExtFrame, ext_position};
use rocketmq_store_exporter::format::cq_unit::CqUnit;
use rocketmq_store_exporter::format::index_file::{IndexEntry, IndexHeader, key_hash};
use rocketmq_store_exporter::format::java_hash::{java_hash, tags_code};
use rocketmq_store_exporter::format::java_properties::JavaProperties;
use rocketmq_store_exporter::format::ledger_checkpoint::{LedgerCheckpoint, LedgerTerm};
use rocketmq_store_exporter::format::ledger_entry::{LedgerEntryHeader, LedgerFrame, LedgerIndexUnit};
use rocketmq_store_exporter::format::message::{Message, MessageHeader, peek};
use rocketmq_store_exporter::format::properties::Properties;
use rocketmq_store_exporter::format::{loose_json, segment_name};
use rocketmq_store_exporter::units::PhysicalOffset;

/// Everything that all decoders say about `bytes`, and the promises about lengths.
fn told(bytes: &[u8]) -> Vec<String> {
    let mut told = vec![
        format!("{:?}", peek(bytes)),
        format!("{:?}", MessageHeader::decode(bytes)),
        format!("{:?}", LedgerCheckpoint::decode(bytes)),
        format!("{:?}", LedgerTerm::decode(bytes)),
        format!("{:?} {} {}", java_hash(bytes), tags_code(Some(bytes)), key_hash(bytes)),
        format!("{:?}", segment_name::parse(&String::from_utf8_lossy(bytes))),
    ];

    let message = Message::decode(bytes);
    if let Ok(message) = &message {
        assert_eq!(usize::try_from(message.header.total_len), Ok(message.read_len()));
        assert!(message.read_len() <= bytes.len());
        assert!(message.body.len() + message.topic.len() + message.properties.as_bytes().len() < bytes.len());
        told.push(format!("{} {:?}", message.is_body_intact(), message.property_crc()));
    }
    told.push(format!("{message:?}"));

    let properties = Properties::new(bytes);
    let pairs: Vec<_> = properties.iter().collect();
    assert!(pairs.iter().map(|(name, value)| name.len() + value.len() + 1).sum::<usize>() <= bytes.len());
    for (name, _) in &pairs {
        if let Ok(name) = std::str::from_utf8(name) {
            let last = pairs.iter().rev().find(|(found, _)| *found == name.as_bytes());
            assert_eq!(properties.get(name), last.map(|(_, value)| *value));
        }
    }
    told.push(format!("{pairs:?}"));

    let checkpoint = Checkpoint::decode(bytes);
    assert_eq!(checkpoint.found_len, bytes.len());
    assert!(checkpoint.min_timestamp().0 >= 0);
    told.push(format!("{checkpoint:?} {:?}", checkpoint.min_timestamp_with_index()));

    let frame = LedgerFrame::decode(bytes);
    if let LedgerFrame::Entry(head) = &frame {
        assert!(!head.is_sane_at(PhysicalOffset(head.position.0.wrapping_add(1))));
        told.push(format!("{:?} {}", head.body_position(), head.follows(head)));
    }
    told.push(format!("{frame:?}"));

    let ext = CqExtFrame::decode(bytes);
    if let Ok(CqExtFrame::Unit(unit)) = &ext {
        assert!(unit.size > 0 && unit.bit_map.len() <= bytes.len());
        told.push(format!("{:?}", ext_position(unit.tags_code)));
    }
    told.push(format!("{ext:?}"));

    if let Some(head) = bytes.first_chunk() {
        let unit = CqUnit::decode(head);
        told.push(format!("{unit:?} {:?} {:?}", unit.end(), IndexEntry::decode(head)));
    }
    if let Some(head) = bytes.first_chunk() {
        let unit = BatchCqUnit::decode(head);
        told.push(format!("{unit:?} {} {:?} {:?}", unit.is_valid(), unit.end(), unit.end_offset()));
    }
    if let Some(head) = bytes.first_chunk() {
        let unit = LedgerIndexUnit::decode(head);
        told.push(format!("{unit:?} {:?}", unit.end()));
    }
    if let Some(head) = bytes.first_chunk() {
        let header = IndexHeader::decode(head);
        assert!(header.index_count() >= 1);
        told.push(format!("{header:?}"));
    }
    if let Some(head) = bytes.first_chunk() {
        told.push(format!("{:?}", LedgerEntryHeader::decode(head)));
    }

    let java = JavaProperties::parse(bytes);
    if let Ok(java) = &java {
        let lines = bytes.iter().filter(|byte| matches!(byte, b'\r' | b'\n')).count() + 1;
        assert!(java.entries().iter().all(|entry| (1..=lines).contains(&entry.line)));
        let len: usize = java.entries().iter().map(|entry| entry.key.len() + entry.value.len()).sum();
        assert!(len <= 3 * bytes.len());
        told.push(format!("{:?}", BrokerConf::as_broker_takes_it(java)));
    }
    told.push(format!("{java:?}"));

    told.push(match loose_json::parse(bytes) {
        Ok(value) => value.to_string(),
        Err(error @ loose_json::LooseJsonError::Empty) => error.to_string(),
        Err(loose_json::LooseJsonError::Syntax { line, column, source }) => {
            let found = bytes.split(|byte| *byte == b'\n').nth(line.saturating_sub(1));
            assert!(found.is_some_and(|line| column <= line.len() + 1), "{line}:{column} {source}");
            format!("{line} {column} {source}")
        }
    });
    told
}

/// Samples written by RocketMQ releases: the bytes of each `.hex` file, the other files whole.
fn samples() -> Vec<Vec<u8>> {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/format");
    let mut names: Vec<_> = std::fs::read_dir(dir)
        .expect("the fixtures are there")
        .map(|entry| entry.expect("a directory entry").path())
        .collect();
    names.sort();
    names.iter().map(|name| (name, std::fs::read(name).expect("a readable fixture"))).map(sample).collect()
}

fn sample((name, bytes): (&PathBuf, Vec<u8>)) -> Vec<u8> {
    if name.extension().is_none_or(|end| end != "hex") {
        return bytes;
    }
    let text = String::from_utf8(bytes).expect("a .hex file is text");
    let data = text.lines().filter_map(|line| line.split('#').next());
    data.flat_map(|line| line.split_whitespace().skip(1))
        .map(|word| u8::from_str_radix(word, 16).expect("two hexadecimal digits"))
        .collect()
}

/// One thing that a crash or a fault does to bytes.
#[derive(Debug, Clone)]
enum Fault {
    Set(Index, u8),
    Flip(Index, u8),
    Cut(Index),
    ZeroFrom(Index),
    Word(Index, i32),
    Twice,
}

fn fault() -> impl Strategy<Value = Fault> {
    let word = prop_oneof![Just(i32::MIN), Just(i32::MAX), Just(-1), Just(0), any::<i32>(), -64..512i32];
    prop_oneof![
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Fault::Set(at, byte)),
        (any::<Index>(), 0..8u8).prop_map(|(at, bit)| Fault::Flip(at, bit)),
        any::<Index>().prop_map(Fault::Cut),
        any::<Index>().prop_map(Fault::ZeroFrom),
        (any::<Index>(), word).prop_map(|(at, word)| Fault::Word(at, word)),
        Just(Fault::Twice),
    ]
}

fn apply(bytes: &mut Vec<u8>, fault: &Fault) {
    if bytes.is_empty() {
        return;
    }
    let len = bytes.len();
    match fault {
        Fault::Set(at, byte) => bytes[at.index(len)] = *byte,
        Fault::Flip(at, bit) => bytes[at.index(len)] ^= 1 << bit,
        Fault::Cut(at) => bytes.truncate(at.index(len)),
        Fault::ZeroFrom(at) => bytes[at.index(len)..].fill(0),
        Fault::Word(at, word) => {
            for (byte, new) in bytes[at.index(len)..].iter_mut().zip(word.to_be_bytes()) {
                *byte = new;
            }
        }
        Fault::Twice => bytes.extend_from_within(..),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

    #[test]
    fn no_bytes_at_all_upset_a_decoder(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert_eq!(told(&bytes), told(&bytes.clone()));
    }

    #[test]
    fn no_text_upsets_a_parser(text in "[ \t\r\n{}\\[\\]:,\"\\\\0-9a-f=#!u-]{0,80}") {
        prop_assert_eq!(told(text.as_bytes()), told(text.clone().as_bytes()));
    }

    #[test]
    fn no_damage_to_real_bytes_upsets_a_decoder(
        which in any::<Index>(),
        faults in prop::collection::vec(fault(), 1..5),
    ) {
        let samples = samples();
        let mut bytes = samples[which.index(samples.len())].clone();
        faults.iter().for_each(|fault| apply(&mut bytes, fault));
        prop_assert_eq!(told(&bytes), told(&bytes.clone()));
    }

    #[test]
    fn a_message_survives_no_change_of_its_length(
        len in prop_oneof![Just(0), Just(i32::MAX), Just(i32::MIN), any::<i32>(), 0..2000i32],
    ) {
        for mut bytes in samples().into_iter().filter(|bytes| Message::decode(bytes).is_ok()) {
            prop_assume!(i32::try_from(bytes.len()) != Ok(len));
            bytes[..4].copy_from_slice(&len.to_be_bytes());
            prop_assert!(Message::decode(&bytes).is_err());
        }
    }
}
