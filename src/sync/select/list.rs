//! Waiting for the first of a list of operations.
#![forbid(unsafe_code)]

use super::look::Look;
use super::side::To;
use super::{
    Arm, Order, Otherwise, ReadyTimeoutError, RecvArm, RecvFrom, SelectTimeoutError,
    SelectedOperation, TryReadyError, TrySelectError, wait,
};
use crate::sync::mpmc::{Receiver, Sender};
use std::fmt;
use std::time::{Duration, Instant};

/// An arm that receives, of whatever type.
pub(super) trait Receive: Arm {
    /// Puts what was received where the receiver finds it; `false` if nothing was received, as the channel has ended.
    fn hand_over(&mut self) -> bool;
    /// Whether it receives from the channel with that address.
    fn is_from(&self, address: *const ()) -> bool;
}

/// A sender or receiver of any type.
trait End {
    /// The arm that waits until the end of the channel is ready.
    fn look(&self) -> Box<dyn Arm + '_>;
    /// The arm that receives.
    fn receive(&self) -> Option<Box<dyn Receive + '_>>;
}

impl<T> End for Receiver<T> {
    fn look(&self) -> Box<dyn Arm + '_> {
        Box::new(Look::new(self.use_a_receiver_of_greenthread_sync().from))
    }

    fn receive(&self) -> Option<Box<dyn Receive + '_>> {
        Some(Box::new(self.use_a_receiver_of_greenthread_sync()))
    }
}

impl<T> End for Sender<T> {
    fn look(&self) -> Box<dyn Arm + '_> {
        Box::new(Look::new(To(&self.chan)))
    }

    fn receive(&self) -> Option<Box<dyn Receive + '_>> {
        None
    }
}

impl<T> Receive for RecvArm<'_, T> {
    fn hand_over(&mut self) -> bool {
        RecvArm::hand_over(self)
    }

    fn is_from(&self, address: *const ()) -> bool {
        self.address() == address
    }
}

/// Waits for the first of several channel operations whose number is known at run time only; where it is known before,
/// [`select!`](crate::select) is shorter. The names are crossbeam-channel's.
///
/// - [`select`](Self::select) and its variants receive from the first channel that has an item, or has no sender any more. They
///   are for receivers.
/// - [`ready`](Self::ready) and its variants say which operation, of receivers and senders, would not wait, and leave it to the
///   caller to try it. Another thread may come first: then try again.
///
/// Unlike crossbeam's, `select` does not choose among senders: it would have to keep a place in the channel for a message
/// that it does not have yet. Use `ready` and then [`try_send`](Sender::try_send), or [`select!`](crate::select), whose arms
/// bring their items along.
///
/// If several operations are ready, each is as likely to be chosen as the others. An error says that there was a moment at which
/// none of them was ready.
///
/// # Examples
/// ```
/// use greenthread::sync::mpmc::{self, Select};
///
/// let channels: Vec<_> = (0..5).map(|_| mpmc::unbounded()).collect();
/// let last = channels[4].0.clone();
/// greenthread::spawn(move || last.send("news").unwrap());
///
/// let mut select = Select::new();
/// for (_, receiver) in &channels {
///     select.recv(receiver);
/// }
/// let operation = select.select();
/// let index = operation.index();
/// assert_eq!((index, operation.recv(&channels[index].1)), (4, Ok("news")));
/// ```
///
/// Sending to whichever channel has room:
/// ```
/// use greenthread::sync::mpmc::{self, Select, TrySendError};
///
/// let channels = [mpmc::bounded(1), mpmc::bounded(1)];
/// channels[0].0.send(0).unwrap();
/// let mut select = Select::new();
/// for (sender, _) in &channels {
///     select.send(sender);
/// }
/// let mut item = 1;
/// loop {
///     match channels[select.ready()].0.try_send(item) {
///         Err(TrySendError::Full(back)) => item = back,
///         done => break done.unwrap(),
///     }
/// }
/// assert_eq!(channels[1].1.recv(), Ok(1));
/// ```
#[derive(Clone)]
pub struct Select<'a> {
    ends: Vec<(usize, &'a (dyn End + 'a))>,
    /// The number of the next that is added.
    next: usize,
    order: Order,
}

impl<'a> Select<'a> {
    /// Makes a list without operations.
    pub fn new() -> Self {
        Self { ends: Vec::new(), next: 0, order: Order::Fair }
    }

    /// As [`new`](Self::new), but if several are ready, the one that was added first is chosen.
    pub fn new_biased() -> Self {
        Self { order: Order::Biased, ..Self::new() }
    }

