//! Types with a name of std's have exactly std's auto traits, also where those depend on what is inside; those with a
//! name of crossbeam-channel's have that crate's.

use std::cell::{Cell, UnsafeCell};
use std::marker::{PhantomData, PhantomPinned};
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::rc::Rc;

/// Answers whether `T` has a trait: an inherent constant, which exists only where it has, hides that of `Otherwise`.
struct Ask<T: ?Sized>(PhantomData<T>);

trait Otherwise {
    const SEND: bool = false;
    const SYNC: bool = false;
    const UNPIN: bool = false;
    const UNWIND_SAFE: bool = false;
    const REF_UNWIND_SAFE: bool = false;
}

impl<T: ?Sized> Otherwise for Ask<T> {}
impl<T: ?Sized + Send> Ask<T> {
    const SEND: bool = true;
}
impl<T: ?Sized + Sync> Ask<T> {
    const SYNC: bool = true;
}
impl<T: ?Sized + Unpin> Ask<T> {
    const UNPIN: bool = true;
}
impl<T: ?Sized + UnwindSafe> Ask<T> {
    const UNWIND_SAFE: bool = true;
}
impl<T: ?Sized + RefUnwindSafe> Ask<T> {
    const REF_UNWIND_SAFE: bool = true;
}

macro_rules! traits_of {
    ($type:ty) => {
        [
            ("Send", <Ask<$type>>::SEND),
            ("Sync", <Ask<$type>>::SYNC),
            ("Unpin", <Ask<$type>>::UNPIN),
            ("UnwindSafe", <Ask<$type>>::UNWIND_SAFE),
            ("RefUnwindSafe", <Ask<$type>>::REF_UNWIND_SAFE),
        ]
    };
}

/// What is missing here; what a type has here and not there harms nobody, but is to be said in the test.
#[derive(Default)]
struct Differences {
    missing: Vec<String>,
    more: Vec<String>,
}

impl Differences {
    fn look(&mut self, name: &str, ours: [(&str, bool); 5], theirs: [(&str, bool); 5]) {
        for ((name_of_trait, ours), (_, theirs)) in ours.into_iter().zip(theirs) {
            match (ours, theirs) {
                (true, false) => self.more.push(format!("{name}: {name_of_trait}")),
                (false, true) => self.missing.push(format!("{name}: {name_of_trait}")),
                _ => {}
            }
        }
    }

    /// Nothing is missing, and nothing is more but for certain traits of certain types.
    #[track_caller]
    fn only_more(mut self, expected: &[(&str, &str)]) {
        self.more.retain(|found| {
            !expected.iter().any(|(name, of)| found.starts_with(name) && found.ends_with(of))
        });
        assert!(
            self.missing.is_empty() && self.more.is_empty(),
            "\nmissing:\n{}\nmore:\n{}",
            self.missing.join("\n"),
            self.more.join("\n"),
        );
    }

    #[track_caller]
    fn none(self) {
        self.only_more(&[]);
    }
}

/// Compares `ours::Name` with `theirs::Name`.
macro_rules! same {
    ($differences:ident: $ours:path, $theirs:path: $($name:ident)*) => {
        $({
            use $ours as ours;
            use $theirs as theirs;
            $differences.look(stringify!($name), traits_of!(ours::$name), traits_of!(theirs::$name));
        })*
    };
}

