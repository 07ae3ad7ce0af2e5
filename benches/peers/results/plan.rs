//! What is measured, with how much work, and who is compared.

/// How a measure is taken.
#[derive(Clone, Copy, Debug)]
pub(crate) enum How {
    /// Processor time of whole processes: `n` units of work, minus those with half as many.
    Work { workload: &'static str, workers: usize, n: u64, threads: u64 },
    /// Processor time of a whole process that does `n` units once.
    Once { workload: &'static str, workers: usize, n: u64 },
    /// Memory of `n` blocked green threads, read from outside at two stops.
    Memory { n: u64 },
    /// Processor time of a server for each unit, on one processor, under the load of so many connections by turns.
    Served { server: &'static str, connections: usize },
    /// The same on all processors and without turns, with as many workers as the peer's name says.
    Shared { server: &'static str, connections: usize },
    /// Memory of a server for each idle connection.
    Idle { connections: usize },
}

/// A measure: its name in commands and records, what it is, and who takes part, first of all this library.
#[derive(Clone, Debug)]
pub(crate) struct Measure {
    pub(crate) key: String,
    pub(crate) title: String,
    pub(crate) how: How,
    pub(crate) peers: &'static [&'static str],
    pub(crate) rounds: usize,
}

pub(crate) const US: &str = "greenthread";

const ALL: &[&str] =
    &[US, "may", "tokio", "tokio, current thread", "OS threads", "Go", "Java", "gevent"];
const WITH_CHANNELS: &[&str] = &[
    US,
    "may",
    "tokio",
    "tokio, current thread",
    "OS threads",
    "OS threads, crossbeam",
    "OS threads, flume",
    "Go",
    "Java",
    "gevent",
];
/// Those that use several processors.
const PARALLEL: &[&str] = &[US, "may", "tokio", "Go", "Java"];
const SERVERS: &[&str] = &[US, "may", "tokio", "OS threads", "Go", "Java", "gevent"];

const WORKERS: &[&str] = &[
    "greenthread, 1 worker",
    "greenthread, 2 workers",
    "may, 1 worker",
    "may, 2 workers",
    "tokio, 1 worker",
    "tokio, 2 workers",
    "Go, 1 worker",
    "Go, 2 workers",
];

/// A peer's name and its number of workers, where the name says it.
pub(crate) fn workers_of(peer: &str) -> (&str, usize) {
    for (suffix, workers) in [(", 1 worker", 1), (", 2 workers", 2)] {
        if let Some(name) = peer.strip_suffix(suffix) {
            return (name, workers);
        }
    }
    (peer, 1)
}

/// The numbers of green threads, and of connections, of the curves.
pub(crate) const THREADS: &[u64] = &[100, 1000, 10_000, 100_000, 1_000_000];
pub(crate) const CONNECTIONS: &[usize] = &[1, 10, 64, 1000, 10_000];

/// What of a peer's measure is left where each unit takes it far longer: its work is divided by this.
pub(crate) fn divisor(peer: &str, workload: &str) -> u64 {
    match (peer, workload) {
        ("gevent", "sleeps") | (_, "memory" | "mutex" | "mutex_held" | "mpmc") => 1,
        ("gevent", _) => 20,
        (_, "spawn" | "spawn_yield") if peer.starts_with("OS threads") => 20,
        (_, "yield" | "channel") if peer.starts_with("OS threads") => 10,
        ("may", "spawn" | "spawn_yield") => 5,
        _ => 1,
    }
}

/// Whether a peer can do it at all, or within a minute.
pub(crate) fn possible(peer: &str, how: How) -> Result<(), &'static str> {
    let many = |n: u64, limit: u64| n > limit;
    match (peer, how) {
        ("may", How::Memory { n } | How::Work { workload: "yield", threads: n, .. })
            if many(n, 20_000) =>
        {
            Err("needs two mappings for each stack, of which a process has 65,530")
        }
        ("OS threads", How::Memory { n } | How::Work { workload: "yield", threads: n, .. })
            if many(n, 10_000) =>
        {
            Err("more than the system lets a process have")
        }
        ("gevent", How::Memory { n } | How::Work { workload: "yield", threads: n, .. })
            if many(n, 100_000) =>
        {
            Err("takes minutes")
        }
        _ => Ok(()),
    }
}

fn work(key: &str, title: &str, workers: usize, n: u64, peers: &'static [&'static str]) -> Measure {
    let workload = crate::workload_of(key);
    let how = How::Work { workload, workers, n, threads: 1000 };
    Measure { key: key.into(), title: title.into(), how, peers, rounds: 9 }
}

/// All measures, in the order of the report.
pub(crate) fn all() -> Vec<Measure> {
    let switch = &[
        "greenthread, generator",
        "greenthread, greenlet",
        "corosensei alone",
        "generator crate",
        "gevent",
    ];
    let mut all = vec![
        work("switch", "a direct switch, there and back", 1, 40_000_000, switch),
        work("yield", "giving way, 1000 green threads", 1, 8_000_000, ALL),
        work("spawn", "spawn and join, batches of 10,000", 1, 1_000_000, ALL),
        work("spawn_yield", "spawn, give way once, join", 1, 1_000_000, ALL),
        work("channel", "a message there and one back", 1, 1_000_000, WITH_CHANNELS),
        work(
            "mpmc",
            "4 senders, 4 receivers, one channel of 1024, two workers",
            2,
            4_000_000,
            &[US, "OS threads, crossbeam", "OS threads, flume", "Go", "Java"],
        ),
        work(
            "mutex",
            "1000 green threads lock one mutex, two workers",
            2,
            2_000_000,
            &[US, "may", "tokio", "OS threads", "Go", "Java"],
        ),
        work("mutex_held", "the same, held while giving way, two workers", 2, 2_000_000, PARALLEL),
        work(
            "uncontended",
            "a mutex that nobody else wants",
            1,
            40_000_000,
            &[US, "parking_lot", "OS threads"],
        ),
        work(
            "sleeps",
            "100,000 sleeps of up to a second, later rounds of a process",
            1,
            400_000,
            &[US, "tokio", "tokio, current thread", "coroutines alone", "Go", "Java"],
        ),
    ];
    all.push(Measure {
        key: "sleeps_first".into(),
        title: "the same, the first round of a process".into(),
        how: How::Once { workload: "sleeps", workers: 1, n: 100_000 },
        peers: &[US, "tokio", "tokio, current thread", "coroutines alone", "Go", "Java"],
        rounds: 9,
    });
    let mut other = |key: String, title: String, how, peers, rounds| {
        all.push(Measure { key, title, how, peers, rounds });
    };
    for &connections in CONNECTIONS {
        let how = How::Served { server: "echo", connections };
        let title = format!("TCP echo of 64 bytes, connections: {connections}");
        other(format!("echo-{connections}"), title, how, SERVERS, 5);
    }
    for connections in [64, 1000] {
        let how = How::Served { server: "http", connections };
        let title = format!("HTTP, a short text, {connections} connections");
        other(format!("http-{connections}"), title, how, &[US, "tokio", "bare loop"], 9);
    }
    let title = "memory of an idle connection, of 10,000, with a buffer of 4 KiB on the stack";
    other("idle".into(), title.into(), How::Idle { connections: 10_000 }, SERVERS, 3);
    for &n in THREADS {
        let title = format!("{n} blocked green threads");
        other(
            format!("memory-{n}"),
            title,
            How::Memory { n },
            &[US, "may", "tokio", "OS threads", "Go", "Java", "gevent"],
            3,
        );
    }
    for &threads in THREADS {
        let how =
            How::Work { workload: "yield", workers: 1, n: (threads * 80).max(8_000_000), threads };
        other(
            format!("yield-{threads}"),
            format!("giving way, {threads} green threads"),
            how,
            ALL,
            3,
        );
    }
    let how = How::Shared { server: "compute", connections: 16 };
    let title = "a server that computes for each request, one worker and two";
    other("workers".into(), title.into(), how, WORKERS, 9);
    all
}
