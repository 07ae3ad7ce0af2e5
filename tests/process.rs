//! What concerns the whole process: each test runs itself again as a child, and looks at how that ends.

use greenthread::net::{TcpListener, TcpStream};
use greenthread::{Builder, Runtime, blocking, run, sleep, spawn, timeout, yield_now};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const FOR_EVER: Duration = Duration::from_secs(100_000);
const LIMIT: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(30);

struct End {
    code: Option<i32>,
    signal: Option<i32>,
    text: String,
}

fn is_child(name: &str) -> bool {
    std::env::var_os("GREENTHREAD_TEST_CHILD").is_some_and(|child| child == name)
}

/// The test of this name again, in a process of its own; with one test thread that is the main thread.
fn child(name: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args([name, "--exact", "--nocapture", "--test-threads=1"])
        .env("GREENTHREAD_TEST_CHILD", name)
        .env("RUST_BACKTRACE", "0")
        .stdin(Stdio::null());
    command
}

/// Runs it to its end; a hang is a panic.
fn finish(mut command: Command) -> End {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let (mut out, mut err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let out = std::thread::spawn(move || io::read_to_string(&mut out).unwrap_or_default());
    let err = std::thread::spawn(move || io::read_to_string(&mut err).unwrap_or_default());
    let end = Instant::now() + LIMIT;
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break Some(status);
        }
        if Instant::now() > end {
            child.kill().unwrap();
            child.wait().unwrap();
            break None;
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    let text = out.join().unwrap() + &err.join().unwrap();
    let status = status.unwrap_or_else(|| panic!("the child hangs; it said:\n{text}"));
    End { code: status.code(), signal: status.signal(), text }
}

#[track_caller]
fn passes(name: &str) {
    let end = finish(child(name));
    assert!(end.code == Some(0), "{:?} {:?}\n{}", end.code, end.signal, end.text);
}

fn until(mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + LIMIT;
    while !condition() {
        assert!(Instant::now() < end, "what was waited for did not come");
        sleep(Duration::from_millis(1));
    }
}

fn workers(count: usize) -> Runtime {
    Runtime::builder().workers(count).build().unwrap()
}

fn set_limit(what: libc::__rlimit_resource_t, to: u64) {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: both calls only use the struct.
    unsafe {
        assert_eq!(libc::getrlimit(what, &mut limit), 0);
        limit.rlim_cur = to;
        assert_eq!(libc::setrlimit(what, &limit), 0);
    }
}

// --- overflow -------------------------------------------------------------------------------------------------------

#[allow(unconditional_recursion)]
#[inline(never)]
fn overflow(depth: usize) -> usize {
    let block = std::hint::black_box([depth; 64]);
    overflow(depth + 1) + block[depth % 64]
}

#[test]
fn overflow_of_a_green_thread() {
    const NAME: &str = "overflow_of_a_green_thread";
    if is_child(NAME) {
        let asleep = spawn(|| sleep(FOR_EVER));
        let handle = Builder::new().name("deep one".into()).spawn(|| overflow(0)).unwrap();
        let _ = handle.join();
        drop(asleep);
        std::process::exit(0);
    }
    for guard in ["", "mprotect"] {
        let mut command = child(NAME);
        command.env("GREENTHREAD_GUARD", guard);
        let end = finish(command);
        assert_eq!(end.signal, Some(libc::SIGABRT), "{}", end.text);
        assert!(
            end.text.contains("green thread 'deep one' has overflowed its stack"),
            "{}",
            end.text
        );
    }
}

#[test]
fn overflow_of_an_os_thread() {
    const NAME: &str = "overflow_of_an_os_thread";
    if is_child(NAME) {
        spawn(|| ()).join().unwrap();
        let builder = std::thread::Builder::new().name("ordinary".into());
        let _ = builder.spawn(|| overflow(0)).unwrap().join();
        std::process::exit(0);
    }
    let end = finish(child(NAME));
    assert_eq!(end.signal, Some(libc::SIGABRT), "{}", end.text);
    assert!(end.text.contains("thread 'ordinary'") && end.text.contains("overflowed its stack"));
    assert!(!end.text.contains("green thread"), "{}", end.text);
}

#[test]
fn overflow_of_the_main_thread() {
    const NAME: &str = "overflow_of_the_main_thread";
    if is_child(NAME) {
        spawn(|| ()).join().unwrap();
        overflow(0);
    }
    let end = finish(child(NAME));
    assert_eq!(end.signal, Some(libc::SIGABRT), "{}", end.text);
    assert!(end.text.contains("overflowed its stack"), "{}", end.text);
    assert!(!end.text.contains("green thread"), "{}", end.text);
}

#[test]
fn overflow_on_a_current_thread_runtime() {
    const NAME: &str = "overflow_on_a_current_thread_runtime";
    if is_child(NAME) {
        let _ = Runtime::new_current_thread().unwrap().run_local(|| overflow(0));
        std::process::exit(0);
    }
    let end = finish(child(NAME));
    assert_eq!(end.signal, Some(libc::SIGABRT), "{}", end.text);
    assert!(end.text.contains("green thread 'main' has overflowed its stack"), "{}", end.text);
}

// --- limits ---------------------------------------------------------------------------------------------------------

/// Spawns sleepers until one is refused; checks the error and that there is room for ordinary work; then exits.
fn spawn_until_refused(names: &str) -> ! {
    let runtime = workers(2);
    let started = Arc::new(AtomicUsize::new(0));
    let mut handles = Vec::new();
    let error = loop {
        let count = Arc::clone(&started);
        let on_it = runtime.spawn(move || {
            let body = move || {
                count.fetch_add(1, Ordering::SeqCst);
                sleep(FOR_EVER);
            };
            Builder::new().spawn(body)
        });
        match on_it.join().map_err(io::Error::from).and_then(|result| result) {
            Ok(handle) => handles.push(handle),
            Err(error) => break error,
        }
        assert!(handles.len() < 100_000, "no limit");
    };
    println!("{} and then: {error}", handles.len());
    assert_eq!(error.kind(), ErrorKind::OutOfMemory);
    assert!(error.to_string().contains(names), "{error}");
    until(|| {
        let failed = handles.iter().filter(|handle| handle.is_finished()).count();
        started.load(Ordering::SeqCst) + failed == handles.len()
    });
    let memory: Vec<Vec<u8>> = (0..300).map(|_| vec![1; 10_000]).collect();
    assert_eq!(memory.len(), 300);
    assert!(started.load(Ordering::SeqCst) > 100);
    for handle in handles {
        if handle.is_finished() {
            let error = io::Error::from(handle.join().unwrap_err());
            assert_eq!(error.kind(), ErrorKind::OutOfMemory, "{error}");
        }
    }
    std::process::exit(0);
}

#[test]
fn out_of_mappings() {
    const NAME: &str = "out_of_mappings";
    if is_child(NAME) {
        spawn_until_refused("vm.max_map_count");
    }
    let mut command = child(NAME);
    command.env("GREENTHREAD_GUARD", "mprotect");
    let end = finish(command);
    assert!(end.code == Some(0), "{:?} {:?}\n{}", end.code, end.signal, end.text);
}

#[test]
fn out_of_address_space() {
    const NAME: &str = "out_of_address_space";
    if is_child(NAME) {
        set_limit(
            libc::RLIMIT_AS,
            std::env::var("AS_MIB").map_or(900, |text| text.parse().unwrap()) << 20,
        );
        spawn_until_refused("RLIMIT_AS");
    }
    passes(NAME);
}

#[test]
fn too_many_open_files_in_accept() {
    const NAME: &str = "too_many_open_files_in_accept";
    if is_child(NAME) {
        run(|| {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap();
            let client = TcpStream::connect(address).unwrap();
            let second = TcpStream::connect(address).unwrap();
            drop(listener.accept().unwrap());
            let open = std::fs::read_dir("/proc/self/fd").unwrap().count() as u64;
            set_limit(libc::RLIMIT_NOFILE, open - 1);
            let mut fill = Vec::new();
            while let Ok(file) = std::fs::File::open("/dev/null") {
                fill.push(file);
            }
            for _ in 0..3 {
                let error = listener.accept().unwrap_err();
                assert_eq!(error.raw_os_error(), Some(libc::EMFILE));
            }
            assert!(Runtime::builder().workers(1).build().is_err());
            assert_eq!(client.try_clone().unwrap_err().raw_os_error(), Some(libc::EMFILE));
            set_limit(libc::RLIMIT_NOFILE, 1000);
            drop(listener.accept().unwrap());
            drop((client, second));
        });
        return;
    }
    passes(NAME);
}

// --- nothing is left behind -----------------------------------------------------------------------------------------

#[test]
fn runtimes_leave_nothing_behind() {
    const NAME: &str = "runtimes_leave_nothing_behind";
    if is_child(NAME) {
        let count = |what| std::fs::read_dir(format!("/proc/self/{what}")).unwrap().count();
        let maps = || std::fs::read_to_string("/proc/self/maps").unwrap().lines().count();
        let cycle = |round: usize| {
            let runtime = workers(1 + round % 3);
            let asleep: Vec<_> = (0..40).map(|_| runtime.spawn(|| sleep(FOR_EVER))).collect();
            let (listener, large) = runtime
                .run(|| {
                    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
                    let address = listener.local_addr().unwrap();
                    let client = spawn(move || drop(TcpStream::connect(address).unwrap()));
                    assert_eq!(listener.accept().unwrap().0.read(&mut [0]).unwrap(), 0);
                    client.join().unwrap();
                    let large = Builder::new().stack_size(1 << 20).spawn(yield_now);
                    (listener, large.unwrap().join())
                })
                .unwrap();
            large.unwrap();
            drop(runtime);
            drop(listener);
            for handle in asleep {
                assert!(handle.join().unwrap_err().is_killed());
            }
            let local = Runtime::new_current_thread().unwrap();
            assert_eq!(local.run(|| spawn(|| 3).join().unwrap()).unwrap(), 3);
        };
        (0..20).for_each(cycle);
        let before = (count("task"), count("fd"), maps());
        (0..150).for_each(cycle);
        // An OS thread is gone a moment after it was joined.
        until(|| count("task") <= before.0);
        let after = (count("task"), count("fd"), maps());
        assert_eq!(after.1, before.1, "descriptors");
        assert!(after.2 <= before.2 + 8, "mappings: {before:?} {after:?}");
        return;
    }
    passes(NAME);
}

// --- the end of the process -----------------------------------------------------------------------------------------

fn block_in_all_ways() {
    for _ in 0..20 {
        spawn(|| sleep(FOR_EVER));
        spawn(|| drop(spawn(|| sleep(FOR_EVER)).join()));
        spawn(|| drop(TcpListener::bind("127.0.0.1:0").unwrap().accept()));
        spawn(|| {
            loop {
                yield_now();
            }
        });
    }
    sleep(Duration::from_millis(5));
}

#[test]
fn main_returns_while_others_are_blocked() {
    const NAME: &str = "main_returns_while_others_are_blocked";
    if is_child(NAME) {
        return block_in_all_ways();
    }
    passes(NAME);
}

#[test]
fn exit_inside_a_green_thread() {
    const NAME: &str = "exit_inside_a_green_thread";
    if is_child(NAME) {
        block_in_all_ways();
        spawn(|| std::process::exit(7)).join().unwrap();
    }
    for _ in 0..5 {
        let end = finish(child(NAME));
        assert_eq!(end.code, Some(7), "{:?} {}", end.signal, end.text);
    }
}

extern "C" fn waits_at_exit() {
    sleep(Duration::from_millis(3));
    yield_now();
    let text = "slept at exit\n";
    print!("{text}");
}

#[test]
fn exit_handlers_may_wait() {
    const NAME: &str = "exit_handlers_may_wait";
    if is_child(NAME) {
        let register = || {
            // SAFETY: the handler is a plain function.
            assert_eq!(unsafe { libc::atexit(waits_at_exit) }, 0);
        };
        // One runs after the library's own handler, the other before it.
        register();
        block_in_all_ways();
        register();
        if std::env::var_os("ON_MAIN").is_some() {
            std::process::exit(9);
        }
        spawn(|| std::process::exit(9)).join().unwrap();
    }
    for on_main in [false, true] {
        let mut command = child(NAME);
        if on_main {
            command.env("ON_MAIN", "1");
        }
        let end = finish(command);
        assert_eq!(end.code, Some(9), "{:?} {}", end.signal, end.text);
        assert_eq!(end.text.matches("slept at exit").count(), 2, "{}", end.text);
    }
}

/// Exit handlers on one thread do not keep green threads of others from waiting for each other.
#[test]
fn green_threads_go_on_while_another_thread_exits() {
    const NAME: &str = "green_threads_go_on_while_another_thread_exits";
    if is_child(NAME) {
        extern "C" fn joins() {
            let runtime = RUNTIME.get().unwrap();
            let handle = runtime.spawn(|| {
                (0..10)
                    .map(|i| {
                        spawn(move || {
                            yield_now();
                            i
                        })
                        .join()
                        .unwrap()
                    })
                    .sum::<i32>()
            });
            println!("joined {}", handle.join().unwrap());
        }
        static RUNTIME: std::sync::OnceLock<Runtime> = std::sync::OnceLock::new();
        // SAFETY: the handler is a plain function. It runs after the library's own, which is registered later.
        assert_eq!(unsafe { libc::atexit(joins) }, 0);
        RUNTIME.get_or_init(|| workers(1));
        std::process::exit(3);
    }
    let end = finish(child(NAME));
    assert_eq!(end.code, Some(3), "{:?} {}", end.signal, end.text);
    assert!(end.text.contains("joined 45"), "{}", end.text);
}

// --- panic hooks ----------------------------------------------------------------------------------------------------

#[test]
fn a_panic_hook_that_waits() {
    const NAME: &str = "a_panic_hook_that_waits";
    if is_child(NAME) {
        for before in [true, false] {
            let set = || {
                std::panic::set_hook(Box::new(|_| {
                    sleep(Duration::from_millis(2));
                    yield_now();
                }));
            };
            if before {
                set();
            }
            let runtime = workers(1);
            if !before {
                set();
            }
            let handles: Vec<_> = (0..10)
                .map(|_| {
                    runtime.spawn(|| {
                        yield_now();
                        panic!("on purpose")
                    })
                })
                .collect();
            let handles: Vec<greenthread::JoinHandle<()>> = handles;
            for handle in handles {
                assert!(handle.join().unwrap_err().is_panic());
            }
            assert_eq!(runtime.spawn(|| 1).join().unwrap(), 1);
        }
        return;
    }
    passes(NAME);
}

#[test]
fn a_panic_names_the_green_thread() {
    const NAME: &str = "a_panic_names_the_green_thread";
    if is_child(NAME) {
        let handle = Builder::new().name("careless".into()).spawn(|| panic!("oh no")).unwrap();
        assert!(handle.join().is_err());
        let asleep = workers(1);
        asleep.spawn(|| sleep(FOR_EVER));
        drop(asleep);
        return;
    }
    let end = finish(child(NAME));
    assert_eq!(end.code, Some(0), "{}", end.text);
    assert!(end.text.contains("green thread 'careless'") && end.text.contains("oh no"));
    assert_eq!(end.text.matches("panicked").count(), 1, "a kill is no panic: {}", end.text);
}

#[test]
fn a_panic_while_nobody_reads_standard_error() {
    const NAME: &str = "a_panic_while_nobody_reads_standard_error";
    if is_child(NAME) {
        assert!(spawn(|| panic!("unheard")).join().is_err());
        std::process::exit(5);
    }
    let mut command = child(NAME);
    let (read, write) = io::pipe().unwrap();
    drop(read);
    let status = command.stdout(Stdio::null()).stderr(write).status().unwrap();
    assert_eq!(status.code(), Some(5), "{status}");
}

// --- settings from the environment ----------------------------------------------------------------------------------

#[test]
fn workers_from_the_environment() {
    const NAME: &str = "workers_from_the_environment";
    if is_child(NAME) {
        match Builder::new().spawn(|| ()) {
            Ok(handle) => {
                handle.join().unwrap();
                let tasks = std::fs::read_dir("/proc/self/task").unwrap();
                let names = tasks.filter_map(|task| {
                    std::fs::read_to_string(task.unwrap().path().join("comm")).ok()
                });
                println!(
                    "{} workers",
                    names.filter(|name| name.starts_with("greenthread-")).count()
                );
            }
            Err(error) => println!("{:?}: {error}", error.kind()),
        }
        return;
    }
    for (value, expected) in [
        ("3", "3 workers"),
        ("0", "InvalidInput"),
        ("-1", "InvalidInput"),
        ("many", "InvalidInput"),
        ("99999", "InvalidInput"),
    ] {
        let mut command = child(NAME);
        command.env("GREENTHREAD_WORKERS", value);
        let end = finish(command);
        assert!(end.code == Some(0) && end.text.contains(expected), "{value}: {}", end.text);
    }
}

// --- fork -----------------------------------------------------------------------------------------------------------

/// Forks; the child runs `body`, and whether that went well is its exit status. A child that hangs is killed.
#[track_caller]
fn forked(body: impl FnOnce()) {
    // SAFETY: the child of a process with threads may only do so much; what it does here is what is tested.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        end_child(catch_unwind(AssertUnwindSafe(body)).is_ok());
    }
    assert_eq!(exit_status(pid), 0);
}

