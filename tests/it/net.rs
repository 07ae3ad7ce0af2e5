//! Sockets and the scheduler together.

use crate::support::{FOR_EVER, LIMIT, Random, on_all_runtimes, until, within_limit, workers};
use greenthread::net::{Shutdown, TcpListener, TcpStream};
use greenthread::{JoinHandle, Runtime, run, sleep, spawn, timeout, yield_now};
use std::io::{ErrorKind, Read, Write};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

/// A connection: the connecting end, then the accepted one.
fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (client, listener.accept().unwrap().0)
}

fn join_all<T>(handles: impl IntoIterator<Item = JoinHandle<T>>) -> Vec<T> {
    handles.into_iter().map(|handle| handle.join().unwrap()).collect()
}

#[test]
fn five_hundred_clients_get_their_echo() {
    within_limit(|| {
        for count in [1, 2, 8] {
            let runtime = workers(count);
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap();
            let total = runtime.run(move || {
                // The backlog holds 128: beyond that the kernel drops what it has to send again later, ever later.
                let accepted = Arc::new(AtomicUsize::new(0));
                let count = Arc::clone(&accepted);
                let server = spawn(move || {
                    let mut serving = Vec::new();
                    for _ in 0..500 {
                        let (mut stream, _) = listener.accept().unwrap();
                        count.fetch_add(1, Ordering::SeqCst);
                        serving.push(spawn(move || {
                            let mut buffer = [0; 100];
                            let mut sum = 0;
                            loop {
                                match stream.read(&mut buffer).unwrap() {
                                    0 => return sum,
                                    got => {
                                        stream.write_all(&buffer[..got]).unwrap();
                                        sum += got;
                                    }
                                }
                            }
                        }));
                    }
                    join_all(serving).into_iter().sum::<usize>()
                });
                let clients: Vec<_> = (0..500u32)
                    .map(|i| {
                        let accepted = Arc::clone(&accepted);
                        spawn(move || {
                            until(|| accepted.load(Ordering::SeqCst) + 100 > i as usize);
                            let mut stream = TcpStream::connect(address).unwrap();
                            for round in 0..5u32 {
                                let text =
                                    [i.to_le_bytes(), round.to_le_bytes()].concat().repeat(8);
                                stream.write_all(&text).unwrap();
                                let mut back = vec![0; text.len()];
                                stream.read_exact(&mut back).unwrap();
                                assert_eq!(back, text);
                            }
                        })
                    })
                    .collect();
                join_all(clients);
                server.join().unwrap()
            });
            assert_eq!(total.unwrap(), 500 * 5 * 64);
        }
    });
}

#[test]
fn megabytes_to_a_slow_reader() {
    within_limit(|| {
        let (mut writer, mut reader) = pair();
        let sender = spawn(move || {
            let data: Vec<u8> = (0..8 << 20).map(|i: u32| (i % 251) as u8).collect();
            writer.write_all(&data).unwrap();
        });
        let receiver = spawn(move || {
            let (mut total, mut buffer) = (0usize, vec![0; 100_000]);
            loop {
                let got = reader.read(&mut buffer).unwrap();
                if got == 0 {
                    return total;
                }
                for (i, &byte) in buffer[..got].iter().enumerate() {
                    assert_eq!(byte, ((total + i) % 251) as u8);
                }
                total += got;
                if total % 7 == 0 { sleep(Duration::from_micros(200)) } else { yield_now() }
            }
        });
        sender.join().unwrap();
        assert_eq!(receiver.join().unwrap(), 8 << 20);
    });
}

#[test]
fn one_reads_while_another_writes() {
    within_limit(|| {
        let (a, b) = pair();
        let both: Vec<_> = [a, b]
            .into_iter()
            .map(|stream| {
                spawn(move || {
                    let stream = Arc::new(stream);
                    let writing = Arc::clone(&stream);
                    let writer = spawn(move || {
                        (&*writing).write_all(&vec![9; 3 << 20]).unwrap();
                        writing.shutdown(Shutdown::Write).unwrap();
                    });
                    let mut all = Vec::new();
                    (&*stream).read_to_end(&mut all).unwrap();
                    writer.join().unwrap();
                    all.len()
                })
            })
            .collect();
        assert_eq!(join_all(both), [3 << 20, 3 << 20]);
    });
}

