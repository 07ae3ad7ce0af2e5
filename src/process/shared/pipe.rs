//! A pipe between two processes, both ways.
#![forbid(unsafe_code)]

use super::Queue;
use super::object::{CONSUMER, PRODUCER};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::DeserializeOwned};
use std::fmt;
use std::io;
use std::time::Duration;

/// How many messages wait in one direction.
const CAPACITY: usize = 64;

/// One end of a pipe of messages that goes both ways, as Python's `multiprocessing.Pipe`: made by [`pipe`], and passed on to
/// another process. It sends messages of one type and receives those of another.
pub struct PipeEnd<S, R> {
    outgoing: Queue<S>,
    incoming: Queue<R>,
}

impl<S, R> Serialize for PipeEnd<S, R> {
    fn serialize<Z: Serializer>(&self, serializer: Z) -> Result<Z::Ok, Z::Error> {
        (&self.outgoing, &self.incoming).serialize(serializer)
    }
}

impl<'de, S, R> Deserialize<'de> for PipeEnd<S, R> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (outgoing, incoming) = Deserialize::deserialize(deserializer)?;
        Ok(Self { outgoing, incoming })
    }
}

impl<S, R> fmt::Debug for PipeEnd<S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PipeEnd").finish_non_exhaustive()
    }
}

/// Makes a pipe in this process. Suspends. Up to 64 messages wait in each direction.
///
/// # Errors
/// What the system said, such as too many open files.
///
/// # Examples
/// ```
/// use greenthread::process::shared::pipe;
///
/// let (here, there) = pipe::<String, u32>()?;
/// let other = greenthread::spawn(move || there.recv()?.map_or(Ok(()), |text| there.send(&(text.len() as u32))));
/// here.send(&"hello".to_string())?;
/// assert_eq!(here.recv()?, Some(5));
/// other.join().unwrap()?;
/// assert_eq!(here.recv()?, None, "the other end is gone");
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn pipe<S, R>() -> io::Result<(PipeEnd<S, R>, PipeEnd<R, S>)> {
    let outgoing = Queue::<S>::with_role(CAPACITY, PRODUCER)?;
    let incoming = Queue::<R>::with_role(CAPACITY, CONSUMER)?;
    let other = PipeEnd {
        outgoing: Queue::of(incoming.link().other_side(PRODUCER)?),
        incoming: Queue::of(outgoing.link().other_side(CONSUMER)?),
    };
    Ok((PipeEnd { outgoing, incoming }, other))
}

impl<S: Serialize, R> PipeEnd<S, R> {
    /// Sends a message, waiting while too many are on their way. Suspends.
    ///
    /// # Errors
    /// `BrokenPipe`: the other end is gone. As [`Queue::put`].
    pub fn send(&self, message: &S) -> io::Result<()> {
        self.outgoing.put(message)
    }
}

impl<S, R: DeserializeOwned> PipeEnd<S, R> {
    /// The next message, waiting for one; `None` if the other end is gone and everything has been received. Suspends.
    ///
    /// # Errors
    /// As [`Queue::get`].
    pub fn recv(&self) -> io::Result<Option<R>> {
        self.incoming.get()
    }

    /// Like [`recv`](Self::recv), for at most `timeout`. As Python's `poll` and `recv`.
    ///
    /// # Errors
    /// `TimedOut`. As [`Queue::get`].
    pub fn recv_timeout(&self, timeout: Duration) -> io::Result<Option<R>> {
        self.incoming.get_timeout(timeout)
    }
}
