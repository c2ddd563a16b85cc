//! The body of a part: a range of the source, read while it is sent.

use std::io::{self, Read};
use std::sync::Arc;

use ossup_core::digest::{ContentDigest, Hasher};
use ossup_core::upload::{PartTicket, SourceError};
use ossup_fs::RangeReader;

use crate::exchange::Exchange;
use crate::line::Caller as _;
use crate::wire::Wire;

/// The body of a part. It is read straight into the buffer that is written to the socket.
#[derive(Debug)]
pub(crate) struct PartBody {
    reader: RangeReader,
    len: u64,
    /// How many bytes are still to be given, whether they are read or not.
    left: u64,
    digest: Digest,
    failure: Option<SourceError>,
    exchange: Arc<Exchange<PartTicket>>,
    wire: Arc<Wire>,
}

/// Where the digest of a part comes from.
#[derive(Debug)]
pub(crate) enum Digest {
    /// It was computed before, because the headers needed it.
    Known(ContentDigest),
    /// It is computed as the bytes go by.
    Computed(Box<Hasher>),
}

/// What a body has given.
#[derive(Debug)]
pub(crate) struct Given {
    /// Whether all of it was read for this request.
    pub(crate) whole: bool,
    /// The digest of the range, where it was read to its end.
    pub(crate) digest: Option<ContentDigest>,
}

impl PartBody {
    pub(crate) fn new(
        reader: RangeReader,
        digest: Digest,
        exchange: Arc<Exchange<PartTicket>>,
        wire: Arc<Wire>,
    ) -> Self {
        let len = reader.remaining();
        Self { reader, len, left: len, digest, failure: None, exchange, wire }
    }

    /// What was given, or why the source could not be read.
    pub(crate) fn finish(self) -> Result<Given, SourceError> {
        if let Some(failure) = self.failure {
            return Err(failure);
        }
        let whole = self.reader.remaining() == 0;
        let digest = match self.digest {
            Digest::Known(digest) => Some(digest),
            Digest::Computed(hasher) => whole.then(|| hasher.finish()),
        };
        Ok(Given { whole, digest })
    }
}

impl Read for PartBody {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.exchange.is_stopped() {
            return Err(io::Error::other("ended on request"));
        }
        // What was given before has been written by now.
        self.exchange.has_sent(self.len - self.left);
        let read = if self.wire.is_broken() {
            // ureq goes on to the answer only behind the whole body, which nobody takes any more: it need not be read.
            usize::try_from(self.left).map_or(buffer.len(), |left| left.min(buffer.len()))
        } else {
            let read = self.reader.read_piece(buffer).map_err(|failure| {
                self.failure = Some(failure.clone());
                io::Error::other(failure)
            })?;
            if let Digest::Computed(hasher) = &mut self.digest {
                hasher.update(buffer.get(..read).unwrap_or_default());
            }
            read
        };
        self.left -= read as u64;
        Ok(read)
    }
}
