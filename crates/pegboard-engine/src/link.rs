//! One Unix stream socket that carries frames and descriptors.
//!
//! Invariants: reading and writing are independent, so two sides that both send much never wait for one another; both are
//! cancel-safe, a future dropped half way loses no byte; descriptors arrive in the order of the frames that own them and are
//! closed when no frame claims them. Nothing here knows what a message means.

use std::collections::VecDeque;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use pegboard_protocol::frame::{Decoder, Frame, MAX_DESCRIPTORS};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
};
use tokio::io::Interest;
use tokio::net::UnixStream;

/// Bytes per read: a large part of what a socket's buffer holds.
const READ: usize = 64 << 10;
/// Pieces smaller than this are gathered by copying: cheaper than a vector entry each.
const COPY_BELOW: usize = 8 << 10;
/// Vector entries per call; the kernel allows 1,024.
const MAX_PIECES: usize = 512;
/// The kernel's limit of descriptors per message: room for what any sender can attach.
const KERNEL_DESCRIPTORS: usize = 253;
/// Descriptors that may wait for a frame to claim them: those of one frame, sent in several messages.
const MAX_WAITING: usize = 64 << 10;

/// Why a link is of no use any more.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LinkError {
    /// The other side closed it between two frames.
    #[error("the channel was closed")]
    Closed,
    /// The other side closed it within a frame.
    #[error("the channel was closed in the middle of a frame")]
    HalfFrame,
    /// The bytes are not the protocol.
    #[error(transparent)]
    Protocol(#[from] pegboard_protocol::Error),
    /// This process has no room for the descriptors that came.
    #[error("descriptors were lost: this process has too many open files")]
    DescriptorsLost,
    /// The socket failed.
    #[error("the channel failed: {0}")]
    Io(#[from] io::Error),
}

/// Makes a connected pair: our end without blocking, the other one to be given to a process.
pub(crate) fn pair() -> io::Result<(UnixStream, OwnedFd)> {
    let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
    ours.set_nonblocking(true)?;
    Ok((UnixStream::from_std(ours)?, theirs.into()))
}

/// Splits a socket into its two directions.
pub(crate) fn split(stream: UnixStream) -> (LinkReader, LinkWriter) {
    let stream = Arc::new(stream);
    let reader = LinkReader {
        stream: Arc::clone(&stream),
        decoder: Decoder::default(),
        scratch: vec![0; READ].into_boxed_slice(),
        waiting: VecDeque::new(),
    };
    (reader, LinkWriter { stream, queue: VecDeque::new() })
}

/// The receiving direction.
#[derive(Debug)]
pub(crate) struct LinkReader {
    stream: Arc<UnixStream>,
    decoder: Decoder,
    scratch: Box<[u8]>,
    waiting: VecDeque<OwnedFd>,
}

impl LinkReader {
    /// The next frame. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Result<Frame, LinkError> {
        loop {
            if let Some(frame) = self.decoder.next_frame()? {
                return Ok(frame);
            }
            self.stream.readable().await?;
            match self.read_some() {
                Ok(()) => {}
                Err(LinkError::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(LinkError::Io(error)) if error.kind() == io::ErrorKind::ConnectionReset => return Err(self.ended()),
                Err(error) => return Err(error),
            }
        }
    }

    /// The descriptors of the frame that was read last: exactly as many as its header promises.
    pub(crate) fn descriptors(&mut self, promised: usize) -> Result<Vec<OwnedFd>, LinkError> {
        if promised > self.waiting.len() {
            return Err(pegboard_protocol::Error::Descriptors { promised, arrived: self.waiting.len() }.into());
        }
        Ok(self.waiting.drain(..promised).collect())
    }

    fn ended(&self) -> LinkError {
        if self.decoder.is_inside_frame() { LinkError::HalfFrame } else { LinkError::Closed }
    }

    fn read_some(&mut self) -> Result<(), LinkError> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(KERNEL_DESCRIPTORS))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let (stream, scratch) = (&self.stream, &mut self.scratch);
        let received = stream.try_io(Interest::READABLE, || {
            let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
            Ok(rustix::net::recvmsg(stream.as_fd(), &mut [IoSliceMut::new(scratch)], &mut control, flags)?)
        })?;
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(descriptors) = message {
                self.waiting.extend(descriptors);
            }
        }
        if received.flags.contains(ReturnFlags::CTRUNC) || self.waiting.len() > MAX_WAITING {
            return Err(LinkError::DescriptorsLost);
        }
        if received.bytes == 0 {
            return Err(self.ended());
        }
        self.decoder.space().extend_from_slice(&self.scratch[..received.bytes]);
        Ok(())
    }
}

