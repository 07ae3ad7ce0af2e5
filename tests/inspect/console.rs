//! The page and what is behind it, as a browser asks for it.

use greenthread::inspect::{Console, ServeBuilder, serve};
use greenthread::sync::{Arc, Event, Mutex};
use greenthread::{Builder, JoinHandle, Runtime, spawn, yield_now};
use serde_json::Value;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// A connection to a console.
struct Client(BufReader<TcpStream>);

struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.body);
        serde_json::from_str(&self.body).expect("it is JSON")
    }
}

impl Client {
    fn of(console: &Console) -> Self {
        let stream = TcpStream::connect(console.local_addr()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        Self(BufReader::new(stream))
    }

    fn send(&mut self, text: &str) {
        self.0.get_mut().write_all(text.as_bytes()).unwrap();
    }

    fn answer(&mut self, has_body: bool) -> Answer {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(self.0.read_line(&mut head).unwrap() > 0, "an end in: {head}");
        }
        let status = head[9..12].parse().unwrap();
        let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).unwrap();
        let mut body = vec![0; if has_body { length.parse().unwrap() } else { 0 }];
        self.0.read_exact(&mut body).unwrap();
        Answer { status, head, body: String::from_utf8(body).unwrap() }
    }

    fn get(&mut self, path: &str) -> Answer {
        self.send(&format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        self.answer(true)
    }

    fn has_an_answer(&self) -> bool {
        let stream = self.0.get_ref();
        stream.set_nonblocking(true).unwrap();
        let size = stream.peek(&mut [0]);
        stream.set_nonblocking(false).unwrap();
        matches!(size, Ok(1))
    }

    fn is_at_end(&mut self) -> bool {
        matches!(self.0.read(&mut [0]), Ok(0))
    }
}

fn on_any_port() -> Console {
    serve("127.0.0.1:0").unwrap()
}

#[test]
fn a_page_comes_that_runs_its_own_script_only() {
    let console = on_any_port();
    let mut client = Client::of(&console);
    let page = client.get("/");
    assert_eq!(page.status, 200);
    let nonce = page.head.split("script-src 'nonce-").nth(1).unwrap().split('\'').next().unwrap();
    assert_eq!(page.body.matches(&format!("nonce=\"{nonce}\"")).count(), 2);
    assert!(!page.body.contains("@NONCE@") && page.head.contains("default-src 'none'"));
    assert!(!page.body.contains("innerHTML ="), "text of the program is never markup");
    assert!(!page.body.contains("src=\"http") && !page.body.contains("href=\"http"));
    let again = client.get("/");
    assert!(!again.head.contains(nonce), "each page has its own");
    console.stop();
}

