//! Text in the form of `java.util.Properties`: `broker.conf`, DLedger's `checkpoint` and `currterm`.
//!
//! | part | form |
//! |---|---|
//! | comment | a line whose first character other than blank, tab or form feed is `#` or `!` |
//! | entry | key, then `=`, `:` or white space with white space around it, then the value to the line's end |
//! | continuation | an odd number of backslashes at a line's end joins the next line without its leading white space |
//! | escape | `\t \n \r \f \uXXXX`; a backslash before any other character stands for that character |
//!
//! White space behind a value belongs to it. Of two entries with one key the last counts. Bytes are ISO-8859-1, so that
//! none is undecodable; that is how upstream reads UTF-8 too, and a path typed in it is the path that the broker uses.
//!
//! Upstream: `java.util.Properties.load(InputStream)`.

/// Why text is not in this form; Java refuses the whole file for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JavaPropertiesError {
    /// `\u` without four hexadecimal digits behind it.
    #[error("line {line}: \\u is not followed by four hexadecimal digits")]
    Unicode {
        /// Line on which the entry starts, counted from 1.
        line: usize,
    },
}

/// One key with its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Property {
    /// Key, escapes resolved.
    pub key: String,
    /// Value, escapes resolved.
    pub value: String,
    /// Line on which the entry starts, counted from 1.
    pub line: usize,
}

/// All entries of a file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct JavaProperties {
    entries: Vec<Property>,
}

impl JavaProperties {
    /// Parses a whole file.
    ///
    /// # Errors
    ///
    /// If an escape `\u` is malformed.
    pub fn parse(bytes: &[u8]) -> Result<Self, JavaPropertiesError> {
        let mut lines = Lines { bytes, at: 0, line: 1 };
        let mut entries = Vec::new();
        while let Some((line, text)) = lines.next_logical() {
            let (key, value) = split(&text);
            let resolve = |part| resolve(part).ok_or(JavaPropertiesError::Unicode { line });
            entries.push(Property { key: resolve(key)?, value: resolve(value)?, line });
        }
        Ok(Self { entries })
    }

    /// The value that counts for `key`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.entry(key).map(|entry| entry.value.as_str())
    }

    /// The entry that counts for `key`.
    #[must_use]
    pub fn entry(&self, key: &str) -> Option<&Property> {
        self.entries.iter().rev().find(|entry| entry.key == key)
    }

    /// Adds an entry that counts from now on, as if it stood on a last line of its own.
    pub fn set(&mut self, key: &str, value: &str) {
        let line = self.entries.last().map_or(1, |entry| entry.line + 1);
        self.entries.push(Property { key: key.to_owned(), value: value.to_owned(), line });
    }

    /// All entries in the order of the file, those included that a later one overrides.
    #[must_use]
    pub fn entries(&self) -> &[Property] {
        &self.entries
    }
}

impl<'t> FromIterator<(&'t str, &'t str)> for JavaProperties {
    fn from_iter<I: IntoIterator<Item = (&'t str, &'t str)>>(entries: I) -> Self {
        let mut properties = Self::default();
        for (key, value) in entries {
            properties.set(key, value);
        }
        properties
    }
}

/// Cuts the file into logical lines, as `Properties.LineReader` does.
struct Lines<'a> {
    bytes: &'a [u8],
    at: usize,
    line: usize,
}

impl Lines<'_> {
    fn next_byte(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        match byte {
            b'\r' if self.bytes.get(self.at) == Some(&b'\n') => {
                self.at += 1;
                self.line += 1;
                Some(b'\n')
            }
            b'\r' | b'\n' => {
                self.line += 1;
                Some(b'\n')
            }
            byte => Some(byte),
        }
    }

    /// The next line that is neither blank nor a comment, continuations joined to it, and where it starts.
    fn next_logical(&mut self) -> Option<(usize, Vec<u8>)> {
        let mut text = Vec::new();
        let mut start = self.line;
        let mut is_leading = true;
        let mut is_joined = false;
        let mut is_escaped = false;
        while let Some(byte) = self.next_byte() {
            if is_leading {
                if is_white(byte) || (byte == b'\n' && !is_joined) {
                    continue;
                }
                is_leading = false;
                is_joined = false;
            }
            if text.is_empty() && (byte == b'#' || byte == b'!') {
                while self.next_byte().is_some_and(|byte| byte != b'\n') {}
                is_leading = true;
                continue;
            }
            if byte != b'\n' {
                if text.is_empty() {
                    start = self.line;
                }
                text.push(byte);
                is_escaped = byte == b'\\' && !is_escaped;
            } else if text.is_empty() {
                is_leading = true;
            } else if is_escaped {
                text.pop();
                is_leading = true;
                is_joined = true;
                is_escaped = false;
            } else {
                return Some((start, text));
            }
        }
        let is_line = !text.is_empty();
        if is_escaped {
            text.pop();
        }
        is_line.then_some((start, text))
    }
}

fn is_white(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | 0x0C)
}

