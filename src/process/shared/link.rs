//! The connections of a handle to its object.
#![forbid(unsafe_code)]

use super::connection::{Address, ask, connect, decode, encode, gone, refused, told};
use super::pins::{self, UnderWay, Wire};
use super::server;
use crate::os::unix::net::UnixStream;
use crate::process::frame;
use crate::sys::process;
use crate::thread::shield;
use crate::util::dropping::Held;
use crate::util::lock::Mutex;
use serde::de::{DeserializeOwned, Error as _};
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// How many unused connections a handle keeps.
const KEEP: usize = 8;

/// Where an object is, and the connections that this handle has to it. Each connection serves one operation at a time.
#[derive(Debug)]
pub(super) struct Link {
    address: Arc<Address>,
    object: u64,
    role: u8,
    generation: u32,
    /// While this is open the object exists, whatever happens to the other connections.
    _keeper: UnixStream,
    idle: Mutex<Vec<UnixStream>>,
}

/// How long an operation may take.
#[derive(Clone, Copy, Debug)]
pub(super) enum HowLong {
    None,
    Until(Duration),
    Endless,
}

impl HowLong {
    fn nanos(self) -> u64 {
        match self {
            Self::None => 0,
            Self::Until(time) => u64::try_from(time.as_nanos()).unwrap_or(u64::MAX - 1),
            Self::Endless => u64::MAX,
        }
    }
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

    fn check(&self) -> io::Result<()> {
        if self.generation == process::generation() {
            return Ok(());
        }
        Err(process::belongs_to_parent("the handle of a shared object"))
    }

    fn take(&self) -> io::Result<UnixStream> {
        self.check()?;
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

    /// Sends a request, waits for the reply, and confirms what came. A kill or a timeout closes the connection, which
    /// tells the other side.
    pub(super) fn ask(
        &self,
        what: u8,
        patience: HowLong,
        with: &[&[u8]],
    ) -> io::Result<Answer<'_>> {
        let stream = self.take()?;
        let nanos = patience.nanos().to_le_bytes();
        let parts: Vec<&[u8]> = [&nanos[..]].into_iter().chain(with.iter().copied()).collect();
        frame::send(&mut &stream, what, &parts).map_err(|_| gone())?;
        let (kind, bytes) = match frame::receive(&mut &stream) {
            Ok(Some(reply)) => reply,
            Err(error) if error.kind() == io::ErrorKind::InvalidData => return Err(error),
            _ => return Err(gone()),
        };
        if matches!(what, ask::GET | ask::ACQUIRE)
            && matches!(kind, told::DONE | told::WITH_HANDLES | told::HOLDER_DIED)
        {
            // It is shielded, as nothing may come between having the reply and confirming it.
            shield(|| frame::send(&mut &stream, ask::CONFIRM, &[])).map_err(|_| gone())?;
        }
        if kind == told::REFUSED {
            return Err(refused());
        }
        Ok(Answer { link: self, stream, kind, bytes })
    }

    /// Puts a value in, with the handles in it. The other side takes their pins over, or none if it does not take the
    /// value. After a kill or a timeout it may have taken the value, once all has been sent.
    pub(super) fn put_in(
        &self,
        what: u8,
        patience: HowLong,
        parts: &[&[u8]],
        handles: &UnderWay,
    ) -> io::Result<Answer<'_>> {
        let wires = encode(&handles.wires())?;
        let length = (wires.len() as u64).to_le_bytes();
        let head = [&length[..], &wires];
        let with: Vec<&[u8]> = head.into_iter().chain(parts.iter().copied()).collect();
        self.ask(what, patience, &with)
    }

    /// Sends a request that never has to wait.
    pub(super) fn ask_now(&self, what: u8, with: &[&[u8]]) -> io::Result<Vec<u8>> {
        self.ask(what, HowLong::None, with).map(Answer::into_bytes)
    }
}

/// A reply, and the connection by which it came.
#[derive(Debug)]
pub(super) struct Answer<'a> {
    link: &'a Link,
    stream: UnixStream,
    pub(super) kind: u8,
    bytes: Vec<u8>,
}

impl Answer<'_> {
    /// The kind of the reply, if nothing else in it matters.
    pub(super) fn done(self) -> u8 {
        self.link.give_back(self.stream);
        self.kind
    }

    /// The bytes of a reply that has no handles in it.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.link.give_back(self.stream);
        self.bytes
    }

    /// The connection, for what follows.
    pub(super) fn into_stream(self) -> UnixStream {
        self.stream
    }

    pub(super) fn decode<T: DeserializeOwned>(self) -> io::Result<T> {
        self.decode_by(decode)
    }

    /// Decodes the reply. The other side keeps the objects of the handles in it for that long.
    pub(super) fn decode_by<T>(self, decode: impl FnOnce(&[u8]) -> io::Result<T>) -> io::Result<T> {
        let Self { link, stream, kind, bytes } = self;
        if kind != told::WITH_HANDLES {
            link.give_back(stream);
            return decode(&bytes);
        }
        let value = decode(&bytes).map(Held::new);
        // It is shielded, as the value has been decoded. An error means that the other side has ended.
        if shield(|| frame::send(&mut &stream, ask::DECODED, &[])).is_ok() {
            link.give_back(stream);
        }
        value.map(Held::into_inner)
    }
}

impl Serialize for Link {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let pinned =
            self.check().and_then(|()| pins::pinned(&self.address, self.object, self.role));
        pinned.map_err(S::Error::custom)?.serialize(serializer)
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
