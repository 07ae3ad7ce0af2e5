//! Our connections with futures-io's and tokio's traits, polled from everywhere.

use crate::{everywhere, join_all};
use greenthread::future::{AsyncIo, FutureExt as _};
use greenthread::net::{TcpListener, TcpStream};
use greenthread::os::unix::net::UnixStream;
use greenthread::{sleep, spawn, timeout};
use std::time::Duration;

const SHORT: Duration = Duration::from_millis(5);

fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let here = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (here, listener.accept().unwrap().0)
}

const SIZE: usize = 1 << 20;

fn data() -> Vec<u8> {
    (0..SIZE).map(|at| ((at * 7) >> 4) as u8).collect()
}

#[test]
fn tokios_traits_carry_data_both_ways_at_once_and_see_the_end() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    async fn talk(io: impl tokio::io::AsyncRead + tokio::io::AsyncWrite) {
        let (mut read, mut write) = tokio::io::split(io);
        let send = async {
            write.write_all(&data()).await.unwrap();
            write.shutdown().await.unwrap();
        };
        let receive = async {
            let mut got = Vec::new();
            read.read_to_end(&mut got).await.unwrap();
            assert!(got == data());
        };
        tokio::join!(send, receive);
    }

    everywhere(|| {
        let (here, there) = pair();
        let other = spawn(move || talk(AsyncIo::new(there)).wait());
        talk(AsyncIo::new(here)).wait();
        other.join().unwrap();
        let (here, there) = UnixStream::pair().unwrap();
        let other = std::thread::spawn(move || talk(AsyncIo::new(there)).wait());
        talk(AsyncIo::new(here)).wait();
        other.join().unwrap();
        // On a worker of tokio's.
        let (here, there) = pair();
        let other = async { tokio::spawn(talk(AsyncIo::new(there))) }.wait();
        talk(AsyncIo::new(here)).wait();
        other.wait().unwrap();
    });
}

#[test]
fn futures_ios_traits_carry_data_both_ways_at_once_and_see_the_end() {
    use futures_io::{AsyncRead, AsyncWrite};
    use std::future::poll_fn;
    use std::pin::Pin;

    async fn talk(mut io: AsyncIo<TcpStream>) {
        let (sent, mut at, mut got) = (data(), 0, Vec::new());
        let mut buffer = [0; 4096];
        let mut is_closed = false;
        poll_fn(|context| {
            loop {
                let mut moved = false;
                if at < sent.len()
                    && let std::task::Poll::Ready(count) =
                        AsyncWrite::poll_write(Pin::new(&mut io), context, &sent[at..])
                {
                    at += count.unwrap();
                    moved = true;
                }
                if at == sent.len() && !std::mem::replace(&mut is_closed, true) {
                    let closed = AsyncWrite::poll_close(Pin::new(&mut io), context);
                    assert!(matches!(closed, std::task::Poll::Ready(Ok(()))));
                }
                match AsyncRead::poll_read(Pin::new(&mut io), context, &mut buffer) {
                    std::task::Poll::Ready(count) => match count.unwrap() {
                        0 if is_closed => return std::task::Poll::Ready(()),
                        count => got.extend_from_slice(&buffer[..count]),
                    },
                    std::task::Poll::Pending if !moved => return std::task::Poll::Pending,
                    std::task::Poll::Pending => {}
                }
            }
        })
        .await;
        assert!(got == sent);
    }

    everywhere(|| {
        let (here, there) = pair();
        let other = spawn(move || talk(AsyncIo::new(there)).wait());
        talk(AsyncIo::new(here)).wait();
        other.join().unwrap();
    });
}

#[test]
fn a_read_that_is_cut_off_takes_nothing_along_and_others_see_the_same_bytes() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    everywhere(|| {
        let (here, there) = pair();
        let (mut here, mut there) = (AsyncIo::new(here), AsyncIo::new(there));
        let mut byte = [0; 1];
        for round in 0..50 {
            assert!(here.read(&mut byte).wait_timeout(Duration::from_micros(100)).is_err());
            assert!(timeout(Duration::from_micros(100), || here.read(&mut byte).wait()).is_err());
            there.write_all(&[round]).wait().unwrap();
            assert_eq!(here.read(&mut byte).wait().unwrap(), 1);
            assert_eq!(byte, [round]);
        }
        // A blocking neighbour on the same connection.
        let clone = here.get_ref().try_clone().unwrap();
        let reader = spawn(move || {
            use std::io::Read;
            let mut byte = [0; 1];
            (&clone).read_exact(&mut byte).unwrap();
            byte
        });
        sleep(SHORT);
        there.write_all(b"x").wait().unwrap();
        assert_eq!(reader.join().unwrap(), *b"x");
        drop(there);
        assert_eq!(here.read(&mut byte).wait().unwrap(), 0, "the end");
    });
}

