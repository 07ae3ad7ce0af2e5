//! Sends back whatever it is sent: one green thread for each connection, in straight-line code.
//!
//!     cargo run --release --example echo_server [ADDRESS]
//!     nc 127.0.0.1 7000

use greenthread::net::TcpListener;
use std::io;
use std::time::Duration;

fn main() -> io::Result<()> {
    greenthread::run(|| {
        let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:7000".to_string());
        let listener = TcpListener::bind(address)?;
        println!("echoing on {}", listener.local_addr()?);
        for connection in listener.incoming() {
            match connection {
                Ok(stream) => {
                    drop(greenthread::spawn(move || io::copy(&mut &stream, &mut &stream)))
                }
                Err(error) => {
                    // Too many open files, say: the connection stays in the backlog until others have ended.
                    eprintln!("accept: {error}");
                    greenthread::sleep(Duration::from_millis(100));
                }
            }
        }
        Ok(())
    })
}