/// The end of a stream is seen also when it comes together with the last data.
#[test]
fn data_and_end_together() {
    within_limit(|| {
        let runtime = workers(1);
        for size in [1usize, 10, 4096] {
            for round in 0..30 {
                let (peer, mut stream) = pair();
                let reader = runtime.spawn(move || {
                    let mut seen = Vec::new();
                    // Larger than what comes: each read comes up short.
                    let mut buffer = vec![0; 8192];
                    loop {
                        match stream.read(&mut buffer).unwrap() {
                            0 => return seen,
                            got => seen.extend_from_slice(&buffer[..got]),
                        }
                    }
                });
                if round % 2 == 0 {
                    runtime.spawn(yield_now).join().unwrap();
                }
                let mut peer = std::net::TcpStream::from(peer);
                if round % 3 == 0 {
                    peer.write_all(&vec![1; size]).unwrap();
                    runtime.spawn(yield_now).join().unwrap();
                    peer.write_all(&vec![2; size]).unwrap();
                } else {
                    peer.write_all(&vec![1; size * 2]).unwrap();
                }
                drop(peer);
                assert_eq!(reader.join().unwrap().len(), size * 2);
            }
        }
    });
}

#[test]
fn a_peer_that_resets() {
    within_limit(|| {
        let (peer, mut stream) = pair();
        let reader = spawn(move || stream.read(&mut [0; 8]).unwrap_err().kind());
        peer.set_linger(Some(Duration::ZERO)).unwrap();
        assert_eq!(peer.linger().unwrap(), Some(Duration::ZERO));
        sleep(Duration::from_millis(2));
        drop(peer);
        assert_eq!(reader.join().unwrap(), ErrorKind::ConnectionReset);

        let (peer, mut stream) = pair();
        peer.set_linger(Some(Duration::ZERO)).unwrap();
        let writer = spawn(move || {
            loop {
                if let Err(error) = stream.write(&[0; 100_000]) {
                    return error.kind();
                }
            }
        });
        sleep(Duration::from_millis(2));
        drop(peer);
        let kind = writer.join().unwrap();
        assert!(matches!(kind, ErrorKind::ConnectionReset | ErrorKind::BrokenPipe), "{kind:?}");
    });
}

#[test]
fn many_acceptors_share_a_listener() {
    within_limit(|| {
        let runtime = workers(4);
        let listener = Arc::new(TcpListener::bind("127.0.0.1:0").unwrap());
        let address = listener.local_addr().unwrap();
        let accepted = Arc::new(AtomicUsize::new(0));
        let acceptors: Vec<_> = (0..40)
            .map(|i| {
                let (listener, accepted) = (Arc::clone(&listener), Arc::clone(&accepted));
                runtime.spawn(move || {
                    let clone;
                    let listener = if i % 2 == 0 {
                        &*listener
                    } else {
                        clone = listener.try_clone().unwrap();
                        &clone
                    };
                    for _ in 0..10 {
                        drop(listener.accept().unwrap());
                        accepted.fetch_add(1, Ordering::SeqCst);
                    }
                })
            })
            .collect();
        let clients: Vec<_> = (0..400)
            .map(|i| {
                let accepted = Arc::clone(&accepted);
                runtime.spawn(move || {
                    until(|| accepted.load(Ordering::SeqCst) + 100 > i);
                    drop(TcpStream::connect(address).unwrap());
                })
            })
            .collect();
        join_all(clients);
        join_all(acceptors);
        assert_eq!(accepted.load(Ordering::SeqCst), 400);
    });
}

#[test]
fn a_socket_outlives_its_runtime() {
    within_limit(|| {
        let (mut peer, stream) = pair();
        let stream = Arc::new(stream);
        let read_one = |stream: &TcpStream| {
            let mut byte = [0];
            let mut stream = stream;
            stream.read_exact(&mut byte).unwrap();
            byte[0]
        };
        // Registers with each runtime in turn, waiting on it; then on an OS thread; then again.
        for round in 0..6u8 {
            let inside = Arc::clone(&stream);
            if round == 4 {
                let reader = std::thread::spawn(move || read_one(&inside));
                peer.write_all(&[round]).unwrap();
                assert_eq!(reader.join().unwrap(), round);
                continue;
            }
            let runtime = workers(1);
            let reader = runtime.spawn(move || read_one(&inside));
            runtime.spawn(yield_now).join().unwrap();
            peer.write_all(&[round]).unwrap();
            assert_eq!(reader.join().unwrap(), round);
        }
        let local = Runtime::new_current_thread().unwrap();
        let inside = Arc::clone(&stream);
        let value = local.run(move || {
            let reader = spawn(move || read_one(&inside));
            yield_now();
            peer.write_all(&[77]).unwrap();
            reader.join().unwrap()
        });
        assert_eq!(value.unwrap(), 77);
    });
}

