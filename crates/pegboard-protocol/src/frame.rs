//! Framing: where one message ends and the next begins.
//!
//! ```text
//! u32 magic 0x31424750 ("PGB1" in memory) · u32 header length H · u32 part count N     all little endian
//! N × u64 part length · H bytes of header (one JSON object) · the parts, one after the other
//! ```
//!
//! Descriptors travel beside the frame (`SCM_RIGHTS`) on its first byte; the header's `descriptors` says how many are its own.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::error::Error;

/// First four bytes of every frame.
pub const MAGIC: u32 = 0x3142_4750;
/// Bytes before the part lengths.
pub const PREFIX: usize = 12;
/// Longest header: a context with the definition of a workflow of 10,000 stages is about 3 MiB.
pub const MAX_HEADER: u64 = 64 << 20;
/// Most parts: a list of sixteen million items.
pub const MAX_PARTS: u64 = 16 << 20;
/// Longest sum of parts. Large values go by descriptor, so only a long list comes near.
pub const MAX_BODY: u64 = 1 << 30;
/// Most descriptors in one frame; the kernel allows 253.
pub const MAX_DESCRIPTORS: usize = 200;

/// One frame: header bytes and opaque parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// One JSON object.
    pub header: Bytes,
    /// Opaque.
    pub parts: Vec<Bytes>,
}

impl Frame {
    /// Prefix, lengths and header as one buffer; the parts follow it unchanged, so that a writer can gather instead of copy.
    #[must_use]
    pub fn head(&self) -> Bytes {
        let mut head = BytesMut::with_capacity(PREFIX + self.parts.len() * 8 + self.header.len());
        head.put_u32_le(MAGIC);
        head.put_u32_le(self.header.len() as u32);
        head.put_u32_le(self.parts.len() as u32);
        for part in &self.parts {
            head.put_u64_le(part.len() as u64);
        }
        head.put_slice(&self.header);
        head.freeze()
    }

    /// The whole frame in one buffer.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let head = self.head();
        let mut whole = BytesMut::with_capacity(head.len() + self.parts.iter().map(Bytes::len).sum::<usize>());
        whole.put_slice(&head);
        for part in &self.parts {
            whole.put_slice(part);
        }
        whole.freeze()
    }
}

/// Turns a stream of bytes into frames. Holds what is not yet a whole frame.
#[derive(Default, Debug)]
pub struct Decoder {
    buffer: BytesMut,
    /// Size of the frame that has begun, once its lengths are known.
    whole: Option<usize>,
}

impl Decoder {
    /// Room for the next read; give back what was read with [`Decoder::next_frame`]. At least 64 KiB, or the rest of the frame.
    pub fn space(&mut self) -> &mut BytesMut {
        let missing = self.whole.map_or(0, |whole| whole.saturating_sub(self.buffer.len()));
        self.buffer.reserve(missing.clamp(64 << 10, 8 << 20));
        &mut self.buffer
    }

    /// The next whole frame, if it is there. Parts share the buffer's memory.
    ///
    /// # Errors
    /// [`Error::NotAFrame`] and [`Error::TooLarge`]; after one of them the channel is of no use any more.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, Error> {
        if self.buffer.len() < PREFIX {
            return Ok(None);
        }
        let mut prefix = &self.buffer[..PREFIX];
        let magic = prefix.get_u32_le();
        if magic != MAGIC {
            return Err(Error::NotAFrame { found: magic });
        }
        let header = prefix.get_u32_le() as usize;
        let count = prefix.get_u32_le() as usize;
        limit("header", header as u64, MAX_HEADER)?;
        limit("part count", count as u64, MAX_PARTS)?;
        let head = PREFIX + count * 8 + header;
        if self.whole.is_none() {
            if self.buffer.len() < PREFIX + count * 8 {
                return Ok(None);
            }
            let mut lengths = &self.buffer[PREFIX..PREFIX + count * 8];
            let mut body = 0u64;
            for _ in 0..count {
                body = body.saturating_add(lengths.get_u64_le());
            }
            limit("body", body, MAX_BODY)?;
            self.whole = Some(head + body as usize);
        }
        if self.whole.is_none_or(|whole| self.buffer.len() < whole) {
            return Ok(None);
        }
        self.whole = None;
        self.buffer.advance(PREFIX);
        let mut lengths = self.buffer.split_to(count * 8).freeze();
        let header = self.buffer.split_to(header).freeze();
        let mut body = 0usize;
        let sizes: Vec<usize> = (0..count)
            .map(|_| {
                let size = lengths.get_u64_le() as usize;
                body += size;
                size
            })
            .collect();
        let mut rest = self.buffer.split_to(body).freeze();
        let parts = sizes.into_iter().map(|size| rest.split_to(size)).collect();
        Ok(Some(Frame { header, parts }))
    }

    /// Whether a frame has begun and not ended: at the end of the stream that means it was cut.
    #[must_use]
    pub fn is_inside_frame(&self) -> bool {
        !self.buffer.is_empty()
    }
}

fn limit(what: &'static str, size: u64, limit: u64) -> Result<(), Error> {
    if size > limit { Err(Error::TooLarge { what, size, limit }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame() -> Frame {
        Frame {
            header: Bytes::from_static(b"{\"type\":\"x\"}"),
            parts: vec![Bytes::from_static(b"abc"), Bytes::new(), Bytes::from(vec![7; 300])],
        }
    }

    #[test]
    fn frames_survive_every_split() {
        let mut bytes = frame().encode().to_vec();
        bytes.extend_from_slice(&frame().encode());
        for cut in 0..bytes.len() {
            let mut decoder = Decoder::default();
            let mut seen = 0;
            for piece in [&bytes[..cut], &bytes[cut..]] {
                decoder.space().extend_from_slice(piece);
                while let Some(next) = decoder.next_frame().unwrap() {
                    assert_eq!(next, frame());
                    seen += 1;
                }
            }
            assert_eq!(seen, 2, "cut at {cut}");
            assert!(!decoder.is_inside_frame());
        }
    }

    #[test]
    fn garbage_is_refused_at_once() {
        let mut decoder = Decoder::default();
        decoder.space().extend_from_slice(b"hello, I am not a frame");
        assert!(matches!(decoder.next_frame(), Err(Error::NotAFrame { .. })));
    }

    #[test]
    fn lengths_over_the_limit_are_refused_before_the_bytes_come() {
        for (header, count, what) in [(u32::MAX, 0, "header"), (1, u32::MAX, "part count")] {
            let mut decoder = Decoder::default();
            let buffer = decoder.space();
            buffer.put_u32_le(MAGIC);
            buffer.put_u32_le(header);
            buffer.put_u32_le(count);
            assert!(matches!(decoder.next_frame(), Err(Error::TooLarge { what: found, .. }) if found == what));
        }
        let mut decoder = Decoder::default();
        let buffer = decoder.space();
        buffer.put_u32_le(MAGIC);
        buffer.put_u32_le(2);
        buffer.put_u32_le(1);
        buffer.put_u64_le(u64::MAX);
        assert!(matches!(decoder.next_frame(), Err(Error::TooLarge { what: "body", .. })));
    }
}
