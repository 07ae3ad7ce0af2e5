//! A value whose destructor panics does not end the process, whatever call owns it, and whatever ends the wait of that call: a kill,
//! a failure of the group that the call is in, the end of the runtime, or a panic of the call itself.
//!
//! Each case runs in a process of its own. A new call that owns a value or a closure of the user's while it waits gets a line in
//! [`CASES`].

use crate::{End, LIMIT, child, finish, is_child, set_limit};
use futures_core::Stream;
use greenthread::executor::{
    self, Call, Executor, GreenExecutor, Runs, SubmitError, ThreadPool, ThreadPoolBuilder,
};
use greenthread::future::{self, FutureExt};
use greenthread::generator::{self, Generator, Yielder};
use greenthread::greenlet::{Greenlet, TraceEvent, TraceHook, set_trace, switch_to_parent};
use greenthread::net::{TcpListener, TcpStream, ToSocketAddrs, UdpSocket};
use greenthread::os::unix::fs::fchown;
use greenthread::os::unix::net::{UnixDatagram, UnixStream};
use greenthread::pool::{Group, Pool};
use greenthread::queue::Queue;
use greenthread::server::{DatagramServer, DatagramSocket, Listener, StreamServer};
use greenthread::signal::{Signal, Signals};
use greenthread::sync::{
    Condvar, CyclicBarrier, Event, Mutex, Once, OnceLock, mpmc::Receiver, mpmc::Select,
    mpmc::Sender, mpmc::bounded,
};
use greenthread::thread::{
    ContextVar, ReturnWhen, Runnable, Timer, group, join_all, kill_all, park, set_uncaught_hook,
    spawn_later, take_uncaught_hook, try_join_all, wait, wait_timeout,
};
use greenthread::{
    Builder, JoinHandle, Runtime, blocking, fs, green_local, io, scope, select, shield, spawn,
    timeout, yield_now,
};
use std::borrow::Borrow;
use std::cell::{Cell, RefCell};
use std::future::{Future, pending, ready};
use std::iter;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::path::Path;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, TryLockError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

const LONG: Duration = Duration::from_secs(1000);

static DROPPED: AtomicUsize = AtomicUsize::new(0);
/// Set when the wait has been ended.
static OVER: Event = Event::new();

/// Its destructor panics.
#[derive(Debug)]
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        DROPPED.fetch_add(1, Ordering::SeqCst);
        panic!("a bomb");
    }
}

/// As many bombs as `Case::bombs` says belong to a call that waits, or panics.
struct Case {
    name: &'static str,
    bombs: usize,
    call: fn(),
}

