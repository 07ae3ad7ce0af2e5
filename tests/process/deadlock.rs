//! Deadlocks: an error where nobody else is there to help, a report where somebody may.

use crate::fork::{end_child, forked};
use crate::{
    FOR_EVER, SHORT, child, finish, finish_once_told, is_child, passes, until_told, workers,
};
use greenthread::net::TcpListener;
use greenthread::thread::{Interval, Timer, spawn_later, spawn_local};
use greenthread::{Builder, JoinHandle, Runtime, blocking, sleep, spawn, timeout, yield_now};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

fn named<T: Send + 'static>(
    name: &str,
    body: impl FnOnce() -> T + Send + 'static,
) -> JoinHandle<T> {
    Builder::new().name(name.into()).spawn(body).unwrap()
}

/// What is printed where nothing moves any more.
const DEADLOCK: &str = "no green thread of this runtime can run";

/// Two that have locked crosswise.
fn lock_crosswise() -> [JoinHandle<()>; 2] {
    let locks = [(); 2].map(|()| Arc::new(greenthread::sync::Mutex::new(())));
    let barrier = Arc::new(greenthread::sync::Barrier::new(2));
    [("left", 0), ("right", 1)].map(|(name, first)| {
        let (locks, barrier) = (locks.clone(), Arc::clone(&barrier));
        named(name, move || {
            let _first = locks[first].lock().unwrap();
            barrier.wait();
            let _second = locks[1 - first].lock().unwrap();
        })
    })
}

/// Whoever wakes one and is gone a moment later was there all the same.
#[test]
fn no_deadlock_is_seen_where_the_last_other_thread_has_just_ended() {
    const NAME: &str = "deadlock::no_deadlock_is_seen_where_the_last_other_thread_has_just_ended";
    if is_child(NAME) {
        forked(|| {
            for i in 0..3000 {
                let main = move || {
                    let own = greenthread::current();
                    drop(std::thread::spawn(move || own.unpark()));
                    (0..i * 10).for_each(|_| std::hint::spin_loop());
                    greenthread::thread::park();
                };
                Runtime::new_current_thread().unwrap().run_local(main).unwrap();
            }
        });
        return;
    }
    passes(NAME);
}

/// The threads of its parent's pool are not its own idle ones.
#[test]
fn a_forked_child_counts_its_own_threads_and_waits_for_its_own_green_threads() {
    const NAME: &str =
        "deadlock::a_forked_child_counts_its_own_threads_and_waits_for_its_own_green_threads";
    if is_child(NAME) {
        let sleeper = spawn(|| sleep(FOR_EVER));
        let jobs = (0..4).map(|_| spawn(|| blocking(|| std::thread::sleep(SHORT))));
        greenthread::thread::join_all(jobs);
        forked(|| {
            let runtime = Runtime::new_current_thread().unwrap();
            let main = || {
                let own = greenthread::current();
                std::thread::spawn(move || {
                    std::thread::sleep(10 * SHORT);
                    own.unpark();
                });
                greenthread::thread::park();
            };
            runtime.run_local(main).unwrap();
            let (done, _) = greenthread::thread::wait([&sleeper], 1);
            assert_eq!(done.len(), 1);
            let ended: Vec<_> = greenthread::thread::as_completed([&sleeper]).collect();
            assert_eq!(ended.len(), 1);
        });
        return;
    }
    passes(NAME);
}

