//! Every way in which a wait for a descriptor ends, on std and on ours: the outcomes are the same.
//!
//! One table of cases is made twice, by one macro, of std's types and of ours. Std's cases run on OS threads, ours on green
//! threads of every kind of runtime. The event that ends a wait comes before the operation, or while it waits; where nothing
//! ends it, a timeout does.
//!
//! It has a process of its own: while another test starts a child process, that has the descriptors too for a moment, and what
//! is closed here is not closed yet.
#![forbid(unsafe_code)]

use greenthread::Runtime;
use greenthread::io::PollFd;
use rustix::fs::{CWD, FileType, Mode};
use socket2::SockRef;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::io;
use std::os::fd::AsFd;
use std::sync::{Arc, mpsc};
use std::time::Duration;

/// How long all cases together may take before one counts as hanging.
const LIMIT: Duration = Duration::from_secs(60);

/// Longer than an event takes that ends a wait.
const TIMEOUT: Option<Duration> = Some(Duration::from_millis(1500));
/// Until most operations have begun to wait. Where one has not, its case is one more in which the event comes first.
const SOON: Duration = Duration::from_millis(30);

type Case = Box<dyn FnOnce() -> String + Send>;
type Table = Vec<(String, Case)>;

/// When the event comes.
#[derive(Clone, Copy, Debug, PartialEq)]
enum When {
    Before,
    During,
}

const WHENS: [When; 2] = [When::Before, When::During];

#[derive(Clone, Copy, Debug, PartialEq)]
enum Get {
    Read,
    Vectored,
    Peek,
    Nothing,
    VectoredNothing,
    Pass,
    Wait,
    Poll,
}

const GETS: [Get; 8] = [
    Get::Read,
    Get::Vectored,
    Get::Peek,
    Get::Nothing,
    Get::VectoredNothing,
    Get::Pass,
    Get::Wait,
    Get::Poll,
];

#[derive(Clone, Copy, Debug, PartialEq)]
enum Put {
    Write,
    Vectored,
    Nothing,
    VectoredNothing,
    File,
    Pass,
    Wait,
    Poll,
}

const PUTS: [Put; 8] = [
    Put::Write,
    Put::Vectored,
    Put::Nothing,
    Put::VectoredNothing,
    Put::File,
    Put::Pass,
    Put::Wait,
    Put::Poll,
];

#[derive(Clone, Copy, Debug, PartialEq)]
enum Event {
    Data,
    Urgent,
    Room,
    OwnRead,
    OwnWrite,
    OwnBoth,
    PeerRead,
    PeerWrite,
    PeerBoth,
    Close,
    Reset,
    Never,
}

const EVENTS: [Event; 12] = [
    Event::Data,
    Event::Urgent,
    Event::Room,
    Event::OwnRead,
    Event::OwnWrite,
    Event::OwnBoth,
    Event::PeerRead,
    Event::PeerWrite,
    Event::PeerBoth,
    Event::Close,
    Event::Reset,
    Event::Never,
];

/// A result as it is compared: errors by their number, or their kind where there is none.
fn show<T: Debug>(result: io::Result<T>) -> String {
    match result {
        Ok(value) => format!("{value:?}"),
        Err(error) => match error.raw_os_error() {
            Some(errno) => io::Error::from_raw_os_error(errno).kind().to_string(),
            None => error.kind().to_string(),
        },
    }
}

/// How much of a large write went is up to the system.
fn some(result: io::Result<usize>) -> io::Result<&'static str> {
    result.map(|sent| if sent == 0 { "nothing" } else { "some" })
}

/// `poll` of one descriptor. On an OS thread this is `poll(2)`.
fn polled(fd: &impl AsFd, limit: Option<Duration>) -> String {
    let mut fds = [PollFd::readable(fd), PollFd::priority(fd)];
    let ready = greenthread::io::poll(&mut fds, limit);
    let [read, urgent] = &fds;
    let seen = [
        read.is_readable(),
        read.is_hung_up(),
        read.is_error(),
        urgent.is_priority(),
        urgent.is_ready(),
    ];
    format!("{} {seen:?}", show(ready))
}

