//! Limits of the process: mappings, address space, files.

use crate::{FOR_EVER, child, finish, is_child, passes, set_limit, until, workers};
use greenthread::net::{TcpListener, TcpStream};
use greenthread::{Builder, Runtime, run, sleep};
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

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
    const NAME: &str = "limits::out_of_mappings";
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
