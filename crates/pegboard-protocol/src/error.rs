//! What can be wrong with bytes from the other side.

/// Bytes that are not the protocol. All of them end the worker: a channel that lied once is not trusted again.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The frame does not begin with the magic number.
    #[error("no frame begins here: found {found:#010x}")]
    NotAFrame {
        /// What stood there.
        found: u32,
    },
    /// A length is over its limit.
    #[error("frame {what} of {size} is over the limit of {limit}")]
    TooLarge {
        /// Which length.
        what: &'static str,
        /// What it said.
        size: u64,
        /// What is allowed.
        limit: u64,
    },
    /// The header is not one of the messages.
    #[error("unreadable message: {0}")]
    Header(#[from] serde_json::Error),
    /// A part is cut short or has an unknown tag.
    #[error("malformed part {index}: {reason}")]
    Part {
        /// Position in the frame.
        index: usize,
        /// What is wrong.
        reason: &'static str,
    },
    /// The message claims descriptors that did not arrive.
    #[error("message promises {promised} descriptors, {arrived} arrived")]
    Descriptors {
        /// In the header.
        promised: usize,
        /// On the socket.
        arrived: usize,
    },
    /// The other side speaks another major version.
    #[error("protocol version {theirs} does not fit ours, {ours}")]
    Version {
        /// What it says.
        theirs: String,
        /// What we speak.
        ours: String,
    },
}
