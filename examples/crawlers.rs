//! Three ways to fetch several pages at once: gathered, with callbacks, and as they come with an error for each page.
//!
//!     cargo run --example crawlers
//!
//! The site is in this process, and one of the addresses has nobody who answers. What each crawler finds is sorted, so that
//! this is printed each time:
//! ```text
//! gather: Downloaded /a (6 bytes), Downloaded /b (12 bytes), Downloaded /c (18 bytes)
//! callbacks: 6, 12, 18, 24 bytes have been parsed
//! as they come: /a has 6 bytes
//! as they come: /b has 12 bytes
//! as they come: /missing has 404 Not Found
//! as they come: nobody generated an error: connection refused
//! ```

mod shared {
    pub mod http;
}

use greenthread::executor::{Executor, GreenExecutor, ThreadPool, as_completed, gather};
use greenthread::net::{TcpListener, TcpStream};
use greenthread::server::StreamServer;
use greenthread::sync::{Arc, Mutex};
use shared::http::Client;
use std::collections::HashMap;
use std::error::Error;
use std::io::{self, BufRead, BufReader, Write};

/// The pages `/a` to `/d`, the later ones longer.
fn answer(mut stream: TcpStream) {
    let mut line = String::new();
    if BufReader::new(&stream).read_line(&mut line).is_err() {
        return;
    }
    let page = line.split(' ').nth(1).unwrap_or("/").trim_start_matches('/').to_string();
    let reply = match page.as_bytes() {
        [name @ b'a'..=b'd'] => {
            let body = format!("page {page}").repeat(usize::from(name - b'a' + 1));
            format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
        }
        _ => "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_string(),
    };
    // A client that has gone needs no answer.
    let _ = stream.write_all(reply.as_bytes());
}

fn fetch(host: &str, path: &str) -> io::Result<Vec<u8>> {
    let mut client = Client::connect(host)?;
    client.send("GET", host, path, "Connection: close\r\n")?;
    match client.whole()? {
        (response, body) if response.status == 200 => Ok(body),
        (response, _) => Err(io::Error::other(format!("status {}", response.status))),
    }
}

/// As with asyncio: a task for each page, and all of their results together.
fn gathered(host: &str) -> Result<(), Box<dyn Error>> {
    let executor = GreenExecutor::new();
    let tasks = ["/a", "/b", "/c"].map(|path| {
        let host = host.to_string();
        executor.submit(move || {
            let page = fetch(&host, path)?;
            io::Result::Ok(format!("Downloaded {path} ({} bytes)", page.len()))
        })
    });
    let pages = gather(tasks.into_iter().collect::<Result<Vec<_>, _>>()?)?;
    println!("gather: {}", pages.into_iter().collect::<Result<Vec<_>, _>>()?.join(", "));
    Ok(())
}

/// Four OS threads that fetch; each page is parsed by a callback.
fn with_callbacks(host: &str) -> Result<(), Box<dyn Error>> {
    let pool = ThreadPool::new(4)?;
    let parsed = Arc::new(Mutex::new(Vec::new()));
    for path in ["/a", "/b", "/c", "/d"] {
        let (host, parsed) = (host.to_string(), Arc::clone(&parsed));
        let future = pool.submit(move || fetch(&host, path))?;
        future.add_done_callback(move |future| {
            if let Ok(Ok(page)) = future.result() {
                parsed.lock().unwrap().push(page.len());
            }
        });
    }
    pool.shutdown(true, false);
    let mut lengths = parsed.lock().unwrap().clone();
    lengths.sort();
    let lengths: Vec<_> = lengths.iter().map(usize::to_string).collect();
    println!("callbacks: {} bytes have been parsed", lengths.join(", "));
    Ok(())
}

/// Five at once, dealt with as they come; a map tells which future is for which page.
fn as_they_come(host: &str, nobody: &str) -> Result<(), Box<dyn Error>> {
    let executor = GreenExecutor::builder().max_workers(5).build()?;
    let pages = [(host, "/a"), (host, "/b"), (host, "/missing"), (nobody, "/")];
    let mut futures = Vec::new();
    let mut names = HashMap::new();
    for (host, path) in pages {
        let owned = host.to_string();
        let future = Arc::new(executor.submit(move || fetch(&owned, path))?);
        names.insert(Arc::as_ptr(&future), if path == "/" { "nobody" } else { path });
        futures.push(future);
    }
    let mut lines = Vec::new();
    for future in as_completed(futures) {
        let name = names[&Arc::as_ptr(&future)];
        lines.push(match future.result()? {
            Ok(page) => format!("{name} has {} bytes", page.len()),
            Err(error) if error.to_string() == "status 404" => format!("{name} has 404 Not Found"),
            Err(error) => format!("{name} generated an error: {}", error.kind()),
        });
    }
    lines.sort();
    lines.iter().for_each(|line| println!("as they come: {line}"));
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let server = StreamServer::bind("127.0.0.1:0", |stream, _| answer(stream))?;
    let host = server.local_addr()?.to_string();
    server.start()?;
    // A port that nobody listens at any more.
    let nobody = TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
    gathered(&host)?;
    with_callbacks(&host)?;
    as_they_come(&host, &nobody)
}
