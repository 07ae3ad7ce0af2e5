//! Two people who talk over UDP, both at once: each end sends what is typed and shows what comes.
//!
//!     cargo run --release --example udp_chat -- 127.0.0.1:7002 127.0.0.1:7003
//!     cargo run --release --example udp_chat -- 127.0.0.1:7003 127.0.0.1:7002    (in a second terminal)
//!     cargo run --release --example udp_chat -- --check
//!
//! A line `bye` ends both ends, and so does Ctrl-C; a second Ctrl-C ends this one at once. With `--check` two ends in this process follow a script.

mod shared {
    pub mod usage;
}

use greenthread::net::UdpSocket;
use greenthread::signal::{Signal, Signals};
use greenthread::{JoinHandle, blocking, sleep, spawn, thread};
use shared::usage;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const USAGE: &str = "udp_chat OWN_ADDRESS PEER_ADDRESS | --check";

/// How long the other end has for its `bye`.
const PATIENCE: Duration = Duration::from_secs(2);

/// What is typed, line by line; `None` at the end.
type Keyboard = Box<dyn FnMut() -> Option<String> + Send>;

/// One end: a green thread that sends, and one that receives until somebody says bye.
fn chat(
    socket: Arc<UdpSocket>,
    mut keyboard: Keyboard,
    mut show: impl Write + Send + 'static,
) -> JoinHandle<io::Result<()>> {
    let sending = Arc::clone(&socket);
    let sender = spawn(move || -> io::Result<()> {
        while let Some(line) = keyboard() {
            // A peer that is not there yet refuses the datagram; the next may arrive.
            let _ = sending.send(line.as_bytes());
            if line == "bye" {
                break;
            }
        }
        Ok(())
    });
    spawn(move || {
        let mut buffer = [0; 2048];
        loop {
            let got = match socket.recv(&mut buffer) {
                Ok(got) => got,
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => continue,
                Err(error) => return Err(error),
            };
            let line = String::from_utf8_lossy(&buffer[..got]).into_owned();
            writeln!(show, "{line}")?;
            if line == "bye" {
                let _ = socket.send(b"bye");
                sender.kill();
                return Ok(());
            }
        }
    })
}

fn typed() -> Keyboard {
    Box::new(|| {
        blocking(|| {
            let mut line = String::new();
            let got = io::stdin().read_line(&mut line).ok().filter(|got| *got > 0);
            got.map(|_| line.trim_end().to_string())
        })
    })
}

#[derive(Clone, Default)]
struct Shown(Arc<Mutex<Vec<u8>>>);

impl Write for Shown {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(data)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Shown {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

/// Types each line when the one before it has been shown.
fn script(lines: &'static [(&'static str, &'static str)], shown: &Shown) -> Keyboard {
    let (mut lines, shown) = (lines.iter(), shown.clone());
    Box::new(move || {
        let (before, line) = lines.next()?;
        while !shown.text().contains(before) {
            greenthread::sleep(Duration::from_millis(1));
        }
        Some(line.to_string())
    })
}

fn check() -> io::Result<()> {
    let (one, other) = (UdpSocket::bind("127.0.0.1:0")?, UdpSocket::bind("127.0.0.1:0")?);
    one.connect(other.local_addr()?)?;
    other.connect(one.local_addr()?)?;
    let (left, right) = (Shown::default(), Shown::default());
    let questions = &[("", "hello"), ("", "how are you?"), ("and you?", "fine"), ("", "bye")];
    let answers = &[("hello", "hi"), ("are you?", "well, and you?")];
    let one = chat(Arc::new(one), script(questions, &left), left.clone());
    let other = chat(Arc::new(other), script(answers, &right), right.clone());
    other.join().unwrap()?;
    one.join().unwrap()?;
    assert_eq!(right.text(), "hello\nhow are you?\nfine\nbye\n");
    assert_eq!(left.text(), "hi\nwell, and you?\nbye\n");
    println!("OK");
    Ok(())
}

/// Says bye at the first Ctrl-C or SIGTERM, and waits a little for the other end to say so too.
fn say_bye_when_interrupted(
    socket: Arc<UdpSocket>,
    chat: Arc<JoinHandle<io::Result<()>>>,
) -> io::Result<()> {
    let signals = Signals::new([Signal::INT, Signal::TERM])?;
    spawn(move || {
        let why = signals.wait();
        drop(signals);
        eprintln!("{why}: bye; once more ends it at once");
        // A peer that is not there need not hear of it.
        let _ = socket.send(b"bye");
        sleep(PATIENCE);
        chat.kill();
    });
    Ok(())
}

fn talk(own: &str, peer: &str) -> io::Result<()> {
    let socket = Arc::new(UdpSocket::bind(own)?);
    socket.connect(peer)?;
    let chat = Arc::new(chat(Arc::clone(&socket), typed(), io::stdout()));
    say_bye_when_interrupted(socket, Arc::clone(&chat))?;
    eprintln!("talking from {own} to {peer}");
    thread::wait([&*chat], 1);
    match chat.result() {
        Some(Ok(Err(error))) => Err(io::Error::other(error.to_string())),
        Some(Err(error)) if !error.is_killed() => Err(io::Error::other(error.to_string())),
        _ => Ok(()),
    }
}

fn main() -> io::Result<()> {
    let arguments = usage::arguments(USAGE, &["--check"]);
    match arguments.as_slice() {
        [check_it] if check_it == "--check" => greenthread::run(check),
        [own, peer] => talk(own, peer),
        _ => usage::usage(USAGE),
    }
}