#[test]
fn a_deadlock_is_an_error_where_nobody_else_is() {
    const NAME: &str = "deadlock::a_deadlock_is_an_error_where_nobody_else_is";
    if is_child(NAME) {
        struct Ended<'a>(&'a AtomicUsize);
        impl Drop for Ended<'_> {
            fn drop(&mut self) {
                self.0.fetch_add(1, Ordering::SeqCst);
            }
        }
        static ENDED: AtomicUsize = AtomicUsize::new(0);
        // The test's own thread has company; a forked child begins with one thread.
        forked(|| {
            let runtime = Runtime::new_current_thread().unwrap();
            let error = runtime
                .run(|| {
                    let _ended = Ended(&ENDED);
                    // An idle thread of the pool is nobody.
                    assert_eq!(blocking(|| 1), 1);
                    let [left, right] = lock_crosswise();
                    let (send, receive) = greenthread::sync::mpsc::channel::<()>();
                    named("starved", move || {
                        let _ended = Ended(&ENDED);
                        let _send = send;
                        let _ = receive.recv();
                    });
                    named("parked", greenthread::thread::park);
                    left.join().unwrap();
                    right.join().unwrap();
                })
                .unwrap_err();
            let text = error.to_string();
            assert!(error.is_deadlock() && !error.is_killed() && !error.is_panic(), "{text}");
            for part in [
                "waits for the end of green thread 'left'",
                "green thread 'left'",
                "waits for a lock held by green thread 'left'",
                "waits for a lock held by green thread 'right'",
                "waits for a value from a channel",
                "waits for an unpark",
            ] {
                assert!(text.contains(part), "no {part:?} in:\n{text}");
            }
            assert_eq!(text.lines().count(), 6, "{text}");
            assert_eq!(ENDED.load(Ordering::SeqCst), 2, "they were unwound");
            // The runtime can be used again, and finds the next one.
            assert_eq!(runtime.run(|| spawn(|| 3).join().unwrap()).unwrap(), 3);
            let again = runtime.run(|| {
                // A value does not help where a child cannot end.
                named("child", greenthread::thread::park);
                "a value"
            });
            assert!(again.unwrap_err().to_string().contains("'child'"));
        });
        return;
    }
    passes(NAME);
}

/// All of these are woken in the end, by what the library knows to be there or cannot know.
#[test]
fn what_looks_like_a_deadlock_but_is_none() {
    const NAME: &str = "deadlock::what_looks_like_a_deadlock_but_is_none";
    if is_child(NAME) {
        forked(|| {
            let runtime = Runtime::new_current_thread().unwrap();
            // A timer.
            runtime.run(|| sleep(Duration::from_millis(50))).unwrap();
            let late = || timeout(Duration::from_millis(50), greenthread::thread::park);
            assert!(runtime.run(late).unwrap().is_err());
            // A blocking job whose caller has gone.
            let value = runtime.run(|| {
                let (send, receive) = greenthread::sync::mpsc::channel();
                let (began, begins) = greenthread::sync::mpsc::channel();
                let caller = spawn(move || {
                    blocking(move || {
                        began.send(()).unwrap();
                        std::thread::sleep(Duration::from_millis(200));
                        send.send(5).unwrap();
                    });
                });
                begins.recv().unwrap();
                caller.kill();
                assert!(caller.join().unwrap_err().is_killed());
                receive.recv().unwrap()
            });
            assert_eq!(value.unwrap(), 5);
            // Another process.
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let port = listener.local_addr().unwrap().port();
            let connect = format!("sleep 0.3; exec 3<>/dev/tcp/127.0.0.1/{port}");
            let mut client = Command::new("bash").args(["-c", &connect]).spawn().unwrap();
            runtime.run(move || drop(listener.accept().unwrap())).unwrap();
            client.wait().unwrap();
            // An OS thread that has not used the library so far, and one that spawns here.
            let (send, receive) = greenthread::sync::mpsc::channel();
            let outside = std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(300));
                send.send(6).unwrap();
            });
            assert_eq!(runtime.run(move || receive.recv().unwrap()).unwrap(), 6);
            outside.join().unwrap();
            let runtime = Arc::new(runtime);
            let spawner = Arc::clone(&runtime);
            let (send, receive) = greenthread::sync::mpsc::channel();
            let outside = std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(300));
                spawner.spawn(move || send.send(7).unwrap()).join().unwrap();
            });
            assert_eq!(runtime.run(move || receive.recv().unwrap()).unwrap(), 7);
            outside.join().unwrap();
        });
        return;
    }
    let end = finish(child(NAME));
    assert_eq!(end.code, Some(0), "{}", end.text);
    assert!(!end.text.contains("no green thread"), "{}", end.text);
}

