//! Finds the open TCP ports of a host, hundreds at a time.
//!
//!     cargo run --release --example port_scanner -- HOST [FROM-TO [MILLISECONDS]]
//!     cargo run --release --example port_scanner -- --check

mod shared {
    pub mod usage;
}

use greenthread::net::{IpAddr, SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use greenthread::spawn;
use greenthread::sync::{Arc, Semaphore, mpsc};
use shared::usage;
use std::io;
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

const USAGE: &str = "port_scanner HOST [FROM-TO [MILLISECONDS]] | --check";

/// Connections under way at once.
const AT_ONCE: usize = 500;

fn scan(host: IpAddr, ports: RangeInclusive<u16>, patience: Duration) -> Vec<u16> {
    let permits = Arc::new(Semaphore::new(AT_ONCE));
    let (sender, receiver) = mpsc::channel();
    for port in ports {
        // Taken here, so that there are never more green threads than permits.
        let permit = permits.acquire_owned();
        let sender = sender.clone();
        spawn(move || {
            if TcpStream::connect_timeout(&SocketAddr::new(host, port), patience).is_ok() {
                let _ = sender.send(port);
            }
            drop(permit);
        });
    }
    drop(sender);
    let mut open: Vec<u16> = receiver.iter().collect();
    open.sort_unstable();
    open
}

fn check() -> io::Result<()> {
    let listeners: Vec<_> =
        (0..5).map(|_| TcpListener::bind("127.0.0.1:0")).collect::<io::Result<_>>()?;
    let port = |listener: &TcpListener| listener.local_addr().map(|address| address.port());
    let mut ports: Vec<u16> = listeners.iter().map(port).collect::<io::Result<_>>()?;
    ports.sort_unstable();
    let closed = {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        port(&listener)?
    };
    let around = ports[0].saturating_sub(500)..=ports[4].saturating_add(500);
    let host = IpAddr::from([127, 0, 0, 1]);
    let open = scan(host, around, Duration::from_secs(5));
    assert!(ports.iter().all(|port| open.contains(port)), "{ports:?} in {open:?}");
    assert!(scan(host, closed..=closed, Duration::from_secs(5)).is_empty());
    println!("OK");
    Ok(())
}

fn main() -> io::Result<()> {
    let arguments = usage::arguments(USAGE, &["--check"]);
    let (host, range, millis) = match arguments.as_slice() {
        [check_it] if check_it == "--check" => return greenthread::run(check),
        [host] => (host.clone(), "1-1024", Ok(1000)),
        [host, range] => (host.clone(), range.as_str(), Ok(1000)),
        [host, range, millis] => (host.clone(), range.as_str(), millis.parse()),
        _ => usage::usage(USAGE),
    };
    let bounds =
        range.split_once('-').and_then(|(from, to)| Some((from.parse().ok()?, to.parse().ok()?)));
    let (Some((from, to)), Ok(millis)) = (bounds, millis) else { usage::usage(USAGE) };
    let range = range.to_string();
    greenthread::run(move || {
        let address = (host.as_str(), 0).to_socket_addrs()?.next();
        let address = address.ok_or_else(|| io::Error::other("the host has no address"))?;
        let begin = Instant::now();
        for port in scan(address.ip(), from..=to, Duration::from_millis(millis)) {
            println!("{port} is open");
        }
        println!("{range} took {:.2} s", begin.elapsed().as_secs_f64());
        Ok(())
    })
}
