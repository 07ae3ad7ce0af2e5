//! System calls made by an instruction of our own, past every function of the C library that somebody may stand in for.
//!
//! The functions that stand in for those of the C library (`monkey`) need these calls: by the C library's functions
//! they would call themselves. The calls keep the kernel's convention: a result between -4095 and -1 is a negated error
//! number, and `errno` stays as it is.

use std::ffi::{c_int, c_long};

/// Makes a system call.
///
/// # Safety
/// As the system call `number` demands of its arguments.
#[cfg(target_arch = "x86_64")]
#[inline]
pub(crate) unsafe fn syscall(number: c_long, arguments: [c_long; 6]) -> c_long {
    let [a, b, c, d, e, f] = arguments;
    let result;
    // SAFETY: the kernel's calling convention: it changes rax, rcx and r11 and no memory but what the caller lends it.
    unsafe {
        std::arch::asm!(
            "syscall",
            inlateout("rax") number => result,
            in("rdi") a, in("rsi") b, in("rdx") c, in("r10") d, in("r8") e, in("r9") f,
            lateout("rcx") _, lateout("r11") _,
            options(nostack),
        );
    }
    result
}

/// Makes a system call.
///
/// # Safety
/// As the system call `number` demands of its arguments.
#[cfg(target_arch = "aarch64")]
#[inline]
pub(crate) unsafe fn syscall(number: c_long, arguments: [c_long; 6]) -> c_long {
    let [a, b, c, d, e, f] = arguments;
    let result;
    // SAFETY: the kernel's calling convention: it changes x0 and no memory but what the caller lends it.
    unsafe {
        std::arch::asm!(
            "svc 0",
            in("x8") number,
            inlateout("x0") a => result,
            in("x1") b, in("x2") c, in("x3") d, in("x4") e, in("x5") f,
            options(nostack),
        );
    }
    result
}

/// A pointer as an argument of a system call.
#[inline]
pub(crate) fn address<T>(pointer: *const T) -> c_long {
    pointer.expose_provenance() as c_long
}

/// Reads an option of a socket's own level into `value`. Returns the kernel's result.
///
/// # Safety
/// Whatever bytes the option has are a `T`.
pub(crate) unsafe fn socket_option<T>(fd: c_int, name: c_int, value: &mut T) -> c_long {
    let mut length = size_of::<T>() as libc::socklen_t;
    let arguments = [
        fd.into(),
        libc::SOL_SOCKET.into(),
        name.into(),
        address(value),
        address(&raw mut length),
        0,
    ];
    // SAFETY: both pointers are valid, and `length` is the size of what the first points to.
    unsafe { syscall(libc::SYS_getsockopt, arguments) }
}

/// What the kernel knows of a descriptor; `None` where that is closed.
pub(crate) fn stat(fd: c_int) -> Option<libc::stat> {
    // SAFETY: all-zero is a valid `stat`, which `fstat` fills.
    let mut stat: libc::stat = unsafe { std::mem::zeroed() };
    // SAFETY: the buffer is valid.
    (unsafe { libc::fstat(fd, &mut stat) } >= 0).then_some(stat)
}

/// What a clock shows; `None` where there is no such clock.
pub(crate) fn time_of(clock: libc::clockid_t) -> Option<libc::timespec> {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the buffer is valid.
    (unsafe { libc::clock_gettime(clock, &mut now) } == 0).then_some(now)
}

/// For how many descriptors the process has room now, where the system says so.
pub(crate) fn room_for_descriptors() -> Option<c_int> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    text.lines().find_map(|line| line.strip_prefix("FDSize:")?.trim().parse().ok())
}

/// Adds a signal to a set; a number that is no signal's changes nothing.
pub(crate) fn add_to_set(set: &mut libc::sigset_t, signal: c_int) {
    // SAFETY: the set is valid.
    unsafe { libc::sigaddset(set, signal) };
}

/// Turns a result of the kernel's into one by the C library's convention: -1, with `errno`, which is set last of all.
#[inline(always)]
pub(crate) fn to_libc(result: c_long) -> c_long {
    if (-4095..0).contains(&result) { failed(result) } else { result }
}

/// Out of line, so that a call that succeeds needs no frame for it.
#[cold]
#[inline(never)]
extern "C" fn failed(result: c_long) -> c_long {
    set_errno(-result as i32);
    -1
}

/// Sets the calling thread's `errno`.
#[inline]
pub(crate) fn set_errno(errno: i32) {
    // SAFETY: the address is that of the calling thread's own variable, valid for as long as the thread lives.
    unsafe { *libc::__errno_location() = errno };
}

/// The calling thread's `errno`.
#[inline]
pub(crate) fn errno() -> i32 {
    // SAFETY: as above.
    unsafe { *libc::__errno_location() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_the_kernels() {
        // SAFETY: takes no arguments.
        let own = unsafe { syscall(libc::SYS_getpid, [0; 6]) };
        assert_eq!(own, c_long::from(std::process::id()));
        // SAFETY: there is no such descriptor, so nothing is closed.
        let closed = unsafe { syscall(libc::SYS_close, [-1, 0, 0, 0, 0, 0]) };
        assert_eq!(closed, -c_long::from(libc::EBADF));
        set_errno(0);
        assert_eq!((to_libc(closed), errno()), (-1, libc::EBADF));
        assert_eq!(to_libc(-5000), -5000, "an address, not an error");
    }
}