#[test]
fn requests_are_answered_as_http_wants_it() {
    let console = on_any_port();
    let mut client = Client::of(&console);
    client.send("HEAD / HTTP/1.1\r\nHost: 127.0.0.1:7669\r\n\r\n");
    assert_eq!(client.answer(false).status, 200);
    assert_eq!(client.get("/none").status, 404);
    assert_eq!(client.get("/api/threads/0").status, 404);
    assert_eq!(client.get("/api/threads/x").status, 400);
    assert_eq!(client.get("/api/threads?sort=x").status, 400);
    assert_eq!(client.get("/api/dump?format=x").status, 400);
    assert_eq!(client.get("/api/leaks?older=-1").status, 400);
    assert_eq!(client.get("/api/profile?format=x").status, 400);
    assert_eq!(client.get("/api/profile?seconds=61").status, 400);
    client.send("DELETE / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let refused = client.answer(true);
    assert!(refused.status == 405 && refused.head.contains("Allow: GET, HEAD"));
    // Several in one go are answered in their order, on the same connection still.
    let one = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    client.send(&(one("/none") + &one("/api/pulse") + &one("/none")));
    assert_eq!([0; 3].map(|_| client.answer(true).status), [404, 200, 404]);
    client.send("GET /none HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    assert!(client.answer(true).head.contains("Connection: close") && client.is_at_end());
    let refusals = [
        ("nonsense\r\n\r\n".to_string(), 400),
        ("GET / HTTP/1.1\r\n\r\n".into(), 400),
        (format!("GET / HTTP/1.1\r\nX: {}", "x".repeat(8200)), 431),
        (format!("GET / HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(70)), 431),
        ("GET / HTTP/1.0\r\nHost: example.com\r\n\r\n".into(), 403),
        ("GET http://example.com/ HTTP/1.0\r\n\r\n".into(), 403),
    ];
    for (request, status) in refusals {
        let mut client = Client::of(&console);
        client.send(&request);
        let answer = client.answer(true);
        assert!(answer.status == status && client.is_at_end(), "{request}: {}", answer.head);
    }
    // After its end nobody listens there.
    let address = console.local_addr();
    console.stop();
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn only_this_machine_is_served_unless_that_is_allowed() {
    let error = serve("0.0.0.0:0").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    assert!(error.to_string().contains("allow_remote"), "{error}");
    let settings = ServeBuilder::new().allow_remote(true).allow_host("box.example");
    let console = settings.serve("0.0.0.0:0").unwrap();
    let stream = TcpStream::connect(("127.0.0.1", console.local_addr().port())).unwrap();
    let mut client = Client(BufReader::new(stream));
    client.send("GET /api/pulse HTTP/1.1\r\nHost: box.example:80\r\n\r\n");
    assert_eq!(client.answer(true).status, 200);
    client.send("GET /api/pulse HTTP/1.1\r\nHost: other.example\r\n\r\n");
    assert_eq!(client.answer(true).status, 403);
}

/// The client blocks its OS thread, so it is no green thread.
fn on<T: Send + 'static>(
    runtime: &Runtime,
    builder: Builder,
    body: impl FnOnce() -> T + Send + 'static,
) -> JoinHandle<T> {
    runtime.spawn(move || builder.spawn(body).unwrap()).join().unwrap()
}

fn named(name: &str) -> Builder {
    Builder::new().name(name.into())
}

/// Asks until the answer is as wanted.
fn until(client: &mut Client, path: &str, is_it: impl Fn(&Value) -> bool) -> Value {
    let limit = Instant::now() + Duration::from_secs(60);
    loop {
        let found = client.get(path).json();
        if is_it(&found) {
            return found;
        }
        assert!(Instant::now() < limit, "{path}: {found}");
    }
}

fn has_name(all: &Value, name: &str) -> bool {
    all.as_array().unwrap().iter().any(|it| it["name"] == name)
}

#[test]
fn green_threads_are_found_sorted_and_opened() {
    let console = on_any_port();
    let runtime = Runtime::builder().workers(2).thread_name("shown").build().unwrap();
    let event = Arc::new(Event::new());
    let waits = |at: usize| {
        let event = Arc::clone(&event);
        let builder = named(&format!("row-{at:04} <script>alert(1)</script>"));
        on(&runtime, builder.label("kind", "<b>&\"'"), move || event.wait())
    };
    let mut all: Vec<_> = (0..300).map(waits).collect();
    let (mutex, locked) = (Arc::new(Mutex::new(())), Arc::new(Event::new()));
    let (first, second) = (Arc::clone(&mutex), Arc::clone(&mutex));
    let (held, told) = (Arc::clone(&event), Arc::clone(&locked));
    all.push(on(&runtime, named("holder"), move || {
        let _held = first.lock();
        told.set();
        held.wait();
    }));
    locked.wait();
    all.push(on(&runtime, named("behind"), move || drop(second.lock())));

    let mut client = Client::of(&console);
    let part = "/api/threads?search=ROW-&state=waiting&sort=name&order=desc&limit=10&offset=5";
    let found = until(&mut client, part, |found| found["matched"] == 300);
    let rows = found["rows"].as_array().unwrap();
    let names: Vec<_> = rows.iter().map(|row| row["name"].as_str().unwrap()).collect();
    assert_eq!(names.len(), 10);
    assert!(names[0].starts_with("row-0294") && names[9].starts_with("row-0285"), "{names:?}");
    assert_eq!(rows[0]["waits_for"], "an event");
    assert_eq!(rows[0]["labels"]["kind"], "<b>&\"'");
    for (search, least) in [("kind=<b>", 300), ("holder", 2), ("shown nowhere", 0)] {
        let query: String = search.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let found = client.get(&format!("/api/threads?limit=0&search={query}")).json();
        let matched = found["matched"].as_u64().unwrap();
        assert!(matched >= least && (least > 0 || matched == 0), "{search}: {found}");
        assert_eq!(found["rows"], serde_json::json!([]));
    }
    let behind = until(&mut client, "/api/threads?search=behind&state=waiting", |found| {
        found["rows"].as_array().unwrap().iter().any(|it| it["held_by"]["name"] == "holder")
    });
    let row = behind["rows"].as_array().unwrap().iter().find(|it| it["name"] == "behind");
    let id = &row.unwrap()["id"];
    let details = until(&mut client, &format!("/api/threads/{id}"), |details| {
        details["chain"].as_array().unwrap().len() == 2
    });
    assert_eq!(details["chain"][1]["name"], "holder");
    assert_eq!(details["circle_at"], Value::Null);
    let frames = details["thread"]["backtrace"].as_array().unwrap();
    assert!(frames.iter().any(|frame| frame["function"].as_str().unwrap().contains("lock")));
    let holder = &details["chain"][1]["id"];
    let details = client.get(&format!("/api/threads/{holder}")).json();
    assert_eq!(details["waited_for_by"][0]["name"], "behind");

    let groups = client.get("/api/groups").json();
    assert!(groups["groups"][0]["count"].as_u64().unwrap() >= 300, "{groups}");
    assert!(client.get("/api/dump").body.contains(" green threads wait for an event"));
    let dump = client.get("/api/dump?format=json");
    assert!(dump.head.contains("attachment; filename=\"greenthreads-"));
    assert!(dump.json()["threads"].is_array());
    assert!(client.get("/api/stacks").body.lines().any(|line| line.contains("[an event] 3")));
    let leaks = client.get("/api/leaks?older=0").json();
    let long = leaks["long_waits"].as_array().unwrap();
    assert!(long.iter().any(|it| it["count"].as_u64().unwrap() >= 300), "{leaks}");

    let pulse = client.get("/api/pulse").json();
    let runtimes = pulse["runtimes"].as_array().unwrap();
    let shown = runtimes.iter().find(|it| it["name"] == "shown").unwrap();
    assert_eq!(shown["workers"].as_array().unwrap().len(), 2);
    assert!(!has_name(&pulse["runtimes"], "gt-console"));
    let metrics = client.get("/api/metrics").json();
    assert!(has_name(&metrics, "shown") && !has_name(&metrics, "gt-console"));
    event.set();
    all.into_iter().for_each(|it| it.join().unwrap());
}

/// All workers of the program are held up, and the page says by whom.
#[test]
fn it_answers_while_nothing_else_moves() {
    let console = on_any_port();
    let runtime = Runtime::builder().workers(1).thread_name("held").build().unwrap();
    let over = Arc::new(AtomicBool::new(false));
    let own = Arc::clone(&over);
    let hog = on(&runtime, named("hog"), move || {
        while !own.load(Ordering::SeqCst) {
            std::hint::spin_loop();
        }
    });
    let mut client = Client::of(&console);
    let limit = Instant::now() + Duration::from_secs(60);
    loop {
        let pulse = client.get("/api/pulse").json();
        let held =
            pulse["runtimes"].as_array().unwrap().iter().find(|it| it["name"] == "held").unwrap();
        let found = client.get("/api/threads?state=running&search=hog").json();
        if held["workers"][0]["answered_seconds"] == Value::Null && found["matched"] == 1 {
            assert_eq!(found["rows"][0]["name"], "hog");
            break;
        }
        assert!(Instant::now() < limit, "{pulse} {found}");
    }
    over.store(true, Ordering::SeqCst);
    hog.join().unwrap();
}

#[test]
fn it_is_started_and_stopped_by_green_threads_too() {
    let runtime = Runtime::new_current_thread().unwrap();
    runtime
        .run(|| {
            for _ in 0..3 {
                let console = on_any_port();
                let other = spawn(move || {
                    assert_eq!(Client::of(&console).get("/api/pulse").status, 200);
                    drop(console);
                });
                yield_now();
                other.join().unwrap();
            }
        })
        .unwrap();
}

#[inline(never)]
fn computes_for_the_profile(over: &AtomicBool) {
    while !over.load(Ordering::Relaxed) {
        (0..10_000u64).for_each(|at| drop(std::hint::black_box(at.to_string())));
        yield_now();
    }
}

#[test]
fn a_profile_is_taken_one_at_a_time_and_names_what_computes() {
    let runtime = Runtime::builder().workers(1).build().unwrap();
    let over = Arc::new(AtomicBool::new(false));
    let own = Arc::clone(&over);
    let computing = runtime.spawn(move || computes_for_the_profile(&own));
    let console = on_any_port();
    let (mut client, other) = (Client::of(&console), Client::of(&console));
    let is_there = |client: &mut Client| {
        let answer = client.get("/api/profile?seconds=0.3&format=collapsed");
        answer.status == 200 && answer.body.contains("computes_for_the_profile")
    };
    let until = Instant::now() + Duration::from_secs(60);
    while !is_there(&mut client) {
        assert!(Instant::now() < until, "what computes was not seen");
    }
    // Of two long ones one is refused, and everything else is answered meanwhile.
    let mut both = [client, other];
    for client in &mut both {
        client.send("GET /api/profile?seconds=60 HTTP/1.1\r\nHost: localhost\r\n\r\n");
    }
    let refused = loop {
        if let Some(refused) = both.iter().position(Client::has_an_answer) {
            break &mut both[refused];
        }
        assert!(Instant::now() < until, "two profiles are taken at the same time");
        std::thread::sleep(Duration::from_millis(1));
    };
    assert_eq!(refused.answer(true).status, 503);
    assert_eq!(refused.get("/api/pulse").status, 200);
    let begun = Instant::now();
    console.stop();
    assert!(begun.elapsed() < Duration::from_secs(50), "it waited for the profile");
    over.store(true, Ordering::Relaxed);
    computing.join().unwrap();
}
