//! Sleeps. `sched_yield` is not among them: spin locks call it while they are being taken or released, and nobody may
//! be suspended then.
//!
//! If a kill ends a sleep, the sleep reports that its time is over, as std, for one, takes an error for a bug.

use super::hook::{Hook, interpose};
use super::wait::sleep as sleep_green;
use crate::runtime::park;
use crate::sys::bare::{address, set_errno, syscall, time_of, to_libc};
use crate::sys::clock;
use crate::sys::time::deadline_after;
use libc::{c_int, c_uint, clockid_t, timespec, useconds_t};
use std::ffi::c_long;
use std::time::Duration;

fn duration_of(time: &timespec) -> Option<Duration> {
    let nanos = u32::try_from(time.tv_nsec).ok().filter(|nanos| *nanos < 1_000_000_000)?;
    Some(Duration::new(u64::try_from(time.tv_sec).ok()?, nanos))
}

fn sleep_for(hook: &Hook, duration: Duration) {
    if duration.is_zero() {
        park::give_way();
        return;
    }
    let _ = sleep_green(hook, deadline_after(duration));
}

/// What is left until a time of a clock; `None` where the clock does not tell.
fn until(clock: clockid_t, time: Duration) -> Option<Duration> {
    let now = time_of(clock)?;
    Some(time.saturating_sub(duration_of(&now)?))
}

/// Whether the clock goes on while a thread sleeps, unlike one that measures what a thread computes.
fn is_of_the_wall(clock: clockid_t) -> bool {
    matches!(
        clock,
        libc::CLOCK_REALTIME | libc::CLOCK_MONOTONIC | libc::CLOCK_BOOTTIME | libc::CLOCK_TAI
    )
}

unsafe fn clock_nanosleep_green(
    hook: &Hook,
    clock: clockid_t,
    flags: c_int,
    time: *const timespec,
    left: *mut timespec,
) -> c_int {
    // SAFETY: the caller's pointer is null or valid.
    let duration = unsafe { time.as_ref() }.and_then(duration_of);
    let absolute = flags & libc::TIMER_ABSTIME != 0;
    let duration = match duration {
        Some(time) if is_of_the_wall(clock) && absolute => until(clock, time),
        Some(time) if is_of_the_wall(clock) => Some(time),
        _ => None,
    };
    match duration {
        Some(duration) => {
            sleep_for(hook, duration);
            0
        }
        // Either the C library reports an error, or the clock does not go on while we sleep.
        // SAFETY: as the caller promises.
        None => hook.holding(|| unsafe { original::clock_nanosleep(clock, flags, time, left) }),
    }
}

unsafe fn nanosleep_green(hook: &Hook, time: *const timespec, left: *mut timespec) -> c_int {
    // SAFETY: as the caller promises.
    match unsafe { clock_nanosleep_green(hook, libc::CLOCK_MONOTONIC, 0, time, left) } {
        0 => 0,
        errno => {
            set_errno(errno);
            -1
        }
    }
}

unsafe fn bare_clock_nanosleep(
    clock: clockid_t,
    flags: c_int,
    time: *const timespec,
    left: *mut timespec,
) -> c_int {
    // SAFETY: as the caller promises.
    let result = unsafe {
        syscall(
            libc::SYS_clock_nanosleep,
            [clock.into(), flags.into(), address(time), address(left), 0, 0],
        )
    };
    -result as c_int
}

fn bare_sleep(duration: Duration) -> Duration {
    let time = timespec {
        tv_sec: duration.as_secs() as libc::time_t,
        tv_nsec: duration.subsec_nanos().into(),
    };
    let mut left = timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: both pointers are valid.
    match unsafe { bare_clock_nanosleep(libc::CLOCK_MONOTONIC, 0, &time, &mut left) } {
        0 => Duration::ZERO,
        _ => duration_of(&left).unwrap_or_default(),
    }
}

interpose! {
    Time fn clock_nanosleep(clock: clockid_t, flags: c_int, time: *const timespec, left: *mut timespec) -> c_int {
        bare bare_clock_nanosleep(clock, flags, time, left);
        green |hook| clock_nanosleep_green(hook, clock, flags, time, left);
    }
    Time fn nanosleep(time: *const timespec, left: *mut timespec) -> c_int {
        bare to_libc(-c_long::from(bare_clock_nanosleep(libc::CLOCK_MONOTONIC, 0, time, left))) as c_int;
        green |hook| nanosleep_green(hook, time, left);
    }
    Time fn usleep(micros: useconds_t) -> c_int {
        bare if bare_sleep(Duration::from_micros(micros.into())).is_zero() { 0 } else { set_errno(libc::EINTR); -1 };
        green |hook| { sleep_for(hook, Duration::from_micros(micros.into())); 0 };
    }
    Time fn sleep(seconds: c_uint) -> c_uint {
        bare bare_sleep(Duration::from_secs(seconds.into())).as_secs() as c_uint;
        green |hook| {
            let deadline = deadline_after(Duration::from_secs(seconds.into()));
            let _ = sleep_green(hook, deadline);
            let left = deadline.map_or(Duration::ZERO, |at| at.saturating_duration_since(clock::now()));
            left.as_secs() as c_uint
        };
    }
}
