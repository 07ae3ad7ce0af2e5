//! Pins keep an object while a handle to it is encoded: on its way to another process, or as an item of a queue or a
//! value of a map.
//!
//! Whoever encodes a handle has the object's server keep the object, and the side of a pipe, under a new number: a
//! *pin*. The number is part of the encoded handle, and whoever decodes that ends the pin. A pin belongs to a process,
//! and ends with that too. Whoever is to have the bytes for longer takes the pin over, under a number that is in no
//! encoded handle, so that the bytes can be decoded any number of times. The server of a queue or a map does so for
//! what is in it.
#![forbid(unsafe_code)]

use super::connection::{Address, KEEPS, ask, connect, encode, gone, number, refused, told};
use crate::green_local;
use crate::os::unix::net::UnixStream;
use crate::process::frame;
use crate::runtime::outside::Expectation;
use crate::sync::{Mutex, MutexGuard, PoisonError};
use crate::sys::process::{self, PerProcess};
use crate::thread::shield;
use crate::util::lock::Mutex as PlainMutex;
use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Weak};

/// A handle that is passed on: the name and the secret of the server, the object, its side, and the number of the pin.
pub(super) type Wire = (String, [u8; 16], u64, u8, u64);

/// A request to a server on the connection of an account: the object, its side, the pin that is taken over or 0, and
/// whether the new pin ends with the connection.
pub(super) type Keep = (u64, u8, u64, bool);

/// The connection by which this process has pins at one server. When it ends, the pins do.
#[derive(Debug)]
struct Account {
    address: Arc<Address>,
    /// The lock lets one request at a time be made.
    stream: Mutex<UnixStream>,
    generation: u32,
}

static ACCOUNTS: PerProcess<PlainMutex<HashMap<String, Weak<Account>>>> = PerProcess::new();

impl Account {
    /// The account of this process, which exists while it has pins.
    fn at(address: &Arc<Address>) -> io::Result<Arc<Self>> {
        let all = ACCOUNTS.get(PlainMutex::default);
        if let Some(account) = all.lock().get(&address.name).and_then(Weak::upgrade) {
            return Ok(account);
        }
        let (stream, _) = connect(address, (false, KEEPS, 0, 0))?;
        let (address, generation) = (Arc::clone(address), process::generation());
        let new = Arc::new(Self { address, stream: Mutex::new(stream), generation });
        let mut all = all.lock();
        // Another thread may have been quicker.
        if let Some(first) = all.get(&new.address.name).and_then(Weak::upgrade) {
            return Ok(first);
        }
        all.retain(|_, account| account.strong_count() > 0);
        all.insert(new.address.name.clone(), Arc::downgrade(&new));
        Ok(new)
    }

    fn stream(&self) -> MutexGuard<'_, UnixStream> {
        // Whoever has the lock may be in another runtime.
        let _until_then = Expectation::new();
        self.stream.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, what: Keep) -> io::Result<u64> {
        let stream = self.stream();
        frame::send(&mut &*stream, ask::KEEP, &[&encode(&what)?]).map_err(|_| gone())?;
        match frame::receive(&mut &*stream) {
            Ok(Some((told::DONE, bytes))) => number(&bytes),
            Ok(Some(_)) => Err(refused()),
            _ => Err(gone()),
        }
    }

    /// Sends a message about a pin that needs no answer. An error means that the server is gone, and all pins with it.
    fn say(&self, what: u8, pin: u64) {
        let stream = self.stream();
        let _ = frame::send(&mut &*stream, what, &[&pin.to_le_bytes()]);
    }
}

/// Keeps an object while it lives. Dropping it suspends, and is not interrupted.
#[derive(Debug)]
pub(super) struct Pin {
    account: Arc<Account>,
    object: u64,
    role: u8,
    number: u64,
}

impl Pin {
    /// A new pin for an object that another connection keeps meanwhile.
    fn new(address: &Arc<Address>, object: u64, role: u8) -> io::Result<Self> {
        // It is shielded, as only the answer has the number.
        shield(|| {
            let account = Account::at(address)?;
            let number = account.keep((object, role, 0, true))?;
            Ok(Self { account, object, role, number })
        })
    }

    /// Keeps for this process what another pin has kept, which ends.
    pub(super) fn taken_over((name, secret, object, role, from): Wire) -> io::Result<Self> {
        shield(|| {
            let account = Account::at(&Arc::new(Address { name, secret }))?;
            let number = account.keep((object, role, from, true))?;
            Ok(Self { account, object, role, number })
        })
    }

    fn wire(&self) -> Wire {
        let Address { name, secret } = &*self.account.address;
        (name.clone(), *secret, self.object, self.role, self.number)
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        // A copy of it in a forked child is no pin.
        if self.account.generation == process::generation() {
            shield(|| self.account.say(ask::LET_GO, self.number));
        }
    }
}

/// The pins of the handles in an encoded value. Dropping it ends those that have not ended by the arrival of a handle:
/// if the process that was to get the value has died before, the objects are not kept any longer, and the other side of
/// a pipe sees its end.
#[derive(Debug, Default)]
pub(crate) struct UnderWay(Vec<Pin>);

impl UnderWay {
    /// Notes the handles that `encode` encodes. If `encode` unwinds, their pins end.
    pub(crate) fn noted<T>(encode: impl FnOnce() -> T) -> (T, Self) {
        let noting = Noting::begin();
        let value = encode();
        let handles = noting.end();
        (value, handles)
    }

    /// From now on the pins do not end with this process, as another one has the bytes.
    pub(crate) fn leave(&self) {
        for pin in &self.0 {
            shield(|| pin.account.say(ask::LEAVE, pin.number));
        }
    }

    /// Pins that last until this is dropped, however often the bytes are decoded.
    pub(crate) fn lasting(self) -> io::Result<Self> {
        self.wires().into_iter().map(Pin::taken_over).collect::<io::Result<_>>().map(Self)
    }

    pub(super) fn wires(&self) -> Vec<Wire> {
        self.0.iter().map(Pin::wire).collect()
    }
}

/// An encoding whose handles are noted. If it unwinds, their pins end.
struct Noting {
    /// The notes of the encoding around this one.
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
    /// The pins that are noted for the present encoding; `None` if none is noted.
    static NOTED: RefCell<Option<Vec<Pin>>> = RefCell::new(None);
}

/// The encoded form of a handle. If its pin is not noted, as when a program encodes a handle by itself, the object is
/// kept until the handle is decoded, wherever the bytes are.
pub(super) fn pinned(address: &Arc<Address>, object: u64, role: u8) -> io::Result<Wire> {
    if NOTED.with(|noted| noted.borrow().is_some()) {
        let pin = Pin::new(address, object, role)?;
        let wire = pin.wire();
        NOTED.with(|noted| noted.borrow_mut().get_or_insert_default().push(pin));
        return Ok(wire);
    }
    let number = shield(|| Account::at(address)?.keep((object, role, 0, false)))?;
    Ok((address.name.clone(), address.secret, object, role, number))
}
