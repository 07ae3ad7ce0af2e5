//! What keeps an object while a handle to it is encoded: on its way to another process, or as an item or a value.
//!
//! Whoever encodes a handle has the object's server keep the object, and the side of a pipe, under a new number: a *pin*. The number is
//! part of the encoded handle, and who decodes that ends the pin. A pin is its process's: it ends with that, too. Who is to have the
//! bytes for longer takes the pin over, under a number that is in no encoded handle, so that they can be decoded any number of times:
//! so the server of a queue or a map does for what is in it.
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

/// What is asked of a server on the connection of an account: the object, its side, the pin that is taken over or 0, and whether the new
/// one ends with the connection.
pub(super) type Keep = (u64, u8, u64, bool);

/// The connection by which this process has pins at one server. When it ends, they do.
#[derive(Debug)]
struct Account {
    address: Arc<Address>,
    /// One asks at a time.
    stream: Mutex<UnixStream>,
    generation: u32,
}

static ACCOUNTS: PerProcess<PlainMutex<HashMap<String, Weak<Account>>>> = PerProcess::new();

impl Account {
    /// That of this process, which lasts while it has pins.
    fn at(address: &Arc<Address>) -> io::Result<Arc<Self>> {
        let all = ACCOUNTS.get(PlainMutex::default);
        if let Some(account) = all.lock().get(&address.name).and_then(Weak::upgrade) {
            return Ok(account);
        }
        let (stream, _) = connect(address, (false, KEEPS, 0, 0))?;
        let (address, generation) = (Arc::clone(address), process::generation());
        let new = Arc::new(Self { address, stream: Mutex::new(stream), generation });
        let mut all = all.lock();
        // Another one may have been quicker.
        if let Some(first) = all.get(&new.address.name).and_then(Weak::upgrade) {
            return Ok(first);
        }
        all.retain(|_, account| account.strong_count() > 0);
        all.insert(new.address.name.clone(), Arc::downgrade(&new));
        Ok(new)
    }

    fn stream(&self) -> MutexGuard<'_, UnixStream> {
        // Whoever has it may be in another runtime.
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

    /// Says something about a pin that needs no answer. An error means that the server is gone, and all pins with it.
    fn say(&self, what: u8, pin: u64) {
        let stream = self.stream();
        let _ = frame::send(&mut &*stream, what, &[&pin.to_le_bytes()]);
    }
}

/// Keeps an object. Dropping it suspends, uninterrupted.
#[derive(Debug)]
pub(super) struct Pin {
    account: Arc<Account>,
    object: u64,
    role: u8,
    number: u64,
}

impl Pin {
    /// Of an object that another connection keeps meanwhile.
    fn new(address: &Arc<Address>, object: u64, role: u8) -> io::Result<Self> {
        // Shielded: only the answer tells the number.
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
        // A copy in a forked child is none.
        if self.account.generation == process::generation() {
            shield(|| self.account.say(ask::LET_GO, self.number));
        }
    }
}

/// The pins of the handles in something that is encoded. Dropping it ends those that have not ended by a handle's arrival: if the
/// process that was to have it has died before, the objects are not kept any longer, and the other side of a pipe sees its end.
#[derive(Debug, Default)]
pub(crate) struct UnderWay(Vec<Pin>);

impl UnderWay {
    /// Notes what `encode` encodes of handles. If `encode` unwinds, that is not under way any more.
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

/// What is to be encoded of a handle. Where nobody notes it, as where a program encodes a handle by itself, the object is kept until
/// that is decoded, wherever the bytes may be.
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
