//! Each system call below a file, made to fail.
#![forbid(unsafe_code)]

use super::File;
use crate::runtime::Runtime;
use crate::sys::fault::{Syscall, fail};
use std::io::{ErrorKind, IoSliceMut, Read, Seek, Write};

fn file() -> File {
    // Without a name: gone with its handle.
    let path = std::env::temp_dir().join(format!(
        "greenthread-faults-{}-{:?}",
        std::process::id(),
        std::thread::current().id()
    ));
    let file = File::create_new(&path).unwrap();
    super::remove_file(path).unwrap();
    file
}

#[test]
fn on_an_os_thread() {
    let mut file = file();
    fail(Syscall::Send, 0, 2, libc::ENOSPC);
    assert_eq!(file.write(b"x").unwrap_err().kind(), ErrorKind::StorageFull);
    assert_eq!(file.write_vectored(&[]).unwrap_err().kind(), ErrorKind::StorageFull);
    file.write_all(b"text").unwrap();
    file.rewind().unwrap();
    fail(Syscall::Recv, 0, 2, libc::EIO);
    assert_eq!(file.read(&mut [0; 8]).unwrap_err().raw_os_error(), Some(libc::EIO));
    assert_eq!(file.read_vectored(&mut []).unwrap_err().raw_os_error(), Some(libc::EIO));
    assert_eq!(file.read(&mut [0; 8]).unwrap(), 4);
    fail(Syscall::Dup, 0, 1, libc::EMFILE);
    assert_eq!(file.try_clone().unwrap_err().raw_os_error(), Some(libc::EMFILE));
}

#[test]
fn what_a_disk_refuses_is_an_error() {
    let file = file();
    let path = std::env::temp_dir();
    let fails = |operation: &dyn Fn() -> std::io::Result<()>| {
        fail(Syscall::Disk, 0, 1, libc::EIO);
        assert_eq!(operation().unwrap_err().raw_os_error(), Some(libc::EIO));
        operation().unwrap();
    };
    fails(&|| file.sync_all());
    fails(&|| file.metadata().map(drop));
    fails(&|| file.try_lock().map_err(std::io::Error::from));
    fails(&|| super::metadata(&path).map(drop));
    fails(&|| super::read_dir(&path).map(drop));
    fail(Syscall::ReadDir, 0, 1, libc::EIO);
    let error = super::read_dir("/").unwrap().find_map(Result::err);
    assert_eq!(error.unwrap().raw_os_error(), Some(libc::EIO));
    fails(&|| super::exists(&path).map(drop));
    fails(&|| File::open(&path).map(drop));
}

/// Whether somebody writes to it cannot be asked, so it is not opened.
#[test]
fn a_fifo_of_which_the_system_does_not_tell_is_not_opened() {
    let path = std::env::temp_dir().join(format!("greenthread-fifo-{}", std::process::id()));
    assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
    let open = path.clone();
    Runtime::new_current_thread()
        .unwrap()
        .run_local(move || {
            // A writer there is, whom the first look shows.
            let _both = File::options().read(true).write(true).open(&open).unwrap();
            for (call, errno) in [
                (Syscall::Pipe, libc::EMFILE),
                (Syscall::Poll, libc::ENOMEM),
                (Syscall::Tee, libc::EIO),
            ] {
                fail(call, 0, 1, errno);
                assert_eq!(File::open(&open).unwrap_err().raw_os_error(), Some(errno), "{call:?}");
            }
            File::open(&open).unwrap();
        })
        .unwrap();
    std::fs::remove_file(path).unwrap();
}

/// The system's cache has nothing, so everything comes from the pool.
#[test]
fn nothing_in_the_cache() {
    Runtime::new_current_thread()
        .unwrap()
        .run_local(|| {
            fail(Syscall::ReadCached, 0, usize::MAX, libc::EAGAIN);
            let mut file = file();
            let data: Vec<u8> = (0..3 << 20).map(|i: u32| (i % 251) as u8).collect();
            file.write_all(&data).unwrap();
            file.rewind().unwrap();
            let (mut empty, mut head) = ([], [0; 1000]);
            let mut pieces = [IoSliceMut::new(&mut empty), IoSliceMut::new(&mut head)];
            assert_eq!(file.read_vectored(&mut pieces).unwrap(), 1000);
            assert_eq!(file.read_vectored(&mut []).unwrap(), 0);
            let mut all = head.to_vec();
            // As much as one call on the pool reads.
            let mut part = vec![0; 2 << 20];
            let got = file.read(&mut part).unwrap();
            assert!((1..=1 << 20).contains(&got));
            all.extend_from_slice(&part[..got]);
            file.read_to_end(&mut all).unwrap();
            assert!(all == data);
            assert_eq!(file.read(&mut part).unwrap(), 0);
            fail(Syscall::Send, 0, 1, libc::ENOSPC);
            assert_eq!(file.write(b"x").unwrap_err().kind(), ErrorKind::StorageFull);
        })
        .unwrap();
}
