//! Calling a function for many items, several at once.
#![forbid(unsafe_code)]

use super::members::{FreePlace, Members};
use crate::runtime::finished::Finished;
use crate::thread::{Builder, JoinError, JoinHandle};
use crate::util::dropping::{Held, seen_in};
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::io;
use std::iter::Fuse;
use std::sync::Arc;

/// How many items are being processed at most in a group without a limit.
const MOST: usize = 1024;

/// Starts the items, as there is room.
struct Feed<F, I: Iterator> {
    members: Arc<Members>,
    function: Held<Arc<F>>,
    items: Held<Fuse<I>>,
    /// How many items may be in process, or done without anybody having asked for the result.
    most: usize,
    /// The item that has been read and not been started.
    next: Held<Option<I::Item>>,
}

impl<F, I, T> Feed<F, I>
where
    I: Iterator<Item: Send + 'static>,
    F: Fn(I::Item) -> T + Send + Sync + 'static,
    T: Send + 'static,
{
    fn new(
        members: &Arc<Members>,
        function: F,
        items: impl IntoIterator<IntoIter = I>,
        limit: Option<usize>,
    ) -> Self {
        let most = limit.unwrap_or(MOST);
        let function = Held::new(Arc::new(function));
        Self {
            members: Arc::clone(members),
            function,
            items: Held::new(items.into_iter().fuse()),
            most,
            next: Held::new(None),
        }
    }

    /// Starts the next item, if fewer than `most` are under way; `under_way` is their number. If there are none, this
    /// waits for a place in the pool; otherwise the item is kept until there is a place.
    fn begin(&mut self, under_way: usize) -> Option<io::Result<JoinHandle<T>>> {
        if under_way >= self.most {
            return None;
        }
        // The item is kept in `next` while this waits for a place, so that an interruption does not lose it.
        if self.next.is_none() {
            *self.next = self.items.next();
        }
        self.next.as_ref()?;
        let place = match under_way {
            0 => self.members.place(None),
            _ => self.members.try_place(),
        };
        match place {
            Ok(Some(place)) => {
                let item = self.next.take()?;
                Some(self.spawn(place, item))
            }
            Ok(None) => None,
            Err(error) => {
                *self.next = None;
                Some(Err(error))
            }
        }
    }

    fn spawn(&self, place: FreePlace, item: I::Item) -> io::Result<JoinHandle<T>> {
        // It may be the last to have the function, once the iterator is gone.
        let function = Held::new(Arc::clone(&self.function));
        place.spawn(Builder::new(), move || {
            seen_in(function.into_inner(), |function| function(item))
        })
    }
}

/// The results in the order of the items, as an iterator; made by [`Group::imap`](super::Group::imap) and
/// [`Pool::imap`](super::Pool::imap).
///
/// Items are read as there is room for them: in a pool, no more items than its size are under way or have results that
/// nobody has asked for; in a group, no more than 1024. `next` suspends until its result is there. Dropping this lets
/// those that have begun run on.
#[must_use = "items are read as results are asked for"]
pub struct IMap<F, I: Iterator, T> {
    feed: Feed<F, I>,
    handles: VecDeque<io::Result<JoinHandle<T>>>,
}

impl<F, I, T> IMap<F, I, T>
where
    I: Iterator<Item: Send + 'static>,
    F: Fn(I::Item) -> T + Send + Sync + 'static,
    T: Send + 'static,
{
    pub(super) fn new(
        members: &Arc<Members>,
        function: F,
        items: impl IntoIterator<IntoIter = I>,
        limit: Option<usize>,
    ) -> Self {
        Self { feed: Feed::new(members, function, items, limit), handles: VecDeque::new() }
    }

    /// Starts as many as there is room for, when `leaving` results are about to be given out.
    fn fill_beside(&mut self, leaving: usize) {
        while let Some(handle) = self.feed.begin(self.handles.len() - leaving) {
            self.handles.push_back(handle);
        }
    }
}

impl<F, I, T> Iterator for IMap<F, I, T>
where
    I: Iterator<Item: Send + 'static>,
    F: Fn(I::Item) -> T + Send + Sync + 'static,
    T: Send + 'static,
{
    type Item = Result<T, JoinError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.fill_beside(0);
        // The result stays where it is until it is given out, so an interruption of this wait, or of reading the next
        // item, does not lose it.
        wait(self.handles.front()?);
        if self.handles.len() > 1 {
            self.fill_beside(1);
        }
        self.handles.pop_front().map(join)
    }
}

fn wait<T>(handle: &io::Result<JoinHandle<T>>) {
    if let Ok(handle) = handle {
        handle.wait_until(None);
    }
}

/// Takes a result. It does not wait any more.
fn join<T>(handle: io::Result<JoinHandle<T>>) -> Result<T, JoinError> {
    handle.map_err(JoinError::not_run)?.join()
}

impl<F, I: Iterator, T> fmt::Debug for IMap<F, I, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IMap").field("under_way", &self.handles.len()).finish_non_exhaustive()
    }
}

/// The results in the order in which they come, as an iterator; made by
/// [`Group::imap_unordered`](super::Group::imap_unordered) and [`Pool::imap_unordered`](super::Pool::imap_unordered).
/// In all other respects as [`IMap`].
#[must_use = "items are read as results are asked for"]
pub struct IMapUnordered<F, I: Iterator, T> {
    feed: Feed<F, I>,
    handles: HashMap<usize, io::Result<JoinHandle<T>>>,
    begun: usize,
    finished: Arc<Finished>,
    /// The number of the next result to be given out.
    next: Option<usize>,
}

impl<F, I, T> IMapUnordered<F, I, T>
where
    I: Iterator<Item: Send + 'static>,
    F: Fn(I::Item) -> T + Send + Sync + 'static,
    T: Send + 'static,
{
    pub(super) fn new(
        members: &Arc<Members>,
        function: F,
        items: impl IntoIterator<IntoIter = I>,
        limit: Option<usize>,
    ) -> Self {
        let feed = Feed::new(members, function, items, limit);
        Self { feed, handles: HashMap::new(), begun: 0, finished: Arc::default(), next: None }
    }

    /// Starts as many as there is room for, when `leaving` results are about to be given out.
    fn fill_beside(&mut self, leaving: usize) {
        while let Some(handle) = self.feed.begin(self.handles.len() - leaving) {
            let number = self.begun;
            self.begun += 1;
            let open = match &handle {
                Ok(handle) => handle.thread().task().watch(&self.finished, number),
                Err(_) => false,
            };
            if !open {
                self.finished.push(number);
            }
            self.handles.insert(number, handle);
        }
    }
}

impl<F, I, T> Iterator for IMapUnordered<F, I, T>
where
    I: Iterator<Item: Send + 'static>,
    F: Fn(I::Item) -> T + Send + Sync + 'static,
    T: Send + 'static,
{
    type Item = Result<T, JoinError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.fill_beside(0);
        if self.handles.is_empty() {
            return None;
        }
        if self.next.is_none() {
            self.next = self.finished.next(None);
        }
        let number = self.next?;
        // The result stays where it is until it is given out, so an interruption of this wait, or of reading the next
        // item, does not lose it.
        wait(self.handles.get(&number)?);
        if self.handles.len() > 1 {
            self.fill_beside(1);
        }
        self.next = None;
        self.handles.remove(&number).map(join)
    }
}

impl<F, I: Iterator, T> fmt::Debug for IMapUnordered<F, I, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IMapUnordered")
            .field("under_way", &self.handles.len())
            .finish_non_exhaustive()
    }
}
