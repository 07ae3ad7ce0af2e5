//! Looking up names. The C library's resolver blocks by calls of its own, so the whole look-up runs on an OS thread of
//! the pool for names. A kill waits until it ends, as it writes into the caller's memory.

use super::hook::{Hook, interpose};
use crate::runtime::blocking::{self, Kind};
use crate::sys::bare::{errno, set_errno};
use crate::thread::shield;
use libc::{addrinfo, c_char, c_int, c_void, hostent, size_t, sockaddr, socklen_t};

/// A value with pointers in it that another thread may use for a while.
struct Lent<T>(T);

// SAFETY: made by `elsewhere` alone, whose caller waits until the other thread is done.
unsafe impl<T> Send for Lent<T> {}

impl<T> Lent<T> {
    /// A method, so that a closure captures the whole value and not its field.
    fn take(self) -> T {
        self.0
    }
}

/// Runs `call` on a thread of the pool and waits until it ends, even if a kill strikes meanwhile. The thread's `errno`
/// becomes the caller's.
pub(super) fn elsewhere<T: 'static>(
    hook: &Hook,
    kind: Kind,
    call: impl FnOnce() -> T + 'static,
) -> T {
    hook.count_wait();
    let call = Lent(call);
    let (result, errno) = shield(|| {
        blocking::run(kind, move || {
            let result = (call.take())();
            Lent((result, errno()))
        })
    })
    .take();
    set_errno(errno);
    result
}

interpose! {
    Dns fn getaddrinfo(node: *const c_char, service: *const c_char, hints: *const addrinfo, found: *mut *mut addrinfo) -> c_int {
        bare {
            hooks::getaddrinfo.resolve_or_abort();
            original::getaddrinfo(node, service, hints, found)
        };
        green |hook| elsewhere(hook, Kind::Names, move || original::getaddrinfo(node, service, hints, found));
    }
    Dns fn getnameinfo(address: *const sockaddr, len: socklen_t, host: *mut c_char, host_len: socklen_t, service: *mut c_char, service_len: socklen_t, flags: c_int) -> c_int {
        bare {
            hooks::getnameinfo.resolve_or_abort();
            original::getnameinfo(address, len, host, host_len, service, service_len, flags)
        };
        green |hook| elsewhere(hook, Kind::Names, move || original::getnameinfo(address, len, host, host_len, service, service_len, flags));
    }
    Dns fn gethostbyname_r(name: *const c_char, entry: *mut hostent, buffer: *mut c_char, len: size_t, found: *mut *mut hostent, error: *mut c_int) -> c_int {
        bare {
            hooks::gethostbyname_r.resolve_or_abort();
            original::gethostbyname_r(name, entry, buffer, len, found, error)
        };
        green |hook| elsewhere(hook, Kind::Names, move || original::gethostbyname_r(name, entry, buffer, len, found, error));
    }
    Dns fn gethostbyname2_r(name: *const c_char, family: c_int, entry: *mut hostent, buffer: *mut c_char, len: size_t, found: *mut *mut hostent, error: *mut c_int) -> c_int {
        bare {
            hooks::gethostbyname2_r.resolve_or_abort();
            original::gethostbyname2_r(name, family, entry, buffer, len, found, error)
        };
        green |hook| elsewhere(hook, Kind::Names, move || original::gethostbyname2_r(name, family, entry, buffer, len, found, error));
    }
    Dns fn gethostbyaddr_r(address: *const c_void, len: socklen_t, family: c_int, entry: *mut hostent, buffer: *mut c_char, size: size_t, found: *mut *mut hostent, error: *mut c_int) -> c_int {
        bare {
            hooks::gethostbyaddr_r.resolve_or_abort();
            original::gethostbyaddr_r(address, len, family, entry, buffer, size, found, error)
        };
        green |hook| elsewhere(hook, Kind::Names, move || original::gethostbyaddr_r(address, len, family, entry, buffer, size, found, error));
    }
}
