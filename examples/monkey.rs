//! Monkey patching: code of std that knows nothing of green threads runs concurrently on one OS thread.
//!
//!     cargo run --features monkey --example monkey
//!
//! Two workers that sleep by `std::thread::sleep`, as in a tutorial's `monkey.patch_all()` with `time.sleep`; then a download in
//! parts from a server, both written with `std::net`, `std::thread` and `std::fs` only. It prints
//!
//! ```text
//! f1(5) 0
//! f1(3) 0
//! f1(5) 1
//! f1(3) 1
//! f1(5) 2
//! f1(3) 2
//! f1(5) 3
//! f1(5) 4
//! part 0: bytes 0 to 249999
//! part 1: bytes 250000 to 499999
//! part 2: bytes 500000 to 749999
//! part 3: bytes 750000 to 999999
//! the server had 4 requests under way at the same time
//! what was downloaded is what is served: true
//! ```

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Barrier};
use std::thread::sleep;
use std::time::Duration;

fn f1(n: u32) {
    for i in 0..n {
        println!("f1({n}) {i}");
        sleep(Duration::from_millis(20));
    }
}

const LENGTH: usize = 1_000_000;
const PARTS: usize = 4;

fn content() -> Vec<u8> {
    (0..LENGTH as u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

/// Answers one request for a range, once as many as there are parts are under way.
fn answer(mut stream: TcpStream, content: &[u8], together: &Barrier) -> io::Result<()> {
    let mut range = None;
    for line in BufReader::new(stream.try_clone()?).lines() {
        let line = line?;
        if line.is_empty() {
            break;
        }
        if let Some(text) = line.strip_prefix("Range: bytes=")
            && let Some((from, to)) = text.split_once('-')
        {
            range = from.parse::<usize>().ok().zip(to.parse::<usize>().ok());
        }
    }
    let part = range.and_then(|(from, to)| content.get(from..=to));
    let part = part.ok_or(io::ErrorKind::InvalidData)?;
    together.wait();
    write!(stream, "HTTP/1.1 206 Partial Content\r\nContent-Length: {}\r\n\r\n", part.len())?;
    stream.write_all(part)
}

/// Downloads bytes `from` to `to` into the same place of `file`.
fn download(server: SocketAddr, file: &File, from: usize, to: usize) -> io::Result<()> {
    let mut stream = TcpStream::connect(server)?;
    write!(stream, "GET / HTTP/1.1\r\nRange: bytes={from}-{to}\r\nConnection: close\r\n\r\n")?;
    let mut answer = BufReader::new(stream);
    let mut line = String::new();
    while line != "\r\n" {
        line.clear();
        answer.read_line(&mut line)?;
    }
    let mut at = from as u64;
    let mut buffer = [0; 16 << 10];
    loop {
        match answer.read(&mut buffer)? {
            0 => return Ok(()),
            got => {
                file.write_all_at(&buffer[..got], at)?;
                at += got as u64;
            }
        }
    }
}

fn downloads() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let server = listener.local_addr()?;
    let served = Arc::new(content());
    let together = Arc::new(Barrier::new(PARTS));
    let content = Arc::clone(&served);
    let serving = greenthread::spawn(move || -> io::Result<()> {
        for _ in 0..PARTS {
            let (stream, _) = listener.accept()?;
            let (content, together) = (Arc::clone(&content), Arc::clone(&together));
            greenthread::spawn(move || answer(stream, &content, &together));
        }
        Ok(())
    });
    let path = std::env::temp_dir().join(format!("greenthread-download-{}", std::process::id()));
    let file =
        Arc::new(File::options().read(true).write(true).create(true).truncate(true).open(&path)?);
    let parts: Vec<_> = (0..PARTS)
        .map(|part| {
            let (from, to) = (part * LENGTH / PARTS, (part + 1) * LENGTH / PARTS - 1);
            println!("part {part}: bytes {from} to {to}");
            let file = Arc::clone(&file);
            greenthread::spawn(move || download(server, &file, from, to))
        })
        .collect();
    for part in parts {
        part.join()??;
    }
    serving.join()??;
    println!("the server had {PARTS} requests under way at the same time");
    println!("what was downloaded is what is served: {}", std::fs::read(&path)? == *served);
    std::fs::remove_file(&path)
}

fn main() -> io::Result<()> {
    // SAFETY: this program uses nothing of the kinds that `patch_all` names.
    unsafe { greenthread::monkey::patch_all() };
    let runtime = greenthread::Runtime::builder().workers(1).build()?;
    runtime.run(|| {
        let both = [greenthread::spawn(|| f1(5)), greenthread::spawn(|| f1(3))];
        for one in both {
            one.join()?;
        }
        downloads()
    })?
}
