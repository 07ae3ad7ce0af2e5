//! Running a `main` on a runtime.
#![forbid(unsafe_code)]

use super::hub::current;
use super::hub::local::Hub;
use super::hub::worker;
use super::instance::{Flavour, GRACE, Runtime};
use super::lane::panic_hook;
use super::observe::deadlock::StuckWatch;
use super::observe::lookout;
use super::stragglers::Stragglers;
use super::task::family::Family;
use super::task::{Cause, JoinError, Joinable, Meta, TaskRef, new_task};
use crate::coroutine;
use crate::stack::budget;
use crate::sys::signal::AltStack;
use crate::sys::{clock, process, report, time};
use crossbeam_deque::Worker;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

impl Runtime {
    /// Runs `main` as [`run`](Self::run) does; `pass_on` gives the task what it inherits from the caller.
    pub(crate) fn run_main<F, T>(
        &self,
        main: F,
        pass_on: impl FnOnce(&TaskRef),
    ) -> Result<T, JoinError>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        match &self.flavour {
            Flavour::Workers(_) => {
                self.check_is_own().map_err(|error| JoinError::new(Cause::Io(error), "main"))?;
                let (family, joinable) = self.spawn_main(main, pass_on, |task| self.push(task))?;
                if let Err(names) = family.wait_and_free(GRACE)
                    && cfg!(panic = "unwind")
                {
                    report_given_up_daemons(&names);
                }
                finished(joinable)
            }
            Flavour::CurrentThread { .. } => self.run_main_here(main, pass_on),
        }
    }

    /// As [`run_main`](Self::run_main), on the calling thread.
    pub(crate) fn run_main_here<F, T>(
        &self,
        main: F,
        pass_on: impl FnOnce(&TaskRef),
    ) -> Result<T, JoinError>
    where
        F: FnOnce() -> T + 'static,
        T: 'static,
    {
        self.check_is_own().map_err(|error| JoinError::new(Cause::Io(error), "main"))?;
        let refuse = |why: &str| Err(JoinError::new(Cause::Io(io::Error::other(why)), "main"));
        let Flavour::CurrentThread { running, spoiled } = &self.flavour else {
            return refuse(
                "run_local is for a current-thread runtime; this one has workers of its own",
            );
        };
        if current::with_hub(|_| ()).is_some() {
            return refuse(
                "a current-thread runtime cannot run inside a green thread: it would block the worker below it",
            );
        }
        if running.swap(true, Ordering::Acquire) {
            return refuse("this current-thread runtime is run by another thread already");
        }
        if spoiled.load(Ordering::Relaxed) {
            running.store(false, Ordering::Release);
            return refuse(
                "this current-thread runtime holds a green thread that would not end; make a new one",
            );
        }
        let result = self.run_hub(main, pass_on, spoiled);
        running.store(false, Ordering::Release);
        result
    }

    fn run_hub<F, T>(
        &self,
        main: F,
        pass_on: impl FnOnce(&TaskRef),
        spoiled: &AtomicBool,
    ) -> Result<T, JoinError>
    where
        F: FnOnce() -> T + 'static,
        T: 'static,
    {
        let io = |error| JoinError::new(Cause::Io(error), "main");
        let _alt_stack = AltStack::ensure().map_err(io)?;
        panic_hook::install();
        let shared = self.scheduler.hubs()[0];
        let poller = shared.lane.open().map_err(io)?;
        let _exact = Exact(time::sleep_exactly());
        let scheduler = Arc::clone(&self.scheduler);
        let hub = Hub::new(shared, scheduler, Worker::new_fifo(), poller, self.stack_size);
        let watch = StuckWatch::new(Arc::clone(&self.inquiry));
        let _watched = lookout::WatchedRun::begin(&self.scheduler, &self.inquiry);
        coroutine::set_aside(|| {
            current::enter(&hub, || {
                let (family, joinable) = self.spawn_main(main, pass_on, |task| {
                    hub.enroll(&task);
                    hub.push_local(task);
                })?;
                worker::run(&hub, &watch, || family.is_empty() || watch.has_found());
                if hub.is_parents() {
                    // The one that forked was `main`, and it has a value; or it was another green thread, and `main`
                    // belongs to the parent.
                    let parents =
                        || JoinError::new(Cause::Io(process::belongs_to_parent("`main`")), "main");
                    return joinable.take_result().unwrap_or_else(|| Err(parents()));
                }
                let deadlock = watch.take_found();
                let give_up_at = clock::now() + GRACE;
                let given_up = worker::wind_down(&hub, || clock::now() >= give_up_at);
                spoiled.store(!given_up.is_empty(), Ordering::Relaxed);
                if !given_up.is_empty() {
                    report(format_args!("{}", Stragglers { given_up, busy: false }));
                }
                family.free_if_over();
                match deadlock {
                    Some(report) => Err(JoinError::new(Cause::Deadlock(report), "main")),
                    None => finished(joinable),
                }
            })
        })
    }

    fn spawn_main<F, T>(
        &self,
        main: F,
        pass_on: impl FnOnce(&TaskRef),
        push: impl FnOnce(TaskRef),
    ) -> Result<(&'static Family, Joinable<T>), JoinError>
    where
        F: FnOnce() -> T + 'static,
        T: 'static,
    {
        let reservation = budget::reserve(self.stack_size)
            .map_err(|error| JoinError::new(Cause::Io(error), "main"))?;
        let family = Family::new();
        let heritage = current::with_hub(|hub| hub.current()?.with(TaskRef::heritage_of_main));
        let meta =
            Meta { name: Some("main".into()), heritage: heritage.flatten(), ..Meta::default() };
        let (task, joinable) = new_task(main, Some(Box::new(meta)), Some(family), reservation);
        pass_on(&task);
        family.enter(&task);
        push(task);
        Ok((family, joinable))
    }
}

/// While this lives, the sleeps of the calling OS thread end without the kernel's slack.
struct Exact(Option<u64>);

impl Drop for Exact {
    fn drop(&mut self) {
        if let Some(before) = self.0 {
            time::set_slack(before);
        }
    }
}

fn report_given_up_daemons(names: &[String]) {
    report(format_args!(
        "{} daemons did not end when the run that they belong to did: {}",
        names.len(),
        names.join(", ")
    ));
}

fn finished<T>(joinable: Joinable<T>) -> Result<T, JoinError> {
    let missing = || JoinError::new(Cause::Killed, "main");
    joinable.take_result().unwrap_or_else(|| Err(missing()))
}
