//! Seeing where another thread of the process is: by a signal whose handler writes down the return addresses of its stack.
//!
//! The handler does only what is safe in one: it reads the stack it interrupted and stores to atomics. glibc's
//! `_dl_find_object` makes the unwinder's look-up of a frame safe there; where that is missing, frame pointers are followed,
//! which most optimized code does not keep, and only within the bounds of the stack.

use super::clock;
use super::fault::{self, Syscall};
use super::signal;
use super::unwind;
use crate::util::lock::Mutex;
use std::ffi::{c_int, c_void};
use std::ops::Range;
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{
    AtomicBool, AtomicI32, AtomicPtr, AtomicU8, AtomicU32, AtomicUsize, Ordering, compiler_fence,
};
use std::time::Duration;

/// A signal that is ignored unless somebody handles it, and that is seldom used. Go has chosen it for the same reasons.
const SIGNAL: c_int = libc::SIGURG;
const MOST: usize = 64;
const NAME: usize = 64;
/// How long a thread has to answer. One that blocks the signal never does.
const ANSWER_WITHIN: Duration = Duration::from_millis(200);

/// Says what the thread is doing: calls `name` with a name to store, and returns the bounds of the stack. `None` if the
/// thread does nothing of interest any more. Runs in signal context.
pub(crate) type Describe =
    fn(subject: *const (), name: &mut dyn FnMut(&[u8])) -> Option<Range<usize>>;

/// What was seen.
#[derive(Debug)]
pub(crate) struct StackSeen {
    pub(crate) name: String,
    /// The place where the thread was, and the return addresses up from there. The chain may go on beyond the last one.
    pub(crate) addresses: Vec<usize>,
}

/// The question to a thread. Only one is open at a time.
struct OpenQuestion {
    state: AtomicU32,
    thread: AtomicI32,
    subject: AtomicPtr<()>,
    describe: AtomicPtr<()>,
    found: AtomicBool,
    name: [AtomicU8; NAME],
    name_len: AtomicUsize,
    addresses: [AtomicUsize; MOST],
    len: AtomicUsize,
}

const IDLE: u32 = 0;
const ASKED: u32 = 1;
const ANSWERING: u32 = 2;
const ANSWERED: u32 = 3;

static QUESTION: OpenQuestion = OpenQuestion {
    state: AtomicU32::new(IDLE),
    thread: AtomicI32::new(0),
    subject: AtomicPtr::new(ptr::null_mut()),
    describe: AtomicPtr::new(ptr::null_mut()),
    found: AtomicBool::new(false),
    name: [const { AtomicU8::new(0) }; NAME],
    name_len: AtomicUsize::new(0),
    addresses: [const { AtomicUsize::new(0) }; MOST],
    len: AtomicUsize::new(0),
};

static ASKING: Mutex<()> = Mutex::new(());
static PREVIOUS: OnceLock<libc::sigaction> = OnceLock::new();
static UNWINDS: AtomicBool = AtomicBool::new(false);

std::thread_local! {
    static SWITCHES: AtomicBool = const { AtomicBool::new(false) };
}

/// Notes that the calling thread begins or ends a switch of stacks. In between, its registers belong to two stacks: no
/// unwinder could tell where it came from, and one that tried would follow values that are no addresses.
#[inline(always)]
pub(crate) fn set_switching(switches: bool) {
    compiler_fence(Ordering::SeqCst);
    SWITCHES.with(|it| it.store(switches, Ordering::Relaxed));
    compiler_fence(Ordering::SeqCst);
}

/// The number of the calling thread, as [`at`] takes it.
#[inline]
pub(crate) fn this_thread() -> i32 {
    // SAFETY: takes nothing and cannot fail; usable in signal context.
    unsafe { libc::syscall(libc::SYS_gettid) as i32 }
}

fn install() {
    PREVIOUS.get_or_init(|| {
        // SAFETY: a name with its NUL; asks whether the process has such a symbol.
        let found = unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"_dl_find_object".as_ptr()) };
        UNWINDS.store(!found.is_null(), Ordering::Relaxed);
        // The unwinder sets some things up at its first use, which a signal handler must not do.
        unwind::functions_on_stack(&mut |_| true);
        // SAFETY: zeroed sigactions are valid values; the handler has the signature that SA_SIGINFO asks for.
        unsafe {
            let mut previous: libc::sigaction = std::mem::zeroed();
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = on_signal as *const () as usize;
            action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_RESTART;
            libc::sigemptyset(&mut action.sa_mask);
            libc::sigaction(SIGNAL, &action, &mut previous);
            previous
        }
    });
}

