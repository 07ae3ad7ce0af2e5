//! An HTTP/1.1 server of static files: keep-alive, pipelining, HEAD, ranges, timeouts.
//!
//!     cargo run --release --example http_server -- [ADDRESS [DIRECTORY]]
//!     cargo run --release --example http_server -- --check
//!
//! `/plaintext` is a short text for load generators, `FILE?checksum` the checksum that the `downloader` compares.
//! Ctrl-C waits for the clients that are there, once more ends it at once. With `--check` it asks itself and ends.

mod shared {
    pub mod http;
    pub mod scratch;
    pub mod shutdown;
    pub mod usage;
}

use greenthread::net::TcpStream;
use greenthread::server::StreamServer;
use shared::http::{Client, Site};
use shared::scratch::Scratch;
use shared::usage;
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const USAGE: &str = "http_server [ADDRESS [FOLDER]] | --check";

fn server(address: &str, root: &Path, patience: Duration) -> io::Result<Arc<StreamServer>> {
    let site = Site::new(root, patience)?;
    // Most errors are clients that have gone.
    let handler = move |stream, _| drop(site.serve(stream));
    let builder = StreamServer::builder().max_handlers(50_000);
    Ok(Arc::new(builder.bind(address, handler)?))
}

fn check() -> io::Result<()> {
    let scratch = Scratch::new("http")?;
    let big: Vec<u8> = (0..1_000_003u32).map(|i| (i.wrapping_mul(i) >> 7) as u8).collect();
    std::fs::write(scratch.path().join("big.bin"), &big)?;
    std::fs::write(scratch.path().join("a file.txt"), "with a space")?;
    std::fs::create_dir(scratch.path().join("inside"))?;
    std::fs::write(scratch.path().join("inside/index.html"), "<p>hello")?;
    std::os::unix::fs::symlink("/etc/passwd", scratch.path().join("outside"))?;

    let server = server("127.0.0.1:0", scratch.path(), Duration::from_secs(60))?;
    server.start()?;
    let host = server.local_addr()?.to_string();

    // All on one connection.
    let mut client = Client::connect(&host)?;
    let mut get = |path: &str, headers: &str| -> io::Result<(u16, Vec<u8>, String)> {
        client.send("GET", &host, path, headers)?;
        let (response, body) = client.whole()?;
        let range = response.header("content-range").unwrap_or("").to_string();
        Ok((response.status, body, range))
    };
    assert_eq!(get("/plaintext", "")?.1, b"Hello, World!");
    assert_eq!(get("/a%20file.txt", "")?.1, b"with a space");
    assert_eq!(get("/inside/", "")?.1, b"<p>hello");
    assert!(get("/big.bin", "")?.1 == big);
    let all = big.len() - 1;
    for (range, from, to) in [
        ("bytes=0-0", 0, 0),
        ("bytes=999999-", 999_999, all),
        ("bytes=-10", all - 9, all),
        ("bytes=-99999999", 0, all),
        ("bytes=500000-99999999", 500_000, all),
    ] {
        let (status, body, told) = get("/big.bin", &format!("Range: {range}\r\n"))?;
        assert!(status == 206 && body == big[from..=to], "{range}");
        assert_eq!(told, format!("bytes {from}-{to}/{}", big.len()));
    }
    for range in ["bytes=1000003-", "bytes=-0"] {
        let (status, _, told) = get("/big.bin", &format!("Range: {range}\r\n"))?;
        assert_eq!((status, told.as_str()), (416, "bytes */1000003"));
    }
    for range in ["bytes=5-1", "bytes=a-b", "lines=0-1", "bytes=0-1,3-4", "bytes=+1-2"] {
        assert_eq!(get("/big.bin", &format!("Range: {range}\r\n"))?.0, 200, "{range}");
    }
    for path in [
        "/none",
        "/../etc/passwd",
        "/inside/../../etc/passwd",
        "/%2e%2e/etc/passwd",
        "/%2fetc%2fpasswd",
        "//etc/passwd",
        "/outside",
        "/big.bin%00",
        "/%zz",
    ] {
        assert_eq!(get(path, "")?.0, 404, "{path}");
    }
    client.send("HEAD", &host, "/big.bin", "")?;
    assert_eq!(client.response()?.length(), Some(big.len() as u64));

    // A hundred requests in one write, answered in order.
    let mut stream = TcpStream::connect(&host)?;
    let one = format!("GET /a%20file.txt HTTP/1.1\r\nHost: {host}\r\n\r\n");
    let last = format!("DELETE / HTTP/1.0\r\nHost: {host}\r\n\r\n");
    stream.write_all((one.repeat(100) + &last).as_bytes())?;
    let mut replies = String::new();
    stream.read_to_string(&mut replies)?;
    assert_eq!(replies.matches("with a space").count(), 100);
    assert!(replies.contains("405 Method Not Allowed") && replies.contains("Allow: GET, HEAD"));

    // What is refused.
    let refusals = [
        ("nonsense\r\n\r\n".to_string(), "400"),
        ("GET / HTTP/1.1\r\n\r\n".to_string(), "400"),
        (format!("GET / HTTP/1.1\r\nX: {}\r\n", "x".repeat(5000)), "431"),
        (format!("GET / HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(40)), "431"),
    ];
    for (request, status) in refusals {
        let mut stream = TcpStream::connect(&host)?;
        stream.write_all(request.as_bytes())?;
        let mut reply = String::new();
        stream.read_to_string(&mut reply)?;
        assert!(reply.starts_with(&format!("HTTP/1.1 {status} ")), "{reply}");
    }

    // A client that says nothing is let go, and so is one that never comes to an end.
    let impatient = crate::server("127.0.0.1:0", scratch.path(), Duration::from_millis(200))?;
    impatient.start()?;
    let mut idle = Client::connect(&impatient.local_addr()?.to_string())?;
    assert!(idle.is_at_end());
    let mut slow = TcpStream::connect(impatient.local_addr()?)?;
    let mut byte_by_byte = (0..4000).map(|_| {
        greenthread::sleep(Duration::from_millis(10));
        slow.write_all(b"G")
    });
    assert!(byte_by_byte.any(|sent| sent.is_err()));
    impatient.stop(Duration::from_secs(10));

    drop(client);
    assert_eq!(server.stop(Duration::from_secs(10)), 0);
    assert_eq!(server.stats().panicked, 0);
    println!("OK");
    Ok(())
}

fn main() -> io::Result<()> {
    let arguments = usage::arguments(USAGE, &["--check"]);
    let (address, root) = match arguments.as_slice() {
        [] => ("127.0.0.1:8080", "."),
        [check_it] if check_it == "--check" => return greenthread::run(check),
        [address] => (address.as_str(), "."),
        [address, root] => (address.as_str(), root.as_str()),
        _ => usage::usage(USAGE),
    };
    let root = Path::new(root);
    let server = server(address, root, Duration::from_secs(30))?;
    let what = format!("serving {} on http://{}/", root.display(), server.local_addr()?);
    shared::shutdown::serve(&server, &what)
}
