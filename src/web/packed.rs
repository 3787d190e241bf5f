//! Answers that are kept small: the JSON of tens of thousands of queues has tens of MiB, and a twentieth of that packed.
//!
//! It is packed as it is made and unpacked as the client reads, so that it is nowhere in one piece.

use std::io::{BufWriter, Read};
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use hyper::body::{Frame, SizeHint};
use serde::Serialize;

/// Bytes that are made or sent at a time.
const PIECE: usize = 32 << 10;

/// A JSON text.
#[derive(Debug, Clone)]
pub struct Packed {
    bytes: Bytes,
    len: u64,
}

impl Packed {
    /// Writes `value` down.
    ///
    /// # Errors
    /// If it cannot be written as JSON.
    pub fn json(value: &impl Serialize) -> serde_json::Result<Self> {
        let packer = DeflateEncoder::new(Vec::new(), Compression::fast());
        let mut writer = BufWriter::with_capacity(PIECE, packer);
        serde_json::to_writer(&mut writer, value)?;
        let packer = writer.into_inner().map_err(|error| serde_json::Error::io(error.into_error()))?;
        let len = packer.total_in();
        let mut bytes = packer.finish().map_err(serde_json::Error::io)?;
        bytes.shrink_to_fit();
        Ok(Self { bytes: bytes.into(), len })
    }

    /// Bytes that it takes.
    #[must_use]
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    /// The text, piece by piece.
    pub fn body(&self) -> Body {
        Body::new(Unpacked { left: self.len, unpacker: DeflateDecoder::new(Source(self.bytes.clone())) })
    }
}

struct Source(Bytes);

impl Read for Source {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let piece = self.0.split_to(self.0.len().min(into.len()));
        into[..piece.len()].copy_from_slice(&piece);
        Ok(piece.len())
    }
}

struct Unpacked {
    left: u64,
    unpacker: DeflateDecoder<Source>,
}

impl hyper::body::Body for Unpacked {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        let len = usize::try_from(self.left).unwrap_or(PIECE).min(PIECE);
        if len == 0 {
            return Poll::Ready(None);
        }
        let mut piece = vec![0; len];
        Poll::Ready(Some(self.unpacker.read_exact(&mut piece).map(|()| {
            self.left -= u64::try_from(len).unwrap_or(self.left);
            Frame::data(piece.into())
        })))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;

    #[tokio::test]
    async fn a_long_text_is_kept_small_and_comes_back_whole() {
        let value: Vec<u32> = (0..100_000).map(|number| number / 1_000).collect();
        let text = serde_json::to_vec(&value).unwrap();
        let packed = Packed::json(&value).unwrap();
        assert!(packed.size() < text.len() / 20, "{} of {}", packed.size(), text.len());
        for _ in 0..2 {
            let mut body = packed.body();
            assert_eq!(hyper::body::Body::size_hint(&body).exact(), u64::try_from(text.len()).ok());
            let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
            assert_eq!(first.len(), PIECE);
            let rest = body.collect().await.unwrap().to_bytes();
            assert_eq!([first, rest].concat(), text);
        }
    }
}