fn polled_two(mut fds: [PollFd<'_>; 2]) -> String {
    let ready = greenthread::io::poll(&mut fds, TIMEOUT);
    let seen = fds.map(|fd| [fd.is_readable(), fd.is_writable(), fd.is_priority(), fd.is_error()]);
    format!("{} {seen:?}", show(ready))
}

fn polled_for_room(fd: &impl AsFd, limit: Option<Duration>) -> String {
    let mut fds = [PollFd::writable(fd)];
    let ready = greenthread::io::poll(&mut fds, limit);
    let [write] = &fds;
    let seen = [write.is_writable(), write.is_hung_up(), write.is_error(), write.is_ready()];
    format!("{} {seen:?}", show(ready))
}

macro_rules! world {
    ($world:ident, $std:ident, $threads:ident, $pass:expr, $send_file:expr) => {
        mod $world {
            use super::*;
            use m::fs::{File, OpenOptions};
            use m::io::{PipeReader, PipeWriter, pipe};
            use m::net::{TcpListener, TcpStream, UdpSocket};
            use m::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
            use std::io::{IoSlice, IoSliceMut, Read, Write};
            use std::net::Shutdown;
            use std::os::unix::fs::FileExt;
            use std::path::PathBuf;
            use std::sync::Arc;
            use std::sync::atomic::{AtomicUsize, Ordering};
            use $std as m;
            use $threads::thread::{JoinHandle, sleep, spawn};

            /// Both ends of a connection can do all of this.
            pub(super) trait Stream: AsFd + Sized + Send + Sync + 'static {
                const NAME: &str;
                fn pair() -> (Self, Self);
                fn get(&self, how: Get, limit: Option<Duration>) -> String;
                fn put(&self, how: Put, limit: Option<Duration>) -> String;
                fn shut(&self, how: Shutdown);
                fn nonblocking(&self, nonblocking: bool);
                fn take(&self, buf: &mut [u8]) -> io::Result<usize>;
                fn give(&self, buf: &[u8]) -> io::Result<usize>;
                fn limit(&self);
            }

            macro_rules! stream {
                ($type:ident, $pair:expr, $peek:expr) => {
                    impl Stream for $type {
                        const NAME: &str = stringify!($type);

                        fn pair() -> (Self, Self) {
                            $pair
                        }

                        fn get(&self, how: Get, limit: Option<Duration>) -> String {
                            let (mut buf, mut rest) = ([0; 2], [0; 8]);
                            let mut this = self;
                            let peek: fn(&Self, &mut [u8]) -> io::Result<usize> = $peek;
                            let got = match how {
                                Get::Read => this.read(&mut rest),
                                Get::Vectored => {
                                    let mut bufs =
                                        [IoSliceMut::new(&mut buf), IoSliceMut::new(&mut rest)];
                                    this.read_vectored(&mut bufs)
                                }
                                Get::Peek => peek(this, &mut rest),
                                Get::Nothing => this.read(&mut []),
                                Get::VectoredNothing => {
                                    this.read_vectored(&mut [IoSliceMut::new(&mut [])])
                                }
                                Get::Pass => {
                                    let (to, _other) = <Self as Stream>::pair();
                                    let pass: fn(&Self, &Self) -> io::Result<u64> = $pass;
                                    return show(pass(self, &to));
                                }
                                Get::Wait => {
                                    return show(greenthread::io::wait_readable(self, limit));
                                }
                                Get::Poll => return polled(self, limit),
                            };
                            format!("{} {buf:?} {rest:?}", show(got))
                        }

                        fn put(&self, how: Put, limit: Option<Duration>) -> String {
                            let mut this = self;
                            let sent = match how {
                                Put::Write => this.write(&[1; 1000]),
                                Put::Vectored => this.write_vectored(&[IoSlice::new(&[1; 500]); 2]),
                                Put::Nothing => this.write(&[]),
                                Put::VectoredNothing => this.write_vectored(&[IoSlice::new(&[])]),
                                Put::Wait => {
                                    return show(greenthread::io::wait_writable(self, limit));
                                }
                                Put::Poll => return polled_for_room(self, limit),
                                Put::File => {
                                    let mut file = file();
                                    file.write_all(&[1; 1000]).unwrap();
                                    let send: fn(&mut File, &Self) -> io::Result<()> = $send_file;
                                    return show(send(&mut file, self));
                                }
                                Put::Pass => {
                                    let (from, other) = <Self as Stream>::pair();
                                    other.give(&[1; 1000]).unwrap();
                                    other.shut(Shutdown::Write);
                                    let pass: fn(&Self, &Self) -> io::Result<u64> = $pass;
                                    return show(pass(&from, self));
                                }
                            };
                            show(some(sent))
                        }

                        fn shut(&self, how: Shutdown) {
                            self.shutdown(how).unwrap();
                        }

                        fn nonblocking(&self, nonblocking: bool) {
                            self.set_nonblocking(nonblocking).unwrap();
                        }

                        fn take(&self, buf: &mut [u8]) -> io::Result<usize> {
                            (&*self).read(buf)
                        }

                        fn give(&self, buf: &[u8]) -> io::Result<usize> {
                            (&*self).write(buf)
                        }

                        fn limit(&self) {
                            self.set_read_timeout(TIMEOUT).unwrap();
                            self.set_write_timeout(TIMEOUT).unwrap();
                        }
                    }
                };
            }

            fn tcp_pair() -> (TcpStream, TcpStream) {
                let listener = TcpListener::bind("127.0.0.1:0").unwrap();
                let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
                (client, listener.accept().unwrap().0)
            }

            stream!(TcpStream, tcp_pair(), |this, buf| this.peek(buf));
            stream!(UnixStream, UnixStream::pair().unwrap(), |_, _| Ok(0));

            /// A file without a name.
            pub(super) fn file() -> File {
                let path = new_path();
                let mut options = OpenOptions::new();
                let file = options.read(true).write(true).create_new(true).open(&path).unwrap();
                std::fs::remove_file(path).unwrap();
                file
            }

            pub(super) fn new_path() -> PathBuf {
                static COUNT: AtomicUsize = AtomicUsize::new(0);
                let number = COUNT.fetch_add(1, Ordering::Relaxed);
                let name = format!(
                    "greenthread-ends-{}-{}-{number}",
                    stringify!($world),
                    std::process::id()
                );
                std::env::temp_dir().join(name)
            }

            /// Writes until there is no room, and the system has moved all that it can. TCP sends what fills the last of its
            /// peer's window some 200 ms later.
            pub(super) fn fill<S: Stream>(stream: &S, peer: &S) {
                // The system does not choose, and change, their sizes any more.
                SockRef::from(stream).set_send_buffer_size(32 * 1024).unwrap();
                SockRef::from(peer).set_recv_buffer_size(32 * 1024).unwrap();
                stream.nonblocking(true);
                let mut refused = 0;
                while refused < 2 {
                    match stream.give(&[0; 4096]) {
                        Ok(_) => refused = 0,
                        Err(_) => {
                            refused += 1;
                            sleep(Duration::from_millis(300));
                        }
                    }
                }
                stream.nonblocking(false);
            }

            fn happen<S: Stream>(event: Event, own: &S, peer: S) -> Option<S> {
                match event {
                    Event::Data => drop(peer.give(b"abc").unwrap()),
                    Event::Urgent => {
                        // The last byte is urgent. Not each system has that for Unix sockets.
                        let sent = SockRef::from(&peer).send_out_of_band(b"abc");
                        assert!(sent.is_ok() || S::NAME == "UnixStream");
                    }
                    Event::Room => {
                        peer.nonblocking(true);
                        while peer.take(&mut [0; 65536]).is_ok() {}
                        peer.nonblocking(false);
                    }
                    Event::OwnRead => own.shut(Shutdown::Read),
                    Event::OwnWrite => own.shut(Shutdown::Write),
                    Event::OwnBoth => own.shut(Shutdown::Both),
                    Event::PeerRead => peer.shut(Shutdown::Read),
                    Event::PeerWrite => peer.shut(Shutdown::Write),
                    Event::PeerBoth => peer.shut(Shutdown::Both),
                    Event::Close => return None,
                    Event::Reset => {
                        // What has not been read when it closes is lost.
                        own.nonblocking(true);
                        let _ = own.give(b"unread");
                        own.nonblocking(false);
                        SockRef::from(&peer).set_linger(Some(Duration::ZERO)).unwrap();
                        return None;
                    }
                    Event::Never => {}
                }
                Some(peer)
            }

            /// Does `operation` on one end, and `event` to it.
            fn run<S: Stream>(
                (own, peer): (S, S),
                event: Event,
                when: When,
                operation: impl FnOnce(&S) -> String + Send + 'static,
            ) -> String {
                own.limit();
                peer.limit();
                match when {
                    When::Before => {
                        let _peer = happen(event, &own, peer);
                        operation(&own)
                    }
                    When::During => {
                        let own = Arc::new(own);
                        let waits = Arc::clone(&own);
                        in_order(when, move || operation(&waits), || happen(event, &*own, peer))
                    }
                }
            }

            fn streams<S: Stream>(table: &mut Table) {
                let unix = S::NAME == "UnixStream";
                for (event, when) in EVENTS.into_iter().flat_map(|e| WHENS.map(|w| (e, w))) {
                    for how in GETS.into_iter().filter(|&how| !(unix && how == Get::Peek)) {
                        if how == Get::VectoredNothing && when == When::During {
                            continue; // It does not wait.
                        }
                        let case = move || {
                            run(S::pair(), event, when, move |own: &S| {
                                let first = own.get(how, TIMEOUT);
                                // What it leaves behind is the same as well.
                                own.nonblocking(true);
                                let second = own.get(Get::Read, TIMEOUT);
                                let third = own.put(Put::Write, TIMEOUT);
                                format!("{first}, then {second}, {third}")
                            })
                        };
                        add(table, format!("{} get {how:?} {event:?} {when:?}", S::NAME), case);
                    }
                    for how in PUTS {
                        let waits = !matches!(how, Put::Nothing | Put::VectoredNothing);
                        if !waits && when == When::During {
                            continue;
                        }
                        let case = move || {
                            let pair = S::pair();
                            fill(&pair.0, &pair.1);
                            run(pair, event, when, move |own: &S| {
                                let first = own.put(how, TIMEOUT);
                                // Once more, with or without a wait.
                                let second = own.put(how, TIMEOUT);
                                format!("{first}, then {second}")
                            })
                        };
                        add(table, format!("{} put {how:?} {event:?} {when:?}", S::NAME), case);
                    }
                }
            }

            fn add(
                table: &mut Table,
                name: String,
                case: impl FnOnce() -> String + Send + 'static,
            ) {
                table.push((name, Box::new(case)));
            }

            pub(super) fn read_plainly(
                reader: &mut (impl Read + AsFd),
                how: Get,
                limit: Option<Duration>,
            ) -> String {
                let (mut buf, mut rest) = ([0; 2], [0; 8]);
                let got = match how {
                    Get::Vectored => reader.read_vectored(&mut [
                        IoSliceMut::new(&mut buf),
                        IoSliceMut::new(&mut rest),
                    ]),
                    Get::Nothing => reader.read(&mut []),
                    Get::VectoredNothing => reader.read_vectored(&mut []),
                    Get::Wait => {
                        return show(greenthread::io::wait_readable(&*reader, limit));
                    }
                    Get::Poll => return polled(&*reader, limit),
                    _ => reader.read(&mut rest),
                };
                format!("{} {buf:?} {rest:?}", show(got))
            }

            pub(super) fn write_plainly(
                writer: &mut (impl Write + AsFd),
                how: Put,
                limit: Option<Duration>,
            ) -> String {
                let sent = match how {
                    Put::Vectored => writer.write_vectored(&[IoSlice::new(&[1; 500]); 2]),
                    Put::Nothing => writer.write(&[]),
                    Put::VectoredNothing => writer.write_vectored(&[]),
                    Put::Wait => {
                        return show(greenthread::io::wait_writable(&*writer, limit));
                    }
                    Put::Poll => return polled_for_room(&*writer, limit),
                    _ => writer.write(&[1; 1000]),
                };
                show(some(sent))
            }

            pub(super) fn fifo() -> (File, File) {
                let path = new_path();
                rustix::fs::mknodat(CWD, &path, FileType::Fifo, Mode::from_raw_mode(0o600), 0)
                    .unwrap();
                let to = path.clone();
                let writer = spawn(move || OpenOptions::new().write(true).open(to).unwrap());
                let reader = File::open(&path).unwrap();
                let writer = writer.join().unwrap();
                std::fs::remove_file(path).unwrap();
                (reader, writer)
            }

            /// Pipes: reads and writes have no timeouts, so that each has to end by its event.
            fn pipes<R, W>(table: &mut Table, name: &'static str, pair: fn() -> (R, W))
            where
                R: Read + AsFd + Send + 'static,
                W: Write + AsFd + Send + 'static,
            {
                for when in WHENS {
                    let gets = [
                        Get::Read,
                        Get::Vectored,
                        Get::Wait,
                        Get::Poll,
                        Get::Nothing,
                        Get::VectoredNothing,
                    ];
                    // The last two never wait.
                    let waiting = if when == When::Before { 6 } else { 4 };
                    for how in gets.into_iter().take(waiting) {
                        for event in [Event::Data, Event::Close, Event::Never] {
                            if event == Event::Never && matches!(how, Get::Read | Get::Vectored) {
                                continue;
                            }
                            let case = move || {
                                let (mut reader, mut writer) = pair();
                                let happen = move || match event {
                                    Event::Data => {
                                        writer.write_all(b"abc").unwrap();
                                        Some(writer)
                                    }
                                    Event::Never => Some(writer),
                                    _ => None,
                                };
                                in_order(
                                    when,
                                    move || read_plainly(&mut reader, how, TIMEOUT),
                                    happen,
                                )
                            };
                            add(table, format!("{name} get {how:?} {event:?} {when:?}"), case);
                        }
                    }
                    let puts = [
                        Put::Write,
                        Put::Vectored,
                        Put::Wait,
                        Put::Poll,
                        Put::Nothing,
                        Put::VectoredNothing,
                    ];
                    for how in puts.into_iter().take(waiting) {
                        for event in [Event::Room, Event::Close, Event::Never] {
                            if event == Event::Never && matches!(how, Put::Write | Put::Vectored) {
                                continue;
                            }
                            let case = move || {
                                let (mut reader, mut writer) = pair();
                                writer.write_all(&[0; 65536]).unwrap();
                                let happen = move || match event {
                                    Event::Room => {
                                        reader.read_exact(&mut [0; 65536]).unwrap();
                                        Some(reader)
                                    }
                                    Event::Never => Some(reader),
                                    _ => None,
                                };
                                in_order(
                                    when,
                                    move || write_plainly(&mut writer, how, TIMEOUT),
                                    happen,
                                )
                            };
                            add(table, format!("{name} put {how:?} {event:?} {when:?}"), case);
                        }
                    }
                }
            }

            fn raw_shutdown(socket: &impl AsFd, how: Shutdown) {
                // A socket that is not connected says so and is shut down all the same.
                let _ = SockRef::from(socket).shutdown(how);
            }

            /// Receives once, and once more without waiting.
            pub(super) fn receive<D: AsFd, A: Debug>(
                socket: &D,
                how: &str,
                limit: Option<Duration>,
                recv: fn(&D, &mut [u8]) -> io::Result<usize>,
                recv_from: fn(&D, &mut [u8]) -> io::Result<(usize, A)>,
            ) -> String {
                let mut buf = [0; 4];
                let got = match how {
                    "wait" => show(greenthread::io::wait_readable(socket, limit)),
                    "poll" => polled(socket, limit),
                    "from" => show(recv_from(socket, &mut buf).map(|(size, _)| size)),
                    "nothing" => show(recv(socket, &mut [])),
                    _ => show(recv(socket, &mut buf)),
                };
                format!("{got} {buf:?}")
            }

            fn datagrams(table: &mut Table) {
                let events = [
                    "data",
                    "empty",
                    "long",
                    "own read",
                    "own write",
                    "own both",
                    "peer read",
                    "peer write",
                    "peer both",
                    "close",
                    "refused",
                    "never",
                ];
                for (event, when) in events.into_iter().flat_map(|e| WHENS.map(|w| (e, w))) {
                    for how in ["plain", "from", "nothing", "peek", "peek from", "wait", "poll"] {
                        let case = move || {
                            let own = Arc::new(UdpSocket::bind("127.0.0.1:0").unwrap());
                            let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
                            own.connect(peer.local_addr().unwrap()).unwrap();
                            own.set_read_timeout(TIMEOUT).unwrap();
                            let to = own.local_addr().unwrap();
                            let waits = Arc::clone(&own);
                            let operation = move || {
                                let peek = how.starts_with("peek");
                                let one = if peek {
                                    let from = if how == "peek" { "plain" } else { "from" };
                                    receive(
                                        &*waits,
                                        from,
                                        TIMEOUT,
                                        UdpSocket::peek,
                                        UdpSocket::peek_from,
                                    )
                                } else {
                                    receive(
                                        &*waits,
                                        how,
                                        TIMEOUT,
                                        UdpSocket::recv,
                                        UdpSocket::recv_from,
                                    )
                                };
                                waits.set_nonblocking(true).unwrap();
                                let two = receive(
                                    &*waits,
                                    "plain",
                                    TIMEOUT,
                                    UdpSocket::recv,
                                    UdpSocket::recv_from,
                                );
                                format!("{one}, then {two}")
                            };
                            let happen = move || {
                                match event {
                                    "data" => drop(peer.send_to(b"abc", to).unwrap()),
                                    "empty" => drop(peer.send_to(b"", to).unwrap()),
                                    "long" => drop(peer.send_to(&[7; 100], to).unwrap()),
                                    "own read" => raw_shutdown(&*own, Shutdown::Read),
                                    "own write" => raw_shutdown(&*own, Shutdown::Write),
                                    "own both" => raw_shutdown(&*own, Shutdown::Both),
                                    "peer read" => raw_shutdown(&peer, Shutdown::Read),
                                    "peer write" => raw_shutdown(&peer, Shutdown::Write),
                                    "peer both" => raw_shutdown(&peer, Shutdown::Both),
                                    "refused" => {
                                        drop(peer);
                                        let _ = own.send(b"nobody there");
                                        return None;
                                    }
                                    "close" => return None,
                                    _ => {}
                                }
                                Some(peer)
                            };
                            in_order(when, operation, happen)
                        };
                        add(table, format!("UdpSocket {how} {event} {when:?}"), case);
                    }
                    for how in ["plain", "from", "nothing", "wait", "poll"] {
                        let case = move || {
                            let (own, peer) = UnixDatagram::pair().unwrap();
                            own.set_read_timeout(TIMEOUT).unwrap();
                            let own = Arc::new(own);
                            let waits = Arc::clone(&own);
                            let operation = move || {
                                let (recv, from) = (UnixDatagram::recv, UnixDatagram::recv_from);
                                let one = receive(&*waits, how, TIMEOUT, recv, from);
                                waits.set_nonblocking(true).unwrap();
                                let two = receive(&*waits, "plain", TIMEOUT, recv, from);
                                format!("{one}, then {two}")
                            };
                            let happen = move || {
                                match event {
                                    "data" => drop(peer.send(b"abc").unwrap()),
                                    "empty" => drop(peer.send(b"").unwrap()),
                                    "long" => drop(peer.send(&[7; 100]).unwrap()),
                                    "own read" => own.shutdown(Shutdown::Read).unwrap(),
                                    "own write" => own.shutdown(Shutdown::Write).unwrap(),
                                    "own both" => own.shutdown(Shutdown::Both).unwrap(),
                                    "peer read" => peer.shutdown(Shutdown::Read).unwrap(),
                                    "peer write" => peer.shutdown(Shutdown::Write).unwrap(),
                                    "peer both" => peer.shutdown(Shutdown::Both).unwrap(),
                                    "refused" => {
                                        drop(peer);
                                        let _ = own.send(b"nobody there");
                                        return None;
                                    }
                                    "close" => return None,
                                    _ => {}
                                }
                                Some(peer)
                            };
                            in_order(when, operation, happen)
                        };
                        add(table, format!("UnixDatagram {how} {event} {when:?}"), case);
                    }
                }
                let events = [
                    "room",
                    "own read",
                    "own write",
                    "own both",
                    "peer read",
                    "peer write",
                    "peer both",
                    "close",
                    "never",
                ];
                for (event, when) in events.into_iter().flat_map(|e| WHENS.map(|w| (e, w))) {
                    // The system wakes nobody for these, whoever waits for room.
                    let silent = ["own write", "peer read", "peer both"].contains(&event);
                    if matches!(when, When::During) && silent {
                        continue;
                    }
                    for how in ["plain", "nothing", "wait", "poll"] {
                        let case = move || {
                            let (own, peer) = UnixDatagram::pair().unwrap();
                            own.set_write_timeout(TIMEOUT).unwrap();
                            fill_with_datagrams(&own);
                            let own = Arc::new(own);
                            let waits = Arc::clone(&own);
                            let operation = move || send(&*waits, how, TIMEOUT, UnixDatagram::send);
                            let happen = move || {
                                match event {
                                    "room" => take_datagrams(&peer),
                                    "own read" => own.shutdown(Shutdown::Read).unwrap(),
                                    "own write" => own.shutdown(Shutdown::Write).unwrap(),
                                    "own both" => own.shutdown(Shutdown::Both).unwrap(),
                                    "peer read" => peer.shutdown(Shutdown::Read).unwrap(),
                                    "peer write" => peer.shutdown(Shutdown::Write).unwrap(),
                                    "peer both" => peer.shutdown(Shutdown::Both).unwrap(),
                                    "close" => return None,
                                    _ => {}
                                }
                                Some(peer)
                            };
                            in_order(when, operation, happen)
                        };
                        add(table, format!("UnixDatagram send {how} {event} {when:?}"), case);
                    }
                }
                // The system takes these at once, or says why not.
                let events =
                    ["room", "own read", "own write", "own both", "peer both", "refused", "nobody"];
                for event in events {
                    for how in ["plain", "to", "nothing", "wait", "poll"] {
                        let case = move || {
                            let own = UdpSocket::bind("127.0.0.1:0").unwrap();
                            let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
                            let to = peer.local_addr().unwrap();
                            if event != "nobody" {
                                own.connect(to).unwrap();
                            }
                            match event {
                                "own read" => raw_shutdown(&own, Shutdown::Read),
                                "own write" => raw_shutdown(&own, Shutdown::Write),
                                "own both" => raw_shutdown(&own, Shutdown::Both),
                                "peer both" => raw_shutdown(&peer, Shutdown::Both),
                                "refused" => {
                                    drop(peer);
                                    let _ = own.send(b"nobody there");
                                }
                                _ => {}
                            }
                            let one = match how {
                                "to" => show(own.send_to(&[0; 1000], to)),
                                _ => send(&own, how, TIMEOUT, UdpSocket::send),
                            };
                            format!("{one}, then {}", send(&own, "plain", TIMEOUT, UdpSocket::send))
                        };
                        add(table, format!("UdpSocket send {how} {event}"), case);
                    }
                }
            }

            pub(super) fn send<D: AsFd>(
                socket: &D,
                how: &str,
                limit: Option<Duration>,
                send: fn(&D, &[u8]) -> io::Result<usize>,
            ) -> String {
                match how {
                    "wait" => show(greenthread::io::wait_writable(socket, limit)),
                    "poll" => polled_for_room(socket, limit),
                    "nothing" => show(send(socket, &[])),
                    _ => show(send(socket, &[0; 1000])),
                }
            }

            pub(super) fn fill_with_datagrams(socket: &UnixDatagram) {
                socket.set_nonblocking(true).unwrap();
                while socket.send(&[0; 1000]).is_ok() {}
                socket.set_nonblocking(false).unwrap();
            }

            pub(super) fn take_datagrams(socket: &UnixDatagram) {
                socket.set_nonblocking(true).unwrap();
                while socket.recv(&mut [0; 1000]).is_ok() {}
                socket.set_nonblocking(false).unwrap();
            }

            fn in_order<T>(
                when: When,
                operation: impl FnOnce() -> String + Send + 'static,
                happen: impl FnOnce() -> T,
            ) -> String {
                match when {
                    When::Before => {
                        let _kept = happen();
                        operation()
                    }
                    When::During => {
                        let begins = Arc::new(AtomicUsize::new(0));
                        let begun = Arc::clone(&begins);
                        let waiting = spawn(move || {
                            begins.store(1, Ordering::SeqCst);
                            operation()
                        });
                        while begun.load(Ordering::SeqCst) == 0 {
                            sleep(Duration::from_millis(1));
                        }
                        sleep(SOON);
                        let _kept = happen();
                        waiting.join().unwrap()
                    }
                }
            }

            fn listeners(table: &mut Table) {
                for (when, how) in WHENS.into_iter().flat_map(|w| [(w, "accept"), (w, "poll")]) {
                    for event in ["connection", "shutdown"] {
                        let case = move || {
                            let own = Arc::new(TcpListener::bind("127.0.0.1:0").unwrap());
                            let waits = Arc::clone(&own);
                            let operation = move || match how {
                                "poll" => polled(&*waits, TIMEOUT),
                                _ => show(waits.accept().map(drop)),
                            };
                            let happen = move || match event {
                                "connection" => TcpStream::connect(own.local_addr().unwrap()).ok(),
                                _ => {
                                    raw_shutdown(&*own, Shutdown::Both);
                                    None
                                }
                            };
                            in_order(when, operation, happen)
                        };
                        add(table, format!("TcpListener {how} {event} {when:?}"), case);
                        let case = move || {
                            let path = new_path();
                            let own = Arc::new(UnixListener::bind(&path).unwrap());
                            let waits = Arc::clone(&own);
                            let operation = move || match how {
                                "poll" => polled(&*waits, TIMEOUT),
                                _ => show(waits.accept().map(drop)),
                            };
                            let to = path.clone();
                            let happen = move || match event {
                                "connection" => UnixStream::connect(to).ok(),
                                _ => {
                                    raw_shutdown(&*own, Shutdown::Both);
                                    None
                                }
                            };
                            let outcome = in_order(when, operation, happen);
                            std::fs::remove_file(path).unwrap();
                            outcome
                        };
                        add(table, format!("UnixListener {how} {event} {when:?}"), case);
                    }
                }
            }

            fn files(table: &mut Table) {
                let paths = ["/dev/zero", "/dev/null", "/proc/self/comm", "/etc/passwd", "/etc"];
                for path in paths {
                    for how in [
                        Get::Read,
                        Get::Vectored,
                        Get::Nothing,
                        Get::VectoredNothing,
                        Get::Wait,
                        Get::Poll,
                    ] {
                        let case = move || {
                            let text = read_plainly(&mut File::open(path).unwrap(), how, TIMEOUT);
                            // The names of threads are not compared.
                            if path == "/proc/self/comm" { text[..1].to_owned() } else { text }
                        };
                        add(table, format!("{path} {how:?}"), case);
                    }
                    // Beside what is not ready.
                    for what in ["readable", "writable", "priority"] {
                        let case = move || {
                            let (quiet, _peer) = UnixStream::pair().unwrap();
                            let file = File::open(path).unwrap();
                            let of_file = match what {
                                "readable" => PollFd::readable(&file),
                                "writable" => PollFd::writable(&file),
                                _ => PollFd::priority(&file),
                            };
                            polled_two([PollFd::readable(&quiet), of_file])
                        };
                        add(table, format!("{path}, poll for {what}"), case);
                    }
                    let case = move || {
                        let file = File::open(path).unwrap();
                        let at = [0, 3, 1 << 40].map(|at| show(file.read_at(&mut [], at)));
                        format!("{at:?} {}", show(file.write_at(&[], 0)))
                    };
                    add(table, format!("{path} read_at"), case);
                    for how in [
                        Put::Write,
                        Put::Vectored,
                        Put::Nothing,
                        Put::VectoredNothing,
                        Put::Wait,
                        Put::Poll,
                    ] {
                        let case =
                            move || write_plainly(&mut File::open(path).unwrap(), how, TIMEOUT);
                        add(table, format!("{path} {how:?}, not open for that"), case);
                    }
                }
                for how in [Get::Read, Get::Vectored, Get::Nothing, Get::VectoredNothing] {
                    let case = move || {
                        let mut null = OpenOptions::new().write(true).open("/dev/null").unwrap();
                        read_plainly(&mut null, how, TIMEOUT)
                    };
                    add(table, format!("{how:?} of what is open for writing"), case);
                }
                let puts = [
                    Put::Write,
                    Put::Vectored,
                    Put::Nothing,
                    Put::VectoredNothing,
                    Put::Wait,
                    Put::Poll,
                ];
                for how in puts {
                    let case = move || {
                        let mut file = file();
                        let put = write_plainly(&mut file, how, TIMEOUT);
                        let end = [Get::Read, Get::Vectored, Get::Nothing, Get::Wait, Get::Poll]
                            .map(|how| read_plainly(&mut file, how, TIMEOUT));
                        let at =
                            [0, 1, 1000, 1 << 40].map(|at| show(file.read_at(&mut [0; 8], at)));
                        format!("{put}, {end:?}, {at:?}")
                    };
                    add(table, format!("a file that is new, {how:?}, and its end"), case);
                }
            }

            pub(super) fn table() -> Table {
                let mut table = Table::new();
                streams::<TcpStream>(&mut table);
                streams::<UnixStream>(&mut table);
                let pair: fn() -> (PipeReader, PipeWriter) = || pipe().unwrap();
                pipes(&mut table, "pipe", pair);
                pipes(&mut table, "FIFO", fifo);
                datagrams(&mut table);
                listeners(&mut table);
                files(&mut table);
                table
            }

            /// The outcome of one case that runs alone.
            pub(super) fn again(name: &str) -> String {
                let case = table().into_iter().find(|(other, _)| other == name);
                let case = spawn(case.expect("there is such a case").1);
                case.join().unwrap_or_else(|_| "a panic".to_owned())
            }

            /// Runs all cases at the same time, and returns their outcomes.
            pub(super) fn outcomes() -> BTreeMap<String, String> {
                let cases: Vec<_> =
                    table().into_iter().map(|(name, case)| (name, spawn(case))).collect();
                let outcome =
                    |case: JoinHandle<String>| case.join().unwrap_or_else(|_| "a panic".to_owned());
                cases.into_iter().map(|(name, case)| (name, outcome(case))).collect()
            }
        }
    };
}

world!(stds, std, std, |from, to| std::io::copy(&mut &*from, &mut &*to), |file, to| {
    std::io::Seek::rewind(file)?;
    std::io::copy(file, &mut &*to).map(drop)
});
world!(
    ours,
    greenthread,
    greenthread,
    |from, to| greenthread::io::forward(from, to),
    |file, to| { greenthread::io::send_file(file, &mut (0..1000), to) }
);
// Our types on OS threads.
world!(plain, greenthread, std, |from, to| greenthread::io::forward(from, to), |file, to| {
    greenthread::io::send_file(file, &mut (0..1000), to)
});

/// What `outcomes` returns; a hang is a panic.
fn within_limit<T: Send + 'static>(outcomes: impl FnOnce() -> T + Send + 'static) -> T {
    let (send, receive) = mpsc::channel();
    std::thread::spawn(move || send.send(outcomes()));
    receive.recv_timeout(LIMIT).expect("a case does not end")
}

