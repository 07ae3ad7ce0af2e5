//! hyper on the least that can run it: one loop around `epoll_wait` polls the connection of each event at once. No tasks, no wakers, no
//! queue, no timers, no other threads: what a runtime adds to a request is the difference to this.

use crate::answer;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll as Readiness, Token};
use std::cell::Cell;
use std::io::{self, IoSlice, Read as _, Write as _};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

const LISTENER: Token = Token(usize::MAX);

/// A connection, and whether it may have something to read.
struct Bare {
    stream: TcpStream,
    readable: Rc<Cell<bool>>,
}

impl Bare {
    /// Pending where the call would block: then the next event has it polled again.
    fn ready<T>(result: io::Result<T>) -> Poll<io::Result<T>> {
        match result {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
            done => Poll::Ready(done),
        }
    }
}

impl Read for Bare {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        mut buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.readable.get() {
            return Poll::Pending;
        }
        let mut bytes = [0; 1024];
        let room = buf.remaining().min(bytes.len());
        let polled = Self::ready(self.stream.read(&mut bytes[..room]));
        // A short read leaves nothing, and the end stays one.
        self.readable.set(matches!(polled, Poll::Ready(Ok(got)) if got == 0 || got == room));
        polled.map_ok(|got| buf.put_slice(&bytes[..got]))
    }
}

impl Write for Bare {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Self::ready(self.stream.write(buf))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Self::ready(self.stream.write_vectored(bufs))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.stream.shutdown(std::net::Shutdown::Write))
    }
}

type Connection = Pin<Box<dyn Future<Output = hyper::Result<()>>>>;

fn connection(stream: TcpStream, readable: Rc<Cell<bool>>) -> Connection {
    let mut builder = http1::Builder::new();
    builder.auto_date_header(false);
    Box::pin(builder.serve_connection(Bare { stream, readable }, service_fn(answer)))
}

/// Serves for ever.
pub(crate) fn serve() -> io::Result<()> {
    let mut listener = TcpListener::bind(([127, 0, 0, 1], 0).into())?;
    println!("{}", listener.local_addr()?);
    let mut readiness = Readiness::new()?;
    readiness.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut events = Events::with_capacity(1024);
    let mut connections: Vec<(Option<Connection>, Rc<Cell<bool>>)> = Vec::new();
    let mut context = Context::from_waker(Waker::noop());
    loop {
        readiness.poll(&mut events, None)?;
        for event in &events {
            if event.token() != LISTENER {
                let (connection, readable) = &mut connections[event.token().0];
                readable.set(true);
                if let Some(served) = connection
                    && served.as_mut().poll(&mut context).is_ready()
                {
                    *connection = None;
                }
                continue;
            }
            while let Poll::Ready(accepted) = Bare::ready(listener.accept()) {
                let (mut stream, _) = accepted?;
                stream.set_nodelay(true)?;
                let token = Token(connections.len());
                readiness.registry().register(&mut stream, token, Interest::READABLE)?;
                let readable = Rc::new(Cell::new(false));
                let served = connection(stream, Rc::clone(&readable));
                connections.push((Some(served), readable));
            }
        }
    }
}
