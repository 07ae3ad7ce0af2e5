//! std's sockets.

use crate::{join_all, on};
use greenthread::spawn;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::time::{Duration, Instant};

fn echo(stream: TcpStream) -> io::Result<u64> {
    let mut buffer = [0; 1000];
    let mut all = 0;
    loop {
        let got = (&stream).read(&mut buffer)?;
        if got == 0 {
            return Ok(all);
        }
        (&stream).write_all(&buffer[..got])?;
        all += got as u64;
    }
}

fn serve() -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    greenthread::Builder::new()
        .daemon(true)
        .spawn(move || {
            for stream in listener.incoming() {
                let stream = stream.unwrap();
                spawn(move || echo(stream));
            }
        })
        .unwrap()
        .detach();
    address
}

#[test]
fn a_thousand_clients_of_an_echo_server_on_one_worker() {
    for workers in [1, 2] {
        on(workers, || {
            let address = serve();
            let clients = (0..1000u32).map(|number| {
                spawn(move || {
                    let mut stream = TcpStream::connect(address).unwrap();
                    for turn in 0..3 {
                        let message = format!("{number} says {turn}");
                        stream.write_all(message.as_bytes()).unwrap();
                        let mut reply = vec![0; message.len()];
                        stream.read_exact(&mut reply).unwrap();
                        assert_eq!(reply, message.as_bytes());
                        std::thread::sleep(Duration::from_millis(5));
                    }
                })
            });
            join_all(clients.collect::<Vec<_>>());
        });
    }
}

#[test]
fn more_than_a_socket_holds_is_written_by_one_call() {
    on(1, || {
        let (mut a, mut b) = UnixStream::pair().unwrap();
        let data: Vec<u8> = (0..3_000_000u32).map(|i| (i * 7 % 251) as u8).collect();
        let sent = data.clone();
        let writer = spawn(move || {
            // `write` on a socket that blocks returns when all has been sent.
            assert_eq!(a.write(&sent).unwrap(), sent.len());
            let pieces = [
                IoSlice::new(&sent[..1_000_000]),
                IoSlice::new(&[]),
                IoSlice::new(&sent[1_000_000..]),
            ];
            assert_eq!(a.write_vectored(&pieces).unwrap(), sent.len());
        });
        let mut got = Vec::new();
        b.read_to_end(&mut got).unwrap();
        writer.join().unwrap();
        assert_eq!(got.len(), 2 * data.len());
        assert!(got[..data.len()] == data && got[data.len()..] == data);
    });
}

