//! What the system says in `/proc`.
#![forbid(unsafe_code)]

use super::fault::{self, Syscall};
use std::{fs, io};

/// The text of a file there.
pub(super) fn read(path: &str) -> io::Result<String> {
    fault::check(Syscall::Proc)?;
    fs::read_to_string(path)
}

/// Like [`read`], for files that may not be text, as they have names of files in them.
pub(super) fn read_bytes(path: &str) -> io::Result<Vec<u8>> {
    fault::check(Syscall::Proc)?;
    fs::read(path)
}

/// How many entries a folder has.
pub(super) fn entries(path: &str) -> io::Result<usize> {
    fault::check(Syscall::Proc)?;
    fs::read_dir(path)?.try_fold(0, |count, entry| entry.map(|_| count + 1))
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::sys::{limits, process};

    /// Everybody who asks does without.
    #[test]
    fn where_the_system_does_not_tell_what_is_safe_is_taken() {
        type Told = fn() -> bool;
        let silent: &[(Syscall, Told)] = &[
            (Syscall::Proc, || limits::max_map_count() == 65_530),
            (Syscall::Proc, || limits::map_count() == 0),
            (Syscall::Proc, || limits::address_space_used() == 0),
            (Syscall::Proc, || limits::resident().is_none()),
            (Syscall::GetLimit, || limits::address_space_limit().is_none()),
            (Syscall::Proc, || process::threads().is_none()),
            (Syscall::Proc, process::handles_signals),
            (Syscall::Proc, || !process::thread_sleeps(process::this_thread())),
            (Syscall::ClockOfThread, || process::time_of_thread(process::this_thread()).is_none()),
            (Syscall::Proc, || process::program().is_err()),
        ];
        for (at, (call, is_silent)) in silent.iter().enumerate() {
            fault::fail(*call, 0, 1, libc::EACCES);
            assert!(is_silent(), "{at}: {call:?}");
            fault::check(*call).expect("it has asked");
        }
        assert!(limits::map_count() > 0 && limits::resident().is_some_and(|bytes| bytes > 0));
        assert!(
            limits::address_space_used() > 0 && process::threads().is_some_and(|count| count > 0)
        );
        assert!(process::time_of_thread(process::this_thread()).is_some());
        assert!(process::program().is_ok());
    }
}
