//! What is to be reached.

use crate::records::{Records, Spread};

/// A target: of a measure's figure, at most so much of the better of the others.
pub(crate) struct Target {
    work: &'static str,
    /// The measure and its figure.
    key: &'static str,
    figure: &'static str,
    ours: &'static str,
    others: &'static [&'static str],
    /// The most; the least where `at_least`.
    limit: f64,
    at_least: bool,
    /// The part of the accounts that says why it is missed, where it may be.
    account: &'static str,
}

/// One row of the table.
pub(crate) struct Row {
    pub(crate) work: &'static str,
    pub(crate) beside: String,
    pub(crate) limit: String,
    /// What was measured; `None` where it was not.
    pub(crate) reached: Option<Spread>,
    pub(crate) kept: bool,
    pub(crate) account: &'static str,
}

const TOKIOS: &[&str] = &["tokio", "tokio, current thread"];
const US: &str = crate::plan::US;

const fn at_most(
    work: &'static str,
    key: &'static str,
    others: &'static [&'static str],
    limit: f64,
    account: &'static str,
) -> Target {
    Target { work, key, figure: "ns", ours: US, others, limit, at_least: false, account }
}

const fn served(
    work: &'static str,
    key: &'static str,
    others: &'static [&'static str],
    limit: f64,
    account: &'static str,
) -> Target {
    Target { figure: "us", ..at_most(work, key, others, limit, account) }
}

const SERVERS: &str = "servers";
const SLEEPS: &str = "sleeps";

const ALL: &[Target] = &[
    Target {
        ours: "greenthread, generator",
        ..at_most("a generator's `next`", "switch", &["corosensei alone"], 1.3, "switches")
    },
    Target {
        ours: "greenthread, greenlet",
        ..at_most("a greenlet's switch", "switch", &["corosensei alone"], 3.0, "switches")
    },
    at_most("giving way", "yield", TOKIOS, 0.33, "spawning"),
    at_most("spawn and join", "spawn", TOKIOS, 0.30, "spawning"),
    at_most("spawn, give way, join", "spawn_yield", TOKIOS, 0.40, "spawning"),
    at_most("a message there and one back", "channel", TOKIOS, 0.35, "channels"),
    Target {
        figure: "ns until done",
        ..at_most(
            "4 senders and 4 receivers, time",
            "mpmc",
            &["OS threads, crossbeam"],
            1.0,
            "channels",
        )
    },
    at_most("a mutex of 1000 threads", "mutex", &["tokio"], 0.20, "mutexes"),
    at_most("the same held while giving way", "mutex_held", &["tokio"], 0.25, "mutexes"),
    Target {
        figure: "longest wait, ms",
        others: &[],
        ..at_most("longest wait for it, ms", "mutex_held", &[], 4.0, "mutexes")
    },
    at_most("100,000 sleeps", "sleeps", TOKIOS, 0.65, SLEEPS),
    at_most("the same beside coroutines alone", "sleeps", &["coroutines alone"], 1.3, SLEEPS),
    at_most("a process's first 100,000 sleeps", "sleeps_first", TOKIOS, 1.0, SLEEPS),
    Target { figure: "delay, ms", ..at_most("their delay", "sleeps_first", TOKIOS, 1.0, SLEEPS) },
    served("echo, 64 connections", "echo-64", &["tokio", "may"], 1.0, SERVERS),
    served("echo, 64, `io-uring`", "echo-64-uring", &["tokio", "may"], 0.90, SERVERS),
    served("echo, 1000 connections", "echo-1000", &["tokio"], 1.0, SERVERS),
    served("echo, 1000, `io-uring`", "echo-1000-uring", &["tokio"], 0.95, SERVERS),
    served("HTTP, 64 connections", "http-64", &["tokio"], 1.0, SERVERS),
    served("HTTP, 64, `io-uring`", "http-64-uring", &["tokio"], 0.90, SERVERS),
    served("HTTP, 1000 connections", "http-1000", &["tokio"], 1.0, SERVERS),
    served("HTTP, 1000, `io-uring`", "http-1000-uring", &["tokio"], 0.95, SERVERS),
    Target {
        figure: "bytes",
        others: &[],
        ..at_most(
            "memory of each of a million blocked green threads, bytes",
            "memory-1000000",
            &[],
            4700.0,
            "memory",
        )
    },
    Target {
        figure: "bytes",
        others: &[],
        ..at_most("memory of an idle connection, bytes", "idle", &[], 9000.0, "memory")
    },
    Target {
        figure: "each second",
        ours: "greenthread, 2 workers",
        at_least: true,
        ..at_most(
            "requests with two workers, beside one",
            "workers",
            &["greenthread, 1 worker"],
            1.8,
            "workers",
        )
    },
    Target {
        ours: "greenthread, 2 workers",
        ..served(
            "processor time of a request with two workers, beside one",
            "workers",
            &["greenthread, 1 worker"],
            1.05,
            "workers",
        )
    },
];

/// The table.
pub(crate) fn rows(records: &Records) -> Vec<Row> {
    let row = |target: &Target| {
        let reached = match target.others {
            [] => records.spread(target.key, target.ours, target.figure),
            others => records.ratio(target.key, target.figure, target.ours, others),
        };
        let kept = reached.is_some_and(|reached| match target.at_least {
            true => reached.median >= target.limit,
            false => reached.median <= target.limit,
        });
        let beside = match target.others {
            [] => String::from("–"),
            others if others == TOKIOS => String::from("the better of tokio's two runtimes"),
            others => others.join(" or "),
        };
        let limit = format!("{} {}", if target.at_least { "≥" } else { "≤" }, target.limit);
        Row { work: target.work, beside, limit, reached, kept, account: target.account }
    };
    ALL.iter().map(row).collect()
}
