//! What servers of every kind have around the [core](super::core): the sources until they are started, the address, and
//! settings.
#![forbid(unsafe_code)]

use super::acceptor::ItemSource;
use super::core::{ServerCore, ServerSettings};
use super::stats::Stats;
use crate::net::{SocketAddr, ToSocketAddrs};
use crate::util::dropping::Held;
use crate::util::lock::Mutex;
use std::fmt;
use std::io;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

/// A server that begins to end when it is dropped. `A` is the type of its address.
pub(super) struct ServerFrame<S: ItemSource, A> {
    core: Arc<ServerCore<S::Item>>,
    address: Held<io::Result<A>>,
    /// The sources, until the server is started.
    sources: Mutex<Vec<Held<S>>>,
}

impl<S: ItemSource, A: Clone + fmt::Debug> ServerFrame<S, A> {
    pub(super) fn new(
        settings: ServerSettings,
        sources: Vec<Held<S>>,
        address: io::Result<A>,
        handler: impl Fn(S::Item) + Send + Sync + 'static,
    ) -> Self {
        let core = ServerCore::new(settings, sources.len(), handler);
        Self { core, address: Held::new(address), sources: Mutex::new(sources) }
    }

    pub(super) fn local_addr(&self) -> io::Result<A> {
        match &*self.address {
            Ok(address) => Ok(address.clone()),
            Err(error) => Err(match error.raw_os_error() {
                Some(errno) => io::Error::from_raw_os_error(errno),
                None => error.kind().into(),
            }),
        }
    }

    pub(super) fn start(&self) -> io::Result<()> {
        let sources = mem::take(&mut *self.sources.lock());
        self.core.start(sources)
    }

    pub(super) fn serve_forever(&self) -> io::Result<()> {
        self.start()?;
        self.core.wait()
    }

    pub(super) fn stop(&self, grace: Duration) -> usize {
        drop(mem::take(&mut *self.sources.lock()));
        self.core.stop(grace)
    }

    pub(super) fn stats(&self) -> Stats {
        self.core.stats()
    }

    pub(super) fn fmt(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(name)
            .field("address", &self.address)
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

impl<S: ItemSource, A> Drop for ServerFrame<S, A> {
    fn drop(&mut self) {
        self.core.close();
    }
}

/// Binds `count` sockets to one address: the first of `addresses` that works. `bind` is told whether others share it.
pub(super) fn bind<S>(
    addresses: impl ToSocketAddrs,
    count: usize,
    bind: impl Fn(SocketAddr, bool) -> io::Result<S>,
    local_addr: impl Fn(&S) -> io::Result<SocketAddr>,
) -> io::Result<Vec<S>> {
    let mut failure = io::Error::new(io::ErrorKind::InvalidInput, "no address to listen on");
    let addresses = Held::new(addresses);
    let mut found = Held::new(addresses.to_socket_addrs()?);
    for address in &mut *found {
        let sockets = bind(address, count > 1).and_then(|first| {
            // With port 0 the system has chosen a port for the first one, which the others share.
            let address = local_addr(&first)?;
            let others = (1..count).map(|_| bind(address, true));
            std::iter::once(Ok(first)).chain(others).collect()
        });
        match sockets {
            Ok(sockets) => {
                // They are dropped here and not on the way out: if a destructor panicked there, the compiler would
                // forget the sockets.
                drop((found, addresses));
                return Ok(sockets);
            }
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

/// Methods of a builder that has a field `settings`. The kind of server documents its own limit.
macro_rules! common_settings {
    ($(#[$limit:meta])*) => {
        /// Without this, or with zero, there is no limit.
        $(#[$limit])*
        pub fn max_handlers(mut self, limit: usize) -> Self {
            self.settings.max_handlers = Some(limit).filter(|&limit| limit > 0);
            self
        }

        /// The stack size of each handler's green thread in bytes, see
        /// [`Builder::stack_size`](crate::Builder::stack_size).
        pub fn stack_size(mut self, bytes: usize) -> Self {
            self.settings.stack_size = Some(bytes);
            self
        }

        /// How the green threads of what [`bind`](Self::bind) or [`build`](Self::build) makes are named in panic
        /// messages: "NAME handler" and "NAME acceptor". A name costs some memory for each handler; unless set they have
        /// none.
        pub fn name(mut self, name: impl Into<String>) -> Self {
            self.settings.name = Some(name.into());
            self
        }
    };
}

pub(super) use common_settings;
