//! `tungstenite`, as client and as server.

use crate::{LIMIT, data, everywhere, join_all};
use greenthread::net::{TcpListener, TcpStream};
use greenthread::server::StreamServer;
use greenthread::{sleep, spawn, timeout};
use std::io::{ErrorKind, Read, Write};
use std::time::{Duration, Instant};
use tungstenite::protocol::CloseFrame;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::{Message, WebSocket};

fn web_socket(server: &StreamServer) -> WebSocket<TcpStream> {
    let stream = TcpStream::connect(server.local_addr().unwrap()).unwrap();
    tungstenite::client("ws://localhost/chat", stream).unwrap().0
}

#[test]
fn tungstenite_talks_by_web_sockets() {
    everywhere(|| {
        let server = StreamServer::bind("127.0.0.1:0", |stream: TcpStream, _| {
            let Ok(mut socket) = tungstenite::accept(stream) else { return };
            loop {
                match socket.read() {
                    Ok(message) if message.is_binary() || message.is_text() => {
                        socket.send(message).unwrap();
                    }
                    Ok(_) => {}
                    Err(tungstenite::Error::ConnectionClosed) => return,
                    // Killed peers and resets.
                    Err(_) => return,
                }
            }
        })
        .unwrap();
        server.start().unwrap();

        // What is no web socket is refused, and disturbs nobody.
        let address = server.local_addr().unwrap();
        let mut stranger = TcpStream::connect(address).unwrap();
        stranger.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        let _ = stranger.read_to_end(&mut Vec::new());
        // One that begins and says no more stays for as long as it likes.
        let mut slow = TcpStream::connect(address).unwrap();
        slow.write_all(b"GET / HTTP/1.1\r\n").unwrap();

        let mut sockets: Vec<_> = (0..50).map(|_| web_socket(&server)).collect();
        let clients: Vec<_> = sockets
            .drain(..)
            .enumerate()
            .map(|(number, mut socket)| {
                spawn(move || {
                    for size in [0, 1, 125, 126, 65_535, 65_536, 300_000] {
                        let sent = Message::binary(data(number, size));
                        socket.send(sent.clone()).unwrap();
                        assert!(socket.read().unwrap() == sent);
                    }
                    for turn in 0..20 {
                        let sent = Message::text(format!("client {number}, turn {turn}: ö"));
                        socket.send(sent.clone()).unwrap();
                        assert_eq!(socket.read().unwrap(), sent);
                    }
                    socket.send(Message::Ping(vec![1, 2].into())).unwrap();
                    assert_eq!(socket.read().unwrap(), Message::Pong(vec![1, 2].into()));
                    let frame = CloseFrame { code: CloseCode::Normal, reason: "bye".into() };
                    socket.close(Some(frame.clone())).unwrap();
                    assert_eq!(socket.read().unwrap(), Message::Close(Some(frame)));
                    let end = socket.read().unwrap_err();
                    assert!(matches!(end, tungstenite::Error::ConnectionClosed), "{end}");
                })
            })
            .collect();
        join_all(clients);
        // But for the slow one they all end by themselves.
        let end = Instant::now() + LIMIT;
        while server.stats().live > 1 {
            assert!(Instant::now() < end, "{:?}", server.stats());
            sleep(Duration::from_millis(1));
        }
        assert_eq!(server.stop(Duration::from_millis(1)), 1);
        assert_eq!(server.stats().panicked, 0);
    });
}

/// A read timeout and a `timeout` in the middle of messages lose nothing of them.
#[test]
fn web_sockets_with_timeouts() {
    everywhere(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let sender = spawn(move || {
            let mut socket = tungstenite::accept(listener.accept().unwrap().0).unwrap();
            for number in 0..5 {
                sleep(Duration::from_millis(15));
                socket.send(Message::binary(data(number, 200_000))).unwrap();
            }
            let _ = socket.read();
        });
        let stream = TcpStream::connect(address).unwrap();
        let (mut socket, _) = tungstenite::client("ws://localhost/", stream).unwrap();
        socket.get_ref().set_read_timeout(Some(Duration::from_millis(3))).unwrap();
        let mut timeouts = 0;
        for number in 0..5 {
            let end = Instant::now() + LIMIT;
            let message = loop {
                match socket.read() {
                    Ok(message) => break message,
                    Err(tungstenite::Error::Io(error))
                        if error.kind() == ErrorKind::WouldBlock && Instant::now() < end =>
                    {
                        timeouts += 1;
                    }
                    Err(error) => panic!("{error}"),
                }
            };
            assert!(message.into_data() == data(number, 200_000));
        }
        assert!(timeouts > 0);
        socket.get_ref().set_read_timeout(None).unwrap();
        assert!(timeout(Duration::from_millis(2), || socket.read()).is_err());
        socket.close(None).unwrap();
        sender.join().unwrap();
    });
}
