//! The limits that the system sets for the process, and how much of each is used.

use super::fault::{self, Syscall};
use super::proc;

/// `vm.max_map_count`, or its usual default where `/proc` does not say.
pub(crate) fn max_map_count() -> usize {
    proc::read("/proc/sys/vm/max_map_count")
        .ok()
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or(65_530)
}

/// How many mappings the process has now.
pub(crate) fn map_count() -> usize {
    proc::read_bytes("/proc/self/maps")
        .map_or(0, |maps| maps.iter().filter(|&&byte| byte == b'\n').count())
}

/// The soft `RLIMIT_AS` in bytes, if there is one.
pub(crate) fn address_space_limit() -> Option<u64> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    fault::check(Syscall::GetLimit).ok()?;
    // SAFETY: getrlimit fills the struct it is given.
    let ok = unsafe { libc::getrlimit(libc::RLIMIT_AS, &mut limit) } == 0;
    (ok && limit.rlim_cur != libc::RLIM_INFINITY).then_some(limit.rlim_cur)
}

/// How many bytes of memory are resident, where the system says so.
#[allow(dead_code, reason = "the console alone asks")]
pub(crate) fn resident() -> Option<u64> {
    let text = proc::read("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}

/// Bytes of address space the process uses now.
pub(crate) fn address_space_used() -> u64 {
    proc::read("/proc/self/statm")
        .ok()
        .and_then(|text| text.split(' ').next()?.parse::<u64>().ok())
        .map_or(0, |pages| pages * super::memory::page_size() as u64)
}
