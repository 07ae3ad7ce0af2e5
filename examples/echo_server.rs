//! Sends back whatever it is sent: one green thread for each connection, in straight-line code.
//!
//!     cargo run --release --example echo_server [ADDRESS]
//!     nc 127.0.0.1 7000
//!
//! Ctrl-C lets no more clients in and waits for those that are there; once more ends it at once.

mod shared {
    pub mod usage;
}

use greenthread::net::{TcpListener, TcpStream};
use greenthread::select;
use greenthread::signal::{Signal, Signals};
use shared::usage;
use std::io;
use std::time::Duration;

const USAGE: &str = "echo_server [ADDRESS]";

/// Accepts clients until nobody wants them any more.
fn accept(listener: &TcpListener, serve: fn(TcpStream)) {
    for connection in listener.incoming() {
        match connection {
            Ok(stream) => drop(greenthread::spawn(move || serve(stream))),
            Err(error) => {
                // Too many open files, say: the connection stays in the backlog until others have ended.
                eprintln!("accept: {error}");
                greenthread::sleep(Duration::from_millis(100));
            }
        }
    }
}

fn main() -> io::Result<()> {
    greenthread::run(|| {
        let address = match usage::arguments(USAGE, &[]).as_slice() {
            [] => "127.0.0.1:7000".to_string(),
            [address] => address.clone(),
            _ => usage::usage(USAGE),
        };
        let signals = Signals::new([Signal::INT, Signal::TERM])?;
        let listener = TcpListener::bind(address)?;
        println!("echoing on {}", listener.local_addr()?);
        let acceptor = greenthread::spawn(move || {
            accept(&listener, |stream| drop(io::copy(&mut &stream, &mut &stream)));
        });
        select! {
            recv(signals) -> signal => println!("{}: no more clients", signal.map_err(io::Error::other)?),
            join(acceptor) => {}
        }
        // From here on the signals do what they do by default. `run` waits for the green threads of the clients.
        drop(signals);
        acceptor.kill();
        Ok(())
    })
}