#[test]
fn connections_that_are_dropped_while_they_are_waited_for_leave_nothing() {
    use tokio::io::AsyncReadExt;
    everywhere(|| {
        for _ in 0..20 {
            let pairs = (0..10).map(|_| {
                let (here, there) = pair();
                let waits = spawn(move || {
                    let mut here = AsyncIo::new(here);
                    here.read(&mut [0]).wait().unwrap()
                });
                (waits, there)
            });
            let pairs: Vec<_> = pairs.collect();
            sleep(Duration::from_micros(500));
            let (waits, ends): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
            waits.iter().step_by(2).for_each(|handle| handle.kill());
            drop(ends);
            for handle in waits {
                if let Err(error) = handle.join() {
                    assert!(error.is_killed());
                }
            }
        }
        join_all([spawn(|| ())]);
    });
}

#[test]
fn a_connection_outlives_the_runtime_that_watched_it() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let (here, there) = pair();
    let (mut here, mut there) = (AsyncIo::new(here), AsyncIo::new(there));
    let mut byte = [0; 1];
    for round in 0..3 {
        let runtime = greenthread::Runtime::builder().workers(1).build().unwrap();
        (here, there) = runtime
            .run(move || {
                assert!(here.read(&mut byte).wait_timeout(SHORT).is_err());
                (here, there)
            })
            .unwrap();
        drop(runtime);
        let writer = std::thread::spawn(move || {
            std::thread::sleep(SHORT);
            there.write_all(&[round]).wait().unwrap();
            there
        });
        assert_eq!(here.read(&mut byte).wait().unwrap(), 1);
        assert_eq!(byte, [round]);
        there = writer.join().unwrap();
    }
}

/// Linux says nothing to who polls a full Unix socket when the other end stops reading, or this one is shut down for writing.
#[test]
fn a_write_to_a_full_unix_socket_ends_however_the_other_end_goes() {
    use std::future::poll_fn;
    use std::io::ErrorKind;
    use std::net::Shutdown;

    fn fill(io: &mut AsyncIo<UnixStream>) {
        let bytes = [7; 65536];
        let mut write = || poll_fn(|context| io.poll_write(context, &bytes)).wait_timeout(SHORT);
        while write().is_ok() {}
    }

    everywhere(|| {
        let ends: [fn(&UnixStream, &UnixStream); 4] = [
            |_, there| there.shutdown(Shutdown::Read).unwrap(),
            |_, there| there.shutdown(Shutdown::Both).unwrap(),
            |here, _| here.shutdown(Shutdown::Write).unwrap(),
            |here, _| here.shutdown(Shutdown::Both).unwrap(),
        ];
        for end in ends {
            let (here, there) = UnixStream::pair().unwrap();
            let handle = here.try_clone().unwrap();
            let mut here = AsyncIo::new(here);
            fill(&mut here);
            let (begun, begins) = std::sync::mpsc::channel();
            let writer = spawn(move || {
                let mut polls = 0;
                let written = poll_fn(|context| {
                    let polled = here.poll_write(context, b"x");
                    polls += 1;
                    if polls == 1 {
                        begun.send(()).unwrap();
                    }
                    polled
                });
                written.wait().unwrap_err().kind()
            });
            greenthread::blocking(move || begins.recv().unwrap());
            end(&handle, &there);
            assert_eq!(writer.join().unwrap(), ErrorKind::BrokenPipe);
        }
        // One that waits on and on writes once there is room.
        let (here, there) = UnixStream::pair().unwrap();
        let mut here = AsyncIo::new(here);
        fill(&mut here);
        let writer = spawn(move || poll_fn(|context| here.poll_write(context, b"x")).wait());
        sleep(SHORT);
        let reader = spawn(move || {
            use std::io::Read;
            let mut got = [0; 65536];
            loop {
                let count = (&there).read(&mut got).unwrap();
                if got[..count].contains(&b'x') || count == 0 {
                    return;
                }
            }
        });
        assert_eq!(writer.join().unwrap().unwrap(), 1);
        reader.join().unwrap();
    });
}