/// Who sleeps waits for something, however far its time is.
#[test]
fn a_sleep_without_end_is_no_deadlock() {
    const NAME: &str = "deadlock::a_sleep_without_end_is_no_deadlock";
    if is_child(NAME) {
        let mains: [fn(); 4] = [
            || sleep(Duration::MAX),
            || assert!(Interval::new(Duration::MAX).tick() > Instant::now()),
            || drop(Timer::after(Duration::MAX, || ()).join()),
            || drop(spawn_later(Duration::MAX, || ()).join()),
        ];
        for main in mains {
            // SAFETY: the child of a process with threads may only do so much; what it does here is what is tested.
            let pid = unsafe { libc::fork() };
            if pid == 0 {
                // Another process ends it. This one has one thread, so that an end of its own would be a deadlock's.
                let end = format!("sleep 0.3; kill -TERM {}", std::process::id());
                drop(Command::new("sh").args(["-c", &end]).spawn().unwrap());
                let ended = Runtime::new_current_thread().unwrap().run(main);
                println!("{ended:?}");
                end_child(false);
            }
            let mut status = 0;
            // SAFETY: waits for the child just made.
            assert_eq!(unsafe { libc::waitpid(pid, &mut status, 0) }, pid);
            assert!(libc::WIFSIGNALED(status) && libc::WTERMSIG(status) == libc::SIGTERM);
        }
        return;
    }
    passes(NAME);
}

#[test]
fn where_another_thread_may_help_a_deadlock_is_printed_once() {
    const NAME: &str = "deadlock::where_another_thread_may_help_a_deadlock_is_printed_once";
    if is_child(NAME) {
        // Once it has been told, another report would come in that time.
        let pause = || {
            if std::env::var("GREENTHREAD_DEADLOCK_MS").unwrap() != "0" {
                until_told();
            }
            std::thread::sleep(Duration::from_millis(400));
        };
        match std::env::var("RUNTIME").unwrap().parse() {
            Ok(count) => {
                let runtime = workers(count);
                let handles = runtime.spawn(lock_crosswise).join().unwrap();
                pause();
                assert!(handles.iter().all(|handle| !handle.is_finished()));
                handles.iter().for_each(JoinHandle::kill);
                for handle in handles {
                    let _ = handle.join();
                }
            }
            Err(_) => {
                let (send, receive) = greenthread::sync::mpsc::channel::<()>();
                let outside = std::thread::spawn(move || {
                    pause();
                    drop(send);
                });
                let runtime = Runtime::new_current_thread().unwrap();
                let ended = runtime.run(move || {
                    let [left, right] = lock_crosswise();
                    assert!(receive.recv().is_err(), "it is woken in the end");
                    left.kill();
                    right.kill();
                    "ended"
                });
                assert_eq!(ended.unwrap(), "ended");
                outside.join().unwrap();
            }
        }
        return;
    }
    for (runtime, patience, printed) in
        [("current", "100", 1), ("1", "100", 1), ("2", "100", 1), ("8", "100", 1), ("2", "0", 0)]
    {
        let mut command = child(NAME);
        command.env("RUNTIME", runtime).env("GREENTHREAD_DEADLOCK_MS", patience);
        let end = finish_once_told(command, &[DEADLOCK]);
        assert_eq!(end.code, Some(0), "{runtime}: {}", end.text);
        let reports = end.text.matches(DEADLOCK).count();
        assert_eq!(reports, printed, "{runtime}: {}", end.text);
        for holder in ["'left'", "'right'"] {
            let held = format!("waits for a lock held by green thread {holder}");
            assert_eq!(end.text.matches(&held).count(), printed, "{runtime}: {}", end.text);
        }
    }
}

/// Whoever has a handle may kill one of them.
#[test]
fn a_cycle_of_locks_is_no_error_while_another_thread_has_a_handle() {
    const NAME: &str = "deadlock::a_cycle_of_locks_is_no_error_while_another_thread_has_a_handle";
    if is_child(NAME) {
        let (send, receive) = std::sync::mpsc::channel::<JoinHandle<()>>();
        let killer = std::thread::spawn(move || {
            let handle = receive.recv().unwrap();
            std::thread::sleep(10 * SHORT);
            handle.kill();
        });
        let ended = Runtime::new_current_thread().unwrap().run(move || {
            let [left, right] = lock_crosswise();
            send.send(left).unwrap();
            right.join().unwrap();
        });
        ended.unwrap();
        killer.join().unwrap();
        return;
    }
    passes(NAME);
}

/// A handler may wake somebody, though no other thread is there.
#[test]
fn a_wait_that_a_signal_handler_ends_is_no_deadlock() {
    const NAME: &str = "deadlock::a_wait_that_a_signal_handler_ends_is_no_deadlock";
    if is_child(NAME) {
        forked(|| {
            static OWN: std::sync::OnceLock<greenthread::thread::Thread> =
                std::sync::OnceLock::new();
            extern "C" fn wake(_: libc::c_int) {
                if let Some(own) = OWN.get() {
                    own.unpark();
                }
            }
            // SAFETY: the handler has the right signature, and the alarm comes while nothing else runs.
            unsafe {
                libc::signal(libc::SIGALRM, wake as *const () as libc::sighandler_t);
                libc::alarm(1);
            }
            let main = || {
                let _ = OWN.set(greenthread::current());
                greenthread::thread::park();
            };
            Runtime::new_current_thread().unwrap().run_local(main).unwrap();
        });
        return;
    }
    passes(NAME);
}

