//! A pipe between two processes that goes both ways.
#![forbid(unsafe_code)]

use super::Queue;
use super::object::{CONSUMER, PRODUCER};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::DeserializeOwned};
use std::fmt;
use std::io;
use std::time::Duration;

/// How many messages may wait in one direction.
const CAPACITY: usize = 64;

/// One end of a pipe of messages that goes both ways, as Python's `multiprocessing.Pipe`: made by [`pipe`], and passed
/// on to another process. It sends messages of one type and receives those of another. Dropping it closes it.
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

/// Makes a pipe that lives in this process. Up to 64 messages may wait in each direction. Suspends.
///
/// # Errors
/// Too many open files (`EMFILE` or `ENFILE`), or no room for the OS thread that serves shared objects.
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
#[doc(alias = "multiprocessing")]
#[doc(alias = "Pipe")]
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
    /// Sends a message. Suspends, while 64 messages wait for the other end too.
    ///
    /// # Errors
    /// [`BrokenPipe`](io::ErrorKind::BrokenPipe) if the other end is gone; else as [`Queue::put`].
    ///
    /// # Examples
    /// Both ends send and receive; what goes one way may be of another type than what goes the other:
    /// ```
    /// use greenthread::process::shared::pipe;
    ///
    /// let (client, server) = pipe::<String, usize>()?;
    /// client.send(&"how long is this?".to_string())?;
    /// let question = server.recv()?.unwrap();
    /// server.send(&question.len())?;
    /// assert_eq!(client.recv()?, Some(17));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn send(&self, message: &S) -> io::Result<()> {
        self.outgoing.put(message)
    }
}

impl<S, R: DeserializeOwned> PipeEnd<S, R> {
    /// Receives the next message; `None` if the other end is gone and everything has been received. Suspends until
    /// there is one.
    ///
    /// # Errors
    /// As [`Queue::get`].
    pub fn recv(&self) -> io::Result<Option<R>> {
        self.incoming.get()
    }

    /// Like [`recv`](Self::recv), for at most `timeout`. Python has `poll` and `recv` for it.
    ///
    /// # Errors
    /// [`TimedOut`](io::ErrorKind::TimedOut) if no message came; else as [`Queue::get`].
    ///
    /// # Examples
    /// ```
    /// use greenthread::process::shared::pipe;
    /// use std::{io::ErrorKind, time::Duration};
    ///
    /// let (here, there) = pipe::<u32, u32>()?;
    /// let error = there.recv_timeout(Duration::from_millis(1)).unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::TimedOut);
    /// here.send(&1)?;
    /// assert_eq!(there.recv_timeout(Duration::from_secs(60))?, Some(1));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn recv_timeout(&self, timeout: Duration) -> io::Result<Option<R>> {
        self.incoming.get_timeout(timeout)
    }
}
