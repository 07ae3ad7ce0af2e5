//! Downloads one file in parts that come at the same time, each by a range request of its own into its own place.
//!
//!     cargo run --release --example downloader -- http://HOST[:PORT]/PATH FILE [PARTS]
//!     cargo run --release --example downloader -- --check
//!
//! A part whose connection breaks goes on where it was; a server that does not send parts is asked for the whole. With `--check` the
//! server is the one of `http_server`, in this process, the connections break, and the checksum must be the server's.

mod shared {
    pub mod http;
    pub mod scratch;
    pub mod usage;
}

use greenthread::net::{Shutdown, TcpStream};
use greenthread::server::StreamServer;
use greenthread::sync::mpsc::{Receiver, Sender, channel};
use greenthread::{blocking, spawn};
use shared::http::{Client, Site, checksum_of};
use shared::scratch::Scratch;
use shared::usage;
use std::fs::File;
use std::io::{self, BufReader, IsTerminal, Read, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const USAGE: &str = "downloader URL FILE [PARTS] | --check";

const TRIES: usize = 5;

/// Part, and how many of its bytes have come.
type Progress = (usize, u64);

struct Url {
    host: String,
    path: String,
}

fn parse_url(url: &str) -> Option<Url> {
    let rest = url.strip_prefix("http://")?;
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let port = if host.contains(':') { "" } else { ":80" };
    let path = if path.is_empty() { "/" } else { path };
    Some(Url { host: format!("{host}{port}"), path: path.to_string() })
}

/// Fetches `range` into the same place of `file`.
fn fetch(
    url: &Url,
    file: &Arc<File>,
    part: usize,
    range: Range<u64>,
    progress: &Sender<Progress>,
) -> io::Result<()> {
    let (mut at, mut tries) = (range.start, 0);
    while at < range.end {
        let before = at;
        let result = fetch_once(url, file, &mut at, range.end, |at| {
            let _ = progress.send((part, at - range.start));
        });
        // Whoever comes further may try again for as long as he likes.
        tries = if at > before { 0 } else { tries + 1 };
        match result {
            Err(error) if tries == TRIES || error.kind() == io::ErrorKind::InvalidData => {
                return Err(error);
            }
            _ => {}
        }
    }
    Ok(())
}

fn fetch_once(
    url: &Url,
    file: &Arc<File>,
    at: &mut u64,
    end: u64,
    progress: impl Fn(u64),
) -> io::Result<()> {
    let mut client = Client::connect(&url.host)?;
    let range = format!("Range: bytes={}-{}\r\nConnection: close\r\n", *at, end - 1);
    client.send("GET", &url.host, &url.path, &range)?;
    let response = client.response()?;
    // What comes before the range.
    let mut before = match response.status {
        206 if response.length() == Some(end - *at) => 0,
        200 if response.length() == Some(end) => *at,
        status => {
            let what = format!("the server answered {status} to a range");
            return Err(io::Error::new(io::ErrorKind::InvalidData, what));
        }
    };
    while before > 0 {
        match client.body(before)?.len() {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            size => before -= size as u64,
        }
    }
    while *at < end {
        let data = client.body(end - *at)?;
        if data.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let (file, to, size) = (Arc::clone(file), *at, data.len() as u64);
        blocking(move || file.write_all_at(&data, to))?;
        *at += size;
        progress(*at);
    }
    Ok(())
}

/// Draws a bar for each part until all have ended; on a terminal in place, else the last state only.
fn draw(parts: &[Range<u64>], events: &Receiver<Progress>) {
    let mut done = vec![0; parts.len()];
    let lines = |done: &[u64]| {
        let mut text = String::new();
        for (at, (part, done)) in parts.iter().zip(done).enumerate() {
            let length = (part.end - part.start).max(1);
            let filled = (done * 40 / length) as usize;
            let percent = done * 100 / length;
            text += &format!("{at:>3} [{:<40}] {percent:>3} %\n", "#".repeat(filled));
        }
        text
    };
    let terminal = io::stderr().is_terminal();
    let mut drawn = Instant::now();
    if terminal {
        eprint!("{}", lines(&done));
    }
    while let Ok((part, bytes)) = events.recv() {
        done[part] = bytes;
        if terminal && drawn.elapsed() > Duration::from_millis(50) {
            eprint!("\x1b[{}A{}", parts.len(), lines(&done));
            drawn = Instant::now();
        }
    }
    let up = if terminal { format!("\x1b[{}A", parts.len()) } else { String::new() };
    eprint!("{up}{}", lines(&done));
}

/// Whether the server sends parts of the file. One that does not answers with the whole, as Python's `http.server` does.
fn sends_parts(url: &Url) -> io::Result<bool> {
    let mut client = Client::connect(&url.host)?;
    client.send("GET", &url.host, &url.path, "Range: bytes=0-0\r\nConnection: close\r\n")?;
    Ok(client.response()?.status == 206)
}

/// Downloads `url` to `path`; returns the length.
fn download(url: Url, path: &Path, parts: usize) -> io::Result<u64> {
    let mut client = Client::connect(&url.host)?;
    client.send("HEAD", &url.host, &url.path, "Connection: close\r\n")?;
    let head = client.response()?;
    let length = head.length().filter(|_| head.status == 200);
    let length = length.ok_or_else(|| {
        io::Error::other(format!("the server answered {} and no length", head.status))
    })?;
    let parts = if length > 0 && parts > 1 && !sends_parts(&url)? { 1 } else { parts };
    let name = path.to_owned();
    let file = blocking(move || {
        let file = File::create(name)?;
        file.set_len(length)?;
        Ok::<_, io::Error>(Arc::new(file))
    })?;
    let size = length.div_ceil(parts.max(1) as u64).max(1);
    let starts = (0..length).step_by(size as usize);
    let ranges: Vec<_> = starts.map(|start| start..(start + size).min(length)).collect();
    let (sender, receiver) = channel();
    let url = Arc::new(url);
    let fetching: Vec<_> = ranges
        .iter()
        .cloned()
        .enumerate()
        .map(|(part, range)| {
            let (url, file, sender) = (Arc::clone(&url), Arc::clone(&file), sender.clone());
            spawn(move || fetch(&url, &file, part, range, &sender))
        })
        .collect();
    drop(sender);
    draw(&ranges, &receiver);
    for fetching in fetching {
        fetching.join().map_err(io::Error::other)??;
    }
    Ok(length)
}

/// What the server says that the file's checksum is, if it is one that says so.
fn checksum_there(url: &Url) -> io::Result<Option<u64>> {
    let mut client = Client::connect(&url.host)?;
    let path = format!("{}?checksum", url.path);
    client.send("GET", &url.host, &path, "Connection: close\r\n")?;
    let head = client.response()?;
    if head.status != 200 || head.length() != Some(17) {
        return Ok(None);
    }
    let mut text = Vec::new();
    while text.len() < 17 {
        match client.body(17 - text.len() as u64)? {
            part if part.is_empty() => return Err(io::ErrorKind::UnexpectedEof.into()),
            part => text.extend(part),
        }
    }
    Ok(u64::from_str_radix(String::from_utf8_lossy(&text).trim(), 16).ok())
}

fn get(url: &str, path: &Path, parts: usize) -> io::Result<()> {
    let parse = || parse_url(url).ok_or_else(|| io::Error::other("not an http:// URL"));
    let begin = Instant::now();
    let length = download(parse()?, path, parts)?;
    println!("{length} bytes in {:.2} s", begin.elapsed().as_secs_f64());
    match checksum_there(&parse()?)? {
        None => println!("the server tells no checksum"),
        Some(there) if there == checksum_of(path)? => println!("checksum {there:016x}: good"),
        Some(_) => return Err(io::Error::other("the checksum is not the server's")),
    }
    Ok(())
}

/// Passes connections on to a server, and breaks some of them on the way.
fn unreliable(address: std::net::SocketAddr) -> io::Result<StreamServer> {
    let count = AtomicUsize::new(0);
    StreamServer::bind("127.0.0.1:0", move |client: TcpStream, _| -> io::Result<()> {
        let server = TcpStream::connect(address)?;
        let breaks = count.fetch_add(1, Ordering::Relaxed) % 3 == 1;
        let (to, from) = (server.try_clone()?, client.try_clone()?);
        let requests = spawn(move || io::copy(&mut &from, &mut &to));
        let answers = (&server).take(if breaks { 200_000 } else { u64::MAX });
        let result = io::copy(&mut { answers }, &mut &client);
        let _ = client.shutdown(Shutdown::Both);
        let _ = server.shutdown(Shutdown::Both);
        let _ = requests.join();
        result.map(drop)
    })
}

/// Knows of no ranges: it answers with all of `data` whatever is asked for, and breaks off the first time that it has sent some of it.
fn without_ranges(data: Vec<u8>) -> io::Result<StreamServer> {
    let count = AtomicUsize::new(0);
    StreamServer::bind("127.0.0.1:0", move |client: TcpStream, _| -> io::Result<()> {
        let mut request = Vec::new();
        for byte in BufReader::new(&client).bytes() {
            request.push(byte?);
            if request.ends_with(b"\r\n\r\n") {
                break;
            }
        }
        write!(&client, "HTTP/1.0 200 OK\r\nContent-Length: {}\r\n\r\n", data.len())?;
        if !request.starts_with(b"HEAD") {
            // The first to ask for it only wants to know whether there are ranges.
            let breaks = count.fetch_add(1, Ordering::Relaxed) == 1;
            (&client).write_all(&data[..if breaks { 200_000 } else { data.len() }])?;
        }
        client.shutdown(Shutdown::Write)
    })
}

fn check() -> io::Result<()> {
    let scratch = Scratch::new("downloader")?;
    let data: Vec<u8> = (0..8_000_017u64).map(|i| ((i * i) >> 9) as u8).collect();
    std::fs::write(scratch.path().join("file.bin"), &data)?;
    std::fs::write(scratch.path().join("empty.bin"), [])?;
    let site = Site::new(scratch.path(), Duration::from_secs(30))?;
    let server = StreamServer::bind("127.0.0.1:0", move |stream, _| drop(site.serve(stream)))?;
    server.start()?;
    let unreliable = unreliable(server.local_addr()?)?;
    unreliable.start()?;
    let whole = without_ranges(data.clone())?;
    whole.start()?;
    let servers = [(&server, 10), (&server, 1), (&unreliable, 10), (&whole, 10)];
    for (server, parts) in servers {
        let address = server.local_addr()?;
        let target: PathBuf = scratch.path().join("downloaded");
        get(&format!("http://{address}/file.bin"), &target, parts)?;
        assert!(std::fs::read(&target)? == data);
    }
    let target = scratch.path().join("downloaded");
    get(&format!("http://{}/empty.bin", server.local_addr()?), &target, 10)?;
    assert!(std::fs::read(&target)?.is_empty());
    assert!(get(&format!("http://{}/none", server.local_addr()?), &target, 10).is_err());
    whole.stop(Duration::from_secs(10));
    unreliable.stop(Duration::from_secs(10));
    server.stop(Duration::from_secs(10));
    println!("OK");
    io::stdout().flush()
}

fn main() -> io::Result<()> {
    let arguments = usage::arguments(USAGE, &["--check"]);
    match arguments.as_slice() {
        [check_it] if check_it == "--check" => greenthread::run(check),
        [url, path, rest @ ..] if rest.len() < 2 => {
            let parts = rest.first().map_or(Ok(10), |parts| parts.parse());
            let parts = parts.unwrap_or_else(|_| usage::usage(USAGE));
            let (url, path) = (url.clone(), PathBuf::from(path));
            greenthread::run(move || get(&url, &path, parts))
        }
        _ => usage::usage(USAGE),
    }
}