macro_rules! cases {
    ($($(#[$if:meta])* $name:ident: $bombs:literal, $call:expr;)*) => {
        const CASES: &[Case] =
            &[$($(#[$if])* Case { name: stringify!($name), bombs: $bombs, call: $call }),*];
    };
}

/// Owns a bomb, and is ready with another one if `ready` says so.
struct Fuse {
    ready: bool,
    _bomb: Bomb,
}

fn fuse(ready: bool) -> Fuse {
    Fuse { ready, _bomb: Bomb }
}

impl Future for Fuse {
    type Output = Bomb;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Bomb> {
        if self.ready { Poll::Ready(Bomb) } else { Poll::Pending }
    }
}

impl Stream for Fuse {
    type Item = Bomb;

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Bomb>> {
        Poll::Pending
    }
}

/// Holds a bomb; is an iterator, a path, bytes, an address and a descriptor.
struct Loaded<T>(T, #[allow(dead_code)] Bomb);

fn loaded<T>(value: T) -> Loaded<T> {
    Loaded(value, Bomb)
}

impl<T: Iterator> Iterator for Loaded<T> {
    type Item = T::Item;

    fn next(&mut self) -> Option<T::Item> {
        self.0.next()
    }
}

impl AsRef<Path> for Loaded<&'static str> {
    fn as_ref(&self) -> &Path {
        self.0.as_ref()
    }
}

impl AsRef<[u8]> for Loaded<&'static str> {
    fn as_ref(&self) -> &[u8] {
        self.0.as_ref()
    }
}

impl ToSocketAddrs for Loaded<()> {
    type Iter = std::vec::IntoIter<SocketAddr>;

    fn to_socket_addrs(&self) -> std::io::Result<Self::Iter> {
        park();
        Ok(Vec::new().into_iter())
    }
}

impl<T: AsFd> AsFd for Loaded<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Listener for Loaded<Option<TcpListener>> {
    type Stream = TcpStream;
    type Addr = SocketAddr;

    fn accept(&self) -> std::io::Result<(TcpStream, SocketAddr)> {
        self.0.as_ref().unwrap().accept()
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.0.as_ref().expect("no address").local_addr()
    }
}

impl DatagramSocket for Loaded<UdpSocket> {
    type Addr = SocketAddr;

    fn recv_from(&self, buf: &mut [u8]) -> std::io::Result<(usize, SocketAddr)> {
        self.0.recv_from(buf)
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

impl<F: Fn() -> Option<String> + Send + 'static> Runnable for Loaded<F> {
    fn run(&mut self) {
        park();
    }

    fn name(&self) -> Option<String> {
        (self.0)()
    }
}

impl Borrow<executor::Future<()>> for Loaded<Option<executor::Future<()>>> {
    fn borrow(&self) -> &executor::Future<()> {
        self.0.as_ref().unwrap()
    }
}

impl Default for Bomb {
    fn default() -> Self {
        Self
    }
}

/// Cannot be iterated over.
struct NoItems;

impl IntoIterator for NoItems {
    type Item = ();
    type IntoIter = iter::Empty<()>;

    fn into_iter(self) -> Self::IntoIter {
        panic!("no items")
    }
}

/// Its conversions panic; an executor and addresses that do.
struct Refuses;

impl From<Refuses> for String {
    fn from(_: Refuses) -> Self {
        panic!("no text")
    }
}

impl From<Bomb> for String {
    fn from(_: Bomb) -> Self {
        unreachable!("its turn does not come")
    }
}

impl From<Refuses> for ReturnWhen {
    fn from(_: Refuses) -> Self {
        panic!("no condition")
    }
}

impl Executor for Refuses {
    fn max_workers(&self) -> usize {
        panic!("no workers")
    }

    fn shutdown(&self, _: bool, _: bool) {}
}

impl<C: Call> Runs<C> for Refuses {
    fn start(&self, _: C) -> Result<executor::Future<C::Output>, SubmitError> {
        panic!("no workers")
    }
}

impl ToSocketAddrs for Refuses {
    type Iter = Loaded<iter::FromFn<fn() -> Option<SocketAddr>>>;

    fn to_socket_addrs(&self) -> std::io::Result<Self::Iter> {
        Ok(loaded(iter::from_fn(|| panic!("no address"))))
    }
}

/// Whatever it is asked for, it panics.
struct Rude(#[allow(dead_code)] Bomb);

fn rude() -> Rude {
    Rude(Bomb)
}

impl AsRef<Path> for Rude {
    fn as_ref(&self) -> &Path {
        panic!("no path")
    }
}

impl AsRef<[u8]> for Rude {
    fn as_ref(&self) -> &[u8] {
        panic!("no bytes")
    }
}

impl AsFd for Rude {
    fn as_fd(&self) -> BorrowedFd<'_> {
        panic!("no descriptor")
    }
}

impl std::fmt::Display for Rude {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        panic!("no text")
    }
}

struct Bell(#[allow(dead_code)] Bomb);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {}
}

/// A closure that owns a bomb and never runs.
fn closure<T>() -> impl FnOnce() -> T + Send {
    let bomb = Bomb;
    move || {
        std::mem::forget(bomb);
        unreachable!("there is no room for it")
    }
}

/// Nobody receives, and nobody has gone.
fn full() -> &'static (Sender<Bomb>, Receiver<Bomb>) {
    static FULL: LazyLock<(Sender<Bomb>, Receiver<Bomb>)> = LazyLock::new(|| bounded(0));
    &FULL
}

fn full_queue() -> &'static Queue<Option<Bomb>> {
    static FULL: LazyLock<Queue<Option<Bomb>>> = LazyLock::new(|| {
        let queue = Queue::with_capacity(1);
        queue.put(None).unwrap();
        queue
    });
    &FULL
}

/// Has no room until the end.
fn full_pool() -> &'static Pool {
    static FULL: LazyLock<Pool> = LazyLock::new(|| {
        let pool = Pool::new(1).unwrap();
        pool.spawn(park);
        pool
    });
    &FULL
}

fn executor() -> &'static GreenExecutor {
    static EXECUTOR: LazyLock<GreenExecutor> = LazyLock::new(GreenExecutor::new);
    &EXECUTOR
}

/// Somebody initializes it until the end.
fn running_once() -> &'static Once {
    static ONCE: Once = Once::new();
    spawn(|| ONCE.call_once(park));
    yield_now();
    &ONCE
}

fn running_lock() -> &'static OnceLock<Bomb> {
    static LOCK: OnceLock<Bomb> = OnceLock::new();
    spawn(|| {
        LOCK.get_or_init(|| {
            park();
            unreachable!("it is killed")
        });
    });
    yield_now();
    &LOCK
}

/// Two values that are there, and one that does not come.
fn values() -> [JoinHandle<Bomb>; 3] {
    [spawn(|| Bomb), spawn(|| Bomb), spawn(|| pending().wait())]
}

fn outcomes() -> Vec<executor::Future<Bomb>> {
    let submit = |ends| executor().submit(move || if ends { Bomb } else { pending().wait() });
    [true, true, false].map(|ends| submit(ends).unwrap()).into()
}