/// One end waits on a runtime whose hub has the registration; that runtime ends.
#[test]
fn a_waiter_elsewhere_survives_the_end_of_the_hub_that_had_the_registration() {
    within_limit(|| {
        for _ in 0..30 {
            let (mut peer, stream) = pair();
            let stream = Arc::new(stream);
            let first = workers(1);
            let second = workers(1);
            let (inside, other) = (Arc::clone(&stream), Arc::clone(&stream));
            let killed = first.spawn(move || (&*inside).read(&mut [0; 1]).map(|_| ()));
            first.spawn(yield_now).join().unwrap();
            let reader = second.spawn(move || {
                let mut byte = [0];
                (&*other).read_exact(&mut byte).unwrap();
                byte[0]
            });
            second.spawn(yield_now).join().unwrap();
            drop(first);
            assert!(killed.join().unwrap_err().is_killed());
            peer.write_all(&[5]).unwrap();
            assert_eq!(reader.join().unwrap(), 5);
        }
    });
}

#[test]
fn used_from_two_runtimes_at_once() {
    within_limit(|| {
        let (a, b) = pair();
        let (a, b) = (Arc::new(a), Arc::new(b));
        let first = workers(2);
        let second = workers(2);
        let mut handles = Vec::new();
        for (stream, reader, writer) in [(&a, &first, &second), (&b, &second, &first)] {
            let (reading, writing) = (Arc::clone(stream), Arc::clone(stream));
            handles.push(reader.spawn(move || {
                let mut all = Vec::new();
                (&*reading).read_to_end(&mut all).unwrap();
                all.len()
            }));
            handles.push(writer.spawn(move || {
                for _ in 0..200 {
                    (&*writing).write_all(&[1; 10_000]).unwrap();
                    yield_now();
                }
                writing.shutdown(Shutdown::Write).unwrap();
                0
            }));
        }
        assert_eq!(join_all(handles).into_iter().sum::<usize>(), 2 * 2_000_000);
    });
}

/// The hub that has the registration is busy for long; an OS thread that reads the socket does not depend on it.
#[test]
fn an_os_thread_reads_while_the_hub_is_busy() {
    within_limit(|| {
        let (mut peer, stream) = pair();
        let stream = Arc::new(stream);
        let runtime = workers(1);
        let inside = Arc::clone(&stream);
        // A read that comes up short leaves the socket registered and known to be empty.
        let reader = runtime.spawn(move || (&*inside).read(&mut [0; 100]).unwrap());
        runtime.spawn(yield_now).join().unwrap();
        peer.write_all(b"abc").unwrap();
        assert_eq!(reader.join().unwrap(), 3);
        let (free, busy) = mpsc::channel::<()>();
        let hog = runtime.spawn(move || busy.recv_timeout(LIMIT).unwrap());
        let thread = std::thread::spawn(move || {
            let mut text = [0; 3];
            (&*stream).read_exact(&mut text).unwrap();
            text
        });
        peer.write_all(b"def").unwrap();
        assert_eq!(&thread.join().unwrap(), b"def");
        free.send(()).unwrap();
        hog.join().unwrap();
    });
}

/// An OS thread learns first that there is something, and leaves some of it to a green thread that waits.
#[test]
fn what_an_os_thread_leaves_wakes_who_waits() {
    within_limit(|| {
        let (mut peer, stream) = pair();
        let stream = Arc::new(stream);
        let runtime = workers(1);
        let waits = Arc::new(AtomicBool::new(false));
        let (inside, begins) = (Arc::clone(&stream), Arc::clone(&waits));
        let reader = runtime.spawn(move || {
            // Comes up short, so the socket is known to be empty.
            assert_eq!((&*inside).read(&mut [0; 100]).unwrap(), 3);
            begins.store(true, Ordering::SeqCst);
            (&*inside).read(&mut [0; 100]).unwrap()
        });
        peer.write_all(b"abc").unwrap();
        // Another one of the only worker sees that, so the reader has given the worker up.
        let until = move || until(|| waits.load(Ordering::SeqCst));
        runtime.run(until).unwrap();
        let (began, has_begun) = mpsc::channel();
        let (free, busy) = mpsc::channel::<()>();
        let hog = runtime.spawn(move || {
            began.send(()).unwrap();
            busy.recv_timeout(LIMIT).unwrap();
        });
        has_begun.recv_timeout(LIMIT).unwrap();
        let thread = std::thread::spawn(move || {
            let mut text = [0; 1];
            (&*stream).read_exact(&mut text).unwrap();
            text
        });
        peer.write_all(b"de").unwrap();
        assert_eq!(&thread.join().unwrap(), b"d");
        free.send(()).unwrap();
        hog.join().unwrap();
        assert_eq!(reader.join().unwrap(), 1);
    });
}

