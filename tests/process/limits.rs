//! Limits of the process: mappings, address space, files.

use crate::{FOR_EVER, child, finish, is_child, passes, set_limit, until, workers};
use greenthread::net::{TcpListener, TcpStream};
use greenthread::sync::mpsc;
use greenthread::thread::park;
use greenthread::{Builder, Runtime, blocking, run, sleep, spawn, timeout};
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

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
            Builder::new().stack_size(180 << 10).spawn(body)
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
fn a_spawn_without_mappings_left_is_refused() {
    const NAME: &str = "limits::a_spawn_without_mappings_left_is_refused";
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
    const NAME: &str = "limits::out_of_address_space";
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
    const NAME: &str = "limits::too_many_open_files_in_accept";
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

/// Work of all kinds that needs no descriptor of its own.
fn works() {
    assert_eq!(spawn(|| 1).join().unwrap(), 1);
    sleep(Duration::from_millis(1));
    assert!(timeout(Duration::from_millis(1), park).is_err());
    assert_eq!(blocking(|| 2), 2);
    let (sender, receiver) = mpsc::channel();
    spawn(move || sender.send(3).unwrap());
    assert_eq!(receiver.recv(), Ok(3));
}

fn entries(of: &str) -> usize {
    std::fs::read_dir(format!("/proc/self/{of}")).unwrap().count()
}

/// However few descriptors are left, a runtime is made and works, or there is an error that says so, and nothing remains.
#[test]
fn few_descriptors_for_a_runtime() {
    const NAME: &str = "limits::few_descriptors_for_a_runtime";
    if is_child(NAME) {
        // What the library keeps for itself is there.
        workers(3).run(works).unwrap();
        until(|| entries("task") <= 4);
        let (mut refused, mut made, open) = (0, 0, entries("fd"));
        for free in 0..16 {
            // One is the listing's own.
            set_limit(libc::RLIMIT_NOFILE, (open - 1 + free) as u64);
            let of_workers = Runtime::builder().workers(3).build();
            let outcome = match &of_workers {
                Ok(runtime) => {
                    runtime.run(works).unwrap();
                    Ok(())
                }
                Err(error) => Err(error.raw_os_error()),
            };
            drop(of_workers);
            let own = Runtime::new_current_thread().unwrap();
            let on_this_thread = own.run(works).map_err(|error| {
                error.io_error().unwrap_or_else(|| panic!("{error}")).raw_os_error()
            });
            for outcome in [outcome, on_this_thread] {
                match outcome {
                    Ok(()) => made += 1,
                    Err(error) => {
                        assert_eq!(error, Some(libc::EMFILE));
                        refused += 1;
                    }
                }
            }
            set_limit(libc::RLIMIT_NOFILE, 1000);
            assert_eq!(entries("fd"), open);
            own.run(works).unwrap();
        }
        assert!(refused > 2 && made > 2, "{refused} {made}");
        // The global runtime: an error at first, and there when it can be.
        set_limit(libc::RLIMIT_NOFILE, (open - 1) as u64);
        let error = Builder::new().spawn(|| ()).map(drop).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EMFILE));
        assert!(std::panic::catch_unwind(|| run(|| ())).is_err());
        set_limit(libc::RLIMIT_NOFILE, 1000);
        run(works);
        return;
    }
    passes(NAME);
}

/// The same for OS threads.
#[test]
fn few_os_threads_for_a_runtime() {
    const NAME: &str = "limits::few_os_threads_for_a_runtime";
    // SAFETY: asks only.
    let is_root = unsafe { libc::geteuid() } == 0;
    if !is_root {
        // The limit is for all of a user's processes, and root can become a user who has none.
        return;
    }
    if is_child(NAME) {
        let nobody = 1_000_000 + std::process::id();
        // SAFETY: the process gives up its rights; no user has this number.
        if unsafe { libc::setuid(nobody) } != 0 {
            return;
        }
        let before = entries("task");
        let (mut refused, mut made) = (0, 0);
        for free in 0..8 {
            set_limit(libc::RLIMIT_NPROC, (before + free) as u64);
            match Runtime::builder().workers(4).build() {
                Ok(runtime) => {
                    // `blocking` has to do with one thread or with none.
                    runtime.run(works).unwrap();
                    made += 1;
                }
                Err(error) => {
                    assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock, "{error}");
                    assert!(error.to_string().contains("the OS thread `greenthread-"), "{error}");
                    refused += 1;
                }
            }
            // The threads that had begun are gone, but for one of `blocking` and the lookout.
            until(|| entries("task") <= before + 2);
            Runtime::new_current_thread().unwrap().run(works).unwrap();
        }
        assert!(refused >= 3 && made >= 1, "{refused} {made}");
        return;
    }
    passes(NAME);
}
