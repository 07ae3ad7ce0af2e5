//! The ring of a bounded channel.
//!
//! A `Select` that has chosen to send and gives up leaves a hole: its promise stays in the ring, as nothing can be
//! taken out of the middle. Its room counts as free all the same. While there are holes, a sender that finds the ring
//! full puts its item behind the ring, and there is room for one item for each hole. The items behind the ring are
//! newer than all that are in it: they move in as soon as there is a place, and nobody who sends meanwhile overtakes
//! them. All of that is under a lock, which channels that never had a hole do not take.
//!
//! For a moment a receiver has taken a hole out and has not counted it yet. It then takes the next item too, so that
//! one item more may be let in.
//!
//! A sender that begins when an item is behind the ring sees that. So if one send has ended before another begins, its
//! item comes first. A sender that looked before the first hole was made, and puts its item in when a receiver has made
//! room, may overtake an item that is behind the ring by then. These two sends overlap, so nobody can know which was
//! the first; but as long as that lasts there is one item more than there is room for. To prevent it, each send would
//! have to announce that it begins, which would cost all channels more than it is worth.
#![forbid(unsafe_code)]

use super::parcel::{Parcel, Promise};
use crate::util::sync::{AtomicUsize, Mutex, Ordering, mutated};
use crossbeam_queue::ArrayQueue;
use std::collections::VecDeque;
use std::sync::Arc;

/// A bit of [`ItemRing::past`]: there are holes, or items behind the ring.
const IRREGULAR: usize = 1;
const CHANGE: usize = 2;

#[derive(Debug)]
pub(super) struct ItemRing<T> {
    queue: ArrayQueue<Parcel<T>>,
    /// Zero if there has never been a hole; changes with each hole that is made.
    past: AtomicUsize,
    behind: Mutex<BehindRing<T>>,
}

#[derive(Debug)]
struct BehindRing<T> {
    holes: usize,
    /// No more than `holes`, unless a receiver is about to take one of them.
    parcels: VecDeque<Parcel<T>>,
}

impl<T> BehindRing<T> {
    /// Moves parcels into the ring, as far as there are free places.
    fn move_into(&mut self, queue: &ArrayQueue<Parcel<T>>) {
        while let Some(parcel) = self.parcels.pop_front() {
            if let Err(parcel) = queue.push(parcel) {
                return self.parcels.push_front(parcel);
            }
        }
    }
}

impl<T> ItemRing<T> {
    pub(super) fn new(capacity: usize) -> Self {
        let behind = Mutex::new(BehindRing { holes: 0, parcels: VecDeque::new() });
        Self { queue: ArrayQueue::new(capacity), past: AtomicUsize::new(0), behind }
    }

    /// Changes what is behind the ring, and updates `past`.
    fn with<R>(&self, change: impl FnOnce(&mut BehindRing<T>) -> R) -> R {
        let mut behind = self.behind.lock();
        let done = change(&mut behind);
        if behind.holes == 0 && behind.parcels.is_empty() {
            self.past.fetch_and(!IRREGULAR, Ordering::SeqCst);
        } else {
            self.past.fetch_or(IRREGULAR, Ordering::SeqCst);
        }
        done
    }

    /// Puts a parcel in, unless there is no room.
    #[inline(always)]
    pub(super) fn push(&self, parcel: Parcel<T>) -> Result<(), Parcel<T>> {
        let past = self.past.load(Ordering::SeqCst);
        let looks = !mutated("a sender does not look behind the ring") || self.queue.is_full();
        if past & IRREGULAR != 0 && looks {
            return self.push_behind(parcel);
        }
        match self.queue.push(parcel) {
            // The ring was full, perhaps with a hole in it by then.
            Err(parcel) if self.past.load(Ordering::SeqCst) != past => self.push_behind(parcel),
            done => done,
        }
    }

    #[cold]
    #[inline(never)]
    fn push_behind(&self, parcel: Parcel<T>) -> Result<(), Parcel<T>> {
        self.with(|behind| {
            behind.move_into(&self.queue);
            let parcel = match behind.parcels.is_empty() {
                true => match self.queue.push(parcel) {
                    Ok(()) => return Ok(()),
                    Err(parcel) => parcel,
                },
                false => parcel,
            };
            // The ring is full of parcels, of which some are holes.
            if behind.parcels.len() < behind.holes && !mutated("a hole keeps its room") {
                behind.parcels.push_back(parcel);
                Ok(())
            } else {
                Err(parcel)
            }
        })
    }

    /// Takes the next parcel out. A caller that finds it to be a hole [closes](Self::close_hole) the hole.
    #[inline(always)]
    pub(super) fn pop(&self) -> Option<Parcel<T>> {
        // An empty `pop` costs a full fence; looking first does not.
        let next = if self.queue.is_empty() { None } else { self.queue.pop() };
        if next.is_none() && self.past.load(Ordering::SeqCst) != 0 {
            return self.pop_from_behind();
        }
        next
    }

