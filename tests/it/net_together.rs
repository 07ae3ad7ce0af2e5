//! Sends of several green threads at once. With the feature `io-uring` they go to the system together; what can be seen of
//! them is the same with and without it.

use crate::support::{FOR_EVER, on_all_runtimes, within_limit};
use greenthread::net::{Shutdown, TcpListener, TcpStream};
use greenthread::os::unix::net::UnixStream;
use greenthread::sync::Event;
use greenthread::thread::{Builder, spawn_local};
use greenthread::{Runtime, sleep, spawn, timeout, yield_now};
use std::cell::Cell;
use std::io::{ErrorKind, Read, Write};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (client, listener.accept().unwrap().0)
}

/// Runs `test` on a current-thread runtime with neighbours that are always ready: so every send has company.
fn in_company(test: impl FnOnce() + Send + 'static) {
    within_limit(|| {
        let body = || {
            let over = Rc::new(Cell::new(false));
            for _ in 0..3 {
                let over = Rc::clone(&over);
                spawn_local(move || {
                    while !over.get() {
                        yield_now();
                    }
                });
            }
            yield_now();
            test();
            over.set(true);
        };
        Runtime::new_current_thread().unwrap().run_local(body).unwrap();
    });
}

fn pattern(writer: u32, at: u32) -> [u8; 8] {
    (u64::from(writer) << 32 | u64::from(at)).to_ne_bytes()
}

#[test]
fn many_writers_and_slow_readers_lose_nothing() {
    on_all_runtimes(|| {
        let reading: Vec<_> = (0..20u32)
            .map(|writer| {
                let (mut out, mut inside) = UnixStream::pair().unwrap();
                // More than a socket has room for: most writers have to wait in between.
                spawn(move || {
                    for at in 0..300 {
                        out.write_all(&pattern(writer, at).repeat(200)).unwrap();
                    }
                });
                spawn(move || {
                    let mut piece = [0; 1600];
                    for at in 0..300 {
                        inside.read_exact(&mut piece).unwrap();
                        assert!(piece == *pattern(writer, at).repeat(200), "{writer} {at}");
                    }
                    assert_eq!(inside.read(&mut piece).unwrap(), 0);
                })
            })
            .collect();
        reading.into_iter().for_each(|reader| reader.join().unwrap());
    });
}

#[test]
fn more_writers_than_are_sent_for_together() {
    const WRITERS: u32 = 1100;
    in_company(|| {
        let (outs, ins): (Vec<_>, Vec<_>) = (0..10).map(|_| UnixStream::pair().unwrap()).unzip();
        let outs: Vec<_> = outs.into_iter().map(Arc::new).collect();
        let writing: Vec<_> = (0..WRITERS)
            .map(|at| {
                let out = Arc::clone(&outs[at as usize % outs.len()]);
                spawn(move || {
                    yield_now();
                    assert_eq!((&*out).write(&pattern(at, 0)).unwrap(), 8);
                })
            })
            .collect();
        writing.into_iter().for_each(|writer| writer.join().unwrap());
        drop(outs);
        let mut all = Vec::new();
        for mut inside in ins {
            inside.read_to_end(&mut all).unwrap();
        }
        let mut got: Vec<_> = all.chunks(8).map(|piece| piece.to_vec()).collect();
        let mut expected: Vec<_> = (0..WRITERS).map(|at| pattern(at, 0).to_vec()).collect();
        got.sort();
        expected.sort();
        assert!(got == expected, "{} of {WRITERS} have come", got.len());
    });
}

#[test]
fn an_error_is_that_of_its_own_writer() {
    in_company(|| {
        let writing: Vec<_> = (0..12)
            .map(|at| {
                let (mut out, inside) = UnixStream::pair().unwrap();
                spawn(move || {
                    let mut inside = (at % 3 != 0).then_some(inside);
                    yield_now();
                    match out.write(b"abc") {
                        Ok(3) => inside.as_mut().unwrap().read_exact(&mut [0; 3]).unwrap(),
                        other => {
                            assert!(inside.is_none());
                            assert_eq!(other.unwrap_err().kind(), ErrorKind::BrokenPipe);
                        }
                    }
                })
            })
            .collect();
        writing.into_iter().for_each(|writer| writer.join().unwrap());
    });
}

#[test]
fn a_write_that_a_kill_overtakes_has_happened() {
    in_company(|| {
        let (mut client, mut stream) = pair();
        let (about, written) = (Rc::new(Cell::new(false)), Rc::new(Cell::new(false)));
        let (is_about, is_written) = (Rc::clone(&about), Rc::clone(&written));
        let writer = spawn_local(move || {
            yield_now();
            is_about.set(true);
            stream.write_all(b"all of it").unwrap();
            is_written.set(true);
            sleep(FOR_EVER);
        });
        while !about.get() {
            yield_now();
        }
        writer.kill();
        assert!(writer.join().unwrap_err().is_killed());
        assert!(written.get());
        let mut got = String::new();
        client.read_to_string(&mut got).unwrap();
        assert_eq!(got, "all of it");
    });
}

