//! A TCP proxy: whatever comes to one address goes to another, both ways, ends of streams included.
//!
//!     cargo run --release --example proxy -- LISTEN TARGET
//!     cargo run --release --example proxy -- --check

mod shared {
    pub mod shutdown;
    pub mod usage;
}

use greenthread::net::{Shutdown, SocketAddr, TcpStream};
use greenthread::server::StreamServer;
use greenthread::spawn;
use shared::usage;
use std::io::{self, Read, Write};
use std::time::Duration;

const USAGE: &str = "proxy LISTEN TARGET | --check";

/// Passes on what `from` sends, then its end. Where that fails, the other direction is ended as well.
fn pump(from: &TcpStream, to: &TcpStream) -> io::Result<u64> {
    let result = greenthread::io::forward(from, to);
    let how = if result.is_ok() { Shutdown::Write } else { Shutdown::Both };
    // The peer may have gone already.
    let _ = to.shutdown(how);
    if result.is_err() {
        let _ = from.shutdown(Shutdown::Both);
    }
    result
}

fn proxy(listen: &str, target: String) -> io::Result<StreamServer> {
    StreamServer::bind(listen, move |client: TcpStream, _| -> io::Result<()> {
        let server = TcpStream::connect(&target)?;
        server.set_nodelay(true)?;
        client.set_nodelay(true)?;
        let (from, to) = (client.try_clone()?, server.try_clone()?);
        let up = spawn(move || pump(&from, &to));
        pump(&server, &client)?;
        up.join().map_err(io::Error::other)??;
        Ok(())
    })
}

/// Counts the bytes until the client's end, then says how many there were.
fn counter() -> io::Result<StreamServer> {
    StreamServer::bind("127.0.0.1:0", |mut stream: TcpStream, _| -> io::Result<()> {
        let count = io::copy(&mut stream, &mut io::sink())?;
        write!(stream, "{count}")
    })
}

fn ask(address: SocketAddr, size: usize) -> io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(&vec![7; size])?;
    stream.shutdown(Shutdown::Write)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

fn check() -> io::Result<()> {
    let counter = counter()?;
    counter.start()?;
    let proxy = proxy("127.0.0.1:0", counter.local_addr()?.to_string())?;
    proxy.start()?;
    let address = proxy.local_addr()?;
    let clients: Vec<_> =
        (0..100).map(|i| (i * 10_007, spawn(move || ask(address, i * 10_007)))).collect();
    for (size, client) in clients {
        assert_eq!(client.join().unwrap()?, size.to_string());
    }
    // A target that is gone is an end for its clients.
    counter.stop(Duration::ZERO);
    assert!(ask(address, 10).map_or(true, |answer| answer.is_empty()));
    assert_eq!(proxy.stop(Duration::from_secs(10)), 0);
    println!("OK");
    Ok(())
}

fn main() -> io::Result<()> {
    let arguments = usage::arguments(USAGE, &["--check"]);
    match arguments.as_slice() {
        [check_it] if check_it == "--check" => greenthread::run(check),
        [listen, target] => {
            let proxy = proxy(listen, target.clone())?;
            let what = format!("from {} to {target}", proxy.local_addr()?);
            shared::shutdown::serve(&proxy, &what)
        }
        _ => usage::usage(USAGE),
    }
}
