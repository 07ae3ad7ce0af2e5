//! HTTP servers: keep-alive, a short plain text.
//!
//! All parse with `httparse` and answer by the same function; they differ in what reads and writes.

use super::Load;
use greenthread::server::StreamServer;
use greenthread::thread::on_worker_stack;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use std::io::{self, Read, Write};

const REQUEST: &str = "GET /plaintext HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/plain,text/html;q=0.9,*/*;q=0.1\r\n\
    User-Agent: bench\r\nConnection: keep-alive\r\n\r\n";
const REPLY: &str = "HTTP/1.1 200 OK\r\nServer: bench\r\nContent-Type: text/plain\r\nContent-Length: 13\r\n\r\n\
    Hello, World!";
const BUFFER: usize = 4096;

/// Adds the answers to the whole requests at the start of `buffer` to `replies`; returns how many bytes those were.
fn answer(buffer: &[u8], replies: &mut Vec<u8>) -> io::Result<usize> {
    let mut used = 0;
    while used < buffer.len() {
        let mut headers = [httparse::EMPTY_HEADER; 16];
        let mut request = httparse::Request::new(&mut headers);
        match request.parse(&buffer[used..]) {
            Ok(httparse::Status::Complete(length)) => used += length,
            Ok(httparse::Status::Partial) if used > 0 || buffer.len() < BUFFER => break,
            _ => return Err(io::ErrorKind::InvalidData.into()),
        }
        if request.path != Some("/plaintext") {
            return Err(io::ErrorKind::NotFound.into());
        }
        replies.extend_from_slice(REPLY.as_bytes());
    }
    Ok(used)
}

/// This library, with so many workers.
pub fn greenthread(workers: usize) -> io::Result<()> {
    let runtime = greenthread::Runtime::builder().workers(workers).build()?;
    let main = runtime.spawn(|| -> io::Result<()> {
        let server = StreamServer::bind("127.0.0.1:0", |mut stream, _| -> io::Result<()> {
            stream.set_nodelay(true)?;
            let (mut buffer, mut filled, mut replies) = ([0; BUFFER], 0, Vec::new());
            loop {
                match stream.read(&mut buffer[filled..])? {
                    0 => return Ok(()),
                    got => filled += got,
                }
                // Of a thousand connections none finds the lower part of its own stack in the caches.
                let used = on_worker_stack(|| answer(&buffer[..filled], &mut replies))?;
                buffer.copy_within(used..filled, 0);
                filled -= used;
                stream.write_all(&replies)?;
                replies.clear();
            }
        })?;
        println!("{}", server.local_addr()?);
        server.serve_forever()
    });
    main.join().expect("the server does not end")
}

/// tokio, by hand.
pub fn tokio(workers: usize) -> io::Result<()> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    super::on_tokio(workers, |mut stream| async move {
        let (mut buffer, mut filled, mut replies) = ([0; BUFFER], 0, Vec::new());
        loop {
            match stream.read(&mut buffer[filled..]).await? {
                0 => return Ok(()),
                got => filled += got,
            }
            let used = answer(&buffer[..filled], &mut replies)?;
            buffer.copy_within(used..filled, 0);
            filled -= used;
            stream.write_all(&replies).await?;
            replies.clear();
        }
    })
}

/// A connection of the bare loop.
struct Connection {
    stream: TcpStream,
    buffer: [u8; BUFFER],
    filled: usize,
}

impl Connection {
    /// Answers what has come in; `false` at its end.
    fn serve(&mut self, replies: &mut Vec<u8>) -> io::Result<bool> {
        match self.stream.read(&mut self.buffer[self.filled..])? {
            0 => return Ok(false),
            got => self.filled += got,
        }
        let used = answer(&self.buffer[..self.filled], replies)?;
        self.buffer.copy_within(used..self.filled, 0);
        self.filled -= used;
        self.stream.write_all(replies)?;
        replies.clear();
        Ok(true)
    }
}

/// No peer but a measure of how much there is to save: a loop around `epoll_wait`, `recv` and `send`, with no tasks and no runtime,
/// which could serve nothing else.
pub fn bare_loop() -> io::Result<()> {
    const LISTENER: Token = Token(usize::MAX);
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(1024);
    let mut listener = TcpListener::bind(([127, 0, 0, 1], 0).into())?;
    println!("{}", listener.local_addr()?);
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let (mut connections, mut replies) = (Vec::new(), Vec::new());
    loop {
        poll.poll(&mut events, None)?;
        for event in &events {
            if event.token() != LISTENER {
                let place: &mut Option<Connection> = &mut connections[event.token().0];
                if place.as_mut().is_some_and(|one| !matches!(one.serve(&mut replies), Ok(true))) {
                    *place = None;
                }
                continue;
            }
            while let Ok((mut stream, _)) = listener.accept() {
                stream.set_nodelay(true)?;
                let token = Token(connections.len());
                poll.registry().register(&mut stream, token, Interest::READABLE)?;
                connections.push(Some(Connection { stream, buffer: [0; BUFFER], filled: 0 }));
            }
        }
    }
}

/// A load of so many connections, each with so many requests in one write.
pub fn load(label: &'static str, connections: usize, depth: usize) -> Load {
    Load {
        label,
        connections,
        request: REQUEST.repeat(depth).into_bytes(),
        reply: REPLY.len() * depth,
        units: depth as u64,
    }
}
