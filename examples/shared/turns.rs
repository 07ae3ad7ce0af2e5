//! What the programs of tutorials begin with, in a form whose order is the same on every machine.
#![allow(dead_code, unreachable_pub)]

use greenthread::{Builder, JoinHandle, Runtime, current, yield_now};
use std::io;

/// Python's `time.sleep`. A second is a hundred turns of the others here, so that the order does not depend on how busy the
/// machine is; a program of yours calls [`greenthread::sleep`].
pub fn sleep(seconds: f64) {
    (0..(seconds * 100.0) as u32).for_each(|_| yield_now());
}

/// `Thread(target=body, name=name).start()`. A thread that is started may run at once, so the caller waits a turn.
pub fn start<T: Send + 'static>(
    name: &str,
    body: impl FnOnce() -> T + Send + 'static,
) -> JoinHandle<T> {
    let thread = Builder::new().name(name.into()).spawn(body).expect("there is room for it");
    yield_now();
    thread
}

/// `threading.current_thread().name`
pub fn my_name() -> String {
    current().to_string()
}

/// `for t in threads: t.join()`
pub fn join_all(threads: impl IntoIterator<Item = JoinHandle<()>>) {
    // All of them are there before the first is waited for, though `threads` may be lazy.
    let threads: Vec<_> = threads.into_iter().collect();
    threads.into_iter().for_each(|thread| thread.join().expect("it does not panic"));
}

/// One program: it ends when its last thread that is no daemon has ended.
pub fn program(title: &str, main: fn()) -> io::Result<()> {
    println!("# {title}");
    Runtime::new_current_thread()?.run(main).map_err(io::Error::other)
}

/// One that waits for ever in a tutorial, which is an error here.
pub fn program_with_deadlock(title: &str, main: fn()) -> io::Result<()> {
    println!("# {title}");
    match Runtime::new_current_thread()?.run(main) {
        Err(_) => println!("(a deadlock, so `run` returns an error)"),
        Ok(()) => println!("(it has ended)"),
    }
    Ok(())
}
