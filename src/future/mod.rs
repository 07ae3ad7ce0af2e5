//! Waiting for futures in straight-line code, and green threads for code that is `async`.
//!
//! A green thread is a good place to wait for a future: it has a stack, so neither it nor its callers need be `async`, and while it
//! waits the other green threads of its worker run. A plain OS thread may wait for futures here too, and is blocked meanwhile.
//!
//! ```
//! use greenthread::future::FutureExt as _;
//!
//! async fn answer() -> u32 {
//!     42
//! }
//!
//! assert_eq!(answer().wait(), 42);
//! ```
//!
//! # I have ... I want ...
//!
//! | I have | I want | there is |
//! |---|---|---|
//! | a future | its output, here | [`future.wait()`](FutureExt::wait), [`block_on`] |
//! | a future | its output within a time | [`wait_timeout`](FutureExt::wait_timeout), or any wait inside a [`timeout`](crate::timeout()) |
//! | a future | the first of it, channels and events | the arm `future(f) -> output` of [`select!`](crate::select) |
//! | several futures, handles, blocking code | all of them at once | [`join!`](macro@join), [`try_join!`](macro@try_join) |
//! | a future | it to run beside me, without a stack while it is pending | [`future::spawn`](spawn()), [`spawn_local`] |
//! | a future of a crate that needs tokio | its output, here | the feature `tokio`, and the same `wait` |
//! | a stream | a `for` loop | [`iter`] |
//! | blocking code | a future, from `async` code | [`green`] |
//! | a [`JoinHandle`](crate::JoinHandle) | to await it | `handle.await` |
//! | a green thread that makes items | a stream | [`stream`], [`Receiver::stream`](crate::sync::mpmc::Receiver::stream) |
//! | a channel, queue, event, semaphore, mutex between both worlds | the `async` side of it | `recv_async`, `send_async`, `get_async`, `put_async`, `wait_async`, `acquire_async`, `lock_async` |
//! | one of our connections | an async protocol over it | [`AsyncIo`] with the features `futures-io`, `tokio-io` or `hyper` |
//! | hyper | a server or client without tokio | the feature `hyper` |
//!
//! If a crate has a blocking interface that takes any `Read + Write`, that is the shorter way. The ways of this module are for crates
//! that are `async` only, and for `async` programs in which a part is easier to write as straight-line code.
//!
//! # What may cut off a wait
//!
//! A kill or a timeout unwinds out of a wait and drops the future in place. `async` code calls that cancellation, and what becomes of
//! the work of the future depends on its cancel safety: a `recv` of a channel loses nothing, a `read_exact` may have read a part.
//! [`shield`](crate::shield) keeps both away. The futures of this library lose no item and no permit when they are dropped.
//!
//! # Executors of others
//!
//! If a future is woken for something that one of several may take (a mutex, an item of a channel or queue, room in
//! one), and is then neither polled nor dropped, since its thread is held up or its owner waits for something else, the
//! others still get it: after some 50 ms another one is asked to look, as long as the program has a
//! [`Runtime`](crate::Runtime). What is handed over to one (a permit of a semaphore, an item at a rendezvous) belongs
//! to that one.
//!
//! The futures of this library work in any executor, and what is woken by a reactor of its own, as smol's timers and sockets
//! are, works in any wait here. An executor's own `block_on` (of `futures`, smol, pollster, or a tokio runtime) is another
//! matter: it blocks the OS thread, so on a green thread the whole worker, and what it waits for must come from elsewhere.
//! `wait` is what to write instead.
//!
//! # tokio's context
//!
//! With the feature `tokio`, a tokio runtime starts when a future is first waited for, on threads of its own, and is the context of
//! every poll. So `tokio::time`, `tokio::net` and `tokio::spawn` work in futures that green threads wait for, and so do crates that
//! use them. The context is left whenever the green thread is suspended, so neighbours never see it; for the same reason, guards of
//! tokio (`Handle::enter`) must not be held during a wait. A value that needs the context when it is dropped, such as a connection
//! that sqlx's pool has given out, is dropped inside of `in_tokio`.
//!
//! A green thread may also run a `current_thread` runtime of its own. Its `block_on` blocks the worker; meanwhile no other green
//! thread of that worker can do the same, and no future in it may wait for something of this library by a blocking call, since tokio
//! keeps for each OS thread which runtime runs there.

// Invariant: a future is polled on the stack of whoever waits for it, or of the green thread on which it was spawned;
// while a poll runs or waits, no other task runs there.

mod arm;
mod async_io;
mod awaited;
mod block_on;
mod channel;
mod event;
mod ext;
#[cfg(feature = "futures-io")]
mod futures_io;
mod green;
#[cfg(feature = "hyper")]
mod hyper;
mod join;
mod mutex;
mod queue;
#[cfg(any(feature = "hyper", feature = "tokio-io"))]
mod scratch;
mod semaphore;
mod sleep;
mod spawn;
mod spawned;
mod stream;
mod together;
#[cfg(feature = "tokio")]
mod tokio;
#[cfg(feature = "tokio-io")]
mod tokio_io;

#[doc(inline)]
pub use crate::{__future_join as join, __future_try_join as try_join};
#[doc(hidden)]
pub use arm::{FutureArm, arm};
pub use async_io::AsyncIo;
pub use block_on::block_on;
pub use channel::{Receiving, Sending};
pub use event::Happening;
pub use ext::FutureExt;
pub use green::{Green, green};
#[cfg(feature = "hyper")]
pub use hyper::HyperRuntime;
pub use join::Joining;
pub use mutex::Locking;
pub use semaphore::Acquiring;
pub use sleep::{Sleeping, sleep, sleep_until};
pub use spawn::{spawn, spawn_local};
pub use stream::{GreenStream, IntoItems, Items, Iter, iter, stream};
#[doc(hidden)]
pub use together::{Together, TryTogether};
#[cfg(feature = "tokio")]
pub use tokio::{InUse, in_tokio, use_tokio};