#[test]
fn many_that_wait_for_the_same_are_told_in_one_line() {
    const NAME: &str = "deadlock::many_that_wait_for_the_same_are_told_in_one_line";
    if is_child(NAME) {
        forked(|| {
            let error = Runtime::new_current_thread().unwrap().run(|| {
                for _ in 0..90 {
                    named("handler", greenthread::thread::park);
                }
                greenthread::thread::park();
            });
            let text = error.unwrap_err().to_string();
            assert!(text.contains("and 89 more like it wait for an unpark"), "{text}");
            assert_eq!(text.lines().count(), 3, "{text}");
        });
        return;
    }
    passes(NAME);
}

/// `main` is an OS thread that has nothing to do with it.
#[test]
fn a_deadlock_beside_a_sleeping_main_is_told() {
    const NAME: &str = "deadlock::a_deadlock_beside_a_sleeping_main_is_told";
    if is_child(NAME) {
        let _handles = spawn(lock_crosswise).join().unwrap();
        let own = Arc::new(greenthread::sync::Mutex::new(()));
        let _guard = own.lock().unwrap();
        let other = Arc::clone(&own);
        let _waits = named("for main", move || drop(other.lock().unwrap()));
        until_told();
        return;
    }
    for count in ["1", "2", "4"] {
        let mut command = child(NAME);
        command.env("GREENTHREAD_WORKERS", count).env("GREENTHREAD_DEADLOCK_MS", "100");
        let held = ") waits for a lock held elsewhere, by an OS thread say";
        let end = finish_once_told(command, &[DEADLOCK, held, "GREENTHREAD_DEADLOCK_MS says"]);
        assert_eq!(end.code, Some(0), "{}", end.text);
        assert_eq!(end.text.matches("held elsewhere").count(), 1, "{}", end.text);
    }
}

/// `main` is a green thread, which sleeps; or another one has something to do again and again. Those that wait longer than usual,
/// without a circle, are not told of.
#[test]
fn a_deadlock_beside_green_threads_that_go_on_is_told_once() {
    const NAME: &str = "deadlock::a_deadlock_beside_green_threads_that_go_on_is_told_once";
    if is_child(NAME) {
        let is_busy = std::env::var("BUSY").unwrap() == "1";
        let main = move || {
            let _handles = lock_crosswise();
            let _own = named("itself", || {
                let lock = Arc::new(greenthread::sync::Mutex::new(()));
                let _guard = lock.lock().unwrap();
                let _again = lock.lock().unwrap();
            });
            let free = Arc::new(greenthread::sync::Mutex::new(()));
            let _guard = free.lock().unwrap();
            let other = Arc::clone(&free);
            let _waits = named("patient", move || drop(other.lock().unwrap()));
            loop {
                sleep(if is_busy { SHORT } else { FOR_EVER });
            }
        };
        drop(std::thread::spawn(move || match std::env::var("RUNTIME").unwrap().parse() {
            Ok(count) => drop(workers(count).run::<_, ()>(main)),
            Err(_) => drop(Runtime::new_current_thread().unwrap().run::<_, ()>(main)),
        }));
        until_told();
        // Another report would come in that time.
        std::thread::sleep(Duration::from_millis(400));
        std::process::exit(0);
    }
    for runtime in ["current", "1", "2"] {
        for busy in ["0", "1"] {
            let mut command = child(NAME);
            command.env("RUNTIME", runtime).env("GREENTHREAD_DEADLOCK_MS", "100").env("BUSY", busy);
            let end = finish_once_told(command, &["'right'", "'left'", "'itself'"]);
            assert_eq!(end.code, Some(0), "{}", end.text);
            for holder in ["'left'", "'right'"] {
                let held = format!("waits for a lock held by green thread {holder}");
                assert_eq!(end.text.matches(&held).count(), 1, "{runtime} {busy}: {}", end.text);
            }
            let own = "waits for a lock that it holds itself";
            assert_eq!(end.text.matches(own).count(), 1, "{runtime} {busy}: {}", end.text);
            assert!(!end.text.contains("patient"), "{runtime} {busy}: {}", end.text);
        }
    }
}

