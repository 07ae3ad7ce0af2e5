//! Pages are fetched by reqwest, all at once, and counted in a database by sqlx, in a program without one `async`: what would be
//! `.await` is `.wait()`.
//!
//! ```text
//! /fruit has 3 lines, /trees has 2 lines, /water has 4 lines
//! in all there are 9, and most are of /water
//! /none is not there: 404 Not Found
//! ```
//!
//! `cargo run -p greenthread-async --example script`

use greenthread::future::{self, FutureExt as _};
use greenthread::net::{SocketAddr, TcpListener, TcpStream};
use sqlx::{Connection as _, Row as _, SqliteConnection};
use std::io::{self, BufRead, BufReader, Write};

type Failure = Box<dyn std::error::Error + Send + Sync>;

const PAGES: [(&str, &str); 3] = [
    ("/fruit", "apple\npear\nplum\n"),
    ("/trees", "oak\nelm\n"),
    ("/water", "sea\nlake\npond\nbrook\n"),
];

/// What there is to be fetched.
fn answer(stream: &TcpStream) -> io::Result<()> {
    let mut lines = BufReader::new(stream).lines();
    while let Some(first) = lines.next().transpose()? {
        let path = first.split(' ').nth(1).unwrap_or_default().to_string();
        while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
        let page = PAGES.iter().find(|(known, _)| *known == path);
        let (status, text) = page.map_or(("404 Not Found", ""), |(_, text)| ("200 OK", text));
        let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n", text.len());
        (&mut &*stream).write_all((head + text).as_bytes())?;
    }
    Ok(())
}

fn site() -> io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    greenthread::spawn(move || {
        for stream in listener.incoming().flatten() {
            greenthread::spawn(move || answer(&stream));
        }
    });
    Ok(address)
}

fn fetch(url: &str) -> Result<String, reqwest::Error> {
    reqwest::get(url).wait()?.error_for_status()?.text().wait()
}

fn main() -> Result<(), Failure> {
    let site = site()?;
    let mut database = SqliteConnection::connect("sqlite::memory:").wait()?;
    sqlx::query("CREATE TABLE pages (path TEXT, lines INTEGER)").execute(&mut database).wait()?;

    let fetches = PAGES.map(|(path, _)| {
        greenthread::spawn(move || fetch(&format!("http://{site}{path}")).map(|text| (path, text)))
    });
    let mut found = Vec::new();
    for fetch in fetches {
        let (path, text) = fetch.join()??;
        let lines = i64::try_from(text.lines().count())?;
        let insert = sqlx::query("INSERT INTO pages VALUES (?, ?)").bind(path).bind(lines);
        insert.execute(&mut database).wait()?;
        found.push(format!("{path} has {lines} lines"));
    }
    println!("{}", found.join(", "));

    let sum = sqlx::query("SELECT sum(lines) FROM pages").fetch_one(&mut database).wait()?;
    // A stream of rows is a `for` loop.
    let query = sqlx::query("SELECT path FROM pages ORDER BY lines DESC").fetch(&mut database);
    let mut paths = Vec::new();
    for row in future::iter(query) {
        paths.push(row?.get::<String, _>(0));
    }
    println!("in all there are {}, and most are of {}", sum.get::<i64, _>(0), paths[0]);
    database.close().wait()?;

    let missing = fetch(&format!("http://{site}/none")).err().and_then(|error| error.status());
    println!("/none is not there: {}", missing.ok_or("it is there")?);
    Ok(())
}
