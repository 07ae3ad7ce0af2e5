//! The report of a stack overflow.

use super::control::Control;

/// Installs the report of stack overflows, once for the process.
///
/// # Errors
/// The system's error for the handler. Without the handler, memory stays guarded.
pub(crate) fn install_overflow_report() -> std::io::Result<()> {
    crate::stack::overflow::install(|size, top| {
        let write = crate::sys::signal::write_stderr;
        write(b"\n");
        // SAFETY: the fault is in this stack's guard, so code on this OS thread is running on it: its coroutine.
        unsafe { Control::describe(top, &mut |piece| write(piece)) };
        write(b" has overflowed its stack of ");
        crate::util::decimal::write_decimal(size as u64, &mut |piece| write(piece));
        write(b" bytes.\nWhat needs more is given it by `stack_size` of `greenthread::Builder`, or of `Runtime::builder()` for all of a \
            runtime's; generators and greenlets by `with_stack_size`.\n");
    })
}

/// Calls [`install_overflow_report`] the first time; later calls cost little. If that fails there is no report.
#[inline(always)]
pub(crate) fn ensure_overflow_report() {
    static DONE: std::sync::Once = std::sync::Once::new();
    if !DONE.is_completed() {
        DONE.call_once(|| drop(install_overflow_report()));
    }
}
