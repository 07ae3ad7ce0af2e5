//! Connections polled by hand.

use super::sync::{Counted, counted};
use crate::support::{everywhere, until};
use greenthread::future::{AsyncIo, FutureExt};
use greenthread::net::{TcpListener, TcpStream};
use greenthread::os::unix::net::UnixStream;
use greenthread::sleep;
use std::future::poll_fn;
use std::io::{ErrorKind, Read, Write};
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

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
        let (written, _) = fill(&mut here, &writes, &writer);
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

fn count(woken: &Counted) -> usize {
    woken.0.load(Ordering::SeqCst)
}

/// Writes until there is no room, and not only until it is somebody else's turn. Returns how much has been written, and how often it had been woken then.
fn fill(here: &mut AsyncIo<UnixStream>, woken: &Counted, waker: &Waker) -> (usize, usize) {
    let mut written = 0;
    loop {
        let before = count(woken);
        match here.poll_write(&mut Context::from_waker(waker), &[7; 4096]) {
            Poll::Ready(count) => written += count.unwrap(),
            Poll::Pending if count(woken) == before => return (written, before),
            Poll::Pending => {}
        }
    }
}

/// Writes a byte, whenever it has been woken since it was `seen`.
fn write_one(here: &mut AsyncIo<UnixStream>, woken: &Counted, mut seen: usize, waker: &Waker) {
    loop {
        until(|| count(woken) > seen);
        seen = count(woken);
        if here.poll_write(&mut Context::from_waker(waker), &[7]).is_ready() {
            return;
        }
    }
}

/// The next look at a full socket is called off when a write has ended by a sign. Whether it was; `None` if it may have come before.
fn looks_no_more_after_a_sign() -> Option<bool> {
    let (here, mut there) = UnixStream::pair().unwrap();
    let mut here = AsyncIo::new(here);
    let (woken, waker) = counted();
    let (written, mut seen) = fill(&mut here, &woken, &waker);
    // The time until the next look becomes longer from one to the next: it is 64 ms in the end.
    let mut begin = Instant::now();
    for _ in 0..6 {
        until(|| count(&woken) > seen);
        seen = count(&woken);
        begin = Instant::now();
        assert!(here.poll_write(&mut Context::from_waker(&waker), &[7]).is_pending());
    }
    there.read_exact(&mut vec![0; written]).unwrap();
    write_one(&mut here, &woken, seen, &waker);
    let (signs, took) = (count(&woken), begin.elapsed());
    sleep(Duration::from_millis(150));
    (took < Duration::from_millis(60)).then(|| count(&woken) == signs)
}

/// The sign is not waited for any more when a write has ended without one.
fn waits_no_more_after_a_look() -> Option<bool> {
    let (here, mut there) = UnixStream::pair().unwrap();
    let mut here = AsyncIo::new(here);
    let (woken, waker) = counted();
    let (written, seen) = fill(&mut here, &woken, &waker);
    // There is some room now, but not so much that the system says so.
    let few = written / 8;
    there.read_exact(&mut vec![0; few]).unwrap();
    write_one(&mut here, &woken, seen, &waker);
    let looks = count(&woken);
    there.read_exact(&mut vec![0; written - few]).unwrap();
    sleep(Duration::from_millis(50));
    Some(count(&woken) == looks)
}

/// A look or a sign may be on its way when the write ends; so it is seen a few times.
#[test]
fn what_has_been_written_wakes_nobody_later() {
    everywhere(|| {
        for trial in [looks_no_more_after_a_sign, waits_no_more_after_a_look] {
            let mut failed = 0;
            for _ in 0..8 {
                match trial() {
                    Some(true) => break,
                    Some(false) => failed += 1,
                    None => {}
                }
                assert!(failed < 3, "somebody is woken after the write");
            }
        }
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