/// Where our types are used.
#[derive(Clone, Copy, Debug)]
enum World {
    OsThreads,
    CurrentThread,
    Workers(usize),
}

impl World {
    fn outcomes(self) -> BTreeMap<String, String> {
        match self {
            Self::OsThreads => within_limit(plain::outcomes),
            _ => self.run(ours::outcomes),
        }
    }

    fn again(self, name: String) -> String {
        match self {
            Self::OsThreads => within_limit(move || plain::again(&name)),
            _ => self.run(move || ours::again(&name)),
        }
    }

    fn run<T: Send + 'static>(self, main: impl FnOnce() -> T + Send + 'static) -> T {
        within_limit(move || match self {
            Self::Workers(count) => Runtime::builder().workers(count).build().unwrap().run(main),
            _ => Runtime::new_current_thread().unwrap().run(main),
        })
        .unwrap()
    }
}

/// How often a case that differs is tried again, alone: on a loaded machine an operation may begin after the event that was to
/// come while it waits, and std reads the address of a datagram where there is none from memory that nobody has written.
const TRIES: usize = 10;

#[test]
fn every_wait_ends_as_stds_does() {
    let theirs = within_limit(stds::outcomes);
    let worlds = [
        World::OsThreads,
        World::CurrentThread,
        World::Workers(1),
        World::Workers(2),
        World::Workers(4),
    ];
    for world in worlds {
        let ours = world.outcomes();
        assert_eq!(ours.len(), theirs.len());
        let mut differ = Vec::new();
        for (name, theirs) in &theirs {
            let ours = &ours[name];
            let is_same = || {
                let (own, other) = (name.clone(), name.clone());
                world.again(own) == within_limit(move || stds::again(&other))
            };
            if ours != theirs && !(0..TRIES).any(|_| is_same()) {
                differ.push(format!("{name}\n    std:  {theirs}\n    ours: {ours}"));
            }
        }
        assert!(differ.is_empty(), "{world:?}:\n{}", differ.join("\n"));
    }
}

