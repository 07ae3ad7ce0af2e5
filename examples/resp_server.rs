//! A tiny key-value server that speaks Redis's protocol (RESP2), for `redis-cli` and other clients.
//!
//!     cargo run --release --example resp_server -- [ADDRESS]      (then: redis-cli -p 7004)
//!     cargo run --release --example resp_server -- --check
//!
//! PING, ECHO, SET (EX, PX, NX, XX), GET, DEL, EXISTS, INCR, DECR, INCRBY, EXPIRE, TTL, DBSIZE, FLUSHALL, QUIT; requests as
//! arrays and inline, pipelined as deep as one likes.

mod shared {
    pub mod shutdown;
    pub mod usage;
}

use greenthread::net::TcpStream;
use greenthread::server::StreamServer;
use greenthread::sync::Mutex;
use shared::usage;
use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::time::{Duration, Instant};

const USAGE: &str = "resp_server [ADDRESS] | --check";

/// The longest argument, and the most of them.
const LONGEST: usize = 16 * 1024 * 1024;
const MOST: usize = 1024;
/// The longest line, which is an inline request.
const LINE: usize = 64 * 1024;
/// Answers that wait for each other to be written in one go.
const BATCH: usize = 64 * 1024;

type Bytes = Vec<u8>;

struct Entry {
    value: Bytes,
    expires: Option<Instant>,
}

#[derive(Default)]
struct Store(Mutex<HashMap<Bytes, Entry>>);

enum Reply {
    Status(&'static str),
    Error(String),
    Number(i64),
    Bytes(Bytes),
    Nothing,
    Array(Vec<Bytes>),
    /// The last one of its connection.
    Goodbye,
}

fn number<T: std::str::FromStr>(bytes: &[u8]) -> Result<T, Reply> {
    let text = std::str::from_utf8(bytes).ok();
    let number = text.and_then(|text| text.parse().ok());
    number.ok_or_else(|| Reply::Error("ERR value is not an integer or out of range".to_string()))
}

fn syntax() -> Reply {
    Reply::Error("ERR syntax error".to_string())
}

impl Store {
    /// Runs `body` with the entries, those that have expired left out as far as `key` goes.
    fn with<R>(&self, key: &[u8], body: impl FnOnce(&mut HashMap<Bytes, Entry>) -> R) -> R {
        let mut entries = self.0.lock().unwrap();
        let expires = entries.get(key).and_then(|entry| entry.expires);
        if expires.is_some_and(|at| at <= Instant::now()) {
            entries.remove(key);
        }
        body(&mut entries)
    }

    fn set(&self, key: &[u8], value: &[u8], options: &[Bytes]) -> Result<Reply, Reply> {
        let (mut expires, mut only_new, mut only_old) = (None, false, false);
        let mut options = options.iter();
        while let Some(option) = options.next() {
            let unit = match option.to_ascii_uppercase().as_slice() {
                b"EX" => 1000,
                b"PX" => 1,
                b"NX" => {
                    only_new = true;
                    continue;
                }
                b"XX" => {
                    only_old = true;
                    continue;
                }
                _ => return Err(syntax()),
            };
            let time: u32 = number(options.next().ok_or_else(syntax)?)?;
            expires = Some(Instant::now() + Duration::from_millis(u64::from(time) * unit));
        }
        self.with(key, |entries| {
            if entries.contains_key(key) && only_new || !entries.contains_key(key) && only_old {
                return Ok(Reply::Nothing);
            }
            entries.insert(key.to_vec(), Entry { value: value.to_vec(), expires });
            Ok(Reply::Status("OK"))
        })
    }

    fn add(&self, key: &[u8], by: i64) -> Result<Reply, Reply> {
        self.with(key, |entries| {
            let old = entries.get(key).map_or(Ok(0i64), |entry| number(&entry.value))?;
            let new = old.checked_add(by).ok_or_else(|| {
                Reply::Error("ERR increment or decrement would overflow".to_string())
            })?;
            let value = new.to_string().into_bytes();
            let entry = entries.entry(key.to_vec());
            entry.or_insert(Entry { value: Bytes::new(), expires: None }).value = value;
            Ok(Reply::Number(new))
        })
    }

