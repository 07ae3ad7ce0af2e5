//! A future as an arm of `select!`.
#![forbid(unsafe_code)]

use crate::runtime::ambient;
use crate::runtime::park::{self, Waiter};
use crate::sync::select::{Arm, Registration};
use crate::util::dropping::{Held, drop_each};
use crate::util::sync::{AtomicU64, Mutex, Ordering};
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

#[doc(hidden)]
#[macro_export]
macro_rules! __future_arm {
    ($future:expr) => {
        $crate::future::arm($future)
    };
}

/// The arm that waits for a future.
#[doc(hidden)]
pub fn arm<F: IntoFuture>(future: F) -> FutureArm<F::IntoFuture> {
    let bell = Arc::new(Bell { rung: AtomicU64::new(1), waiter: Mutex::new(None) });
    let waker = Waker::from(Arc::clone(&bell));
    let future = Some(Box::pin(future.into_future()));
    FutureArm { future, output: Held::new(None), bell, waker, before: 0, after: 0 }
}

/// What the future's waker rings, so that the arm is polled again.
struct Bell {
    /// How often it has been rung. It begins with one, as the first poll is due at once.
    rung: AtomicU64,
    waiter: Mutex<Option<Waiter>>,
}

impl Bell {
    fn rung(&self) -> u64 {
        self.rung.load(Ordering::SeqCst)
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.rung.fetch_add(1, Ordering::SeqCst);
        let waiter = self.waiter.lock().clone();
        if let Some(waiter) = waiter {
            waiter.unpark();
        }
    }
}

/// The arm of `select!` that waits for a future.
#[doc(hidden)]
pub struct FutureArm<F: Future> {
    future: Option<Pin<Box<F>>>,
    output: Held<Option<F::Output>>,
    bell: Arc<Bell>,
    waker: Waker,
    /// How often the bell had been rung before the last poll, and after it.
    before: u64,
    after: u64,
}

impl<F: Future> FutureArm<F> {
    /// Drops the future in the context in which it was polled, as its destructors may need that too.
    fn drop_future(&mut self) {
        if let Some(future) = self.future.take() {
            drop_each([|| ambient::within(|| drop(future))]);
        }
    }

    /// Returns the output of the future of the arm that won.
    pub fn finish(mut self) -> F::Output {
        match self.output.take() {
            Some(output) => output,
            None => unreachable!("the arm that won is ready"),
        }
    }
}

impl<F: Future> Arm for FutureArm<F> {
    fn attempt(&mut self) -> bool {
        let before = self.bell.rung();
        let Some(future) = &mut self.future else { return self.output.is_some() };
        if self.before == before {
            return false;
        }
        self.before = before;
        let mut context = Context::from_waker(&self.waker);
        if let Poll::Ready(output) = ambient::within(|| future.as_mut().poll(&mut context)) {
            *self.output = Some(output);
            self.drop_future();
            return true;
        }
        self.after = self.bell.rung();
        if self.after != before {
            // The future may wake itself at each poll, for example to yield, so the others have a turn.
            park::give_way();
        }
        false
    }

    fn register(&mut self, with: &Registration, _: usize) {
        *self.bell.waiter.lock() = Some(with.waiter());
    }

    fn is_ready(&self, with: Option<&Registration>) -> bool {
        // A caller that only asks whether the arm became ready since it was polled does not count what the poll itself
        // has rung.
        self.bell.rung() != if with.is_some() { self.before } else { self.after }
    }

    fn unregister(&mut self) {
        self.bell.waiter.lock().take();
    }

    fn settle(&mut self, _: bool) {}

    fn watch(&mut self) {}

    fn has_changed(&self) -> bool {
        self.bell.rung() != self.after
    }

    fn unwatch(&mut self) {}

    fn drop_item(&mut self) {
        self.drop_future();
    }
}

impl<F: Future> Drop for FutureArm<F> {
    fn drop(&mut self) {
        self.drop_future();
    }
}

impl<F: Future> fmt::Debug for FutureArm<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FutureArm").finish_non_exhaustive()
    }
}
