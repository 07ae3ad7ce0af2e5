//! What a green thread runs.
#![forbid(unsafe_code)]

use std::convert::Infallible;

/// The error of a body that has ended without a value and without unwinding, and is to look as if it had been killed.
pub(crate) struct EndedAsKilled;

/// How one run of a body ended.
pub(crate) enum Ran<R, T> {
    Ended(Result<T, EndedAsKilled>),
    /// The body needs no stack until it is woken, and is to run again then: its task [rests](super::live).
    Rests(R),
}

/// What a green thread runs: a closure, or something that may end in another way or rest in between.
pub(crate) trait Body<T>: Sized {
    /// What the body leaves in the task while it rests.
    type Rest;

    fn run(self) -> Ran<Self::Rest, T>;

    /// Runs what the body has left.
    fn go_on(rest: Self::Rest) -> Ran<Self::Rest, T>;

    /// Prefetches the memory that [`go_on`](Self::go_on) touches.
    #[inline(always)]
    fn prefetch(_: &Self::Rest) {}
}

/// std's short backtraces end at a function of this name, even where it is inlined: the frames below it are not the
/// user's.
#[inline(always)]
fn __rust_begin_short_backtrace<T>(body: impl FnOnce() -> T) -> T {
    body()
}

impl<F: FnOnce() -> T, T> Body<T> for F {
    type Rest = Infallible;

    #[inline(always)]
    fn run(self) -> Ran<Infallible, T> {
        Ran::Ended(Ok(__rust_begin_short_backtrace(self)))
    }

    fn go_on(rest: Infallible) -> Ran<Infallible, T> {
        match rest {}
    }
}

/// A body that may end as if it had been killed.
pub(crate) struct MayEnd<F>(pub(crate) F);

impl<F: FnOnce() -> Result<T, EndedAsKilled>, T> Body<T> for MayEnd<F> {
    type Rest = Infallible;

    fn run(self) -> Ran<Infallible, T> {
        Ran::Ended(__rust_begin_short_backtrace(self.0))
    }

    fn go_on(rest: Infallible) -> Ran<Infallible, T> {
        match rest {}
    }
}