/// Whatever the others do: nothing, go on, or hold up a worker of a third runtime, which cannot answer.
#[test]
fn a_deadlock_across_runtimes_is_told_once() {
    const NAME: &str = "deadlock::a_deadlock_across_runtimes_is_told_once";
    if is_child(NAME) {
        let others = std::env::var("OTHERS").unwrap();
        let locks = [(); 2].map(|()| Arc::new(greenthread::sync::Mutex::new(())));
        let barrier = Arc::new(greenthread::sync::Barrier::new(2));
        for (name, first) in [("left", 0), ("right", 1)] {
            let (locks, barrier) = (locks.clone(), Arc::clone(&barrier));
            let crossed = move || {
                let _first = locks[first].lock().unwrap();
                barrier.wait();
                let _second = locks[1 - first].lock().unwrap();
            };
            let goes_on = others == "go on";
            let main = move || {
                drop(named(name, crossed));
                loop {
                    sleep(if goes_on { SHORT } else { FOR_EVER });
                }
            };
            let is_current = std::env::var("RUNTIMES").unwrap() == "current" && first == 1;
            drop(std::thread::spawn(move || match is_current {
                true => drop(Runtime::new_current_thread().unwrap().run::<_, ()>(main)),
                false => drop(workers(1 + first).run::<_, ()>(main)),
            }));
        }
        let end = || -> ! {
            until_told();
            // Another report would come in that time.
            std::thread::sleep(Duration::from_millis(300));
            std::process::exit(0);
        };
        if others == "hold" {
            drop(workers(1).run(move || {
                let lock = Arc::new(greenthread::sync::Mutex::new(()));
                let _guard = lock.lock().unwrap();
                let other = Arc::clone(&lock);
                drop(spawn(move || drop(other.lock())));
                yield_now();
                end();
            }));
        }
        end();
    }
    let settings =
        [("workers", "sleep"), ("workers", "go on"), ("current", "go on"), ("current", "hold")];
    for (runtimes, others) in settings {
        let mut command = child(NAME);
        command.env("GREENTHREAD_DEADLOCK_MS", "100").env("GREENTHREAD_WATCHDOG_MS", "0");
        command.env("RUNTIMES", runtimes).env("OTHERS", others);
        let held = ["'left'", "'right'"]
            .map(|holder| format!("waits for a lock held by green thread {holder}"));
        let end = finish_once_told(command, &held.each_ref().map(|held| &**held));
        assert_eq!(end.code, Some(0), "{runtimes}, {others}: {}", end.text);
        for held in held {
            let times = end.text.matches(&held).count();
            assert_eq!(times, 1, "{runtimes}, {others}: {}", end.text);
        }
    }
}

