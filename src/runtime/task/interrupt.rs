//! What ends a wait, or a task, before its time: kills and timeouts, and the shields against both.

#![forbid(unsafe_code)]

use super::flags::{CUT_SHORT, KILLED, LIMITED, LINKING, OVER, SHIELDED};
use super::task_ref::TaskRef;
use crate::sys::clock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// How many tasks have been killed and have not ended, plus how many timeouts are open. While it is zero, a thread that
/// yields or waits need not check whether it is to be interrupted.
pub(super) static INTERRUPTIONS: AtomicUsize = AtomicUsize::new(0);

/// Whether any task has been killed and not ended, or is inside a timeout.
#[inline(always)]
pub(crate) fn any_interruption() -> bool {
    cfg!(panic = "unwind") && INTERRUPTIONS.load(Ordering::SeqCst) != 0
}

/// A timeout that a thread has opened, or a block that other threads may end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limit {
    /// `None` for a block, until somebody calls [`TaskRef::expire_limit`].
    pub(crate) deadline: Option<Instant>,
    /// A number that no other limit has, so that an inner timeout does not take an outer one's expiry for its own.
    pub(crate) id: u64,
    /// How many unwinds were under way around the block when it began: it may be unwound while there are as many.
    /// `None` if that was not known; then it is never unwound.
    pub(crate) unwinds: Option<usize>,
    /// Whether its frame is suspended, so that waits of the owner are not inside it; see [`TaskRef::set_aside`].
    pub(super) is_aside: bool,
}

impl Limit {
    pub(crate) fn new(deadline: Option<Instant>, id: u64, unwinds: Option<usize>) -> Self {
        Self { deadline, id, unwinds, is_aside: false }
    }

    fn is_open(&self, unwinds: Option<usize>) -> bool {
        self.unwinds == unwinds && !self.is_aside
    }
}

/// The limits and shields that were open in a frame that is suspended.
#[derive(Debug)]
pub(crate) struct SetAside {
    limits: Vec<u64>,
    shields: u32,
}

/// What may end a wait before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Interruption {
    None,
    /// A timeout around the wait, which expires at that time.
    At(Instant),
    /// A kill.
    Killed,
    /// A timeout that has expired, or a block that others have ended, by its id.
    Expired(u64),
}

impl Interruption {
    pub(crate) fn is_due(self) -> bool {
        matches!(self, Self::Killed | Self::Expired(_))
    }
}

impl TaskRef {
    /// Makes the task end at its next suspension point, or at once if it is suspended at one. If the body has ended,
    /// its links go on.
    pub(crate) fn kill(&self) {
        self.kill_unless(OVER | LINKING);
    }

    /// Like [`kill`](Self::kill), but ends links too. It is for the end of a runtime.
    pub(crate) fn end(&self) {
        self.kill_unless(OVER);
    }

    fn kill_unless(&self, immune: u32) {
        let header = self.header();
        let sleeps = {
            // Under the lock, so that a task is counted only before `complete`, and so that the kill does not end a
            // wait that begins after `forget_kill`.
            let completion = header.completion.lock();
            if !header.end.heed() || header.flags.load(Ordering::Relaxed) & immune != 0 {
                return;
            }
            if header.flags.fetch_or(KILLED, Ordering::SeqCst) & KILLED == 0 {
                INTERRUPTIONS.fetch_add(1, Ordering::SeqCst);
            }
            // A wait in a destructor that an unwind runs is ended only by a timeout or group that began inside of that
            // destructor, not by a kill.
            completion.more.as_ref().is_none_or(|more| more.unwinds == 0) && header.park.interrupt()
        };
        if sleeps {
            self.make_runnable();
        }
        if self.is_paused()
            && let Some(paused) = self.take_paused()
        {
            paused.schedule();
        }
    }

    /// Whether the task is to end.
    pub(crate) fn is_killed(&self) -> bool {
        self.header().flags.load(Ordering::SeqCst) & KILLED != 0
    }

    /// Called when the body has ended, for which the kill was: what comes now is not killed.
    pub(super) fn forget_kill(&self) {
        let _completion = self.header().completion.lock();
        self.forget_kill_locked();
    }

