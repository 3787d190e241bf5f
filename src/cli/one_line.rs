//! Lines of the exporter's own log, each with what its values hold written out: a name in a store may hold anything.
//!
//! Both formats escape what ASCII knows as control characters. Terminals obey more than those: U+009B begins a sequence too.

use std::io::{self, Write};

use crate::preview::text_table::is_invisible;

/// The text with `\u009b` for such a character, which JSON and logfmt read alike. Ends of lines stay.
pub(super) fn escaped(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for char in text.chars() {
        if char != '\n' && (char.is_control() || is_invisible(char)) {
            for unit in char.encode_utf16(&mut [0; 2]) {
                shown.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            shown.push(char);
        }
    }
    shown
}

/// Takes whole lines, and hands them on so.
#[derive(Debug)]
pub struct OneLine<W>(pub W);

impl<W: Write> Write for OneLine<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write_all(escaped(&String::from_utf8_lossy(bytes)).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_stays_one_and_does_nothing_to_the_terminal() {
        let mut written = Vec::new();
        OneLine(&mut written).write_all("path=\"T\u{9b}2J\u{202e}\u{e0041}\u{7f}ä\"\n".as_bytes()).unwrap();
        assert_eq!(String::from_utf8(written).unwrap(), "path=\"T\\u009b2J\\u202e\\udb40\\udc41\\u007fä\"\n");
    }
}
