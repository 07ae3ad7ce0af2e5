//! A program to look into: requests that go on, and beside them what goes wrong in programs.
//!
//!     cargo run --release --features console --example console -- [ADDRESS]
//!     cargo run --release --features console --example console -- --check
//!
//! Open what it prints in a browser. A client and a server exchange messages; two green threads have each a lock that the other one waits
//! for, with a third behind them; a request is started twice a second that nobody ever answers; one is parked and forgotten; and one
//! computes for three seconds in every ten, while its neighbours wait. Each is told by the page: circles, forgotten ones and waits that
//! become more under "Leaks", and who keeps a worker under "Green threads", in the state "running". Ctrl-C ends it. With `--check` it looks
//! for all that itself and ends.

mod shared {
    pub mod usage;
}

use greenthread::inspect::{self, State};
use greenthread::net::{SocketAddr, TcpListener, TcpStream};
use greenthread::signal::{Signal, Signals};
use greenthread::sync::{Arc, Barrier, Event, Mutex};
use greenthread::{Builder, sleep, spawn, thread};
use shared::usage;
use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

const USAGE: &str = "console [ADDRESS] | --check";

#[track_caller]
fn named(name: String, role: &str, body: impl FnOnce() + Send + 'static) -> io::Result<()> {
    Builder::new().name(name).label("role", role).spawn(body).map(drop)
}

fn talk(server: SocketAddr) -> io::Result<()> {
    let mut stream = TcpStream::connect(server)?;
    let mut reply = [0; 5];
    loop {
        stream.write_all(b"hello")?;
        stream.read_exact(&mut reply)?;
        sleep(Duration::from_millis(20));
    }
}

/// Connections on which messages go to and fro.
fn exchange_messages() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let server = listener.local_addr()?;
    named("acceptor".into(), "server", move || {
        for (number, stream) in listener.incoming().flatten().enumerate() {
            let echo = move || drop(io::copy(&mut &stream, &mut &stream));
            named(format!("connection-{number}"), "server", echo).expect("room for a stack");
        }
    })?;
    (0..200).try_for_each(|at| named(format!("client-{at}"), "client", move || drop(talk(server))))
}

/// Two accounts, each locked by the one who also wants the other.
fn transfer_in_both_directions() -> io::Result<()> {
    let accounts: Arc<[Mutex<i32>; 2]> = Arc::default();
    let both = Arc::new(Barrier::new(2));
    for from in [0, 1] {
        let (accounts, both) = (Arc::clone(&accounts), Arc::clone(&both));
        named(format!("transfer-from-{from}"), "bank", move || {
            let mut own = accounts[from].lock().unwrap();
            both.wait();
            *accounts[1 - from].lock().unwrap() += 1;
            *own -= 1;
        })?;
    }
    named("audit".into(), "bank", move || {
        sleep(Duration::from_millis(100));
        println!("{} is in the first account", accounts[0].lock().unwrap());
    })
}

/// Waits for what nobody will ever set.
fn wait_for_an_answer(answer: &Event) {
    answer.wait();
}

fn ask_in_vain() -> io::Result<()> {
    let answer = Arc::new(Event::new());
    named("asking".into(), "requests", move || {
        for number in 0.. {
            let answer = Arc::clone(&answer);
            let ask = move || wait_for_an_answer(&answer);
            named(format!("request-{number}"), "requests", ask).expect("room for a stack");
            sleep(Duration::from_millis(500));
        }
    })
}

fn compute(time: Duration) {
    let until = Instant::now() + time;
    while Instant::now() < until {}
}

/// It is `pause` between two computations, each of which takes `time`.
fn all_that(pause: Duration, time: Duration) -> io::Result<()> {
    exchange_messages()?;
    transfer_in_both_directions()?;
    ask_in_vain()?;
    named("forgotten".into(), "tasks", thread::park)?;
    named("hog".into(), "reports", move || {
        loop {
            sleep(pause);
            compute(time);
        }
    })
}

/// Looks until everything has been found, for two minutes at most.
fn check() {
    let until = Instant::now() + Duration::from_secs(120);
    let mut found = [false; 4];
    let mut earlier = inspect::leaks_older_than(Duration::from_millis(1));
    while found != [true; 4] {
        assert!(Instant::now() < until, "not all was found: {found:?}");
        let leaks = inspect::leaks_older_than(Duration::from_millis(1));
        let dump = inspect::dump();
        let is = |thread: &inspect::GreenThread, name: &str| thread.name.as_deref() == Some(name);
        found[0] |= leaks.cycles.iter().any(|it| it.threads.len() == 2 && it.behind.len() == 1);
        found[1] |= leaks.forgotten.iter().any(|it| is(it, "forgotten"));
        let is_asked = |it: &inspect::LongWaits| it.example.is_in("wait_for_an_answer");
        found[2] |= leaks.grown_since(&earlier).iter().any(|(it, _)| is_asked(it));
        let runs = |it: &&inspect::GreenThread| it.state == State::Running && is(it, "hog");
        found[3] |= dump.threads.iter().filter(runs).any(|it| it.is_in("compute"));
        // They have to be there before they can become more.
        if !earlier.long_waits.iter().any(is_asked) {
            earlier = leaks;
        }
    }
    println!("a circle, a forgotten one, waits that become more, and one that computes: OK");
}

fn main() -> io::Result<()> {
    let arguments = usage::arguments(USAGE, &["--check"]);
    let (address, checks) = match arguments.as_slice() {
        [] => ("127.0.0.1:7669", false),
        [check_it] if check_it == "--check" => ("127.0.0.1:0", true),
        [address] => (address.as_str(), false),
        _ => usage::usage(USAGE),
    };
    let console = inspect::serve(address)?;
    println!("console on http://{}/", console.local_addr());
    // None of these ever ends, so `run` would not either.
    // A worker that does not answer is waited for before it is looked at from outside, so where that is checked, it computes longer.
    let (pause, time) = if checks { (1, 9) } else { (7, 3) };
    let [pause, time] = [pause, time].map(Duration::from_secs);
    spawn(move || all_that(pause, time)).join().expect("it does not panic")?;
    if checks {
        check();
    } else {
        println!("{}", Signals::new([Signal::INT, Signal::TERM])?.wait());
    }
    Ok(())
}
