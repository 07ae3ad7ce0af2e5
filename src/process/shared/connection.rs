//! Reaching the server of a process, and the messages to it and from it.
#![forbid(unsafe_code)]

use crate::os::unix::net::{SocketAddr, UnixStream};
use crate::process::{MAX_MESSAGE, frame};
use serde::{Serialize, de::DeserializeOwned};
use std::io;
use std::os::linux::net::SocketAddrExt;

/// The kinds of requests that a client makes.
pub(super) mod ask {
    pub(in super::super) const HELLO: u8 = 1;
    pub(in super::super) const CONFIRM: u8 = 3;
    /// The client has decoded what it was given.
    pub(in super::super) const DECODED: u8 = 4;
    /// On the connection of an account: makes a new pin.
    pub(in super::super) const KEEP: u8 = 5;
    /// Ends a pin.
    pub(in super::super) const LET_GO: u8 = 6;
    /// Makes a pin outlast the connection.
    pub(in super::super) const LEAVE: u8 = 7;
    pub(in super::super) const PUT: u8 = 10;
    pub(in super::super) const GET: u8 = 11;
    pub(in super::super) const LENGTH: u8 = 12;
    pub(in super::super) const CLOSE: u8 = 13;
    pub(in super::super) const ACQUIRE: u8 = 20;
    pub(in super::super) const RELEASE: u8 = 21;
    pub(in super::super) const SET: u8 = 30;
    pub(in super::super) const CLEAR: u8 = 31;
    pub(in super::super) const IS_SET: u8 = 32;
    pub(in super::super) const WAIT: u8 = 33;
    pub(in super::super) const ADD: u8 = 40;
    pub(in super::super) const STORE: u8 = 41;
    pub(in super::super) const INSERT: u8 = 50;
    pub(in super::super) const LOOK_UP: u8 = 51;
    pub(in super::super) const REMOVE: u8 = 52;
    pub(in super::super) const ITEMS: u8 = 53;
}

/// The kinds of replies to a client.
pub(super) mod told {
    pub(in super::super) const DONE: u8 = 1;
    /// It is not possible now, or was not in time.
    pub(in super::super) const NOT_YET: u8 = 2;
    pub(in super::super) const CLOSED: u8 = 3;
    /// It is done, but the process that held the lock before has died with it.
    pub(in super::super) const HOLDER_DIED: u8 = 4;
    pub(in super::super) const NOTHING: u8 = 5;
    /// The object has no such operation, or does not exist.
    pub(in super::super) const REFUSED: u8 = 6;
    /// It is done, and there are handles in the reply: their objects are kept until the client says that it has decoded
    /// them.
    pub(in super::super) const WITH_HANDLES: u8 = 7;
}

/// What a client has to know to reach a server.
#[derive(Clone, Debug)]
pub(super) struct Address {
    pub(super) name: String,
    pub(super) secret: [u8; 16],
}

/// What a client sends first: the secret, whether it makes an object or uses one, which one, and on which side. For an
/// object that exists, the number may be that of a pin, under which the handle was kept on its way.
pub(super) type Hello = ([u8; 16], bool, u64, u64, u8);

/// The number that stands for no object, on a connection by which a process keeps other objects.
pub(super) const KEEPS: u64 = 0;

pub(super) fn invalid(error: impl std::fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error.to_string())
}

pub(super) fn encode(value: &impl Serialize) -> io::Result<Vec<u8>> {
    let bytes = postcard::to_stdvec(value)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error.to_string()))?;
    if bytes.len() > MAX_MESSAGE {
        let text = format!("{} bytes, where at most {MAX_MESSAGE} are allowed", bytes.len());
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    Ok(bytes)
}

pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> io::Result<T> {
    postcard::from_bytes(bytes).map_err(invalid)
}

pub(super) fn gone() -> io::Error {
    let text = "the process that has the shared object has ended";
    io::Error::new(io::ErrorKind::ConnectionAborted, text)
}

pub(super) fn refused() -> io::Error {
    io::Error::new(
        io::ErrorKind::NotFound,
        "there is no such shared object, or no longer: its handles have been dropped",
    )
}

pub(super) fn number(bytes: &[u8]) -> io::Result<u64> {
    bytes
        .first_chunk()
        .map(|number| u64::from_le_bytes(*number))
        .ok_or_else(|| invalid("no number"))
}

/// Sends the first message, and returns the number of the object.
pub(super) fn connect(
    address: &Address,
    hello: (bool, u64, u64, u8),
) -> io::Result<(UnixStream, u64)> {
    let name = SocketAddr::from_abstract_name(&address.name)?;
    let stream = UnixStream::connect_addr(&name).map_err(|error| match error.kind() {
        io::ErrorKind::ConnectionRefused => gone(),
        _ => error,
    })?;
    let (makes, id, given, role) = hello;
    let hello: Hello = (address.secret, makes, id, given, role);
    frame::send(&mut &stream, ask::HELLO, &[&encode(&hello)?]).map_err(|_| gone())?;
    match frame::receive(&mut &stream) {
        Ok(Some((told::DONE, bytes))) => Ok((stream, number(&bytes)?)),
        Ok(Some(_)) => Err(refused()),
        _ => Err(gone()),
    }
}