#[test]
fn a_reader_is_killed_with_its_runtime() {
    within_limit(|| {
        let (mut peer, stream) = pair();
        let stream = Arc::new(stream);
        let runtime = workers(2);
        let handles: Vec<_> = (0..10)
            .map(|_| {
                let stream = Arc::clone(&stream);
                runtime.spawn(move || (&*stream).read(&mut [0; 1]).map(|_| ()))
            })
            .collect();
        runtime.spawn(|| sleep(Duration::from_millis(2))).join().unwrap();
        drop(runtime);
        for handle in handles {
            assert!(handle.join().unwrap_err().is_killed());
        }
        assert_eq!(Arc::strong_count(&stream), 1);
        peer.write_all(&[3]).unwrap();
        let mut byte = [0];
        run(move || (&*stream).read_exact(&mut byte).map(|()| byte))
            .map(|byte| assert_eq!(byte, [3]))
            .unwrap();
    });
}

#[test]
fn a_chatty_connection_lets_others_run() {
    within_limit(|| {
        let runtime = workers(1);
        let stop = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&stop);
        // It writes to itself and never has to wait.
        let chatty = runtime.spawn(move || {
            let (mut a, mut b) = pair();
            let mut rounds = 0u64;
            while !seen.load(Ordering::SeqCst) {
                a.write_all(&[1; 8]).unwrap();
                b.read_exact(&mut [0; 8]).unwrap();
                rounds += 1;
            }
            rounds
        });
        runtime.spawn(|| sleep(Duration::from_millis(1))).join().unwrap();
        stop.store(true, Ordering::SeqCst);
        assert!(chatty.join().unwrap() > 0);
    });
}

