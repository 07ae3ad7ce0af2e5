//! HTTP/1.1 as far as a server of static files needs it: keep-alive, pipelining, HEAD, ranges; and a small client.
// Each example uses a part of it.
#![allow(dead_code, unreachable_pub)]

use greenthread::fs::File;
use greenthread::io::send_file;
use greenthread::net::TcpStream;
use greenthread::thread::on_worker_stack;
use greenthread::{blocking, yield_now};
use std::io::{self, Read, Write};
use std::mem::MaybeUninit;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The head of a request must fit.
const HEAD: usize = 4096;
const MAX_HEADERS: usize = 32;
/// How much of a file is in memory at a time.
const CHUNK: usize = 256 * 1024;
/// Answers that wait for each other to be written in one go.
const BATCH: usize = 16 * 1024;

/// What a server serves.
pub struct Site {
    /// Files are looked up below this, links resolved.
    root: PathBuf,
    /// How long a connection may be idle, a head under way, and a client not read.
    patience: Duration,
}

/// What to answer.
struct Answer {
    status: &'static str,
    headers: String,
    length: u64,
    body: Body,
}

enum Body {
    Text(&'static str),
    Owned(String),
    File(File, Range<u64>),
}

struct Head {
    method: Method,
    target: String,
    range: Option<String>,
    keep_alive: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Method {
    Get,
    Head,
    Other,
}

/// FNV-1a, good enough to notice a part that went astray.
pub fn checksum(data: &[u8], so_far: u64) -> u64 {
    data.iter().fold(so_far, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}

/// The checksum of nothing.
pub const EMPTY: u64 = 0xcbf2_9ce4_8422_2325;

/// The checksum of a file.
pub fn checksum_of(file: &Path) -> io::Result<u64> {
    let mut file = File::open(file)?;
    let (mut sum, mut chunk) = (EMPTY, vec![0; CHUNK]);
    loop {
        match file.read(&mut chunk)? {
            0 => return Ok(sum),
            got => sum = checksum(&chunk[..got], sum),
        }
        // It computes more than it waits.
        yield_now();
    }
}

impl Answer {
    fn text(status: &'static str, text: &'static str) -> Self {
        let headers = "Content-Type: text/plain\r\n".to_string();
        Self { status, headers, length: text.len() as u64, body: Body::Text(text) }
    }

    fn not_found() -> Self {
        Self::text("404 Not Found", "There is no such file.\n")
    }
}

/// What the bytes of a path stand for; `None` for what is no path of ours.
fn decode(path: &str) -> Option<PathBuf> {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.strip_prefix('/')?.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digits = [rest.next()?, rest.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            byte => byte,
        });
    }
    let path = String::from_utf8(bytes).ok().filter(|path| !path.contains('\0'))?;
    let path = PathBuf::from(path);
    // No way up, no root of its own.
    path.components().all(|part| matches!(part, std::path::Component::Normal(_))).then_some(path)
}

/// The part of `length` bytes that a `Range` asks for: `None` for what is to be ignored, an error for what there is not.
fn parse_range(range: &str, length: u64) -> Option<Result<Range<u64>, ()>> {
    let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
    if last.contains(',') {
        // Several ranges may be ignored, and are.
        return None;
    }
    let number = |text: &str| match text {
        text if text.bytes().all(|byte| byte.is_ascii_digit()) => text.parse::<u64>().ok(),
        _ => None,
    };
    let range = match (first, last) {
        ("", last) => length - number(last)?.min(length)..length,
        (first, "") => number(first)?..length,
        (first, last) if number(last)? < number(first)? => return None,
        (first, last) => number(first)?..number(last)?.saturating_add(1).min(length),
    };
    Some(if range.is_empty() { Err(()) } else { Ok(range) })
}

fn content_type(path: &Path) -> &'static str {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("html" | "htm") => "text/html; charset=utf-8",
        Some("txt" | "md" | "rs") => "text/plain; charset=utf-8",
        Some("css") => "text/css",
        Some("js") => "text/javascript",
        Some("json") => "application/json",
        Some("png") => "image/png",
        Some("jpg" | "jpeg") => "image/jpeg",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    }
}

