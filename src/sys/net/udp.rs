//! UDP.
#![forbid(unsafe_code)]

use crate::sys::behind::{behind, transfers};
use crate::sys::fault::{self, Syscall};
use socket2::{Domain, Socket, Type};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

/// A socket for datagrams.
pub(crate) struct UdpSocket(std::net::UdpSocket);

transfers! { UdpSocket, std::net::UdpSocket:
    GetName local_addr() -> SocketAddr;
    GetName peer_addr() -> SocketAddr;
    Connect connect(to: SocketAddr) -> ();
    SetSockOpt set_broadcast(broadcast: bool) -> ();
    GetSockOpt broadcast() -> bool;
    SetSockOpt set_multicast_loop_v4(on: bool) -> ();
    GetSockOpt multicast_loop_v4() -> bool;
    SetSockOpt set_multicast_ttl_v4(ttl: u32) -> ();
    GetSockOpt multicast_ttl_v4() -> u32;
    SetSockOpt set_multicast_loop_v6(on: bool) -> ();
    GetSockOpt multicast_loop_v6() -> bool;
    SetSockOpt set_ttl(ttl: u32) -> ();
    GetSockOpt ttl() -> u32;
    SetSockOpt join_multicast_v4(group: &Ipv4Addr, interface: &Ipv4Addr) -> ();
    SetSockOpt join_multicast_v6(group: &Ipv6Addr, interface: u32) -> ();
    SetSockOpt leave_multicast_v4(group: &Ipv4Addr, interface: &Ipv4Addr) -> ();
    SetSockOpt leave_multicast_v6(group: &Ipv6Addr, interface: u32) -> ();
}

impl UdpSocket {
    pub(crate) fn bind(at: SocketAddr) -> io::Result<Self> {
        fault::check(Syscall::Socket)?;
        fault::check(Syscall::Bind)?;
        std::net::UdpSocket::bind(at).map(Self)
    }

    /// A socket at an address that several sockets may share.
    pub(crate) fn bind_shared(at: SocketAddr) -> io::Result<Self> {
        fault::check(Syscall::Socket)?;
        let socket = Socket::new(Domain::for_address(at), Type::DGRAM.cloexec(), None)?;
        fault::check(Syscall::SetSockOpt)?;
        socket.set_reuse_port(true)?;
        fault::check(Syscall::Bind)?;
        socket.bind(&at.into())?;
        Ok(Self(socket.into()))
    }
}
