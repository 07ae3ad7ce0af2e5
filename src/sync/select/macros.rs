//! The syntax of `select!`.
#![forbid(unsafe_code)]

/// Waits for the first of several things and runs the code of that arm; as Go's `select`, with crossbeam's syntax.
///
/// | arm | is ready when | `result` |
/// |---|---|---|
/// | `recv(receiver) -> result => ..` | there is an item, or all senders are gone | `Result<T, RecvError>` |
/// | `send(sender, item) -> result => ..` | there is room, or all receivers are gone | `Result<(), SendError<T>>` |
/// | `send_from(sender, option) -> result => ..` | likewise, with an item from an `Option` | `Result<(), SendError<T>>` |
/// | `get(queue) -> result => ..` | there is an item, or the [queue](crate::queue) is shut down | `Result<T, GetError>` |
/// | `put(queue, item) -> result => ..` | there is room, or the queue is shut down | `Result<(), PutError<T>>` |
/// | `put_from(queue, option) -> result => ..` | likewise, with an item from an `Option` | `Result<(), PutError<T>>` |
/// | `event(event) => ..` | the [`Event`](crate::sync::Event) is set | |
/// | `join(handle) => ..` | the green thread has ended: [`join`](crate::JoinHandle::join) does not wait. A paused one is started | |
/// | `future(future) -> output => ..` | the [future](crate::future) is ready | its output |
/// | `default => ..` | no other arm is ready | |
/// | `default(duration) => ..` | no other arm has become ready in that time | |
///
/// Suspends a green thread, blocks an OS thread. All arms have the same type, which is the type of the whole. If several arms are
/// ready, each is as likely to win as the others; [`select_biased!`](crate::select_biased) prefers the first. The arms that do not
/// win change nothing: they take no item and send none.
///
/// - The receivers and senders are those of [`mpsc`](crate::sync::mpsc) and [`mpmc`](crate::sync::mpmc). Those of std or other
///   libraries do not compile here, as their waits block the OS thread.
/// - For time limits there are [`mpmc::after`](crate::sync::mpmc::after), [`mpmc::at`](crate::sync::mpmc::at) and
///   [`mpmc::tick`](crate::sync::mpmc::tick). An arm is switched off by [`mpmc::never`](crate::sync::mpmc::never).
/// - The item of a `send` is made before the wait, and dropped if another arm wins. (crossbeam's is made only when its arm has
///   won.) `send_from` takes the item out of an `Option`, puts it back if another arm wins, and is never ready while the
///   `Option` is empty. `put` and `put_from` do the same.
/// - The default arm, with a duration or without, is taken only if there was one moment at which no other arm was ready, as in Go.
/// - Each arm has room on the caller's stack for what it sends or receives. The 180 KiB of a stack suffice for one arm
///   that sends 32 KiB, or two that receive so much; in a debug build, which needs several times as much and has 4 MiB,
///   for some arms more. For larger items send boxes, or give the green thread a larger
///   [`stack_size`](crate::Builder::stack_size).
/// - A future is polled on the caller's stack, and dropped if another arm wins. Give it as `&mut`, or pinned, if it is to
///   live on.
///
/// If the number of channels is known at run time only, use [`mpmc::Select`](crate::sync::mpmc::Select).
///
/// # Examples
/// ```
/// use greenthread::select;
/// use greenthread::sync::mpmc;
/// use std::time::Duration;
///
/// let (sender, receiver) = mpmc::unbounded();
/// let (_quiet, silence) = mpmc::unbounded::<u8>();
/// greenthread::spawn(move || sender.send("news").unwrap());
/// let heard = select! {
///     recv(receiver) -> item => item.unwrap(),
///     recv(silence) -> _ => unreachable!(),
///     default(Duration::from_secs(10)) => "nothing",
/// };
/// assert_eq!(heard, "news");
/// ```
/// Sending, a queue, an event, the end of a green thread, and not waiting:
/// ```
/// use greenthread::{queue::Queue, select, sync::{Event, mpmc}};
///
/// let (sender, receiver) = mpmc::bounded(1);
/// let (queue, event) = (Queue::<u8>::new(), Event::new());
/// let parked = greenthread::spawn(greenthread::thread::park);
/// let which = || {
///     select! {
///         send(sender, 1) -> sent => sent.map(|()| "sent").unwrap(),
///         get(queue) -> item => item.map(|_| "an item").unwrap(),
///         event(event) => "the event",
///         join(parked) => "the end",
///         default => "nothing is ready",
///     }
/// };
/// assert_eq!((which(), which()), ("sent", "nothing is ready"));
/// event.set();
/// assert_eq!(which(), "the event");
/// parked.kill();
/// # drop(receiver);
/// ```
#[doc(alias("poll", "wait"))]
#[macro_export]
macro_rules! select {
    ($($tokens:tt)+) => {
        $crate::__select!(@arms [Fair] [Wait] (0) $($tokens)+)
    };
}

