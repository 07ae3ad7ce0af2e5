//! Clients: `ureq`, libcurl by the crate `curl`, `tungstenite`.

use crate::server::{Server, free_port};
use crate::support::answers_when_all_are_there;
use crate::{join_all, on, waits};
use curl::easy::Easy;
use greenthread::spawn;
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};
use tungstenite::Message;

/// All bytes of a reply, by `ureq`.
fn fetch(url: &str) -> Vec<u8> {
    let mut answer = ureq::get(url).call().unwrap();
    answer.body_mut().with_config().limit(10 << 20).read_to_vec().unwrap()
}

/// The same by libcurl.
fn fetch_by_curl(url: &str) -> Vec<u8> {
    let mut all = Vec::new();
    let mut curl = Easy::new();
    curl.url(url).unwrap();
    // It has no business with signals in a program that has threads.
    curl.signal(false).unwrap();
    let mut transfer = curl.transfer();
    transfer
        .write_function(|data| {
            all.extend_from_slice(data);
            Ok(data.len())
        })
        .unwrap();
    transfer.perform().unwrap();
    drop(transfer);
    assert_eq!(curl.response_code().unwrap(), 200);
    all
}

/// A hundred at a time, which the server must see at the same time.
fn a_hundred(fetch: fn(&str) -> Vec<u8>, name: bool) -> Duration {
    let address = answers_when_all_are_there(100, Duration::from_millis(50));
    let host = if name { "localhost" } else { "127.0.0.1" };
    let url = format!("http://{host}:{}/", address.port());
    let began = Instant::now();
    let fetches = (0..100).map(|_| {
        let url = url.clone();
        spawn(move || fetch(&url))
    });
    for body in join_all(fetches.collect::<Vec<_>>()) {
        assert_eq!(body, b"hello");
    }
    began.elapsed()
}

#[test]
fn ureq_has_a_hundred_requests_under_way_on_one_worker() {
    on(1, || {
        // One after the other would take five seconds, and the server would not answer at all.
        let fastest = (0..5).map(|_| a_hundred(fetch, false)).min().unwrap();
        println!("the fastest hundred took {fastest:?}");
        assert!(fastest < Duration::from_millis(500), "{fastest:?}");
        a_hundred(fetch, true);
    });
    on(2, || a_hundred(fetch, false));
}

#[test]
fn libcurl_has_a_hundred_requests_under_way_on_one_worker() {
    for workers in [1, 2] {
        on(workers, || {
            let before = waits("poll");
            a_hundred(fetch_by_curl, false);
            assert!(waits("poll") >= before + 100);
        });
    }
}

#[test]
#[ignore = "needs nginx"]
fn ureq_and_libcurl_fetch_from_nginx() {
    let port = free_port();
    let _nginx = Server::nginx(port);
    let url = format!("http://127.0.0.1:{port}/big");
    for workers in [1, 2] {
        let url = url.clone();
        on(workers, move || {
            let fetches = (0..40).map(|number| {
                let url = url.clone();
                let fetch = if number % 2 == 0 { fetch } else { fetch_by_curl };
                spawn(move || {
                    let body = fetch(&url);
                    assert!(body.len() == 3_000_000 && body.iter().all(|byte| *byte == 7));
                })
            });
            join_all(fetches.collect::<Vec<_>>());
            let missing = ureq::get(format!("{url}.none")).call().unwrap_err();
            assert!(matches!(missing, ureq::Error::StatusCode(404)));
        });
    }
}

#[test]
fn tungstenite_serves_and_asks_on_one_worker() {
    for workers in [1, 2] {
        on(workers, || {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap();
            let server = spawn(move || {
                let served = (0..100).map(|_| {
                    let (stream, _) = listener.accept().unwrap();
                    spawn(move || {
                        let mut socket = tungstenite::accept(stream).unwrap();
                        loop {
                            match socket.read() {
                                Ok(message @ (Message::Text(_) | Message::Binary(_))) => {
                                    socket.send(message).unwrap();
                                }
                                Ok(_) => {}
                                Err(tungstenite::Error::ConnectionClosed) => return,
                                Err(error) => panic!("{error}"),
                            }
                        }
                    })
                });
                join_all(served.collect::<Vec<_>>());
            });
            let clients = (0..100).map(|number| {
                spawn(move || {
                    let stream = TcpStream::connect(address).unwrap();
                    let (mut socket, _) =
                        tungstenite::client(format!("ws://{address}/"), stream).unwrap();
                    for turn in 0..5 {
                        let text = format!("{number} says {turn} {}", "again ".repeat(turn * 500));
                        socket.send(Message::text(text.clone())).unwrap();
                        assert_eq!(socket.read().unwrap(), Message::text(text));
                    }
                    socket.close(None).unwrap();
                    while socket.read().is_ok() {}
                })
            });
            join_all(clients.collect::<Vec<_>>());
            server.join().unwrap();
        });
    }
}
