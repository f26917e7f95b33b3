//! Bodies: what comes in as a reader for a thread that may block, what goes out from a file in pieces.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http_body_util::BodyExt as _;
use hyper::body::{Body as HttpBody, Bytes, Frame, Incoming, SizeHint};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use crate::answer::Content;

/// Longest time in which nothing of a body arrives.
const STALL: Duration = Duration::from_secs(30);
/// What is read from a file at once, and how many of these may wait for the peer.
const PIECE: u64 = 256 << 10;
const WAITING: usize = 2;

/// The body of a request.
pub(crate) struct Arriving {
    body: Incoming,
    runtime: Handle,
    rest: Bytes,
}

impl Arriving {
    pub(crate) const fn new(body: Incoming, runtime: Handle) -> Self {
        Self { body, runtime, rest: Bytes::new() }
    }

    /// Waits for the next bytes; `None` at the end.
    fn next(&mut self) -> io::Result<Option<Bytes>> {
        loop {
            let frame = self.runtime.block_on(tokio::time::timeout(STALL, self.body.frame()));
            match frame.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))? {
                None => return Ok(None),
                Some(Err(e)) => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, e)),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) if !data.is_empty() => return Ok(Some(data)),
                    // An empty piece, or trailers, which mean nothing here.
                    _ => {}
                },
            }
        }
    }
}

impl Read for Arriving {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if buf.is_empty() {
            return Ok(0);
        }
        if self.rest.is_empty() {
            match self.next()? {
                Some(data) => self.rest = data,
                None => return Ok(0),
            }
        }
        let piece = self.rest.split_to(self.rest.len().min(buf.len()));
        let n = piece.len();
        if let Some(room) = buf.get_mut(..n) {
            room.copy_from_slice(&piece);
        }
        Ok(n)
    }
}

/// The body of an answer.
pub(crate) enum Leaving {
    Bytes(Option<Bytes>),
    File(mpsc::Receiver<io::Result<Bytes>>, u64),
}

impl Leaving {
    /// Begins to read if it is a file. To be called on the runtime.
    pub(crate) fn new(content: Content) -> Self {
        match content {
            Content::Bytes(bytes) => Self::Bytes(Some(Bytes::from(bytes)).filter(|b| !b.is_empty())),
            Content::File(_, _, 0) => Self::Bytes(None),
            Content::File(file, offset, len) => {
                let (sender, receiver) = mpsc::channel(WAITING);
                tokio::task::spawn_blocking(move || pieces(&file, offset, len, &sender));
                Self::File(receiver, len)
            }
        }
    }

    /// Nothing, whatever its headers say it would be: the answer to HEAD.
    pub(crate) const fn none() -> Self {
        Self::Bytes(None)
    }
}

/// Reads a file until all is read or nobody wants it any longer.
fn pieces(file: &File, offset: u64, len: u64, to: &mpsc::Sender<io::Result<Bytes>>) {
    let mut done = 0;
    while done < len {
        let mut piece = vec![0; usize::try_from(PIECE.min(len - done)).unwrap_or(0)];
        let read = file.read_exact_at(&mut piece, offset + done);
        done += piece.len() as u64;
        let failed = read.is_err();
        if to.blocking_send(read.map(|()| Bytes::from(piece))).is_err() || failed {
            return;
        }
    }
}

impl HttpBody for Leaving {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        match self.get_mut() {
            Self::Bytes(bytes) => Poll::Ready(bytes.take().map(|b| Ok(Frame::data(b)))),
            Self::File(pieces, left) => match ready!(pieces.poll_recv(cx)) {
                Some(Ok(piece)) => {
                    *left = left.saturating_sub(piece.len() as u64);
                    Poll::Ready(Some(Ok(Frame::data(piece))))
                }
                Some(Err(e)) => Poll::Ready(Some(Err(e))),
                None => Poll::Ready(None),
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Bytes(None) | Self::File(_, 0))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(match self {
            Self::Bytes(bytes) => bytes.as_ref().map_or(0, |b| b.len() as u64),
            Self::File(_, left) => *left,
        })
    }
}
