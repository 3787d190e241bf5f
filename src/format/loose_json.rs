//! The almost-JSON of `config/*.json`: integer keys may stand without quotes, as in `{0:72,1:72}`.
//!
//! Upstream's library (fastjson 1) writes maps with integer keys so: `consumerOffset.json`, `delayOffset.json` and others.
//! Everything else has to be JSON. Keys get their quotes here and the rest goes to `serde_json`, whose limit on nesting
//! guards against bombs. Work and memory are linear in the input.
//!
//! Upstream: `ConfigManager.encode`, `RemotingSerializable.toJson`, releases 4.9.4 to 5.5.1.

use serde_json::Value;

/// Why text is not such a document. Places count in the bytes as they were given.
#[derive(Debug, thiserror::Error)]
pub enum LooseJsonError {
    /// Nothing but white space; upstream goes on with the `.bak` file.
    #[error("empty document")]
    Empty,
    /// Not JSON.
    #[error("line {line} column {column}: {source}")]
    Syntax {
        /// Line, counted from 1.
        line: usize,
        /// Column in bytes, counted from 1; 0 where a line break is what is wrong.
        column: usize,
        /// What the parser says; the place in its text counts the quotes put in.
        source: serde_json::Error,
    },
}

/// Parses a document.
///
/// # Errors
///
/// If it is empty or, its integer keys quoted, not JSON.
pub fn parse(bytes: &[u8]) -> Result<Value, LooseJsonError> {
    if bytes.iter().all(|byte| is_white(*byte)) {
        return Err(LooseJsonError::Empty);
    }
    let mut quoted = Vec::with_capacity(bytes.len() + bytes.len() / 8);
    quote_keys(bytes, |piece| quoted.extend_from_slice(piece.bytes()));
    serde_json::from_slice(&quoted).map_err(|source| {
        let (line, column) = (source.line(), source.column());
        let column = column.saturating_sub(quotes_before(bytes, line, column));
        LooseJsonError::Syntax { line, column, source }
    })
}

/// A stretch of the rewritten text.
enum Piece<'a> {
    Original(&'a [u8]),
    Quote,
}

impl Piece<'_> {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Original(bytes) => bytes,
            Self::Quote => b"\"",
        }
    }
}

/// Walks over the text once and hands it on with quotes around bare integer keys.
fn quote_keys<'a>(bytes: &'a [u8], mut emit: impl FnMut(Piece<'a>)) {
    let mut rest = bytes;
    while let Some(stop) = rest.iter().position(|byte| matches!(byte, b'"' | b'{' | b',')) {
        let is_string = rest.get(stop) == Some(&b'"');
        let (before, behind) = rest.split_at(stop + 1);
        emit(Piece::Original(before));
        rest = behind;
        if is_string {
            let (text, behind) = rest.split_at(string_len(rest));
            emit(Piece::Original(text));
            rest = behind;
            continue;
        }
        let (white, behind) = rest.split_at(rest.iter().take_while(|byte| is_white(**byte)).count());
        let (key, behind) = behind.split_at(integer_len(behind));
        emit(Piece::Original(white));
        if !key.is_empty() && behind.iter().find(|byte| !is_white(**byte)) == Some(&b':') {
            emit(Piece::Quote);
            emit(Piece::Original(key));
            emit(Piece::Quote);
        } else {
            emit(Piece::Original(key));
        }
        rest = behind;
    }
    emit(Piece::Original(rest));
}

/// Length of a string's rest, its closing quote included.
fn string_len(rest: &[u8]) -> usize {
    let mut is_escaped = false;
    let end = rest.iter().position(|byte| {
        let ends = *byte == b'"' && !is_escaped;
        is_escaped = *byte == b'\\' && !is_escaped;
        ends
    });
    end.map_or(rest.len(), |end| end + 1)
}

fn integer_len(rest: &[u8]) -> usize {
    let sign = usize::from(rest.first() == Some(&b'-'));
    let digits = rest.iter().skip(sign).take_while(|byte| byte.is_ascii_digit()).count();
    if digits == 0 { 0 } else { sign + digits }
}

