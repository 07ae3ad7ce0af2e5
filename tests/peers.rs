//! Libraries of others over our connections, and a server of others at their other end.
//!
//! `tungstenite` and `ureq` take any stream, so their blocking code suspends green threads. What needs `redis-server` is
//! ignored unless asked for: `cargo test --test peers -- --include-ignored`.
#![cfg(not(loom))]

#[path = "../examples/shared/http.rs"]
mod http;

use greenthread::net::{SocketAddr, TcpListener, TcpStream};
use greenthread::os::unix::net::UnixStream;
use greenthread::server::{Stats, StreamServer};
use greenthread::{JoinHandle, Runtime, sleep, spawn, timeout};
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};
use tungstenite::protocol::CloseFrame;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::{Message, WebSocket};

/// How long anything may take before it counts as a hang.
const LIMIT: Duration = Duration::from_secs(60);

/// On one worker, where whoever blocked it would hang everybody, and on two and eight.
fn everywhere(case: fn()) {
    let (done, finished) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        for workers in [1, 2, 8] {
            Runtime::builder().workers(workers).build().unwrap().run(case).unwrap();
        }
        let _ = done.send(());
    });
    match finished.recv_timeout(3 * LIMIT) {
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("it hangs"),
        _ => thread.join().unwrap(),
    }
}

fn join_all<T>(handles: impl IntoIterator<Item = JoinHandle<T>>) -> Vec<T> {
    handles.into_iter().map(|handle| handle.join().unwrap()).collect()
}

/// A name in the file system that is removed when this is dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let next = NEXT.fetch_add(1, Ordering::SeqCst);
        let name = format!("greenthread-peers-{}-{next}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Bytes that differ by place and number.
fn data(number: usize, size: usize) -> Vec<u8> {
    (0..size).map(|at| ((at * (2 * number + 1)) >> 4) as u8).collect()
}

fn web_socket(server: &StreamServer) -> WebSocket<TcpStream> {
    let stream = TcpStream::connect(server.local_addr().unwrap()).unwrap();
    tungstenite::client("ws://localhost/chat", stream).unwrap().0
}

#[test]
fn web_sockets() {
    everywhere(|| {
        let server = StreamServer::bind("127.0.0.1:0", |stream: TcpStream, _| {
            let Ok(mut socket) = tungstenite::accept(stream) else { return };
            loop {
                match socket.read() {
                    Ok(message) if message.is_binary() || message.is_text() => {
                        socket.send(message).unwrap();
                    }
                    Ok(_) => {}
                    Err(tungstenite::Error::ConnectionClosed) => return,
                    // Killed peers and resets.
                    Err(_) => return,
                }
            }
        })
        .unwrap();
        server.start().unwrap();

        // What is no web socket is refused, and disturbs nobody.
        let address = server.local_addr().unwrap();
        let mut stranger = TcpStream::connect(address).unwrap();
        stranger.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        let _ = stranger.read_to_end(&mut Vec::new());
        // One that begins and says no more stays for as long as it likes.
        let mut slow = TcpStream::connect(address).unwrap();
        slow.write_all(b"GET / HTTP/1.1\r\n").unwrap();

        let mut sockets: Vec<_> = (0..50).map(|_| web_socket(&server)).collect();
        let clients: Vec<_> = sockets
            .drain(..)
            .enumerate()
            .map(|(number, mut socket)| {
                spawn(move || {
                    for size in [0, 1, 125, 126, 65_535, 65_536, 300_000] {
                        let sent = Message::binary(data(number, size));
                        socket.send(sent.clone()).unwrap();
                        assert!(socket.read().unwrap() == sent);
                    }
                    for turn in 0..20 {
                        let sent = Message::text(format!("client {number}, turn {turn}: ö"));
                        socket.send(sent.clone()).unwrap();
                        assert_eq!(socket.read().unwrap(), sent);
                    }
                    socket.send(Message::Ping(vec![1, 2].into())).unwrap();
                    assert_eq!(socket.read().unwrap(), Message::Pong(vec![1, 2].into()));
                    let frame = CloseFrame { code: CloseCode::Normal, reason: "bye".into() };
                    socket.close(Some(frame.clone())).unwrap();
                    assert_eq!(socket.read().unwrap(), Message::Close(Some(frame)));
                    let end = socket.read().unwrap_err();
                    assert!(matches!(end, tungstenite::Error::ConnectionClosed), "{end}");
                })
            })
            .collect();
        join_all(clients);
        // But for the slow one they all end by themselves.
        let end = Instant::now() + LIMIT;
        while server.stats().live > 1 {
            assert!(Instant::now() < end, "{:?}", server.stats());
            sleep(Duration::from_millis(1));
        }
        assert_eq!(server.stop(Duration::from_millis(1)), 1);
        assert_eq!(server.stats().panicked, 0);
    });
}

/// A read timeout and a `timeout` in the middle of messages lose nothing of them.
#[test]
fn web_sockets_with_timeouts() {
    everywhere(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let sender = spawn(move || {
            let mut socket = tungstenite::accept(listener.accept().unwrap().0).unwrap();
            for number in 0..5 {
                sleep(Duration::from_millis(15));
                socket.send(Message::binary(data(number, 200_000))).unwrap();
            }
            let _ = socket.read();
        });
        let stream = TcpStream::connect(address).unwrap();
        let (mut socket, _) = tungstenite::client("ws://localhost/", stream).unwrap();
        socket.get_ref().set_read_timeout(Some(Duration::from_millis(3))).unwrap();
        let mut timeouts = 0;
        for number in 0..5 {
            let end = Instant::now() + LIMIT;
            let message = loop {
                match socket.read() {
                    Ok(message) => break message,
                    Err(tungstenite::Error::Io(error))
                        if error.kind() == ErrorKind::WouldBlock && Instant::now() < end =>
                    {
                        timeouts += 1;
                    }
                    Err(error) => panic!("{error}"),
                }
            };
            assert!(message.into_data() == data(number, 200_000));
        }
        assert!(timeouts > 0);
        socket.get_ref().set_read_timeout(None).unwrap();
        assert!(timeout(Duration::from_millis(2), || socket.read()).is_err());
        socket.close(None).unwrap();
        sender.join().unwrap();
    });
}

