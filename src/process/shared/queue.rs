//! A queue that processes share.
#![forbid(unsafe_code)]

use super::connection::{ask, encode, told};
use super::link::{HowLong, Link, handle};
use super::object;
use super::pins::UnderWay;
use crate::thread::shield;
use serde::{Serialize, de::DeserializeOwned};
use std::io;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

/// A bounded queue that many processes share, as Python's `multiprocessing.Queue`. See [`shared`](super).
///
/// Each item is received once, by whoever asks first. If a process dies before it has received an item, the item goes
/// to the next one who asks. Unlike Python's there is no buffer on the way: when `put` returns, the item is in the
/// queue.
///
/// # Examples
/// ```
/// use greenthread::process::shared::Queue;
/// use std::io::ErrorKind;
///
/// let queue = Queue::new(1)?;
/// queue.put(&"item".to_string())?;
/// assert_eq!(queue.try_put(&"too much".to_string()).unwrap_err().kind(), ErrorKind::WouldBlock);
/// assert_eq!(queue.get()?, Some("item".to_string()));
/// queue.close()?;
/// assert_eq!(queue.get()?, None);
/// # Ok::<(), std::io::Error>(())
/// ```
#[doc(alias = "multiprocessing")]
pub struct Queue<T> {
    link: Arc<Link>,
    of: PhantomData<fn(T)>,
}

handle!(Queue<T>);

/// The items of a [`Queue`], until it is closed and empty: made by [`Queue::iter`]. Ends after any error too, as when
/// the process that made the queue has ended.
#[derive(Debug)]
pub struct Iter<'a, T>(&'a Queue<T>);

impl<T> Queue<T> {
    /// Makes a queue that lives in this process, with room for `capacity` items. Suspends.
    ///
    /// # Errors
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) if `capacity` is 0; too many open files (`EMFILE` or `ENFILE`), or
    /// no room for the OS thread that serves shared objects.
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

    /// Closes the queue: the items in it can still be received, and no more can be put. Suspends.
    ///
    /// # Errors
    /// [`ConnectionAborted`](io::ErrorKind::ConnectionAborted) if the process that made the queue has ended; too many
    /// open files.
    pub fn close(&self) -> io::Result<()> {
        self.link.ask_now(ask::CLOSE, &[]).map(drop)
    }

    /// How many items are in the queue. Suspends.
    ///
    /// # Errors
    /// As [`close`](Self::close).
    #[doc(alias = "qsize")]
    pub fn len(&self) -> io::Result<usize> {
        let bytes = self.link.ask_now(ask::LENGTH, &[])?;
        Ok(bytes.first_chunk().map_or(0, |length| u64::from_le_bytes(*length)) as usize)
    }

    /// Whether no item is in the queue. Suspends.
    ///
    /// # Errors
    /// As [`close`](Self::close).
    pub fn is_empty(&self) -> io::Result<bool> {
        self.len().map(|length| length == 0)
    }
}

impl<T: Serialize> Queue<T> {
    /// Puts an item. Suspends, while the queue is full too. After a kill or a timeout the item may have been put, or
    /// not.
    ///
    /// # Errors
    /// [`BrokenPipe`](io::ErrorKind::BrokenPipe) if the queue is closed, [`InvalidInput`](io::ErrorKind::InvalidInput)
    /// if the item cannot be encoded; else as [`close`](Self::close).
    ///
    /// # Examples
    /// ```
    /// use greenthread::process::shared::Queue;
    /// use std::io::ErrorKind;
    ///
    /// let queue = Queue::new(10)?;
    /// queue.put(&1)?;
    /// queue.close()?;
    /// assert_eq!(queue.put(&2).unwrap_err().kind(), ErrorKind::BrokenPipe);
    /// assert_eq!(queue.get()?, Some(1));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn put(&self, item: &T) -> io::Result<()> {
        self.put_within(item, HowLong::Endless)
    }

    /// Puts an item if there is room for it. Suspends only for the answer.
    ///
    /// # Errors
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) if the queue is full; else as [`put`](Self::put).
    #[doc(alias = "put_nowait")]
    pub fn try_put(&self, item: &T) -> io::Result<()> {
        self.put_within(item, HowLong::None)
    }

    /// Like [`put`](Self::put), for at most `timeout`.
    ///
    /// # Errors
    /// [`TimedOut`](io::ErrorKind::TimedOut) if the queue stayed full; else as [`put`](Self::put).
    pub fn put_timeout(&self, item: &T, timeout: Duration) -> io::Result<()> {
        self.put_within(item, HowLong::Until(timeout))
    }

    fn put_within(&self, item: &T, patience: HowLong) -> io::Result<()> {
        let (bytes, handles) = UnderWay::noted(|| encode(item));
        match self.link.put_in(ask::PUT, patience, &[&bytes?], &handles)?.done() {
            told::CLOSED => Err(io::Error::new(io::ErrorKind::BrokenPipe, "the queue is closed")),
            told::NOT_YET => Err(not_yet(patience)),
            _ => Ok(()),
        }
    }
}

