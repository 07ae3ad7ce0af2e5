//! The pieces of a fault handler: installing one behind those that are there, and an alternate stack to run it on.

use super::fault::{self, Syscall};
use super::memory;
use std::io;
use std::ptr::{self, NonNull};
use std::sync::OnceLock;

/// What a fault handler decides about an address; it runs in signal context.
pub(crate) type Claims = fn(address: usize) -> bool;

#[derive(Clone, Copy)]
struct Previous {
    segv: libc::sigaction,
    bus: libc::sigaction,
}

static CLAIMS: OnceLock<Claims> = OnceLock::new();
static PREVIOUS: OnceLock<Previous> = OnceLock::new();

fn current_action(signal: libc::c_int) -> io::Result<libc::sigaction> {
    fault::check(Syscall::SigAction)?;
    // SAFETY: a zeroed sigaction is a valid value, and sigaction with a null new action only reads the old one.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        if libc::sigaction(signal, ptr::null(), &mut action) != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(action)
    }
}

/// Installs `claims` in front of the present SIGSEGV and SIGBUS handlers. Faults that it does not claim go on to those.
pub(crate) fn install_fault_handler(claims: Claims) -> io::Result<()> {
    fault::check(Syscall::SigAction)?;
    let previous =
        Previous { segv: current_action(libc::SIGSEGV)?, bus: current_action(libc::SIGBUS)? };
    if PREVIOUS.set(previous).is_err() || CLAIMS.set(claims).is_err() {
        return Ok(());
    }
    // SAFETY: the handler has the signature that SA_SIGINFO asks for, and everything it reads was set above.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = on_fault as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        libc::sigemptyset(&mut action.sa_mask);
        for signal in [libc::SIGSEGV, libc::SIGBUS] {
            if libc::sigaction(signal, &action, ptr::null_mut()) != 0 {
                return Err(io::Error::last_os_error());
            }
        }
    }
    Ok(())
}

unsafe extern "C" fn on_fault(
    signal: libc::c_int,
    info: *mut libc::siginfo_t,
    context: *mut libc::c_void,
) {
    // SAFETY: the kernel passes a valid siginfo for SIGSEGV and SIGBUS, whose address field is set.
    let address = unsafe { (*info).si_addr() } as usize;
    if CLAIMS.get().is_some_and(|claims| claims(address)) {
        // SAFETY: abort may be called from a handler.
        unsafe { libc::abort() }
    }
    let Some(previous) = PREVIOUS.get() else { return };
    let previous = if signal == libc::SIGSEGV { &previous.segv } else { &previous.bus };
    // SAFETY: these are the arguments that the kernel called us with.
    if !unsafe { call(previous, signal, info, context) } {
        // With the default action restored, returning runs the faulting instruction again, which ends the process as if
        // this handler had never been there.
        // SAFETY: sets a default action.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
}

/// Calls the handler that was there before ours; `false` if there was none.
///
/// # Safety
/// `previous` is what sigaction reported, and the rest are the arguments of the handler that calls this.
pub(super) unsafe fn call(
    previous: &libc::sigaction,
    signal: libc::c_int,
    info: *mut libc::siginfo_t,
    context: *mut libc::c_void,
) -> bool {
    type WithInfo = unsafe extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void);
    type Plain = unsafe extern "C" fn(libc::c_int);
    // SAFETY: a handler that sigaction reports has the signature that its flags name.
    unsafe {
        match previous.sa_sigaction {
            libc::SIG_DFL | libc::SIG_IGN => return false,
            handler if previous.sa_flags & libc::SA_SIGINFO != 0 => {
                std::mem::transmute::<usize, WithInfo>(handler)(signal, info, context);
            }
            handler => std::mem::transmute::<usize, Plain>(handler)(signal),
        }
    }
    true
}

/// Writes bytes to standard error; usable in signal context.
pub(crate) fn write_stderr(bytes: &[u8]) {
    // SAFETY: write reads the slice only, and is async-signal-safe.
    unsafe { libc::write(2, bytes.as_ptr().cast(), bytes.len()) };
}

const ALT_STACK_LEN: usize = 64 * 1024;

/// An alternate signal stack that this value installed on its thread, taken away again when dropped.
#[derive(Debug)]
pub(crate) struct AltStack(Option<NonNull<u8>>);

impl AltStack {
    /// Makes sure that the calling thread has an alternate stack; one that is there (std's own) is kept.
    pub(crate) fn ensure() -> io::Result<Self> {
        fault::check(Syscall::SigAltStack)?;
        // SAFETY: a zeroed stack_t is valid; with a null new stack sigaltstack only reports.
        unsafe {
            let mut old: libc::stack_t = std::mem::zeroed();
            if libc::sigaltstack(ptr::null(), &mut old) != 0 {
                return Err(io::Error::last_os_error());
            }
            if old.ss_flags & libc::SS_DISABLE == 0 {
                return Ok(Self(None));
            }
        }
        let memory = memory::reserve(ALT_STACK_LEN)?;
        // SAFETY: the memory was mapped for this purpose and stays until `drop` takes the alternate stack away.
        unsafe {
            let mut new: libc::stack_t = std::mem::zeroed();
            new.ss_sp = memory.as_ptr().cast();
            new.ss_size = ALT_STACK_LEN;
            if libc::sigaltstack(&new, ptr::null_mut()) != 0 {
                let error = io::Error::last_os_error();
                memory::release(memory, ALT_STACK_LEN);
                return Err(error);
            }
        }
        Ok(Self(Some(memory)))
    }
}

impl Drop for AltStack {
    fn drop(&mut self) {
        let Some(memory) = self.0 else { return };
        // SAFETY: the value is !Send (it holds a pointer), so this is the thread that `ensure` ran on. The kernel
        // refuses with EPERM while a handler runs on the stack; then it is left as it is.
        unsafe {
            let mut off: libc::stack_t = std::mem::zeroed();
            off.ss_flags = libc::SS_DISABLE;
            if fault::check(Syscall::SigAltStack).is_ok()
                && libc::sigaltstack(&off, ptr::null_mut()) == 0
            {
                memory::release(memory, ALT_STACK_LEN);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_of_installing_handlers_are_errors() {
        fault::fail(Syscall::SigAltStack, 0, 1, libc::EPERM);
        assert_eq!(AltStack::ensure().unwrap_err().raw_os_error(), Some(libc::EPERM));
        for skip in 0..3 {
            fault::fail(Syscall::SigAction, skip, 1, libc::EINVAL);
            let error = install_fault_handler(|_| false).unwrap_err();
            assert_eq!(error.raw_os_error(), Some(libc::EINVAL), "{skip}");
        }
    }
}