/// The tasks of a group or scope that end when the wait is over.
fn late() {
    shield(|| OVER.wait());
}

type Failing<T> = Result<T, Bomb>;

cases! {
    send: 1, || drop(full().0.send(Bomb));
    send_timeout: 1, || drop(full().0.send_timeout(Bomb, LONG));
    put: 1, || drop(full_queue().put(Some(Bomb)));
    put_timeout: 1, || drop(full_queue().put_timeout(Some(Bomb), LONG));
    the_items_of_a_channel: 2, || {
        let (sender, receiver) = bounded(2);
        (0..2).for_each(|_| sender.send(Bomb).unwrap());
        drop(sender);
        park();
        drop(receiver);
    };
    the_items_of_a_queue: 2, || {
        let queue = Queue::new();
        (0..2).for_each(|_| queue.put(Bomb).unwrap());
        park();
        drop(queue);
    };
    select_send: 2, || select! { send(full().0, Bomb) -> _ => {}, send(full().0, Bomb) -> _ => {} };
    select_put: 2, || {
        let queue = full_queue();
        select! { put(queue, Some(Bomb)) -> _ => {}, put(queue, Some(Bomb)) -> _ => {} }
    };
    select_future: 2, || select! { future(fuse(false)) -> _ => {}, future(fuse(false)) -> _ => {} };
    select_send_and_lose: 2, || {
        select! { send(full().0, Bomb) -> _ => {}, send(full().0, Bomb) -> _ => {}, default => {} }
    };
    select_future_and_lose: 2, || {
        select! { future(fuse(false)) -> _ => {}, future(fuse(false)) -> _ => {}, default => {} }
    };
    select_future_and_win: 2, || select! { future(fuse(true)) -> _bomb => {} };
    select_and_wait_in_the_body: 3, || {
        select! {
            send(full().0, Bomb) -> _ => {},
            put(full_queue(), Some(Bomb)) -> _ => {},
            future(fuse(false)) -> _ => {},
            default => park(),
        }
    };
    block_on: 1, || drop(future::block_on(fuse(false)));
    block_on_what_is_ready: 2, || drop(future::block_on(fuse(true)));
    wait_timeout: 1, || drop(fuse(false).wait_timeout(LONG));
    spawned_future: 1, || {
        future::spawn(fuse(false));
        park();
    };
    spawned_future_that_is_joined: 1, || drop(future::spawn(fuse(false)).join());
    spawned_future_that_is_ready: 2, || {
        future::spawn(fuse(true));
        park();
    };
    spawned_local_future: 1, || {
        future::spawn_local(fuse(false));
        park();
    };
    join_outputs: 2, || {
        let _: (Bomb, Bomb, ()) = future::join!(async { Bomb }, ready(Bomb), pending::<()>());
    };
    join_futures: 2, || drop(future::join!(fuse(false), fuse(false)));
    join_and_panic: 3, || {
        future::join!(fuse(false), ready(Bomb), async { panic!("one of them") }, fuse(false));
    };
    try_join_values: 2, || {
        let ready = || ready(Failing::Ok(Bomb));
        drop(future::try_join!(ready(), ready(), pending::<Failing<()>>()));
    };
    try_join_and_fail: 3, || {
        let ready = || ready(Failing::Ok(Bomb));
        drop(future::try_join!(ready(), ready(), async { Failing::<()>::Err(Bomb) }));
    };
    iter: 1, || future::iter(fuse(false)).for_each(drop);
    send_async: 2, || {
        let sender = &full().0;
        let _ = future::join!(sender.send_async(Bomb), sender.send_async(Bomb));
    };
    group_value: 1, || {
        let _ = group(|g| {
            g.spawn(|| {
                late();
                Ok::<(), ()>(())
            });
            Ok(Bomb)
        });
    };
    group_errors: 3, || {
        let _: Result<(), _> = group(|g| {
            // Each has begun before the first fails.
            for _ in 0..2 {
                g.spawn(|| {
                    settle();
                    Failing::<()>::Err(Bomb)
                });
            }
            g.spawn::<_, ()>(|| {
                settle();
                panic_any(Bomb)
            });
            g.spawn(|| {
                late();
                Ok(())
            });
            late();
            Ok(())
        });
    };
    group_value_and_error: 2, || {
        let _ = group(|g| {
            g.spawn(|| Failing::<()>::Err(Bomb));
            Ok(Bomb)
        });
    };
    group_panic_and_error: 1, || {
        let _: Failing<()> = group(|g| {
            g.spawn(|| Failing::<()>::Err(Bomb));
            shield(yield_now);
            panic!("the body")
        })
        .map_err(|_| Bomb);
    };
    scope_value: 1, || drop(scope(|s| {
        s.spawn(late);
        Bomb
    }));
    scope_value_and_panic: 1, || drop(scope(|s| {
        s.spawn(|| panic!("a child"));
        Bomb
    }));
    scope_results: 2, || scope(|s| {
        let _results = [s.spawn(|| Bomb), s.spawn(|| Bomb)];
        park();
    });
    join_of_threads: 2, || drop(join_all(values()));
    try_join_of_threads: 2, || drop(try_join_all(values()));
    a_result_that_panicked: 2, || {
        let handles = [spawn(|| panic_any(Bomb)), spawn(|| panic_any(Bomb)), spawn(park)];
        drop(join_all(handles));
    };
    with_value: 1, || {
        static VALUE: ContextVar<Bomb> = ContextVar::new();
        VALUE.with_value(Bomb, park);
    };
    a_value_that_was_replaced: 2, || {
        static VALUE: ContextVar<Bomb> = ContextVar::new();
        VALUE.set(Bomb);
        VALUE.with(|_| {
            drop(VALUE.set(Bomb));
            park();
        });
    };
    a_local_that_is_made: 1, || {
        green_local! { static VALUE: () = park() }
        let call = closure::<()>();
        VALUE.with(|()| call());
    };
    timer: 1, || {
        let _timer = Timer::after(LONG, closure::<()>());
        yield_now();
    };
    later: 1, || {
        spawn_later(LONG, closure::<()>());
        yield_now();
    };
    blocking_result: 1, || {
        let bomb = Bomb;
        blocking(move || {
            OVER.wait();
            bomb
        });
    };
    call_once: 1, || running_once().call_once(closure());
    call_once_force: 1, || {
        let call = closure::<()>();
        running_once().call_once_force(|_| call());
    };
    once_lock_set: 1, || drop(running_lock().set(Bomb));
    once_lock_get_or_init: 1, || _ = running_lock().get_or_init(closure());
    wait_while: 1, || {
        let (mutex, changed, bomb) = (Mutex::new(()), Condvar::new(), Bomb);
        // Always, as it has no size.
        let condition = move |_: &mut ()| size_of_val(&bomb) == 0;
        drop(changed.wait_while(mutex.lock().unwrap(), condition));
    };
    wait_timeout_while: 1, || {
        let (mutex, changed, bomb) = (Mutex::new(()), Condvar::new(), Bomb);
        let condition = move |_: &mut ()| size_of_val(&bomb) == 0;
        drop(changed.wait_timeout_while(mutex.lock().unwrap(), LONG, condition));
    };
    pool_spawn: 1, || drop(full_pool().spawn(closure::<()>()));
    pool_spawn_timeout: 1, || drop(full_pool().spawn_timeout(LONG, closure::<()>()));
    pool_apply: 1, || drop(full_pool().apply(closure::<()>()));
    pool_map: 2, || drop(Pool::new(3).unwrap().map(bomb_unless_last, 0..3));
    group_map: 2, || drop(Group::new().map(bomb_unless_last, 0..3));
    pool_imap: 3, || {
        let bomb = Bomb;
        let function = move |item: Option<Bomb>| drop((item, size_of_val(&bomb)));
        full_pool().imap(function, loaded([Some(Bomb)].into_iter())).for_each(drop);
    };
    pool_imap_unordered: 3, || {
        let bomb = Bomb;
        let function = move |item: Option<Bomb>| drop((item, size_of_val(&bomb)));
        full_pool().imap_unordered(function, loaded([Some(Bomb)].into_iter())).for_each(drop);
    };
    gather: 2, || drop(executor::gather(outcomes()));
    gather_all: 2, || drop(executor::gather_all(outcomes()));
    try_gather: 2, || {
        let submit = |ends| {
            let task = move || if ends { Failing::Ok(Bomb) } else { pending().wait() };
            executor().submit(task).unwrap()
        };
        drop(executor::try_gather([true, true, false].map(submit)));
    };
    executor_map: 2, || {
        let function = |item: u32| if item == 0 { pending().wait() } else { Bomb };
        executor().map(function, 0..3).for_each(drop);
    };
    executor_map_items: 4, || {
        let items = loaded((0..).inspect(|item| if *item == 3 { park() }));
        executor().map(|_: u32| Bomb, items).for_each(drop);
    };
    executor_map_unordered: 4, || {
        let items = loaded((0..).inspect(|item| if *item == 3 { park() }));
        executor().map_unordered(|_: u32| Bomb, items).for_each(drop);
    };
    returned_by_a_generator: 1, || {
        let mut generator = Generator::<(), (), Bomb>::new(|_| Bomb);
        assert!(generator.next().is_none());
        park();
    };
    a_handler_of_a_server: 1, || {
        let bomb = Bomb;
        let handler = move |_, _| _ = size_of_val(&bomb);
        let _ = StreamServer::bind("127.0.0.1:0", handler).unwrap().serve_forever();
    };
    a_selected_item: 1, || {
        let (sender, receiver) = bounded(1);
        sender.send(Bomb).unwrap();
        let mut select = Select::new();
        select.recv(&receiver);
        let operation = select.select();
        park();
        drop(operation.recv(&receiver));
    };
    sent_to_another: 1, || {
        let ((sender, _receiver), (other, _other)) = (bounded::<Bomb>(1), bounded(1));
        let mut select = Select::new();
        select.send(&sender);
        drop(select.select().send(&other, Bomb));
    };
    put_async: 1, || {
        let mut put = pin!(full_queue().put_async(Some(Bomb)));
        drop(put.as_mut().wait());
    };
    put_async_that_is_not_polled: 1, || {
        let _put = full_queue().put_async(Some(Bomb));
        park();
    };
    send_async_that_is_not_polled: 1, || {
        let _send = full().0.send_async(Bomb);
        park();
    };
    a_stream_that_has_not_begun: 1, || {
        let call = closure::<()>();
        let _stream = future::stream::<(), _>(move |_| call());
        park();
    };
    a_stream_whose_code_waits: 1, || {
        let stream = future::stream(|items| {
            for item in [None, Some(Bomb)] {
                let _ = items.send(item);
            }
        });
        future::iter(stream).for_each(|_| park());
    };
    a_generator_that_has_not_begun: 1, || {
        let call = closure::<()>();
        let _generator = Generator::<(), (), ()>::new(move |_| call());
        park();
    };
    a_greenlet_that_has_not_begun: 1, || {
        let call = closure::<()>();
        let _greenlet = Greenlet::new(move |()| call());
        park();
    };
    code_that_has_not_begun: 1, || {
        let _green = future::green(closure::<()>());
        park();
    };
    iterators_of_handles: 4, || {
        let _ = catch_unwind(|| kill_all(loaded(iter::from_fn(no_handle))));
        let _ = catch_unwind(|| join_all(loaded(iter::from_fn(no_handle))));
        let _ = catch_unwind(|| drop(wait(loaded(iter::from_fn(no_handle)), 1)));
        drop(try_join_all(loaded(iter::from_fn(|| {
            park();
            no_handle()
        }))));
    };
    iterators_of_outcomes: 4, || {
        let _ = catch_unwind(|| executor::gather(loaded(iter::from_fn(no_outcome))));
        let none = iter::from_fn(|| -> Option<executor::Future<Failing<()>>> { panic!("none") });
        let _ = catch_unwind(AssertUnwindSafe(|| drop(executor::try_gather(loaded(none)))));
        let _ = catch_unwind(|| executor::gather_all(loaded(iter::from_fn(no_outcome))));
        executor::as_completed(loaded(iter::from_fn(|| {
            park();
            no_outcome()
        })))
        .for_each(drop);
    };
    a_function_and_its_items: 3, || {
        let bomb = Bomb;
        let function = move |item: Bomb| drop((item, size_of_val(&bomb)));
        let mut items = [Some(Bomb), Some(Bomb), None].into_iter();
        let _ = executor().map(function, iter::from_fn(|| items.next()?.or_else(|| panic!("no more"))));
    };
    a_function_that_a_call_has_last: 1, || {
        let bomb = Bomb;
        let function = move |_: u32| {
            let _bomb = &bomb;
            late();
            panic!("in a call");
        };
        let results = executor().map(function, 0..1);
        settle();
        drop(results);
        park();
    };
    a_result_where_a_call_has_the_function_last: 4, || {
        let function = || {
            let bomb = Bomb;
            move |()| {
                let _bomb = &bomb;
                late();
                Bomb
            }
        };
        let mut results = Group::new().imap(function(), [()]);
        let _ = timeout(Duration::ZERO, || results.next().is_none());
        drop(results);
        let results = executor().map(function(), [()]);
        settle();
        drop(results);
        park();
    };
    yield_all: 1, || {
        let items = loaded(0..9);
        let mut generator = Generator::<i32, (), ()>::new(|y| y.yield_all(items));
        generator.next();
        park();
    };
    switch_in_a_timeout: 1, || {
        let greenlet = Greenlet::new(|_: Bomb| ());
        let _ = timeout(LONG, || drop(greenlet.switch(Bomb)));
    };
    an_address: 1, || drop(TcpStream::connect(loaded(())));
    a_listener: 1, || {
        let listener = loaded(Some(TcpListener::bind("127.0.0.1:0").unwrap()));
        let _ = StreamServer::new(listener, |_, _| {}).serve_forever();
    };
    a_listener_without_an_address: 2, || {
        let bomb = Bomb;
        drop(StreamServer::new(loaded(None), move |_, _| _ = size_of_val(&bomb)));
    };
    a_socket: 1, || {
        let socket = loaded(UdpSocket::bind("127.0.0.1:0").unwrap());
        let _ = DatagramServer::new(socket, |_: &Loaded<UdpSocket>, _, _| {}).serve_forever();
    };
    a_runnable: 1, || {
        loaded(|| None::<String>).start();
        park();
    };
    a_runnable_without_a_name: 1, || drop(loaded(|| -> Option<String> { panic!("no name") }).start());
    the_last_to_have_the_function: 1, || {
        let bomb = Bomb;
        let function = move |()| {
            park();
            size_of_val(&bomb)
        };
        let mut results = Group::new().imap(function, [()]);
        let _ = timeout(Duration::ZERO, || results.next().is_none());
        drop(results);
        park();
    };
    functions_for_no_items: 4, || {
        let function = || {
            let bomb = Bomb;
            move |()| size_of_val(&bomb)
        };
        let _ = catch_unwind(|| _ = Group::new().imap(function(), NoItems));
        let _ = catch_unwind(|| _ = Group::new().imap_unordered(function(), NoItems));
        let _ = catch_unwind(|| _ = executor().map(function(), NoItems));
        let _ = executor().map_unordered(function(), NoItems);
    };
    handles_of_their_own: 2, || {
        let submit = |ends: bool| executor().submit(move || if !ends { park() }).unwrap();
        let handles = [true, false].map(|ends| loaded(Some(submit(ends))));
        std::mem::forget(executor::wait(handles, ReturnWhen::AllCompleted));
    };
    handles_of_their_own_of_nothing: 2, || {
        let handles = || [loaded(None::<executor::Future<()>>)];
        let _ = catch_unwind(|| std::mem::forget(executor::wait(handles(), ReturnWhen::AllCompleted)));
        std::mem::forget(executor::as_completed(handles()));
    };
    what_arrives_where_a_trace_hook_panics: 4, || {
        // Of its own, as greenlets do not switch inside of a group.
        drop(spawn(trace).join());
        park();
    };
    the_first_that_is_sent: 2, || {
        let bomb = Bomb;
        let mut generator = Generator::<(), Bomb>::new(move |_| drop(bomb));
        generator.next();
    };
    signals: 1, || drop(Signals::new(loaded(iter::from_fn(no_signal))));
    a_waker: 1, || {
        let mut receiving = pin!(full().1.recv_async());
        let waker = Waker::from(Arc::new(Bell(Bomb)));
        assert!(receiving.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        drop(waker);
        park();
    };
    an_action: 1, || {
        let bomb = Bomb;
        let barrier = CyclicBarrier::with_action(2, move || _ = size_of_val(&bomb));
        let _ = barrier.wait();
    };
    a_path_and_contents: 2, || drop(fs::write(loaded("/dev/null"), loaded("text")));
    a_descriptor: 1, || {
        let (reader, _writer) = std::io::pipe().unwrap();
        drop(io::wait_readable(loaded(reader), None));
    };
    a_value_of_a_label: 1, || drop(Builder::new().label(Refuses, Bomb));
    handles_and_a_condition: 2, || {
        let handles = || loaded(iter::empty::<JoinHandle<()>>());
        let _ = catch_unwind(|| drop(wait(handles(), Refuses)));
        drop(wait_timeout(handles(), Refuses, LONG));
    };
    futures_of_a_condition: 2, || {
        let futures = || loaded(iter::empty::<executor::Future<()>>());
        let _ = catch_unwind(|| drop(executor::wait(futures(), Refuses)));
        drop(executor::wait_timeout(futures(), Refuses, LONG));
    };
    what_a_borrowed_local_is_to_be: 2, || {
        green_local! { static VALUE: RefCell<Option<Bomb>> = RefCell::new(None) }
        let _ = catch_unwind(|| VALUE.with_borrow(|_| VALUE.set(Some(Bomb))));
        VALUE.with_borrow(|_| drop(VALUE.replace(Some(Bomb))));
    };
    a_local_that_a_generator_has_last: 1, || {
        green_local! {
            static VALUE: Bomb = Bomb;
            static USER: Cell<Option<Generator<()>>> = Cell::new(None);
        }
        let mut generator = Generator::new(|y| VALUE.with(|_| y.yield_(())));
        generator.next();
        USER.set(Some(generator));
    };
    handlers_for_no_address: 4, || {
        let (stream, datagram) = (Bomb, Bomb);
        let _ = catch_unwind(AssertUnwindSafe(|| {
            drop(DatagramServer::bind(Refuses, move |_, _, _| _ = size_of_val(&datagram)));
        }));
        drop(StreamServer::bind(loaded(()), move |_, _| _ = size_of_val(&stream)));
    };
    an_initializer: 4, || {
        let with = |builder: ThreadPoolBuilder| {
            let bomb = Bomb;
            builder.initializer(move || {
                let _bomb = &bomb;
                Ok::<_, &str>(())
            })
        };
        let with = || with(ThreadPool::builder());
        let _ = catch_unwind(|| drop(with().name(Refuses)));
        let _ = catch_unwind(|| {
            let bomb = Bomb;
            drop(with().initializer(move || {
                let _bomb = &bomb;
                Ok::<_, &str>(())
            }));
        });
        let _pool = with().build().unwrap();
        park();
    };
    calls_for_an_executor_that_panics: 4, || {
        let function = || {
            let bomb = Bomb;
            move |_: u32| _ = size_of_val(&bomb)
        };
        let _ = catch_unwind(|| drop(Refuses.map(function(), loaded(0..3))));
        drop(Refuses.map_unordered(function(), loaded(0..3)));
    };
    hooks_that_take_themselves_away: 2, || {
        let bomb = Bomb;
        set_uncaught_hook(Box::new(move |_, _| {
            let _bomb = &bomb;
            drop(take_uncaught_hook());
            panic!("in the hook");
        }));
        spawn(|| panic!("nobody hears of this"));
        drop(spawn(|| {
            let bomb = Bomb;
            set_trace(Some(Rc::new(move |_| {
                let _bomb = &bomb;
                drop(set_trace(None));
                panic!("in the hook");
            })));
            drop(Greenlet::new(|()| ()).switch(()));
        }).join());
        park();
    };
    sent_to_no_parent: 1, || drop(spawn(|| switch_to_parent::<_, ()>(Bomb).is_ok()).join());
    // What is returned meanwhile is not forgotten, as the compiler does with what is in the place for it already.
    conditions_that_are_over: 2, || {
        let (mutex, changed) = (Mutex::new(()), Condvar::new());
        let [one, other] = [Bomb, Bomb].map(|bomb| move |_: &mut ()| size_of_val(&bomb) != 0);
        let wait = |f| drop(changed.wait_while(mutex.lock().unwrap(), f));
        let _ = catch_unwind(AssertUnwindSafe(|| wait(one)));
        if matches!(mutex.try_lock(), Err(TryLockError::WouldBlock)) {
            std::process::exit(2);
        }
        mutex.clear_poison();
        let lock = mutex.lock().unwrap();
        let _ = catch_unwind(AssertUnwindSafe(|| drop(changed.wait_timeout_while(lock, LONG, other))));
        if matches!(mutex.try_lock(), Err(TryLockError::WouldBlock)) {
            std::process::exit(2);
        }
    };
    whose_owner_is_changed: 1, || {
        let (reader, _writer) = std::io::pipe().unwrap();
        let _ = timeout(Duration::ZERO, || drop(fchown(loaded(reader), None, None)));
    };
    addresses_to_send_to: 1, || {
        drop(UdpSocket::bind("127.0.0.1:0").unwrap().send_to(b"text", Refuses));
    };
    paths_that_are_none: 5, || {
        let _ = catch_unwind(|| drop(fs::read(rude())));
        let _ = catch_unwind(|| drop(fs::rename("/nowhere", rude())));
        let _ = catch_unwind(|| drop(UnixStream::connect(rude())));
        let _ = catch_unwind(|| drop(UnixDatagram::unbound().unwrap().send_to(b"text", rude())));
        drop(fs::copy(rude(), "/nowhere"));
    };
    contents_that_are_none: 1, || drop(fs::write("/dev/null", rude()));
    descriptors_that_are_none: 3, || {
        let _ = catch_unwind(|| drop(fchown(rude(), None, None)));
        let _ = catch_unwind(|| drop(io::wait_writable(rude(), None)));
        drop(io::wait_readable(rude(), Some(LONG)));
    };
    an_error_without_a_text: 1, || {
        let pool = ThreadPool::builder().max_workers(1).initializer(|| Err(rude())).build().unwrap();
        drop(pool.submit(|| ()).unwrap().into_result());
    };
    no_memory_for_a_stack: 4, || {
        let spare = vec![0u8; 128 << 10];
        let size = std::fs::read_to_string("/proc/self/statm").unwrap();
        let pages: u64 = size.split(' ').next().unwrap().parse().unwrap();
        set_limit(libc::RLIMIT_AS, pages * 4096 + (16 << 20));
        let mut all = Vec::with_capacity(10_000);
        while let Ok(one) = catch_unwind(|| Generator::<()>::new(|_| ())) {
            all.push(one);
        }
        drop(spare);
        let call = || {
            let bomb = Bomb;
            move || drop(bomb)
        };
        let (call, other, body, consumer) = (call(), call(), call(), call());
        let _ = catch_unwind(AssertUnwindSafe(|| drop(Generator::<()>::new(move |_| call()))));
        let _ = catch_unwind(AssertUnwindSafe(|| drop(Greenlet::new(move |()| other()))));
        let scoped = |_: &Yielder<'_, ()>| body();
        let _ = catch_unwind(AssertUnwindSafe(|| generator::scope(scoped, |_| consumer())));
        set_limit(libc::RLIMIT_AS, libc::RLIM_INFINITY);
    };
    #[cfg(feature = "inspect")]
    what_leaks: 1, || {
        let thread = std::thread::spawn(|| {
            greenthread::inspect::assert_no_leaks(|| {
                spawn(park);
                Bomb
            })
        });
        std::mem::forget(thread.join());
    };
    #[cfg(feature = "console")]
    an_address_of_a_console: 1, || drop(greenthread::inspect::serve(loaded(())));
    #[cfg(feature = "hyper")]
    executed: 1, || {
        hyper::rt::Executor::execute(&future::HyperRuntime, fuse(false));
        park();
    };
}

fn bomb_unless_last(item: u32) -> Bomb {
    if item == 2 { pending().wait() } else { Bomb }
}

fn trace() {
    let hook = || Some(Rc::new(|_: &TraceEvent| -> () { panic!("the hook") }) as TraceHook);
    let bomb = Bomb;
    let begins = Greenlet::new(move |item: Bomb| drop((item, size_of_val(&bomb))));
    set_trace(hook());
    let _ = catch_unwind(AssertUnwindSafe(|| drop(begins.switch(Bomb))));
    set_trace(None);
    let returns = Greenlet::new(move |()| {
        set_trace(hook());
        Bomb
    });
    let _ = catch_unwind(AssertUnwindSafe(|| drop(returns.switch(()))));
    set_trace(None);
    let panics = Greenlet::<(), ()>::new(move |()| {
        set_trace(hook());
        panic_any(Bomb)
    });
    let _ = catch_unwind(AssertUnwindSafe(|| drop(panics.switch(()))));
    set_trace(None);
}

fn no_handle() -> Option<JoinHandle<()>> {
    panic!("no handle")
}

fn no_signal() -> Option<Signal> {
    panic!("no signal")
}

fn no_outcome() -> Option<executor::Future<()>> {
    panic!("no outcome")
}

/// What ends the wait.
const ENDS: [&str; 3] = ["kill", "group", "runtime"];

fn run(case: &Case, end: &str) {
    let (call, end) = (case.call, end.to_owned());
    let main = move || {
        let doomed = match &*end {
            "group" => daemon(move || {
                let _: Result<(), _> = group(|g| {
                    g.spawn(|| {
                        settle();
                        Err::<(), ()>(())
                    });
                    call();
                    Ok(())
                });
            }),
            _ => daemon(call),
        };
        (0..3).for_each(|_| settle());
        match &*end {
            "kill" => doomed.kill(),
            "runtime" => {
                // What is shielded goes on when the others have been killed, or before.
                std::thread::spawn(|| {
                    std::thread::sleep(Duration::from_millis(10));
                    OVER.set();
                });
                return;
            }
            _ => {}
        }
        settle();
        OVER.set();
        let _ = doomed.join();
    };
    Runtime::new_current_thread().unwrap().run(main).unwrap();
    OVER.set();
    let over = Instant::now() + LIMIT;
    while DROPPED.load(Ordering::SeqCst) < case.bombs && Instant::now() < over {
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(DROPPED.load(Ordering::SeqCst), case.bombs, "not all of them were dropped");
}

/// Nobody waits for it at the end of `main`, nor for those that it spawns.
fn daemon(body: impl FnOnce() + Send + 'static) -> JoinHandle<()> {
    Builder::new().daemon(true).spawn(body).unwrap()
}

/// On a runtime of one thread, this lets the others come to their waits.
fn settle() {
    (0..100).for_each(|_| shield(yield_now));
}

#[test]
fn a_value_whose_destructor_panics_ends_no_process() {
    const NAME: &str = "dropped::a_value_whose_destructor_panics_ends_no_process";
    const CASE: &str = "GREENTHREAD_TEST_CASE";
    if is_child(NAME) {
        std::panic::set_hook(Box::new(|_| {}));
        let given = std::env::var(CASE).unwrap();
        let (name, end) = given.split_once(' ').unwrap();
        let caught = catch_unwind(AssertUnwindSafe(|| {
            run(CASES.iter().find(|case| case.name == name).unwrap(), end);
        }));
        if let Err(payload) = caught {
            println!("{:?}", payload.downcast_ref::<String>());
            std::process::exit(1);
        }
        return;
    }
    let all: Arc<Vec<_>> = Arc::new(
        CASES.iter().flat_map(|case| ENDS.map(|end| format!("{} {end}", case.name))).collect(),
    );
    let next = Arc::new(AtomicUsize::new(0));
    let workers = [(); 2].map(|()| {
        let (all, next) = (Arc::clone(&all), Arc::clone(&next));
        std::thread::spawn(move || {
            let mut failed = Vec::new();
            while let Some(case) = all.get(next.fetch_add(1, Ordering::SeqCst)) {
                let mut command = child(NAME);
                command.env(CASE, case);
                match catch_unwind(AssertUnwindSafe(|| finish(command))) {
                    Ok(End { code: Some(0), .. }) => {}
                    Ok(End { code, signal, text }) => {
                        failed.push(format!("{case}: {code:?} {signal:?}\n{text}"));
                    }
                    Err(_) => failed.push(format!("{case} hangs")),
                }
            }
            failed
        })
    });
    let failed = workers.map(|worker| worker.join().unwrap()).concat();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}
