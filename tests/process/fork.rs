//! Forked children.

use crate::{FOR_EVER, LIMIT, SHORT, is_child, passes, until, workers};
use greenthread::executor::{Executor, GreenExecutor, Runs, ThreadPool};
use greenthread::future::FutureExt as _;
use greenthread::net::{TcpListener, TcpStream};
use greenthread::pool::{Group, Pool};
use greenthread::{Builder, Runtime, blocking, run, sleep, spawn, timeout, yield_now};
use std::future::poll_fn;
use std::io::{self, ErrorKind, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

/// Forks; the child runs `body`, and whether that went well is its exit status. A child that hangs is killed.
#[track_caller]
pub(crate) fn forked(body: impl FnOnce()) {
    // SAFETY: the child of a process with threads may only do so much; what it does here is what is tested.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        end_child(catch_unwind(AssertUnwindSafe(body)).is_ok());
    }
    assert_eq!(exit_status(pid), 0);
}

pub(crate) fn end_child(good: bool) -> ! {
    // SAFETY: ends the child.
    unsafe { libc::_exit(if good { 0 } else { 1 }) }
}

/// Waits for a child of `fork` on the OS thread; kills one that hangs.
#[track_caller]
pub(crate) fn exit_status(pid: libc::pid_t) -> i32 {
    let end = Instant::now() + LIMIT / 2;
    loop {
        let mut status = 0;
        // SAFETY: waits for the child just made.
        if unsafe { libc::waitpid(pid, &mut status, libc::WNOHANG) } == pid {
            assert!(libc::WIFEXITED(status), "it died: {status}");
            return libc::WEXITSTATUS(status);
        }
        if Instant::now() > end {
            // SAFETY: the child is ours.
            unsafe { libc::kill(pid, libc::SIGKILL) };
            panic!("the forked child hangs");
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn is_refused(error: &io::Error) -> bool {
    error.kind() == ErrorKind::Unsupported && error.to_string().contains("forked")
}

/// A client, and a connection that a green thread has waited for: the runtime's epoll instance has it.
fn connection() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let mut stream = listener.accept().unwrap().0;
    let waiting = spawn(move || {
        assert!(timeout(Duration::from_millis(1), || stream.read(&mut [0])).is_err());
        stream
    });
    (client, waiting.join().unwrap())
}

/// Whether a green thread that waits for the connection is woken.
fn echo((mut client, mut stream): (TcpStream, TcpStream)) {
    let reader = spawn(move || {
        let mut text = [0; 4];
        stream.read_exact(&mut text).unwrap();
        text
    });
    sleep(Duration::from_millis(2));
    client.write_all(b"ping").unwrap();
    assert_eq!(&reader.join().unwrap(), b"ping");
}

/// What works in every forked child.
fn all_works_afresh() {
    let all = || {
        echo(connection());
        assert_eq!(blocking(|| 6), 6);
        yield_now();
    };
    all();
    spawn(all).join().unwrap();
    run(all);
    let own = workers(2);
    own.run(all).unwrap();
    let asleep = own.spawn(|| sleep(FOR_EVER));
    drop(own);
    assert!(asleep.join().unwrap_err().is_killed(), "a runtime of one's own is waited for");
    Runtime::new_current_thread().unwrap().run(all).unwrap();
}

#[test]
fn a_fork_on_an_os_thread() {
    const NAME: &str = "fork::a_fork_on_an_os_thread";
    if is_child(NAME) {
        let runtime = workers(2);
        let asleep = runtime.spawn(|| sleep(FOR_EVER));
        let unused = Runtime::new_current_thread().unwrap();
        assert_eq!(spawn(|| blocking(|| 3)).join().unwrap(), 3);
        let mut shared = Some((connection(), runtime, unused, asleep));
        forked(|| {
            let ((client, mut stream), runtime, unused, asleep) = shared.take().unwrap();
            // The parent's runtimes and green threads are refused; nothing waits for them.
            assert!(is_refused(runtime.run(|| ()).unwrap_err().io_error().unwrap()));
            assert!(is_refused(unused.run(|| ()).unwrap_err().io_error().unwrap()));
            assert!(catch_unwind(AssertUnwindSafe(|| runtime.spawn(|| ()))).is_err());
            assert!(is_refused(asleep.join().unwrap_err().io_error().unwrap()));
            // Its sockets are files like any other: they may be waited for here as well.
            let stream = run(move || {
                assert!(timeout(Duration::from_millis(1), || stream.read(&mut [0])).is_err());
                stream
            });
            drop((client, stream, runtime, unused));
            all_works_afresh();
        });
        let (connection, runtime, _, asleep) = shared.unwrap();
        echo(connection);
        assert_eq!(spawn(|| blocking(|| 1)).join().unwrap(), 1);
        drop(runtime);
        assert!(asleep.join().unwrap_err().is_killed());
        return;
    }
    passes(NAME);
}

#[test]
fn a_forked_child_that_drops_a_socket_leaves_the_parent_alone() {
    const NAME: &str = "fork::a_forked_child_that_drops_a_socket_leaves_the_parent_alone";
    if is_child(NAME) {
        let body = || {
            let mut shared = Some(connection());
            forked(|| drop(shared.take()));
            echo(shared.unwrap());
        };
        body();
        workers(1).run(body).unwrap();
        Runtime::new_current_thread().unwrap().run(body).unwrap();
        return;
    }
    passes(NAME);
}

/// Forks where it is, and does in the child what a green thread does. Returns in both: zero in the child.
pub(crate) fn fork_in_a_green_thread() -> libc::pid_t {
    let sibling = spawn(|| sleep(FOR_EVER));
    let mut shared = Some(connection());
    yield_now();
    // SAFETY: what the child does here is what is tested.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        let child = || {
            drop(shared.take());
            assert!(!greenthread::current().is_green(), "it goes on as an OS thread");
            sleep(Duration::from_millis(1));
            assert!(is_refused(sibling.join().unwrap_err().io_error().unwrap()));
            all_works_afresh();
        };
        if catch_unwind(AssertUnwindSafe(child)).is_err() {
            end_child(false);
        }
        return pid;
    }
    assert_eq!(exit_status(pid), 0);
    sibling.kill();
    echo(shared.unwrap());
    pid
}

