//! Forced failures: a unit test can make any system call of this crate fail.
//!
//! Outside the crate's own unit tests [`check`] is a constant `Ok(())`. A plan belongs to the OS thread that sets it and
//! to the runtime workers that thread starts, so parallel tests do not see each other's faults.
#![forbid(unsafe_code)]

#[cfg(not(test))]
use std::io;

/// The system calls that can be made to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(dead_code, reason = "some are made by features only")]
pub(crate) enum Syscall {
    Mmap,
    Madvise,
    Mprotect,
    SigAltStack,
    SigAction,
    EpollCreate,
    EpollCtl,
    EpollWait,
    EventFd,
    ThreadSpawn,
    Poll,
    Socket,
    Bind,
    Listen,
    Accept,
    Connect,
    Recv,
    Send,
    Shutdown,
    SetSockOpt,
    GetSockOpt,
    /// Whether closing a socket waits, which is asked when a connection is closed.
    GetLinger,
    GetName,
    LookUp,
    Dup,
    Pipe,
    ReadCached,
    SendFile,
    SpliceIn,
    SpliceOut,
    Fcntl,
    Disk,
    /// A program that is to run as a child process.
    Start,
    /// A program that this process is to become.
    Exec,
    Kill,
    Wait,
    DieWithParent,
    /// What `/proc` tells of the process and the system.
    Proc,
    GetLimit,
    ClockOfThread,
    TimerSlack,
    Stat,
    ReadDir,
    Tee,
    EpollRemove,
    Discard,
    Munmap,
    /// The experiment, made once, whether guards without a mapping work.
    GuardProbe,
    PidFdOpen,
    UringSetup,
    UringEnter,
    Random,
    /// No system call: makes a wait take its time before it begins and after it has ended.
    Park,
    /// No system call: makes the search for std's count of panics find nothing.
    PanicCount,
    /// No system call: makes the search for the C library's list of thread-locals find nothing.
    LocalsList,
    /// No system call: makes the search on the stack for the function that destroys thread-locals find nothing.
    Destroyer,
}

#[cfg(not(test))]
#[derive(Clone, Debug, Default)]
pub(crate) struct Plan;

#[cfg(not(test))]
impl Plan {
    pub(crate) fn current() -> Self {
        Self
    }

    pub(crate) fn adopt(self) {}
}

/// Fails if a test planned that the next `call` on this thread fails.
#[cfg(not(test))]
#[inline(always)]
pub(crate) fn check(_call: Syscall) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
pub(crate) use enabled::{Plan, check, fail};

#[cfg(test)]
mod enabled {
    use super::Syscall;
    use std::cell::RefCell;
    use std::collections::HashMap;
    use std::io;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Copy, Debug)]
    struct Rule {
        skip: usize,
        times: usize,
        errno: i32,
    }

    /// The failures that are planned, shared by the thread that planned them and the workers it starts.
    #[derive(Clone, Debug, Default)]
    pub(crate) struct Plan(Arc<Mutex<HashMap<Syscall, Rule>>>);

    thread_local! {
        static PLAN: RefCell<Plan> = RefCell::new(Plan::default());
    }

    impl Plan {
        /// The plan of this thread, to be handed to a thread it starts.
        pub(crate) fn current() -> Self {
            PLAN.with(|plan| plan.borrow().clone())
        }

        /// Makes this the plan of the calling thread.
        pub(crate) fn adopt(self) {
            PLAN.with(|plan| *plan.borrow_mut() = self);
        }
    }

    /// After `skip` more successes, the next `times` calls of this kind fail with `errno`.
    pub(crate) fn fail(call: Syscall, skip: usize, times: usize, errno: i32) {
        Plan::current().0.lock().unwrap().insert(call, Rule { skip, times, errno });
    }

    pub(crate) fn check(call: Syscall) -> io::Result<()> {
        let Ok(plan) = PLAN.try_with(|plan| plan.borrow().clone()) else { return Ok(()) };
        let mut rules = plan.0.lock().unwrap();
        let Some(rule) = rules.get_mut(&call) else { return Ok(()) };
        if rule.skip > 0 {
            rule.skip -= 1;
            return Ok(());
        }
        if rule.times == 0 {
            return Ok(());
        }
        rule.times -= 1;
        Err(io::Error::from_raw_os_error(rule.errno))
    }
}
