//! No bytes make a decoder panic, read beyond them, or say two things about the same input.

#[path = "fuzz/src/targets/mod.rs"]
mod targets;

use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::sample::Index;
use rocketmq_store_exporter::format::message::Message;
use targets::{Answer, Target};

/// Everything that all decoders say about `bytes`; the targets assert the promises about lengths.
fn told(bytes: &[u8]) -> Vec<Answer> {
    ["formats", "properties", "tables"].map(|name| Target::named(name).ask(bytes)).into()
}

/// Samples written by RocketMQ releases.
static SAMPLES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| (Target::named("formats").seeds)());

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
        let mut bytes = SAMPLES[which.index(SAMPLES.len())].clone();
        faults.iter().for_each(|fault| apply(&mut bytes, fault));
        prop_assert_eq!(told(&bytes), told(&bytes.clone()));
    }

    #[test]
    fn a_message_survives_no_change_of_its_length(
        len in prop_oneof![Just(0), Just(i32::MAX), Just(i32::MIN), any::<i32>(), 0..2000i32],
    ) {
        for mut bytes in SAMPLES.iter().filter(|bytes| Message::decode(bytes).is_ok()).cloned() {
            prop_assume!(i32::try_from(bytes.len()) != Ok(len));
            bytes[..4].copy_from_slice(&len.to_be_bytes());
            prop_assert!(Message::decode(&bytes).is_err());
        }
    }
}