fn not_yet(patience: HowLong) -> io::Error {
    match patience {
        HowLong::None => io::ErrorKind::WouldBlock.into(),
        _ => io::ErrorKind::TimedOut.into(),
    }
}

impl<T: DeserializeOwned> Queue<T> {
    /// Receives the next item; `None` if the queue is closed and empty. Suspends until there is one. A kill or a
    /// timeout takes no item away: if it ends the call half way, the item is put back before anybody is told that the
    /// queue has ended.
    ///
    /// # Errors
    /// [`InvalidData`](io::ErrorKind::InvalidData) if the item cannot be decoded, which is lost then; else as
    /// [`close`](Self::close).
    ///
    /// # Examples
    /// A worker that takes what there is until the end, wherever it runs:
    /// ```
    /// use greenthread::process::shared::Queue;
    ///
    /// let jobs = Queue::<u32>::new(10)?;
    /// let own = jobs.clone();
    /// let worker = greenthread::spawn(move || -> std::io::Result<u32> {
    ///     let mut sum = 0;
    ///     while let Some(job) = own.get()? {
    ///         sum += job;
    ///     }
    ///     Ok(sum)
    /// });
    /// for job in 1..=4 {
    ///     jobs.put(&job)?;
    /// }
    /// jobs.close()?;
    /// assert_eq!(worker.join().unwrap()?, 10);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn get(&self) -> io::Result<Option<T>> {
        self.get_within(HowLong::Endless)
    }

    /// Receives the next item, if there is one. Suspends only for the answer.
    ///
    /// # Errors
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) if the queue is empty; also if it is closed and somebody else has not confirmed yet to
    /// have received the last item, which comes back if that one dies. Else as [`get`](Self::get).
    #[doc(alias = "get_nowait")]
    pub fn try_get(&self) -> io::Result<Option<T>> {
        self.get_within(HowLong::None)
    }

    /// Like [`get`](Self::get), for at most `timeout`.
    ///
    /// # Errors
    /// [`TimedOut`](io::ErrorKind::TimedOut) if the queue stayed empty; else as [`get`](Self::get).
    ///
    /// # Examples
    /// ```
    /// use greenthread::process::shared::Queue;
    /// use std::{io::ErrorKind, time::Duration};
    ///
    /// let queue = Queue::<u32>::new(1)?;
    /// let error = queue.get_timeout(Duration::from_millis(1)).unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::TimedOut);
    /// queue.put_timeout(&7, Duration::from_secs(10))?;
    /// assert_eq!((queue.len()?, queue.try_get()?), (1, Some(7)));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn get_timeout(&self, timeout: Duration) -> io::Result<Option<T>> {
        self.get_within(HowLong::Until(timeout))
    }

    fn get_within(&self, patience: HowLong) -> io::Result<Option<T>> {
        let answer = self.link.ask(ask::GET, patience, &[])?;
        match answer.kind {
            told::CLOSED | told::NOT_YET => match answer.done() {
                told::CLOSED => Ok(None),
                _ => Err(not_yet(patience)),
            },
            // It is shielded, as decoding a handle waits, and the queue does not have the item any more.
            _ => shield(|| answer.decode()).map(Some),
        }
    }

    /// An iterator that receives items until the queue is closed and empty. Each item suspends as [`get`](Self::get)
    /// does.
    ///
    /// # Examples
    /// ```
    /// use greenthread::process::shared::Queue;
    ///
    /// let queue = Queue::new(10)?;
    /// for name in ["ann", "bob"] {
    ///     queue.put(&name.to_string())?;
    /// }
    /// queue.close()?;
    /// assert_eq!(queue.iter().collect::<Vec<_>>(), ["ann", "bob"]);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
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
