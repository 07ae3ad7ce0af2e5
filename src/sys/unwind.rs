//! Walking the functions on the stack.

use std::ffi::{c_int, c_void};

unsafe extern "C" {
    fn _Unwind_Backtrace(
        trace: extern "C" fn(context: *mut c_void, data: *mut c_void) -> c_int,
        data: *mut c_void,
    ) -> c_int;
    fn _Unwind_GetIP(context: *mut c_void) -> usize;
    #[allow(dead_code, reason = "who looks at frames alone asks")]
    fn _Unwind_GetCFA(context: *mut c_void) -> usize;
    fn _Unwind_FindEnclosingFunction(pc: *mut c_void) -> *mut c_void;
}

extern "C" fn visit(context: *mut c_void, data: *mut c_void) -> c_int {
    const CONTINUE: c_int = 0;
    const STOP: c_int = 5;
    // SAFETY: `data` points to the closure reference that `functions_on_stack` holds during the walk.
    let each = unsafe { &mut *data.cast::<&mut dyn FnMut(usize) -> bool>() };
    // SAFETY: the unwinder hands its callback a valid context; the address lies in the call, one before the return.
    let start = unsafe {
        _Unwind_FindEnclosingFunction(_Unwind_GetIP(context).wrapping_sub(1) as *mut c_void)
    };
    if each(start as usize) { CONTINUE } else { STOP }
}

/// Calls `each` with the start address of every function on the stack, innermost first, until it says `false`.
///
/// `each` must not panic: it is called through C frames, where that aborts.
#[inline(never)]
pub(crate) fn functions_on_stack(mut each: &mut dyn FnMut(usize) -> bool) {
    // SAFETY: the callback has the type that the unwinder's interface asks for, and `each` outlives the walk.
    unsafe { _Unwind_Backtrace(visit, (&raw mut each).cast()) };
}

#[allow(dead_code, reason = "who looks where a thread is alone asks")]
extern "C" fn visit_address(context: *mut c_void, data: *mut c_void) -> c_int {
    // SAFETY: as in `visit`.
    let each = unsafe { &mut *data.cast::<&mut dyn FnMut(usize) -> bool>() };
    // SAFETY: the unwinder hands its callback a valid context.
    if each(unsafe { _Unwind_GetIP(context) }) { 0 } else { 5 }
}

/// Calls `each` with the address at which every function on the stack is, innermost first, until it says `false`.
///
/// `each` must not panic, as for [`functions_on_stack`].
#[allow(dead_code, reason = "who looks where a thread is alone asks")]
#[inline(never)]
pub(crate) fn addresses_on_stack(mut each: &mut dyn FnMut(usize) -> bool) {
    // SAFETY: as in `functions_on_stack`.
    unsafe { _Unwind_Backtrace(visit_address, (&raw mut each).cast()) };
}

#[allow(dead_code, reason = "who looks at frames alone asks")]
extern "C" fn visit_frame(context: *mut c_void, data: *mut c_void) -> c_int {
    // SAFETY: as in `visit`, but for the closure's type, which is that of `frames_on_stack`.
    let each = unsafe { &mut *data.cast::<&mut dyn FnMut(usize, usize) -> bool>() };
    // SAFETY: the unwinder hands its callback a valid context.
    let (address, end) = unsafe { (_Unwind_GetIP(context), _Unwind_GetCFA(context)) };
    if each(address, end) { 0 } else { 5 }
}

/// Like [`addresses_on_stack`], and also tells where on the stack the frame of what the function has called ends: the
/// return address lies below that.
#[allow(dead_code, reason = "who looks at frames alone asks")]
#[inline(never)]
pub(crate) fn frames_on_stack(mut each: &mut dyn FnMut(usize, usize) -> bool) {
    // SAFETY: as in `functions_on_stack`.
    unsafe { _Unwind_Backtrace(visit_frame, (&raw mut each).cast()) };
}
