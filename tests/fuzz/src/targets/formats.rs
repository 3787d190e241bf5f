//! All decoders of records, and their promises about lengths.

use rocketmq_store_exporter::format::batch_cq_unit::BatchCqUnit;
use rocketmq_store_exporter::format::checkpoint::Checkpoint;
use rocketmq_store_exporter::format::cq_ext_unit::{CqExtFrame, ext_position};
use rocketmq_store_exporter::format::cq_unit::CqUnit;
use rocketmq_store_exporter::format::index_file::{IndexEntry, IndexHeader, key_hash};
use rocketmq_store_exporter::format::java_hash::{java_hash, tags_code};
use rocketmq_store_exporter::format::ledger_checkpoint::{LedgerCheckpoint, LedgerTerm};
use rocketmq_store_exporter::format::ledger_entry::{LedgerEntryHeader, LedgerFrame, LedgerIndexUnit};
use rocketmq_store_exporter::format::message::{Message, MessageHeader, peek};
use rocketmq_store_exporter::format::properties::Properties;
use rocketmq_store_exporter::format::segment_name;
use rocketmq_store_exporter::units::PhysicalOffset;

use super::Answer;

/// What all decoders of records say about the same bytes.
pub fn run(bytes: &[u8], answer: &mut Answer) {
    answer.tell(&peek(bytes));
    answer.tell(&MessageHeader::decode(bytes));
    answer.tell(&LedgerCheckpoint::decode(bytes));
    answer.tell(&LedgerTerm::decode(bytes));
    answer.tell(&(java_hash(bytes), tags_code(Some(bytes)), key_hash(bytes)));
    if let Ok(name) = std::str::from_utf8(bytes) {
        answer.tell(&segment_name::parse(name));
    }
    message(bytes, answer);
    properties(bytes, answer);
    units(bytes, answer);

    let checkpoint = Checkpoint::decode(bytes);
    assert_eq!(checkpoint.found_len, bytes.len());
    assert!(checkpoint.min_timestamp().0 >= 0);
    answer.tell(&(checkpoint, checkpoint.min_timestamp_with_index()));

    let frame = LedgerFrame::decode(bytes);
    if let LedgerFrame::Entry(head) = &frame {
        assert!(!head.is_sane_at(PhysicalOffset(head.position.0.wrapping_add(1))));
        answer.tell(&(head.body_position(), head.follows(head)));
    }
    answer.tell(&frame);

    let ext = CqExtFrame::decode(bytes);
    if let Ok(CqExtFrame::Unit(unit)) = &ext {
        assert!(unit.size > 0 && unit.bit_map.len() <= bytes.len());
        answer.tell(&(unit.size, ext_position(unit.tags_code)));
        answer.tell_bytes(unit.bit_map);
    }
    answer.tell(&ext.is_ok());
}

fn message(bytes: &[u8], answer: &mut Answer) {
    let message = Message::decode(bytes);
    if let Ok(message) = &message {
        assert_eq!(usize::try_from(message.header.total_len), Ok(message.read_len()));
        assert!(message.read_len() <= bytes.len());
        assert!(message.body.len() + message.topic.len() + message.properties.as_bytes().len() < bytes.len());
        answer.tell(&(&message.header, message.is_body_intact(), message.property_crc()));
        for part in [message.body, message.topic, message.properties.as_bytes()] {
            answer.tell_bytes(part);
        }
    }
    answer.tell(&message.err());
}

fn properties(bytes: &[u8], answer: &mut Answer) {
    let properties = Properties::new(bytes);
    let mut len = 0;
    for (name, value) in properties.iter() {
        len += name.len() + value.len() + 1;
        answer.tell_bytes(name);
        answer.tell_bytes(value);
    }
    assert!(len <= bytes.len());
    for (name, _) in properties.iter().take(16) {
        if let Ok(text) = std::str::from_utf8(name) {
            let last = properties.iter().filter(|(found, _)| *found == name).last();
            assert_eq!(properties.get(text), last.map(|(_, value)| value), "the last of a name counts");
        }
    }
}

fn units(bytes: &[u8], answer: &mut Answer) {
    if let Some(head) = bytes.first_chunk() {
        let unit = CqUnit::decode(head);
        answer.tell(&(unit, unit.end(), IndexEntry::decode(head)));
    }
    if let Some(head) = bytes.first_chunk() {
        let unit = BatchCqUnit::decode(head);
        answer.tell(&(unit, unit.is_valid(), unit.end(), unit.end_offset()));
    }
    if let Some(head) = bytes.first_chunk() {
        let unit = LedgerIndexUnit::decode(head);
        answer.tell(&(unit, unit.end()));
    }
    if let Some(head) = bytes.first_chunk() {
        let header = IndexHeader::decode(head);
        assert!(header.index_count() >= 1);
        answer.tell(&header);
    }
    if let Some(head) = bytes.first_chunk() {
        answer.tell(&LedgerEntryHeader::decode(head));
    }
}
