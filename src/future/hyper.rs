//! What hyper 1.x asks of a runtime.
#![forbid(unsafe_code)]

use super::block_on::PolledInContext;
use super::scratch;
use super::sleep::{Sleeping, sleep, sleep_until};
use super::{AsyncIo, spawn};
use crate::io::Stream;
use hyper::rt::{Executor, Read, ReadBufCursor, Sleep, Timer, Write};
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
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

/// hyper's executor and timer: what hyper spawns with it runs on green threads, and its sleeps end by the timers of a worker.
/// Together with [`AsyncIo`], hyper's clients and servers need no other runtime: its `http1::handshake` takes
/// `AsyncIo::new(stream)`, and a green thread [waits](crate::future::FutureExt::wait) for the connection that this returns.
///
/// Connections are best [spawned](spawn()), as hyper's own tasks are by this executor: then they need no stack between two requests, and a
/// request takes less processor time than with hyper on tokio with 64 connections, and with 1000 as much as a bare loop around `epoll`
/// takes, which is between a tenth less and a tenth more than tokio's, depending on how the load comes (`cargo bench -p
/// greenthread-benches --bench future`). Services may call blocking functions of this library all the same. A green thread that waits for its
/// connection has a stack of its own to be polled on; of a thousand busy ones the stacks do not fit the processor's caches together, and
/// a request takes up to a third more.
///
/// # Examples
/// ```
/// use greenthread::future::{FutureExt as _, HyperRuntime};
/// use hyper::rt::{Executor, Timer};
/// use std::time::Duration;
///
/// let (sender, receiver) = greenthread::sync::mpsc::channel();
/// HyperRuntime.execute(async move {
///     HyperRuntime.sleep(Duration::from_millis(1)).await;
///     sender.send("slept").unwrap();
/// });
/// assert_eq!(receiver.recv(), Ok("slept"));
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct HyperRuntime;

impl<F> Executor<F> for HyperRuntime
where
    F: Future + Send + 'static,
{
    fn execute(&self, future: F) {
        spawn(async {
            let mut polled = PolledInContext(pin!(Some(future)));
            drop(poll_fn(|context| polled.poll(context)).await);
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
