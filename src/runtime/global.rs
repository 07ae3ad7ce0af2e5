//! The runtime that starts by itself.
#![forbid(unsafe_code)]

use super::builder::RuntimeBuilder;
use super::instance::Runtime;
use super::observe::watchdog;
use crate::sys::process::PerProcess;
use crate::util::lock::Mutex;
use std::io;
use std::sync::OnceLock;

#[derive(Default)]
struct Global {
    runtime: OnceLock<Runtime>,
    starting: Mutex<()>,
}

static GLOBAL: PerProcess<Global> = PerProcess::new();

/// The runtime that starts by itself, if it has.
pub(crate) fn global_if_started() -> Option<&'static Runtime> {
    GLOBAL.get(Global::default).runtime.get()
}

/// The runtime that starts by itself. A forked child starts one of its own.
///
/// # Errors
/// The error of the system call that failed, if it could not be started; the next call tries again.
pub(crate) fn global() -> io::Result<&'static Runtime> {
    if let Some(runtime) = global_if_started() {
        return Ok(runtime);
    }
    let global = GLOBAL.get(Global::default);
    let _one = global.starting.lock();
    if let Some(runtime) = global.runtime.get() {
        return Ok(runtime);
    }
    let mut builder = Runtime::builder();
    if let Some(text) = std::env::var_os("GREENTHREAD_WORKERS") {
        let workers = text.to_str().and_then(|text| text.trim().parse().ok()).ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("GREENTHREAD_WORKERS={text:?} is not a number of workers, 1 to 1024"),
            )
        })?;
        builder = builder.workers(workers);
    }
    builder = builder.watched_for(watchdog::given());
    let runtime = builder.build()?;
    Ok(global.runtime.get_or_init(|| runtime))
}

/// Starts the global runtime with the user's settings.
///
/// # Errors
/// `AlreadyExists` if it has started, or the error of the system call that failed.
pub(super) fn start_global(builder: RuntimeBuilder) -> io::Result<()> {
    let global = GLOBAL.get(Global::default);
    let _one = global.starting.lock();
    if global.runtime.get().is_some() {
        return Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            "the global runtime has started: build_global comes before the first spawn",
        ));
    }
    let runtime = builder.build()?;
    global.runtime.get_or_init(|| runtime);
    Ok(())
}
