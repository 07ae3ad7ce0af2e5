//! Who holds up whose wait.
#![forbid(unsafe_code)]

use crate::runtime::task::{Holder, TaskRef};
use std::ops::Range;

/// What is known of a green thread's wait.
pub(crate) trait Waits {
    fn task(&self) -> &TaskRef;
    fn holder(&self) -> Option<&Holder>;
    /// The addresses of its stack; empty if it has none.
    fn stack(&self) -> &Range<usize>;
}

/// The green threads of which some may hold what others wait for.
pub(crate) struct Holders<'a, W>(Vec<&'a W>);

impl<'a, W: Waits> Holders<'a, W> {
    pub(crate) fn among(all: impl IntoIterator<Item = &'a W>) -> Self {
        let mut by_stack: Vec<&W> = all.into_iter().filter(|it| !it.stack().is_empty()).collect();
        by_stack.sort_by_key(|it| it.stack().start);
        Self(by_stack)
    }

    /// Who holds up the wait of `one`, if that is known: the task that it joins, or the one that has the lock's holder on its stack.
    pub(crate) fn of(&self, one: &'a W) -> Option<&'a TaskRef> {
        match one.holder()? {
            Holder::Task(task) => Some(task),
            Holder::Stack(address) => {
                let after = self.0.partition_point(|other| other.stack().start <= *address);
                let other = self.0.get(after.checked_sub(1)?)?;
                other.stack().contains(address).then(|| other.task())
            }
        }
    }
}
