//! What the dynamic linker knows of the loaded objects: where functions are, and where thread-locals are.

use std::ffi::{CStr, c_int, c_void};

/// The start of the library or program that a function is part of.
fn object_of(function: *const c_void) -> *mut c_void {
    // SAFETY: all-zero is a valid `Dl_info`, and stays where nothing is found.
    let mut found: libc::Dl_info = unsafe { std::mem::zeroed() };
    // SAFETY: the place for the answer is valid; the address is only looked up.
    unsafe { libc::dladdr(function, &mut found) };
    found.dli_fbase
}

/// Whether a function is part of the C library.
pub(crate) fn is_of_c_library(function: *const c_void) -> bool {
    object_of(function) == object_of(libc::__errno_location as *const c_void)
}

/// The next function of that name, in the objects that come after the one that this code is part of.
pub(crate) fn next(name: &CStr) -> *mut c_void {
    // SAFETY: the name ends in a zero.
    unsafe { libc::dlsym(libc::RTLD_NEXT, name.as_ptr()) }
}

/// The function that a caller anywhere in the process reaches by that name.
pub(crate) fn reached(name: &CStr) -> *mut c_void {
    // SAFETY: the name ends in a zero.
    unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) }
}

/// The search of [`reach_of_thread_locals`], and what it has found.
struct Reach {
    landmark: usize,
    found: Option<(usize, usize)>,
}

unsafe extern "C" fn measure(
    object: *mut libc::dl_phdr_info,
    _size: libc::size_t,
    data: *mut c_void,
) -> c_int {
    // SAFETY: it points to the caller's `Reach`, which lives through `dl_iterate_phdr`.
    let reach = unsafe { &mut *data.cast::<Reach>() };
    // SAFETY: the C library lends a description of a loaded object, whose headers stay as long as the object.
    let (object, headers) = unsafe {
        let object = &*object;
        (object, std::slice::from_raw_parts(object.dlpi_phdr, object.dlpi_phnum.into()))
    };
    let Some(header) = headers.iter().find(|header| header.p_type == libc::PT_TLS) else {
        return 0;
    };
    let start = object.dlpi_tls_data.addr();
    let size = header.p_memsz as usize;
    let own = reach.landmark.wrapping_sub(start);
    if start == 0 || own >= size {
        return 0;
    }
    reach.found = Some((own, size - own));
    1
}

/// How many bytes the thread-locals of one object extend below and above a `landmark`, the address of one of them in
/// the calling thread. The distances are the same in each thread.
pub(crate) fn reach_of_thread_locals(landmark: usize) -> Option<(usize, usize)> {
    let mut reach = Reach { landmark, found: None };
    // SAFETY: the function has the type that is asked for, and is handed what it expects.
    unsafe { libc::dl_iterate_phdr(Some(measure), (&raw mut reach).cast()) };
    reach.found
}
