//! A chat of many clients over TCP.
//!
//!     cargo run --release --example chat -- [ADDRESS]      (then: nc 127.0.0.1 7001, several times)
//!     cargo run --release --example chat -- --check
//!
//! The first line that a client sends is its name; every later one goes to all others. Ctrl-C lets no more clients in and
//! waits for the others, once more ends it at once. With `--check` scripted clients
//! talk to each other, and it ends.

mod shared {
    pub mod shutdown;
    pub mod usage;
}

use greenthread::net::{Shutdown, SocketAddr, TcpStream};
use greenthread::server::StreamServer;
use greenthread::spawn;
use greenthread::sync::mpsc::{SyncSender, sync_channel};
use greenthread::sync::{Arc, Barrier, Mutex};
use shared::usage;
use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::time::Duration;

const USAGE: &str = "chat [ADDRESS] | --check";

/// Lines that wait for a client; one that lets more pile up is let go.
const QUEUE: usize = 1024;
/// The longest line.
const LINE: u64 = 1024;

/// Of the check.
const CLIENTS: usize = 20;
const LINES: usize = 40;

type Line = Arc<str>;

#[derive(Default)]
struct Room {
    members: Mutex<HashMap<u64, SyncSender<Line>>>,
}

impl Room {
    fn say(&self, from: u64, text: &str) {
        let line: Line = text.into();
        let mut members = self.members.lock().unwrap();
        // Dropping a member's sender ends its writer, which ends its connection.
        members.retain(|&id, sender| id == from || sender.try_send(Arc::clone(&line)).is_ok());
    }

    fn serve(&self, id: u64, stream: &TcpStream) -> io::Result<()> {
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        let mut next = |line: &mut String| {
            line.clear();
            let got = reader.by_ref().take(LINE).read_line(line)?;
            line.truncate(line.trim_end().len());
            io::Result::Ok(got > 0)
        };
        if !next(&mut line)? {
            return Ok(());
        }
        let name = line.clone();
        let (sender, receiver) = sync_channel::<Line>(QUEUE);
        sender.send(format!("* welcome, {name}\n").into()).expect("the receiver is here");
        self.members.lock().unwrap().insert(id, sender);
        let mut output = stream.try_clone()?;
        let writer = spawn(move || {
            for line in receiver {
                if output.write_all(line.as_bytes()).is_err() {
                    break;
                }
            }
            // Ends the reader too.
            let _ = output.shutdown(Shutdown::Both);
        });
        self.say(id, &format!("* {name} is here\n"));
        let result = loop {
            match next(&mut line) {
                Ok(true) => self.say(id, &format!("{name}: {line}\n")),
                Ok(false) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        self.members.lock().unwrap().remove(&id);
        self.say(id, &format!("* {name} has left\n"));
        let _ = writer.join();
        result
    }
}

fn server(address: &str) -> io::Result<StreamServer> {
    let room = Room::default();
    let next = std::sync::atomic::AtomicU64::new(0);
    StreamServer::bind(address, move |stream, _| {
        let id = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        room.serve(id, &stream)
    })
}

/// A scripted client: comes in, waits for the others, talks, hears all, leaves.
fn talk(address: SocketAddr, me: usize, together: &Barrier) -> io::Result<()> {
    let mut stream = TcpStream::connect(address)?;
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let mut next_line = || lines.next().ok_or(io::ErrorKind::UnexpectedEof)?;
    writeln!(stream, "client{me}")?;
    assert_eq!(next_line()?, format!("* welcome, client{me}"));
    together.wait();
    for at in 0..LINES {
        writeln!(stream, "line {at}")?;
    }
    // Every line of every other client, in order.
    let mut next = [0; CLIENTS];
    next[me] = LINES;
    while next.iter().any(|next| *next < LINES) {
        let line = next_line()?;
        let Some((name, text)) = line.split_once(": line ") else { continue };
        let other: usize = name.trim_start_matches("client").parse().unwrap();
        assert_eq!(text.parse(), Ok(next[other]), "{line}");
        next[other] += 1;
    }
    // Whoever leaves early would be heard leaving by some only.
    together.wait();
    stream.shutdown(Shutdown::Write)?;
    while next_line().is_ok() {}
    Ok(())
}

fn check() -> io::Result<()> {
    let server = server("127.0.0.1:0")?;
    server.start()?;
    let address = server.local_addr()?;
    let together = Arc::new(Barrier::new(CLIENTS));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|me| {
            let together = Arc::clone(&together);
            spawn(move || talk(address, me, &together))
        })
        .collect();
    for client in clients {
        client.join().unwrap()?;
    }
    assert_eq!(server.stop(Duration::from_secs(10)), 0);
    assert_eq!(server.stats().finished, CLIENTS as u64);
    println!("OK");
    Ok(())
}

fn main() -> io::Result<()> {
    let arguments = usage::arguments(USAGE, &["--check"]);
    let address = match arguments.as_slice() {
        [] => "127.0.0.1:7001",
        [check_it] if check_it == "--check" => return greenthread::run(check),
        [address] => address,
        _ => usage::usage(USAGE),
    };
    let server = server(address)?;
    shared::shutdown::serve(&server, &format!("chatting on {}", server.local_addr()?))
}
