//! Tests in which the system calls for child processes are made to fail.
#![forbid(unsafe_code)]

use super::{Command, Stdio};
use crate::os::unix::process::CommandExt;
use crate::signal::Signal;
use crate::sys::fault::{Syscall, fail};
use std::io;

/// A child that sleeps, started by this OS thread, to which the plan of faults belongs.
fn sleeping() -> super::Child {
    Command::new("sleep").arg("1000").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

#[test]
fn each_failure_of_a_child_is_told_and_the_child_is_not_lost() {
    type Does = fn(&mut super::Child) -> io::Result<()>;
    let all: [(Syscall, i32, Does); 5] = [
        (Syscall::Kill, libc::EPERM, |child| child.kill()),
        (Syscall::Kill, libc::EPERM, |child| child.send_signal(Signal::TERM)),
        (Syscall::Kill, libc::EPERM, |child| child.terminate(Default::default()).map(drop)),
        (Syscall::Wait, libc::EINVAL, |child| child.try_wait().map(drop)),
        (Syscall::Wait, libc::EINVAL, |child| child.wait().map(drop)),
    ];
    let mut child = sleeping();
    for (at, (call, errno, does)) in all.into_iter().enumerate() {
        fail(call, 0, 1, errno);
        assert_eq!(does(&mut child).unwrap_err().raw_os_error(), Some(errno), "{at}: {call:?}");
        assert_eq!(child.try_wait().unwrap(), None, "{at}: it runs on");
    }
    child.kill().unwrap();
    // Without a descriptor that tells of the end, the child is looked at now and then.
    fail(Syscall::PidFdOpen, 0, 1, libc::EMFILE);
    assert!(!child.wait().unwrap().success());
}

#[test]
fn each_failure_of_a_start_is_told() {
    let mut command = Command::new("true");
    fail(Syscall::Start, 0, 3, libc::EAGAIN);
    assert_eq!(command.spawn().unwrap_err().raw_os_error(), Some(libc::EAGAIN));
    assert_eq!(command.status().unwrap_err().raw_os_error(), Some(libc::EAGAIN));
    assert_eq!(command.output().unwrap_err().raw_os_error(), Some(libc::EAGAIN));
    fail(Syscall::Start, 0, 1, libc::ENOENT);
    let error = command.spawn().unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
    assert!(error.to_string().starts_with("cannot start `true`: "), "{error}");
    assert!(command.status().unwrap().success(), "it can be started again");
    fail(Syscall::Exec, 0, 1, libc::E2BIG);
    assert_eq!(command.exec().raw_os_error(), Some(libc::E2BIG));
}

/// Outside of green threads an OS thread reads the second pipe.
#[test]
fn without_a_thread_for_the_second_pipe_the_output_is_an_error() {
    let child = sleeping();
    let handle = child.handle();
    fail(Syscall::ThreadSpawn, 0, 1, libc::EAGAIN);
    let error = child.wait_with_output().unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    assert!(error.to_string().starts_with("cannot start the OS thread `gt-pipes`: "), "{error}");
    handle.kill().unwrap();
    assert!(!handle.wait().unwrap().success());
}
