//! Echo servers: a thread of whatever kind for each connection.

use super::{Load, Peer};
use std::hint::black_box;
use std::io;
use std::process::ExitCode;

const MESSAGE: usize = 64;
/// Steps of the computation of [`COMPUTE`], some 300 µs.
const STEPS: u64 = 300_000;

/// What a server does with a message before it sends it back.
pub type Work = fn(&mut [u8]);

/// Nothing.
pub const ECHO: Work = |_| ();

/// Computes for a while.
pub const COMPUTE: Work = |message| {
    let seed = message.iter().fold(1, |seed, byte| seed ^ u64::from(*byte)) | 1;
    let last = (0..STEPS).fold(seed, |state, _| {
        let state = state ^ (state << 13);
        let state = state ^ (state >> 7);
        black_box(state ^ (state << 17))
    });
    message[0] = last as u8;
};

/// Echoes for ever on a listener of the type given; `$spawn` starts what serves a connection. std's listener, ours and may's
/// have the same functions.
macro_rules! echo {
    ($listener:ty, $spawn:expr, $work:expr) => {{
        let listener = <$listener>::bind("127.0.0.1:0")?;
        println!("{}", listener.local_addr()?);
        let work: Work = $work;
        for stream in listener.incoming() {
            let mut stream = stream?;
            $spawn(move || -> io::Result<()> {
                stream.set_nodelay(true)?;
                let mut buffer = [0; 4096];
                loop {
                    match io::Read::read(&mut stream, &mut buffer)? {
                        0 => return Ok(()),
                        n => {
                            work(&mut buffer[..n]);
                            io::Write::write_all(&mut stream, &buffer[..n])?;
                        }
                    }
                }
            });
        }
        Ok(())
    }};
}

/// Runs `serve` on a green thread.
fn green(
    workers: usize,
    serve: impl FnOnce() -> io::Result<()> + Send + 'static,
) -> io::Result<()> {
    let runtime = greenthread::Runtime::builder().workers(workers).build()?;
    runtime.spawn(serve).join().expect("the server does not end")
}

/// This library.
pub fn greenthread(workers: usize, work: Work) -> io::Result<()> {
    green(workers, move || echo!(greenthread::net::TcpListener, greenthread::spawn, work))
}

/// std's sockets on green threads, which wait for what they call where std is patched only.
pub fn std_on_green_threads() -> io::Result<()> {
    green(1, || echo!(std::net::TcpListener, greenthread::spawn, ECHO))
}

/// An OS thread for each connection.
pub fn os_threads(work: Work) -> io::Result<()> {
    let spawn = |serve| {
        let thread = std::thread::Builder::new().stack_size(64 << 10);
        drop(thread.spawn::<_, io::Result<()>>(serve));
    };
    echo!(std::net::TcpListener, spawn, work)
}

/// may.
pub fn may(workers: usize, work: Work) -> io::Result<()> {
    may::config().set_workers(workers);
    let serve = move || -> io::Result<()> {
        echo!(may::net::TcpListener, |connection| may::go!(connection), work)
    };
    may::go!(serve).join().expect("the server does not end")
}

/// tokio.
pub fn tokio(workers: usize, work: Work) -> io::Result<()> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    super::on_tokio(workers, move |mut stream| async move {
        let mut buffer = [0; 4096];
        loop {
            match stream.read(&mut buffer).await? {
                0 => return Ok(()),
                n => {
                    work(&mut buffer[..n]);
                    stream.write_all(&buffer[..n]).await?;
                }
            }
        }
    })
}

/// A load of so many connections.
pub fn load(label: &'static str, connections: usize) -> Load {
    Load { label, connections, request: vec![b'm'; MESSAGE], reply: MESSAGE, units: 1 }
}

/// Compares the servers under few and under many connections.
pub fn compare(peers: &[Peer]) -> ExitCode {
    super::main(peers, &[load("64 connections", 64), load("1000 connections", 1000)], "message")
}