fn is_white(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// How many quotes stand before a place of the rewritten text on the same line.
fn quotes_before(bytes: &[u8], line: usize, column: usize) -> usize {
    let (mut at_line, mut at_column, mut quotes) = (1, 0, 0);
    quote_keys(bytes, |piece| {
        for byte in piece.bytes() {
            if *byte == b'\n' {
                at_line += 1;
                at_column = 0;
                continue;
            }
            at_column += 1;
            if at_line == line && at_column <= column && matches!(piece, Piece::Quote) {
                quotes += 1;
            }
        }
    });
    quotes
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn place(text: &str) -> (usize, usize) {
        match parse(text.as_bytes()) {
            Err(LooseJsonError::Syntax { line, column, .. }) => (line, column),
            other => panic!("{text:?}: {other:?}"),
        }
    }

    #[test]
    fn integer_keys_need_no_quotes() {
        let text = b"{\"t@g\":{0:72 ,\n\t1 :72,-5:1,\"6\":2},\"n\":[1,2,{7:[]}],\"x\":-1}";
        let found = parse(text).unwrap();
        assert_eq!(
            found,
            json!({"t@g": {"0": 72, "1": 72, "-5": 1, "6": 2}, "n": [1, 2, {"7": []}], "x": -1})
        );
    }

    #[test]
    fn what_looks_like_a_key_inside_a_string_is_left_alone() {
        let text = br#"{"a{1:2,3:4":"{5:6,\"7\":8\\","b":1}"#;
        assert_eq!(parse(text).unwrap(), json!({"a{1:2,3:4": "{5:6,\"7\":8\\", "b": 1}));
    }

    #[test]
    fn everything_else_has_to_be_json() {
        for text in
            ["{a:1}", "{1.5:2}", "{1:2,}", "{'a':1}", "{1:2", "[1:2]", "{\"a\":01}", "nul", "{1:2}}", "{-:1}"]
        {
            assert!(parse(text.as_bytes()).is_err(), "{text}");
        }
        assert!(parse(b"{\"a\":\"\xff\"}").is_err());
    }

    #[test]
    fn an_empty_document_is_told_apart() {
        assert!(matches!(parse(b""), Err(LooseJsonError::Empty)));
        assert!(matches!(parse(b" \r\n\t"), Err(LooseJsonError::Empty)));
    }

    #[test]
    fn places_count_in_the_bytes_as_given() {
        for text in [
            "{\"0\":1,\"1\":2,\"2\":x}",
            "{\n\"0\":1,\n\"11\":2,\"2\":[1,}",
            "{\"0\":1,\"1\"",
            "{\"0\":\n1 1}",
        ] {
            let bare = ["0", "1", "11", "2"]
                .iter()
                .fold(text.to_owned(), |text, key| text.replace(&format!("\"{key}\":"), &format!("{key}:")));
            let strict = serde_json::from_str::<Value>(text).unwrap_err();
            let (line, column) = place(&bare);
            let cut = |text: &str, line: usize, column: usize| {
                let line = text.lines().nth(line - 1).unwrap_or_default();
                line.get(column..).unwrap_or_default().to_owned()
            };
            assert_eq!(line, strict.line(), "{bare}");
            assert_eq!(cut(&bare, line, column), cut(text, strict.line(), strict.column()), "{bare}");
        }
        assert_eq!(place("{0:1,1:2,2:x}"), (1, 12));
    }

    #[test]
    fn deep_nesting_is_an_error_not_a_crash() {
        let bomb = "{0:".repeat(200_000);
        assert!(matches!(parse(bomb.as_bytes()), Err(LooseJsonError::Syntax { line: 1, .. })));
        assert!(parse("[".repeat(200_000).as_bytes()).is_err());
    }

    #[test]
    fn a_long_run_of_digits_is_read_once() {
        let mut text = b"{".to_vec();
        text.extend(b"1".repeat(2_000_000));
        assert!(parse(&text).is_err());
        let commas = [b"[".as_slice(), &b",".repeat(1_000_000)].concat();
        assert!(parse(&commas).is_err());
    }
}