impl Site {
    /// The files below a directory.
    pub fn new(root: &Path, patience: Duration) -> io::Result<Self> {
        Ok(Self { root: root.canonicalize()?, patience })
    }

    /// Opens a file of the site; with its path and length.
    fn open(&self, path: PathBuf) -> io::Result<(File, PathBuf, u64)> {
        let root = self.root.clone();
        // All of it in one go: each of these calls may have to wait for the disk.
        let (file, path, length) = blocking(move || {
            let mut path = root.join(path).canonicalize()?;
            if path.is_dir() {
                path = path.join("index.html").canonicalize()?;
            }
            // A link may lead anywhere.
            if !path.starts_with(&root) {
                return Err(io::Error::from(io::ErrorKind::NotFound));
            }
            let file = std::fs::File::open(&path)?;
            let metadata = file.metadata()?;
            if !metadata.is_file() {
                return Err(io::ErrorKind::NotFound.into());
            }
            Ok((file, path, metadata.len()))
        })?;
        Ok((file.into(), path, length))
    }

    fn answer(&self, head: &Head) -> Answer {
        if head.method == Method::Other {
            let mut answer = Answer::text("405 Method Not Allowed", "Only GET and HEAD.\n");
            answer.headers.push_str("Allow: GET, HEAD\r\n");
            return answer;
        }
        if head.target == "/plaintext" {
            return Answer::text("200 OK", "Hello, World!");
        }
        let (path, query) = head.target.split_once('?').unwrap_or((&head.target, ""));
        let Some(path) = decode(path) else { return Answer::not_found() };
        let (file, path, length) = match self.open(path) {
            Ok(found) => found,
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                return Answer::text("403 Forbidden", "That file is not for everybody.\n");
            }
            Err(_) => return Answer::not_found(),
        };
        if query == "checksum" {
            return match checksum_of(&path) {
                Ok(sum) => {
                    let text = format!("{sum:016x}\n");
                    let headers = "Content-Type: text/plain\r\n".to_string();
                    let length = text.len() as u64;
                    Answer { status: "200 OK", headers, length, body: Body::Owned(text) }
                }
                Err(_) => Answer::text("500 Internal Server Error", "It cannot be read.\n"),
            };
        }
        let range = head.range.as_deref().and_then(|range| parse_range(range, length));
        let mut headers =
            format!("Content-Type: {}\r\nAccept-Ranges: bytes\r\n", content_type(&path));
        let (status, range) = match range {
            None => ("200 OK", 0..length),
            Some(Ok(range)) => {
                headers.push_str(&format!(
                    "Content-Range: bytes {}-{}/{length}\r\n",
                    range.start,
                    range.end - 1
                ));
                ("206 Partial Content", range)
            }
            Some(Err(())) => {
                let mut answer = Answer::text("416 Range Not Satisfiable", "");
                answer.headers.push_str(&format!("Content-Range: bytes */{length}\r\n"));
                return answer;
            }
        };
        let length = range.end - range.start;
        Answer { status, headers, length, body: Body::File(file, range) }
    }

    /// Serves one connection to its end.
    pub fn serve(&self, mut stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(self.patience))?;
        stream.set_write_timeout(Some(self.patience))?;
        let (mut buffer, mut filled) = ([0; HEAD], 0);
        let mut out = Vec::new();
        let mut begun = None;
        loop {
            // Neither parsing nor formatting waits. On the worker's own stack both find their memory in the caches, which the stack of
            // one of a thousand connections is not in.
            match on_worker_stack(|| read_head(&buffer[..filled])) {
                Ok(Some((head, used))) => {
                    buffer.copy_within(used..filled, 0);
                    filled -= used;
                    begun = None;
                    let keep_alive = head.keep_alive;
                    self.send(&mut stream, &mut out, head)?;
                    if !keep_alive {
                        stream.write_all(&out)?;
                        return finish(&mut stream);
                    }
                    if filled > 0 && out.len() < BATCH {
                        continue;
                    }
                }
                Ok(None) if filled < HEAD => {}
                Ok(None) => {
                    refuse(&mut out, "431 Request Header Fields Too Large");
                    stream.write_all(&out)?;
                    return finish(&mut stream);
                }
                Err(status) => {
                    refuse(&mut out, status);
                    stream.write_all(&out)?;
                    return finish(&mut stream);
                }
            }
            if !out.is_empty() {
                stream.write_all(&out)?;
                out.clear();
                continue;
            }
            let got = if filled == 0 {
                begun = None;
                stream.read(&mut buffer)?
            } else {
                // A client that sends its head byte by byte has the time of one wait for all of it.
                let since = begun.get_or_insert_with(Instant::now).elapsed();
                let left = self.patience.saturating_sub(since);
                greenthread::timeout(left, || stream.read(&mut buffer[filled..]))??
            };
            match got {
                0 => return Ok(()),
                got => filled += got,
            }
        }
    }

    /// Puts the answer into `out`, and writes that where it becomes large.
    fn send(&self, stream: &mut TcpStream, out: &mut Vec<u8>, head: Head) -> io::Result<()> {
        let answer = self.answer(&head);
        let connection = if head.keep_alive { "" } else { "Connection: close\r\n" };
        on_worker_stack(|| {
            write!(
                out,
                "HTTP/1.1 {}\r\nServer: greenthread\r\n{}Content-Length: {}\r\n{connection}\r\n",
                answer.status, answer.headers, answer.length
            )
        })?;
        if head.method == Method::Head {
            return Ok(());
        }
        match answer.body {
            Body::Text(text) => out.extend_from_slice(text.as_bytes()),
            Body::Owned(text) => out.extend_from_slice(text.as_bytes()),
            Body::File(file, mut range) => {
                stream.write_all(out)?;
                out.clear();
                send_file(&file, &mut range, stream)?;
                if !range.is_empty() {
                    // A file that became shorter ends the connection: its length has been promised.
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
            }
        }
        Ok(())
    }
}

