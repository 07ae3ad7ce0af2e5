//! Downloads that take too long or are no longer wanted: a timeout, a kill, and what is cleaned up after them.

use greenthread::net::{TcpListener, TcpStream};
use greenthread::{JoinHandle, sleep, spawn, timeout};
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Sends a kilobyte every few milliseconds, as many as the client asks for with its first byte.
fn serve(listener: TcpListener) {
    for stream in listener.incoming().flatten() {
        spawn(move || -> io::Result<()> {
            let mut stream = stream;
            let mut count = [0];
            stream.read_exact(&mut count)?;
            for _ in 0..count[0] {
                stream.write_all(&[7; 1024])?;
                sleep(Duration::from_millis(5));
            }
            Ok(())
        });
    }
}

/// A file that is not complete; thrown away unless it is finished.
struct Partial {
    name: &'static str,
    bytes: Arc<AtomicUsize>,
    done: bool,
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.done {
            // Runs for an error, a timeout and a kill alike.
            println!("{}: incomplete, thrown away", self.name);
        }
    }
}

fn download(
    name: &'static str,
    server: SocketAddr,
    kilobytes: u8,
    bytes: Arc<AtomicUsize>,
) -> io::Result<usize> {
    let mut partial = Partial { name, bytes, done: false };
    let mut stream = TcpStream::connect(server)?;
    stream.write_all(&[kilobytes])?;
    let mut buffer = [0; 1024];
    loop {
        match stream.read(&mut buffer)? {
            0 => break,
            n => drop(partial.bytes.fetch_add(n, Ordering::Relaxed)),
        }
    }
    partial.done = true;
    Ok(partial.bytes.load(Ordering::Relaxed))
}

fn main() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let server = listener.local_addr()?;
    spawn(move || serve(listener));
    let start = |name, kilobytes| {
        let bytes = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&bytes);
        let job: JoinHandle<io::Result<usize>> =
            spawn(move || download(name, server, kilobytes, counted));
        (job, bytes)
    };

    let (small, _) = start("small", 4);
    println!("small: {} bytes", small.join().expect("no panic")?);

    // Bounded from inside: whatever it waits for when the time is over unwinds.
    let slow = timeout(Duration::from_millis(50), || {
        download("slow", server, 200, Arc::new(AtomicUsize::new(0)))
    });
    println!("slow: {}", slow.expect_err("200 pieces take a second"));

    // Ended from outside, as soon as a few bytes are there.
    let (unwanted, bytes) = start("unwanted", 200);
    while bytes.load(Ordering::Relaxed) < 4096 {
        sleep(Duration::from_millis(1));
    }
    unwanted.kill();
    let error = unwanted.join().expect_err("it was killed");
    println!("unwanted: {error}");
    Ok(())
}
