//! The connections of a handle with its object.
#![forbid(unsafe_code)]

use super::object::{ask, told};
use super::server::{self, Address};
use crate::green_local;
use crate::os::unix::net::{SocketAddr, UnixStream};
use crate::process::{CallError, MAX_MESSAGE, frame};
use crate::sys::process;
use crate::thread::shield;
use crate::util::lock::Mutex;
use serde::de::{DeserializeOwned, Error as _};
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::cell::RefCell;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::sync::Arc;
use std::time::Duration;

/// How many connections a handle keeps while they are not in use.
const KEEP: usize = 8;

/// Where an object is, and the connections that this handle has with it. Each connection serves one operation at a
/// time.
#[derive(Debug)]
pub(super) struct Link {
    address: Arc<Address>,
    object: u64,
    role: u8,
    generation: u32,
    /// While it is open, the object stays, whatever becomes of the other connections.
    _keeper: UnixStream,
    idle: Mutex<Vec<UnixStream>>,
}

/// How long an operation may take.
#[derive(Clone, Copy, Debug)]
pub(super) enum Patience {
    None,
    Until(Duration),
    Endless,
}

impl Patience {
    fn nanos(self) -> u64 {
        match self {
            Self::None => 0,
            Self::Until(time) => u64::try_from(time.as_nanos()).unwrap_or(u64::MAX - 1),
            Self::Endless => u64::MAX,
        }
    }
}

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

fn gone() -> io::Error {
    let text = "the process that has the shared object has ended";
    io::Error::new(io::ErrorKind::ConnectionAborted, text)
}

fn refused() -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, "there is no such shared object")
}

fn number(bytes: &[u8]) -> io::Result<u64> {
    bytes
        .first_chunk()
        .map(|number| u64::from_le_bytes(*number))
        .ok_or_else(|| invalid("no number"))
}

impl Link {
    /// Makes an object in this process.
    pub(super) fn make(kind: u8, number: u64, role: u8) -> io::Result<Self> {
        let address = server::own()?;
        let (stream, object) = connect(&address, (true, kind.into(), number, role))?;
        Ok(Self::new(address, object, role, stream))
    }

    /// A link to the other side of an object that this process has just made.
    pub(super) fn other_side(&self, role: u8) -> io::Result<Self> {
        let (stream, object) = connect(&self.address, (false, self.object, 0, role))?;
        Ok(Self::new(Arc::clone(&self.address), object, role, stream))
    }

    fn new(address: Arc<Address>, object: u64, role: u8, keeper: UnixStream) -> Self {
        let (generation, idle) = (process::generation(), Mutex::default());
        Self { address, object, role, generation, _keeper: keeper, idle }
    }

    fn take(&self) -> io::Result<UnixStream> {
        if self.generation != process::generation() {
            return Err(process::belongs_to_parent("the handle of a shared object"));
        }
        if let Some(stream) = self.idle.lock().pop() {
            return Ok(stream);
        }
        let hello = (false, self.object, u64::MAX, self.role);
        Ok(connect(&self.address, hello)?.0)
    }

    /// Keeps a connection that is not in use any more.
    pub(super) fn give_back(&self, stream: UnixStream) {
        let mut idle = self.idle.lock();
        if idle.len() < KEEP {
            idle.push(stream);
        }
    }

    /// Asks, waits for the reply, and confirms what came. Returns the connection too. A kill or a timeout closes the
    /// connection, which tells the other side.
    pub(super) fn ask_keeping(
        &self,
        what: u8,
        patience: Patience,
        with: &[&[u8]],
    ) -> io::Result<(UnixStream, u8, Vec<u8>)> {
        self.ask_passing(what, patience, with, UnderWay::default())
    }

    /// As [`ask_keeping`](Self::ask_keeping); `handles` are those in what is sent. They are let go of where the other side has not taken
    /// them. After a kill or a timeout it may have, once all has been sent.
    fn ask_passing(
        &self,
        what: u8,
        patience: Patience,
        with: &[&[u8]],
        mut handles: UnderWay,
    ) -> io::Result<(UnixStream, u8, Vec<u8>)> {
        let stream = self.take()?;
        let nanos = patience.nanos().to_le_bytes();
        let parts: Vec<&[u8]> = [&nanos[..]].into_iter().chain(with.iter().copied()).collect();
        frame::send(&mut &stream, what, &parts).map_err(|_| gone())?;
        let pins = std::mem::take(&mut handles.0);
        let reply = frame::receive(&mut &stream);
        if !matches!(reply, Ok(Some((told::DONE | told::NOTHING, _)))) {
            handles.0 = pins;
        }
        let (kind, bytes) = match reply {
            Ok(Some(reply)) => reply,
            Err(error) if error.kind() == io::ErrorKind::InvalidData => return Err(error),
            _ => return Err(gone()),
        };
        if matches!(what, ask::GET | ask::ACQUIRE) && matches!(kind, told::DONE | told::HOLDER_DIED)
        {
            // Shielded: nothing may come between having it and saying so.
            shield(|| frame::send(&mut &stream, ask::CONFIRM, &[])).map_err(|_| gone())?;
        }
        if kind == told::REFUSED { Err(refused()) } else { Ok((stream, kind, bytes)) }
    }

    pub(super) fn ask(
        &self,
        what: u8,
        patience: Patience,
        with: &[&[u8]],
    ) -> io::Result<(u8, Vec<u8>)> {
        self.ask_with_handles(what, patience, with, UnderWay::default())
    }

    /// As [`ask`](Self::ask); `handles` are those in what is sent.
    pub(super) fn ask_with_handles(
        &self,
        what: u8,
        patience: Patience,
        with: &[&[u8]],
        handles: UnderWay,
    ) -> io::Result<(u8, Vec<u8>)> {
        let (stream, kind, bytes) = self.ask_passing(what, patience, with, handles)?;
        self.give_back(stream);
        Ok((kind, bytes))
    }

