//! A TCP echo server's processor time per message, beside may and tokio: 64-byte messages, 64 and 1000 connections.
//!
//!     cargo bench -p greenthread-benches --bench tcp_echo [--features io-uring] [-- ROUNDS [SECONDS] [without-turns]]

#[path = "servers/echo.rs"]
mod echo;
mod servers;

use echo::{compare, echo, green_echo};
use servers::Peer;
use std::io;
use std::process::ExitCode;

const PEERS: &[Peer] = &[("greenthread", greenthread), ("may", may), ("tokio", tokio)];

fn greenthread() -> io::Result<()> {
    green_echo!(greenthread::net::TcpListener)
}

fn may() -> io::Result<()> {
    may::config().set_workers(1);
    let serve =
        || -> io::Result<()> { echo!(may::net::TcpListener, |connection| may::go!(connection)) };
    may::go!(serve).join().expect("the server does not end")
}

fn tokio() -> io::Result<()> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.worker_threads(1).enable_all().build()?;
    let server = runtime.spawn(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        println!("{}", listener.local_addr()?);
        loop {
            let (mut stream, _) = listener.accept().await?;
            tokio::spawn(async move {
                stream.set_nodelay(true)?;
                let mut buffer = [0; 4096];
                loop {
                    match stream.read(&mut buffer).await? {
                        0 => return io::Result::Ok(()),
                        n => stream.write_all(&buffer[..n]).await?,
                    }
                }
            });
        }
    });
    runtime.block_on(server).expect("the server does not end")
}

fn main() -> ExitCode {
    compare(PEERS)
}
