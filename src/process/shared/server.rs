//! The OS thread that has this process's objects. It serves each connection to one of them by a green thread.
#![forbid(unsafe_code)]

use super::connection::{Address, Hello, KEEPS, ask, told};
use super::object::{
    CONSUMER, EncodedEntry, Given, Object, PRODUCER, PipeSide, Reply, Unconfirmed,
};
use super::pins::{Keep, Pin, Wire};
use crate::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use crate::process::frame;
use crate::runtime::Runtime;
use crate::runtime::outside;
use crate::sys::process::PerProcess;
use crate::sys::secret::secret;
use crate::sys::thread as os_thread;
use crate::sys::time::deadline_after;
use crate::thread;
use crate::util::lock::Mutex;
use std::collections::{HashMap, HashSet};
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::sync::{Arc, Weak};
use std::time::Duration;

/// What a connection and a pin keep: the object, and the side of a pipe.
type KeptObject = (Arc<Object>, Option<Arc<PipeSide>>);

#[derive(Debug, Default)]
struct ObjectTable {
    last: u64,
    objects: HashMap<u64, Weak<Object>>,
    pins: HashMap<u64, KeptObject>,
}

impl ObjectTable {
    fn next(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    fn add(&mut self, object: &Arc<Object>) -> u64 {
        self.objects.retain(|_, object| object.strong_count() > 0);
        let id = self.next();
        self.objects.insert(id, Arc::downgrade(object));
        id
    }

    fn find(&self, id: u64, role: u8, first: bool) -> Option<KeptObject> {
        let object = self.objects.get(&id)?.upgrade()?;
        let side = match role {
            PRODUCER | CONSUMER => Some(object.side(role, first)?),
            _ => None,
        };
        Some((object, side))
    }

    /// Makes a new pin, which may replace another one.
    fn pin(&mut self, (id, role, from, _): Keep) -> Option<u64> {
        let kept = match self.pins.remove(&from) {
            Some(kept) => kept,
            None if from == 0 => self.find(id, role, false)?,
            None => return None,
        };
        let pin = self.next();
        self.pins.insert(pin, kept);
        Some(pin)
    }
}

static ADDRESS: PerProcess<Mutex<Option<Arc<Address>>>> = PerProcess::new();

/// The server of this process, started if there is none yet.
pub(super) fn own() -> io::Result<Arc<Address>> {
    let mut own = ADDRESS.get(Mutex::default).lock();
    if let Some(address) = &*own {
        return Ok(Arc::clone(address));
    }
    let mut address = Address { name: "greenthread-".into(), secret: secret()? };
    secret::<16>()?.iter().for_each(|byte| address.name.push_str(&format!("{byte:02x}")));
    let listener = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&address.name)?)?;
    let runtime = Runtime::new_current_thread()?;
    let secret = address.secret;
    os_thread::start("gt-shared", None, move || {
        // It ends with the process.
        let _ = runtime.run(move || accept(&listener, secret));
    })?;
    outside::count_thread();
    Ok(Arc::clone(own.insert(Arc::new(address))))
}

fn accept(listener: &UnixListener, secret: [u8; 16]) {
    let table = Arc::new(Mutex::new(ObjectTable::default()));
    loop {
        match listener.accept() {
            Ok((stream, _)) => {
                let table = Arc::clone(&table);
                let one = move || serve(Arc::new(stream), secret, &table);
                // If there is no stack for one more, the client sees the end of its connection.
                drop(thread::Builder::new().daemon(true).spawn(one));
            }
            // There may be too many open files; the clients wait until there are fewer.
            Err(_) => thread::sleep(Duration::from_millis(10)),
        }
    }
}

/// What a connection is for.
enum Purpose {
    Object(u64, KeptObject),
    Account,
}

/// Finds or makes the object, and keeps it while the connection lasts. `None` if the client does not know the secret,
/// or the object does not exist.
fn greet(stream: &UnixStream, secret: [u8; 16], table: &Mutex<ObjectTable>) -> Option<Purpose> {
    let Ok(Some((ask::HELLO, hello))) = frame::receive(&mut &*stream) else { return None };
    let (theirs, makes, id, number, role) = postcard::from_bytes::<Hello>(&hello).ok()?;
    if theirs != secret {
        return None;
    }
    let mut table = table.lock();
    if makes {
        let object = Object::new(id as u8, number)?;
        let side = matches!(role, PRODUCER | CONSUMER).then(|| object.side(role, true)).flatten();
        return Some(Purpose::Object(table.add(&object), (object, side)));
    }
    if id == KEEPS {
        return Some(Purpose::Account);
    }
    // The maker of a pipe opens the pipe's other side, and is the first one there.
    let kept = table.find(id, role, number == 0);
    // Its pin ends once the connection keeps the object.
    let pin = table.pins.remove(&number);
    drop(table);
    drop(pin);
    Some(Purpose::Object(id, kept?))
}