/// Likewise, with each of several things inside.
macro_rules! same_with {
    ($differences:ident: $ours:path, $theirs:path: $($name:ident<$($lt:lifetime,)? T>)*) => {
        $(
            same_with!(@ $differences, $ours, $theirs, $name, [$($lt)?],
                u8, Cell<u8>, Rc<u8>, std::sync::MutexGuard<'static, u8>, &'static mut u8, UnsafeCell<u8>,
                &'static Cell<u8>, PhantomPinned, Box<dyn Fn()>, Box<dyn Send>, *mut u8);
        )*
    };
    (@ $differences:ident, $ours:path, $theirs:path, $name:ident, $lt:tt, $($inside:ty),*) => {
        $(same_with!(@@ $differences, $ours, $theirs, $name, $lt, $inside);)*
    };
    (@@ $differences:ident, $ours:path, $theirs:path, $name:ident, [$($lt:lifetime)?], $inside:ty) => {{
        use $ours as ours;
        use $theirs as theirs;
        $differences.look(
            concat!(stringify!($name), "<", stringify!($inside), ">"),
            traits_of!(ours::$name<$($lt,)? $inside>),
            traits_of!(theirs::$name<$($lt,)? $inside>),
        );
    }};
}

#[test]
fn locks_have_the_auto_traits_of_stds() {
    let mut differences = Differences::default();
    same!(differences: greenthread::sync, std::sync:
        Barrier BarrierWaitResult Condvar Once OnceState WaitTimeoutResult);
    same_with!(differences: greenthread::sync, std::sync:
        Mutex<T> RwLock<T> OnceLock<T> LazyLock<T>
        MutexGuard<'static, T> RwLockReadGuard<'static, T> RwLockWriteGuard<'static, T>);
    differences.only_more(&[("OnceState", " Sync"), ("OnceState", " RefUnwindSafe")]);
}

#[test]
fn of_a_lazy_value_with_its_closure() {
    type Closure<'a> = Box<dyn FnOnce() -> u8 + Send + 'a>;
    type Shared<'a> = Box<dyn FnOnce() -> u8 + Send + Sync + UnwindSafe + RefUnwindSafe + 'a>;
    let mut differences = Differences::default();
    differences.look(
        "LazyLock with a closure that is Send",
        traits_of!(greenthread::sync::LazyLock<u8, Closure<'static>>),
        traits_of!(std::sync::LazyLock<u8, Closure<'static>>),
    );
    differences.look(
        "LazyLock with a closure that is everything",
        traits_of!(greenthread::sync::LazyLock<u8, Shared<'static>>),
        traits_of!(std::sync::LazyLock<u8, Shared<'static>>),
    );
    differences.look(
        "LazyLock with a closure that is nothing",
        traits_of!(greenthread::sync::LazyLock<u8, Rc<u8>>),
        traits_of!(std::sync::LazyLock<u8, Rc<u8>>),
    );
    differences.none();
}

#[test]
fn channels_have_the_auto_traits_of_stds() {
    let mut differences = Differences::default();
    same_with!(differences: greenthread::sync::mpsc, std::sync::mpsc:
        Sender<T> SyncSender<T> Receiver<T> IntoIter<T> Iter<'static, T> TryIter<'static, T>
        SendError<T> TrySendError<T>);
    same_with!(differences: greenthread::sync::mpmc, crossbeam_channel:
        Sender<T> Receiver<T> IntoIter<T> Iter<'static, T> TryIter<'static, T> SendTimeoutError<T>);
    differences
        .only_more(&[("Receiver<PhantomPinned>", " Unpin"), ("IntoIter<PhantomPinned>", " Unpin")]);
}

#[test]
fn threads_have_the_auto_traits_of_stds() {
    let mut differences = Differences::default();
    same!(differences: greenthread::thread, std::thread: Builder Thread ThreadId AccessError);
    same_with!(differences: greenthread::thread, std::thread: ScopedJoinHandle<'static, T>);
    // Where the result is not `Send` there is no such handle of std's.
    differences.look(
        "JoinHandle<Cell<u8>>",
        traits_of!(greenthread::JoinHandle<Cell<u8>>),
        traits_of!(std::thread::JoinHandle<Cell<u8>>),
    );
    differences.look(
        "JoinHandle<Box<dyn Send>>",
        traits_of!(greenthread::JoinHandle<Box<dyn Send>>),
        traits_of!(std::thread::JoinHandle<Box<dyn Send>>),
    );
    differences.look(
        "JoinHandle<PhantomPinned>",
        traits_of!(greenthread::JoinHandle<PhantomPinned>),
        traits_of!(std::thread::JoinHandle<PhantomPinned>),
    );
    differences.look(
        "Scope",
        traits_of!(greenthread::thread::Scope<'static, 'static>),
        traits_of!(std::thread::Scope<'static, 'static>),
    );
    differences.only_more(&[("JoinHandle", "UnwindSafe"), ("ScopedJoinHandle", "UnwindSafe")]);
}

#[test]
fn sockets_have_the_auto_traits_of_stds() {
    let mut differences = Differences::default();
    same!(differences: greenthread::net, std::net: TcpStream TcpListener UdpSocket);
    differences.look(
        "Incoming",
        traits_of!(greenthread::net::Incoming<'static>),
        traits_of!(std::net::Incoming<'static>),
    );
    same!(differences: greenthread::os::unix::net, std::os::unix::net:
        UnixStream UnixListener UnixDatagram SocketAddr);
    differences.look(
        "Incoming of Unix sockets",
        traits_of!(greenthread::os::unix::net::Incoming<'static>),
        traits_of!(std::os::unix::net::Incoming<'static>),
    );
    differences.none();
}

#[test]
fn of_files_and_pipes() {
    let mut differences = Differences::default();
    same!(differences: greenthread::fs, std::fs: File OpenOptions ReadDir DirEntry);
    same!(differences: greenthread::io, std::io: PipeReader PipeWriter Stdin Stdout Stderr);
    same_with!(differences: greenthread::thread, std::thread: LocalKey<T>);
    differences.none();
}

/// std has no such types; those of its own that are shared alike may be used over a `catch_unwind`.
#[test]
fn of_what_std_has_not() {
    use greenthread::{queue, sync, thread};
    macro_rules! has_all {
        ($($type:ty)*) => {$(
            assert_eq!(
                traits_of!($type).map(|(_, has)| has), [true; 5], "{}: {:?}", stringify!($type), traits_of!($type)
            );
        )*};
    }
    has_all!(
        sync::Semaphore sync::BoundedSemaphore sync::Event sync::WaitGroup sync::Latch sync::CyclicBarrier
        sync::SemaphorePermit<'static> sync::OwnedSemaphorePermit sync::BoundedSemaphorePermit<'static>
        sync::OwnedBoundedSemaphorePermit sync::WaitGroupGuard<'static> sync::OwnedWaitGroupGuard
        sync::AsyncResult<u8> sync::ReentrantMutex<u8>
        queue::Queue<u8> queue::LifoQueue<u8> queue::PriorityQueue<u8>
        thread::ThreadId thread::ThreadState thread::Deadline greenthread::Runtime greenthread::RuntimeBuilder
    );
}

/// What is handed to other threads can be, and what stays on its own does not leave it.
#[test]
fn of_what_is_shared_and_what_stays() {
    use greenthread::{executor, generator, greenlet, net, pool, process, server, signal, thread};
    macro_rules! sent_and_shared {
        ($is:literal: $($type:ty)*) => {$(
            assert_eq!(traits_of!($type).map(|(_, has)| has)[..2], [$is; 2], "{}", stringify!($type));
        )*};
    }
    sent_and_shared!(true:
        pool::Group pool::Pool server::StreamServer server::DatagramServer signal::Signals net::ListenOptions
        executor::GreenExecutor executor::ThreadPool executor::Future<u8> process::Command process::Child
        process::ChildHandle thread::Timer<u8> thread::Interval thread::ContextVar<u8> thread::ScopedJoinHandle<'static, u8>
    );
    sent_and_shared!(false:
        generator::Generator<u8> generator::Scoped<'static, u8> greenlet::Greenlet greenlet::AnyGreenlet
        greenlet::WeakGreenlet thread::LocalJoinHandle<u8> thread::ScopedLocalJoinHandle<'static, u8>
    );
    #[cfg(feature = "processes")]
    sent_and_shared!(true:
        executor::ProcessPool process::Process<u8> process::shared::Queue<u8> process::shared::Lock
        process::shared::Event process::shared::Counter process::shared::Map<u8, u8>
        process::shared::PipeEnd<u8, u8>
    );
}

/// As those of the whole: they stay on their thread, and are shared as the data is.
#[test]
fn of_guards_of_a_part() {
    use greenthread::sync::{
        MappedMutexGuard, MappedReentrantMutexGuard, MappedRwLockReadGuard, MappedRwLockWriteGuard,
    };
    macro_rules! as_the_data {
        ($($guard:ident)*) => {$(
            let shared = traits_of!($guard<'static, u8>).map(|(_, has)| has);
            assert_eq!(shared[..3], [false, true, true], "{}", stringify!($guard));
            let unshared = traits_of!($guard<'static, Cell<u8>>).map(|(_, has)| has);
            assert_eq!(unshared[..3], [false, false, true], "{}", stringify!($guard));
        )*};
    }
    as_the_data!(MappedMutexGuard MappedReentrantMutexGuard MappedRwLockReadGuard MappedRwLockWriteGuard);
}

/// What can be made from nothing has a default, and what comes before or after another an order.
#[test]
fn of_defaults_and_orders() {
    use greenthread::{executor, net, pool, queue, server, signal, sync, thread};
    fn has_default<T: Default>() {}
    fn has_order<T: Ord + Copy + std::hash::Hash>() {}
    macro_rules! defaults {
        ($($type:ty)*) => {$( has_default::<$type>(); )*};
    }
    defaults!(
        sync::Mutex<u8> sync::RwLock<u8> sync::ReentrantMutex<u8> sync::Condvar sync::OnceLock<Rc<u8>> sync::LazyLock<u8>
        sync::Event sync::WaitGroup sync::AsyncResult<u8> sync::mpmc::Select<'static>
        queue::Queue<u8> queue::LifoQueue<u8> queue::PriorityQueue<u8>
        greenthread::Builder greenthread::RuntimeBuilder thread::ReturnWhen thread::MissedTicks
        pool::Group executor::GreenExecutor net::ListenOptions
        server::StreamServerBuilder server::DatagramServerBuilder server::Stats
    );
    has_order::<thread::ThreadId>();
    has_order::<thread::Deadline>();
    has_order::<signal::Signal>();
    assert!(thread::Deadline::at(std::time::Instant::now()) < thread::Deadline::NEVER);
}

/// What the tests above rest on.
#[test]
fn the_question_is_answered() {
    assert!(traits_of!(u8).iter().all(|(_, has)| *has));
    assert_eq!(traits_of!(Rc<Cell<u8>>).map(|(_, has)| has), [false, false, true, false, false]);
    assert_eq!(traits_of!(PhantomPinned).map(|(_, has)| has), [true, true, false, true, true]);
    assert_eq!(traits_of!(&mut u8).map(|(_, has)| has), [true, true, true, false, true]);
    let mut differences = Differences::default();
    differences.look("Rc and u8", traits_of!(Rc<u8>), traits_of!(u8));
    assert_eq!(differences.missing, ["Rc and u8: Send", "Rc and u8: Sync"]);
    differences.look("u8 and Rc", traits_of!(u8), traits_of!(Rc<u8>));
    assert_eq!(differences.more, ["u8 and Rc: Send", "u8 and Rc: Sync"]);
}
