//! Waiting for the first of a list of operations.
#![forbid(unsafe_code)]

use super::look::Look;
use super::promise::PromiseArm;
use super::side::To;
use super::{
    Arm, Order, Otherwise, ReadyTimeoutError, RecvArm, RecvFrom, SelectTimeoutError,
    SelectedOperation, TryReadyError, TrySelectError, wait,
};
use crate::sync::channel::CallId;
use crate::sync::mpmc::{Receiver, Sender};
use crate::sys::clock;
use std::fmt;
use std::time::{Duration, Instant};

/// What a [`Select`] chooses: an arm that receives or sends items of any type.
pub(super) trait Operation: Arm {
    /// Leaves what was received for the receiver, or the promise for the sender; `false` if there is nothing.
    fn hand_over(&mut self, call: CallId) -> bool;
    /// Whether it receives from the channel with that address.
    fn receives_from(&self, address: *const ()) -> bool {
        let _ = address;
        false
    }
    /// Whether it sends to the channel with that address.
    fn sends_to(&self, address: *const ()) -> bool {
        let _ = address;
        false
    }
}

/// A sender or receiver of any type.
trait End {
    /// Makes the arm that only waits until this end of the channel is ready.
    fn look(&self) -> Box<dyn Arm + '_>;
    /// Makes the arm that receives or sends.
    fn operation(&self) -> Box<dyn Operation + '_>;
}

impl<T> End for Receiver<T> {
    fn look(&self) -> Box<dyn Arm + '_> {
        Box::new(Look::new(self.use_a_receiver_of_greenthread_sync().from()))
    }

    fn operation(&self) -> Box<dyn Operation + '_> {
        Box::new(self.use_a_receiver_of_greenthread_sync())
    }
}

impl<T> End for Sender<T> {
    fn look(&self) -> Box<dyn Arm + '_> {
        Box::new(Look::new(To(&self.chan)))
    }

    fn operation(&self) -> Box<dyn Operation + '_> {
        Box::new(PromiseArm::new(&self.chan))
    }
}

impl<T> Operation for RecvArm<'_, T> {
    fn hand_over(&mut self, call: CallId) -> bool {
        RecvArm::hand_over(self, call)
    }

    fn receives_from(&self, address: *const ()) -> bool {
        self.address() == address
    }
}

impl<T> Operation for PromiseArm<'_, T> {
    fn hand_over(&mut self, call: CallId) -> bool {
        PromiseArm::hand_over(self, call)
    }

    fn sends_to(&self, address: *const ()) -> bool {
        self.address() == address
    }
}

/// Waits for the first of several channel operations whose number is known at run time only; where it is known before,
/// [`select!`](crate::select) is shorter. The names are crossbeam-channel's.
///
/// - [`select`](Self::select) and its variants choose the first operation that does not have to wait, and return it to be completed
///   by [`SelectedOperation::recv`] or [`SelectedOperation::send`].
/// - [`ready`](Self::ready) and its variants say which operation, of receivers and senders, would not wait, and leave it to the
///   caller to try it. Others may come first: then try again.
///
/// A chosen send has a place in the channel, and whoever receives from there waits until it is completed, so complete
/// it at once.
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
/// use greenthread::sync::mpmc::{self, Select};
///
/// let channels = [mpmc::bounded(1), mpmc::bounded(1)];
/// channels[0].0.send("first").unwrap();
/// let mut select = Select::new();
/// for (sender, _) in &channels {
///     select.send(sender);
/// }
/// let operation = select.select();
/// let index = operation.index();
/// operation.send(&channels[index].0, "second").unwrap();
/// assert_eq!(channels[1].1.recv(), Ok("second"));
/// ```
#[derive(Clone)]
pub struct Select<'a> {
    ends: Vec<(usize, &'a (dyn End + Send + Sync + 'a))>,
    /// The number of the operation that is added next.
    next: usize,
    order: Order,
}

impl<'a> Select<'a> {
    /// Makes a list without operations.
    #[must_use]
    pub fn new() -> Self {
        Self { ends: Vec::new(), next: 0, order: Order::Fair }
    }

