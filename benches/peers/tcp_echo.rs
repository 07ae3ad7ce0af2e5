//! A TCP echo server's processor time per message, beside may and tokio: 64-byte messages, 64 and 1000 connections.
//!
//!     cargo bench -p greenthread-benches --bench tcp_echo [--features io-uring] [-- ROUNDS [SECONDS] [without-turns]]

use greenthread_benches::servers::{Peer, echo};
use std::process::ExitCode;

const PEERS: &[Peer] = &[
    ("greenthread", || echo::greenthread(1, echo::ECHO)),
    ("may", || echo::may(1, echo::ECHO)),
    ("tokio", || echo::tokio(1, echo::ECHO)),
];

fn main() -> ExitCode {
    echo::compare(PEERS)
}
