//! Programs that do what nobody should, or all at once: each ends, and ends right.

use crate::children::in_child;
use crate::{join_all, on, until_waits_exceed, waits};
use greenthread::sync::Event;
use greenthread::{JoinHandle, spawn};
use std::backtrace::Backtrace;
use std::cell::RefCell;
use std::io::{IoSlice, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd};
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Barrier, Condvar, Mutex, OnceLock, RwLock};
use std::time::Duration;

fn nap(micros: u64) {
    std::thread::sleep(Duration::from_micros(micros));
}

#[test]
fn the_same_descriptor_is_polled_many_times_beside_closed_and_negative_ones() {
    for workers in [1, 2] {
        on(workers, || {
            let (a, mut peer) = UnixStream::pair().unwrap();
            let fd = a.as_raw_fd();
            let before = waits("poll");
            let waiter = spawn(move || {
                let one = |fd, events| libc::pollfd { fd, events, revents: 0 };
                let mut all = [one(fd, libc::POLLIN); 40];
                all[7].fd = -1;
                all[8] = one(-5, libc::POLLOUT);
                all[9].events = libc::POLLPRI;
                all[10].events = 0;
                // SAFETY: forty entries.
                let ready = unsafe { libc::poll(all.as_mut_ptr(), 40, -1) };
                (ready, all.iter().filter(|one| one.revents == libc::POLLIN).count())
            });
            until_waits_exceed("poll", before);
            peer.write_all(b"x").unwrap();
            assert_eq!(waiter.join().unwrap(), (36, 36));
            // A number that is not open is told at once.
            let mut closed = libc::pollfd { fd: 1_000_000, events: libc::POLLIN, revents: 0 };
            // SAFETY: one entry.
            assert_eq!(unsafe { libc::poll(&mut closed, 1, -1) }, 1);
            assert_eq!(closed.revents, libc::POLLNVAL);
            drop(a);
        });
    }
}

#[test]
fn select_takes_sets_beyond_the_size_that_the_c_library_knows() {
    on(1, || {
        let (a, mut peer) = UnixStream::pair().unwrap();
        let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: a place for the limits.
        unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) };
        if limit.rlim_max < 2001 {
            eprintln!("not tested: this system gives no 2001 descriptors");
            return;
        }
        limit.rlim_cur = limit.rlim_cur.max(2001);
        // SAFETY: valid limits; then a copy of the descriptor with a number that is free.
        let high = unsafe {
            libc::setrlimit(libc::RLIMIT_NOFILE, &limit);
            libc::fcntl(a.as_raw_fd(), libc::F_DUPFD_CLOEXEC, 2000)
        };
        assert!(high >= 2000);
        let before = waits("select");
        let waiter = spawn(move || {
            let mut set = [0u64; 64];
            let bit = (high as usize / 64, 1 << (high % 64));
            set[bit.0] |= bit.1;
            // SAFETY: the set has room for 4096 numbers.
            let ready = unsafe {
                let none = std::ptr::null_mut();
                libc::select(high + 1, set.as_mut_ptr().cast(), none, none, none.cast())
            };
            (ready, set[bit.0] & bit.1 != 0, set.iter().map(|word| word.count_ones()).sum::<u32>())
        });
        until_waits_exceed("select", before);
        peer.write_all(b"x").unwrap();
        assert_eq!(waiter.join().unwrap(), (1, true, 1));
        // A small set with a number far beyond it, as old programs pass, and one that is none.
        // SAFETY: the process has far fewer descriptors than the set has room for, but for the one above, which is closed.
        unsafe {
            libc::close(high);
            let mut set: libc::fd_set = std::mem::zeroed();
            let mut time = libc::timeval { tv_sec: 0, tv_usec: 1000 };
            let none = std::ptr::null_mut();
            assert_eq!(libc::select(1024, &mut set, none, none, &mut time), 0);
            assert_eq!(libc::select(-1, &mut set, none, none, none.cast()), -1);
        }
        assert_eq!(std::io::Error::last_os_error().raw_os_error(), Some(libc::EINVAL));
    });
}

