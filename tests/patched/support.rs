//! What several of the tests need.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// An HTTP server with an OS thread for each connection, which nothing patched concerns. It answers nobody before so many
/// requests are there at the same time, and then takes its time for each.
pub(crate) fn answers_when_all_are_there(requests: usize, takes: Duration) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let arrived = Arc::new((Mutex::new(0), Condvar::new()));
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, arrived) = (stream.unwrap(), Arc::clone(&arrived));
            std::thread::spawn(move || {
                let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
                while lines.next().unwrap().unwrap() != "" {}
                let (count, changed) = &*arrived;
                let mut there = count.lock().unwrap();
                *there += 1;
                changed.notify_all();
                let all = changed
                    .wait_timeout_while(there, crate::LIMIT / 2, |there| *there < requests)
                    .unwrap();
                let word = if all.1.timed_out() { "alone" } else { "hello" };
                drop(all);
                std::thread::sleep(takes);
                let head = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\n";
                stream.write_all(format!("{head}{word}").as_bytes()).unwrap();
            });
        }
    });
    address
}

/// Lets the process have as many descriptors as the system gives.
pub(crate) fn many_descriptors() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let most = rustix::process::Rlimit { current: limit.maximum, maximum: limit.maximum };
    setrlimit(Resource::Nofile, most).unwrap();
}
