//! Pipes, and waiting for descriptors of every kind.

use crate::support::{LIMIT, everywhere, within_limit, workers};
use greenthread::io::{
    self, BufRead, BufReader, ErrorKind, IoSlice, IoSliceMut, PipeReader, PipeWriter, PollFd, Read,
    Write, wait_readable, wait_writable,
};
use greenthread::net::{TcpListener, TcpStream, UdpSocket};
use greenthread::os::unix::net::UnixStream;
use greenthread::{Runtime, sleep, spawn, yield_now};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, IntoRawFd, OwnedFd};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

const SHORT: Option<Duration> = Some(Duration::from_millis(5));

fn is_nonblocking(fd: &impl AsFd) -> bool {
    rustix::fs::fcntl_getfl(fd).unwrap().contains(rustix::fs::OFlags::NONBLOCK)
}

fn set_nonblocking(fd: &impl AsFd) {
    rustix::io::ioctl_fionbio(fd, true).unwrap();
}

macro_rules! cases {
    ($(fn $name:ident() $body:block)*) => {
        $(#[test] fn $name() { everywhere(|| $body) })*
    };
}

/// Fills it until it would block.
fn fill(writer: &PipeWriter) -> usize {
    let std = std::io::PipeWriter::from(writer.as_fd().try_clone_to_owned().unwrap());
    let mut sent = 0;
    while wait_writable(&std, Some(Duration::ZERO)).unwrap() {
        sent += (&std).write(&[0; 4096]).unwrap();
    }
    sent
}

cases! {
    fn a_pipe_carries_and_ends() {
        let (mut reader, mut writer) = io::pipe().unwrap();
        let read = spawn(move || {
            let mut text = String::new();
            reader.read_to_string(&mut text).unwrap();
            assert_eq!(reader.read(&mut [0]).unwrap(), 0, "and stays ended");
            text
        });
        writer.write_all(b"one ").unwrap();
        yield_now();
        let sent = writer.write_vectored(&[IoSlice::new(b"two "), IoSlice::new(b"three")]);
        assert_eq!(sent.unwrap(), 9);
        writer.flush().unwrap();
        drop(writer);
        assert_eq!(read.join().unwrap(), "one two three");
    }

    fn a_pipe_without_reader() {
        let (reader, mut writer) = io::pipe().unwrap();
        fill(&writer);
        let blocked = spawn(move || {
            let error = writer.write(b"x").unwrap_err().kind();
            (error, writer.write(b"x").unwrap_err().kind())
        });
        sleep(Duration::from_millis(2));
        drop(reader);
        assert_eq!(blocked.join().unwrap(), (ErrorKind::BrokenPipe, ErrorKind::BrokenPipe));
    }

    fn megabytes_through_a_pipe() {
        let (mut reader, mut writer) = io::pipe().unwrap();
        let write = spawn(move || {
            let data: Vec<u8> = (0..3 << 20).map(|i: u32| (i % 251) as u8).collect();
            writer.write_all(&data).unwrap();
        });
        let mut all = Vec::new();
        reader.read_to_end(&mut all).unwrap();
        write.join().unwrap();
        assert!(all.len() == 3 << 20 && all.iter().enumerate().all(|(i, &byte)| byte == (i % 251) as u8));
    }

    fn clones_of_pipe_ends() {
        let (reader, writer) = io::pipe().unwrap();
        let (other_reader, other_writer) = (reader.try_clone().unwrap(), writer.try_clone().unwrap());
        let readers = [reader, other_reader].map(|reader| spawn(move || {
            let mut byte = [0];
            (&reader).read_exact(&mut byte).unwrap();
            (byte[0], reader)
        }));
        (&writer).write_all(&[1]).unwrap();
        drop(writer);
        (&other_writer).write_all(&[2]).unwrap();
        let [(a, reader), (b, _)] = readers.map(|reader| reader.join().unwrap());
        assert_eq!(a + b, 3);
        drop(other_writer);
        let mut one = [0];
        assert_eq!((&reader).read_vectored(&mut [IoSliceMut::new(&mut one)]).unwrap(), 0);
    }

    fn lines_by_stds_wrappers() {
        let (reader, writer) = io::pipe().unwrap();
        let write = spawn(move || {
            let mut writer = io::BufWriter::new(writer);
            for i in 0..1000 { writeln!(writer, "line {i}").unwrap() }
        });
        let lines: Vec<_> = BufReader::new(reader).lines().map(Result::unwrap).collect();
        write.join().unwrap();
        assert!(lines.len() == 1000 && lines[999] == "line 999");
    }

    fn pipes_to_and_from_std() {
        let (reader, writer) = io::pipe().unwrap();
        assert!(format!("{reader:?}").contains(&reader.as_raw_fd().to_string()));
        // Given away, it blocks as std's; what is kept of it does not mind, and writes at the same time.
        let kept = writer.try_clone().unwrap();
        let outside = std::io::PipeWriter::from(writer);
        let sent = fill(&kept);
        let thread = std::thread::spawn(move || {
            for _ in 0..100 {
                (&outside).write_all(&[7; 5000]).unwrap();
            }
            outside
        });
        let inside = spawn(move || {
            for _ in 0..100 {
                (&kept).write_all(&[8; 5000]).unwrap();
            }
            kept
        });
        sleep(Duration::from_millis(2));
        assert!(!thread.is_finished() && !inside.is_finished());
        let mut left = sent + 1_000_000;
        let mut all = vec![0; 10_000];
        while left > 0 {
            let most = left.min(all.len());
            left -= (&reader).read(&mut all[..most]).unwrap();
        }
        let kept = inside.join().unwrap();
        let more = (&kept).write_vectored(&[IoSlice::new(&[]), IoSlice::new(&[8; 10_000])]).unwrap();
        drop((thread.join().unwrap(), kept));
        let std_reader = std::io::PipeReader::from(reader);
        let reader = PipeReader::from(OwnedFd::from(std_reader));
        // SAFETY: `into_raw_fd` has just given the descriptor up.
        let mut reader = unsafe { PipeReader::from_raw_fd(reader.into_raw_fd()) };
        let mut rest = Vec::new();
        reader.read_to_end(&mut rest).unwrap();
        assert_eq!(rest.len(), more);
    }

    fn a_pipe_stays_in_the_mode_it_has() {
        let (mut reader, mut writer) = io::pipe().unwrap();
        let others = [reader.as_fd(), writer.as_fd()].map(|fd| fd.try_clone_to_owned().unwrap());
        let read = spawn(move || {
            let mut bytes = [0; 100_000];
            reader.read_exact(&mut bytes).unwrap();
            reader
        });
        yield_now();
        writer.write_all(&[1; 100_000]).unwrap();
        let reader = read.join().unwrap();
        assert!(others.iter().all(|other| !is_nonblocking(other)));
        drop((reader, writer));
        // What was non-blocking stays so, and its operations too.
        let (reader, _writer) = io::pipe().unwrap();
        let std_reader = std::io::PipeReader::from(reader);
        set_nonblocking(&std_reader);
        let mut reader = PipeReader::from(std_reader);
        assert_eq!(reader.read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
        assert!(is_nonblocking(&reader));
    }

    // Of pipes with a name the system knows no way to tell a single call not to wait.
    fn fifos_are_in_the_mode_they_came_in_afterwards() {
        let path = std::env::temp_dir().join(format!("greenthread-fifo-{}", std::process::id()));
        let _ = std::fs::remove_file(&path);
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        // Opened for both, so that opening does not wait for the other side.
        let open = || OwnedFd::from(std::fs::File::options().read(true).write(true).open(&path).unwrap());
        let (mut reader, writer) = (PipeReader::from(open()), PipeWriter::from(open()));
        std::fs::remove_file(&path).unwrap();
        let writers = [writer.try_clone().unwrap(), writer].map(|mut writer| spawn(move || {
            for _ in 0..100 {
                writer.write_all(&[7; 5000]).unwrap();
            }
            writer
        }));
        let mut all = vec![0; 1_000_000];
        reader.read_exact(&mut all).unwrap();
        assert!(all.iter().all(|byte| *byte == 7));
        let [writer, _other] = writers.map(|writer| writer.join().unwrap());
        assert!(!is_nonblocking(&std::io::PipeWriter::from(writer)), "as it came");
        assert!(!is_nonblocking(&std::io::PipeReader::from(reader)));
    }

    fn pipes_of_child_processes() {
        let (mut from_child, to_us) = io::pipe().unwrap();
        let (to_child, mut from_us) = io::pipe().unwrap();
        let mut child = Command::new("cat").stdin(Stdio::from(to_child)).stdout(to_us).spawn().unwrap();
        let read = spawn(move || {
            let mut all = Vec::new();
            from_child.read_to_end(&mut all).unwrap();
            all.len()
        });
        from_us.write_all(&[b'x'; 500_000]).unwrap();
        drop(from_us);
        assert_eq!(read.join().unwrap(), 500_000);
        assert!(child.wait().unwrap().success());
    }

    fn waiting_for_strangers() {
        let (mut reader, mut writer) = std::io::pipe().unwrap();
        assert!(!wait_readable(&reader, SHORT).unwrap());
        assert!(!wait_readable(&reader, Some(Duration::ZERO)).unwrap());
        assert!(wait_writable(&writer, None).unwrap());
        let waits = spawn(move || {
            assert!(wait_readable(&reader, Some(LIMIT)).unwrap());
            reader.read_exact(&mut [0]).unwrap();
            assert!(wait_readable(&reader, None).unwrap(), "the end");
            reader.read(&mut [0]).unwrap()
        });
        sleep(Duration::from_millis(2));
        writer.write_all(&[1]).unwrap();
        sleep(Duration::from_millis(2));
        drop(writer);
        assert_eq!(waits.join().unwrap(), 0);
        // What epoll refuses is always ready.
        let file = std::fs::File::open("/proc/self/exe").unwrap();
        assert!(wait_readable(&file, None).unwrap() && wait_writable(&file, SHORT).unwrap());
    }

    fn waiting_for_a_socket_that_is_registered() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let mut server = listener.accept().unwrap().0;
        client.set_read_timeout(SHORT).unwrap();
        assert_eq!((&client).read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
        assert!(!wait_readable(&client, SHORT).unwrap());
        assert!(!wait_readable(&client, SHORT).unwrap());
        server.write_all(&[1]).unwrap();
        assert!(wait_readable(&client, None).unwrap());
        assert_eq!((&client).read(&mut [0; 2]).unwrap(), 1);
        // Full, then read from.
        client.set_nonblocking(true).unwrap();
        while (&client).write(&[0; 100_000]).is_ok() {}
        assert!(!wait_writable(&client, SHORT).unwrap());
        let drain = spawn(move || std::io::copy(&mut server.take(10 << 20), &mut std::io::sink()));
        assert!(wait_writable(&client, None).unwrap());
        drop(client);
        drain.join().unwrap().unwrap();
    }

    fn reading_from_a_socket_that_is_waited_for() {
        let (mut there, here) = UnixStream::pair().unwrap();
        let here = Arc::new(here);
        let (waited, read) = (Arc::clone(&here), here);
        let waits = spawn(move || wait_readable(&*waited, Some(LIMIT)));
        sleep(Duration::from_millis(2));
        let reads = spawn(move || (&*read).read(&mut [0]));
        sleep(Duration::from_millis(2));
        // One of them leaves the other's.
        there.write_all(&[1, 2]).unwrap();
        assert!(waits.join().unwrap().unwrap());
        assert_eq!(reads.join().unwrap().unwrap(), 1);
    }

    fn polling_several() {
        let (a, to_a) = io::pipe().unwrap();
        let (b, to_b) = std::io::pipe().unwrap();
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut fds = [PollFd::readable(&a), PollFd::readable(&b), PollFd::readable(&udp), PollFd::readable(&b)];
        assert_eq!(io::poll(&mut fds, SHORT).unwrap(), 0);
        assert_eq!(io::poll(&mut fds, Some(Duration::ZERO)).unwrap(), 0);
        assert!(fds.iter().all(|fd| !fd.is_ready()));
        let address = udp.local_addr().unwrap();
        let sender = spawn(move || {
            sleep(Duration::from_millis(2));
            UdpSocket::bind("127.0.0.1:0").unwrap().send_to(b"x", address).unwrap();
        });
        assert_eq!(io::poll(&mut fds, None).unwrap(), 1);
        sender.join().unwrap();
        assert!(fds[2].is_readable() && !fds[2].is_writable() && !fds[2].is_error());
        assert!(!fds[0].is_ready() && !fds[1].is_ready());
        udp.recv(&mut [0; 2]).unwrap();
        // Named twice, and ended; the readiness of before is not kept.
        drop(to_b);
        assert_eq!(io::poll(&mut fds, None).unwrap(), 2);
        assert!(fds[1].is_readable() && fds[3].is_hung_up() && !fds[2].is_ready());
        // Both directions, the same descriptor in two entries with different wishes.
        let sender = spawn(move || {
            sleep(Duration::from_millis(2));
            let (reader, to_a) = (a, to_a);
            let sent = fill(&to_a);
            (reader, to_a, sent)
        });
        let (a, to_a, sent) = sender.join().unwrap();
        let mut fds = [PollFd::priority(&to_a), PollFd::writable(&to_a)];
        assert_eq!(io::poll(&mut fds, SHORT).unwrap(), 0);
        let reading = spawn(move || {
            sleep(Duration::from_millis(2));
            (&a).read_exact(&mut vec![0; sent]).unwrap();
            a
        });
        assert_eq!(io::poll(&mut fds, None).unwrap(), 1);
        assert!(fds[1].is_writable() && !fds[1].is_readable() && !fds[0].is_ready() && !fds[0].is_priority());
        drop(reading.join().unwrap());
        assert_eq!(io::poll(&mut fds, None).unwrap(), 2, "an error is told of unasked");
        assert!(fds[0].is_error() && fds[1].is_writable());
        // What is urgent.
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (far, _) = listener.accept().unwrap();
        let mut fds = [PollFd::priority(&near)];
        assert_eq!(io::poll(&mut fds, SHORT).unwrap(), 0);
        let sender = spawn(move || {
            socket2::SockRef::from(&far).send_out_of_band(b"!").unwrap();
            far
        });
        assert_eq!(io::poll(&mut fds, None).unwrap(), 1);
        assert!(fds[0].is_priority() && fds[0].is_ready() && !fds[0].is_readable());
        drop(sender.join().unwrap());
        // Files, and none at all.
        let file = std::fs::File::open("/proc/self/exe").unwrap();
        let mut fds = [PollFd::both(&file)];
        assert_eq!(io::poll(&mut fds, None).unwrap(), 1);
        assert!(fds[0].is_readable() && fds[0].is_writable());
        assert_eq!(io::poll(&mut [], SHORT).unwrap(), 0);
    }
}

#[test]
fn waiting_holds_up_nobody_and_can_be_ended() {
    within_limit(|| {
        Runtime::new_current_thread()
            .unwrap()
            .run_local(|| {
                let (reader, writer) = std::io::pipe().unwrap();
                let reader = Arc::new(reader);
                let waits: Vec<_> = (0..3)
                    .map(|i| {
                        let reader = Arc::clone(&reader);
                        spawn(move || match i {
                            0 => assert!(wait_readable(&*reader, None).unwrap()),
                            1 => drop(io::poll(&mut [PollFd::readable(&*reader)], None)),
                            _ => drop(greenthread::timeout(Duration::from_millis(1), || {
                                io::poll(&mut [PollFd::readable(&*reader)], None)
                            })),
                        })
                    })
                    .collect();
                let begin = Instant::now();
                sleep(Duration::from_millis(5));
                assert!(begin.elapsed() < LIMIT);
                let [first, second, third] = waits.try_into().unwrap();
                third.join().unwrap();
                for waiter in [first, second] {
                    assert!(!waiter.is_finished());
                    waiter.kill();
                    assert!(waiter.join().unwrap_err().is_killed());
                }
                // Nothing is left of the registrations.
                drop(writer);
                assert!(wait_readable(&*reader, None).unwrap());
            })
            .unwrap();
    });
}

/// A ring of pipes over the workers: a token goes round.
#[test]
fn a_token_in_a_ring_of_pipes() {
    within_limit(|| {
        for count in [1, 2, 8] {
            let runtime = workers(count);
            let mut pipes: Vec<_> = (0..20).map(|_| io::pipe().unwrap()).collect();
            // Each writes into the pipe before its own; the last one made is where the token comes home.
            let (mut back, mut into) = pipes.pop().unwrap();
            for (mut reader, writer) in pipes {
                let mut out = std::mem::replace(&mut into, writer);
                runtime.spawn(move || {
                    let mut token = [0; 8];
                    while reader.read_exact(&mut token).is_ok() {
                        out.write_all(&(u64::from_le_bytes(token) + 1).to_le_bytes()).unwrap();
                    }
                });
            }
            let rounds = runtime
                .run(move || {
                    let mut token = 0u64;
                    for _ in 0..100 {
                        into.write_all(&token.to_le_bytes()).unwrap();
                        let mut bytes = [0; 8];
                        back.read_exact(&mut bytes).unwrap();
                        token = u64::from_le_bytes(bytes);
                    }
                    token
                })
                .unwrap();
            assert_eq!(rounds, 100 * 19);
        }
    });
}