/// Bytes that leave together, and the descriptors that go with their first one.
#[derive(Debug)]
struct Chunk {
    bytes: Bytes,
    descriptors: Vec<Arc<OwnedFd>>,
}

/// The sending direction: frames are queued, then flushed.
#[derive(Debug)]
pub(crate) struct LinkWriter {
    stream: Arc<UnixStream>,
    queue: VecDeque<Chunk>,
}

impl LinkWriter {
    /// Takes a frame and the descriptors that its header promises. Large parts are not copied.
    ///
    /// More descriptors than one message can carry go with the next bytes of the same frame, still before its end.
    pub(crate) fn queue(&mut self, frame: &Frame, descriptors: &[Arc<OwnedFd>]) {
        let mut small = BytesMut::from(frame.head());
        let mut chunks: Vec<Bytes> = Vec::new();
        for part in &frame.parts {
            if part.len() < COPY_BELOW {
                small.extend_from_slice(part);
            } else {
                if !small.is_empty() {
                    chunks.push(small.split().freeze());
                }
                chunks.push(part.clone());
            }
        }
        if !small.is_empty() {
            chunks.push(small.freeze());
        }
        let mut batches = descriptors.chunks(MAX_DESCRIPTORS).peekable();
        if let Some(first) = chunks.first_mut() {
            while let Some(batch) = batches.next() {
                let last = batches.peek().is_none();
                let bytes = if last { std::mem::take(first) } else { first.split_to(1) };
                self.queue.push_back(Chunk { bytes, descriptors: batch.to_vec() });
            }
        }
        self.queue
            .extend(chunks.into_iter().filter(|bytes| !bytes.is_empty()).map(|bytes| Chunk { bytes, descriptors: Vec::new() }));
    }