#[test]
fn a_write_that_a_timeout_overtakes_has_happened() {
    in_company(|| {
        let (mut client, mut stream) = pair();
        let mut written = false;
        let result = timeout(Duration::from_millis(1), || {
            std::thread::sleep(Duration::from_millis(3));
            stream.write_all(b"all of it").unwrap();
            written = true;
            sleep(FOR_EVER);
        });
        assert!(result.is_err() && written);
        drop(stream);
        let mut got = String::new();
        client.read_to_string(&mut got).unwrap();
        assert_eq!(got, "all of it");
    });
}

#[test]
fn a_full_socket_says_so() {
    in_company(|| {
        let (mut client, mut stream) = pair();
        stream.set_nonblocking(true).unwrap();
        let mut sent = 0;
        let error = loop {
            match stream.write(&[7; 1000]) {
                Ok(some) => sent += some,
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
        stream.set_nonblocking(false).unwrap();
        stream.set_write_timeout(Some(Duration::from_millis(2))).unwrap();
        let error = loop {
            match stream.write(&[7; 1000]) {
                Ok(some) => sent += some,
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
        stream.shutdown(Shutdown::Write).unwrap();
        assert_eq!(stream.write(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);
        let mut got = Vec::new();
        client.read_to_end(&mut got).unwrap();
        assert_eq!(got.len(), sent);
    });
}

#[test]
fn what_is_under_way_as_main_ends_is_sent() {
    within_limit(|| {
        for longer in 0..70 {
            let (client, mut stream) = pair();
            let runtime = Runtime::new_current_thread().unwrap();
            let body = move || {
                let (woken, about) = (Rc::new(Cell::new(false)), Rc::new(Cell::new(false)));
                let (is_woken, is_about) = (Rc::clone(&woken), Rc::clone(&about));
                // A daemon: nobody waits for its end.
                let writer = move || {
                    while !is_woken.get() {
                        yield_now();
                    }
                    is_about.set(true);
                    stream.write_all(b"x").unwrap();
                    sleep(FOR_EVER);
                };
                Builder::new().daemon(true).spawn_local(writer).unwrap();
                // The writer is before it in the queue from here on.
                sleep(Duration::from_micros(10));
                (0..longer).for_each(|_| yield_now());
                woken.set(true);
                while !about.get() {
                    yield_now();
                }
            };
            runtime.run_local(body).unwrap();
            client.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            assert_eq!((&client).read(&mut [0; 2]).unwrap(), 1);
        }
    });
}

#[test]
fn a_destructor_that_writes_while_it_unwinds() {
    in_company(|| {
        struct Says(TcpStream);
        impl Drop for Says {
            fn drop(&mut self) {
                self.0.write_all(b"bye").unwrap();
            }
        }
        let (mut client, stream) = pair();
        let says = Says(stream);
        let ended = spawn(move || {
            let _says = says;
            yield_now();
            sleep(FOR_EVER);
        });
        yield_now();
        yield_now();
        ended.kill();
        let mut got = String::new();
        client.read_to_string(&mut got).unwrap();
        assert_eq!(got, "bye");
    });
}

#[test]
fn a_write_does_not_wait_until_all_that_are_ready_have_run() {
    const BUSY: usize = 40;
    within_limit(|| {
        let body = || {
            let (mut out, inside) = UnixStream::pair().unwrap();
            inside.set_nonblocking(true).unwrap();
            let (start, came, before) = (Event::new(), Cell::new(false), Cell::new(0));
            let (start, inside) = (Rc::new(start), Rc::new(inside));
            let seen = Rc::new((came, before));
            let busy: Vec<_> = (0..BUSY)
                .map(|_| {
                    let (start, inside, seen) =
                        (Rc::clone(&start), Rc::clone(&inside), Rc::clone(&seen));
                    spawn_local(move || {
                        start.wait();
                        let until = Instant::now() + Duration::from_millis(4);
                        while Instant::now() < until {
                            std::hint::spin_loop();
                        }
                        let (came, before) = &*seen;
                        if !came.get() {
                            came.set((&*inside).read(&mut [0; 1]).is_ok());
                        }
                        before.set(before.get() + usize::from(!came.get()));
                    })
                })
                .collect();
            yield_now();
            start.set();
            assert_eq!(out.write(b"x").unwrap(), 1);
            busy.into_iter().for_each(|busy| busy.join().unwrap());
            let before = seen.1.get();
            assert!(before <= BUSY / 2, "{before} of {BUSY} ran before it was sent");
        };
        Runtime::new_current_thread().unwrap().run_local(body).unwrap();
    });
}
