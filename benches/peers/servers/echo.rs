//! Echo servers: a thread of whatever kind for each connection.

use crate::servers::{self, Load, Peer};
use std::process::ExitCode;

const MESSAGE: usize = 64;

/// Echoes for ever on a listener of the type given; `$spawn` starts what serves a connection. std's listener, ours and may's
/// have the same functions.
macro_rules! echo {
    ($listener:ty, $spawn:expr) => {{
        let listener = <$listener>::bind("127.0.0.1:0")?;
        println!("{}", listener.local_addr()?);
        for stream in listener.incoming() {
            let mut stream = stream?;
            $spawn(move || -> ::std::io::Result<()> {
                stream.set_nodelay(true)?;
                let mut buffer = [0; 4096];
                loop {
                    match ::std::io::Read::read(&mut stream, &mut buffer)? {
                        0 => return Ok(()),
                        n => ::std::io::Write::write_all(&mut stream, &buffer[..n])?,
                    }
                }
            });
        }
        Ok(())
    }};
}
pub(crate) use echo;

/// The same by green threads, on one worker.
macro_rules! green_echo {
    ($listener:ty) => {{
        let runtime = greenthread::Runtime::builder().workers(1).build()?;
        let serve =
            || -> ::std::io::Result<()> { $crate::echo::echo!($listener, greenthread::spawn) };
        runtime.spawn(serve).join().expect("the server does not end")
    }};
}
pub(crate) use green_echo;

/// Compares the servers under few and under many connections.
pub(crate) fn compare(peers: &[Peer]) -> ExitCode {
    let load = |label, connections| Load {
        label,
        connections,
        request: vec![b'm'; MESSAGE],
        reply: MESSAGE,
        units: 1,
    };
    servers::main(peers, &[load("64 connections", 64), load("1000 connections", 1000)], "message")
}
