//! `String.hashCode` of Java, by which upstream turns tags into the tags code of a unit and keys into slots of an index.
//!
//! Upstream: `MessageExtBrokerInner.tagsString2tagsCode`, `IndexFile.indexKeyHashMethod`; the same in all releases.

/// Java's hash of a string given as UTF-8. Undecodable bytes count as U+FFFD, as they do once upstream has made a string of
/// them.
#[must_use]
pub fn java_hash(utf8: &[u8]) -> i32 {
    String::from_utf8_lossy(utf8)
        .encode_utf16()
        .fold(0i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)))
}

/// The tags code of a message whose property `TAGS` is `tags`: 0 without tags, else the hash, sign-extended.
///
/// Delayed messages carry their delivery time instead; that depends on what the broker was told and is decided elsewhere.
#[must_use]
pub fn tags_code(tags: Option<&[u8]>) -> i64 {
    tags.map_or(0, |tags| i64::from(java_hash(tags)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_java() {
        assert_eq!(java_hash(b""), 0);
        assert_eq!(java_hash(b"TagA"), 2_598_919);
        assert_eq!(java_hash(b"polygenelubricants"), i32::MIN);
        assert_eq!(java_hash("é\u{1F600}".as_bytes()), (0xE9 * 31 + 0xD83D) * 31 + 0xDE00);
    }

    #[test]
    fn a_message_without_tags_has_tags_code_zero() {
        assert_eq!(tags_code(None), 0);
        assert_eq!(tags_code(Some(b"")), 0);
        assert_eq!(tags_code(Some(b"polygenelubricants")), i64::from(i32::MIN));
    }
}
