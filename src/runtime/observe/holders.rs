//! Who has what others wait for.
#![forbid(unsafe_code)]

use crate::runtime::task::{HeldBy, Live, Started, TaskRef};
use std::ops::Range;

/// What is known of a green thread's wait.
#[derive(Debug)]
pub(crate) struct KnownWait {
    pub(crate) task: TaskRef,
    holder: Option<HeldBy>,
    /// The addresses of its stack and its guard. The range is empty if it has no stack, or these are not known.
    stack: Range<usize>,
}

impl KnownWait {
    /// Called by the hub of the green thread, which runs none at this moment.
    pub(super) fn of(live: Live) -> Self {
        let started = live.started();
        Self {
            task: live.task(),
            holder: started.and_then(Started::holder),
            stack: started.map_or(0..0, Started::stack_range),
        }
    }

    /// Whether it waits for what some thread holds. If that is [none of the green threads](Holders::of), it is an OS
    /// thread, a green thread of another runtime, or a coroutine.
    pub(super) fn is_held_elsewhere(&self) -> bool {
        matches!(self.holder, Some(HeldBy::Stack(address)) if address != 0)
    }

    /// The wait of a green thread of which its hub has said nothing.
    #[allow(dead_code, reason = "reports alone ask")]
    pub(super) fn unknown(task: TaskRef) -> Self {
        Self { task, holder: None, stack: 0..0 }
    }
}

/// Green threads of which some may hold what others wait for.
pub(crate) struct Holders<'a>(Vec<&'a KnownWait>);

impl<'a> Holders<'a> {
    pub(crate) fn among(all: impl IntoIterator<Item = &'a KnownWait>) -> Self {
        let mut by_stack: Vec<&KnownWait> =
            all.into_iter().filter(|it| !it.stack.is_empty()).collect();
        by_stack.sort_by_key(|it| it.stack.start);
        Self(by_stack)
    }

    /// Who has what `one` waits for, if that is known: the task that it joins, or the one on whose stack the lock's
    /// holder is.
    pub(crate) fn of(&self, one: &'a KnownWait) -> Option<&'a TaskRef> {
        match one.holder.as_ref()? {
            HeldBy::Task(task) => Some(task),
            HeldBy::Stack(address) => {
                let after = self.0.partition_point(|other| other.stack.start <= *address);
                let other = self.0.get(after.checked_sub(1)?)?;
                other.stack.contains(address).then_some(&other.task)
            }
        }
    }
}