/// Would go on for ever in the child if it were let.
fn neighbour() {
    let parent = std::process::id();
    loop {
        yield_now();
        if std::process::id() != parent {
            println!("a neighbour runs in the child");
            end_child(false);
        }
    }
}

/// The child's only thread is the worker: when its green thread ends the process does.
#[test]
fn a_fork_on_a_worker() {
    const NAME: &str = "fork::a_fork_on_a_worker";
    if is_child(NAME) {
        for count in [1, 2] {
            let runtime = workers(count);
            let neighbour = runtime.spawn(neighbour);
            assert!(runtime.spawn(fork_in_a_green_thread).join().unwrap() != 0);
            let in_scope = || {
                greenthread::scope(|s| {
                    s.spawn(yield_now);
                    let asleep = s.spawn(|| sleep(FOR_EVER));
                    let pid = fork_in_a_green_thread();
                    // In the child the scope's children do not exist, and are not waited for.
                    if pid != 0 {
                        asleep.kill();
                    }
                    pid
                })
            };
            assert!(runtime.spawn(in_scope).join().unwrap() != 0);
            neighbour.kill();
            assert!(neighbour.join().unwrap_err().is_killed());
        }
        return;
    }
    passes(NAME);
}

/// In the child, too, `run` returns what `main` returns; and an error if `main` is the parent's.
#[test]
fn a_fork_on_a_current_thread_runtime() {
    const NAME: &str = "fork::a_fork_on_a_current_thread_runtime";
    if is_child(NAME) {
        for in_main in [true, false] {
            let runtime = Runtime::new_current_thread().unwrap();
            let result = runtime.run_local(move || {
                let neighbour = spawn(neighbour);
                let pid = if in_main {
                    fork_in_a_green_thread()
                } else {
                    spawn(fork_in_a_green_thread).join().unwrap()
                };
                neighbour.kill();
                let _ = neighbour.join();
                pid
            });
            let in_child = match &result {
                Ok(pid) => *pid == 0,
                Err(error) => is_refused(error.io_error().unwrap()),
            };
            if in_child {
                assert_eq!(result.is_ok(), in_main);
                assert!(is_refused(runtime.run(|| ()).unwrap_err().io_error().unwrap()));
                drop(runtime);
                all_works_afresh();
                std::process::exit(0);
            }
        }
        return;
    }
    passes(NAME);
}

