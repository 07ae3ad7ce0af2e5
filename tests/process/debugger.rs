//! Green threads in gdb, of a live process and of a core file.

use super::{child, is_child};
use greenthread::sync::{Arc, Event};
use greenthread::{
    Builder, Runtime,
    generator::{Generator, Yielder},
    yield_now,
};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

#[inline(never)]
fn waits_in_a_green_thread(event: &Event) {
    event.wait();
    std::hint::black_box(());
}

#[inline(never)]
fn waits_in_a_generator(event: &Event) {
    event.wait();
    std::hint::black_box(());
}

/// Stops for the debugger once everybody waits.
fn debugged() {
    let runtime = Runtime::builder().workers(2).stack_size(64 * 1024).build().unwrap();
    let (event, waiting) = (Arc::new(Event::new()), Arc::new(AtomicUsize::new(0)));
    let (first, second) = (Arc::clone(&event), Arc::clone(&event));
    let (one, other) = (Arc::clone(&waiting), Arc::clone(&waiting));
    let plain = move || {
        one.fetch_add(1, Ordering::SeqCst);
        waits_in_a_green_thread(&first);
    };
    let inside = move || {
        let generator = Generator::new(move |_: &Yielder<'_, (), ()>| {
            other.fetch_add(1, Ordering::SeqCst);
            waits_in_a_generator(&second);
        });
        assert_eq!(generator.count(), 0);
    };
    let spawn = |name: &str, body: Box<dyn FnOnce() + Send>| {
        let builder = Builder::new().name(name.into());
        runtime.spawn(move || builder.spawn(body).unwrap()).join().unwrap()
    };
    let all = [spawn("plain one", Box::new(plain)), spawn("inner one", Box::new(inside))];
    while waiting.load(Ordering::SeqCst) < 2 {
        std::thread::yield_now();
    }
    // A turn of each worker later they wait.
    for _ in 0..100 {
        runtime.spawn(yield_now).join().unwrap();
    }
    println!("the id is {}", all[0].thread().id());
    let most = getrlimit(Resource::Core).maximum;
    setrlimit(Resource::Core, Rlimit { current: most, maximum: most }).unwrap();
    std::process::abort();
}

/// `None` where there is no gdb that knows Python, or that may look at a process.
fn gdb(commands: &[&str], program: &[String]) -> Option<String> {
    let mut gdb = Command::new("gdb");
    gdb.args(["-nx", "-q", "-batch", "-ex", "set confirm off", "-ex", "set pagination off"]);
    for command in commands {
        gdb.args(["-ex", command]);
    }
    gdb.arg("--args").args(program).stdin(Stdio::null()).env("DEBUGINFOD_URLS", "");
    let Output { stdout, stderr, .. } = gdb.output().ok()?;
    let text = [stdout, stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    let refused =
        ["Operation not permitted", "Could not trace", "Python scripting is not supported"];
    (!refused.iter().any(|why| text.contains(why))).then_some(text)
}

#[test]
fn a_debugger_finds_green_threads_and_their_stacks() {
    const NAME: &str = "debugger::a_debugger_finds_green_threads_and_their_stacks";
    if is_child(NAME) {
        return debugged();
    }
    let folder = std::env::temp_dir().join(format!("greenthread-gdb-{}", std::process::id()));
    std::fs::create_dir(&folder).unwrap();
    let script = format!("source {}/src/inspect/gdb.py", env!("CARGO_MANIFEST_DIR"));
    let command = child(NAME);
    let text = |part: &std::ffi::OsStr| part.to_str().unwrap().to_string();
    let mut program = vec![text(command.get_program())];
    program.extend(command.get_args().map(text));
    let environment = format!("set environment GREENTHREAD_TEST_CHILD {NAME}");
    let looks = ["info greenthreads one", "greenthread all bt"];
    let live = gdb(&[&environment, "run", &script, looks[0], looks[1], "kill"], &program);
    let mut places = vec![("process", live)];
    // By itself, so that the system writes a core file, if it does that here. (gdb's own `gcore` leaves out what a guard stands before.)
    assert!(child(NAME).current_dir(&folder).output().unwrap().status.code().is_none());
    let written = std::fs::read_dir(&folder).unwrap().next();
    if let Some(core) = written {
        let open = format!("core-file {}", core.unwrap().path().display());
        places.push(("core file", gdb(&[&open, &script, looks[0], looks[1]], &program[..1])));
    }
    std::fs::remove_dir_all(&folder).unwrap();
    for (place, text) in places {
        let Some(text) = text else {
            println!("there is no gdb, or it may not look: not tested");
            return;
        };
        for wanted in [
            "plain one",
            "inner one",
            "waits for an event",
            "waits_in_a_green_thread",
            "waits_in_a_generator",
        ] {
            assert!(text.contains(wanted), "no {wanted} in what is told of a {place}: {text}");
        }
        assert!(text.contains("2 green threads"), "{text}");
        // Each to its end; that of the generator goes on with the green thread that has resumed it.
        assert!(text.matches("stack_init_trampoline").count() >= 2, "{text}");
        assert!(text.matches("process::debugger::debugged::{{closure}}").count() >= 2, "{text}");
        assert!(!text.contains("Python Exception") && !text.contains("Error occurred"), "{text}");
    }
}
