//! Pipes, FIFOs, files, `poll` and `select`.

use crate::children::in_child;
use crate::{on, until_waits_exceed, waits};
use greenthread::spawn;
use std::ffi::CString;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::ptr;
use std::time::Duration;

#[test]
fn pipes_of_std_suspend() {
    on(1, || {
        let (mut reader, mut writer) = std::io::pipe().unwrap();
        let data = vec![7; 1_000_000];
        let sent = data.clone();
        let source = spawn(move || assert_eq!(writer.write(&sent).unwrap(), sent.len()));
        let mut got = Vec::new();
        reader.read_to_end(&mut got).unwrap();
        source.join().unwrap();
        assert!(got == data);
    });
}

#[test]
fn fifos_suspend_once_they_are_open() {
    on(1, || {
        let path = std::env::temp_dir().join(format!("greenthread-fifo-{}", std::process::id()));
        let name = CString::new(path.to_str().unwrap()).unwrap();
        // SAFETY: the name ends in a zero.
        assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
        // Opened for both, it does not wait for the other end.
        let mut both = OpenOptions::new().read(true).write(true).open(&path).unwrap();
        let mut own = both.try_clone().unwrap();
        let reader = spawn(move || {
            let mut text = [0; 5];
            own.read_exact(&mut text).unwrap();
            text
        });
        greenthread::yield_now();
        both.write_all(b"hello").unwrap();
        assert_eq!(&reader.join().unwrap(), b"hello");
        std::fs::remove_file(&path).unwrap();
    });
}

#[test]
fn a_read_of_an_eventfd_suspends() {
    on(1, || {
        // SAFETY: takes numbers only.
        let fd = unsafe { libc::eventfd(0, 0) };
        let reader = spawn(move || {
            let mut count = 0u64;
            // SAFETY: the buffer has eight bytes.
            let got = unsafe { libc::read(fd, (&raw mut count).cast(), 8) };
            (got, count)
        });
        greenthread::yield_now();
        let one = 5u64;
        // SAFETY: the buffer has eight bytes.
        assert_eq!(unsafe { libc::write(fd, (&raw const one).cast(), 8) }, 8);
        assert_eq!(reader.join().unwrap(), (8, 5));
        // SAFETY: it is ours.
        assert_eq!(unsafe { libc::close(fd) }, 0);
    });
}

#[test]
fn files_and_copies_work_as_ever() {
    on(1, || {
        let path = std::env::temp_dir().join(format!("greenthread-file-{}", std::process::id()));
        let mut file =
            OpenOptions::new().read(true).write(true).create_new(true).open(&path).unwrap();
        let data: Vec<u8> = (0..500_000u32).map(|i| (i % 253) as u8).collect();
        file.write_all(&data).unwrap();
        file.seek(SeekFrom::Start(0)).unwrap();
        let mut back = Vec::new();
        file.read_to_end(&mut back).unwrap();
        assert!(back == data);
        // `copy` from a file to a socket uses sendfile, from a socket to a pipe splice.
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut peer, _) = listener.accept().unwrap();
        let opened = path.clone();
        let sender = spawn(move || {
            let mut file = File::open(opened).unwrap();
            let copied = std::io::copy(&mut file, &mut peer).unwrap();
            (copied, file.stream_position().unwrap())
        });
        let (mut pipe_end, mut pipe) = std::io::pipe().unwrap();
        let passer = spawn(move || std::io::copy(&mut stream, &mut pipe).unwrap());
        let mut got = Vec::new();
        pipe_end.read_to_end(&mut got).unwrap();
        assert_eq!(sender.join().unwrap(), (500_000, 500_000));
        assert_eq!(passer.join().unwrap(), 500_000);
        assert!(got == data);
        std::fs::remove_file(&path).unwrap();
    });
}

#[test]
fn poll_and_select_wait_for_several() {
    on(1, || {
        let (a, mut a_peer) = UnixStream::pair().unwrap();
        let (b, mut b_peer) = UnixStream::pair().unwrap();
        let entry =
            |fd: &UnixStream| libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        let mut entries = [entry(&a), entry(&b)];
        // SAFETY: two entries.
        let none = unsafe { libc::poll(entries.as_mut_ptr(), 2, 5) };
        assert_eq!(none, 0);
        let writer = spawn(move || {
            std::thread::sleep(Duration::from_millis(5));
            b_peer.write_all(b"x").unwrap();
            b_peer
        });
        // SAFETY: two entries.
        let one = unsafe { libc::poll(entries.as_mut_ptr(), 2, -1) };
        assert_eq!((one, entries[0].revents, entries[1].revents), (1, 0, libc::POLLIN));
        let _b_peer = writer.join().unwrap();
        (&b).read_exact(&mut [0]).unwrap();

        let writer = spawn(move || {
            std::thread::sleep(Duration::from_millis(5));
            a_peer.write_all(b"x").unwrap();
            a_peer
        });
        // SAFETY: sets of the size that the functions are for, and numbers below it.
        unsafe {
            let mut set: libc::fd_set = std::mem::zeroed();
            libc::FD_ZERO(&mut set);
            libc::FD_SET(a.as_raw_fd(), &mut set);
            libc::FD_SET(b.as_raw_fd(), &mut set);
            let highest = a.as_raw_fd().max(b.as_raw_fd()) + 1;
            let mut time = libc::timeval { tv_sec: 50, tv_usec: 0 };
            let ready =
                libc::select(highest, &mut set, ptr::null_mut(), ptr::null_mut(), &mut time);
            assert_eq!(ready, 1);
            assert!(libc::FD_ISSET(a.as_raw_fd(), &set) && !libc::FD_ISSET(b.as_raw_fd(), &set));
            assert!(time.tv_sec >= 20 && time.tv_sec < 50, "what is left is told: {}", time.tv_sec);
        }
        drop(writer.join().unwrap());
    });
}

#[test]
fn an_event_loop_suspends_where_that_is_asked_for() {
    in_child("files::an_event_loop_suspends_where_that_is_asked_for", || {
        // SAFETY: nothing here is of the kinds that `patch_all` names.
        unsafe { greenthread::monkey::patch(greenthread::monkey::Patch::Epoll) };
        on(1, || {
            let (a, mut peer) = UnixStream::pair().unwrap();
            let before = waits("epoll_wait");
            // SAFETY: numbers, and events that are valid while they are used.
            let watch = spawn(move || unsafe {
                let epoll = libc::epoll_create1(libc::EPOLL_CLOEXEC);
                let mut event = libc::epoll_event { events: libc::EPOLLIN as u32, u64: 42 };
                let fd = a.as_raw_fd();
                assert_eq!(libc::epoll_ctl(epoll, libc::EPOLL_CTL_ADD, fd, &mut event), 0);
                event.u64 = 0;
                assert_eq!(libc::epoll_wait(epoll, &mut event, 1, 5), 0, "no event yet");
                let count = libc::epoll_wait(epoll, &mut event, 1, -1);
                libc::close(epoll);
                (count, { event.u64 })
            });
            // Once for the short wait.
            until_waits_exceed("epoll_wait", before);
            until_waits_exceed("epoll_wait", before + 1);
            peer.write_all(b"x").unwrap();
            assert_eq!(watch.join().unwrap(), (1, 42));
        });
    })
    .works();
}
