//! The twin with the feature `watchdog`: each resume notes the task that runs.

use super::super::header::Header;
use super::super::started::Started;
use crate::sys::look;
use std::ops::Range;
use std::ptr;
use std::sync::atomic::{AtomicI32, AtomicPtr, AtomicU64, Ordering};

/// So many bytes below a control block certainly belong to its stack, as the smallest stack is larger.
const NEAR_TOP: usize = 28 * 1024;

/// Written by the hub's thread; read by the watchdog's thread, and by the handler of its signal on the hub's thread.
#[derive(Debug, Default)]
pub(crate) struct Watched {
    /// The task that runs. It is alive while it is here, as it is removed before its reference is given up.
    running: AtomicPtr<Header>,
    /// How many times a task was resumed.
    count: AtomicU64,
    thread: AtomicI32,
}

impl Watched {
    /// Notes that the hub runs on the calling OS thread.
    pub(crate) fn set_thread(&self) {
        self.thread.store(look::this_thread(), Ordering::Relaxed);
    }

    pub(crate) fn thread(&self) -> i32 {
        self.thread.load(Ordering::Relaxed)
    }

    #[inline]
    pub(crate) fn begin(&self, started: Started) {
        self.count.store(self.count.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        self.running.store(started.header().as_ptr(), Ordering::Relaxed);
        // SAFETY: a started task is alive.
        unsafe { started.header().as_ref() }.history.resumed();
    }

    #[inline]
    pub(crate) fn end(&self) {
        self.running.store(ptr::null_mut(), Ordering::Relaxed);
    }

    /// The number of the present resume, if a task runs.
    pub(crate) fn now(&self) -> Option<u64> {
        let count = self.count.load(Ordering::Relaxed);
        (!self.running.load(Ordering::Relaxed).is_null()).then_some(count)
    }

    /// Names the task that runs, for [`look::at`](crate::sys::look::at). The subject is the `Watched` of the thread on
    /// which this is called, in signal context.
    pub(crate) fn describe(
        subject: *const (),
        name: &mut dyn FnMut(&[u8]),
    ) -> Option<Range<usize>> {
        // SAFETY: the asker passes a `Watched` that is never freed.
        let watched = unsafe { &*subject.cast::<Self>() };
        let running = watched.running.load(Ordering::Relaxed);
        // SAFETY: alive, see the field; the hub's thread is interrupted and cannot end it.
        let header = unsafe { running.as_ref() }?;
        header.write_name(name);
        // Only the address is used: the stack may just have been given back.
        let top = header.control_address();
        Some(top - NEAR_TOP..top)
    }
}
