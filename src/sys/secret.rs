//! Bytes that nobody can guess.

use super::fault::{self, Syscall};
use std::io;

/// As many of them as the array has room for.
pub(crate) fn secret<const N: usize>() -> io::Result<[u8; N]> {
    const { assert!(N <= 256, "as many as the system hands out at once, without an interruption") };
    fault::check(Syscall::Random)?;
    let mut bytes = [0; N];
    // SAFETY: the pointer and the length are those of an array of our own.
    let got = unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), N, 0) };
    match usize::try_from(got) {
        Ok(got) if got == N => Ok(bytes),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn secrets_differ_and_are_none_where_the_system_has_none() {
        assert_ne!(secret::<16>().unwrap(), secret::<16>().unwrap());
        fault::fail(Syscall::Random, 0, 1, libc::ENOSYS);
        assert_eq!(secret::<16>().unwrap_err().raw_os_error(), Some(libc::ENOSYS));
    }
}
