//! What a green thread runs.
#![forbid(unsafe_code)]

/// A body has ended without a value and without unwinding: it is to look as if it had been killed.
pub(crate) struct EndedAsKilled;

/// What a green thread runs: a closure, or something that may end in another way.
pub(crate) trait Body<T> {
    fn run(self) -> Result<T, EndedAsKilled>;
}

impl<F: FnOnce() -> T, T> Body<T> for F {
    #[inline(always)]
    fn run(self) -> Result<T, EndedAsKilled> {
        Ok(self())
    }
}

/// A body that may end as if it had been killed.
pub(crate) struct MayEnd<F>(pub(crate) F);

impl<F: FnOnce() -> Result<T, EndedAsKilled>, T> Body<T> for MayEnd<F> {
    fn run(self) -> Result<T, EndedAsKilled> {
        self.0()
    }
}