/// The memory of the threads that waited in the parent is given to the child's next ones: what they waited for must not lead there.
#[test]
fn a_fork_while_os_threads_wait() {
    const NAME: &str = "fork::a_fork_while_os_threads_wait";
    if is_child(NAME) {
        // Threads that wait at once for one another's ends, for a lock, and as idle ones of a pool.
        fn waits(count: usize) {
            let lock = Arc::new(greenthread::sync::Mutex::new(()));
            let held = lock.lock();
            let wait = |_| {
                let lock = Arc::clone(&lock);
                std::thread::spawn(move || {
                    let asleep = spawn(|| sleep(SHORT));
                    assert_eq!(run(|| blocking(|| 6)), 6);
                    drop(lock.lock());
                    asleep.join().unwrap();
                })
            };
            let threads: Vec<_> = (0..count).map(wait).collect();
            sleep(SHORT);
            drop(held);
            threads.into_iter().for_each(|thread| thread.join().unwrap());
        }
        let gate = Arc::new(greenthread::sync::Event::new());
        for _ in 0..16 {
            let gate = Arc::clone(&gate);
            std::thread::spawn(move || gate.wait());
        }
        waits(16);
        for _ in 0..10 {
            forked(|| waits(24));
        }
        gate.set();
        return;
    }
    passes(NAME);
}

#[test]
fn a_fork_inside_blocking() {
    const NAME: &str = "fork::a_fork_inside_blocking";
    if is_child(NAME) {
        workers(1)
            .run(|| {
                let pid = blocking(|| {
                    // SAFETY: what the child does here is what is tested.
                    let pid = unsafe { libc::fork() };
                    if pid == 0 && catch_unwind(all_works_afresh).is_err() {
                        end_child(false);
                    }
                    pid
                });
                assert_eq!(exit_status(pid), 0);
                assert_eq!(blocking(|| 2), 2);
            })
            .unwrap();
        return;
    }
    passes(NAME);
}

/// More than a byte counts: the process that a task belongs to is not taken for one that is 256 forks away.
/// Those of the parent are refused or empty, whatever state they are in; new ones work.
#[test]
fn executors_and_pools_in_a_forked_child() {
    const NAME: &str = "fork::executors_and_pools_in_a_forked_child";
    if is_child(NAME) {
        fn try_out(executor: &(impl Executor + Runs<fn() -> u32>)) {
            assert_eq!(executor.submit((|| 1) as fn() -> u32).unwrap().result().unwrap(), &1);
        }
        let (threads, green) = (ThreadPool::new(2).unwrap(), GreenExecutor::new());
        let (group, pool) = (Group::new(), Pool::new(1).unwrap());
        try_out(&threads);
        try_out(&green);
        let (running, waiting) = (threads.submit(|| sleep(SHORT)), pool.spawn(|| sleep(SHORT)));
        let running = running.unwrap();
        forked(|| {
            let refused = threads.submit(|| ()).unwrap_err().into();
            assert!(is_refused(&refused), "{refused}");
            assert!(is_refused(&green.submit(|| ()).unwrap_err().into()));
            assert!(running.result().unwrap_err().to_string().contains("forked"));
            assert!(!running.cancel() && !running.kill() && !running.running());
            assert_eq!(format!("{running:?}"), "Future(of the parent process)");
            threads.shutdown(true, true);
            assert!(is_refused(&group.spawn_with(Builder::new(), || ()).unwrap_err()));
            assert!(is_refused(&pool.spawn_with(Builder::new(), || ()).unwrap_err()));
            pool.join();
            pool.kill();
            assert!(pool.is_empty() && group.is_empty());
            drop((threads, green, group, pool, running));
            try_out(&ThreadPool::new(1).unwrap());
            try_out(&GreenExecutor::new());
            assert_eq!(Pool::new(1).unwrap().spawn(|| 2).join().unwrap(), 2);
        });
        waiting.join().unwrap();
        // A task that forks: its copy ends with the child, and with the status that it has come to.
        let forks = || {
            // SAFETY: what the child does is what is tested.
            let pid = unsafe { libc::fork() };
            assert!(pid != 0, "the child's end");
            pid
        };
        let pid = ThreadPool::new(1).unwrap().submit(forks).unwrap().into_result().unwrap();
        assert_eq!(exit_status(pid), 101);
        return;
    }
    passes(NAME);
}