    fn run(&self, request: &[Bytes]) -> Result<Reply, Reply> {
        let Some((name, arguments)) = request.split_first() else { return Err(syntax()) };
        let name = String::from_utf8_lossy(name).to_ascii_uppercase();
        Ok(match (name.as_str(), arguments) {
            ("PING", []) => Reply::Status("PONG"),
            ("PING" | "ECHO", [text]) => Reply::Bytes(text.clone()),
            ("SET", [key, value, options @ ..]) => return self.set(key, value, options),
            ("GET", [key]) => self.with(key, |entries| {
                entries.get(key).map_or(Reply::Nothing, |entry| Reply::Bytes(entry.value.clone()))
            }),
            ("DEL", [_, ..]) => {
                let remove =
                    |key: &&Bytes| self.with(key, |entries| entries.remove(*key)).is_some();
                Reply::Number(arguments.iter().filter(remove).count() as i64)
            }
            ("EXISTS", [_, ..]) => {
                let there = |key: &&Bytes| self.with(key, |entries| entries.contains_key(*key));
                Reply::Number(arguments.iter().filter(there).count() as i64)
            }
            ("INCR", [key]) => return self.add(key, 1),
            ("DECR", [key]) => return self.add(key, -1),
            ("INCRBY", [key, by]) => return self.add(key, number(by)?),
            ("EXPIRE", [key, seconds]) => {
                let seconds: u32 = number(seconds)?;
                let at = Instant::now() + Duration::from_secs(seconds.into());
                self.with(key, |entries| {
                    let entry = entries.get_mut(key).map(|entry| entry.expires = Some(at));
                    Reply::Number(entry.is_some().into())
                })
            }
            ("TTL", [key]) => self.with(key, |entries| {
                Reply::Number(match entries.get(key).map(|entry| entry.expires) {
                    None => -2,
                    Some(None) => -1,
                    Some(Some(at)) => (at - Instant::now()).as_secs_f64().ceil() as i64,
                })
            }),
            ("DBSIZE", []) => {
                let mut entries = self.0.lock().unwrap();
                let now = Instant::now();
                entries.retain(|_, entry| entry.expires.is_none_or(|at| at > now));
                Reply::Number(entries.len() as i64)
            }
            ("FLUSHALL", []) => {
                let old = std::mem::take(&mut *self.0.lock().unwrap());
                drop(old);
                Reply::Status("OK")
            }
            // What clients ask when they connect.
            ("COMMAND" | "CONFIG", _) => Reply::Array(Vec::new()),
            ("SELECT", [database]) if database == b"0" => Reply::Status("OK"),
            ("QUIT", []) => Reply::Goodbye,
            (
                "PING" | "ECHO" | "SET" | "GET" | "DEL" | "EXISTS" | "INCR" | "DECR" | "INCRBY",
                _,
            )
            | ("EXPIRE" | "TTL" | "DBSIZE" | "FLUSHALL" | "QUIT" | "SELECT", _) => {
                let name = name.to_ascii_lowercase();
                Reply::Error(format!("ERR wrong number of arguments for '{name}' command"))
            }
            _ => Reply::Error(format!("ERR unknown command '{}'", name.escape_debug())),
        })
    }
}

impl Reply {
    fn write(&self, out: &mut Vec<u8>) -> io::Result<()> {
        match self {
            Self::Status(text) => write!(out, "+{text}\r\n"),
            Self::Goodbye => write!(out, "+OK\r\n"),
            Self::Error(text) => write!(out, "-{text}\r\n"),
            Self::Number(number) => write!(out, ":{number}\r\n"),
            Self::Nothing => write!(out, "$-1\r\n"),
            Self::Bytes(bytes) => write_bytes(out, bytes),
            Self::Array(items) => {
                write!(out, "*{}\r\n", items.len())?;
                items.iter().try_for_each(|item| write_bytes(out, item))
            }
        }
    }
}

fn write_bytes(out: &mut Vec<u8>, bytes: &[u8]) -> io::Result<()> {
    write!(out, "${}\r\n", bytes.len())?;
    out.extend_from_slice(bytes);
    out.extend_from_slice(b"\r\n");
    Ok(())
}

fn wrong(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("ERR Protocol error: {what}"))
}

