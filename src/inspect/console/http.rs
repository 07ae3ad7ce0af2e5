//! The part of HTTP/1.1 that a page needs which is only read: GET and HEAD, keep-alive, pipelining, limits.
#![forbid(unsafe_code)]

use crate::net::{Shutdown, TcpStream};
use crate::sys::clock;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

/// The size of the largest head of a request.
const HEAD: usize = 8 * 1024;
const MAX_HEADERS: usize = 64;
/// How long a head may take to arrive, and a client to take an answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a connection may be idle.
const IDLE: Duration = Duration::from_secs(60);

/// A request.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Request {
    method: Method,
    pub(super) path: String,
    /// The names and values of the query, decoded.
    query: Vec<(String, String)>,
    host: Option<String>,
    keep_alive: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Method {
    Get,
    Head,
    Other,
}

impl Request {
    /// The value of a parameter of the query; the first one, if there are several.
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// An answer.
#[derive(Debug)]
pub(super) struct Response {
    status: &'static str,
    content_type: &'static str,
    /// Complete header lines.
    headers: String,
    body: Vec<u8>,
}

impl Response {
    pub(super) fn new(content_type: &'static str, body: impl Into<Vec<u8>>) -> Self {
        Self { status: "200 OK", content_type, headers: String::new(), body: body.into() }
    }

    pub(super) fn json(body: String) -> Self {
        Self::new("application/json", body)
    }

    /// An answer that refuses, with a reason for people to read.
    pub(super) fn refusal(status: &'static str, why: &str) -> Self {
        let text = Self::new("text/plain; charset=utf-8", format!("{why}\n"));
        Self { status, ..text }
    }

    pub(super) fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.push_str(&format!("{name}: {value}\r\n"));
        self
    }

    fn write(&self, request: Option<&Request>) -> Vec<u8> {
        let goes_on = request.is_some_and(|request| request.keep_alive);
        let connection = if goes_on { "keep-alive" } else { "close" };
        let mut out = format!(
            "HTTP/1.1 {}\r\nContent-Type: {}\r\nContent-Length: {}\r\nConnection: {connection}\r\n\
             Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\n\
             Cross-Origin-Resource-Policy: same-origin\r\n{}\r\n",
            self.status,
            self.content_type,
            self.body.len(),
            self.headers
        )
        .into_bytes();
        if request.is_none_or(|request| request.method != Method::Head) {
            out.extend_from_slice(&self.body);
        }
        out
    }
}

/// The host names for which a server answers: addresses, `localhost`, and those that were allowed. Otherwise a foreign
/// page could read this one by a host name of its own that leads here (DNS rebinding).
#[derive(Clone, Debug, Default)]
pub(super) struct Hosts(pub(super) Vec<String>);

impl Hosts {
    fn has(&self, host: &str) -> bool {
        let is_port = |port: &str| port.is_empty() || port.parse::<u16>().is_ok();
        let name = if let Some(rest) = host.strip_prefix('[') {
            let Some((address, port)) = rest.split_once(']') else { return false };
            let port = port.strip_prefix(':').unwrap_or(port);
            return address.parse::<Ipv6Addr>().is_ok() && is_port(port);
        } else {
            match host.split_once(':') {
                Some((name, port)) if is_port(port) => name,
                Some(_) => return false,
                None => host,
            }
        };
        name.parse::<Ipv4Addr>().is_ok()
            || name.eq_ignore_ascii_case("localhost")
            || self.0.iter().any(|allowed| allowed.eq_ignore_ascii_case(name))
    }
}

/// Whether only this machine reaches the address.
pub(super) fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

/// Serves one connection to its end.
pub(super) fn serve(
    mut stream: TcpStream,
    hosts: &Hosts,
    answer: impl Fn(&Request) -> Response,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut buffer: Vec<u8> = Vec::with_capacity(1024);
    loop {
        let (request, used) = match next(&mut stream, &mut buffer)? {
            Some(Ok(next)) => next,
            Some(Err((status, why))) => {
                stream.write_all(&Response::refusal(status, why).write(None))?;
                return finish(&mut stream);
            }
            None => return Ok(()),
        };
        buffer.drain(..used);
        let response = match &request {
            Request { method: Method::Other, .. } => {
                Response::refusal("405 Method Not Allowed", "Only GET and HEAD.")
                    .with_header("Allow", "GET, HEAD")
            }
            Request { host: Some(host), .. } if !hosts.has(host) => {
                Response::refusal("403 Forbidden", "This server has no such name.")
            }
            request => answer(request),
        };
        stream.write_all(&response.write(Some(&request)))?;
        if !request.keep_alive {
            return finish(&mut stream);
        }
    }
}

