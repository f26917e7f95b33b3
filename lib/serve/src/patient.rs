//! A connection whose peer must take what is sent within a time: one that reads nothing must not hold a file,
//! a thread and a place among the connections for ever.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// Longest time in which a peer takes nothing at all.
const STALL: Duration = Duration::from_secs(60);

/// Ends writing with an error when nothing moves. Reading is bounded where requests are read.
pub(crate) struct Patient<S> {
    stream: S,
    end: Pin<Box<Sleep>>,
    waiting: bool,
}

impl<S> Patient<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { stream, end: Box::pin(tokio::time::sleep(STALL)), waiting: false }
    }

    fn bound<T>(&mut self, cx: &mut Context<'_>, state: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if state.is_ready() {
            self.waiting = false;
            return state;
        }
        if !self.waiting {
            self.waiting = true;
            self.end.as_mut().reset(Instant::now() + STALL);
        }
        match self.end.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let state = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.bound(cx, state)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let state = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.bound(cx, state)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let state = Pin::new(&mut self.stream).poll_flush(cx);
        self.bound(cx, state)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let state = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.bound(cx, state)
    }
}
