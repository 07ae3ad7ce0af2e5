//! What the way between green threads and futures costs: a future that is ready, a ping-pong over tokio's channels beside two
//! tasks of tokio, and hyper on green threads, which rest between two requests, beside hyper on tokio, and beside itself where each
//! connection keeps its stack.
//!
//!     cargo bench -p greenthread-benches --bench future [-- ROUNDS [SECONDS] [without-turns]]
//!
//! The ping-pongs are measured in processor time of the process, with one worker each; hyper's in that of the server.
//!
//! With 1000 connections a request misses 31.6 lines of the second cache here, 30.6 on tokio and 25.2 on the bare loop (`valgrind
//! --tool=cachegrind` with one of 1 MiB, which counts what is prefetched here as missed), and takes 7333, 7605 and 6448 instructions
//! of user code. What is left is the kernel's, and depends on the order: tokio takes some connections several times while others wait (the
//! busier half has 60 to 65 % of the requests, with a bare loop and here 50), so that it finds more of them in the caches.

mod bare;

use greenthread::future::{AsyncIo, FutureExt as _};
use greenthread::net::TcpStream;
use greenthread_benches::servers::{self, Load, Peer};
use greenthread_benches::{self as side_by_side, print_ratios};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::CONTENT_TYPE;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use rustix::time::{ClockId, clock_gettime};
use std::convert::Infallible;
use std::future::ready;
use std::hint::black_box;
use std::io;
use std::pin::pin;
use std::process::ExitCode;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};

const PEERS: &[Peer] = &[
    ("hyper on greenthread", spawned),
    ("hyper on tokio", tokio),
    ("hyper with a stack for each connection", waited_for),
    ("hyper on a bare loop", bare::serve),
];

const REQUEST: &str = "GET /plaintext HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/plain\r\n\r\n";
const REPLY: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 13\r\n\r\nHello, World!";

async fn answer(_: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let mut response = Response::new(Full::new(Bytes::from_static(b"Hello, World!")));
    response
        .headers_mut()
        .insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static("text/plain"));
    Ok(response)
}

fn greenthread(serve: fn(TcpStream)) -> io::Result<()> {
    let runtime = greenthread::Runtime::builder().workers(1).build()?;
    let main = runtime.spawn(move || -> io::Result<()> {
        let listener = greenthread::net::TcpListener::bind("127.0.0.1:0")?;
        println!("{}", listener.local_addr()?);
        for stream in listener.incoming() {
            let stream = stream?;
            stream.set_nodelay(true)?;
            serve(stream);
        }
        Ok(())
    });
    main.join().expect("the server does not end")
}

fn spawned() -> io::Result<()> {
    greenthread(|stream| {
        let mut builder = http1::Builder::new();
        builder.auto_date_header(false);
        let connection = builder.serve_connection(AsyncIo::new(stream), service_fn(answer));
        greenthread::future::spawn(connection);
    })
}

/// Each connection waits on a stack of its own. Of a thousand the stacks do not fit the caches of most processors together.
fn waited_for() -> io::Result<()> {
    greenthread(|stream| {
        greenthread::spawn(move || {
            let mut builder = http1::Builder::new();
            builder.auto_date_header(false);
            builder.serve_connection(AsyncIo::new(stream), service_fn(answer)).wait()
        });
    })
}

fn tokio() -> io::Result<()> {
    servers::on_tokio(1, |stream| async {
        let mut builder = http1::Builder::new();
        builder.auto_date_header(false);
        let io = hyper_util::rt::TokioIo::new(stream);
        builder.serve_connection(io, service_fn(answer)).await.map_err(io::Error::other)
    })
}

/// The processor time that the process has used.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn polled(size: u64) -> Duration {
    let body = move || {
        let mut context = Context::from_waker(Waker::noop());
        let begin = Instant::now();
        for i in 0..size {
            let mut future = pin!(ready(black_box(i)));
            let _ = black_box(future.as_mut().poll(&mut context));
        }
        begin.elapsed()
    };
    side_by_side::greenthread().spawn(body).join().expect("a time")
}

