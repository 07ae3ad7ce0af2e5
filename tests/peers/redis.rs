//! A real `redis-server`.

use crate::{LIMIT, Scratch, data, everywhere, join_all};
use greenthread::net::{SocketAddr, TcpStream};
use greenthread::os::unix::net::UnixStream;
use greenthread::{sleep, spawn, timeout};
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

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
fn a_redis_server_answers_our_connections() {
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