    /// Like [`forget_kill`](Self::forget_kill), and later kills have no effect, as nothing is left for them to end.
    pub(crate) fn refuse_kills(&self) {
        let _completion = self.header().completion.lock();
        self.header().flags.fetch_or(OVER, Ordering::Relaxed);
        self.forget_kill_locked();
    }

    /// Runs `f`, which drops what the body would have dropped if it had run to its end. Kills have no effect meanwhile,
    /// as in the destructors of a body that unwinds. Afterwards they have an effect again, so that the end of a runtime
    /// can end the links. A kill that comes before the links are called finds no wait to end, and is
    /// [forgotten](Self::forget_kills_of_body).
    pub(super) fn without_kills(&self, f: impl FnOnce()) {
        self.refuse_kills();
        f();
        self.header().flags.fetch_and(!OVER, Ordering::Relaxed);
    }

    /// Like [`forget_kill`](Self::forget_kill), and later kills have no effect either, except the one by which the
    /// runtime ends.
    pub(super) fn forget_kills_of_body(&self) {
        let _completion = self.header().completion.lock();
        self.header().flags.fetch_or(LINKING, Ordering::Relaxed);
        self.forget_kill_locked();
    }

    fn forget_kill_locked(&self) {
        if self.header().flags.fetch_and(!KILLED, Ordering::SeqCst) & KILLED != 0 {
            INTERRUPTIONS.fetch_sub(1, Ordering::SeqCst);
        }
    }

    // --- what may end a wait ----------------------------------------------------------------------------------------

    /// What may end a wait that the owner begins now, while `unwinds` unwinds are under way around it. This alone
    /// decides whether an unwind may begin. It may if as many unwinds are under way as when the frame that will catch
    /// it began: a kill is caught at the root, where there were none; a timeout where it was opened.
    #[cold]
    pub(crate) fn interruption(&self, unwinds: Option<usize>) -> Interruption {
        if self.is_shielded() || cfg!(panic = "abort") {
            return Interruption::None;
        }
        if unwinds == Some(0) && self.is_killed() {
            return Interruption::Killed;
        }
        match self.nearest_limit(unwinds) {
            None => Interruption::None,
            Some((deadline, id)) if deadline <= clock::now() => Interruption::Expired(id),
            Some((deadline, _)) => Interruption::At(deadline),
        }
    }

    /// Whether anything may end a wait of the owner around which `unwinds` unwinds, at least one, are under way. Called
    /// by the owner only.
    #[cold]
    pub(crate) fn may_be_interrupted(&self, unwinds: usize) -> bool {
        let completion = self.header().completion.lock();
        let mut limits = completion.more.iter().flat_map(|more| &more.limits);
        limits.any(|limit| limit.is_open(Some(unwinds)))
    }

    /// Sets, for the duration of a wait, that only what began with so many unwinds under way may end it. Called by the
    /// owner only.
    #[cold]
    pub(crate) fn set_unwinds(&self, unwinds: usize) {
        self.header().more(&mut self.header().completion.lock()).unwinds = unwinds;
    }

    // --- timeouts and shields, called by the owner only -----------------------------------------------------------

    /// Opens a timeout.
    pub(crate) fn push_limit(&self, limit: Limit) {
        INTERRUPTIONS.fetch_add(1, Ordering::SeqCst);
        self.header().more(&mut self.header().completion.lock()).limits.push(limit);
        self.header().flags.fetch_or(LIMITED, Ordering::Relaxed);
    }

    /// Closes the timeout that was opened last.
    pub(crate) fn pop_limit(&self) {
        let mut completion = self.header().completion.lock();
        let limits = &mut self.header().more(&mut completion).limits;
        if limits.pop_if(|last| !last.is_aside).is_none()
            && let Some(last) = limits.iter().rposition(|limit| !limit.is_aside)
        {
            limits.remove(last);
        }
        if limits.iter().all(|limit| limit.is_aside) {
            self.header().flags.fetch_and(!(LIMITED | CUT_SHORT), Ordering::Relaxed);
        }
        INTERRUPTIONS.fetch_sub(1, Ordering::SeqCst);
    }

