//! An unmodified `tiny_http` server, with a green thread for each request.
//!
//!     cargo run -p greenthread-patched --example web_server [ADDRESS]
//!
//! `GET /sleep/MILLISECONDS` answers after so long. With `--check` it asks itself a hundred times at the same time, and prints
//!
//! ```text
//! 100 answers; more than ten were under way at the same time: true
//! ```

#[path = "../../../examples/shared/usage.rs"]
mod usage;

use std::error::Error;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tiny_http::{Request, Response, Server};

type Failure = Box<dyn Error + Send + Sync>;

static UNDER_WAY: AtomicUsize = AtomicUsize::new(0);

fn answer(request: Request) -> std::io::Result<()> {
    let millis = request.url().strip_prefix("/sleep/").and_then(|text| text.parse().ok());
    UNDER_WAY.fetch_add(1, Ordering::SeqCst);
    std::thread::sleep(Duration::from_millis(millis.unwrap_or(0)));
    let text = format!("slept; {} were under way\n", UNDER_WAY.fetch_sub(1, Ordering::SeqCst));
    request.respond(Response::from_string(text))
}

fn serve(server: &Server) {
    while let Ok(request) = server.recv() {
        greenthread::spawn(move || answer(request));
    }
}

fn check() -> Result<(), Failure> {
    let server = Arc::new(Server::http("127.0.0.1:0")?);
    let address = server.server_addr().to_string();
    let own = Arc::clone(&server);
    let serving = greenthread::spawn(move || serve(&own));
    let ask = move || -> Result<String, Failure> {
        let mut stream = TcpStream::connect(address)?;
        write!(stream, "GET /sleep/100 HTTP/1.0\r\nConnection: close\r\n\r\n")?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        Ok(text)
    };
    let asks: Vec<_> = (0..100).map(|_| greenthread::spawn(ask.clone())).collect();
    let mut answers = Vec::new();
    for ask in asks {
        answers.push(ask.join()??);
    }
    server.unblock();
    serving.join()?;
    let good = answers.iter().filter(|text| text.starts_with("HTTP/1.0 200"));
    let under_way = answers.iter().filter_map(|text| {
        let (_, text) = text.rsplit_once("slept; ")?;
        text.split(' ').next()?.parse::<usize>().ok()
    });
    let most = under_way.max().unwrap_or(0);
    println!(
        "{} answers; more than ten were under way at the same time: {}",
        good.count(),
        most > 10
    );
    Ok(())
}

fn main() -> Result<(), Failure> {
    // SAFETY: nothing here is of the kinds that `patch_all` names.
    unsafe { greenthread::monkey::patch_all() };
    let runtime = greenthread::Runtime::builder().workers(1).build()?;
    const USAGE: &str = "web_server [ADDRESS] | --check";
    let arguments = usage::arguments(USAGE, &["--check"]);
    let address = match arguments.as_slice() {
        [] => "127.0.0.1:8080",
        [check_it] if check_it == "--check" => return runtime.run(check)?,
        [address] => address,
        _ => usage::usage(USAGE),
    };
    let server = Server::http(address)?;
    println!("serving http://{}", server.server_addr());
    Ok(runtime.run(move || serve(&server))?)
}