    /// As [`new`](Self::new), but if several are ready, the one that was added first is chosen.
    ///
    /// # Examples
    /// Orders come before work:
    /// ```
    /// use greenthread::sync::mpmc::{Select, unbounded};
    ///
    /// let ((order, orders), (job, jobs)) = (unbounded(), unbounded());
    /// job.send("a job").unwrap();
    /// order.send("stop").unwrap();
    /// let mut select = Select::new_biased();
    /// select.recv(&orders);
    /// select.recv(&jobs);
    /// let chosen = select.select();
    /// assert_eq!(chosen.index(), 0);
    /// assert_eq!(chosen.recv(&orders), Ok("stop"));
    /// ```
    #[must_use]
    pub fn new_biased() -> Self {
        Self { order: Order::Biased, ..Self::new() }
    }

    fn add(&mut self, end: &'a (dyn End + Send + Sync + 'a)) -> usize {
        let index = self.next;
        self.next += 1;
        self.ends.push((index, end));
        index
    }

    /// Adds receiving from a channel. Returns the number of the operation; operations are counted from zero.
    ///
    /// # Examples
    /// ```
    /// use greenthread::sync::mpmc::{Select, unbounded};
    ///
    /// let (sender, receiver) = unbounded();
    /// sender.send("news").unwrap();
    /// let mut select = Select::new();
    /// let number = select.recv(&receiver);
    /// let chosen = select.select();
    /// assert_eq!(chosen.index(), number);
    /// assert_eq!(chosen.recv(&receiver), Ok("news"));
    /// ```
    pub fn recv<T: Send>(&mut self, receiver: &'a Receiver<T>) -> usize {
        self.add(receiver)
    }

    /// Adds sending to a channel. Returns the number of the operation.
    ///
    /// # Examples
    /// ```
    /// use greenthread::sync::mpmc::{Select, bounded};
    ///
    /// let ((full, _full), (free, receiver)) = (bounded::<&str>(0), bounded(1));
    /// let mut select = Select::new();
    /// select.send(&full);
    /// let number = select.send(&free);
    /// let chosen = select.select();
    /// assert_eq!(chosen.index(), number);
    /// chosen.send(&free, "goes where there is room").unwrap();
    /// assert_eq!(receiver.recv(), Ok("goes where there is room"));
    /// ```
    pub fn send<T: Send>(&mut self, sender: &'a Sender<T>) -> usize {
        self.add(sender)
    }

    /// Removes an operation; the others keep their numbers.
    ///
    /// # Panics
    /// If there is no operation with that number.
    ///
    /// # Examples
    /// Channels that have ended are waited for no more:
    /// ```
    /// use greenthread::sync::mpmc::{Select, unbounded};
    ///
    /// let channels = [unbounded(), unbounded()];
    /// channels[0].0.send(1).unwrap();
    /// channels[1].0.send(2).unwrap();
    /// let (senders, receivers): (Vec<_>, Vec<_>) = channels.into_iter().unzip();
    /// drop(senders);
    ///
    /// let mut select = Select::new();
    /// receivers.iter().for_each(|receiver| drop(select.recv(receiver)));
    /// let (mut open, mut sum) = (2, 0);
    /// while open > 0 {
    ///     let chosen = select.select();
    ///     let index = chosen.index();
    ///     match chosen.recv(&receivers[index]) {
    ///         Ok(item) => sum += item,
    ///         Err(_) => {
    ///             select.remove(index);
    ///             open -= 1;
    ///         }
    ///     }
    /// }
    /// assert_eq!(sum, 3);
    /// ```
    #[track_caller]
    pub fn remove(&mut self, index: usize) {
        let place = self.ends.iter().position(|(number, _)| *number == index);
        match place {
            // Not `swap_remove`: the order says which comes first.
            Some(place) => drop(self.ends.remove(place)),
            None => panic!("there is no operation {index}"),
        }
    }

    fn choose(&self, otherwise: Otherwise) -> Option<SelectedOperation<'a>> {
        let operation =
            |(index, end): &(usize, &'a (dyn End + Send + Sync + 'a))| (*index, end.operation());
        let mut operations: Vec<_> = self.ends.iter().map(operation).collect();
        let arms = operations.iter_mut().map(|(_, operation)| &mut **operation as &mut dyn Arm);
        let winner = wait(&mut arms.enumerate().collect::<Vec<_>>(), self.order, otherwise);
        if winner == operations.len() {
            return None;
        }
        let (index, operation) = operations.swap_remove(winner);
        Some(SelectedOperation::new(index, operation))
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

    /// Chooses one of the operations, if one is ready. Does not wait.
    ///
    /// # Errors
    /// [`TrySelectError`] if none is ready.
    ///
    /// # Examples
    /// See also [`select`](Self::select), which waits.
    /// ```
    /// use greenthread::sync::mpmc::{Select, unbounded};
    ///
    /// let (sender, receiver) = unbounded();
    /// let mut select = Select::new();
    /// select.recv(&receiver);
    /// assert!(select.try_select().is_err());
    /// sender.send(1).unwrap();
    /// assert_eq!(select.try_select()?.recv(&receiver), Ok(1));
    /// # Ok::<(), greenthread::sync::mpmc::TrySelectError>(())
    /// ```
    pub fn try_select(&mut self) -> Result<SelectedOperation<'a>, TrySelectError> {
        self.choose(Otherwise::Now).ok_or(TrySelectError)
    }

    /// Chooses one of the operations, waiting until one is ready. Suspends a green thread, blocks an OS thread.
    ///
    /// # Panics
    /// If there is nothing to wait for.
    #[track_caller]
    pub fn select(&mut self) -> SelectedOperation<'a> {
        self.expect_some();
        match self.choose(Otherwise::Wait) {
            Some(operation) => operation,
            None => unreachable!("it waits until there is one"),
        }
    }

    /// As [`select`](Self::select), for at most `timeout`.
    ///
    /// # Errors
    /// [`SelectTimeoutError`] if none was ready in that time.
    ///
    /// # Examples
    /// ```
    /// use greenthread::sync::mpmc::{Select, unbounded};
    /// use std::time::Duration;
    ///
    /// let (_sender, receiver) = unbounded::<u32>();
    /// let mut select = Select::new();
    /// select.recv(&receiver);
    /// assert!(select.select_timeout(Duration::from_millis(1)).is_err());
    /// ```
    pub fn select_timeout(
        &mut self,
        timeout: Duration,
    ) -> Result<SelectedOperation<'a>, SelectTimeoutError> {
        self.choose(Otherwise::After(timeout)).ok_or(SelectTimeoutError)
    }

    /// As [`select_timeout`](Self::select_timeout), up to a point in time.
    ///
    /// # Errors
    /// [`SelectTimeoutError`] if none was ready until then.
    pub fn select_deadline(
        &mut self,
        deadline: Instant,
    ) -> Result<SelectedOperation<'a>, SelectTimeoutError> {
        self.select_timeout(deadline.saturating_duration_since(clock::now()))
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
    ///
    /// # Examples
    /// See also [`try_ready`](Self::try_ready), which does not wait.
    /// ```
    /// use greenthread::sync::mpmc::{Select, unbounded};
    ///
    /// let ((_quiet, first), (sender, second)) = (unbounded(), unbounded());
    /// let receivers = [first, second];
    /// let mut select = Select::new();
    /// receivers.iter().for_each(|receiver| drop(select.recv(receiver)));
    /// assert!(select.try_ready().is_err());
    /// greenthread::spawn(move || sender.send("news"));
    /// let news = loop {
    ///     // Nothing has been received yet: others may come first.
    ///     if let Ok(news) = receivers[select.ready()].try_recv() {
    ///         break news;
    ///     }
    /// };
    /// assert_eq!(news, "news");
    /// ```
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
    ///
    /// # Examples
    /// ```
    /// use greenthread::sync::mpmc::{Select, unbounded};
    /// use std::time::Duration;
    ///
    /// let (sender, receiver) = unbounded();
    /// let mut select = Select::new();
    /// select.recv(&receiver);
    /// assert!(select.ready_timeout(Duration::from_millis(1)).is_err());
    /// sender.send(1).unwrap();
    /// assert_eq!(select.ready_timeout(Duration::from_secs(60)), Ok(0));
    /// ```
    pub fn ready_timeout(&mut self, timeout: Duration) -> Result<usize, ReadyTimeoutError> {
        self.look(Otherwise::After(timeout)).ok_or(ReadyTimeoutError)
    }

    /// As [`ready`](Self::ready), up to a point in time.
    ///
    /// # Errors
    /// [`ReadyTimeoutError`] if none was ready by then.
    pub fn ready_deadline(&mut self, deadline: Instant) -> Result<usize, ReadyTimeoutError> {
        self.ready_timeout(deadline.saturating_duration_since(clock::now()))
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
