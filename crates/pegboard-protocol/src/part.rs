//! What a part of a frame holds: one tag byte, then the rest.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::error::Error;
use crate::message::WireFailure;

/// One part, decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// `v`: a pickle, protocol 5.
    Inline(Bytes),
    /// `s`: `u32` index among the frame's descriptors, `u64` size of the block in bytes.
    Shared {
        /// Position among the frame's descriptors.
        descriptor: usize,
        /// Size of the block.
        size: u64,
    },
    /// `j`: JSON text.
    Json(Bytes),
    /// `e`: an item that raised.
    Failure(WireFailure),
}

impl Part {
    /// Reads the part at `index` of a frame.
    ///
    /// # Errors
    /// [`Error::Part`], [`Error::Header`] for a failure that cannot be read.
    pub fn decode(index: usize, mut bytes: Bytes) -> Result<Self, Error> {
        let malformed = |reason| Error::Part { index, reason };
        if bytes.is_empty() {
            return Err(malformed("empty"));
        }
        match bytes.get_u8() {
            b'v' => Ok(Self::Inline(bytes)),
            b'j' => Ok(Self::Json(bytes)),
            b'e' => Ok(Self::Failure(serde_json::from_slice(&bytes)?)),
            b's' if bytes.len() == 12 => Ok(Self::Shared { descriptor: bytes.get_u32_le() as usize, size: bytes.get_u64_le() }),
            b's' => Err(malformed("a shared value has 12 bytes")),
            _ => Err(malformed("unknown tag")),
        }
    }

    /// Writes it.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let mut bytes = BytesMut::new();
        match self {
            Self::Inline(value) => {
                bytes.reserve(1 + value.len());
                bytes.put_u8(b'v');
                bytes.put_slice(value);
            }
            Self::Json(text) => {
                bytes.reserve(1 + text.len());
                bytes.put_u8(b'j');
                bytes.put_slice(text);
            }
            Self::Shared { descriptor, size } => {
                bytes.reserve(13);
                bytes.put_u8(b's');
                bytes.put_u32_le(*descriptor as u32);
                bytes.put_u64_le(*size);
            }
            Self::Failure(failure) => {
                bytes.put_u8(b'e');
                bytes.put_slice(&serde_json::to_vec(failure).unwrap_or_default());
            }
        }
        bytes.freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_round_trip() {
        for part in [
            Part::Inline(Bytes::from_static(b"\x80\x05N.")),
            Part::Json(Bytes::from_static(b"[1]")),
            Part::Shared { descriptor: 3, size: 1 << 33 },
            Part::Failure(WireFailure { class: "ValueError".into(), message: "no".into(), ..WireFailure::default() }),
        ] {
            assert_eq!(Part::decode(0, part.encode()).unwrap(), part);
        }
        for bad in [&b""[..], b"x", b"s123"] {
            assert!(matches!(Part::decode(4, Bytes::copy_from_slice(bad)), Err(Error::Part { index: 4, .. })));
        }
    }
}
