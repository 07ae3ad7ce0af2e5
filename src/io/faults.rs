//! Each system call below pipes and waits, made to fail.
#![forbid(unsafe_code)]

use super::{PollFd, Read, Write, pipe, poll, wait_readable};
use crate::runtime::Runtime;
use crate::sys::fault::{Call, fail};
use std::io::ErrorKind;

fn on_green_thread(body: fn()) {
    Runtime::new_current_thread().unwrap().run_local(body).unwrap();
}

/// Runs on this OS thread, whose plan of faults it is, first plainly and then on a green thread.
fn both(body: fn()) {
    body();
    on_green_thread(body);
}

#[test]
fn pipes() {
    both(|| {
        fail(Call::Pipe, 0, 1, libc::EMFILE);
        assert_eq!(pipe().unwrap_err().raw_os_error(), Some(libc::EMFILE));
        for skip in 0..2 {
            fail(Call::Fcntl, skip, 1, libc::EBADF);
            assert_eq!(pipe().unwrap_err().raw_os_error(), Some(libc::EBADF));
        }
        let (mut reader, mut writer) = pipe().unwrap();
        fail(Call::Dup, 0, 2, libc::EMFILE);
        assert!(reader.try_clone().is_err() && writer.try_clone().is_err());
        fail(Call::Send, 0, 1, libc::EPIPE);
        assert_eq!(writer.write(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);
        // A readiness that proves wrong is waited for again.
        fail(Call::Send, 0, 1, libc::EAGAIN);
        assert_eq!(writer.write(b"data").unwrap(), 4);
        let mut buffer = [0; 8];
        fail(Call::Recv, 0, 1, libc::EIO);
        assert_eq!(reader.read(&mut buffer).unwrap_err().raw_os_error(), Some(libc::EIO));
        fail(Call::Recv, 0, 1, libc::EINTR);
        assert_eq!(reader.read(&mut buffer).unwrap_err().kind(), ErrorKind::Interrupted);
        fail(Call::Recv, 0, 1, libc::EAGAIN);
        assert_eq!(reader.read(&mut buffer).unwrap(), 4, "nothing was lost");
        // Shared with code outside that has made it blocking: asked before each operation.
        let mut outside = std::io::PipeWriter::from(writer.try_clone().unwrap());
        fail(Call::Fcntl, 0, 1, libc::EBADF);
        assert_eq!(writer.write(b"x").unwrap_err().raw_os_error(), Some(libc::EBADF));
        fail(Call::Poll, 0, 1, libc::ENOMEM);
        assert_eq!(writer.write(b"x").unwrap_err().raw_os_error(), Some(libc::ENOMEM));
        outside.write_all(b"x").unwrap();
        assert_eq!(reader.read(&mut buffer).unwrap(), 1);
    });
}

#[test]
fn waits() {
    both(|| {
        let (reader, writer) = std::io::pipe().unwrap();
        fail(Call::Poll, 0, 1, libc::ENOMEM);
        assert!(wait_readable(&reader, None).is_err());
        fail(Call::Poll, 0, 1, libc::ENOMEM);
        assert!(poll(&mut [PollFd::readable(&reader)], None).is_err());
        drop(writer);
        assert!(wait_readable(&reader, None).unwrap());
    });
    on_green_thread(|| {
        let (reader, mut writer) = std::io::pipe().unwrap();
        fail(Call::EpollCtl, 0, 1, libc::ENOSPC);
        let error = wait_readable(&reader, None).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ENOSPC));
        // What poll makes for itself: the instance, what it watches, and its own registration.
        for (call, skip) in [(Call::EpollCreate, 0), (Call::EpollCtl, 0), (Call::EpollCtl, 1)] {
            fail(call, skip, 1, libc::EMFILE);
            let error = poll(&mut [PollFd::readable(&reader)], None).unwrap_err();
            assert_eq!(error.raw_os_error(), Some(libc::EMFILE), "{call:?} {skip}");
        }
        writer.write_all(b"x").unwrap();
        assert!(wait_readable(&reader, None).unwrap(), "nothing is left of the failures");
        assert_eq!(poll(&mut [PollFd::readable(&reader)], None).unwrap(), 1);
    });
}