    fn add(&mut self, end: &'a (dyn End + 'a)) -> usize {
        let index = self.next;
        self.next += 1;
        self.ends.push((index, end));
        index
    }

    /// Adds receiving from a channel. Returns the number of the operation; operations are counted from zero.
    pub fn recv<T>(&mut self, receiver: &'a Receiver<T>) -> usize {
        self.add(receiver)
    }

    /// Adds sending to a channel, for [`ready`](Self::ready) and its variants. Returns the number of the operation.
    pub fn send<T>(&mut self, sender: &'a Sender<T>) -> usize {
        self.add(sender)
    }

    /// Takes an operation out; the others keep their numbers.
    ///
    /// # Panics
    /// If there is no operation with that number.
    #[track_caller]
    pub fn remove(&mut self, index: usize) {
        let place = self.ends.iter().position(|(number, _)| *number == index);
        match place {
            // Not `swap_remove`: the order says which comes first.
            Some(place) => drop(self.ends.remove(place)),
            None => panic!("there is no operation {index}"),
        }
    }

    #[track_caller]
    fn receive(&self, otherwise: Otherwise) -> Option<SelectedOperation<'a>> {
        let receive = |(index, end): &(usize, &'a (dyn End + 'a))| {
            let Some(receive) = end.receive() else {
                panic!("`select` is for receivers; for senders use `ready`, then `try_send`")
            };
            (*index, receive)
        };
        let mut receives: Vec<_> = self.ends.iter().map(receive).collect();
        let arms = receives.iter_mut().map(|(_, receive)| &mut **receive as &mut dyn Arm);
        let winner = wait(&mut arms.enumerate().collect::<Vec<_>>(), self.order, otherwise);
        if winner == receives.len() {
            return None;
        }
        let (index, receive) = receives.swap_remove(winner);
        Some(SelectedOperation::new(index, receive))
    }

    fn look(&self, otherwise: Otherwise) -> Option<usize> {
        let mut looks: Vec<_> = self.ends.iter().map(|(_, end)| end.look()).collect();
        let arms = looks.iter_mut().map(|look| &mut **look as &mut dyn Arm);
        let winner = wait(&mut arms.enumerate().collect::<Vec<_>>(), self.order, otherwise);
        self.ends.get(winner).map(|(index, _)| *index)
    }

    #[track_caller]
    fn expect_some(&self) {
        assert!(!self.ends.is_empty(), "no operations have been added to `Select`");
    }

    /// Receives from one of the receivers, if one is ready. Does not wait.
    ///
    /// # Errors
    /// [`TrySelectError`] if none is ready.
    ///
    /// # Panics
    /// If there is a sender among them.
    #[track_caller]
    pub fn try_select(&mut self) -> Result<SelectedOperation<'a>, TrySelectError> {
        self.receive(Otherwise::Now).ok_or(TrySelectError)
    }

    /// Receives from one of the receivers, and waits until one is ready. Suspends a green thread, blocks an OS thread.
    ///
    /// # Panics
    /// If there is nothing to wait for, or if there is a sender among them.
    #[track_caller]
    pub fn select(&mut self) -> SelectedOperation<'a> {
        self.expect_some();
        match self.receive(Otherwise::Wait) {
            Some(operation) => operation,
            None => unreachable!("it waits until there is one"),
        }
    }

    /// As [`select`](Self::select), for at most `timeout`.
    ///
    /// # Errors
    /// [`SelectTimeoutError`] if none was ready in that time.
    ///
    /// # Panics
    /// If there is a sender among them.
    #[track_caller]
    pub fn select_timeout(
        &mut self,
        timeout: Duration,
    ) -> Result<SelectedOperation<'a>, SelectTimeoutError> {
        self.receive(Otherwise::After(timeout)).ok_or(SelectTimeoutError)
    }

    /// As [`select`](Self::select), up to a point in time.
    ///
    /// # Errors
    /// [`SelectTimeoutError`] if none was ready by then.
    ///
    /// # Panics
    /// If there is a sender among them.
    #[track_caller]
    pub fn select_deadline(
        &mut self,
        deadline: Instant,
    ) -> Result<SelectedOperation<'a>, SelectTimeoutError> {
        self.select_timeout(deadline.saturating_duration_since(Instant::now()))
    }

    /// The number of an operation that would not wait. Does not wait.
    ///
    /// # Errors
    /// [`TryReadyError`] if there is none.
    pub fn try_ready(&mut self) -> Result<usize, TryReadyError> {
        self.look(Otherwise::Now).ok_or(TryReadyError)
    }

    /// Waits until one of the operations would not wait, and returns its number. Another thread may do it first: then trying it
    /// fails. Suspends a green thread, blocks an OS thread.
    ///
    /// # Panics
    /// If there is nothing to wait for.
    #[track_caller]
    pub fn ready(&mut self) -> usize {
        self.expect_some();
        match self.look(Otherwise::Wait) {
            Some(index) => index,
            None => unreachable!("it waits until there is one"),
        }
    }

    /// As [`ready`](Self::ready), for at most `timeout`.
    ///
    /// # Errors
    /// [`ReadyTimeoutError`] if none was ready in that time.
    pub fn ready_timeout(&mut self, timeout: Duration) -> Result<usize, ReadyTimeoutError> {
        self.look(Otherwise::After(timeout)).ok_or(ReadyTimeoutError)
    }

    /// As [`ready`](Self::ready), up to a point in time.
    ///
    /// # Errors
    /// [`ReadyTimeoutError`] if none was ready by then.
    pub fn ready_deadline(&mut self, deadline: Instant) -> Result<usize, ReadyTimeoutError> {
        self.ready_timeout(deadline.saturating_duration_since(Instant::now()))
    }
}

impl Default for Select<'_> {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Select<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let numbers = self.ends.iter().map(|(index, _)| index);
        f.debug_list().entries(numbers).finish()
    }
}