/// Waits that nothing ends, for a kill to end: on std there is none.
mod endless {
    use super::ours::{self, Stream};
    use super::*;
    use greenthread::fs::{File, OpenOptions};
    use greenthread::io::pipe;
    use greenthread::net::{Shutdown, TcpListener, TcpStream, UdpSocket};
    use greenthread::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
    use greenthread::spawn;
    use greenthread::sync::{Arc, Mutex};
    use std::io::{Read, Write};
    use std::os::linux::net::SocketAddrExt;

    /// What waits, and what happens so that it waits no longer.
    pub(super) struct Wait {
        pub(super) operation: Arc<dyn Fn() -> String + Send + Sync>,
        pub(super) happen: Box<dyn Fn() + Send>,
    }

    fn wait(
        operation: impl Fn() -> String + Send + Sync + 'static,
        happen: impl Fn() + Send + 'static,
    ) -> Wait {
        Wait { operation: Arc::new(operation), happen: Box::new(happen) }
    }

    /// A name, and how to make such a wait.
    pub(super) type Kind = (String, Box<dyn Fn() -> Wait + Send>);

    fn add(all: &mut Vec<Kind>, name: String, make: impl Fn() -> Wait + Send + 'static) {
        all.push((name, Box::new(make)));
    }

    fn streams<S: Stream>(all: &mut Vec<Kind>) {
        let unix = S::NAME == "UnixStream";
        let waiting = [Get::Read, Get::Vectored, Get::Peek, Get::Pass, Get::Wait, Get::Poll];
        for how in waiting.into_iter().filter(|&how| !(unix && how == Get::Peek)) {
            add(all, format!("{} get {how:?}", S::NAME), move || {
                let (own, peer) = S::pair();
                let happen = move || {
                    peer.give(b"abc").unwrap();
                    peer.shut(Shutdown::Write);
                };
                wait(move || own.get(how, None), happen)
            });
        }
        for how in [Put::Write, Put::Vectored, Put::File, Put::Pass, Put::Wait, Put::Poll] {
            add(all, format!("{} put {how:?}", S::NAME), move || {
                let (own, peer) = S::pair();
                ours::fill(&own, &peer);
                let happen = move || {
                    peer.nonblocking(true);
                    while peer.take(&mut [0; 65536]).is_ok() {}
                };
                wait(move || own.put(how, None), happen)
            });
        }
    }

