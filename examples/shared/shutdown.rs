//! Serving until somebody asks for the end.
#![allow(unreachable_pub)]

use greenthread::server::StreamServer;
use greenthread::signal::{Signal, Signals};
use std::io;
use std::time::Duration;

/// How long clients have to come to an end.
const GRACE: Duration = Duration::from_secs(10);

/// Says that the server is there, and serves until Ctrl-C or SIGTERM. Then no more clients come in, and those that are there
/// are waited for. A second Ctrl-C ends the program at once: what a signal does by default it does again when nobody waits
/// for it.
pub fn serve(server: &StreamServer, what: &str) -> io::Result<()> {
    let signals = Signals::new([Signal::INT, Signal::TERM])?;
    server.start()?;
    println!("{what}");
    let why = signals.wait();
    drop(signals);
    eprintln!("{why}: waiting for the clients that are here; once more ends it at once");
    match server.stop(GRACE) {
        0 => eprintln!("all clients are served"),
        left => eprintln!("{left} clients were cut off"),
    }
    Ok(())
}
