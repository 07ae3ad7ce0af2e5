//! Connections polled by hand.

use super::sync::counted;
use crate::support::{everywhere, until};
use greenthread::future::{AsyncIo, FutureExt};
use greenthread::net::{TcpListener, TcpStream};
use greenthread::os::unix::net::UnixStream;
use std::future::poll_fn;
use std::io::{ErrorKind, Read, Write};
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

/// What is ready always would keep the others of its executor waiting.
#[test]
fn whoever_reads_on_and_on_lets_others_run_and_is_woken_for_it() {
    everywhere(|| {
        let (here, mut there) = UnixStream::pair().unwrap();
        there.write_all(&[7; 1000]).unwrap();
        let mut here = AsyncIo::new(here);
        let (woken, waker) = counted();
        let mut context = Context::from_waker(&waker);
        let (mut bytes, mut turns) = (0, 0);
        while bytes < 1000 {
            match here.poll_read(&mut context, &mut [0]) {
                Poll::Ready(read) => bytes += read.unwrap(),
                Poll::Pending => {
                    turns += 1;
                    until(|| woken.0.load(Ordering::SeqCst) >= turns);
                }
            }
        }
        assert!(turns >= 5, "in a thousand reads it let others run {turns} times");
    });
}

/// As the two halves do that tokio and futures split a connection into.
#[test]
fn one_may_read_while_another_writes_and_each_is_woken() {
    everywhere(|| {
        let (here, mut there) = UnixStream::pair().unwrap();
        let mut here = AsyncIo::new(here);
        let ((reads, reader), (writes, writer)) = (counted(), counted());
        let mut written = 0;
        // Until it waits for room, and not only for its turn.
        loop {
            let before = writes.0.load(Ordering::SeqCst);
            match here.poll_write(&mut Context::from_waker(&writer), &[7; 4096]) {
                Poll::Ready(count) => written += count.unwrap(),
                Poll::Pending if writes.0.load(Ordering::SeqCst) == before => break,
                Poll::Pending => {}
            }
        }
        assert!(here.poll_read(&mut Context::from_waker(&reader), &mut [0]).is_pending());
        there.write_all(b"x").unwrap();
        until(|| reads.0.load(Ordering::SeqCst) > 0);
        let mut got = [0];
        assert_eq!(poll_fn(|context| here.poll_read(context, &mut got)).wait().unwrap(), 1);
        assert_eq!(got, *b"x");
        let before = writes.0.load(Ordering::SeqCst);
        there.read_exact(&mut vec![0; written]).unwrap();
        until(|| writes.0.load(Ordering::SeqCst) > before);
        assert_eq!(poll_fn(|context| here.poll_write(context, b"y")).wait().unwrap(), 1);
        there.read_exact(&mut got).unwrap();
        assert_eq!(got, *b"y");
    });
}

/// Nothing is left to be shut down there.
#[test]
fn shutting_down_what_the_other_end_has_reset_is_no_error() {
    everywhere(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let there = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let mut here = AsyncIo::new(listener.accept().unwrap().0);
        there.set_linger(Some(Duration::ZERO)).unwrap();
        drop(there);
        let reset = poll_fn(|context| here.poll_read(context, &mut [0])).wait().unwrap_err();
        assert_eq!(reset.kind(), ErrorKind::ConnectionReset);
        here.shutdown().unwrap();
    });
}