type HttpRefusal = (&'static str, &'static str);

/// The next request with its length; `None` at the end.
fn next(
    stream: &mut TcpStream,
    buffer: &mut Vec<u8>,
) -> io::Result<Option<Result<(Request, usize), HttpRefusal>>> {
    let mut until = None;
    loop {
        match parse(buffer) {
            Ok(Some(found)) => return Ok(Some(Ok(found))),
            Err(refused) => return Ok(Some(Err(refused))),
            Ok(None) if buffer.len() >= HEAD => {
                let status = "431 Request Header Fields Too Large";
                return Ok(Some(Err((status, "The head of a request has 8 KiB at most."))));
            }
            Ok(None) => {}
        }
        let begun = !buffer.is_empty();
        let limit = until.get_or_insert_with(|| clock::now() + if begun { PATIENCE } else { IDLE });
        let left = limit.saturating_duration_since(clock::now());
        if left.is_zero() {
            // A client that has sent nothing gets no answer.
            let status = ("408 Request Timeout", "The head of a request has ten seconds.");
            return Ok(begun.then_some(Err(status)));
        }
        stream.set_read_timeout(Some(left))?;
        let mut chunk = [0; 1024];
        let room = chunk.len().min(HEAD - buffer.len());
        match stream.read(&mut chunk[..room]) {
            Ok(0) => return Ok(None),
            Ok(got) => {
                if !begun {
                    until = None;
                }
                buffer.extend_from_slice(&chunk[..got]);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}

/// The first request in `bytes` and its length; `None` if it has not arrived completely.
fn parse(bytes: &[u8]) -> Result<Option<(Request, usize)>, HttpRefusal> {
    const BAD: &str = "400 Bad Request";
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut parsed = httparse::Request::new(&mut headers);
    let used = match parsed.parse(bytes) {
        Ok(httparse::Status::Complete(used)) => used,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => {
            return Err(("431 Request Header Fields Too Large", "There are 64 headers at most."));
        }
        Err(httparse::Error::Version) => {
            return Err(("505 HTTP Version Not Supported", "This is HTTP/1.1."));
        }
        Err(_) => return Err((BAD, "This is no request.")),
    };
    let method = match parsed.method {
        Some("GET") => Method::Get,
        Some("HEAD") => Method::Head,
        _ => Method::Other,
    };
    let is_1_1 = parsed.version == Some(1);
    let (mut host, mut keep_alive) = (None, is_1_1);
    for header in parsed.headers.iter() {
        let is = |name: &str| header.name.eq_ignore_ascii_case(name);
        let value = std::str::from_utf8(header.value).map_err(|_| (BAD, "A header is no text."))?;
        if is("host") && host.replace(value.trim().to_string()).is_some() {
            return Err((BAD, "There are several hosts."));
        } else if is("connection") {
            for option in value.split(',').map(str::trim) {
                if option.eq_ignore_ascii_case("close") {
                    keep_alive = false;
                } else if option.eq_ignore_ascii_case("keep-alive") && !is_1_1 {
                    keep_alive = true;
                }
            }
        } else if is("transfer-encoding") || (is("content-length") && value.trim() != "0") {
            // A body, which nothing here reads; so what follows the head is no request.
            keep_alive = false;
        }
    }
    if is_1_1 && host.is_none() {
        return Err((BAD, "There is no host."));
    }
    let mut target = parsed.path.unwrap_or_default();
    if let Some(absolute) = target.strip_prefix("http://") {
        let end = absolute.find(['/', '?']).unwrap_or(absolute.len());
        host = Some(absolute[..end].to_string());
        target = if absolute[end..].is_empty() { "/" } else { &absolute[end..] };
    }
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let path = decode(path).ok_or((BAD, "The path cannot be decoded."))?;
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    let pair = |pair: &str| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        Some((decode(&key.replace('+', " "))?, decode(&value.replace('+', " "))?))
    };
    let query =
        pairs.map(pair).collect::<Option<_>>().ok_or((BAD, "The query cannot be decoded."))?;
    Ok(Some((Request { method, path, query, host, keep_alive }, used)))
}

/// Replaces each `%xx` by the byte that it stands for; `None` if the result is no text.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digit = |byte: u8| char::from(byte).to_digit(16);
                let (high, low) = (digit(rest.next()?)?, digit(rest.next()?)?);
                u8::try_from(high * 16 + low).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

/// Ends a connection in such a way that the client sees the whole answer: to close it at once, while something that the
/// client has sent is unread, would reset it.
fn finish(stream: &mut TcpStream) -> io::Result<()> {
    stream.shutdown(Shutdown::Write)?;
    stream.set_read_timeout(Some(Duration::from_secs(1)))?;
    let mut rest = [0; 1024];
    for _ in 0..64 {
        if stream.read(&mut rest)? == 0 {
            break;
        }
    }
    Ok(())
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn request(text: &str) -> Request {
        parse(text.as_bytes()).unwrap().expect("it is whole").0
    }

    fn refused(text: &str) -> &'static str {
        parse(text.as_bytes()).unwrap_err().0
    }

    #[test]
    fn requests_are_read() {
        let got = request("GET /a%20b?x=1&y=a%2fb+c&z HTTP/1.1\r\nHost: localhost\r\n\r\n");
        assert_eq!((got.path.as_str(), got.method, got.keep_alive), ("/a b", Method::Get, true));
        assert_eq!((got.parameter("x"), got.parameter("y")), (Some("1"), Some("a/b c")));
        assert_eq!((got.parameter("z"), got.parameter("w")), (Some(""), None));
        assert!(!request("GET / HTTP/1.0\r\n\r\n").keep_alive);
        assert!(request("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n").keep_alive);
        assert!(!request("GET / HTTP/1.1\r\nHost: a\r\nConnection: x, close\r\n\r\n").keep_alive);
        assert!(!request("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc").keep_alive);
        let got = request("GET http://b:1/c HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!((got.host.as_deref(), got.path.as_str()), (Some("b:1"), "/c"));
        assert_eq!(request("POST / HTTP/1.1\r\nHost: a\r\n\r\n").method, Method::Other);
        assert_eq!(parse(b"GET / HTTP/1.1\r\nHost"), Ok(None));
        let two = b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\n";
        assert_eq!(parse(two).unwrap().unwrap().1, 28);
    }

    #[test]
    fn what_is_none_is_refused() {
        assert!(refused("nonsense\r\n\r\n").starts_with("400"));
        assert!(refused("GET / HTTP/1.1\r\n\r\n").starts_with("400"));
        assert!(refused("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n").starts_with("400"));
        for target in ["/%", "/%f", "/%zz", "/%ff", "/?a=%+1"] {
            assert!(
                refused(&format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n")).starts_with("400")
            );
        }
        assert!(refused("GET / HTTP/3.0\r\nHost: a\r\n\r\n").starts_with("505"));
        let many = format!("GET / HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(65));
        assert!(refused(&many).starts_with("431"));
    }

    #[test]
    fn only_names_that_nobody_else_can_have_are_answered_to() {
        let hosts = Hosts(vec!["box.lan".into()]);
        for good in [
            "localhost",
            "LocalHost:7669",
            "127.0.0.1:7669",
            "10.0.0.1",
            "[::1]",
            "[::1]:7669",
            "box.lan:80",
        ] {
            assert!(hosts.has(good), "{good}");
        }
        for bad in [
            "",
            "example.com",
            "localhost.example.com",
            "127.0.0.1.example.com:7669",
            "[::1",
            "[x]:1",
            "a:b",
            "localhost:x",
            "1.2.3.4:99999",
        ] {
            assert!(!hosts.has(bad), "{bad}");
        }
    }
}
