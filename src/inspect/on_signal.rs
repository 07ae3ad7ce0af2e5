//! A dump whenever the process gets a signal, and whenever a watchdog reports.
#![forbid(unsafe_code)]

use super::{Format, dump_to};
use crate::runtime::{outside, watchdog};
use crate::signal::{Signal, Signals};
use crate::sys::thread;
use crate::util::dropping::{Held, drop_quietly};
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Has a [`dump`](super::dump()) written whenever the process gets the signal, from now on until it ends. Does not
/// suspend. As Go and the JVM answer SIGQUIT, and as Python's `faulthandler.register`.
///
/// An OS thread waits for the signal and writes the dump, so it comes even if all workers are held up. The signal no
/// longer does what it does by default. An error of the writer is dropped.
///
/// # Errors
/// Those of [`Signals::new`], and the system's if it has no room for an OS thread.
///
/// # Examples
/// ```no_run
/// use greenthread::inspect::{self, Format};
/// use greenthread::signal::Signal;
/// inspect::dump_on(Signal::QUIT, Format::Text, std::io::stderr())?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[doc(alias("SIGQUIT", "faulthandler"))]
pub fn dump_on(
    signal: Signal,
    format: Format,
    writer: impl Write + Send + 'static,
) -> io::Result<()> {
    let mut writer = Held::new(writer);
    let signals = Signals::waking_nobody([signal])?;
    let write = move || {
        loop {
            signals.wait();
            let _ = dump_to(&mut *writer, format).and_then(|()| writer.flush());
        }
    };
    thread::start("gt-dump", None, write)?;
    outside::count_thread();
    Ok(())
}

/// Has a [`dump`](super::dump()) written whenever a [watchdog](crate::RuntimeBuilder::watchdog) has reported a green
/// thread that keeps its worker from the others, from now on until the process ends: it shows who else waits meanwhile,
/// and for what. Does not suspend.
///
/// The thread that has printed the report writes it. An error of the writer is dropped. So is a panic, after which
/// nothing more is written.
///
/// # Examples
/// ```no_run
/// use greenthread::inspect::{self, Format};
/// use std::time::Duration;
/// inspect::dump_on_report(Format::Text, std::io::stderr());
/// let runtime = greenthread::Runtime::builder().watchdog(Duration::from_millis(100)).build()?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn dump_on_report(format: Format, writer: impl Write + Send + 'static) {
    let mut writer = Some(Held::new(writer));
    watchdog::after_each_report(Box::new(move || {
        let Some(mut own) = writer.take() else { return };
        let write = || {
            let _ = dump_to(&mut *own, format).and_then(|()| own.flush());
        };
        match catch_unwind(AssertUnwindSafe(write)) {
            Ok(()) => writer = Some(own),
            Err(payload) => {
                // The panic was printed. Its payload may panic again when it is dropped.
                std::mem::forget(payload);
                drop_quietly(own.into_inner());
            }
        }
    }));
}