fn waited(size: u64) -> Duration {
    let body = move || {
        let begin = Instant::now();
        for i in 0..size {
            black_box(ready(black_box(i)).wait());
        }
        begin.elapsed()
    };
    side_by_side::greenthread().spawn(body).join().expect("a time")
}

type Ball = (u64, oneshot::Sender<u64>);

fn green_oneshot(size: u64) -> Duration {
    let begin = processor_time();
    let play = move || {
        let (there, mut balls) = mpsc::unbounded_channel::<Ball>();
        let other = greenthread::spawn(move || {
            while let Some((ball, back)) = balls.recv().wait() {
                let _ = back.send(ball);
            }
        });
        for i in 0..size {
            let (back, receiver) = oneshot::channel();
            let _ = there.send((i, back));
            assert_eq!(receiver.wait(), Ok(i));
        }
        drop(there);
        other.join().expect("it ends");
    };
    side_by_side::greenthread().spawn(play).join().expect("it ends");
    processor_time() - begin
}

fn tokio_oneshot(size: u64) -> Duration {
    let begin = processor_time();
    let play = async move {
        let (there, mut balls) = mpsc::unbounded_channel::<Ball>();
        let other = tokio::spawn(async move {
            while let Some((ball, back)) = balls.recv().await {
                let _ = back.send(ball);
            }
        });
        for i in 0..size {
            let (back, receiver) = oneshot::channel();
            let _ = there.send((i, back));
            assert_eq!(receiver.await, Ok(i));
        }
        drop(there);
        other.await.expect("it ends");
    };
    let runtime = side_by_side::tokio();
    runtime.block_on(runtime.spawn(play)).expect("it ends");
    processor_time() - begin
}

fn green_mpsc(size: u64) -> Duration {
    let begin = processor_time();
    let play = move || {
        let (there, mut here) = mpsc::channel(1);
        let (back, mut answers) = mpsc::channel(1);
        let other = greenthread::spawn(move || {
            while let Some(ball) = here.recv().wait() {
                let _ = back.send(ball).wait();
            }
        });
        for i in 0..size {
            let _ = there.send(i).wait();
            assert_eq!(answers.recv().wait(), Some(i));
        }
        drop(there);
        other.join().expect("it ends");
    };
    side_by_side::greenthread().spawn(play).join().expect("it ends");
    processor_time() - begin
}

fn tokio_mpsc(size: u64) -> Duration {
    let begin = processor_time();
    let play = async move {
        let (there, mut here) = mpsc::channel(1);
        let (back, mut answers) = mpsc::channel(1);
        let other = tokio::spawn(async move {
            while let Some(ball) = here.recv().await {
                let _ = back.send(ball).await;
            }
        });
        for i in 0..size {
            let _ = there.send(i).await;
            assert_eq!(answers.recv().await, Some(i));
        }
        drop(there);
        other.await.expect("it ends");
    };
    let runtime = side_by_side::tokio();
    runtime.block_on(runtime.spawn(play)).expect("it ends");
    processor_time() - begin
}

fn main() -> ExitCode {
    if !std::env::args().any(|argument| argument == "--server") {
        print_ratios("a ready future", 1_000_000, &[("waited for", waited), ("polled", polled)]);
        let oneshot =
            [("greenthread", green_oneshot as fn(u64) -> Duration), ("tokio", tokio_oneshot)];
        print_ratios("there by mpsc, back by oneshot", 100_000, &oneshot);
        let mpsc = [("greenthread", green_mpsc as fn(u64) -> Duration), ("tokio", tokio_mpsc)];
        print_ratios("there and back by mpsc", 100_000, &mpsc);
    }
    let load = |label, connections| Load {
        label,
        connections,
        request: REQUEST.as_bytes().to_vec(),
        reply: REPLY.len(),
        units: 1,
    };
    let loads = [load("64 connections", 64), load("1000 connections", 1000)];
    servers::main(PEERS, &loads, "request")
}
