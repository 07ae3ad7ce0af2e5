//! A real PostgreSQL, spoken to in its protocol: queries one by one, as text.

use crate::{LIMIT, Scratch, everywhere, join_all};
use greenthread::net::TcpStream;
use greenthread::os::unix::net::UnixStream;
use greenthread::{sleep, spawn, timeout};
use std::io::{self, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Who the server runs as, where we are root, whom it refuses.
const NOBODY: u32 = 65_534;

/// One for all runtimes of the test.
static SERVER: OnceLock<(u16, PathBuf)> = OnceLock::new();

/// A server of our own with its data in memory of the system only, ended with this.
struct Postgres {
    process: Child,
    _scratch: Scratch,
}

/// One of PostgreSQL's programs: Debian keeps them out of the path.
fn program(name: &str) -> Command {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let found =
        versions.map(|version| version.path().join("bin").join(name)).find(|at| at.exists());
    let mut command = Command::new(found.unwrap_or_else(|| name.into()));
    if rustix::process::geteuid().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command
}

impl Postgres {
    fn start() -> Self {
        let scratch = Scratch::new();
        if rustix::process::geteuid().is_root() {
            std::os::unix::fs::chown(&scratch.0, Some(NOBODY), Some(NOBODY)).unwrap();
        }
        let data = scratch.0.join("data");
        let status = program("initdb")
            .args(["--auth=trust", "--no-sync", "--no-instructions", "-U", "tester", "-D"])
            .arg(&data)
            .current_dir("/")
            .status()
            .expect("this test needs PostgreSQL");
        assert!(status.success(), "initdb: {status}");
        // Free a moment ago.
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let process = program("postgres")
            .args(["-F", "-h", "127.0.0.1", "-c", "max_connections=100", "-p"])
            .arg(port.to_string())
            .arg("-k")
            .arg(&scratch.0)
            .arg("-D")
            .arg(&data)
            .current_dir("/")
            .spawn()
            .unwrap();
        SERVER.set((port, scratch.0.join(format!(".s.PGSQL.{port}")))).unwrap();
        let server = Self { process, _scratch: scratch };
        let end = Instant::now() + LIMIT;
        // It listens before it takes anybody in.
        while Client::start(std::net::TcpStream::connect(("127.0.0.1", port))).is_err() {
            assert!(Instant::now() < end, "PostgreSQL does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        server
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // "Immediate shutdown": its processes end with it.
        let process = rustix::process::Pid::from_child(&self.process);
        let _ = rustix::process::kill_process(process, rustix::process::Signal::QUIT);
        let _ = self.process.wait();
    }
}

/// The rows of an answer, each column as text.
type Rows = Vec<Vec<Option<String>>>;

#[derive(Debug)]
enum Failure {
    /// The server's code for it; the connection goes on.
    Query(String),
    Connection(io::Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Connection(error)
    }
}

struct Client<S: Read + Write> {
    stream: BufReader<S>,
    /// What a request to cancel names: process and secret.
    key: [u8; 8],
}

/// Takes so many bytes off.
fn take<'a>(rest: &mut &'a [u8], count: usize) -> io::Result<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(count).ok_or(io::ErrorKind::UnexpectedEof)?;
    *rest = left;
    Ok(taken)
}

fn number<const N: usize>(rest: &mut &[u8]) -> io::Result<[u8; N]> {
    take(rest, N)?.try_into().map_err(io::Error::other)
}

fn columns(mut row: &[u8]) -> io::Result<Vec<Option<String>>> {
    let count = u16::from_be_bytes(number(&mut row)?);
    let mut all = Vec::new();
    for _ in 0..count {
        let length = i32::from_be_bytes(number(&mut row)?);
        all.push(match usize::try_from(length) {
            Ok(length) => Some(String::from_utf8_lossy(take(&mut row, length)?).into_owned()),
            Err(_) => None,
        });
    }
    Ok(all)
}

/// The code in the fields of an error.
fn code(fields: &[u8]) -> String {
    let code = fields.split(|byte| *byte == 0).find_map(|field| field.strip_prefix(b"C"));
    String::from_utf8_lossy(code.unwrap_or_default()).into_owned()
}

impl<S: Read + Write> Client<S> {
    fn start(stream: io::Result<S>) -> Result<Self, Failure> {
        let mut client = Self { stream: BufReader::new(stream?), key: [0; 8] };
        let parameters = b"\0\x03\0\0user\0tester\0database\0postgres\0\0";
        let length = (parameters.len() as u32 + 4).to_be_bytes();
        client.stream.get_mut().write_all(&[&length[..], parameters].concat())?;
        client.answer()?;
        Ok(client)
    }

    /// Sends a query, and does not wait for the answer.
    fn ask(&mut self, query: &str) -> io::Result<()> {
        let length = (query.len() as u32 + 5).to_be_bytes();
        let message = [b"Q", &length[..], query.as_bytes(), b"\0"].concat();
        self.stream.get_mut().write_all(&message)
    }

    fn message(&mut self) -> io::Result<(u8, Vec<u8>)> {
        let mut head = [0; 5];
        self.stream.read_exact(&mut head)?;
        let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
        let mut body = vec![0; length - 4];
        self.stream.read_exact(&mut body)?;
        Ok((head[0], body))
    }

    /// All that comes until the server is ready for the next query.
    fn answer(&mut self) -> Result<Rows, Failure> {
        let (mut rows, mut failed) = (Vec::new(), None);
        loop {
            match self.message()? {
                (b'D', body) => rows.push(columns(&body)?),
                (b'K', body) => self.key = number(&mut &body[..])?,
                (b'E', body) => failed = Some(Failure::Query(code(&body))),
                (b'Z', _) => return failed.map_or(Ok(rows), Err),
                _ => {}
            }
        }
    }

    fn query(&mut self, query: &str) -> Result<Rows, Failure> {
        self.ask(query)?;
        self.answer()
    }

    /// The one value of an answer.
    fn value(&mut self, query: &str) -> String {
        let rows = self.query(query).unwrap();
        rows[0][0].clone().unwrap_or_default()
    }
}

fn tcp() -> Client<TcpStream> {
    let (port, _) = SERVER.get().unwrap();
    Client::start(TcpStream::connect(("127.0.0.1", *port))).unwrap()
}

fn unix() -> Client<UnixStream> {
    let (_, socket): &(u16, PathBuf) = SERVER.get().unwrap();
    Client::start(UnixStream::connect::<&Path>(socket)).unwrap()
}

/// Asks the server to end what another connection is doing.
fn cancel(key: [u8; 8]) {
    let (port, _) = SERVER.get().unwrap();
    let mut stream = TcpStream::connect(("127.0.0.1", *port)).unwrap();
    stream
        .write_all(&[&16u32.to_be_bytes()[..], &80_877_102u32.to_be_bytes(), &key].concat())
        .unwrap();
    assert_eq!(stream.read(&mut [0; 1]).unwrap(), 0);
}

/// Waits until so many connections wait for something of the kind.
fn until_waiting(client: &mut Client<impl Read + Write>, kind: &str, count: usize) {
    let query = format!("select count(*) from pg_stat_activity where wait_event = '{kind}'");
    while client.value(&query) != count.to_string() {
        sleep(Duration::from_millis(1));
    }
}

#[test]
#[ignore = "needs PostgreSQL"]
fn a_postgresql_server_answers_our_connections() {
    let server = Postgres::start();
    everywhere(|| {
        let mut client = tcp();
        client.query("drop table if exists account").unwrap();
        client.query("create table account (name text primary key, balance int)").unwrap();
        client.query("insert into account values ('a', 1000), ('b', 0), ('none', null)").unwrap();
        let rows = client.query("select name, balance from account order by name").unwrap();
        let text = |text: &str| Some(text.to_string());
        let expected = [[text("a"), text("1000")], [text("b"), text("0")], [text("none"), None]];
        assert_eq!(rows, expected);
        let wrong = client.query("select nonsense");
        assert!(matches!(wrong, Err(Failure::Query(code)) if code == "42703"));

        // More than any buffer holds, both ways, by TCP and by the Unix socket.
        let large = "x".repeat(3_000_000);
        assert!(client.value(&format!("select '{large}'")) == large);
        assert!(unix().value(&format!("select '{large}'")) == large);

        // Whoever holds a row is on the same worker as those who wait for it: they must not keep him from going on.
        client.query("begin; update account set balance = balance - 10 where name = 'a'").unwrap();
        let others: Vec<_> = (0..20)
            .map(|_| {
                spawn(|| {
                    let mut client = tcp();
                    for _ in 0..10 {
                        let moved = "begin; \
                             update account set balance = balance - 1 where name = 'a'; \
                             update account set balance = balance + 1 where name = 'b'; \
                             commit";
                        client.query(moved).unwrap();
                    }
                })
            })
            .collect();
        let mut watcher = unix();
        let waiting = "select count(*) > 0 from pg_stat_activity where wait_event_type = 'Lock'";
        while watcher.value(waiting) != "t" {
            sleep(Duration::from_millis(1));
        }
        client.query("commit").unwrap();
        join_all(others);
        assert_eq!(client.value("select balance from account where name = 'a'"), "790");
        assert_eq!(client.value("select balance from account where name = 'b'"), "200");

        // What takes too long is given up here, then ended there; the connection is good for more.
        let mut slow = tcp();
        slow.ask("select pg_sleep(1000)").unwrap();
        assert!(timeout(Duration::from_millis(20), || slow.message()).is_err());
        until_waiting(&mut client, "PgSleep", 1);
        cancel(slow.key);
        assert!(matches!(slow.answer(), Err(Failure::Query(code)) if code == "57014"));
        assert_eq!(slow.value("select 7"), "7");

        // One that the server throws out hears of it, and so do those who are killed while they wait.
        let thrown_out = spawn(|| {
            let mut client = tcp();
            client.ask("select pg_sleep(1000)").unwrap();
            client.answer()
        });
        let killed = spawn(|| tcp().query("select pg_sleep(1000)").map(drop));
        until_waiting(&mut client, "PgSleep", 2);
        killed.kill();
        assert!(killed.join().unwrap_err().is_killed());
        let rest =
            "select pg_terminate_backend(pid) from pg_stat_activity where wait_event = 'PgSleep'";
        client.query(rest).unwrap();
        // Its last message is the reason; after that there is no end of the answer but the end of the connection.
        let Err(Failure::Connection(end)) = thrown_out.join().unwrap() else { panic!("no end") };
        let kinds = [io::ErrorKind::UnexpectedEof, io::ErrorKind::ConnectionReset];
        assert!(kinds.contains(&end.kind()), "{end:?}");
    });
    drop(server);
}