    /// Sets aside what is open until it is [put back](Self::put_back). The frame that has opened it is suspended, and
    /// meanwhile other code waits as the same owner. This happens with switch hooks, in each of which the OS thread is
    /// the owner of waits.
    pub(crate) fn set_aside(&self) -> Option<SetAside> {
        let flags = &self.header().flags;
        if flags.load(Ordering::Relaxed) & (LIMITED | SHIELDED) == 0 {
            return None;
        }
        let mut completion = self.header().completion.lock();
        let more = self.header().more(&mut completion);
        let open = more.limits.iter_mut().filter(|limit| !limit.is_aside);
        let limits = open.map(|limit| {
            limit.is_aside = true;
            limit.id
        });
        let aside =
            SetAside { limits: limits.collect(), shields: std::mem::take(&mut more.shields) };
        flags.fetch_and(!(LIMITED | CUT_SHORT | SHIELDED), Ordering::SeqCst);
        Some(aside)
    }

    /// Opens again what was set aside. By now what others have opened since is closed, or set aside itself.
    pub(crate) fn put_back(&self, aside: Option<SetAside>) {
        let Some(aside) = aside else { return };
        let mut completion = self.header().completion.lock();
        let more = self.header().more(&mut completion);
        let back = more.limits.iter_mut().filter(|limit| aside.limits.contains(&limit.id));
        back.for_each(|limit| limit.is_aside = false);
        more.shields = aside.shields;
        let limited = if aside.limits.is_empty() { 0 } else { LIMITED | CUT_SHORT };
        let shielded = if aside.shields == 0 { 0 } else { SHIELDED };
        self.header().flags.fetch_or(limited | shielded, Ordering::SeqCst);
    }

    /// Lets the limit expire now, if it is open: the owner's present wait, or its next one, unwinds out of it. May be
    /// called from any thread.
    pub(crate) fn expire_limit(&self, id: u64) {
        let header = self.header();
        let sleeps = {
            let mut completion = header.completion.lock();
            let Some(more) = completion.more.as_mut() else { return };
            let Some(limit) = more.limits.iter_mut().find(|limit| limit.id == id) else { return };
            let now = clock::now();
            limit.deadline = Some(limit.deadline.map_or(now, |deadline| deadline.min(now)));
            header.flags.fetch_or(CUT_SHORT, Ordering::SeqCst);
            limit.is_open(Some(more.unwinds)) && header.park.interrupt()
        };
        if sleeps {
            self.make_runnable();
        }
    }

    /// Whether another thread has killed the task, or has let a limit expire that is or was lately open, so that this
    /// ends a wait around which so many unwinds are under way.
    pub(crate) fn is_interrupted(&self, unwinds: Option<usize>) -> bool {
        let flags = self.header().flags.load(Ordering::SeqCst);
        flags & (KILLED | CUT_SHORT) != 0 && self.interruption(unwinds).is_due()
    }

    /// The limit that expires first, as its time and its id. Only open limits count that began with so many unwinds
    /// under way; of equal ones, the outermost.
    fn nearest_limit(&self, unwinds: Option<usize>) -> Option<(Instant, u64)> {
        let flags = self.header().flags.load(Ordering::Relaxed);
        if flags & LIMITED == 0 || flags & SHIELDED != 0 {
            return None;
        }
        let completion = self.header().completion.lock();
        unwinds?;
        let limits = completion.more.as_ref()?.limits.iter();
        let limits = limits.filter(|limit| limit.is_open(unwinds));
        limits.filter_map(|limit| Some((limit.deadline?, limit.id))).min_by_key(|limit| limit.0)
    }

    pub(crate) fn enter_shield(&self) {
        self.header().more(&mut self.header().completion.lock()).shields += 1;
        self.header().flags.fetch_or(SHIELDED, Ordering::SeqCst);
    }

    pub(crate) fn leave_shield(&self) {
        let mut completion = self.header().completion.lock();
        let shields = &mut self.header().more(&mut completion).shields;
        *shields -= 1;
        if *shields == 0 {
            self.header().flags.fetch_and(!SHIELDED, Ordering::SeqCst);
        }
    }

    pub(crate) fn is_shielded(&self) -> bool {
        self.header().flags.load(Ordering::Relaxed) & SHIELDED != 0
    }
}