/// As [`select!`](crate::select), but if several arms are ready the first of them wins; as crossbeam's `select_biased!`.
///
/// # Examples
/// ```
/// use greenthread::select_biased;
/// use greenthread::sync::mpmc;
///
/// let (urgent, first) = mpmc::unbounded();
/// let (usual, second) = mpmc::unbounded();
/// usual.send("usual").unwrap();
/// urgent.send("urgent").unwrap();
/// let item = select_biased! {
///     recv(first) -> item => item.unwrap(),
///     recv(second) -> item => item.unwrap(),
/// };
/// assert_eq!(item, "urgent");
/// ```
#[macro_export]
macro_rules! select_biased {
    ($($tokens:tt)+) => {
        $crate::__select!(@arms [Biased] [Wait] (0) $($tokens)+)
    };
}

/// Collects the arms of `select!` one by one, each with a name of its own and its number.
#[doc(hidden)]
#[macro_export]
macro_rules! __select {
    // An arm with a block needs no comma.
    (@arms $done:tt $default:tt $n:tt $kind:ident $args:tt $(-> $result:pat)? => $body:block $($rest:tt)*) => {
        $crate::__select!(@arm $done $default $n $kind $args ($($result)?) ($body) $($rest)*)
    };
    (@arms $done:tt $default:tt $n:tt $kind:ident $args:tt $(-> $result:pat)? => $body:expr, $($rest:tt)*) => {
        $crate::__select!(@arm $done $default $n $kind $args ($($result)?) ($body) $($rest)*)
    };
    (@arms $done:tt $default:tt $n:tt $kind:ident $args:tt $(-> $result:pat)? => $body:expr) => {
        $crate::__select!(@arm $done $default $n $kind $args ($($result)?) ($body))
    };
    (@arms $done:tt $default:tt $n:tt default => $body:block $($rest:tt)*) => {
        $crate::__select!(@arms $done [Now ($body)] $n $($rest)*)
    };
    (@arms $done:tt $default:tt $n:tt default => $body:expr, $($rest:tt)*) => {
        $crate::__select!(@arms $done [Now ($body)] $n $($rest)*)
    };
    (@arms $done:tt $default:tt $n:tt default => $body:expr) => {
        $crate::__select!(@arms $done [Now ($body)] $n)
    };
    (@arms $done:tt $default:tt $n:tt , $($rest:tt)*) => {
        $crate::__select!(@arms $done $default $n $($rest)*)
    };

    (@arm $done:tt $default:tt $n:tt default () () ($body:expr) $($rest:tt)*) => {
        $crate::__select!(@arms $done [Now ($body)] $n $($rest)*)
    };
    (@arm $done:tt $default:tt $n:tt default ($timeout:expr $(,)?) () ($body:expr) $($rest:tt)*) => {
        $crate::__select!(@arms $done [After($timeout) ($body)] $n $($rest)*)
    };
    (@arm [$($done:tt)*] $default:tt $n:tt recv ($receiver:expr $(,)?) ($result:pat) ($body:expr) $($rest:tt)*) => {
        $crate::__select!(@arms
            [$($done)* { arm, $n, (&$receiver).use_a_receiver_of_greenthread_sync(), $result, $body }]
            $default ($n + 1) $($rest)*)
    };
    (@arm [$($done:tt)*] $default:tt $n:tt send ($sender:expr, $item:expr $(,)?) ($result:pat) ($body:expr) $($rest:tt)*) => {
        $crate::__select!(@arms
            [$($done)* {
                arm, $n,
                (&$sender).use_a_sender_of_greenthread_sync(::std::option::Option::Some($item), ::std::option::Option::None),
                $result, $body
            }]
            $default ($n + 1) $($rest)*)
    };
    (@arm [$($done:tt)*] $default:tt $n:tt send_from ($sender:expr, $option:expr $(,)?) ($result:pat) ($body:expr) $($rest:tt)*) => {
        $crate::__select!(@arms
            [$($done)* {
                arm, $n,
                (&$sender).use_a_sender_of_greenthread_sync(::std::option::Option::None, ::std::option::Option::Some(&mut $option)),
                $result, $body
            }]
            $default ($n + 1) $($rest)*)
    };
    (@arm [$($done:tt)*] $default:tt $n:tt get ($queue:expr $(,)?) ($result:pat) ($body:expr) $($rest:tt)*) => {
        $crate::__select!(@arms
            [$($done)* { arm, $n, (&$queue).use_a_queue_of_greenthread_to_get(), $result, $body }]
            $default ($n + 1) $($rest)*)
    };
    (@arm [$($done:tt)*] $default:tt $n:tt put ($queue:expr, $item:expr $(,)?) ($result:pat) ($body:expr) $($rest:tt)*) => {
        $crate::__select!(@arms
            [$($done)* {
                arm, $n,
                (&$queue).use_a_queue_of_greenthread_to_put(::std::option::Option::Some($item), ::std::option::Option::None),
                $result, $body
            }]
            $default ($n + 1) $($rest)*)
    };
    (@arm [$($done:tt)*] $default:tt $n:tt put_from ($queue:expr, $option:expr $(,)?) ($result:pat) ($body:expr) $($rest:tt)*) => {
        $crate::__select!(@arms
            [$($done)* {
                arm, $n,
                (&$queue).use_a_queue_of_greenthread_to_put(::std::option::Option::None, ::std::option::Option::Some(&mut $option)),
                $result, $body
            }]
            $default ($n + 1) $($rest)*)
    };
    (@arm [$($done:tt)*] $default:tt $n:tt event ($event:expr $(,)?) ($($result:pat)?) ($body:expr) $($rest:tt)*) => {
        $crate::__select!(@arms
            [$($done)* { arm, $n, $crate::sync::select::event(&$event), (), $body }]
            $default ($n + 1) $($rest)*)
    };
    (@arm [$($done:tt)*] $default:tt $n:tt join ($handle:expr $(,)?) ($($result:pat)?) ($body:expr) $($rest:tt)*) => {
        $crate::__select!(@arms
            [$($done)* { arm, $n, $crate::sync::select::join(&$handle), (), $body }]
            $default ($n + 1) $($rest)*)
    };

    (@arm [$($done:tt)*] $default:tt $n:tt future ($future:expr $(,)?) ($result:pat) ($body:expr) $($rest:tt)*) => {
        $crate::__select!(@arms
            [$($done)* { arm, $n, $crate::__future_arm!($future), $result, $body }]
            $default ($n + 1) $($rest)*)
    };

    // Something that is not an arm: see `arms`.
    (@arm $done:tt $default:tt $n:tt $kind:ident ($first:expr $(, $others:expr)* $(,)?) ($($result:pat)?) ($body:expr) $($rest:tt)*) => {
        $crate::sync::select::arms::$kind($first)
    };

    // The traits' methods are used, so that a type that derefs to a receiver or sender works too.
    (@arms [$order:ident $($arms:tt)*] $default:tt $count:tt) => {{
        #[allow(unused_imports)]
        use $crate::sync::select::{RecvFrom as _, SendTo as _};
        $crate::__select!(@bind [$($arms)*] [$order $($arms)*] $default)
    }};

    // It is a `match`, so that temporaries of an arm live as long as the arm.
    (@bind [{ $arm:ident, $n:tt, $make:expr, $result:pat, $body:expr } $($others:tt)*] $arms:tt $default:tt) => {
        match $make {
            mut $arm => $crate::__select!(@bind [$($others)*] $arms $default)
        }
    };
    (@bind [] [$order:ident $({ $arm:ident, $n:tt, $make:expr, $result:pat, $body:expr })*] [$otherwise:ident $(($($default:tt)+))*]) => {{
        let won = $crate::sync::select::wait(
            &mut [$(($n, &mut $arm as &mut dyn $crate::sync::select::Arm)),*],
            $crate::sync::select::Order::$order,
            $crate::__select!(@otherwise $otherwise $(($($default)+))*),
        );
        $(if won == $n {
            let $result = $arm.finish();
            $body
        } else)* {
            $crate::__select!(@default $otherwise $(($($default)+))*)
        }
    }};

    (@otherwise Wait) => { $crate::sync::select::Otherwise::Wait };
    (@otherwise Now $body:tt) => { $crate::sync::select::Otherwise::Now };
    (@otherwise After ($timeout:expr) $body:tt) => { $crate::sync::select::Otherwise::After($timeout) };

    (@default Wait) => { ::std::unreachable!("without a default arm, some other arm wins") };
    (@default Now ($body:expr)) => { $body };
    (@default After $timeout:tt ($body:expr)) => { $body };
}

/// What must not compile.
///
/// A receiver or sender of std's or another library's does not compile, as its wait would block the OS thread:
/// ```compile_fail,E0599
/// let (_sender, receiver) = std::sync::mpsc::channel::<u8>();
/// greenthread::select! { recv(receiver) -> _ => {} } // no method named `use_a_receiver_of_greenthread_sync`
/// ```
///
/// For what is not an arm, the compiler points at the word that is wrong, and says which arms there are:
/// ```compile_fail,E0425
/// let (_sender, receiver) = greenthread::sync::mpsc::channel::<u8>();
/// greenthread::select! { recieve(receiver) -> _ => {} } // cannot find function `recieve` in module `arms`
/// ```
/// ```compile_fail,E0277
/// let (sender, _receiver) = greenthread::sync::mpsc::channel::<u8>();
/// greenthread::select! { send(sender) -> _ => {} } // it is `send(sender, item) -> result => ..`
/// ```
/// ```compile_fail,E0277
/// let (_sender, receiver) = greenthread::sync::mpsc::channel::<u8>();
/// greenthread::select! { recv(receiver) => {} } // it is `recv(receiver) -> result => ..`
/// ```
#[cfg(doctest)]
mod must_not_compile {}
