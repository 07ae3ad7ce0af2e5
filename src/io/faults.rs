//! Tests in which the system calls behind pipes and waits are made to fail.
#![forbid(unsafe_code)]

use super::{PollFd, Read, Write, pipe, poll, wait_readable};
use crate::runtime::Runtime;
use crate::sys::fault::{Syscall, fail};
use crate::sys::socket::is_nonblocking;
use std::io::ErrorKind;
use std::os::fd::AsFd;
use std::time::Duration;

fn on_green_thread(body: fn()) {
    Runtime::new_current_thread().unwrap().run_local(body).unwrap();
}

/// Runs `body` on this OS thread, to which the plan of faults belongs: first plainly, then on a green thread.
fn both(body: fn()) {
    body();
    on_green_thread(body);
}

#[test]
fn pipes_report_each_error_and_lose_nothing() {
    both(|| {
        fail(Syscall::Pipe, 0, 1, libc::EMFILE);
        assert_eq!(pipe().unwrap_err().raw_os_error(), Some(libc::EMFILE));
        let (mut reader, mut writer) = pipe().unwrap();
        fail(Syscall::Dup, 0, 2, libc::EMFILE);
        assert!(reader.try_clone().is_err() && writer.try_clone().is_err());
        fail(Syscall::Send, 0, 1, libc::EPIPE);
        assert_eq!(writer.write(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);
        // A readiness that proves wrong is waited for again.
        fail(Syscall::Send, 0, 1, libc::EAGAIN);
        assert_eq!(writer.write(b"data").unwrap(), 4);
        let mut buffer = [0; 8];
        fail(Syscall::Recv, 0, 1, libc::EIO);
        assert_eq!(reader.read(&mut buffer).unwrap_err().raw_os_error(), Some(libc::EIO));
        fail(Syscall::Recv, 0, 1, libc::EINTR);
        assert_eq!(reader.read(&mut buffer).unwrap_err().kind(), ErrorKind::Interrupted);
        fail(Syscall::Recv, 0, 1, libc::EAGAIN);
        assert_eq!(reader.read(&mut buffer).unwrap(), 4, "nothing was lost");
    });
}

/// On an old system, and for a FIFO, a call cannot be told not to block. Then the mode of the descriptor is used.
#[test]
fn pipes_that_cannot_be_told_not_to_wait() {
    both(|| {
        for errno in [libc::EOPNOTSUPP, libc::ENOSYS] {
            let (mut reader, mut writer) = pipe().unwrap();
            let mut buffer = [0; 8];
            fail(Syscall::Send, 0, 1, errno);
            fail(Syscall::Fcntl, 0, 1, libc::EBADF);
            assert_eq!(writer.write(b"x").unwrap_err().raw_os_error(), Some(libc::EBADF));
            // The mode could not be set, so the next write tries the flag of the call again.
            assert!(!is_nonblocking(writer.as_fd()).unwrap());
            fail(Syscall::Send, 0, 1, errno);
            assert_eq!(writer.write(b"data").unwrap(), 4);
            assert!(is_nonblocking(writer.as_fd()).unwrap());
            fail(Syscall::Recv, 0, 1, errno);
            assert_eq!(reader.read(&mut buffer).unwrap(), 4);
            fail(Syscall::Recv, 0, 1, libc::EIO);
            assert_eq!(reader.read(&mut buffer).unwrap_err().raw_os_error(), Some(libc::EIO));
            // Code outside has a duplicate and has made it blocking, so the mode is looked at before each operation.
            let mut outside = std::io::PipeWriter::from(writer.try_clone().unwrap());
            fail(Syscall::Fcntl, 0, 1, libc::EBADF);
            assert_eq!(writer.write(b"x").unwrap_err().raw_os_error(), Some(libc::EBADF));
            fail(Syscall::Poll, 0, 1, libc::ENOMEM);
            assert_eq!(writer.write(b"x").unwrap_err().raw_os_error(), Some(libc::ENOMEM));
            outside.write_all(b"x").unwrap();
            assert_eq!(writer.write(&[0; 6000]).unwrap(), 4096, "as much as cannot block");
            assert_eq!(reader.read(&mut buffer).unwrap(), 8);
        }
    });
}

#[test]
fn a_wait_for_a_descriptor_that_cannot_begin_is_an_error() {
    both(|| {
        let (reader, writer) = std::io::pipe().unwrap();
        fail(Syscall::Poll, 0, 1, libc::ENOMEM);
        assert!(wait_readable(&reader, None).is_err());
        fail(Syscall::Poll, 0, 1, libc::ENOMEM);
        assert!(poll(&mut [PollFd::readable(&reader)], None).is_err());
        drop(writer);
        assert!(wait_readable(&reader, None).unwrap());
    });
    on_green_thread(|| {
        let (reader, mut writer) = std::io::pipe().unwrap();
        fail(Syscall::EpollCtl, 0, 1, libc::ENOSPC);
        let error = wait_readable(&reader, None).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ENOSPC));
        fail(Syscall::Dup, 0, 1, libc::EMFILE);
        let shortly = Some(Duration::from_millis(1));
        assert!(!wait_readable(&reader, shortly).unwrap(), "it waits all the same");
        // The three calls that `poll` makes for itself: for the instance, for what it watches, and for its own
        // registration.
        for (call, skip) in
            [(Syscall::EpollCreate, 0), (Syscall::EpollCtl, 0), (Syscall::EpollCtl, 1)]
        {
            fail(call, skip, 1, libc::EMFILE);
            let error = poll(&mut [PollFd::readable(&reader)], None).unwrap_err();
            assert_eq!(error.raw_os_error(), Some(libc::EMFILE), "{call:?} {skip}");
        }
        writer.write_all(b"x").unwrap();
        assert!(wait_readable(&reader, None).unwrap(), "nothing is left of the failures");
        assert_eq!(poll(&mut [PollFd::readable(&reader)], None).unwrap(), 1);
    });
}