/// `ureq` over our connections.
mod requests {
    use greenthread::net::TcpStream;
    use std::io::{ErrorKind, Read, Write};
    use std::time::Duration;
    use ureq::Error;
    use ureq::unversioned::resolver::DefaultResolver;
    use ureq::unversioned::transport::{
        Buffers, ConnectionDetails, Connector, LazyBuffers, NextTimeout, Transport,
    };

    #[derive(Debug)]
    struct Green;

    struct Connection {
        stream: TcpStream,
        buffers: LazyBuffers,
    }

    impl std::fmt::Debug for Connection {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            self.stream.fmt(f)
        }
    }

    fn of(timeout: &NextTimeout) -> Option<Duration> {
        timeout.not_zero().map(|timeout| *timeout)
    }

    impl Connector for Green {
        type Out = Connection;

        fn connect(
            &self,
            details: &ConnectionDetails<'_>,
            _: Option<()>,
        ) -> Result<Option<Connection>, Error> {
            let stream = TcpStream::connect(&details.addrs[..])?;
            let config = &details.config;
            let buffers = LazyBuffers::new(config.input_buffer_size(), config.output_buffer_size());
            Ok(Some(Connection { stream, buffers }))
        }
    }

    impl Connection {
        fn outcome<T>(result: std::io::Result<T>, timeout: &NextTimeout) -> Result<T, Error> {
            result.map_err(|error| match error.kind() {
                ErrorKind::WouldBlock => Error::Timeout(timeout.reason),
                _ => error.into(),
            })
        }
    }

    impl Transport for Connection {
        fn buffers(&mut self) -> &mut dyn Buffers {
            &mut self.buffers
        }

        fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
            self.stream.set_write_timeout(of(&timeout))?;
            let output = &self.buffers.output()[..amount];
            Self::outcome(self.stream.write_all(output), &timeout)
        }

        fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
            self.stream.set_read_timeout(of(&timeout))?;
            let got = self.stream.read(self.buffers.input_append_buf());
            let got = Self::outcome(got, &timeout)?;
            self.buffers.input_appended(got);
            Ok(got > 0)
        }

        fn is_open(&mut self) -> bool {
            let _ = self.stream.set_nonblocking(true);
            let open = matches!(self.stream.peek(&mut [0]), Err(error) if error.kind() == ErrorKind::WouldBlock);
            let _ = self.stream.set_nonblocking(false);
            open
        }
    }

    pub(super) fn agent(timeout: Duration) -> ureq::Agent {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_recv_response(Some(timeout))
            .timeout_recv_body(Some(timeout))
            .build();
        ureq::Agent::with_parts(config, Green, DefaultResolver::default())
    }
}

