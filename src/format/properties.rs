//! The property string at the end of a message.
//!
//! | part | bytes |
//! |---|---|
//! | name | any but 0x01 and 0x02, at least one |
//! | separator | 0x01 |
//! | value | any but 0x02, at least one |
//! | end | 0x02; may be absent after the last property |
//!
//! Chunks that do not have this form are skipped, and of two properties with one name the last counts.
//!
//! Upstream: `MessageDecoder.string2messageProperties`, the same in all releases. It works on a decoded string; both
//! separators are ASCII, so working on bytes gives the same chunks whatever else is in there.

use memchr::memchr2_iter;

/// Stands between a name and its value.
pub const NAME_VALUE_SEPARATOR: u8 = 0x01;
/// Stands behind a value.
pub const PROPERTY_SEPARATOR: u8 = 0x02;

/// Names of the properties that decide what a message's dispatch does.
pub mod names {
    /// Keys of the message, separated by blanks; each gets an entry in the index file.
    pub const KEYS: &str = "KEYS";
    /// The id that the client gave to the message.
    pub const UNIQ_KEY: &str = "UNIQ_KEY";
    /// Tags; their hash becomes the unit's tags code.
    pub const TAGS: &str = "TAGS";
    /// Level of a delayed message.
    pub const DELAY: &str = "DELAY";
    /// Checked at recovery when the broker has `duplicationEnable=true` (5.2.0 in DLedger mode: always).
    pub const DUP_INFO: &str = "DUP_INFO";
    /// Number of messages inside a batch message.
    pub const INNER_NUM: &str = "INNER_NUM";
    /// Queue offset of the first message inside a batch message.
    pub const INNER_BASE: &str = "INNER_BASE";
    /// Light queues that get a unit too, separated by commas.
    pub const INNER_MULTI_DISPATCH: &str = "INNER_MULTI_DISPATCH";
    /// Queue offsets in those light queues, in the same order.
    pub const INNER_MULTI_QUEUE_OFFSET: &str = "INNER_MULTI_QUEUE_OFFSET";
    /// CRC of the whole message, written with `enabledAppendPropCRC=true` (5.2.0 and later).
    pub const CRC32: &str = "__CRC32#";
}

/// The properties of a message, as their bytes.
///
/// `Debug` tells the length only: properties are users' data and never reach a log.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Properties<'a> {
    bytes: &'a [u8],
}

impl<'a> Properties<'a> {
    /// The properties that `bytes` hold.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// The property string itself.
    #[must_use]
    pub fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Names and values in the order of the bytes, duplicates included.
    pub fn iter(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        let bytes = self.bytes;
        let mut separators = memchr2_iter(NAME_VALUE_SEPARATOR, PROPERTY_SEPARATOR, bytes);
        let (mut start, mut name_end) = (0, None);
        std::iter::from_fn(move || {
            while start <= bytes.len() {
                let met = separators.next();
                if let Some(at) = met.filter(|at| bytes[*at] == NAME_VALUE_SEPARATOR) {
                    name_end = name_end.or(Some(at));
                    continue;
                }
                let end = met.unwrap_or(bytes.len());
                let from = std::mem::replace(&mut start, end + 1);
                if let Some(name_end) = name_end.take()
                    && from < name_end
                    && name_end + 1 < end
                {
                    return Some((&bytes[from..name_end], &bytes[name_end + 1..end]));
                }
            }
            None
        })
    }

    /// The value of the last property called `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&'a [u8]> {
        self.iter().filter(|(found, _)| *found == name.as_bytes()).last().map(|(_, value)| value)
    }
}

impl std::fmt::Debug for Properties<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Properties").field("len", &self.bytes.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(bytes: &[u8]) -> Vec<(&[u8], &[u8])> {
        Properties::new(bytes).iter().collect()
    }

    #[test]
    fn the_last_separator_may_be_absent() {
        assert_eq!(pairs(b"a\x011\x02b\x0122\x02"), [(&b"a"[..], &b"1"[..]), (b"b", b"22")]);
        assert_eq!(pairs(b"a\x011\x02b\x0122"), pairs(b"a\x011\x02b\x0122\x02"));
        assert_eq!(pairs(b""), []);
    }

    #[test]
    fn chunks_without_name_value_or_separator_are_skipped() {
        assert_eq!(pairs(b"\x02\x02a\x02\x01v\x02n\x01\x02\x01\x02k\x01v\x02"), [(&b"k"[..], &b"v"[..])]);
    }

    #[test]
    fn a_value_keeps_further_name_separators() {
        assert_eq!(pairs(b"a\x01b\x01c\x02"), [(&b"a"[..], &b"b\x01c"[..])]);
    }

    #[test]
    fn the_last_of_two_properties_with_one_name_counts() {
        let properties = Properties::new(b"TAGS\x01x\x02TAGS\x01y\x02TAGS\x01\x02");
        assert_eq!(properties.get(names::TAGS), Some(&b"y"[..]));
        assert_eq!(properties.get("TAG"), None);
    }

    #[test]
    fn undecodable_bytes_stay_as_they_are() {
        assert_eq!(pairs(b"a\xff\x01\xc3\x02b\x01c\x02"), [(&b"a\xff"[..], &b"\xc3"[..]), (b"b", b"c")]);
    }

    #[test]
    fn debug_output_holds_no_values() {
        assert_eq!(format!("{:?}", Properties::new(b"k\x01secret\x02")), "Properties { len: 9 }");
    }
}