#[test]
fn as_many_pieces_as_the_kernel_takes_are_read_and_written() {
    for workers in [1, 2] {
        on(workers, || {
            let (a, b) = UnixStream::pair().unwrap();
            let data: Vec<u8> = (0..1_000_000u32).map(|i| (i % 241) as u8).collect();
            let sent = data.clone();
            let writer = spawn(move || {
                let pieces: Vec<_> = sent.chunks(977).map(IoSlice::new).collect();
                assert!(pieces.len() > 1000 && pieces.len() <= 1024);
                let written = (&a).write_vectored(&pieces).unwrap();
                assert_eq!(written, sent.len());
                let empty = [IoSlice::new(&[]); 3];
                assert_eq!((&a).write_vectored(&empty).unwrap(), 0);
                let null = libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 };
                // SAFETY: one piece of nothing; and more than there may be, of nothing too.
                unsafe {
                    assert_eq!(libc::writev(a.as_raw_fd(), &null, 1), 0);
                    let many = vec![null; 1025];
                    assert_eq!(libc::writev(a.as_raw_fd(), many.as_ptr(), 1025), -1);
                    assert_eq!(std::io::Error::last_os_error().raw_os_error(), Some(libc::EINVAL));
                    assert_eq!(libc::readv(a.as_raw_fd(), &null, -1), -1);
                    // The same on a pipe.
                    let (pipe, pipe_end) = std::io::pipe().unwrap();
                    assert_eq!(libc::writev(pipe_end.as_raw_fd(), &null, 1), 0);
                    assert_eq!(libc::write(pipe_end.as_raw_fd(), std::ptr::null(), 0), 0);
                    assert_eq!(libc::writev(pipe_end.as_raw_fd(), many.as_ptr(), 1025), -1);
                    assert_eq!(std::io::Error::last_os_error().raw_os_error(), Some(libc::EINVAL));
                    assert_eq!(libc::readv(pipe.as_raw_fd(), many.as_ptr(), 1025), -1);
                }
            });
            let mut got = Vec::new();
            (&b).read_to_end(&mut got).unwrap();
            writer.join().unwrap();
            assert!(got == data);
        });
    }
}

#[test]
fn numbers_that_are_closed_and_replaced_all_the_time_carry_what_they_are_given() {
    for workers in [1, 2] {
        on(workers, || {
            let storms: Vec<_> = (0..8u8)
                .map(|own| {
                    spawn(move || {
                        for turn in 0..60u8 {
                            let (mut a, b) = UnixStream::pair().unwrap();
                            let fd = b.into_raw_fd();
                            let reader = spawn(move || {
                                let mut byte = [0u8; 1];
                                // SAFETY: room for one byte. Others replace what the number means.
                                unsafe { libc::read(fd, byte.as_mut_ptr().cast(), 1) };
                                byte[0]
                            });
                            nap(u64::from(turn % 3) * 100);
                            let (mut c, d) = UnixStream::pair().unwrap();
                            // SAFETY: both are open, and this storm's own.
                            assert_eq!(unsafe { libc::dup2(d.as_raw_fd(), fd) }, fd);
                            // Who still waited for the old one is gone, or reads from the new one.
                            let _ = a.write_all(&[99]);
                            c.write_all(&[own, own]).unwrap();
                            let got = reader.join().unwrap();
                            assert!(got == own || got == 0, "{got} is of another one");
                            // SAFETY: the number is ours.
                            let mut last = unsafe { UnixStream::from_raw_fd(fd) };
                            drop(d);
                            drop(c);
                            let mut rest = Vec::new();
                            last.read_to_end(&mut rest).unwrap();
                            assert!(rest.iter().all(|byte| *byte == own));
                        }
                    })
                })
                .collect();
            join_all(storms);
        });
    }
}

thread_local! {
    static TALKS_AT_ITS_END: RefCell<Option<Talker>> = const { RefCell::new(None) };
}

/// Sleeps and talks to itself when it is dropped.
struct Talker(Arc<AtomicU32>);

