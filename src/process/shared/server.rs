//! The OS thread that has this process's objects, and serves each connection to one of them by a green thread.
#![forbid(unsafe_code)]

use super::object::{CONSUMER, Object, PRODUCER, Reply, Side, Unconfirmed, ask, told};
use crate::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use crate::process::frame;
use crate::runtime::Runtime;
use crate::runtime::outside;
use crate::sys::process::PerProcess;
use crate::sys::secret::secret;
use crate::sys::time::deadline_after;
use crate::thread;
use crate::util::lock::Mutex;
use std::collections::HashMap;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::sync::{Arc, Weak};
use std::time::Duration;

/// What a client has to know to reach a server.
#[derive(Clone, Debug)]
pub(super) struct Address {
    pub(super) name: String,
    pub(super) secret: [u8; 16],
}

/// What is kept for a handle that is on its way to another process: the object, and the side of a pipe.
type Pin = (Arc<Object>, Option<Arc<Side>>);

#[derive(Debug, Default)]
struct Table {
    last: u64,
    objects: HashMap<u64, Weak<Object>>,
    pins: HashMap<u64, Pin>,
}

impl Table {
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
    std::thread::Builder::new().name("gt-shared".into()).spawn(move || {
        // It ends with the process.
        let _ = runtime.run(move || accept(&listener, secret));
    })?;
    outside::count_thread();
    Ok(Arc::clone(own.insert(Arc::new(address))))
}

fn accept(listener: &UnixListener, secret: [u8; 16]) {
    let table = Arc::new(Mutex::new(Table::default()));
    loop {
        match listener.accept() {
            Ok((stream, _)) => {
                let table = Arc::clone(&table);
                let one = move || serve(Arc::new(stream), secret, &table);
                // If there is no stack for one more, the client sees its connection end.
                drop(thread::Builder::new().daemon(true).spawn(one));
            }
            // Perhaps too many open files: clients wait until there are fewer.
            Err(_) => thread::sleep(Duration::from_millis(10)),
        }
    }
}

/// What a client says first: the secret, whether it makes an object or uses one, which, and on which side.
pub(super) type Hello = ([u8; 16], bool, u64, u64, u8);

/// Finds or makes the object, and keeps it while the connection lasts. `None` if the client does not know the secret,
/// or the object is not there.
fn greet(stream: &UnixStream, secret: [u8; 16], table: &Mutex<Table>) -> Option<(u64, Pin)> {
    let Ok(Some((ask::HELLO, hello))) = frame::receive(&mut &*stream) else { return None };
    let (theirs, makes, id, number, role) = postcard::from_bytes::<Hello>(&hello).ok()?;
    if theirs != secret {
        return None;
    }
    let mut table = table.lock();
    if makes {
        let object = Object::new(id as u8, number)?;
        let side = matches!(role, PRODUCER | CONSUMER).then(|| object.side(role, true)).flatten();
        return Some((table.add(&object), (object, side)));
    }
    // What was kept for the handle while it was on its way is dropped below, once the connection has it.
    let pin = table.pins.remove(&number);
    let object = table.objects.get(&id)?.upgrade()?;
    // The maker of a pipe opens its other side, and is the first one there.
    let first = number == 0;
    let side = match role {
        PRODUCER | CONSUMER => Some(object.side(role, first)?),
        _ => None,
    };
    drop(table);
    drop(pin);
    Some((id, (object, side)))
}

/// The life of one connection.
fn serve(stream: Arc<UnixStream>, secret: [u8; 16], table: &Mutex<Table>) {
    let Some((id, (object, side))) = greet(&stream, secret, table) else {
        let _ = frame::send(&mut &*stream, told::REFUSED, &[]);
        return;
    };
    if frame::send(&mut &*stream, told::DONE, &[&id.to_le_bytes()]).is_err() {
        return;
    }
    let who = table.lock().next();
    let unconfirmed = Arc::new(Unconfirmed::default());
    let mut waiting: Option<thread::JoinHandle<()>> = None;
    while let Ok(Some((what, bytes))) = frame::receive(&mut &*stream) {
        let reply = match what {
            ask::CONFIRM => {
                unconfirmed.lock().take();
                continue;
            }
            ask::PIN => {
                let mut table = table.lock();
                let pin = table.next();
                table.pins.insert(pin, (Arc::clone(&object), side.clone()));
                Some((told::DONE, pin.to_le_bytes().to_vec()))
            }
            _ => {
                waiting = None;
                request(&stream, &object, who, what, bytes, &unconfirmed, &mut waiting)
            }
        };
        if let Some((kind, bytes)) = reply
            && frame::send(&mut &*stream, kind, &[&bytes]).is_err()
        {
            break;
        }
    }
    // The client has gone: it waits no longer.
    if let Some(waiting) = waiting {
        waiting.kill();
        let _ = waiting.join();
    }
    let given = unconfirmed.lock().take();
    object.leave(who, given);
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
    let Some(timeout) = bytes.first_chunk().map(|nanos| u64::from_le_bytes(*nanos)) else {
        return Some((told::REFUSED, Vec::new()));
    };
    let mut with = bytes.split_off(8);
    if let Some(reply) = object.attempt(who, what, &mut with, unconfirmed) {
        return Some(reply);
    }
    if timeout == 0 {
        return Some((told::NOT_YET, Vec::new()));
    }
    let endless = timeout == u64::MAX;
    let deadline = if endless { None } else { deadline_after(Duration::from_nanos(timeout)) };
    let (stream, object) = (Arc::clone(stream), Arc::clone(object));
    let unconfirmed = Arc::clone(unconfirmed);
    let wait = move || {
        let (kind, bytes) = object.wait(who, what, with, &unconfirmed, deadline);
        // If the connection has ended, its own green thread sees that.
        let _ = frame::send(&mut &*stream, kind, &[&bytes]);
    };
    match thread::Builder::new().daemon(true).spawn(wait) {
        Ok(handle) => {
            *waiting = Some(handle);
            None
        }
        Err(_) => Some((told::NOT_YET, Vec::new())),
    }
}