/// In something of std's, or computing: nothing else would be heard of it.
#[test]
fn workers_that_are_held_up_are_told_of() {
    const NAME: &str = "deadlock::workers_that_are_held_up_are_told_of";
    if is_child(NAME) {
        let held = if std::env::var("HELD").unwrap() == "all" { 2 } else { 1 };
        // The global one is told by the environment how many workers it has.
        let own = (std::env::var("GLOBAL").unwrap() == "0").then(|| workers(2));
        let (send, receive) = std::sync::mpsc::channel::<()>();
        let receive = Arc::new(std::sync::Mutex::new(receive));
        let begun = Arc::new(AtomicUsize::new(0));
        let hold = |at: usize| {
            let (receive, begun) = (Arc::clone(&receive), Arc::clone(&begun));
            let body = move || {
                begun.fetch_add(1, Ordering::SeqCst);
                assert!(receive.lock().unwrap().recv().is_err());
            };
            let spawner = move || named(&format!("holder {at}"), body);
            match &own {
                Some(runtime) => runtime.spawn(spawner).join().unwrap(),
                None => spawner(),
            }
        };
        // Others that could run now and then, so that some wait behind whichever worker is held.
        let often = || {
            loop {
                sleep(Duration::from_millis(1));
            }
        };
        let spawn_often = |_| match &own {
            Some(runtime) => runtime.spawn::<_, ()>(often),
            None => spawn(often),
        };
        let sleepers: Vec<_> = (0..8).map(spawn_often).collect();
        std::thread::sleep(SHORT);
        let holders: Vec<_> = (0..held).map(hold).collect();
        while begun.load(Ordering::SeqCst) < held {
            std::thread::sleep(SHORT);
        }
        if std::env::var("GREENTHREAD_WATCHDOG_MS").unwrap() == "0" {
            std::thread::sleep(20 * SHORT);
        } else {
            until_told();
        }
        drop(send);
        for holder in holders {
            holder.join().unwrap();
        }
        sleepers.iter().for_each(JoinHandle::kill);
        return;
    }
    for (global, held, patience, told) in [
        ("0", "all", "100", true),
        ("0", "one", "100", true),
        ("0", "all", "0", false),
        ("1", "all", "100", true),
        ("1", "all", "0", false),
    ] {
        let mut command = child(NAME);
        command.env("HELD", held).env("GREENTHREAD_WATCHDOG_MS", patience);
        command.env("GLOBAL", global).env("GREENTHREAD_WORKERS", "2");
        let one = "green thread 'holder 0' has kept worker 'greenthread-";
        let all = "all 2 workers of runtime 'greenthread' are held up";
        let told_of = [one, all];
        let end = finish_once_told(command, if held == "all" { &told_of } else { &told_of[..1] });
        assert_eq!(end.code, Some(0), "{}", end.text);
        assert_eq!(end.text.contains("has kept worker"), told, "{held}: {}", end.text);
        assert_eq!(end.text.contains(all), told && held == "all", "{}", end.text);
        if told {
            assert!(end.text.contains(one), "{}", end.text);
            assert!(end.text.contains("and sleeps in the system call futex"), "{}", end.text);
        }
    }
}

/// One that could run waits behind the only worker: of each kind that there is. Where none could, nothing is said, however many wait
/// for something else.
#[test]
fn a_single_worker_that_is_held_up_is_told_of_if_something_waits_for_it() {
    const NAME: &str =
        "deadlock::a_single_worker_that_is_held_up_is_told_of_if_something_waits_for_it";
    if is_child(NAME) {
        let waits = std::env::var("WAITS").unwrap();
        let main = move || {
            let sleeper = spawn(|| sleep(FOR_EVER));
            let (send, receive) = greenthread::sync::mpsc::channel::<()>();
            let receiver = spawn(move || receive.recv());
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap();
            let acceptor = spawn(move || drop(listener.accept()));
            sleep(SHORT);
            if waits == "timer" {
                drop(spawn(|| sleep(10 * SHORT)));
                yield_now();
            }
            let holder = named("holder", move || {
                match &*waits {
                    "new" => drop(spawn(|| ())),
                    "later" => drop(spawn_later(SHORT, || ())),
                    "local" => drop(spawn_local(|| ())),
                    "woken" => std::thread::spawn(move || send.send(()).unwrap()).join().unwrap(),
                    "readiness" => drop(std::net::TcpStream::connect(address).unwrap()),
                    _ => {}
                }
                if waits == "nothing" {
                    std::thread::sleep(20 * SHORT);
                } else {
                    until_told();
                }
            });
            // It waits for the very one that holds the worker.
            holder.join().unwrap();
            [sleeper, acceptor].iter().for_each(JoinHandle::kill);
            receiver.kill();
        };
        match std::env::var("RUNTIME").unwrap().parse() {
            Ok(count) => workers(count).run(main).unwrap(),
            Err(_) => Runtime::new_current_thread().unwrap().run(main).unwrap(),
        }
        return;
    }
    let all = ["new", "later", "local", "timer", "woken", "readiness", "nothing"];
    for (runtime, worker) in
        [("current", "the current-thread runtime"), ("1", "worker 'greenthread-0'")]
    {
        let one = |waits: &'static str| {
            let told = format!("green thread 'holder' has kept {worker}");
            let mut command = child(NAME);
            command.env("WAITS", waits).env("RUNTIME", runtime);
            command.env("GREENTHREAD_WATCHDOG_MS", "150");
            let end = match waits {
                "nothing" => finish(command),
                _ => finish_once_told(command, &[&told]),
            };
            assert_eq!(end.code, Some(0), "{waits}: {}", end.text);
            assert_eq!(end.text.contains("held up"), waits != "nothing", "{waits}: {}", end.text);
        };
        std::thread::scope(|s| all.iter().for_each(|waits| drop(s.spawn(|| one(waits)))));
    }
}
