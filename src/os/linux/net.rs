//! What Linux adds to sockets, with the names of [`std::os::linux::net`]. `SocketAddrExt` is std's own.
#![forbid(unsafe_code)]

use crate::net::TcpStream;
use socket2::SockRef;
use std::io;

pub use std::os::linux::net::SocketAddrExt;

mod sealed {
    pub trait Sealed {}
    impl Sealed for crate::net::TcpStream {}
}

/// What Linux adds to [`TcpStream`], as [`std::os::linux::net::TcpStreamExt`].
///
/// # Examples
/// ```
/// use greenthread::net::{TcpListener, TcpStream};
/// use greenthread::os::linux::net::TcpStreamExt;
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// let stream = TcpStream::connect(listener.local_addr()?)?;
/// stream.set_quickack(false)?;
/// assert!(!stream.quickack()?);
/// # Ok::<(), std::io::Error>(())
/// ```
pub trait TcpStreamExt: sealed::Sealed {
    /// Whether acknowledgements are sent at once (`TCP_QUICKACK`). The kernel may change it back by itself.
    ///
    /// # Errors
    /// What the system said.
    fn set_quickack(&self, quickack: bool) -> io::Result<()>;

    /// What [`set_quickack`](Self::set_quickack) set, or the kernel since.
    ///
    /// # Errors
    /// What the system said.
    fn quickack(&self) -> io::Result<bool>;
}

impl TcpStreamExt for TcpStream {
    fn set_quickack(&self, quickack: bool) -> io::Result<()> {
        SockRef::from(self).set_tcp_quickack(quickack)
    }

    fn quickack(&self) -> io::Result<bool> {
        SockRef::from(self).tcp_quickack()
    }
}
