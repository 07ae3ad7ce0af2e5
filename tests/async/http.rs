//! hyper on green threads, and reqwest, axum and hyper with tokio beside.

use crate::{everywhere, join_all};
use greenthread::future::{AsyncIo, FutureExt as _, HyperRuntime, green};
use greenthread::net::{SocketAddr, TcpListener, TcpStream};
use greenthread::{JoinHandle, sleep, spawn};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use std::time::Duration;

/// A server whose every connection is a green thread, and whose handler may wait as it likes.
fn serve(is_http2: bool) -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = spawn(move || {
        for stream in listener.incoming() {
            let io = AsyncIo::new(stream.unwrap());
            spawn(move || {
                let handler = service_fn(async |request: Request<Incoming>| {
                    let body = request.into_body().collect().await?.to_bytes();
                    sleep(Duration::from_millis(1));
                    let answer = [b"you said: ", &body[..]].concat();
                    Ok::<_, hyper::Error>(Response::new(Full::new(Bytes::from(answer))))
                });
                // The peer may go as it likes.
                let _ = if is_http2 {
                    hyper::server::conn::http2::Builder::new(HyperRuntime)
                        .timer(HyperRuntime)
                        .serve_connection(
                            io,
                            service_fn(async |request: Request<Incoming>| {
                                let body = request.into_body().collect().await?.to_bytes();
                                let answer = [b"you said: ", &body[..]].concat();
                                Ok::<_, hyper::Error>(Response::new(Full::new(Bytes::from(answer))))
                            }),
                        )
                        .wait()
                } else {
                    hyper::server::conn::http1::Builder::new()
                        .timer(HyperRuntime)
                        .serve_connection(io, handler)
                        .wait()
                };
            });
        }
    });
    (address, server)
}

fn request(text: String) -> Request<Full<Bytes>> {
    Request::post("http://localhost/").body(Full::new(text.into())).unwrap()
}

#[test]
fn hypers_client_and_server_run_on_green_threads_alone() {
    everywhere(|| {
        let (address, server) = serve(false);
        let clients = (0..20).map(|client| {
            spawn(move || {
                let stream = TcpStream::connect(address).unwrap();
                let (mut sender, connection) =
                    hyper::client::conn::http1::handshake(AsyncIo::new(stream)).wait().unwrap();
                let connection = spawn(move || connection.wait());
                for round in 0..5 {
                    let text = format!("{client} {round}");
                    sender.ready().wait().unwrap();
                    let answer = sender.send_request(request(text.clone())).wait().unwrap();
                    let body = answer.into_body().collect().wait().unwrap().to_bytes();
                    assert_eq!(body, format!("you said: {text}"));
                }
                drop(sender);
                connection.join().unwrap().unwrap();
            })
        });
        join_all(clients.collect::<Vec<_>>());
        server.kill();
        let _ = server.join();
    });
}

#[test]
fn http2_runs_its_streams_as_green_threads() {
    everywhere(|| {
        let (address, server) = serve(true);
        let stream = TcpStream::connect(address).unwrap();
        let handshake =
            hyper::client::conn::http2::handshake(HyperRuntime, AsyncIo::new(stream)).wait();
        let (sender, connection) = handshake.unwrap();
        let connection = spawn(move || connection.wait());
        let requests = (0..50).map(|i| {
            let mut sender = sender.clone();
            spawn(move || {
                let answer = sender.send_request(request(i.to_string())).wait().unwrap();
                let body = answer.into_body().collect().wait().unwrap().to_bytes();
                assert_eq!(body, format!("you said: {i}"));
            })
        });
        join_all(requests.collect::<Vec<_>>());
        drop(sender);
        connection.kill();
        let _ = connection.join();
        server.kill();
        let _ = server.join();
    });
}

/// A service of axum's, on tokio's runtime, whose handler is blocking code.
fn axum() -> (std::net::SocketAddr, tokio::task::JoinHandle<()>) {
    async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let handler = async |name: String| {
            let answer = green(move || {
                sleep(Duration::from_millis(1));
                format!("hello {name}")
            });
            answer.await.unwrap()
        };
        let service = axum::Router::new().route("/", axum::routing::post(handler));
        let server = tokio::spawn(async move { axum::serve(listener, service).await.unwrap() });
        (address, server)
    }
    .wait()
}

#[test]
fn reqwest_talks_to_axum_without_one_async_in_the_caller() {
    everywhere(|| {
        let (address, server) = axum();
        let client = reqwest::Client::new();
        let callers = (0..50).map(|i| {
            let client = client.clone();
            spawn(move || {
                let post = client.post(format!("http://{address}/")).body(i.to_string());
                let answer = post.send().wait().unwrap();
                assert_eq!(answer.status(), 200);
                assert_eq!(answer.text().wait().unwrap(), format!("hello {i}"));
            })
        });
        join_all(callers.collect::<Vec<_>>());
        let refused = reqwest::get("http://127.0.0.1:1/").wait();
        assert!(refused.unwrap_err().is_connect());
        server.abort();
    });
}

#[test]
fn one_line_of_reqwest_works_in_a_plain_test() {
    let (address, server) = serve(false);
    let text = reqwest::get(format!("http://{address}/")).wait().unwrap().text().wait().unwrap();
    assert_eq!(text, "you said: ");
    server.kill();
    let _ = server.join();
}