/// Where `thread` of this process is now. `None` if it does not answer, or `describe` says so.
pub(crate) fn at(thread: i32, subject: *const (), describe: Describe) -> Option<StackSeen> {
    install();
    let _one = ASKING.lock();
    let question = &QUESTION;
    question.thread.store(thread, Ordering::Relaxed);
    question.subject.store(subject.cast_mut(), Ordering::Relaxed);
    question.describe.store(describe as *mut (), Ordering::Relaxed);
    question.name_len.store(0, Ordering::Relaxed);
    question.len.store(0, Ordering::Relaxed);
    question.state.store(ASKED, Ordering::Release);
    // SAFETY: sends a signal to a thread of this process, if it is still there.
    let send = || unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), thread, SIGNAL) };
    if fault::check(Syscall::Kill).is_err() || send() != 0 {
        question.state.store(IDLE, Ordering::Relaxed);
        return None;
    }
    let until = clock::now() + ANSWER_WITHIN;
    while question.state.load(Ordering::Acquire) != ANSWERED {
        let give_up = clock::now() > until;
        // A handler that has begun to answer is waited for, as it writes where the next answer will be written.
        if give_up
            && question
                .state
                .compare_exchange(ASKED, IDLE, Ordering::AcqRel, Ordering::Relaxed)
                .is_ok()
        {
            return None;
        }
        std::thread::sleep(Duration::from_micros(200));
    }
    question.state.store(IDLE, Ordering::Relaxed);
    let name = question.name[..question.name_len.load(Ordering::Relaxed)].iter();
    let name: Vec<u8> = name.map(|byte| byte.load(Ordering::Relaxed)).collect();
    let addresses = question.addresses[..question.len.load(Ordering::Relaxed)].iter();
    question.found.load(Ordering::Relaxed).then(|| StackSeen {
        name: String::from_utf8_lossy(&name).into_owned(),
        addresses: addresses.map(|address| address.load(Ordering::Relaxed)).collect(),
    })
}

unsafe extern "C" fn on_signal(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    let question = &QUESTION;
    let ours = question.thread.load(Ordering::Relaxed) == this_thread()
        && question
            .state
            .compare_exchange(ASKED, ANSWERING, Ordering::AcqRel, Ordering::Relaxed)
            .is_ok();
    if ours {
        // SAFETY: the kernel passes the context that it interrupted.
        unsafe { answer(question, &*context.cast::<libc::ucontext_t>()) };
        question.state.store(ANSWERED, Ordering::Release);
    } else if let Some(previous) = PREVIOUS.get() {
        // SAFETY: these are the arguments that the kernel called us with.
        unsafe { signal::call(previous, signal, info, context) };
    }
}

/// Program counter, stack pointer and frame pointer.
#[cfg(target_arch = "x86_64")]
fn registers(context: &libc::ucontext_t) -> [usize; 3] {
    [libc::REG_RIP, libc::REG_RSP, libc::REG_RBP]
        .map(|register| context.uc_mcontext.gregs[register as usize] as usize)
}

#[cfg(target_arch = "aarch64")]
fn registers(context: &libc::ucontext_t) -> [usize; 3] {
    let context = &context.uc_mcontext;
    [context.pc as usize, context.sp as usize, context.regs[29] as usize]
}

/// # Safety
/// `context` is that of the signal that is being handled.
unsafe fn answer(question: &OpenQuestion, context: &libc::ucontext_t) {
    // SAFETY: the asker has stored a `Describe`, and function pointers and data pointers are of one size here.
    let describe = unsafe {
        std::mem::transmute::<*mut (), Describe>(question.describe.load(Ordering::Relaxed))
    };
    let mut len = 0;
    let stack = describe(question.subject.load(Ordering::Relaxed), &mut |bytes| {
        for &byte in bytes {
            if let Some(place) = question.name.get(len) {
                place.store(byte, Ordering::Relaxed);
                len += 1;
            }
        }
    });
    question.name_len.store(len, Ordering::Relaxed);
    question.found.store(stack.is_some(), Ordering::Relaxed);
    let Some(stack) = stack else { return };
    let [at, stack_pointer, frame] = registers(context);
    let mut len = 0;
    let mut add = |address: usize| {
        if let Some(place) = question.addresses.get(len) {
            place.store(address, Ordering::Relaxed);
            len += 1;
        }
        len < MOST
    };
    if SWITCHES.with(|it| it.load(Ordering::Relaxed)) {
        add(at);
    } else if UNWINDS.load(Ordering::Relaxed) {
        // The handler's own frames come first.
        let mut below = true;
        unwind::addresses_on_stack(&mut |address| {
            below &= address != at;
            below || (address != 0 && add(address))
        });
    } else {
        add(at);
        let mut frame = frame;
        let word = size_of::<usize>();
        let bounds = stack_pointer.max(stack.start)..stack.end.saturating_sub(2 * word);
        while frame % word == 0 && bounds.contains(&frame) {
            // SAFETY: two aligned words of the stack that was interrupted, above its stack pointer.
            let [next, back] = unsafe { *(frame as *const [usize; 2]) };
            if back == 0 || !add(back) || next <= frame {
                break;
            }
            frame = next;
        }
    }
    question.len.store(len, Ordering::Relaxed);
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_cannot_be_sent_the_signal_is_not_waited_for() {
        fn nothing(_: *const (), _: &mut dyn FnMut(&[u8])) -> Option<Range<usize>> {
            unreachable!("nobody was asked")
        }
        fault::fail(Syscall::Kill, 0, 1, libc::EPERM);
        assert!(at(this_thread(), ptr::null(), nothing).is_none());
        fault::check(Syscall::Kill).expect("it has tried");
        assert!(at(i32::MAX, ptr::null(), nothing).is_none(), "there is no such thread");
    }
}