/// The whole life of the connection by which a process keeps objects.
fn keep(stream: &UnixStream, table: &Mutex<ObjectTable>) {
    let mut own = HashSet::new();
    while let Ok(Some((what, bytes))) = frame::receive(&mut &*stream) {
        if what == ask::KEEP {
            let reply = match postcard::from_bytes::<Keep>(&bytes) {
                Ok(keep) => table.lock().pin(keep).map(|pin| (pin, keep.3)),
                Err(_) => None,
            };
            let sent = match reply {
                Some((pin, ends)) => {
                    if ends {
                        own.insert(pin);
                    }
                    frame::send(&mut &*stream, told::DONE, &[&pin.to_le_bytes()])
                }
                None => frame::send(&mut &*stream, told::REFUSED, &[]),
            };
            if sent.is_err() {
                break;
            }
        } else if let Some(pin) = bytes.first_chunk().map(|pin| u64::from_le_bytes(*pin)) {
            own.remove(&pin);
            if what == ask::LET_GO {
                let kept = table.lock().pins.remove(&pin);
                dispose(kept);
            }
        }
    }
    let mut table = table.lock();
    let kept: Vec<_> = own.iter().filter_map(|pin| table.pins.remove(pin)).collect();
    drop(table);
    dispose(kept);
}

/// Drops what may be the last reference to an object with handles in it. Their pins may belong to this very account,
/// which has to answer meanwhile, so a green thread does it.
fn dispose(kept: impl IntoIterator<Item = KeptObject> + Send + 'static) {
    // If there is no stack for it, it is dropped here.
    drop(thread::Builder::new().daemon(true).spawn(move || drop(kept)));
}

/// The whole life of one connection.
fn serve(stream: Arc<UnixStream>, secret: [u8; 16], table: &Mutex<ObjectTable>) {
    let (id, (object, _side)) = match greet(&stream, secret, table) {
        Some(Purpose::Object(id, kept)) => (id, kept),
        Some(Purpose::Account) => {
            if frame::send(&mut &*stream, told::DONE, &[&[0; 8]]).is_ok() {
                keep(&stream, table);
            }
            return;
        }
        None => {
            let _ = frame::send(&mut &*stream, told::REFUSED, &[]);
            return;
        }
    };
    if frame::send(&mut &*stream, told::DONE, &[&id.to_le_bytes()]).is_err() {
        return;
    }
    let who = table.lock().next();
    let unconfirmed = Arc::new(Unconfirmed::default());
    let mut waiting: Option<thread::JoinHandle<()>> = None;
    // What the client has been given and may not have decoded yet.
    let mut kept: Vec<Arc<EncodedEntry>> = Vec::new();
    while let Ok(Some((what, bytes))) = frame::receive(&mut &*stream) {
        kept.clear();
        let given = (what == ask::CONFIRM).then(|| unconfirmed.lock().take()).flatten();
        if let Some(given) = &given {
            object.confirm(given);
        }
        match (what, given) {
            (ask::CONFIRM, Some(Given::Item(item))) => kept.push(item),
            (ask::CONFIRM | ask::DECODED, _) => {}
            _ => {
                waiting = None;
                let reply = request(&stream, &object, who, what, bytes, &unconfirmed, &mut waiting);
                if let Some(reply) = reply {
                    if frame::send(&mut &*stream, reply.kind, &[&reply.bytes]).is_err() {
                        break;
                    }
                    kept = reply.entries;
                }
            }
        }
    }
    // The client has gone, so its request does not wait any longer.
    if let Some(waiting) = waiting {
        waiting.kill();
        let _ = waiting.join();
    }
    let given = unconfirmed.lock().take();
    object.leave(who, given);
}

/// The value that a client puts into a queue or a map: from now on the pins of the handles in it belong to this
/// process. `None` if the value is malformed, or one of the objects has gone.
fn entry(mut with: Vec<u8>) -> Option<EncodedEntry> {
    let length = with.first_chunk().map(|length| u64::from_le_bytes(*length) as usize)?;
    let end = length.checked_add(8).filter(|end| *end <= with.len())?;
    let bytes = with.split_off(end);
    let handles = postcard::from_bytes::<Vec<Wire>>(&with[8..]).ok()?;
    let pins = handles.into_iter().map(Pin::taken_over).collect::<io::Result<_>>().ok()?;
    Some(EncodedEntry { bytes, pins })
}

/// Does what was asked for, or has a green thread wait until that is possible.
fn request(
    stream: &Arc<UnixStream>,
    object: &Arc<Object>,
    who: u64,
    what: u8,
    mut bytes: Vec<u8>,
    unconfirmed: &Arc<Unconfirmed>,
    waiting: &mut Option<thread::JoinHandle<()>>,
) -> Option<Reply> {
    let reply = |kind| Some(Reply::from((kind, Vec::new())));
    let Some(timeout) = bytes.first_chunk().map(|nanos| u64::from_le_bytes(*nanos)) else {
        return reply(told::REFUSED);
    };
    let with = bytes.split_off(8);
    let with = match what {
        ask::PUT | ask::INSERT => entry(with),
        _ => Some(EncodedEntry { bytes: with, pins: Vec::new() }),
    };
    let Some(mut with) = with else { return reply(told::REFUSED) };
    if let Some(reply) = object.attempt(who, what, &mut with, unconfirmed) {
        return Some(reply);
    }
    if timeout == 0 {
        return reply(told::NOT_YET);
    }
    let endless = timeout == u64::MAX;
    let deadline = if endless { None } else { deadline_after(Duration::from_nanos(timeout)) };
    let (stream, object) = (Arc::clone(stream), Arc::clone(object));
    let unconfirmed = Arc::clone(unconfirmed);
    let wait = move || {
        let reply = object.wait(who, what, with, &unconfirmed, deadline);
        // If the connection has ended, its own green thread notices that.
        let _ = frame::send(&mut &*stream, reply.kind, &[&reply.bytes]);
    };
    match thread::Builder::new().daemon(true).spawn(wait) {
        Ok(handle) => {
            *waiting = Some(handle);
            None
        }
        Err(_) => reply(told::NOT_YET),
    }
}
