//! Waiting for the first of several things.
//!
//! Each arm of [`select!`](crate::select) can be tried, and can be waited for. A `select!` tries its arms, each time in
//! another order. If none can be completed, it joins those who wait for each arm, with one and the same waiter, looks once
//! more, and sleeps. When it is woken, it leaves all of them and tries again. A notification that reached an arm that did not
//! win goes on to the next waiter there, so nothing is lost.
//!
//! Before it gives up, for a default arm or a deadline, it makes sure that there was one moment at which no arm was ready
//! (`none_was_ready`): attempts that fail one after the other do not prove that.
//!
//! A rendezvous (a channel with a capacity of zero) needs one thing more: whoever takes an item out of a waiting `select!`, or
//! puts one there, must complete it in the same step. The `Ticket` of the `select!` decides that.
//!
//! Invariant: when `wait` returns or unwinds, no arm is registered anywhere.

mod arm;
#[doc(hidden)]
pub mod arms;
mod condition;
mod error;
mod item;
mod list;
mod look;
mod macros;
mod promise;
mod recv;
mod room;
mod selected_operation;
mod send;
mod side;
mod waiting;

pub(crate) use item::Item;
pub(crate) use side::Side;
pub(crate) use waiting::Waiting;

pub use arm::{Arm, Order, Otherwise, Registration, wait};
pub use condition::{EventArm, JoinArm, event, join};
pub use error::{ReadyTimeoutError, SelectTimeoutError, TryReadyError, TrySelectError};
pub use list::Select;
pub use recv::{RecvArm, RecvFrom};
pub use selected_operation::SelectedOperation;
pub use send::{SendArm, SendTo};