fn refuse(out: &mut Vec<u8>, status: &str) {
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    out.extend_from_slice(head.as_bytes());
}

/// Ends a connection such that the client sees the whole answer: closing at once, with something of his unread, would
/// reset it.
fn finish(stream: &mut TcpStream) -> io::Result<()> {
    stream.shutdown(greenthread::net::Shutdown::Write)?;
    stream.set_read_timeout(Some(Duration::from_secs(1)))?;
    let mut rest = [0; 1024];
    for _ in 0..64 {
        if stream.read(&mut rest)? == 0 {
            break;
        }
    }
    Ok(())
}

/// The first request in `buffer` and how many bytes it takes; `None` if it is not there to its end. The error is a status.
fn read_head(buffer: &[u8]) -> Result<Option<(Head, usize)>, &'static str> {
    if buffer.is_empty() {
        return Ok(None);
    }
    let mut headers = [const { MaybeUninit::uninit() }; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut []);
    let used = match request.parse_with_uninit_headers(buffer, &mut headers) {
        Ok(httparse::Status::Complete(used)) => used,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err("431 Request Header Fields Too Large"),
        Err(httparse::Error::Version) => return Err("505 HTTP Version Not Supported"),
        Err(_) => return Err("400 Bad Request"),
    };
    let method = match request.method {
        Some("GET") => Method::Get,
        Some("HEAD") => Method::Head,
        _ => Method::Other,
    };
    let mut head = Head {
        method,
        target: request.path.unwrap_or_default().to_string(),
        range: None,
        keep_alive: request.version == Some(1),
    };
    let mut has_host = false;
    for header in request.headers.iter() {
        let is = |name: &str| header.name.eq_ignore_ascii_case(name);
        let value = std::str::from_utf8(header.value).unwrap_or("").trim();
        if is("host") {
            has_host = true;
        } else if is("range") && method == Method::Get {
            head.range = Some(value.to_string());
        } else if is("connection") {
            for option in value.split(',').map(str::trim) {
                if option.eq_ignore_ascii_case("close") {
                    head.keep_alive = false;
                } else if option.eq_ignore_ascii_case("keep-alive") && request.version == Some(0) {
                    head.keep_alive = true;
                }
            }
        } else if is("transfer-encoding") || (is("content-length") && value != "0") {
            // A body, which nobody here wants: what follows the head is not the next request.
            head.keep_alive = false;
        }
    }
    if request.version == Some(1) && !has_host {
        return Err("400 Bad Request");
    }
    Ok(Some((head, used)))
}

