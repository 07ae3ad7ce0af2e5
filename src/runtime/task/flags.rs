//! The bits of a header's `flags`.

#![forbid(unsafe_code)]

/// The task is to end at its next suspension point.
pub(super) const KILLED: u32 = 1 << 0;
/// The result is in its place.
pub(super) const RESULT: u32 = 1 << 1;
/// The handle is gone: whoever produces the result drops it.
pub(super) const DETACHED: u32 = 1 << 2;
/// Somebody called `unpark` and the permit has not been used.
pub(super) const PERMIT: u32 = 1 << 3;
/// The owner is inside a [`timeout`](crate::timeout).
pub(super) const LIMITED: u32 = 1 << 4;
/// The owner is inside a [`shield`](crate::shield).
pub(super) const SHIELDED: u32 = 1 << 5;
/// There is a payload of a kill or of an expired timeout with which the owner was unwound. Set and cleared under the lock.
pub(super) const RAISED: u32 = 1 << 6;
/// The body panicked or could not run, and nobody has been told yet.
pub(super) const FAILED: u32 = 1 << 8;
/// The task was given up: its frames stay where they are for ever.
pub(super) const LEAKED: u32 = 1 << 9;
/// There are links to call before the result is published. Set and cleared under the lock.
pub(super) const LINKED: u32 = 1 << 10;
/// A scope reports its failure, rather than the hook for failures that nobody joins.
pub(super) const SCOPED: u32 = 1 << 11;
/// Another thread has let one of the owner's limits expire.
pub(super) const CUT_SHORT: u32 = 1 << 12;
/// It has inherited context values, or keeps values of its own.
pub(super) const VALUES: u32 = 1 << 13;
/// It has been made and not been scheduled yet. Set and cleared under the lock.
pub(super) const PAUSED: u32 = 1 << 14;
/// Nothing is left that a kill could end. Set under the lock.
pub(super) const OVER: u32 = 1 << 15;
/// The body has ended and its links are being called. A kill that came before was for the body. Set under the lock.
pub(super) const LINKING: u32 = 1 << 16;
/// Why a task that has ended has no value: it panicked, could not run, or was killed.
pub(super) const PANICKED: u32 = 1 << 17;
pub(super) const NOT_RUN: u32 = 1 << 18;
pub(super) const ENDED_BY_KILL: u32 = 1 << 19;

#[cfg(test)]
#[test]
fn each_flag_has_a_bit_of_its_own() {
    let all = [
        KILLED,
        RESULT,
        DETACHED,
        PERMIT,
        LIMITED,
        SHIELDED,
        RAISED,
        FAILED,
        LEAKED,
        CUT_SHORT,
        VALUES,
        LINKED,
        SCOPED,
        PAUSED,
        OVER,
        LINKING,
        PANICKED,
        NOT_RUN,
        ENDED_BY_KILL,
    ];
    assert_eq!(all.iter().sum::<u32>().count_ones() as usize, all.len());
}
