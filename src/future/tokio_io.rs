//! tokio's traits.
#![forbid(unsafe_code)]

use super::AsyncIo;
use super::scratch;
use crate::io::Stream;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

impl<S: Stream + Unpin> AsyncRead for AsyncIo<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if buf.initialized().len() == buf.capacity() {
            let got = ready!(Self::poll_read(&mut self, context, buf.initialize_unfilled()))?;
            buf.advance(got);
            return Poll::Ready(Ok(()));
        }
        scratch::with(buf.remaining(), |scratch| {
            let got = ready!(Self::poll_read(&mut self, context, scratch))?;
            buf.put_slice(&scratch[..got]);
            Poll::Ready(Ok(()))
        })
    }
}

impl<S: Stream + Unpin> AsyncWrite for AsyncIo<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Self::poll_write(&mut self, context, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Self::poll_write_vectored(&mut self, context, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.shutdown())
    }
}
