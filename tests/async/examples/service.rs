//! A service of axum's whose handlers are plain functions that block: axum routes, hyper speaks HTTP, and each connection is a
//! green thread over this library's sockets. There is no second runtime, and whoever waits in a handler keeps nobody else
//! waiting.
//!
//! ```text
//! GET /hello/world: 200 hello world
//! GET /meet: 20 have met
//! POST /count: 3, then 7
//! GET /none: 404
//! ```
//!
//! `cargo run -p greenthread-async --example service`, then `curl http://127.0.0.1:8080/hello/you`; with `--check` it asks itself
//! and ends.

#[path = "../../../examples/shared/usage.rs"]
mod usage;

use axum::Router;
use axum::extract::{Path, State};
use axum::routing::{get, post};
use greenthread::future::{AsyncIo, FutureExt as _, HyperRuntime};
use greenthread::net::{SocketAddr, TcpListener, TcpStream};
use greenthread::sync::{Barrier, Mutex};
use greenthread::{sleep, spawn};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::{Method, Request, StatusCode};
use hyper_util::service::TowerToHyperService;
use std::sync::Arc;
use std::time::Duration;

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn hello(name: &str) -> String {
    format!("hello {name}")
}

/// Waits for the requests of others.
fn meet(all: &Barrier) -> &'static str {
    all.wait();
    "have met"
}

/// Holds a lock over a wait, which is nobody's concern but of who wants the lock.
fn count(total: &Mutex<u64>, more: &str) -> Result<String, StatusCode> {
    let more: u64 = more.parse().map_err(|_| StatusCode::BAD_REQUEST)?;
    let mut total = total.lock().map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    sleep(Duration::from_millis(1));
    *total += more;
    Ok(total.to_string())
}

fn service() -> Router {
    let all = Arc::new(Barrier::new(20));
    // axum wants futures: what they do when they are polled is call the function, on the green thread of the connection.
    Router::new()
        .route("/hello/{name}", get(|Path(name): Path<String>| async move { hello(&name) }))
        .route("/meet", get(move || async move { meet(&all) }))
        .route(
            "/count",
            post(|State(total): State<Arc<Mutex<u64>>>, more: String| async move {
                count(&total, &more)
            }),
        )
        .with_state(Arc::default())
}

fn serve(listener: &TcpListener) {
    let service = service();
    for stream in listener.incoming().flatten() {
        let service = TowerToHyperService::new(service.clone());
        spawn(move || {
            let mut http = hyper::server::conn::http1::Builder::new();
            http.timer(HyperRuntime).serve_connection(AsyncIo::new(stream), service).wait()
        });
    }
}

/// One request by hyper's client, over a connection of its own.
fn ask(at: SocketAddr, method: Method, path: &str, body: &str) -> Result<(u16, String), Failure> {
    let stream = AsyncIo::new(TcpStream::connect(at)?);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).wait()?;
    spawn(move || connection.wait());
    let request = Request::builder().method(method).uri(path).header("host", "localhost");
    let body = Full::new(Bytes::copy_from_slice(body.as_bytes()));
    let answer = sender.send_request(request.body(body)?).wait()?;
    let status = answer.status().as_u16();
    let text = answer.into_body().collect().wait()?.to_bytes();
    Ok((status, String::from_utf8(text.to_vec())?))
}

fn check(at: SocketAddr) -> Result<(), Failure> {
    let (status, text) = ask(at, Method::GET, "/hello/world", "")?;
    println!("GET /hello/world: {status} {text}");
    let meeting = [(); 20].map(|()| spawn(move || ask(at, Method::GET, "/meet", "")));
    let met = meeting
        .map(|one| one.join().is_ok_and(|answer| answer.is_ok_and(|(_, text)| text == "have met")));
    println!("GET /meet: {} have met", met.iter().filter(|met| **met).count());
    let (first, second) =
        (ask(at, Method::POST, "/count", "3")?.1, ask(at, Method::POST, "/count", "4")?.1);
    println!("POST /count: {first}, then {second}");
    println!("GET /none: {}", ask(at, Method::GET, "/none", "")?.0);
    Ok(())
}

fn main() -> Result<(), Failure> {
    if usage::is_check("service [--check]") {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        spawn(move || serve(&listener));
        return check(address);
    }
    let listener = TcpListener::bind("127.0.0.1:8080")?;
    println!("http://{}", listener.local_addr()?);
    serve(&listener);
    Ok(())
}