#[test]
fn timeouts_of_std_work() {
    on(1, || {
        let (a, _b) = UnixStream::pair().unwrap();
        a.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        let began = Instant::now();
        let error = (&a).read(&mut [0; 1]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
        assert!(began.elapsed() >= Duration::from_millis(20));
        a.set_write_timeout(Some(Duration::from_millis(20))).unwrap();
        let error = loop {
            if let Err(error) = (&a).write(&[0; 65536]) {
                break error;
            }
        };
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let stream = TcpStream::connect_timeout(&address, Duration::from_secs(5)).unwrap();
        stream.set_nonblocking(true).unwrap();
        assert_eq!((&stream).read(&mut [0; 1]).unwrap_err().kind(), ErrorKind::WouldBlock);
        listener.set_nonblocking(true).unwrap();
        listener.accept().unwrap();
        assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
    });
}

#[test]
fn datagrams_and_unix_sockets() {
    on(1, || {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = server.local_addr().unwrap();
        let answers = spawn(move || {
            let mut buffer = [0; 100];
            for _ in 0..3 {
                let (got, from) = server.recv_from(&mut buffer).unwrap();
                server.send_to(&buffer[..got], from).unwrap();
            }
        });
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        client.connect(address).unwrap();
        for message in ["one", "", "three"] {
            client.send(message.as_bytes()).unwrap();
            let mut buffer = [0; 100];
            let got = client.recv(&mut buffer).unwrap();
            assert_eq!(&buffer[..got], message.as_bytes());
        }
        answers.join().unwrap();

        let (a, b) = UnixDatagram::pair().unwrap();
        let reader = spawn(move || {
            let mut buffer = [0; 10];
            b.recv(&mut buffer).unwrap()
        });
        greenthread::yield_now();
        a.send(b"abc").unwrap();
        assert_eq!(reader.join().unwrap(), 3);

        let name = format!("greenthread-monkey-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let listener = UnixListener::bind(&path).unwrap();
        let server = spawn(move || listener.accept().unwrap().0.write_all(b"hello"));
        let mut text = String::new();
        UnixStream::connect(&path).unwrap().read_to_string(&mut text).unwrap();
        std::fs::remove_file(&path).unwrap();
        server.join().unwrap().unwrap();
        assert_eq!(text, "hello");
    });
}

#[test]
fn all_of_a_message_is_waited_for_where_that_is_asked() {
    on(1, || {
        let (a, b) = UnixStream::pair().unwrap();
        let reader = spawn(move || {
            let mut buffer = [0u8; 6];
            // SAFETY: the buffer has room for six bytes.
            let got = unsafe {
                libc::recv(b.as_raw_fd(), buffer.as_mut_ptr().cast(), 6, libc::MSG_WAITALL)
            };
            (got, buffer)
        });
        for part in [&b"ab"[..], b"cd", b"ef"] {
            std::thread::sleep(Duration::from_millis(2));
            (&a).write_all(part).unwrap();
        }
        assert_eq!(reader.join().unwrap(), (6, *b"abcdef"));
        // SAFETY: a buffer of one byte.
        let at_once = unsafe {
            libc::recv(a.as_raw_fd(), [0u8; 1].as_mut_ptr().cast(), 1, libc::MSG_DONTWAIT)
        };
        assert_eq!(at_once, 0, "the other end is gone");
    });
}

/// Each by a number of its own, so that only what the numbers mean tells that they accept from the same one.
#[test]
fn several_green_threads_accept_from_one_listener() {
    let round = || {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let acceptors: Vec<_> = (0..8)
            .map(|_| {
                let listener = listener.try_clone().unwrap();
                spawn(move || (0..5).map(|_| drop(listener.accept().unwrap())).count())
            })
            .collect();
        for _ in 0..40 {
            let mut stream = TcpStream::connect(address).unwrap();
            assert_eq!(stream.read(&mut [0; 1]).unwrap(), 0);
        }
        assert_eq!(join_all(acceptors), [5; 8]);
    };
    for workers in [1, 2, 4] {
        on(workers, move || (0..10).for_each(|_| round()));
    }
}

#[test]
fn one_reads_while_another_writes_and_two_write() {
    on(2, || {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (peer, _) = listener.accept().unwrap();
        let writers: Vec<_> = (0..2)
            .map(|_| {
                let mut stream = stream.try_clone().unwrap();
                spawn(move || stream.write_all(&vec![1; 2_000_000]).unwrap())
            })
            .collect();
        let mut own = stream.try_clone().unwrap();
        let reader = spawn(move || own.read_exact(&mut [0; 3]));
        let mut all = 0;
        let mut buffer = vec![0; 100_000];
        while all < 4_000_000 {
            all += (&peer).read(&mut buffer).unwrap();
        }
        (&peer).write_all(b"end").unwrap();
        reader.join().unwrap().unwrap();
        join_all(writers);
    });
}

#[test]
fn a_reader_and_a_writer_on_two_workers_wait_for_the_same_socket_at_once() {
    on(2, || {
        for _ in 0..200 {
            let (a, mut b) = UnixStream::pair().unwrap();
            a.set_nonblocking(true).unwrap();
            while (&a).write(&[1; 4096]).is_ok() {}
            a.set_nonblocking(false).unwrap();
            // Both find that nothing is known of the socket yet.
            let mut reads = a;
            // SAFETY: the number is closed once, by `reads`.
            let mut same = unsafe { UnixStream::from_raw_fd(reads.as_raw_fd()) };
            let reader = spawn(move || reads.read_exact(&mut [0; 1]).map(|()| reads));
            let writer = spawn(move || {
                let result = same.write_all(&[2; 4096]);
                let _ = same.into_raw_fd();
                result
            });
            let mut all = vec![0; 1 << 20];
            greenthread::yield_now();
            b.write_all(b"x").unwrap();
            while !writer.is_finished() {
                b.set_nonblocking(true).unwrap();
                let _ = b.read(&mut all);
                b.set_nonblocking(false).unwrap();
                greenthread::yield_now();
            }
            writer.join().unwrap().unwrap();
            drop(reader.join().unwrap().unwrap());
        }
    });
}