    fn pipes<R, W>(all: &mut Vec<Kind>, name: &'static str, pair: fn() -> (R, W))
    where
        R: Read + AsFd + Send + 'static,
        W: Write + AsFd + Send + 'static,
    {
        for how in [Get::Read, Get::Vectored, Get::Wait, Get::Poll] {
            add(all, format!("{name} get {how:?}"), move || {
                let (reader, writer) = pair();
                let (reader, writer) = (Mutex::new(reader), Mutex::new(writer));
                let happen = move || writer.lock().unwrap().write_all(b"abc").unwrap();
                wait(move || ours::read_plainly(&mut *reader.lock().unwrap(), how, None), happen)
            });
        }
        for how in [Put::Write, Put::Vectored, Put::Wait, Put::Poll] {
            add(all, format!("{name} put {how:?}"), move || {
                let (reader, mut writer) = pair();
                writer.write_all(&[0; 65536]).unwrap();
                let (reader, writer) = (Mutex::new(reader), Mutex::new(writer));
                let happen = move || reader.lock().unwrap().read_exact(&mut [0; 65536]).unwrap();
                wait(move || ours::write_plainly(&mut *writer.lock().unwrap(), how, None), happen)
            });
        }
    }

    fn datagrams(all: &mut Vec<Kind>) {
        for how in ["plain", "from", "peek", "peek from", "wait", "poll"] {
            add(all, format!("UdpSocket {how}"), move || {
                let own = UdpSocket::bind("127.0.0.1:0").unwrap();
                let to = own.local_addr().unwrap();
                let operation = move || match how {
                    "peek" => {
                        ours::receive(&own, "plain", None, UdpSocket::peek, UdpSocket::peek_from)
                    }
                    "peek from" => {
                        ours::receive(&own, "from", None, UdpSocket::peek, UdpSocket::peek_from)
                    }
                    _ => ours::receive(&own, how, None, UdpSocket::recv, UdpSocket::recv_from),
                };
                let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
                wait(operation, move || assert_eq!(peer.send_to(b"abc", to).unwrap(), 3))
            });
        }
        for how in ["plain", "from", "wait", "poll"] {
            add(all, format!("UnixDatagram {how}"), move || {
                let (own, peer) = UnixDatagram::pair().unwrap();
                let (recv, from) = (UnixDatagram::recv, UnixDatagram::recv_from);
                let operation = move || ours::receive(&own, how, None, recv, from);
                wait(operation, move || assert_eq!(peer.send(b"abc").unwrap(), 3))
            });
        }
        for how in ["plain", "nothing", "wait", "poll"] {
            add(all, format!("UnixDatagram send {how}"), move || {
                let (own, peer) = UnixDatagram::pair().unwrap();
                ours::fill_with_datagrams(&own);
                let operation = move || ours::send(&own, how, None, UnixDatagram::send);
                wait(operation, move || ours::take_datagrams(&peer))
            });
        }
    }

    fn listeners(all: &mut Vec<Kind>) {
        for how in ["accept", "wait", "poll"] {
            add(all, format!("TcpListener {how}"), move || {
                let own = TcpListener::bind("127.0.0.1:0").unwrap();
                let address = own.local_addr().unwrap();
                let operation = move || match how {
                    "accept" => show(own.accept().map(drop)),
                    "wait" => show(greenthread::io::wait_readable(&own, None)),
                    _ => polled(&own, None),
                };
                let client = Mutex::new(None);
                let happen = move || *client.lock().unwrap() = TcpStream::connect(address).ok();
                wait(operation, happen)
            });
            add(all, format!("UnixListener {how}"), move || {
                let name = ours::new_path();
                let name = name.file_name().unwrap().as_encoded_bytes();
                let address = std::os::unix::net::SocketAddr::from_abstract_name(name).unwrap();
                let own = UnixListener::bind_addr(&address).unwrap();
                let operation = move || match how {
                    "accept" => show(own.accept().map(drop)),
                    "wait" => show(greenthread::io::wait_readable(&own, None)),
                    _ => polled(&own, None),
                };
                let client = Mutex::new(None);
                let happen =
                    move || *client.lock().unwrap() = UnixStream::connect_addr(&address).ok();
                wait(operation, happen)
            });
        }
    }

    /// What of files waits for others: the opening of a FIFO, which has another end, and a lock.
    fn files(all: &mut Vec<Kind>) {
        for writes in [false, true] {
            add(all, format!("the opening of a FIFO, to write: {writes}"), move || {
                let path = ours::new_path();
                rustix::fs::mknodat(CWD, &path, FileType::Fifo, Mode::from_raw_mode(0o600), 0)
                    .unwrap();
                let open = |path: &std::path::Path, writes: bool| {
                    OpenOptions::new().read(!writes).write(writes).open(path)
                };
                let other = path.clone();
                let happen = move || {
                    let path = other.clone();
                    drop(spawn(move || {
                        drop(open(&path, !writes).unwrap());
                        std::fs::remove_file(path).unwrap();
                    }));
                };
                wait(move || show(open(&path, writes).map(drop)), happen)
            });
        }
        for shared in [false, true] {
            add(all, format!("the lock of a file, shared: {shared}"), move || {
                let path = ours::new_path();
                let held = File::create(&path).unwrap();
                held.lock().unwrap();
                let own = File::open(&path).unwrap();
                std::fs::remove_file(path).unwrap();
                let operation = move || show(if shared { own.lock_shared() } else { own.lock() });
                wait(operation, move || held.unlock().unwrap())
            });
        }
    }

    pub(super) fn kinds() -> Vec<Kind> {
        let mut all = Vec::new();
        streams::<TcpStream>(&mut all);
        streams::<UnixStream>(&mut all);
        pipes(&mut all, "pipe", || pipe().unwrap());
        pipes(&mut all, "FIFO", ours::fifo);
        datagrams(&mut all);
        listeners(&mut all);
        files(&mut all);
        all
    }
}

/// By a kill, and by a timeout around it; and then it does what it would have done without.
#[test]
fn every_wait_ends_by_a_kill() {
    use greenthread::{sleep, spawn, timeout};

    fn case(name: &str, kind: &dyn Fn() -> endless::Wait) {
        let one = kind();
        let waits = spawn({
            let operation = Arc::clone(&one.operation);
            move || operation()
        });
        sleep(SOON);
        assert!(!waits.is_finished(), "{name} does not wait");
        waits.kill();
        assert!(waits.join().unwrap_err().is_killed(), "{name}");
        assert!(timeout(SOON, || (one.operation)()).is_err(), "{name} does not wait");
        (one.happen)();
        let undisturbed = kind();
        (undisturbed.happen)();
        assert_eq!((one.operation)(), (undisturbed.operation)(), "{name}");
    }
    fn killed_waits_end() {
        let all: Vec<_> = endless::kinds()
            .into_iter()
            .map(|(name, kind)| spawn(move || case(&name, &*kind)))
            .collect();
        greenthread::thread::try_join_all(all).unwrap();
    }
    for world in [World::CurrentThread, World::Workers(1), World::Workers(2), World::Workers(4)] {
        world.run(killed_waits_end);
    }
}
