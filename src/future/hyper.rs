//! What hyper 1.x asks of a runtime.
#![forbid(unsafe_code)]

use super::async_io::scratch;
use super::sleep::{Sleeping, sleep, sleep_until};
use super::{AsyncIo, FutureExt as _};
use crate::io::Stream;
use crate::thread::spawn;
use hyper::rt::{Executor, Read, ReadBufCursor, Sleep, Timer, Write};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

impl<S: Stream + Unpin> Read for AsyncIo<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        mut buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        scratch::with(buf.remaining(), |scratch| {
            let got = ready!(Self::poll_read(&mut self, context, scratch))?;
            buf.put_slice(&scratch[..got]);
            Poll::Ready(Ok(()))
        })
    }
}

impl<S: Stream + Unpin> Write for AsyncIo<S> {
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

/// hyper's executor and timer: what hyper spawns is a green thread, where it sleeps a worker's timers wake it. With
/// [`AsyncIo`], hyper's clients and servers need no other runtime.
///
/// # Examples
/// A connection with one request, of which both sides are hyper's:
/// ```no_run
/// use greenthread::future::{AsyncIo, FutureExt as _};
/// use greenthread::net::TcpStream;
/// use hyper::client::conn::http1;
///
/// let stream = TcpStream::connect("127.0.0.1:80")?;
/// let (mut sender, connection) = http1::handshake(AsyncIo::new(stream)).wait()?;
/// greenthread::spawn(move || connection.wait());
/// let request = hyper::Request::get("/").header("host", "localhost").body(String::new())?;
/// println!("{}", sender.send_request(request).wait()?.status());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct HyperRuntime;

impl<F> Executor<F> for HyperRuntime
where
    F: Future + Send + 'static,
{
    fn execute(&self, future: F) {
        spawn(move || {
            future.wait();
        });
    }
}

impl Sleep for Sleeping {}

impl Timer for HyperRuntime {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        Box::pin(sleep(duration))
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        Box::pin(sleep_until(deadline))
    }
}