fn end_child(good: bool) -> ! {
    // SAFETY: ends the child.
    unsafe { libc::_exit(if good { 0 } else { 1 }) }
}

/// Waits for a child of `fork` on the OS thread; kills one that hangs.
#[track_caller]
fn exit_status(pid: libc::pid_t) -> i32 {
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
    const NAME: &str = "a_fork_on_an_os_thread";
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
    const NAME: &str = "a_forked_child_that_drops_a_socket_leaves_the_parent_alone";
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
fn fork_in_a_green_thread() -> libc::pid_t {
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
    const NAME: &str = "a_fork_on_a_worker";
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
    const NAME: &str = "a_fork_on_a_current_thread_runtime";
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

#[test]
fn a_fork_inside_blocking() {
    const NAME: &str = "a_fork_inside_blocking";
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

// --- deadlocks ------------------------------------------------------------------------------------------------------

fn named<T: Send + 'static>(
    name: &str,
    body: impl FnOnce() -> T + Send + 'static,
) -> greenthread::JoinHandle<T> {
    Builder::new().name(name.into()).spawn(body).unwrap()
}

/// Two that have locked crosswise.
fn lock_crosswise() -> [greenthread::JoinHandle<()>; 2] {
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
    const NAME: &str = "no_deadlock_is_seen_where_the_last_other_thread_has_just_ended";
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
    const NAME: &str = "a_forked_child_counts_its_own_threads_and_waits_for_its_own_green_threads";
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
    const NAME: &str = "a_deadlock_is_an_error_where_nobody_else_is";
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
    const NAME: &str = "what_looks_like_a_deadlock_but_is_none";
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

#[test]
fn where_another_thread_may_help_a_deadlock_is_printed_once() {
    const NAME: &str = "where_another_thread_may_help_a_deadlock_is_printed_once";
    if is_child(NAME) {
        let pause = Duration::from_millis(600);
        match std::env::var("RUNTIME").unwrap().parse() {
            Ok(count) => {
                let runtime = workers(count);
                let handles = runtime.spawn(lock_crosswise).join().unwrap();
                std::thread::sleep(pause);
                assert!(handles.iter().all(|handle| !handle.is_finished()));
                handles.iter().for_each(greenthread::JoinHandle::kill);
                for handle in handles {
                    let _ = handle.join();
                }
            }
            Err(_) => {
                let (send, receive) = greenthread::sync::mpsc::channel::<()>();
                let outside = std::thread::spawn(move || {
                    std::thread::sleep(pause);
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
        let end = finish(command);
        assert_eq!(end.code, Some(0), "{runtime}: {}", end.text);
        let reports = end.text.matches("no green thread of this runtime can run").count();
        assert_eq!(reports, printed, "{runtime}: {}", end.text);
        for holder in ["'left'", "'right'"] {
            let held = format!("waits for a lock held by green thread {holder}");
            assert_eq!(end.text.matches(&held).count(), printed, "{runtime}: {}", end.text);
        }
    }
}

#[test]
fn the_panic_hook_that_could_not_be_set_while_unwinding_is_set_later() {
    const NAME: &str = "the_panic_hook_that_could_not_be_set_while_unwinding_is_set_later";
    if is_child(NAME) {
        struct FirstUse;
        impl Drop for FirstUse {
            fn drop(&mut self) {
                assert!(std::thread::panicking());
                let runtime = Runtime::builder().workers(1).build().unwrap();
                let handle = Builder::new().name("first".into()).spawn(|| panic!("on a worker"));
                handle.unwrap().join().unwrap_err();
                std::mem::forget(runtime);
            }
        }
        let unwound = catch_unwind(|| {
            let _first_use = FirstUse;
            panic!("the first of all");
        });
        unwound.unwrap_err();
        return;
    }
    let end = finish(child(NAME));
    assert!(end.code == Some(0) && end.text.contains("green thread 'first' ("), "{}", end.text);
}
