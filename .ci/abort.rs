//! What generators, greenlets and green threads do where nothing can be unwound.

use greenthread::generator::{self, Generator, Yielder};
use greenthread::greenlet::{Greenlet, switch_to_parent};
use greenthread::thread::{self, Deadline, group};
use greenthread::{Builder, Elapsed, Runtime, sleep, spawn, timeout};
use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

fn counting(dropped: &Rc<()>) -> Generator<u32> {
    let held = Rc::clone(dropped);
    Generator::new(move |y: &Yielder<u32>| {
        let _held = held;
        y.yield_all(0..3);
    })
}

fn generators() {
    let held = Rc::new(());
    assert_eq!(counting(&held).collect::<Vec<_>>(), [0, 1, 2]);
    drop(counting(&held));
    assert_eq!(Rc::strong_count(&held), 1, "one that ran to its end and one that never began");
    let mut half_run = counting(&held);
    assert_eq!(half_run.next(), Some(0));
    assert!(half_run.close().is_err());
    assert_eq!(half_run.next(), None);
    let mut half_run = counting(&held);
    assert_eq!(half_run.next(), Some(0));
    drop(half_run);
    assert_eq!(Rc::strong_count(&held), 3, "half-run ones are leaked");
    let text = String::from("to be");
    let words =
        generator::scope(|y: &Yielder<&str>| y.yield_all(text.split(' ')), |words| words.count());
    assert_eq!(words, 2);
}

fn greenlets() {
    let held = Rc::new(Cell::new(0));
    let inner = Rc::clone(&held);
    let child = Greenlet::new(move |first: u32| {
        inner.set(switch_to_parent::<u32, u32>(first + 1).unwrap());
        inner.get()
    });
    assert_eq!(child.switch(1).unwrap(), 2);
    assert_eq!(child.any().switch::<u32, u32>(7).unwrap(), 7);
    drop(child);
    assert_eq!((held.get(), Rc::strong_count(&held)), (7, 1));
    let inner = Rc::clone(&held);
    let child = Greenlet::new(move |()| {
        let _held = inner;
        let _ = switch_to_parent::<(), ()>(());
    });
    child.any().switch::<(), ()>(()).unwrap();
    drop(child);
    assert_eq!(Rc::strong_count(&held), 2, "a suspended one is leaked");
}

fn green_threads() {
    assert_eq!(
        (0..100).map(|n| spawn(move || n)).map(|one| one.join().unwrap()).sum::<i32>(),
        4950
    );
    let slow = || {
        sleep(Duration::from_millis(20));
        "its end"
    };
    let (begun, has_begun) = mpsc::channel();
    let killed = spawn(move || {
        begun.send(()).unwrap();
        slow()
    });
    has_begun.recv().unwrap();
    killed.kill();
    assert_eq!(killed.join().unwrap(), "its end", "one that has begun");
    let killed = Builder::new().start_paused().spawn(|| unreachable!("it has not begun")).unwrap();
    killed.kill();
    assert!(killed.join().unwrap_err().is_killed());
    let killed = thread::spawn_later(Duration::from_secs(3600), || unreachable!("nor has this"));
    assert!(killed.kill_and_wait(Duration::from_secs(60)));
    let later = || unreachable!("nothing runs that could not be ended");
    let error: Elapsed = timeout(Duration::from_secs(3600), later).unwrap_err();
    assert!(error.to_string().contains("panic = \"abort\""), "{error}");
    assert_eq!(io::Error::from(error).kind(), io::ErrorKind::Unsupported);
    assert!(spawn(move || Deadline::after(Duration::ZERO).run(later)).join().unwrap().is_err());
    assert_eq!(timeout(Duration::MAX, slow), Ok("its end"), "no limit");
}

fn groups() {
    let ended = AtomicU32::new(0);
    let failed = group(|g| {
        g.spawn(|| {
            sleep(Duration::from_millis(10));
            Ok(ended.fetch_add(1, Ordering::SeqCst))
        });
        sleep(Duration::from_millis(1));
        g.spawn(|| "no number".parse::<u32>());
        sleep(Duration::from_millis(1));
        Ok(ended.fetch_add(10, Ordering::SeqCst))
    });
    assert_eq!(failed.unwrap_err().errors().len(), 1);
    assert_eq!(ended.load(Ordering::SeqCst), 11, "the others run to their ends");
}

fn runtimes() {
    let for_ever = || sleep(Duration::from_secs(3600));
    let start = Instant::now();
    let runtime = Runtime::builder().workers(2).build().unwrap();
    let main = move || {
        Builder::new().daemon(true).spawn(for_ever).unwrap();
        sleep(Duration::from_millis(1));
    };
    runtime.run(main).unwrap();
    let stragglers = runtime.shutdown(Duration::from_millis(10)).unwrap_err();
    assert!(stragglers.to_string().contains("sleep"), "{stragglers}");
    let runtime = Runtime::builder().workers(2).build().unwrap();
    runtime.spawn(for_ever);
    runtime.run(|| sleep(Duration::from_millis(1))).unwrap();
    drop(runtime);
    let runtime = Runtime::new_current_thread().unwrap();
    runtime.run(main).unwrap();
    assert!(runtime.run(|| ()).is_err(), "it holds one that cannot be ended");
    assert!(start.elapsed() < Duration::from_secs(30));
}

fn main() {
    if std::env::args().nth(1).is_some() {
        let _ = spawn(|| panic!("on purpose")).join();
        return;
    }
    generators();
    greenlets();
    green_threads();
    groups();
    runtimes();
    println!("all as documented with panic = \"abort\"");
}