#[test]
fn an_http_client_against_the_example_server() {
    everywhere(|| {
        let scratch = Scratch::new();
        let files = [0, 10, 100_000, 2_000_000].map(|size| data(size, size));
        for (number, file) in files.iter().enumerate() {
            std::fs::write(scratch.0.join(number.to_string()), file).unwrap();
        }
        let site = http::Site::new(&scratch.0, LIMIT).unwrap();
        let server =
            StreamServer::bind("127.0.0.1:0", move |stream, _| site.serve(stream)).unwrap();
        server.start().unwrap();
        let url = format!("http://{}", server.local_addr().unwrap());
        let agent = requests::agent(LIMIT);
        let client = || {
            for number in [1, 2, 3, 0] {
                let mut response = agent.get(format!("{url}/{number}")).call().unwrap();
                assert_eq!(response.status(), 200);
                assert!(response.body_mut().read_to_vec().unwrap() == files[number]);
            }
            let part = agent.get(format!("{url}/3")).header("Range", "bytes=1000-1999");
            let mut response = part.call().unwrap();
            assert_eq!(response.status(), 206);
            assert!(response.body_mut().read_to_vec().unwrap() == files[3][1000..2000]);
            assert_eq!(agent.get(format!("{url}/none")).call().unwrap().status(), 404);
            assert_eq!(agent.post(format!("{url}/1")).send("text").unwrap().status(), 405);
        };
        greenthread::scope(|scope| {
            for _ in 0..30 {
                scope.spawn(client);
            }
        });
        let before = server.stats().accepted;
        for _ in 0..10 {
            agent.get(format!("{url}/1")).call().unwrap().body_mut().read_to_vec().unwrap();
        }
        assert!(server.stats().accepted <= before + 1, "connections are used again");
        drop(agent);
        assert_eq!(server.stop(LIMIT), 0);
        assert_eq!(server.stats().panicked, 0);
    });
}

