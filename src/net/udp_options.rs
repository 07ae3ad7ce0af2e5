//! The options of a UDP socket: broadcasts, multicasts, and how far its packets go. None of these suspends.
//!
//! Invariant: an option is the system's own; nothing here keeps a copy, so all handles to one socket see the same.
#![forbid(unsafe_code)]

use super::{Ipv4Addr, Ipv6Addr, UdpSocket};
use std::io;

impl UdpSocket {
    /// Whether it may send to broadcast addresses (`SO_BROADCAST`); not unless set.
    ///
    /// # Errors
    /// None for a UDP socket. The system refuses this if the descriptor came from elsewhere and is something else.
    ///
    /// # Examples
    /// ```
    /// use greenthread::net::UdpSocket;
    /// use std::io::ErrorKind;
    ///
    /// let socket = UdpSocket::bind("0.0.0.0:0")?;
    /// assert!(!socket.broadcast()?);
    /// let refused = socket.send_to(b"who is there?", "255.255.255.255:9").unwrap_err();
    /// # // A machine without a network has no way to it at all.
    /// # if refused.kind() != ErrorKind::NetworkUnreachable {
    /// assert_eq!(refused.kind(), ErrorKind::PermissionDenied);
    /// # }
    /// socket.set_broadcast(true)?;
    /// assert!(socket.broadcast()?);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "SO_BROADCAST")]
    pub fn set_broadcast(&self, broadcast: bool) -> io::Result<()> {
        self.io.get().set_broadcast(broadcast)
    }

    /// The answer to [`set_broadcast`](Self::set_broadcast).
    ///
    /// # Errors
    /// As `set_broadcast`.
    pub fn broadcast(&self) -> io::Result<bool> {
        self.io.get().broadcast()
    }

    /// Whether this machine receives the IPv4 multicasts that it sends itself; it does unless set.
    ///
    /// # Errors
    /// None for a UDP socket. The system refuses this if the descriptor came from elsewhere and is something else.
    #[doc(alias = "IP_MULTICAST_LOOP")]
    pub fn set_multicast_loop_v4(&self, multicast_loop_v4: bool) -> io::Result<()> {
        self.io.get().set_multicast_loop_v4(multicast_loop_v4)
    }

    /// The answer to [`set_multicast_loop_v4`](Self::set_multicast_loop_v4).
    ///
    /// # Errors
    /// As `set_multicast_loop_v4`.
    pub fn multicast_loop_v4(&self) -> io::Result<bool> {
        self.io.get().multicast_loop_v4()
    }

