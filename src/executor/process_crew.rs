//! The workers of a pool of processes: a green thread talks to each process, and all processes can be ended together.
//!
//! Invariant: from when a process has been started until it has been waited for, it is among the living; so none outlives
//! `terminate`, not even one that is being started.
#![forbid(unsafe_code)]

use super::crew::{Crew, NotReady};
use super::remote::Seat;
use crate::process::worker::WorkerProcess;
use crate::process::{CallError, ChildHandle};
use crate::thread::Builder;
use crate::util::lock::Mutex;
use std::collections::HashMap;
use std::io;
use std::sync::Arc;

/// Calls the initializer's function in a process that has just been started.
pub(super) type ProcessInitializer =
    Box<dyn Fn(&WorkerProcess) -> Result<(), CallError> + Send + Sync>;

/// What the workers of a pool have in common.
pub(super) struct ProcessCrew {
    pub(super) name: String,
    pub(super) initializer: Option<ProcessInitializer>,
    pub(super) max_tasks: Option<usize>,
    processes: Mutex<Processes>,
}

#[derive(Debug, Default)]
struct Processes {
    /// The processes by the numbers of their workers.
    living: HashMap<usize, ChildHandle>,
    terminated: bool,
}

impl ProcessCrew {
    pub(super) fn new(
        name: String,
        initializer: Option<ProcessInitializer>,
        max_tasks: Option<usize>,
    ) -> Self {
        Self { name, initializer, max_tasks, processes: Mutex::default() }
    }

    /// Adds a new process. If all are being ended, it is ended too.
    pub(super) fn enter(&self, number: usize, child: &ChildHandle) {
        let mut processes = self.processes.lock();
        processes.living.insert(number, child.clone());
        if processes.terminated {
            let _ = child.kill();
        }
    }

    pub(super) fn leave(&self, number: usize) {
        self.processes.lock().living.remove(&number);
    }

    pub(super) fn is_terminated(&self) -> bool {
        self.processes.lock().terminated
    }

    /// The numbers in the system of those that there are.
    pub(super) fn ids(&self) -> Vec<u32> {
        self.processes.lock().living.values().map(ChildHandle::id).collect()
    }

    pub(super) fn terminate(&self) {
        let mut processes = self.processes.lock();
        processes.terminated = true;
        for child in processes.living.values() {
            // An error means that it has ended by itself.
            let _ = child.kill();
        }
    }
}

impl Crew for Arc<ProcessCrew> {
    type Seat = Seat;
    const GREEN: bool = true;
    const STAYS: bool = true;

    /// For each process there is a green thread that talks to it.
    fn spawn(&self, number: usize, life: impl FnOnce() + Send + 'static) -> io::Result<()> {
        let name = format!("{}-{}", self.name, number + 1);
        // It does not belong to a `run`: several may use the pool, and none of them should wait for it, nor end what
        // others have submitted.
        Builder::new().name(name).daemon(true).spawn_apart(life).map(drop)
    }

    fn begin(&self, number: usize) -> Result<Seat, String> {
        Ok(Seat::new(self, number))
    }

    fn is_ready(seat: &Seat) -> bool {
        seat.is_ready()
    }

    fn prepare(&self, seat: &mut Seat) -> Result<(), NotReady> {
        seat.prepare()
    }
}