    /// Looks under the lock, so that the ring and what is behind it are both seen empty at the same moment.
    #[cold]
    #[inline(never)]
    fn pop_from_behind(&self) -> Option<Parcel<T>> {
        self.with(|behind| {
            self.queue.pop().or_else(|| {
                behind.move_into(&self.queue);
                self.queue.pop()
            })
        })
    }

    /// To be called when a hole has been taken out.
    #[cold]
    pub(super) fn close_hole(&self) {
        self.with(|behind| {
            behind.holes -= 1;
            behind.move_into(&self.queue);
        });
    }

    /// Breaks a promise that was put in. Returns whether that has made room. If a receiver has already taken the
    /// promise out, the room was free before.
    pub(super) fn give_up(&self, promise: &Arc<Promise<T>>) -> bool {
        let (is_hole, waiter) = self.with(|behind| {
            if let Some(place) = behind.parcels.iter().position(|parcel| parcel.is_of(promise)) {
                behind.parcels.remove(place);
                return (true, None);
            }
            let waiter = promise.break_in_ring();
            if waiter.is_none() {
                self.past.fetch_add(CHANGE, Ordering::SeqCst);
                behind.holes += 1;
            }
            (waiter.is_none(), waiter)
        });
        if let Some(waiter) = waiter {
            waiter.unpark();
        }
        is_hole
    }

    /// How many items and promises there are.
    pub(super) fn len(&self) -> usize {
        let len = self.queue.len();
        if self.past.load(Ordering::SeqCst) == 0 { len } else { self.len_with_behind() }
    }

    #[cold]
    fn len_with_behind(&self) -> usize {
        self.with(|behind| (self.queue.len() + behind.parcels.len()).saturating_sub(behind.holes))
    }

    pub(super) fn is_empty(&self) -> bool {
        let is_empty = self.queue.is_empty();
        if self.past.load(Ordering::SeqCst) == 0 { is_empty } else { self.len() == 0 }
    }

    pub(super) fn is_full(&self) -> bool {
        let is_full = self.queue.is_full();
        if self.past.load(Ordering::SeqCst) == 0 { is_full } else { self.len() >= self.capacity() }
    }

    pub(super) fn capacity(&self) -> usize {
        self.queue.capacity()
    }
}

#[cfg(all(test, loom))]
mod models {
    use super::super::parcel::{Content, Parcel, Promise};
    use super::ItemRing;
    use loom::thread;
    use std::sync::Arc;

    fn open(ring: &ItemRing<u8>, parcel: Parcel<u8>) -> Option<u8> {
        match parcel.open() {
            Content::Item(item) => Some(item),
            Content::Nothing => None,
            Content::Hole => {
                ring.close_hole();
                None
            }
        }
    }

    /// Fills a ring of two places with a promise and item 0. The promise is broken, `senders` send, and somebody
    /// receives. Returns what has been sent and what has been received, each in its order.
    fn received(senders: &'static [&'static [u8]]) -> (Vec<u8>, Vec<u8>) {
        let ring = Arc::new(ItemRing::new(2));
        let mut promise = None;
        assert!(ring.push(Promise::parcel(&mut promise)).is_ok());
        assert!(ring.push(Parcel::Item(0)).is_ok());
        let with_ring = |run: Box<dyn FnOnce(&ItemRing<u8>) -> Vec<u8> + Send>| {
            let ring = Arc::clone(&ring);
            thread::spawn(move || run(&ring))
        };
        let gives_up = with_ring(Box::new(move |ring| {
            ring.give_up(&promise.unwrap());
            vec![0]
        }));
        let sends = senders.iter().map(|items| {
            with_ring(Box::new(|ring| {
                let sent = items.iter().take_while(|item| ring.push(Parcel::Item(**item)).is_ok());
                sent.copied().collect()
            }))
        });
        let sends: Vec<_> = sends.collect();
        let take = |_| {
            // A point at which loom lets other threads run, as it does not know of the queue.
            let _ = ring.len();
            open(&ring, ring.pop()?)
        };
        let mut got: Vec<u8> = (0..2).filter_map(take).collect();
        let mut sent = gives_up.join().unwrap();
        sends.into_iter().for_each(|sender| sent.extend(sender.join().unwrap()));
        while let Some(parcel) = ring.pop() {
            got.extend(open(&ring, parcel));
        }
        assert!(ring.is_empty() && ring.len() == 0);
        (sent, got)
    }

    /// One thread sends two items, the second only when the first is there.
    #[test]
    fn what_was_sent_first_comes_first_in_spite_of_holes() {
        loom::model(|| {
            let (sent, got) = received(&[&[1, 2]]);
            assert_eq!(sent, got);
        });
    }

    /// Two threads send at once: either item may be the first, and none is lost.
    #[test]
    fn what_is_sent_while_a_hole_is_made_is_all_received() {
        loom::model(|| {
            let (mut sent, mut got) = received(&[&[1], &[2]]);
            sent.sort_unstable();
            got.sort_unstable();
            assert_eq!((sent, got[0]), (got.clone(), 0));
        });
    }
}
