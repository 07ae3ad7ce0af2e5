//! What the workers count, where Prometheus scrapes it: the crate `metrics` collects it, `metrics-exporter-prometheus` writes it, and
//! this library's own server sends it.
//!
//! ```text
//! HTTP/1.1 200 OK
//! # TYPE greenthread_ended_total counter
//! greenthread_ended_total{runtime="shop",worker="0"} 101
//! greenthread_parked_total{runtime="shop",worker="0",reason="the end of a sleep"} 100
//! ```
//!
//! `cargo run -p greenthread-async --example metrics`, then `curl http://127.0.0.1:9090/metrics`; with `--check` it asks itself for a
//! few of the numbers and ends.

#[path = "../../../examples/shared/usage.rs"]
mod usage;

use greenthread::metrics::Publisher;
use greenthread::net::TcpStream;
use greenthread::server::StreamServer;
use greenthread::sync::Mutex;
use greenthread::{Runtime, sleep, spawn};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::time::Duration;

/// Answers each request of a connection with the numbers as they are then.
fn answer(
    stream: &TcpStream,
    exporter: &PrometheusHandle,
    publisher: &Mutex<Publisher>,
) -> io::Result<()> {
    for line in BufReader::new(stream).lines() {
        // Of the request only its end is of interest, an empty line.
        if !line?.is_empty() {
            continue;
        }
        publisher.lock().unwrap().publish();
        let text = exporter.render();
        let mut writer = stream;
        write!(
            writer,
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: {}\r\n\r\n{text}",
            text.len()
        )?;
    }
    Ok(())
}

/// A hundred orders, each of which waits for a moment.
fn shop() -> io::Result<Runtime> {
    let shop = Runtime::builder().workers(1).thread_name("shop").build()?;
    let orders = || {
        let order = |_| spawn(|| sleep(Duration::from_millis(1)));
        let all: Vec<_> = (0..100).map(order).collect();
        all.into_iter().for_each(|order| order.join().unwrap());
    };
    shop.run(orders).map_err(io::Error::other)?;
    Ok(shop)
}

fn main() -> io::Result<()> {
    let exporter = PrometheusBuilder::new().install_recorder().map_err(io::Error::other)?;
    let publisher = Mutex::new(Publisher::new());
    let check = usage::is_check("metrics [--check]");
    let address = if check { "127.0.0.1:0" } else { "127.0.0.1:9090" };
    let server =
        StreamServer::bind(address, move |stream, _| answer(&stream, &exporter, &publisher))?;
    let _shop = shop()?;
    if !check {
        return server.serve_forever();
    }
    server.start()?;
    let text = loop {
        let mut client = TcpStream::connect(server.local_addr()?)?;
        client.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
        client.shutdown(std::net::Shutdown::Write)?;
        let mut text = String::new();
        client.read_to_string(&mut text)?;
        // The last of them may be on its way to its end.
        if text.contains(r#"ended_total{runtime="shop",worker="0"} 101"#) {
            break text;
        }
        sleep(Duration::from_millis(1));
    };
    let wanted =
        ["HTTP/1.1", "# TYPE greenthread_ended_total", "greenthread_ended_total{runtime=\"shop\""];
    let of_sleeps =
        r#"greenthread_parked_total{runtime="shop",worker="0",reason="the end of a sleep"}"#;
    for start in wanted.into_iter().chain([of_sleeps]) {
        let line = text.lines().find(|line| line.starts_with(start));
        println!("{}", line.unwrap_or("it is missing"));
    }
    Ok(())
}