#[test]
fn a_long_line_of_descendants() {
    const NAME: &str = "fork::a_long_line_of_descendants";
    if is_child(NAME) {
        let runtime = workers(1);
        let handle = runtime.spawn(|| sleep(FOR_EVER));
        let mut descent = 0;
        loop {
            // SAFETY: the child of a process with threads may only do so much; what it does here is what is tested.
            let pid = unsafe { libc::fork() };
            if pid != 0 && descent == 0 {
                assert_eq!(exit_status(pid), 0);
                return;
            }
            if pid != 0 {
                // Not looked for again and again, by hundreds at once.
                let mut status = 0;
                // SAFETY: waits for the child just made.
                let waited = unsafe { libc::waitpid(pid, &mut status, 0) };
                end_child(waited == pid && status == 0);
            }
            // SAFETY: if the line hangs, nobody of it stays.
            unsafe { libc::alarm(LIMIT.as_secs() as u32) };
            descent += 1;
            if descent == 256 {
                break;
            }
        }
        let ended = catch_unwind(AssertUnwindSafe(|| {
            assert!(is_refused(handle.join().unwrap_err().io_error().unwrap()));
        }));
        end_child(ended.is_ok());
    }
    passes(NAME);
}

#[test]
fn a_fork_while_others_send_does_not_send_twice() {
    const NAME: &str = "fork::a_fork_while_others_send_does_not_send_twice";
    if is_child(NAME) {
        for company in [2, 100] {
            let body = move || {
                let pairs: Vec<_> = (0..company).map(|_| connection()).collect();
                let (mut clients, writers): (Vec<_>, Vec<_>) = pairs
                    .into_iter()
                    .map(|(client, mut stream)| {
                        let writer = move || {
                            yield_now();
                            stream.write_all(b"once").unwrap();
                        };
                        (client, spawn(writer))
                    })
                    .unzip();
                let forks = spawn(|| {
                    yield_now();
                    // SAFETY: the child ends with this green thread.
                    let pid = unsafe { libc::fork() };
                    if pid != 0 {
                        assert_eq!(exit_status(pid), 0);
                    }
                });
                forks.join().unwrap();
                writers.into_iter().for_each(|writer| writer.join().unwrap());
                for client in &mut clients {
                    let mut got = String::new();
                    client.read_to_string(&mut got).unwrap();
                    assert_eq!(got, "once");
                }
            };
            Runtime::new_current_thread().unwrap().run(body).unwrap();
            workers(1).run(body).unwrap();
        }
        return;
    }
    passes(NAME);
}

/// Its own wait goes on in the child, as that of an OS thread; the wakers of the parent's green threads do nothing there.
#[test]
fn a_fork_in_the_middle_of_a_poll() {
    const NAME: &str = "fork::a_fork_in_the_middle_of_a_poll";
    if is_child(NAME) {
        for count in [1, 2] {
            let body = || {
                let wakers = Arc::new(Mutex::new(Vec::new()));
                let shared = Arc::clone(&wakers);
                let sibling = spawn(move || {
                    poll_fn::<(), _>(|context| {
                        shared.lock().unwrap().push(context.waker().clone());
                        Poll::Pending
                    })
                    .wait();
                });
                until(|| !wakers.lock().unwrap().is_empty());
                let mut pid = None;
                let mut polls = 0;
                poll_fn(|context| {
                    // SAFETY: what the child does here is what is tested.
                    let pid = *pid.get_or_insert_with(|| unsafe { libc::fork() });
                    polls += 1;
                    if polls < 4 {
                        let waker = context.waker().clone();
                        spawn(move || waker.wake());
                        return Poll::Pending;
                    }
                    if pid == 0 {
                        wakers.lock().unwrap().iter().for_each(Waker::wake_by_ref);
                        all_works_afresh();
                        end_child(true);
                    }
                    Poll::Ready(())
                })
                .wait();
                assert_eq!(exit_status(pid.unwrap()), 0);
                sibling.kill();
                assert!(sibling.join().unwrap_err().is_killed());
            };
            workers(count).run(body).unwrap();
        }
        return;
    }
    passes(NAME);
}
