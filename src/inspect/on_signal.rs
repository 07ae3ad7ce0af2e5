//! A dump whenever the process gets a signal.
#![forbid(unsafe_code)]

use super::{Format, dump_to};
use crate::runtime::outside;
use crate::signal::{Signal, Signals};
use std::io::{self, Write};

/// Has a [`dump`](super::dump()) written whenever the process gets the signal, from now on until it ends. Does not suspend. As Go's
/// and the JVM's answer to SIGQUIT, and Python's `faulthandler.register`.
///
/// An OS thread waits for the signal and writes the dump, so it comes also where all workers are held up. The signal does not do what
/// it does by default any more. An error of the writer is dropped.
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
    let signals = Signals::waking_nobody([signal])?;
    let mut writer = writer;
    let write = move || {
        loop {
            signals.wait();
            let _ = dump_to(&mut writer, format).and_then(|()| writer.flush());
        }
    };
    std::thread::Builder::new().name("gt-dump".into()).spawn(write)?;
    outside::count_thread();
    Ok(())
}
