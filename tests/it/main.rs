//! What the library promises, tested from outside; the modules mirror those of `src`.
//!
//! Behaviour only, never timing: a wait is for an event and has a generous limit.

mod auto_traits;
mod blocking;
mod control;
mod errors;
mod executor;
mod forward;
mod fs;
mod future;
mod generator;
mod greenlet;
mod group;
mod held;
mod held_futures;
mod held_takers;
mod held_waits;
mod interruptions;
mod io;
mod local;
mod net;
mod net_mixed;
mod net_std;
mod net_stops;
mod net_together;
mod net_udp;
mod net_unix;
mod placement;
mod pool;
mod printed;
mod process;
mod queue;
mod runtime;
mod scheduling;
mod scope;
mod server;
mod shutdown;
mod stack;
mod std_api;
mod stress;
mod support;
mod sync;
mod thread;
mod time;