impl Drop for Talker {
    fn drop(&mut self) {
        nap(300);
        let (mut a, mut b) = UnixStream::pair().unwrap();
        let mut byte = [0];
        a.write_all(b"x").unwrap();
        b.read_exact(&mut byte).unwrap();
        drop(Mutex::new(0).lock());
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn destructors_sleep_and_wait_at_ends_kills_panics_and_in_thread_locals() {
    for workers in [1, 2] {
        let ends = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&ends);
        on(workers, move || {
            let new = || Talker(Arc::clone(&counted));
            let all: Vec<_> = (0..30)
                .map(|number| {
                    let talker = new();
                    spawn(move || {
                        let _talker = talker;
                        match number % 3 {
                            0 => nap(100),
                            1 => panic!("as planned"),
                            _ => greenthread::thread::park(),
                        }
                    })
                })
                .collect();
            nap(2000);
            all.iter().for_each(|one| one.kill());
            all.into_iter().for_each(|one| drop(one.join()));
            // Of an OS thread that ends, and of the workers.
            let talker = new();
            std::thread::spawn(move || TALKS_AT_ITS_END.set(Some(talker))).join().unwrap();
            TALKS_AT_ITS_END.set(Some(new()));
        });
        // The worker's, at the end of its thread.
        let end = std::time::Instant::now() + crate::LIMIT;
        while ends.load(Ordering::SeqCst) < 32 {
            assert!(std::time::Instant::now() < end, "{ends:?}");
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// What it waits for when it is dropped is with a neighbour, which waits until it does.
struct NeedsNeighbour {
    begun: Arc<Event>,
    lock: Arc<Mutex<u32>>,
    told: UnixStream,
}

impl Drop for NeedsNeighbour {
    fn drop(&mut self) {
        self.begun.set();
        *self.lock.lock().unwrap() += 1;
        self.told.read_exact(&mut [0]).unwrap();
        nap(300);
    }
}

#[test]
fn destructors_of_an_unwind_wait_for_neighbours() {
    let ends: [fn(&JoinHandle<()>); 2] = [JoinHandle::kill, |one| one.thread().unpark()];
    for (workers, end) in [1, 2].into_iter().flat_map(|workers| ends.map(|end| (workers, end))) {
        on(workers, move || {
            let (begun, lock) = (Arc::new(Event::new()), Arc::new(Mutex::new(0)));
            let (told, mut tells) = UnixStream::pair().unwrap();
            let needs = NeedsNeighbour { begun: Arc::clone(&begun), lock: Arc::clone(&lock), told };
            let ready = Arc::new(Event::new());
            let is_ready = Arc::clone(&ready);
            let one = spawn(move || {
                let _needs = needs;
                is_ready.set();
                greenthread::thread::park();
                panic!("as planned");
            });
            ready.wait();
            let held = lock.lock().unwrap();
            end(&one);
            begun.wait();
            // It may run meanwhile, and finds the lock taken.
            nap(1000);
            drop(held);
            tells.write_all(b"x").unwrap();
            assert!(one.join().is_err());
            assert_eq!(*lock.lock().unwrap(), 1);
        });
    }
}

#[test]
fn panics_beside_waits_for_locks_of_std_poison_what_they_hold_and_nothing_else() {
    for workers in [1, 2] {
        on(workers, || {
            let (lock, table) = (Arc::new(Mutex::new(0)), Arc::new(RwLock::new(0)));
            let other = Arc::new(Mutex::new(0));
            let all: Vec<_> = (0..20)
                .map(|number| {
                    let (lock, table, other) =
                        (Arc::clone(&lock), Arc::clone(&table), Arc::clone(&other));
                    spawn(move || {
                        *other.lock().unwrap() += 1;
                        let guard = lock.lock();
                        let poisoned = guard.is_err();
                        let _guard = guard.unwrap_or_else(std::sync::PoisonError::into_inner);
                        nap(200);
                        if number == 5 {
                            let _write = table.write().unwrap();
                            nap(100);
                            panic!("as planned");
                        }
                        poisoned
                    })
                })
                .collect();
            let results: Vec<_> = all.into_iter().map(|one| one.join()).collect();
            assert_eq!(results.iter().filter(|result| result.is_err()).count(), 1);
            assert!(lock.is_poisoned() && table.is_poisoned() && !other.is_poisoned());
            assert_eq!(*other.lock().unwrap(), 20);
        });
    }
}

#[test]
fn backtraces_are_taken_by_many_at_once() {
    for workers in [1, 2] {
        on(workers, || {
            let all: Vec<_> = (0..6)
                .map(|_| {
                    spawn(|| {
                        let text = Backtrace::force_capture().to_string();
                        nap(100);
                        text.contains("hostile")
                    })
                })
                .collect();
            assert!(join_all(all).into_iter().all(|good| good));
        });
    }
}

#[test]
fn standard_output_is_held_over_a_wait_while_others_print() {
    let test = "hostile::standard_output_is_held_over_a_wait_while_others_print";
    let outcome = in_child(test, || {
        for workers in [1, 2] {
            on(workers, || {
                let all: Vec<_> = (0..20)
                    .map(|number| {
                        spawn(move || {
                            let mut out = std::io::stdout().lock();
                            write!(out, "{number} begins, ").unwrap();
                            nap(300);
                            println!("{number} prints, ");
                            nap(300);
                            writeln!(out, "{number} ends").unwrap();
                        })
                    })
                    .collect();
                let threads: Vec<_> = (0..2)
                    .map(|_| std::thread::spawn(|| (0..50).for_each(|number| println!("{number}"))))
                    .collect();
                join_all(all);
                threads.into_iter().for_each(|thread| thread.join().unwrap());
            });
        }
    });
    outcome.works();
}

#[test]
fn everything_of_std_is_used_at_once_while_a_part_of_it_is_killed() {
    for workers in [1, 2] {
        on(workers, || {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap();
            let over = Arc::new(AtomicBool::new(false));
            let ends = Arc::clone(&over);
            let server = spawn(move || {
                for stream in listener.incoming() {
                    if ends.load(Ordering::SeqCst) {
                        return;
                    }
                    let mut stream = stream.unwrap();
                    spawn(move || {
                        let mut buffer = [0; 64];
                        while let Ok(got @ 1..) = stream.read(&mut buffer) {
                            if stream.write_all(&buffer[..got]).is_err() {
                                return;
                            }
                        }
                    });
                }
            });
            let shared = Arc::new((Mutex::new(0u32), Condvar::new(), RwLock::new(0u32)));
            let cell = Arc::new(OnceLock::new());
            let barrier = Arc::new(Barrier::new(10));
            let all: Vec<_> = (0..60u32)
                .map(|number| {
                    let (shared, cell, barrier) =
                        (Arc::clone(&shared), Arc::clone(&cell), Arc::clone(&barrier));
                    spawn(move || {
                        if number < 10 {
                            barrier.wait();
                        }
                        let first = *cell.get_or_init(|| {
                            nap(500);
                            7
                        });
                        assert_eq!(first, 7);
                        let Ok(mut stream) = TcpStream::connect(address) else { return 0 };
                        for turn in 0..20u32 {
                            let message = [number as u8, turn as u8];
                            if stream.write_all(&message).is_err() {
                                return 0;
                            }
                            let mut reply = [0; 2];
                            if stream.read_exact(&mut reply).is_err() {
                                return 0;
                            }
                            assert_eq!(reply, message);
                            *shared.0.lock().unwrap() += 1;
                            shared.1.notify_one();
                            *shared.2.write().unwrap() += 1;
                            let guard = shared.0.lock().unwrap();
                            drop(shared.1.wait_timeout(guard, Duration::from_micros(300)).unwrap());
                            if turn == 10 && number % 20 == 19 {
                                let output = Command::new("echo").arg("hi").output();
                                if let Ok(output) = output {
                                    assert!(output.stdout == b"hi\n" || output.stdout.is_empty());
                                }
                            }
                            let _ = *shared.2.read().unwrap();
                            nap(100);
                        }
                        1
                    })
                })
                .collect();
            nap(3000);
            for one in all.iter().skip(10).step_by(3) {
                one.kill();
            }
            let mut whole = 0;
            for (number, one) in all.into_iter().enumerate() {
                match one.join() {
                    Ok(1) => whole += 1,
                    Ok(_) => assert!(number >= 10 && (number - 10) % 3 == 0),
                    Err(error) => assert!(error.is_killed(), "{error}"),
                }
            }
            assert!(whole >= 43);
            over.store(true, Ordering::SeqCst);
            drop(TcpStream::connect(address).unwrap());
            server.join().unwrap();
            assert!(!shared.0.is_poisoned() && !shared.2.is_poisoned());
        });
    }
}

#[test]
fn many_children_are_started_and_waited_for_at_once() {
    for workers in [1, 2] {
        on(workers, || {
            let all: Vec<_> = (0..30)
                .map(|number| {
                    spawn(move || {
                        let mut child = Command::new("cat")
                            .stdin(std::process::Stdio::piped())
                            .stdout(std::process::Stdio::piped())
                            .spawn()
                            .unwrap();
                        let mut input = child.stdin.take().unwrap();
                        let text = vec![number as u8; 100_000];
                        let sent = text.clone();
                        let writer = spawn(move || input.write_all(&sent).unwrap());
                        let output = child.wait_with_output().unwrap();
                        writer.join().unwrap();
                        assert!(output.status.success() && output.stdout == text);
                    })
                })
                .collect();
            join_all(all);
        });
    }
}

#[test]
fn a_file_of_c_that_reads_a_pipe_blocks_its_worker_and_ends_all_the_same() {
    on(2, || {
        let (pipe, mut end) = std::io::pipe().unwrap();
        // The C library's own calls do not pass by here, so another worker must write.
        let writer = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(5));
            end.write_all(b"line\n").unwrap();
        });
        let reader = spawn(move || {
            let mut line = [0 as libc::c_char; 16];
            // SAFETY: the descriptor is the file's own from here on, and the buffer has sixteen bytes.
            unsafe {
                let file = libc::fdopen(pipe.into_raw_fd(), c"r".as_ptr());
                assert!(!libc::fgets(line.as_mut_ptr(), 16, file).is_null());
                libc::fclose(file);
            }
            line[0] as u8
        });
        assert_eq!(reader.join().unwrap(), b'l');
        writer.join().unwrap();
    });
}
