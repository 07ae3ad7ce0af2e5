//! Making a runtime, and its worker threads.
#![forbid(unsafe_code)]

use super::hub::current;
use super::hub::life::Phase;
use super::hub::local::Hub;
use super::hub::scheduler::Scheduler;
use super::hub::shared::HubShared;
use super::hub::worker;
use super::instance::{Flavour, Runtime};
use super::lane::panic_hook;
use super::observe::deadlock::StuckWatch;
use super::observe::lookout;
use super::task::TaskRef;
use crate::coroutine;
use crate::stack::StackSize;
use crate::sys::poll::Poller;
use crate::sys::signal::AltStack;
use crate::sys::{panic_count, process, thread, time};
use crate::util::lock::Mutex;
use crossbeam_deque::Worker;
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// The size of a worker's stack. It is address space only, unless [`on_worker_stack`](crate::thread::on_worker_stack)
/// uses more of it.
const WORKER_STACK: usize = 8 << 20;

/// Prepares what the process needs once, before the first green thread.
fn prepare_process() {
    process::in_forked_child(current::forget);
    // Without its handler an overflow still ends the process, but without a report.
    let _ = coroutine::install_overflow_report();
    panic_hook::install();
    panic_count::prepare();
}

impl Runtime {
    pub(super) fn on_current_thread(stack_size: StackSize) -> Self {
        prepare_process();
        let hubs: Box<[_]> = Box::new([HubShared::take()]);
        Self {
            scheduler: Arc::new(Scheduler::new(hubs, Box::new([]), 1)),
            inquiry: Arc::default(),
            flavour: Flavour::CurrentThread {
                running: AtomicBool::new(false),
                spoiled: AtomicBool::new(false),
            },
            stack_size,
            over: false,
            _watchdog: None,
        }
    }

    pub(super) fn start(count: usize, stack_size: StackSize, name: &str) -> io::Result<Self> {
        prepare_process();
        let hubs: Box<[_]> = (0..count).map(|_| HubShared::take()).collect();
        let mut pollers = Vec::with_capacity(count);
        for hub in &hubs {
            match hub.lane.open() {
                Ok(poller) => pollers.push(poller),
                Err(error) => {
                    for hub in &hubs {
                        hub.lane.close();
                        hub.give();
                    }
                    return Err(error);
                }
            }
        }
        let queues: Vec<_> = (0..count).map(|_| Worker::new_fifo()).collect();
        let stealers = queues.iter().map(Worker::stealer).collect();
        let scheduler = Arc::new(Scheduler::new(hubs.clone(), stealers, count));
        let runtime = Self {
            scheduler: Arc::clone(&scheduler),
            inquiry: Arc::default(),
            flavour: Flavour::Workers(Mutex::new(Vec::with_capacity(count))),
            stack_size,
            over: false,
            _watchdog: None,
        };
        let mut failed = None;
        for (at, ((&shared, fresh), poller)) in hubs.iter().zip(queues).zip(pollers).enumerate() {
            let started = if failed.is_some() {
                None
            } else {
                let scheduler = Arc::clone(&scheduler);
                let watch = StuckWatch::new(Arc::clone(&runtime.inquiry));
                let life = move || work(shared, scheduler, fresh, poller, stack_size, &watch);
                thread::start_planned(&format!("{name}-{at}"), Some(WORKER_STACK), life)
                    .map_err(|error| failed = Some(error))
                    .ok()
            };
            match (started, &runtime.flavour) {
                (Some(thread), Flavour::Workers(threads)) => threads.lock().push(thread),
                _ => {
                    shared.lane.close();
                    scheduler.worker_ended();
                }
            }
        }
        if failed.is_none() {
            lookout::watch(&runtime.scheduler, &runtime.inquiry, name);
        }
        // If one failed, dropping the runtime ends those that did start.
        failed.map_or(Ok(runtime), Err)
    }
}

/// The whole life of a worker thread.
fn work(
    shared: &'static HubShared,
    scheduler: Arc<Scheduler>,
    fresh: Worker<TaskRef>,
    poller: Poller,
    stack_size: StackSize,
    watch: &StuckWatch,
) {
    // std has given the thread an alternate stack. If even that failed, there is no report of an overflow, which does
    // no harm otherwise.
    let _alt_stack = AltStack::ensure();
    time::sleep_exactly();
    let hub = Hub::new(shared, Arc::clone(&scheduler), fresh, poller, stack_size);
    let given_up = current::enter(&hub, || {
        worker::run(&hub, watch, || false);
        worker::wind_down(&hub, || scheduler.phase() == Phase::GivingUp)
    });
    if let Some(status) = hub.child_status() {
        // The green thread that forked has ended, and with it the work of the child.
        std::process::exit(status);
    }
    drop(hub);
    let keeps_some = !given_up.is_empty();
    scheduler.given_up.lock().extend(given_up);
    scheduler.worker_ended();
    drop(scheduler);
    if keeps_some {
        // Their frames may have lent this thread's thread-locals to threads that still run, for example by
        // `std::thread::scope`.
        loop {
            std::thread::park();
        }
    }
}
