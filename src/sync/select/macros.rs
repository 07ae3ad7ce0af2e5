//! The syntax.
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
/// | `join(handle) => ..` | the green thread has ended: [`join`](crate::JoinHandle::join) does not wait | |
/// | `future(future) -> output => ..` | the [future](crate::future) is | its output |
/// | `default => ..` | nothing else is | |
/// | `default(duration) => ..` | nothing else was in that time | |
///
/// The receivers and senders are those of [`mpsc`](crate::sync::mpsc) and [`mpmc`](crate::sync::mpmc); for timers there are
/// [`mpmc::after`](crate::sync::mpmc::after) and [`mpmc::tick`](crate::sync::mpmc::tick). If several arms are ready, each is
/// as likely to win as the others. The arms that lose leave no trace: they take no item and send none. The item of a `send`
/// is made before the wait, and dropped if another arm wins (crossbeam's is made only when its arm has won); `send_from`
/// puts it back into its `Option` then, and is never ready while that is empty. `put` and `put_from` do likewise.
///
/// The default arm is taken only if at one moment, the same for all of them, no other arm was ready; so is the one of
/// `default(duration)` (Go).
///
/// A receiver or sender of std's or another library's will not do, as its wait blocks the OS thread.
///
/// A future is polled on the caller's stack, and dropped if another arm wins; one that is to live on is given as `&mut`, or
/// pinned.
///
/// Where the number of channels is known at run time only, there is [`mpmc::Select`](crate::sync::mpmc::Select).
///
/// All arms have the same type, which is that of the whole. Suspends a green thread, blocks an OS thread.
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
#[macro_export]
macro_rules! select {
    ($($tokens:tt)+) => {
        $crate::__select!(@arms [Fair] [Wait] (0) $($tokens)+)
    };
}

/// As [`select!`](crate::select), but if several arms are ready the first of them wins, as crossbeam's `select_biased!`.
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

    // The traits' methods, so that what derefs to a receiver or sender will do as well.
    (@arms [$order:ident $($arms:tt)*] $default:tt $count:tt) => {{
        #[allow(unused_imports)]
        use $crate::sync::select::{RecvFrom as _, SendTo as _};
        $crate::__select!(@bind [$($arms)*] [$order $($arms)*] $default)
    }};

    // By `match`, so that temporaries of an arm live as long as the arm.
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
/// A receiver or sender of std's or another library's will not do, as its wait blocks the OS thread:
/// ```compile_fail,E0599
/// let (_sender, receiver) = std::sync::mpsc::channel::<u8>();
/// greenthread::select! { recv(receiver) -> _ => {} } // no method named `use_a_receiver_of_greenthread_sync`
/// ```
#[cfg(doctest)]
mod must_not_compile {}
