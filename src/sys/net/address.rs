//! Addresses of sockets in the form that system calls take, and for Unix sockets also in std's form.
#![forbid(unsafe_code)]

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::SocketAddr;
use std::path::Path;

/// An address of any kind in the form that system calls take.
pub(crate) use socket2::SockAddr as Address;

/// The address of a Unix socket in that form.
pub(crate) fn of_unix(addr: &SocketAddr) -> io::Result<Address> {
    match (addr.as_pathname(), addr.as_abstract_name()) {
        (Some(path), _) => Address::unix(path),
        (None, Some(name)) => Address::unix(OsStr::from_bytes(&[b"\0", name].concat())),
        (None, None) => unnamed(),
    }
}

/// Like [`of_unix`], for a path; a path that cannot be an address gives std's error.
pub(crate) fn of_path(path: &Path) -> io::Result<Address> {
    of_unix(&SocketAddr::from_pathname(path)?)
}

/// The address of a Unix socket that has none.
pub(crate) fn unnamed() -> io::Result<Address> {
    Address::unix("")
}

/// The address of a Unix socket in std's form.
pub(crate) fn to_unix(addr: &Address) -> io::Result<SocketAddr> {
    match (addr.as_pathname(), addr.as_abstract_namespace()) {
        (Some(path), _) => SocketAddr::from_pathname(path),
        (None, Some(name)) => SocketAddr::from_abstract_name(name),
        // An empty path stands for no name.
        (None, None) => SocketAddr::from_pathname(""),
    }
}