fn split(text: &[u8]) -> (&[u8], &[u8]) {
    let mut is_escaped = false;
    let key_len = text
        .iter()
        .position(|byte| {
            let ends = !is_escaped && (is_white(*byte) || matches!(byte, b'=' | b':'));
            is_escaped = *byte == b'\\' && !is_escaped;
            ends
        })
        .unwrap_or(text.len());
    let (key, rest) = text.split_at(key_len);
    let rest = trim_white(rest);
    (key, rest.strip_prefix(b"=").or(rest.strip_prefix(b":")).map_or(rest, trim_white))
}

fn trim_white(text: &[u8]) -> &[u8] {
    let white = text.iter().take_while(|byte| is_white(**byte)).count();
    text.get(white..).unwrap_or_default()
}

/// Resolves escapes; `None` if one is malformed. Java's characters are UTF-16, and halves of a pair may come as two
/// escapes; one without its other half becomes U+FFFD.
fn resolve(text: &[u8]) -> Option<String> {
    let mut units = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    while let Some(byte) = rest.next() {
        if *byte != b'\\' {
            units.push(u16::from(*byte));
            continue;
        }
        units.push(match rest.next() {
            None => break,
            Some(b't') => 0x09,
            Some(b'n') => 0x0A,
            Some(b'r') => 0x0D,
            Some(b'f') => 0x0C,
            Some(b'u') => {
                let (digits, behind) = rest.as_slice().split_at_checked(4)?;
                rest = behind.iter();
                digits.iter().try_fold(0u16, |unit, digit| {
                    let value =
                        char::from(*digit).to_digit(16).and_then(|value| u16::try_from(value).ok())?;
                    Some(unit << 4 | value)
                })?
            }
            Some(other) => u16::from(*other),
        });
    }
    Some(String::from_utf16_lossy(&units))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Vec<(String, String)> {
        let parsed = JavaProperties::parse(text.as_bytes()).unwrap();
        parsed.entries().iter().map(|entry| (entry.key.clone(), entry.value.clone())).collect()
    }

    fn pair(key: &str, value: &str) -> (String, String) {
        (key.to_owned(), value.to_owned())
    }

    #[test]
    fn equals_colon_and_white_space_separate_a_key_from_its_value() {
        for text in ["k=v", "k:v", "k v", "  k\t=\x0C v", "k  :  v\r\n", "k\tv\r", "\n\n# c\n ! c\nk = v"] {
            assert_eq!(pairs(text), [pair("k", "v")], "{text:?}");
        }
        assert_eq!(pairs("k==v"), [pair("k", "=v")]);
        assert_eq!(pairs("k = : v"), [pair("k", ": v")]);
        assert_eq!(pairs("k"), [pair("k", "")]);
        assert_eq!(pairs("=v"), [pair("", "v")]);
    }

    #[test]
    fn white_space_behind_a_value_belongs_to_it() {
        assert_eq!(pairs("k = v \t\nl=#x"), [pair("k", "v \t"), pair("l", "#x")]);
    }

    #[test]
    fn an_odd_number_of_backslashes_joins_the_next_line() {
        assert_eq!(pairs("k=a,\\\n   b\\\r\n\tc\nl=d"), [pair("k", "a,bc"), pair("l", "d")]);
        assert_eq!(pairs("k=a\\\\\nl=d"), [pair("k", "a\\"), pair("l", "d")]);
        assert_eq!(pairs("k=a\\\n#b\n"), [pair("k", "a#b")]);
        assert_eq!(pairs("k=a\\\n\nl=d"), [pair("k", "a"), pair("l", "d")]);
        assert_eq!(pairs("k=a\\"), [pair("k", "a")]);
        assert_eq!(pairs("\\\n# c\nk=a"), [pair("k", "a")]);
        assert_eq!(pairs("# c\\\nk=a"), [pair("k", "a")]);
        assert_eq!(pairs("\\"), [pair("", "")]);
    }

    #[test]
    fn escapes_stand_for_their_character() {
        assert_eq!(pairs(r"a\=b\ c\:d=\t\n\r\f\z\\\u0041"), [pair("a=b c:d", "\t\n\r\x0Cz\\A")]);
        assert_eq!(pairs(r"k=\uD83D\uDE00\uD800"), [pair("k", "\u{1F600}\u{FFFD}")]);
    }

    #[test]
    fn bytes_are_latin_1() {
        let parsed = JavaProperties::parse(b"k=/data/\xE9 \xC3\xA9").unwrap();
        assert_eq!(parsed.get("k"), Some("/data/\u{E9} \u{C3}\u{A9}"));
    }

    #[test]
    fn a_malformed_escape_is_told_with_its_line() {
        for text in ["a=b\nk=\\u12", "a=b\nk=\\u12G4", "a=b\nk\\u=v", "a=b\nk=\\\n \\u+123"] {
            let found = JavaProperties::parse(text.as_bytes());
            assert_eq!(found, Err(JavaPropertiesError::Unicode { line: 2 }), "{text:?}");
        }
    }

    #[test]
    fn the_last_entry_of_a_key_counts_and_lines_are_known() {
        let parsed = JavaProperties::parse(b"a=1\r\n\r\n# c\r\nb=\\\r\n2\r\na=3").unwrap();
        assert_eq!(parsed.get("a"), Some("3"));
        assert_eq!(parsed.entries().iter().map(|entry| entry.line).collect::<Vec<_>>(), [1, 4, 6]);
        assert_eq!(parsed.get("c"), None);
    }
}