    /// Asks for something that never has to wait.
    pub(super) fn ask_now(&self, what: u8, with: &[&[u8]]) -> io::Result<Vec<u8>> {
        self.ask(what, Patience::None, with).map(|(_, bytes)| bytes)
    }
}

fn connect(address: &Address, hello: (bool, u64, u64, u8)) -> io::Result<(UnixStream, u64)> {
    let name = SocketAddr::from_abstract_name(&address.name)?;
    let stream = UnixStream::connect_addr(&name).map_err(|error| match error.kind() {
        io::ErrorKind::ConnectionRefused => gone(),
        _ => error,
    })?;
    let (makes, id, number_, role) = hello;
    let hello: server::Hello = (address.secret, makes, id, number_, role);
    frame::send(&mut &stream, ask::HELLO, &[&encode(&hello)?]).map_err(|_| gone())?;
    match frame::receive(&mut &stream) {
        Ok(Some((told::DONE, bytes))) => Ok((stream, number(&bytes)?)),
        Ok(Some(_)) => Err(refused()),
        _ => Err(gone()),
    }
}

/// What is passed on: the name and the secret of the server, the object, its side, and the number under which the
/// server keeps it until the handle arrives.
type Wire = (String, [u8; 16], u64, u8, u64);

/// What is under way to one process, until that has received it. Dropping this takes it back: if the process has died
/// before, the objects are not kept any longer, and the other side of a pipe sees its end.
#[derive(Debug, Default)]
pub(crate) struct UnderWay(Vec<Pin>);

#[derive(Debug)]
struct Pin {
    address: Arc<Address>,
    object: u64,
    role: u8,
    number: u64,
    generation: u32,
}

impl UnderWay {
    /// Notes what `encode` encodes of handles. If `encode` unwinds, that is not under way any more.
    pub(crate) fn noted<T>(encode: impl FnOnce() -> T) -> (T, Self) {
        let noting = Noting::begin();
        let value = encode();
        let handles = noting.end();
        (value, handles)
    }

    /// The call that it was part of has ended so: the process has received all of it, or perhaps not.
    pub(crate) fn settle<T>(mut self, result: &Result<T, CallError>) {
        if !matches!(result, Err(CallError::Ended(_) | CallError::Io(_) | CallError::Arguments(_)))
        {
            self.0.clear();
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let own = self.0.iter().filter(|pin| pin.generation == process::generation());
        for pin in own {
            // It arrives here, and is let go of.
            let hello = (false, pin.object, pin.number, pin.role);
            drop(shield(|| connect(&pin.address, hello)));
        }
    }
}

/// An encoding whose handles are noted. If it unwinds, they are under way no more.
struct Noting {
    /// What was noted of the encoding around it.
    before: Option<Vec<Pin>>,
    ended: bool,
}

impl Noting {
    fn begin() -> Self {
        Self { before: NOTED.with(|noted| noted.replace(Some(Vec::new()))), ended: false }
    }

    fn end(mut self) -> UnderWay {
        self.take()
    }

    fn take(&mut self) -> UnderWay {
        self.ended = true;
        let before = self.before.take();
        let pins = NOTED.try_with(|noted| noted.replace(before)).ok().flatten();
        UnderWay(pins.unwrap_or_default())
    }
}

impl Drop for Noting {
    fn drop(&mut self) {
        if !self.ended {
            drop(self.take());
        }
    }
}

green_local! {
    /// What is noted of the encoding that is going on.
    static NOTED: RefCell<Option<Vec<Pin>>> = RefCell::new(None);
}

impl Serialize for Link {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Shielded: the server keeps the object from here on, under a number that only the answer tells.
        let pin = shield(|| self.ask_now(ask::PIN, &[])).and_then(|bytes| number(&bytes));
        let pin = pin.map_err(S::Error::custom)?;
        NOTED.with(|noted| {
            if let Some(pins) = &mut *noted.borrow_mut() {
                let (address, object, role) = (Arc::clone(&self.address), self.object, self.role);
                pins.push(Pin { address, object, role, number: pin, generation: self.generation });
            }
        });
        let Address { name, secret } = &*self.address;
        (name, secret, self.object, self.role, pin).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Link {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (name, secret, object, role, pin) = Wire::deserialize(deserializer)?;
        let address = Address { name, secret };
        let connected = connect(&address, (false, object, pin, role));
        let (stream, object) = connected.map_err(D::Error::custom)?;
        Ok(Self::new(Arc::new(address), object, role, stream))
    }
}

/// `Serialize`, `Deserialize`, `Clone` and `Debug` for a handle that consists of a link.
macro_rules! handle {
    ($name:ident $(<$($type:ident),+>)?) => {
        impl$(<$($type),+>)? serde::Serialize for $name$(<$($type),+>)? {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serde::Serialize::serialize(&*self.link, serializer)
            }
        }

        impl<'de $(, $($type),+)?> serde::Deserialize<'de> for $name$(<$($type),+>)? {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                <super::link::Link as serde::Deserialize>::deserialize(deserializer).map(Self::of)
            }
        }

        impl$(<$($type),+>)? Clone for $name$(<$($type),+>)? {
            fn clone(&self) -> Self {
                Self::of_shared(std::sync::Arc::clone(&self.link))
            }
        }

        impl$(<$($type),+>)? $name$(<$($type),+>)? {
            pub(super) fn of(link: super::link::Link) -> Self {
                Self::of_shared(std::sync::Arc::new(link))
            }
        }

        impl$(<$($type),+>)? std::fmt::Debug for $name$(<$($type),+>)? {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        }
    };
}

pub(super) use handle;
