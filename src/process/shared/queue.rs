//! A queue between processes.
#![forbid(unsafe_code)]

use super::link::{Link, Patience, decode, encode, handle};
use super::object::{self, ask, told};
use serde::{Serialize, de::DeserializeOwned};
use std::io;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

/// A bounded queue of many processes, as Python's `multiprocessing.Queue`: see [`shared`](super).
///
/// Each item is received once, by whoever asks first. A process that dies before it has received an item leaves that to the
/// next. Unlike Python's there is no buffer on the way: what `put` has put is in the queue.
pub struct Queue<T> {
    link: Arc<Link>,
    of: PhantomData<fn(T)>,
}

handle!(Queue<T>);

/// What a [`Queue`] or [`PipeEnd`](super::PipeEnd) gives until it is closed: made by [`Queue::iter`]. Ends also where the process
/// that has the queue has ended.
#[derive(Debug)]
pub struct Iter<'a, T>(&'a Queue<T>);

impl<T> Queue<T> {
    /// Makes one in this process, for so many items. Suspends.
    ///
    /// # Errors
    /// `InvalidInput` for no items at all; what the system said, such as too many open files.
    pub fn new(capacity: usize) -> io::Result<Self> {
        Self::with_role(capacity, 0)
    }

    pub(super) fn with_role(capacity: usize, role: u8) -> io::Result<Self> {
        if capacity == 0 {
            let text = "a queue between processes needs room for an item";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        Ok(Self::of(Link::make(object::QUEUE, capacity as u64, role)?))
    }

    fn of_shared(link: Arc<Link>) -> Self {
        Self { link, of: PhantomData }
    }

    pub(super) fn link(&self) -> &Link {
        &self.link
    }

    /// Closes it: what is in it can still be received, and nothing can be put.
    ///
    /// # Errors
    /// `ConnectionAborted`: the process that has it has ended.
    pub fn close(&self) -> io::Result<()> {
        self.link.ask_now(ask::CLOSE, &[]).map(drop)
    }

    /// How many items are in it.
    ///
    /// # Errors
    /// As [`close`](Self::close).
    pub fn len(&self) -> io::Result<usize> {
        let bytes = self.link.ask_now(ask::LENGTH, &[])?;
        Ok(bytes.first_chunk().map_or(0, |length| u64::from_le_bytes(*length)) as usize)
    }

    /// Whether nothing is in it.
    ///
    /// # Errors
    /// As [`close`](Self::close).
    pub fn is_empty(&self) -> io::Result<bool> {
        self.len().map(|length| length == 0)
    }
}

impl<T: Serialize> Queue<T> {
    /// Puts an item, waiting while the queue is full. Suspends. After a kill or a timeout the item may have been put, or not.
    ///
    /// # Errors
    /// `BrokenPipe`: it is closed. `InvalidInput`: the item cannot be encoded. As [`close`](Self::close).
    pub fn put(&self, item: &T) -> io::Result<()> {
        self.put_within(item, Patience::Endless)
    }

    /// Puts an item if there is room for it.
    ///
    /// # Errors
    /// `WouldBlock`: it is full. As [`put`](Self::put).
    pub fn try_put(&self, item: &T) -> io::Result<()> {
        self.put_within(item, Patience::None)
    }

    /// Like [`put`](Self::put), for at most `timeout`.
    ///
    /// # Errors
    /// `TimedOut`. As [`put`](Self::put).
    pub fn put_timeout(&self, item: &T, timeout: Duration) -> io::Result<()> {
        self.put_within(item, Patience::Until(timeout))
    }

    fn put_within(&self, item: &T, patience: Patience) -> io::Result<()> {
        match self.link.ask(ask::PUT, patience, &[&encode(item)?])?.0 {
            told::CLOSED => Err(io::Error::new(io::ErrorKind::BrokenPipe, "the queue is closed")),
            told::NOT_YET => Err(not_yet(patience)),
            _ => Ok(()),
        }
    }
}

fn not_yet(patience: Patience) -> io::Error {
    match patience {
        Patience::None => io::ErrorKind::WouldBlock.into(),
        _ => io::ErrorKind::TimedOut.into(),
    }
}

impl<T: DeserializeOwned> Queue<T> {
    /// The next item, waiting for one; `None` if the queue is closed and empty. Suspends. A kill or a timeout takes no item.
    ///
    /// # Errors
    /// `InvalidData`: the item cannot be decoded; it is gone. As [`close`](Self::close).
    pub fn get(&self) -> io::Result<Option<T>> {
        self.get_within(Patience::Endless)
    }

    /// The next item, if there is one.
    ///
    /// # Errors
    /// `WouldBlock`: it is empty. As [`get`](Self::get).
    pub fn try_get(&self) -> io::Result<Option<T>> {
        self.get_within(Patience::None)
    }

    /// Like [`get`](Self::get), for at most `timeout`.
    ///
    /// # Errors
    /// `TimedOut`. As [`get`](Self::get).
    pub fn get_timeout(&self, timeout: Duration) -> io::Result<Option<T>> {
        self.get_within(Patience::Until(timeout))
    }

    fn get_within(&self, patience: Patience) -> io::Result<Option<T>> {
        match self.link.ask(ask::GET, patience, &[])? {
            (told::CLOSED, _) => Ok(None),
            (told::NOT_YET, _) => Err(not_yet(patience)),
            (_, bytes) => decode(&bytes).map(Some),
        }
    }

    /// What is received until the queue is closed and empty.
    pub fn iter(&self) -> Iter<'_, T> {
        Iter(self)
    }
}

impl<T: DeserializeOwned> Iterator for Iter<'_, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.0.get().ok().flatten()
    }
}

impl<'a, T: DeserializeOwned> IntoIterator for &'a Queue<T> {
    type Item = T;
    type IntoIter = Iter<'a, T>;

    fn into_iter(self) -> Iter<'a, T> {
        self.iter()
    }
}