/// Reads a line without its end; `None` at the end of the stream.
fn read_line(input: &mut impl BufRead) -> io::Result<Option<Bytes>> {
    let mut line = Bytes::new();
    if input.by_ref().take(LINE as u64).read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    if line.pop() != Some(b'\n') {
        return Err(wrong("too big inline request"));
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    Ok(Some(line))
}

fn length(line: &[u8], sign: u8, most: usize) -> io::Result<usize> {
    let digits = line.strip_prefix(&[sign]).ok_or_else(|| wrong("expected a length"))?;
    let text = std::str::from_utf8(digits).ok();
    let length = text.and_then(|text| text.parse().ok()).filter(|length| *length <= most);
    length.ok_or_else(|| wrong("invalid length"))
}

/// Reads a request; `None` at the end of the stream.
fn read_request(input: &mut impl BufRead) -> io::Result<Option<Vec<Bytes>>> {
    let Some(line) = read_line(input)? else { return Ok(None) };
    if line.first() != Some(&b'*') {
        let words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        return Ok(Some(words.map(<[u8]>::to_vec).collect()));
    }
    let count = length(&line, b'*', MOST)?;
    let mut request = Vec::with_capacity(count);
    for _ in 0..count {
        let line = read_line(input)?.ok_or(io::ErrorKind::UnexpectedEof)?;
        let size = length(&line, b'$', LONGEST)?;
        // As much room as has come, not as much as was announced.
        let mut argument = Bytes::new();
        input.by_ref().take(size as u64 + 2).read_to_end(&mut argument)?;
        if !argument.ends_with(b"\r\n") || argument.len() != size + 2 {
            return Err(wrong("an argument without its end"));
        }
        argument.truncate(size);
        request.push(argument);
    }
    Ok(Some(request))
}

fn serve(store: &Store, stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut input = BufReader::with_capacity(2048, stream);
    let mut output = stream;
    let mut out = Vec::new();
    loop {
        let request = match read_request(&mut input) {
            Ok(Some(request)) => request,
            Ok(None) => return Ok(()),
            Err(error) => {
                if error.kind() == io::ErrorKind::InvalidData {
                    Reply::Error(error.to_string()).write(&mut out)?;
                    output.write_all(&out)?;
                }
                return Err(error);
            }
        };
        // An empty line asks for nothing.
        if !request.is_empty() {
            let reply = store.run(&request).unwrap_or_else(|refusal| refusal);
            reply.write(&mut out)?;
            if matches!(reply, Reply::Goodbye) {
                return output.write_all(&out);
            }
        }
        // What was sent in one go is answered in one go.
        if input.buffer().is_empty() || out.len() > BATCH {
            output.write_all(&out)?;
            out.clear();
            out.shrink_to(BATCH);
        }
    }
}

fn server(address: &str) -> io::Result<StreamServer> {
    let store = Store::default();
    StreamServer::bind(address, move |stream: TcpStream, _| serve(&store, &stream))
}

fn check() -> io::Result<()> {
    let server = server("127.0.0.1:0")?;
    server.start()?;
    let address = server.local_addr()?;
    let talk = move |script: &[u8]| -> io::Result<String> {
        let mut stream = TcpStream::connect(address)?;
        stream.write_all(script)?;
        stream.shutdown(greenthread::net::Shutdown::Write)?;
        let mut text = Vec::new();
        stream.read_to_end(&mut text)?;
        Ok(String::from_utf8_lossy(&text).replace("\r\n", " "))
    };
    let basics = b"PING\r\n\r\nset a 1\nINCR a\r\nGET a\r\nTTL a\r\nEXPIRE a 100\r\nTTL a\r\nDEL a b\r\nGET a\r\nINCR\r\nNONE\r\n";
    assert_eq!(
        talk(basics)?,
        "+PONG +OK :2 $1 2 :-1 :1 :100 :1 $-1 -ERR wrong number of arguments for 'incr' command \
         -ERR unknown command 'NONE' "
    );
    let binary = b"*3\r\n$3\r\nSET\r\n$3\r\n\r\n\0\r\n$4\r\n\r\n\r\n\r\n*2\r\n$3\r\nGET\r\n$3\r\n\r\n\0\r\nQUIT\r\nPING\r\n";
    assert!(talk(binary)?.starts_with("+OK $4 "));
    assert_eq!(talk(b"SET k x PX 1\r\n")?, "+OK ");
    while talk(b"GET k\r\n")? != "$-1 " {}
    assert_eq!(talk(b"SET k y XX\r\nTTL k\r\n")?, "$-1 :-2 ");
    assert_eq!(
        talk(b"SET n 1 NX\r\nSET n 2 NX\r\nGET n\r\nSET n x EX\r\n")?,
        "+OK $-1 $1 1 -ERR syntax error "
    );
    for nonsense in ["*9999999\r\n", "*1\r\n$99999999999\r\n", "*1\r\nx\r\n", "*1\r\n$1\r\nabc\r\n"]
    {
        assert!(talk(nonsense.as_bytes())?.starts_with("-ERR Protocol error"), "{nonsense}");
    }
    // Many at once, deep pipelines: every increment counts once, every answer comes.
    let clients: Vec<_> = (0..50)
        .map(|_| greenthread::spawn(move || talk("INCR count\r\n".repeat(1000).as_bytes())))
        .collect();
    for client in clients {
        assert_eq!(client.join().unwrap()?.matches(':').count(), 1000);
    }
    assert_eq!(talk(b"GET count\r\nFLUSHALL\r\nDBSIZE\r\n")?, "$5 50000 +OK :0 ");
    assert_eq!(server.stop(Duration::from_secs(10)), 0);
    assert_eq!(server.stats().panicked, 0);
    println!("OK");
    Ok(())
}

fn main() -> io::Result<()> {
    let arguments = usage::arguments(USAGE, &["--check"]);
    let address = match arguments.as_slice() {
        [] => "127.0.0.1:7004",
        [check_it] if check_it == "--check" => return greenthread::run(check),
        [address] => address,
        _ => usage::usage(USAGE),
    };
    let server = server(address)?;
    shared::shutdown::serve(&server, &format!("serving on {}", server.local_addr()?))
}