/// Where the end of a registration fails, the system still forgets it with its descriptor.
#[test]
fn a_registration_that_cannot_be_ended_ends_with_its_descriptor() {
    on_green_thread(|| {
        for _ in 0..3 {
            let (mut reader, mut writer) = pipe().unwrap();
            let write = crate::thread::spawn(move || writer.write_all(b"x"));
            assert_eq!(reader.read(&mut [0; 8]).unwrap(), 1, "it has waited");
            write.join().unwrap().unwrap();
            fail(Syscall::EpollRemove, 0, 1, libc::EBADF);
            drop(reader);
            crate::sys::fault::check(Syscall::EpollRemove).expect("it was registered");
        }
    });
}

#[test]
fn files_are_sent_all_the_same() {
    use crate::fs::{self, File};
    use crate::io::send_file;
    use crate::os::unix::net::UnixStream;
    both(|| {
        let path = std::env::temp_dir().join(format!("greenthread-faults-{}", std::process::id()));
        let data: Vec<u8> = (0..20_000u32).map(|i| (i % 251) as u8).collect();
        fs::write(&path, &data).unwrap();
        let file = File::open(&path).unwrap();
        fs::remove_file(&path).unwrap();
        // Failures that the caller does not notice: an interruption, a readiness that proves wrong, and a file system
        // that does not support the call.
        let harmless = [
            (Syscall::SendFile, libc::EINTR),
            (Syscall::SendFile, libc::EAGAIN),
            (Syscall::SendFile, libc::EINVAL),
            (Syscall::SendFile, libc::EOPNOTSUPP),
            (Syscall::ReadCached, libc::EAGAIN),
            (Syscall::ReadCached, libc::EOPNOTSUPP),
            (Syscall::Stat, libc::EIO),
        ];
        for (call, errno) in harmless {
            for skip in 0..2 {
                let (here, mut there) = UnixStream::pair().unwrap();
                fail(call, skip, 1, errno);
                let mut range = 0..50_000;
                send_file(&file, &mut range, &here).unwrap();
                fail(call, 0, 0, 0);
                assert_eq!(range, 20_000..50_000);
                drop(here);
                let mut all = Vec::new();
                there.read_to_end(&mut all).unwrap();
                assert!(all == data, "{call:?} {errno}");
            }
        }
        let (here, mut there) = UnixStream::pair().unwrap();
        for (call, errno) in [(Syscall::SendFile, libc::EIO), (Syscall::Fcntl, libc::EBADF)] {
            fail(call, 0, 1, errno);
            let mut range = 0..10;
            let error = send_file(&file, &mut range, &here).unwrap_err();
            assert_eq!((error.raw_os_error(), range.start), (Some(errno), 0));
        }
        // From the pool, and the socket is the one that fails.
        fail(Syscall::ReadCached, 0, usize::MAX, libc::EAGAIN);
        fail(Syscall::SendFile, 0, usize::MAX, libc::EINVAL);
        fail(Syscall::Send, 0, 1, libc::EPIPE);
        let error = send_file(&file, &mut (0..10), &here).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
        send_file(&file, &mut (5..10), &here).unwrap();
        fail(Syscall::ReadCached, 0, 0, 0);
        fail(Syscall::SendFile, 0, 0, 0);
        drop(here);
        let mut all = Vec::new();
        there.read_to_end(&mut all).unwrap();
        assert_eq!(all, data[5..10]);
    });
}

#[test]
fn connections_are_passed_on_all_the_same() {
    use crate::io::forward;
    use crate::os::unix::net::UnixStream;
    use std::thread;
    both(|| {
        let data: Vec<u8> = (0..150_000u32).map(|i| (i % 251) as u8).collect();
        let pass = |call, skip, errno| {
            let ((mut source, from), (to, mut sink)) =
                (UnixStream::pair().unwrap(), UnixStream::pair().unwrap());
            let sent = data.clone();
            // Outside of the plan.
            let sender = thread::spawn(move || {
                let _ = source.write_all(&sent);
            });
            fail(call, skip, 1, errno);
            let reader = thread::spawn(move || {
                let mut all = Vec::new();
                sink.read_to_end(&mut all).map(|_| all).unwrap()
            });
            let result = forward(&from, &to);
            fail(call, 0, 0, 0);
            drop((from, to));
            sender.join().unwrap();
            (result, reader.join().unwrap())
        };
        let harmless = [
            (Syscall::Pipe, libc::EMFILE),
            (Syscall::SpliceIn, libc::EINTR),
            (Syscall::SpliceIn, libc::EAGAIN),
            (Syscall::SpliceIn, libc::EINVAL),
            (Syscall::SpliceOut, libc::EINTR),
            (Syscall::SpliceOut, libc::EAGAIN),
        ];
        for (call, errno) in harmless {
            for skip in 0..2 {
                let (result, all) = pass(call, skip, errno);
                assert_eq!(result.unwrap(), 150_000);
                assert!(all == data, "{call:?} {errno}");
            }
        }
        for call in [Syscall::SpliceIn, Syscall::SpliceOut, Syscall::Fcntl] {
            let (result, all) = pass(call, 0, libc::EIO);
            assert_eq!(result.unwrap_err().raw_os_error(), Some(libc::EIO), "{call:?}");
            assert!(all.len() < data.len() && all == data[..all.len()]);
        }
        // The pipes that are kept are empty.
        assert!(pass(Syscall::SpliceIn, 1, libc::EINTR).1 == data);
    });
}