/// Servers that stall, lie about the length, or reset are errors of the client, and soon.
#[test]
fn an_http_client_against_bad_servers() {
    everywhere(|| {
        let server = StreamServer::bind("127.0.0.1:0", |mut stream: TcpStream, _| {
            let mut lines = BufReader::new(stream.try_clone()?).lines();
            let line = lines.next().unwrap_or(Ok(String::new()))?;
            lines.by_ref().map_while(Result::ok).take_while(|line| !line.is_empty()).for_each(drop);
            const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf";
            match line.split(' ').nth(1) {
                Some("/stall") => sleep(LIMIT),
                Some("/half") => {
                    stream.write_all(HEAD)?;
                    sleep(LIMIT);
                }
                Some("/short") => stream.write_all(HEAD)?,
                Some("/reset") => {
                    stream.write_all(HEAD)?;
                    stream.set_linger(Some(Duration::ZERO))?;
                }
                _ => stream.write_all(b"nonsense\r\n\r\n")?,
            }
            io::Result::Ok(())
        })
        .unwrap();
        server.start().unwrap();
        let (patient, hasty) = (requests::agent(LIMIT), requests::agent(Duration::from_millis(50)));
        let url = format!("http://{}", server.local_addr().unwrap());
        let clients = (0..25).map(|number| {
            let path = ["stall", "half", "short", "reset", "nonsense"][number % 5];
            let stalls = ["stall", "half"].contains(&path);
            let agent = if stalls { hasty.clone() } else { patient.clone() };
            let url = url.clone();
            spawn(move || {
                let answer = agent.get(format!("{url}/{path}")).call();
                let error = match answer {
                    Err(error) => error,
                    Ok(mut answer) => answer.body_mut().read_to_vec().unwrap_err(),
                };
                let is_timeout = matches!(error, ureq::Error::Timeout(_))
                    || matches!(&error, ureq::Error::Io(error) if error.kind() == ErrorKind::TimedOut);
                assert_eq!(is_timeout, stalls, "{path}: {error:?}");
            })
        });
        join_all(clients.collect::<Vec<_>>());
        drop((patient, hasty));
        assert!(server.stop(Duration::ZERO) <= 10);
        let Stats { panicked, live, .. } = server.stats();
        assert_eq!((panicked, live), (0, 0));
    });
}

/// A `redis-server` of our own, ended with this.
struct Redis {
    process: Child,
    port: u16,
    scratch: Scratch,
}