/// What a server said.
#[derive(Debug)]
pub struct Response {
    pub status: u16,
    pub headers: Vec<(String, String)>,
}

impl Response {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// How long the body is.
    pub fn length(&self) -> Option<u64> {
        self.header("content-length")?.parse().ok()
    }
}

/// A connection to a server, and what has been read of it too early.
pub struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Client {
    /// Connects to `host:port`.
    pub fn connect(host: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(host)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        Ok(Self { stream, buffer: Vec::new() })
    }

    /// Sends a request without a body; `headers` are whole lines.
    pub fn send(&mut self, method: &str, host: &str, path: &str, headers: &str) -> io::Result<()> {
        let head = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n");
        self.stream.write_all(head.as_bytes())
    }

    /// Reads the head of the next answer.
    pub fn response(&mut self) -> io::Result<Response> {
        loop {
            let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
            let mut response = httparse::Response::new(&mut headers);
            let parsed = response.parse(&self.buffer).map_err(io::Error::other)?;
            if let httparse::Status::Complete(used) = parsed {
                let headers = response.headers.iter().map(|header| {
                    let value = String::from_utf8_lossy(header.value);
                    (header.name.to_string(), value.into_owned())
                });
                let status = response.code.unwrap_or(0);
                let response = Response { status, headers: headers.collect() };
                self.buffer.drain(..used);
                return Ok(response);
            }
            let mut chunk = [0; 4096];
            match self.stream.read(&mut chunk)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                got => self.buffer.extend_from_slice(&chunk[..got]),
            }
        }
    }

    /// Reads some of a body of which `missing` bytes have not been read; nothing at the end of the connection.
    pub fn body(&mut self, missing: u64) -> io::Result<Vec<u8>> {
        let wanted = missing.min(64 * 1024) as usize;
        if self.buffer.is_empty() {
            let mut chunk = vec![0; wanted];
            let got = self.stream.read(&mut chunk)?;
            chunk.truncate(got);
            return Ok(chunk);
        }
        let rest = self.buffer.split_off(wanted.min(self.buffer.len()));
        Ok(std::mem::replace(&mut self.buffer, rest))
    }

    /// Reads a whole answer.
    pub fn whole(&mut self) -> io::Result<(Response, Vec<u8>)> {
        let response = self.response()?;
        let length = response.length().unwrap_or(0);
        let mut body = Vec::new();
        while (body.len() as u64) < length {
            match self.body(length - body.len() as u64)? {
                part if part.is_empty() => return Err(io::ErrorKind::UnexpectedEof.into()),
                part => body.extend(part),
            }
        }
        Ok((response, body))
    }

    /// Whether the server has closed the connection.
    pub fn is_at_end(&mut self) -> bool {
        self.buffer.is_empty() && matches!(self.stream.read(&mut [0]), Ok(0) | Err(_))
    }
}
