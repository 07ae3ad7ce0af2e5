//! What Linux adds to sockets, with the names of [`std::os::linux::net`]. `SocketAddrExt` is std's own.
#![forbid(unsafe_code)]

use crate::io::HasIo;
use crate::net::TcpStream;
use std::io;

pub use std::os::linux::net::SocketAddrExt;

mod sealed {
    pub trait Sealed {}
    impl Sealed for crate::net::TcpStream {}
}

/// What Linux adds to [`TcpStream`], as [`std::os::linux::net::TcpStreamExt`]. It cannot be implemented for other
/// types.
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
    /// Whether acknowledgements are sent at once rather than with the next data (`TCP_QUICKACK`). The kernel may change
    /// it back by itself.
    ///
    /// # Errors
    /// None for a TCP socket. The system refuses this if the descriptor came from elsewhere and is something else.
    #[doc(alias = "TCP_QUICKACK")]
    fn set_quickack(&self, quickack: bool) -> io::Result<()>;

    /// The answer to [`set_quickack`](Self::set_quickack), unless the kernel has changed it since.
    ///
    /// # Errors
    /// As `set_quickack`.
    fn quickack(&self) -> io::Result<bool>;
}

impl TcpStreamExt for TcpStream {
    fn set_quickack(&self, quickack: bool) -> io::Result<()> {
        self.io().get().set_quickack(quickack)
    }

    fn quickack(&self) -> io::Result<bool> {
        self.io().get().quickack()
    }
}
