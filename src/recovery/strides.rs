//! The bytes from a position on, read as far as somebody wants them.

/// Bytes read at a time.
pub const STRIDE: usize = 128 << 10;

/// Bytes in memory that is used again and again.
#[derive(Debug, Default)]
pub struct Strides {
    bytes: Vec<u8>,
    have: usize,
}

impl Strides {
    /// Forgets all bytes.
    pub fn clear(&mut self) {
        self.have = 0;
    }

    /// What was read.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..self.have]
    }

    /// The first bytes, at least `wanted` of `most` that there are; those that are missing are read behind the others.
    ///
    /// # Errors
    /// What `read` said.
    pub fn read_to<E>(
        &mut self,
        wanted: usize,
        most: usize,
        read: impl FnOnce(usize, &mut [u8]) -> Result<(), E>,
    ) -> Result<&[u8], E> {
        if wanted > self.have {
            let until = wanted.max(self.have.saturating_add(STRIDE)).min(most);
            if until > self.bytes.len() {
                self.bytes.resize(until, 0);
            }
            read(self.have, &mut self.bytes[self.have..until])?;
            self.have = until;
        }
        Ok(self.bytes())
    }
}