#[test]
fn connecting_and_dropping_from_everywhere() {
    within_limit(|| {
        let runtime = Arc::new(workers(2));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let acceptor = runtime.spawn(move || {
            loop {
                let (stream, _) = listener.accept().unwrap();
                // Dropped by another thread than the one that waits for it.
                let stream = Arc::new(stream);
                let inside = Arc::clone(&stream);
                spawn(move || {
                    let _ = (&*inside).read(&mut [0; 4]);
                });
                drop(stream);
            }
        });
        let threads: Vec<_> = (0..4)
            .map(|at| {
                let runtime = Arc::clone(&runtime);
                std::thread::spawn(move || {
                    for i in 0..100 {
                        let stream = TcpStream::connect(address).unwrap();
                        match (i + at) % 3 {
                            0 => drop(stream),
                            1 => drop(runtime.spawn(move || drop(stream))),
                            _ => {
                                let clone = stream.try_clone().unwrap();
                                drop(runtime.spawn(move || {
                                    let _ = (&clone).write_all(b"1234");
                                }));
                                drop(stream);
                            }
                        }
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        drop(runtime);
        let acceptor: JoinHandle<()> = acceptor;
        assert!(acceptor.join().unwrap_err().is_killed());
    });
}

#[test]
fn a_timed_out_read_leaves_the_next_one_its_data() {
    within_limit(|| {
        let (mut peer, mut stream) = pair();
        let (timed_out, enough) = mpsc::channel();
        let reader = spawn(move || {
            stream.set_read_timeout(Some(Duration::from_millis(2))).unwrap();
            for _ in 0..5 {
                let error = stream.read(&mut [0; 4]).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::WouldBlock);
            }
            stream.set_read_timeout(None).unwrap();
            timed_out.send(()).unwrap();
            let mut text = [0; 4];
            stream.read_exact(&mut text).unwrap();
            text
        });
        enough.recv_timeout(LIMIT).unwrap();
        peer.write_all(b"late").unwrap();
        assert_eq!(&reader.join().unwrap(), b"late");
        drop(spawn(|| sleep(FOR_EVER)));
    });
}

#[test]
fn a_timeout_never_takes_along_what_was_read() {
    within_limit(|| {
        let body = || {
            let (mut client, mut server) = pair();
            client.write_all(&[7; 1000]).unwrap();
            let mut got = 0;
            while got < 1000 {
                // Ends at the first wait, which is where the green thread gives way after many reads.
                let read = timeout(Duration::ZERO, || server.read(&mut [0]).unwrap());
                got += read.unwrap_or(0);
            }
            drop(client);
            assert_eq!(server.read(&mut [0]).unwrap(), 0);
        };
        Runtime::new_current_thread().unwrap().run_local(body).unwrap();
    });
}

/// Connections whose reader, writer and two who end them are green threads of their own, while others come and go in the same
/// descriptors: each ends, and sees nothing of another.
#[test]
fn everybody_ends_connections_at_once() {
    within_limit(|| {
        for (count, rounds) in [(1, 1), (2, 2), (8, 4)] {
            let runtime = workers(count);
            let main = move || {
                let listener = TcpListener::bind("127.0.0.1:0").unwrap();
                let address = listener.local_addr().unwrap();
                let mut random = Random(0x9e37_79b9_7f4a_7c15);
                for _ in 0..rounds {
                    let ended: Vec<_> = (0..50)
                        .map(|number| {
                            let near = Arc::new(TcpStream::connect(address).unwrap());
                            let far = Arc::new(listener.accept().unwrap().0);
                            let mark = number as u8;
                            let mut tasks = Vec::new();
                            for end in [&near, &far] {
                                let writer = Arc::clone(end);
                                tasks.push(spawn(move || {
                                    while (&*writer).write_all(&[mark; 10_000]).is_ok() {}
                                }));
                                let reader = Arc::clone(end);
                                tasks.push(spawn(move || {
                                    let mut buffer = [0; 5000];
                                    while let Ok(got @ 1..) = (&*reader).read(&mut buffer) {
                                        assert!(buffer[..got].iter().all(|byte| *byte == mark));
                                    }
                                }));
                                let ender = end.try_clone().unwrap();
                                let (turns, how) = (random.below(8), random.below(4));
                                tasks.push(spawn(move || {
                                    (0..turns).for_each(|_| yield_now());
                                    let _ = match how {
                                        0 => ender.shutdown(Shutdown::Read),
                                        1 => ender.shutdown(Shutdown::Write),
                                        // Closing the last handle is a reset.
                                        2 => ender.set_linger(Some(Duration::ZERO)),
                                        _ => Ok(()),
                                    };
                                    (0..turns).for_each(|_| yield_now());
                                    let _ = ender.shutdown(Shutdown::Both);
                                }));
                            }
                            // One of them may be killed at any point.
                            if random.below(3) == 0 {
                                tasks[random.below(6) as usize].kill();
                            }
                            let ends = [near.try_clone().unwrap(), far.try_clone().unwrap()];
                            drop((near, far));
                            (tasks, ends)
                        })
                        .collect();
                    for (tasks, ends) in ended {
                        // Where the one was killed that was to do it.
                        ends.iter().for_each(|end| drop(end.shutdown(Shutdown::Both)));
                        for task in tasks {
                            assert!(task.join().map_or_else(|error| error.is_killed(), |()| true));
                        }
                    }
                }
            };
            runtime.run(main).unwrap();
        }
    });
}

/// Whoever closes waits, with `SO_LINGER`, until its peer has everything: a green thread alone does.
#[test]
fn closing_with_a_linger_holds_up_nobody() {
    on_all_runtimes(|| {
        let (mut own, peer) = pair();
        own.set_nonblocking(true).unwrap();
        while own.write(&[0; 65536]).is_ok() {}
        own.set_linger(Some(FOR_EVER.min(Duration::from_secs(30_000)))).unwrap();
        let (begun, begins) = greenthread::sync::mpsc::channel();
        let closing = spawn(move || {
            begun.send(()).unwrap();
            drop(own);
        });
        begins.recv().unwrap();
        for _ in 0..5 {
            sleep(Duration::from_millis(1));
        }
        assert!(!closing.is_finished());
        // A kill does not end it either, as it would be in the middle of a destructor.
        closing.kill();
        sleep(Duration::from_millis(1));
        assert!(!closing.is_finished());
        // A reset does.
        drop(peer);
        let _ = closing.join();
    });
}
