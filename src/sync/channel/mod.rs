//! What `mpsc` and `mpmc` have in common: a queue of items and two gates.
//!
//! | kind | items are in | who waits |
//! |---|---|---|
//! | bounded | a lock-free ring | receivers when it is empty, senders when it is full |
//! | unbounded | a lock-free list | receivers when it is empty |
//! | rendezvous | the senders' offers | receivers until a sender comes, senders until a receiver has taken the item |
//!
//! Large items are in boxes from the sender's call to the receiver's. Otherwise each function that they pass through
//! would have room for one or two of them on its stack.
//!
//! Rejected: a queue together with its waiters inside one lock. It could hand items over directly, but two locked
//! operations for each send and receive cost more than the ring's single one, and two workers get in each other's way.
//!
//! A `Select` that has chosen to send does not have its item yet. It leaves a promise in the ring, or with the receiver
//! that it met, and whoever takes the promise waits for the item. If the promise is broken, the receiver takes the next
//! item instead, and the promise's room is free (`ring.rs`).
//!
//! Invariant: an item is in exactly one place, be it the queue, an offer, a slot or a caller's hands, even when a wait
//! ends by a timeout or a kill.

mod chan;
mod core;
mod flavor;
mod hands;
mod parcel;
mod ring;
mod ticket;
mod timer;
mod zero;

use hands::Hands;

pub(super) use chan::{Chan, Owed, Rendezvous};
pub(super) use core::SendFailure;
pub(super) use hands::CallId;
pub(crate) use ticket::Ticket;
pub(super) use timer::TimedMessages;
pub(super) use zero::{Claim, ReceiverPlace};