    /// How many routers an IPv4 multicast may pass, plus one: 1, unless set, is the local network.
    ///
    /// # Errors
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) for more than 255.
    ///
    /// # Examples
    /// Multicasts that routers pass on, and that do not come back to this machine:
    /// ```
    /// use greenthread::net::UdpSocket;
    ///
    /// let socket = UdpSocket::bind("0.0.0.0:0")?;
    /// assert_eq!(socket.multicast_ttl_v4()?, 1);
    /// socket.set_multicast_ttl_v4(4)?;
    /// socket.set_multicast_loop_v4(false)?;
    /// assert_eq!((socket.multicast_ttl_v4()?, socket.multicast_loop_v4()?), (4, false));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "IP_MULTICAST_TTL")]
    pub fn set_multicast_ttl_v4(&self, multicast_ttl_v4: u32) -> io::Result<()> {
        self.io.get().set_multicast_ttl_v4(multicast_ttl_v4)
    }

    /// The number that [`set_multicast_ttl_v4`](Self::set_multicast_ttl_v4) set.
    ///
    /// # Errors
    /// None for a UDP socket. The system refuses this if the descriptor came from elsewhere and is something else.
    pub fn multicast_ttl_v4(&self) -> io::Result<u32> {
        self.io.get().multicast_ttl_v4()
    }

    /// Whether this machine receives the IPv6 multicasts that it sends itself; it does unless set. For IPv4,
    /// [`set_multicast_ttl_v4`](Self::set_multicast_ttl_v4) has an example.
    ///
    /// # Errors
    /// The system refuses this for a socket that is not bound to an IPv6 address.
    #[doc(alias = "IPV6_MULTICAST_LOOP")]
    pub fn set_multicast_loop_v6(&self, multicast_loop_v6: bool) -> io::Result<()> {
        self.io.get().set_multicast_loop_v6(multicast_loop_v6)
    }

    /// The answer to [`set_multicast_loop_v6`](Self::set_multicast_loop_v6). For IPv4,
    /// [`set_multicast_ttl_v4`](Self::set_multicast_ttl_v4) has an example.
    ///
    /// # Errors
    /// As `set_multicast_loop_v6`.
    pub fn multicast_loop_v6(&self) -> io::Result<bool> {
        self.io.get().multicast_loop_v6()
    }

    /// Sets how many routers a packet may pass on its way (the field `TTL` of IPv4).
    ///
    /// # Errors
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) for 0 and for more than 255.
    ///
    /// # Examples
    /// ```
    /// use greenthread::net::UdpSocket;
    ///
    /// let socket = UdpSocket::bind("127.0.0.1:0")?;
    /// // Nothing beyond the local network is to see it.
    /// socket.set_ttl(1)?;
    /// assert_eq!(socket.ttl()?, 1);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "IP_TTL")]
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.io.get().set_ttl(ttl)
    }

    /// The number that [`set_ttl`](Self::set_ttl) set, or the system's own.
    ///
    /// # Errors
    /// None for a UDP socket. The system refuses this if the descriptor came from elsewhere and is something else.
    pub fn ttl(&self) -> io::Result<u32> {
        self.io.get().ttl()
    }

    /// Joins an IPv4 multicast group on the interface that has the address `interface`; 0.0.0.0 lets the system choose
    /// one.
    ///
    /// # Errors
    /// [`AddrInUse`](io::ErrorKind::AddrInUse) if it is in that group already,
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) if `multiaddr` is not a multicast address, `ENODEV` (which has no
    /// kind of its own) if there is no such interface.
    ///
    /// # Examples
    /// Everybody who has joined the group on that port gets what is sent to it:
    /// ```
    /// use greenthread::net::{Ipv4Addr, UdpSocket};
    ///
    /// let group = Ipv4Addr::new(239, 1, 2, 3);
    /// let socket = UdpSocket::bind("0.0.0.0:0")?;
    /// socket.join_multicast_v4(&group, &Ipv4Addr::LOCALHOST)?;
    /// // Twice is one time too many.
    /// assert!(socket.join_multicast_v4(&group, &Ipv4Addr::LOCALHOST).is_err());
    /// socket.leave_multicast_v4(&group, &Ipv4Addr::LOCALHOST)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "IP_ADD_MEMBERSHIP")]
    pub fn join_multicast_v4(&self, multiaddr: &Ipv4Addr, interface: &Ipv4Addr) -> io::Result<()> {
        self.io.get().join_multicast_v4(multiaddr, interface)
    }

    /// Joins an IPv6 multicast group on the interface with the index `interface`; 0 lets the system choose one.
    ///
    /// # Errors
    /// As [`join_multicast_v4`](Self::join_multicast_v4).
    #[doc(alias = "IPV6_ADD_MEMBERSHIP")]
    pub fn join_multicast_v6(&self, multiaddr: &Ipv6Addr, interface: u32) -> io::Result<()> {
        self.io.get().join_multicast_v6(multiaddr, interface)
    }

    /// Leaves a group that [`join_multicast_v4`](Self::join_multicast_v4) joined.
    ///
    /// # Errors
    /// [`AddrNotAvailable`](io::ErrorKind::AddrNotAvailable) if it is not in that group, `ENODEV` if there is no such
    /// interface.
    #[doc(alias = "IP_DROP_MEMBERSHIP")]
    pub fn leave_multicast_v4(&self, multiaddr: &Ipv4Addr, interface: &Ipv4Addr) -> io::Result<()> {
        self.io.get().leave_multicast_v4(multiaddr, interface)
    }

    /// Leaves a group that [`join_multicast_v6`](Self::join_multicast_v6) joined. For IPv4,
    /// [`join_multicast_v4`](Self::join_multicast_v4) has an example.
    ///
    /// # Errors
    /// As [`leave_multicast_v4`](Self::leave_multicast_v4).
    pub fn leave_multicast_v6(&self, multiaddr: &Ipv6Addr, interface: u32) -> io::Result<()> {
        self.io.get().leave_multicast_v6(multiaddr, interface)
    }
}
