//! A TCP echo server's processor time per message, beside may and tokio: 64-byte messages, 64 and 1000 connections.
//!
//!     cargo bench -p greenthread-benches --bench tcp_echo [--features io-uring] [-- ROUNDS [SECONDS]]

mod servers;

use servers::{Load, Peer};
use std::io::{self, Read, Write};
use std::process::ExitCode;

const PEERS: &[Peer] = &[("greenthread", greenthread), ("may", may), ("tokio", tokio)];
const MESSAGE: usize = 64;

fn greenthread() -> io::Result<()> {
    let runtime = greenthread::Runtime::builder().workers(1).build()?;
    let server = runtime.spawn(|| -> io::Result<()> {
        let listener = greenthread::net::TcpListener::bind("127.0.0.1:0")?;
        println!("{}", listener.local_addr()?);
        for stream in listener.incoming() {
            let mut stream = stream?;
            greenthread::spawn(move || -> io::Result<()> {
                stream.set_nodelay(true)?;
                let mut buffer = [0; 4096];
                loop {
                    match stream.read(&mut buffer)? {
                        0 => return Ok(()),
                        n => stream.write_all(&buffer[..n])?,
                    }
                }
            });
        }
        Ok(())
    });
    server.join().expect("the server does not end")
}

fn may() -> io::Result<()> {
    may::config().set_workers(1);
    let server = may::go!(|| -> io::Result<()> {
        let listener = may::net::TcpListener::bind("127.0.0.1:0")?;
        println!("{}", listener.local_addr()?);
        for stream in listener.incoming() {
            let mut stream = stream?;
            may::go!(move || -> io::Result<()> {
                stream.set_nodelay(true)?;
                let mut buffer = [0; 4096];
                loop {
                    match stream.read(&mut buffer)? {
                        0 => return Ok(()),
                        n => stream.write_all(&buffer[..n])?,
                    }
                }
            });
        }
        Ok(())
    });
    server.join().expect("the server does not end")
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
    let load = |label, connections| Load {
        label,
        connections,
        request: vec![b'm'; MESSAGE],
        reply: MESSAGE,
        units: 1,
    };
    let loads = [load("64 connections", 64), load("1000 connections", 1000)];
    servers::main(PEERS, &loads, "message")
}