impl Redis {
    fn start() -> Self {
        let scratch = Scratch::new();
        // Free a moment ago.
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let process = Command::new("redis-server")
            .args(["--save", "", "--appendonly", "no", "--bind", "127.0.0.1", "--port"])
            .arg(port.to_string())
            .arg("--unixsocket")
            .arg(scratch.0.join("socket"))
            .arg("--dir")
            .arg(&scratch.0)
            .stdout(Stdio::null())
            .spawn()
            .expect("these tests need redis-server");
        let redis = Self { process, port, scratch };
        let end = Instant::now() + LIMIT;
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < end, "redis-server does not listen");
            std::thread::sleep(Duration::from_millis(10));
        }
        redis
    }

    fn tcp(address: SocketAddr) -> Resp<TcpStream> {
        Resp(BufReader::new(TcpStream::connect(address).unwrap()))
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Reply {
    Text(Vec<u8>),
    Error(String),
    Number(i64),
    Nothing,
    Many(Vec<Reply>),
}

fn text(text: &str) -> Reply {
    Reply::Text(text.into())
}

/// What redis speaks.
struct Resp<S>(BufReader<S>);

impl<S: Read + Write> Resp<S> {
    fn send(&mut self, command: &[&[u8]]) -> io::Result<()> {
        let mut out = format!("*{}\r\n", command.len()).into_bytes();
        for word in command {
            write!(out, "${}\r\n", word.len())?;
            out.extend_from_slice(word);
            out.extend_from_slice(b"\r\n");
        }
        self.0.get_mut().write_all(&out)
    }

    fn reply(&mut self) -> io::Result<Reply> {
        let mut line = String::new();
        if self.0.read_line(&mut line)? == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        let (kind, rest) = line.trim_end().split_at(1);
        let number = || rest.parse::<i64>().map_err(io::Error::other);
        Ok(match kind {
            "+" => text(rest),
            "-" => Reply::Error(rest.into()),
            ":" => Reply::Number(number()?),
            "$" | "*" if number()? < 0 => Reply::Nothing,
            "$" => {
                let mut bytes = vec![0; number()? as usize + 2];
                self.0.read_exact(&mut bytes)?;
                bytes.truncate(bytes.len() - 2);
                Reply::Text(bytes)
            }
            "*" => Reply::Many((0..number()?).map(|_| self.reply()).collect::<io::Result<_>>()?),
            _ => return Err(io::Error::other(format!("not understood: {line}"))),
        })
    }

    fn ask(&mut self, command: &str) -> Reply {
        let words: Vec<_> = command.split(' ').map(str::as_bytes).collect();
        self.send(&words).unwrap();
        self.reply().unwrap()
    }
}

#[test]
#[ignore = "needs redis-server"]
fn a_redis_server() {
    everywhere(|| {
        let redis = greenthread::blocking(Redis::start);
        let address = SocketAddr::from(([127, 0, 0, 1], redis.port));
        let mut client = Redis::tcp(address);
        assert_eq!(client.ask("PING"), text("PONG"));
        assert!(matches!(client.ask("NONSENSE"), Reply::Error(_)));

        // Large values, by TCP and by the Unix socket.
        let mut unix =
            Resp(BufReader::new(UnixStream::connect(redis.scratch.0.join("socket")).unwrap()));
        let large = data(7, 10 << 20);
        client.send(&[b"SET", b"large", &large]).unwrap();
        assert_eq!(client.reply().unwrap(), text("OK"));
        assert!(unix.ask("GET large") == Reply::Text(large));

        // Many at once, each with many commands under way: written by one, read by another green thread.
        let clients = (0..50).map(|_| {
            spawn(move || {
                let client = Redis::tcp(address);
                let mut writer = Resp(BufReader::new(client.0.get_ref().try_clone().unwrap()));
                let written =
                    spawn(move || (0..1000).try_for_each(|_| writer.send(&[b"INCR", b"counter"])));
                let mut client = client;
                let mut last = 0;
                for _ in 0..1000 {
                    let Reply::Number(now) = client.reply().unwrap() else { panic!("no number") };
                    assert!(now > last);
                    last = now;
                }
                written.join().unwrap().unwrap();
            })
        });
        join_all(clients.collect::<Vec<_>>());
        assert_eq!(client.ask("GET counter"), text("50000"));

        // One waits in redis while others push.
        let waiting = spawn(move || {
            let mut client = Redis::tcp(address);
            (0..100).map(|_| client.ask("BLPOP list 0")).collect::<Vec<_>>()
        });
        for number in 0..100 {
            assert_eq!(client.ask(&format!("RPUSH list {number}")), Reply::Number(1));
            while client.ask("LLEN list") != Reply::Number(0) {
                sleep(Duration::from_millis(1));
            }
        }
        for (number, popped) in waiting.join().unwrap().into_iter().enumerate() {
            assert_eq!(popped, Reply::Many(vec![text("list"), text(&number.to_string())]));
        }

        // Subscribers hear everything in order, and a wait for more can be ended.
        let subscribers: Vec<_> = (0..10)
            .map(|_| {
                spawn(move || {
                    let mut client = Redis::tcp(address);
                    client.ask("SUBSCRIBE news");
                    for number in 0..100 {
                        let Reply::Many(parts) = client.reply().unwrap() else {
                            panic!("no message")
                        };
                        assert_eq!(parts[2], text(&number.to_string()));
                    }
                    timeout(Duration::from_millis(5), || client.reply()).is_err()
                })
            })
            .collect();
        while client.ask("PUBSUB NUMSUB news") != Reply::Many(vec![text("news"), Reply::Number(10)])
        {
            sleep(Duration::from_millis(1));
        }
        for number in 0..100 {
            assert_eq!(client.ask(&format!("PUBLISH news {number}")), Reply::Number(10));
        }
        assert!(join_all(subscribers).into_iter().all(|ended| ended));

        // Its end is an error of those that wait.
        let waiting = spawn(move || {
            let mut client = Redis::tcp(address);
            client.send(&[b"BLPOP", b"nothing", b"0"]).unwrap();
            client.reply().unwrap_err().kind()
        });
        while !matches!(client.ask("INFO clients"), Reply::Text(info)
            if String::from_utf8_lossy(&info).contains("blocked_clients:1"))
        {
            sleep(Duration::from_millis(1));
        }
        greenthread::blocking(move || drop(redis));
        let end = waiting.join().unwrap();
        assert!([ErrorKind::UnexpectedEof, ErrorKind::ConnectionReset].contains(&end), "{end:?}");
    });
}