    /// Whether something waits to be sent.
    pub(crate) fn has_queued(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Number of pieces that wait to be sent.
    pub(crate) fn queued(&self) -> usize {
        self.queue.len()
    }

    /// Drops what is queued: the other side will never read it.
    pub(crate) fn forget(&mut self) {
        self.queue.clear();
    }

    /// Sends what is queued. Cancel-safe: what has been sent is no longer queued.
    pub(crate) async fn flush(&mut self) -> Result<(), LinkError> {
        while self.has_queued() {
            self.stream.writable().await?;
            match self.write_some() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset) => {
                    return Err(LinkError::Closed);
                }
                other => other?,
            }
        }
        Ok(())
    }

    fn write_some(&mut self) -> io::Result<()> {
        let (stream, queue) = (&self.stream, &self.queue);
        let mut sent = stream.try_io(Interest::WRITABLE, || {
            let Some(first) = queue.front() else { return Ok(0) };
            let more = queue.iter().skip(1).take_while(|chunk| chunk.descriptors.is_empty()).take(MAX_PIECES - 1);
            let pieces: Vec<IoSlice<'_>> = std::iter::once(first).chain(more).map(|chunk| IoSlice::new(&chunk.bytes)).collect();
            let descriptors: Vec<BorrowedFd<'_>> = first.descriptors.iter().map(|descriptor| descriptor.as_fd()).collect();
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
            let mut control = SendAncillaryBuffer::new(&mut space);
            if !descriptors.is_empty() && !control.push(SendAncillaryMessage::ScmRights(&descriptors)) {
                return Err(io::Error::other("too many descriptors for one message"));
            }
            let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
            Ok(rustix::net::sendmsg(stream.as_fd(), &pieces, &mut control, flags)?)
        })?;
        while sent > 0 {
            let Some(first) = self.queue.front_mut() else { break };
            first.descriptors.clear();
            let taken = sent.min(first.bytes.len());
            bytes::Buf::advance(&mut first.bytes, taken);
            sent -= taken;
            if first.bytes.is_empty() {
                self.queue.pop_front();
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Seek, Write};

    use super::*;

    fn both() -> ((LinkReader, LinkWriter), (LinkReader, LinkWriter)) {
        let (ours, theirs) = pair().unwrap();
        let theirs = std::os::unix::net::UnixStream::from(theirs);
        theirs.set_nonblocking(true).unwrap();
        (split(ours), split(UnixStream::from_std(theirs).unwrap()))
    }

    fn frame(parts: Vec<Bytes>) -> Frame {
        Frame { header: Bytes::from_static(b"{\"type\":\"x\"}"), parts }
    }

    #[tokio::test]
    async fn both_sides_may_send_much_at_once() {
        let ((mut reader_a, mut writer_a), (mut reader_b, mut writer_b)) = both();
        let sent = frame(vec![Bytes::from(vec![1; 20 << 20]), Bytes::from_static(b"small"), Bytes::from(vec![2; 9 << 10])]);
        writer_a.queue(&sent, &[]);
        writer_b.queue(&sent, &[]);
        let (a, b, got_a, got_b) = tokio::join!(writer_a.flush(), writer_b.flush(), reader_a.next(), reader_b.next());
        a.unwrap();
        b.unwrap();
        assert!(got_a.unwrap() == sent && got_b.unwrap() == sent);
    }

    #[tokio::test]
    async fn descriptors_stay_with_their_frames_even_when_there_are_many() {
        let ((_reader, mut writer), (mut reader, _writer)) = both();
        let files: Vec<Arc<OwnedFd>> = (0..450)
            .map(|number| {
                let mut file = tempfile::tempfile().unwrap();
                write!(file, "{number}").unwrap();
                Arc::new(file.into())
            })
            .collect();
        writer.queue(&frame(vec![]), &[]);
        writer.queue(&frame(vec![Bytes::from(vec![3; 1 << 20])]), &files[..449]);
        writer.queue(&frame(vec![]), &files[449..]);
        let send = async { writer.flush().await.unwrap() };
        let receive = async {
            for (count, first) in [(0, 0), (449, 0), (1, 449)] {
                reader.next().await.unwrap();
                for (index, descriptor) in reader.descriptors(count).unwrap().into_iter().enumerate() {
                    let mut text = String::new();
                    let mut file = std::fs::File::from(descriptor);
                    file.rewind().unwrap();
                    file.read_to_string(&mut text).unwrap();
                    assert_eq!(text, (first + index).to_string());
                }
            }
            assert!(matches!(reader.descriptors(1), Err(LinkError::Protocol(_))));
        };
        tokio::join!(send, receive);
    }

    #[tokio::test]
    async fn an_end_within_a_frame_is_told_from_one_between_frames() {
        for (bytes, half) in [(&b""[..], false), (&b"PGB1\x10\0\0\0"[..], true)] {
            let (ours, theirs) = pair().unwrap();
            let (mut reader, _writer) = split(ours);
            std::os::unix::net::UnixStream::from(theirs).write_all(bytes).unwrap();
            let error = reader.next().await.unwrap_err();
            assert_eq!(matches!(error, LinkError::HalfFrame), half, "{error}");
            assert_eq!(matches!(error, LinkError::Closed), !half, "{error}");
        }
    }
}
