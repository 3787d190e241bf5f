//! What a target says about its input, as a number.

use std::fmt::{Debug, Write as _};
use std::hash::{DefaultHasher, Hasher};

/// Hashes what it is told.
#[derive(Default)]
pub struct Answer(DefaultHasher);

impl Answer {
    /// Takes one more thing, as it shows itself.
    pub fn tell(&mut self, what: &impl Debug) {
        write!(self, "{what:?};").unwrap();
    }
}

impl Answer {
    /// Takes bytes, which show themselves slowly.
    pub fn tell_bytes(&mut self, bytes: &[u8]) {
        self.0.write_usize(bytes.len());
        self.0.write(bytes);
    }
}

impl std::fmt::Write for Answer {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.0.write(text.as_bytes());
        Ok(())
    }
}

impl PartialEq for Answer {
    fn eq(&self, other: &Self) -> bool {
        self.0.finish() == other.0.finish()
    }
}

impl Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:016x}", self.0.finish())
    }
}
