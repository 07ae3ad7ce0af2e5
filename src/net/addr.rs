//! Addresses, and the names that stand for them.
#![forbid(unsafe_code)]

use crate::runtime::blocking::{self, Kind};
use crate::sys::net::names;
use crate::util::dropping::Held;
use std::io;
use std::iter::Cloned;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::{option, slice, vec};

/// What can be resolved to addresses, as [`std::net::ToSocketAddrs`] and for the same types.
///
/// This is a trait of its own because std's looks up host names on the calling thread. Here the look-up runs on an OS
/// thread that is kept for blocking calls, and suspends the calling green thread only. What is an address already, such
/// as "127.0.0.1:80", is parsed at once.
///
/// # Examples
/// ```
/// use greenthread::net::ToSocketAddrs;
/// let mut found = "localhost:80".to_socket_addrs()?;
/// assert!(found.all(|address| address.ip().is_loopback() && address.port() == 80));
/// # Ok::<(), std::io::Error>(())
/// ```
#[doc(alias = "getaddrinfo")]
#[doc(alias = "lookup_host")]
#[doc(alias = "resolve")]
#[doc(alias = "dns")]
pub trait ToSocketAddrs {
    /// The iterator over the addresses that were found.
    type Iter: Iterator<Item = SocketAddr>;

    /// Finds the addresses. Suspends the green thread while it looks up a name.
    ///
    /// # Errors
    /// - [`InvalidInput`](io::ErrorKind::InvalidInput) for text that is neither an address nor a host name followed by
    ///   a colon and a port.
    /// - An error of the resolver where it does not know the name or cannot be reached. It has no kind of its own; its
    ///   text is that of `getaddrinfo`.
    fn to_socket_addrs(&self) -> io::Result<Self::Iter>;
}

type Lookup = io::Result<vec::IntoIter<SocketAddr>>;

/// Runs a look-up, which blocks, on a thread that may block.
fn look_up(name: &str, how: impl FnOnce(&str) -> Lookup + Send + 'static) -> Lookup {
    let name = name.to_owned();
    blocking::run(Kind::Names, move || how(&name))
}

macro_rules! is_one_address {
    ($($type:ty),*) => {$(
        impl ToSocketAddrs for $type {
            type Iter = option::IntoIter<SocketAddr>;

            fn to_socket_addrs(&self) -> io::Result<Self::Iter> {
                Ok(Some(SocketAddr::from(*self)).into_iter())
            }
        }
    )*};
}

is_one_address!(
    SocketAddr,
    SocketAddrV4,
    SocketAddrV6,
    (IpAddr, u16),
    (Ipv4Addr, u16),
    (Ipv6Addr, u16)
);

impl ToSocketAddrs for (&str, u16) {
    type Iter = vec::IntoIter<SocketAddr>;

    fn to_socket_addrs(&self) -> io::Result<Self::Iter> {
        let &(host, port) = self;
        match host.parse::<IpAddr>() {
            Ok(ip) => Ok(vec![SocketAddr::new(ip, port)].into_iter()),
            Err(_) => look_up(host, move |host| names::of_host(host, port)),
        }
    }
}

impl ToSocketAddrs for (String, u16) {
    type Iter = vec::IntoIter<SocketAddr>;

    fn to_socket_addrs(&self) -> io::Result<Self::Iter> {
        (&*self.0, self.1).to_socket_addrs()
    }
}

impl ToSocketAddrs for str {
    type Iter = vec::IntoIter<SocketAddr>;

    fn to_socket_addrs(&self) -> io::Result<Self::Iter> {
        match self.parse() {
            Ok(address) => Ok(vec![address].into_iter()),
            Err(_) => look_up(self, names::of_text),
        }
    }
}

impl ToSocketAddrs for String {
    type Iter = vec::IntoIter<SocketAddr>;

    fn to_socket_addrs(&self) -> io::Result<Self::Iter> {
        (**self).to_socket_addrs()
    }
}

impl<'a> ToSocketAddrs for &'a [SocketAddr] {
    type Iter = Cloned<slice::Iter<'a, SocketAddr>>;

    fn to_socket_addrs(&self) -> io::Result<Self::Iter> {
        Ok(self.iter().cloned())
    }
}

impl<T: ToSocketAddrs + ?Sized> ToSocketAddrs for &T {
    type Iter = T::Iter;

    fn to_socket_addrs(&self) -> io::Result<Self::Iter> {
        (**self).to_socket_addrs()
    }
}

/// Calls `attempt` with each address until one succeeds, as std does.
pub(super) fn each_addr<T>(
    addr: impl ToSocketAddrs,
    mut attempt: impl FnMut(SocketAddr) -> io::Result<T>,
) -> io::Result<T> {
    let mut last = None;
    let addr = Held::new(addr);
    let mut found = Held::new(addr.to_socket_addrs()?);
    let value = found.find_map(|addr| attempt(addr).map_err(|error| last = Some(error)).ok());
    // They are dropped here and not on the way out: if a destructor panicked there, the compiler would forget the
    // value.
    drop((found, addr));
    value.ok_or_else(|| {
        last.unwrap_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidInput, "could not resolve to any addresses")
        })
    })
}
