//! What can be waited for together with others: the handles of green threads, of all three kinds.
//!
//! Invariant: nobody else implements these traits, so what they return is always a green thread of this library.
#![forbid(unsafe_code)]

use super::{JoinError, JoinHandle, LocalJoinHandle, ScopedJoinHandle, Thread};

mod sealed {
    pub trait Sealed {}
}

/// What [`wait`](super::wait()), [`as_completed`](super::as_completed) and [`kill_all`](super::kill_all) take: a handle of a green thread, or a reference to one. No other types can
/// implement it.
pub trait Handle: sealed::Sealed {
    /// The green thread.
    fn thread(&self) -> &Thread;
}

/// What [`join_all`](super::join_all) and [`try_join_all`](super::try_join_all) take: a handle itself, which is used up for the result. No other types can implement it.
pub trait Join: Handle + Sized {
    /// What the green thread returns.
    type Value;

    /// As [`JoinHandle::join`]. Suspends a green thread, blocks an OS thread.
    ///
    /// # Errors
    /// Those of [`JoinHandle::join`].
    fn join(self) -> Result<Self::Value, JoinError>;
}

macro_rules! handles {
    ($($handle:ident <$($life:lifetime,)? T>),*) => {$(
        impl<$($life,)? T> sealed::Sealed for $handle<$($life,)? T> {}

        impl<$($life,)? T> Handle for $handle<$($life,)? T> {
            fn thread(&self) -> &Thread {
                $handle::thread(self)
            }
        }

        impl<$($life,)? T> Join for $handle<$($life,)? T> {
            type Value = T;

            fn join(self) -> Result<T, JoinError> {
                $handle::join(self)
            }
        }
    )*};
}

handles!(JoinHandle<T>, LocalJoinHandle<T>, ScopedJoinHandle<'scope, T>);

impl<H: Handle> sealed::Sealed for &H {}

impl<H: Handle> Handle for &H {
    fn thread(&self) -> &Thread {
        H::thread(self)
    }
}
