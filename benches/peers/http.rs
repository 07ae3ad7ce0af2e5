//! An HTTP server's processor time per request, beside a tokio server written by hand: keep-alive, a short plain text;
//! 64 connections with one request at a time and with 16 in one write, and 1000 connections.
//!
//!     cargo bench -p greenthread-benches --bench http [--features io-uring] [-- ROUNDS [SECONDS] [without-turns]]

use greenthread_benches::servers::{self, Peer, http};
use std::process::ExitCode;

const PEERS: &[Peer] = &[
    ("greenthread", || http::greenthread(1)),
    ("tokio", || http::tokio(1)),
    ("bare loop", http::bare_loop),
];

fn main() -> ExitCode {
    let loads = [
        http::load("64 connections", 64, 1),
        http::load("64 connections, 16 requests in one write", 64, 16),
        http::load("1000 connections", 1000, 1),
    ];
    servers::main(PEERS, &loads, "request")
}
