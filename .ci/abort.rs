//! What generators, greenlets and green threads do where nothing can be unwound.

use greenthread::generator::{self, Generator, Yielder};
use greenthread::greenlet::{Greenlet, switch_to_parent};
use greenthread::{sleep, spawn, timeout};
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

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
    let killed = spawn(slow);
    killed.kill();
    assert_eq!(killed.join().unwrap(), "its end");
    assert_eq!(timeout(Duration::from_millis(1), slow), Ok("its end"));
    assert_eq!(
        spawn(move || timeout(Duration::from_millis(1), slow)).join().unwrap(),
        Ok("its end")
    );
}

fn main() {
    if std::env::args().nth(1).is_some() {
        let _ = spawn(|| panic!("on purpose")).join();
        return;
    }
    generators();
    greenlets();
    green_threads();
    println!("all as documented with panic = \"abort\"");
}
