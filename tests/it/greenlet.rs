//! Greenlets: each sentence of the semantics, and attempts to break them from safe code.

use greenthread::greenlet::{
    self, AnyGreenlet, ContextVar, Greenlet, GreenletExit, ParentError, SwitchError, TraceKind,
    WeakGreenlet, switch_to_parent,
};
use std::cell::{Cell, OnceCell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;

fn catch<T>(f: impl FnOnce() -> T) -> std::thread::Result<T> {
    catch_unwind(AssertUnwindSafe(f))
}

/// Counts its drops.
struct Counted(Rc<Cell<u32>>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.set(self.0.get() + 1);
    }
}

fn back_to_parent() {
    switch_to_parent::<_, ()>(()).unwrap();
}

#[test]
fn switching_to_a_finished_one_is_an_error_that_names_it() {
    let runs = Rc::new(Cell::new(0));
    let inner = runs.clone();
    let child = Greenlet::new(move |n: i32| {
        inner.set(inner.get() + 1);
        n
    });
    child.set_name("worker");
    assert_eq!(child.switch(1).unwrap(), 1);
    let error = child.switch(2).unwrap_err();
    assert!(error.is_dead() && error.to_string().contains("worker"), "{error}");
    assert_eq!((error.into_value(), runs.get()), (Some(2), 1));
    assert!(child.throw::<()>(Box::new(1)).unwrap_err().is_dead());
}

#[test]
fn ends_into_its_current_parent() {
    let log: Rc<RefCell<Vec<String>>> = Rc::default();
    let inner = log.clone();
    let other = Greenlet::new(move |child: Greenlet<(), i32>| {
        child.set_parent(&greenlet::current()).unwrap();
        let got: i32 = child.any().switch(()).unwrap();
        inner.borrow_mut().push(format!("other got {got}"));
    });
    let child = Greenlet::new(|()| 5);
    assert_eq!(child.parent(), Some(greenlet::current()));
    other.switch(child).unwrap();
    assert_eq!(*log.borrow(), ["other got 5"]);
}

#[test]
fn ending_into_an_unstarted_parent_starts_it() {
    let parent = Greenlet::new(|n: i32| format!("started with {n}"));
    let child = Greenlet::new(|()| 7);
    child.set_parent(&parent).unwrap();
    assert_eq!(child.any().switch::<_, String>(()).unwrap(), "started with 7");
    assert!(parent.is_dead());
    // With a value that it does not take it ends by a panic that says so.
    let parent = Greenlet::new(|_: i32| ());
    let child = Greenlet::new(|()| "text");
    child.set_parent(&parent).unwrap();
    let payload = catch(|| child.any().switch::<_, ()>(())).unwrap_err();
    assert!(payload.downcast_ref::<String>().unwrap().contains("takes a i32"));
    assert!(parent.is_dead());
}

#[test]
fn a_panic_surfaces_in_the_parent_not_in_the_creator() {
    let made: Rc<RefCell<Option<Greenlet>>> = Rc::default();
    let out = made.clone();
    let creator = Greenlet::new(move |()| {
        *out.borrow_mut() = Some(Greenlet::new(|()| resume_unwind(Box::new("boom"))));
        catch(back_to_parent).is_ok()
    });
    creator.any().switch::<_, ()>(()).unwrap();
    let child = made.take().unwrap();
    child.set_parent(&greenlet::current()).unwrap();
    assert_eq!(catch(|| child.switch(())).unwrap_err().downcast_ref(), Some(&"boom"));
    assert!(child.is_dead());
    assert!(creator.switch(()).unwrap(), "the creator saw nothing");
}

#[test]
fn a_panic_passes_finished_and_unstarted_parents() {
    let never = Rc::new(Cell::new(0));
    let held = Counted(never.clone());
    let unstarted = Greenlet::new(move |()| std::mem::forget(held));
    let dead = Greenlet::new(|()| ());
    dead.switch(()).unwrap();
    dead.set_parent(&unstarted).unwrap();
    let child = Greenlet::new(|()| resume_unwind(Box::new(3)));
    child.set_parent(&dead).unwrap();
    assert!(catch(|| child.any().switch::<(), ()>(())).is_err());
    assert!(unstarted.is_dead());
    assert_eq!(never.get(), 1, "its body was dropped, not run");
}

#[test]
fn throwing_into_an_unstarted_one_ends_it() {
    let ran = Rc::new(Cell::new(false));
    let make = || {
        let ran = ran.clone();
        Greenlet::new(move |()| ran.set(true))
    };
    let child = make();
    child.kill().unwrap();
    assert!(child.is_dead());
    let child = make();
    let payload = catch(|| child.throw::<()>(Box::new("out"))).unwrap_err();
    assert_eq!((payload.downcast_ref(), child.is_dead()), (Some(&"out"), true));
    assert!(!ran.get());
    // Into one whose parent is another: control goes there.
    let parent = Greenlet::new(|()| catch(back_to_parent).unwrap_err().downcast::<i32>().is_ok());
    parent.any().switch::<_, ()>(()).unwrap();
    let child = make();
    child.set_parent(&parent).unwrap();
    assert!(child.throw::<bool>(Box::new(1)).unwrap());
}

#[test]
fn throwing_into_a_suspended_one_raises_there() {
    let child = Greenlet::new(|()| {
        let caught = catch(back_to_parent).unwrap_err().downcast::<i32>().unwrap();
        let _: () = switch_to_parent(*caught).unwrap();
        "end"
    });
    child.any().switch::<_, ()>(()).unwrap();
    assert_eq!(child.throw::<i32>(Box::new(9)).unwrap(), 9);
    assert_eq!(child.switch(()).unwrap(), "end");
    // The exit is a normal end; one who expects a value is told that there is none.
    let child = Greenlet::new(|()| switch_to_parent::<_, i32>(0).unwrap());
    child.switch(()).unwrap();
    assert!(child.throw::<i32>(Box::new(GreenletExit)).unwrap_err().is_exited());
    // Into oneself.
    assert!(catch(|| greenlet::current().throw::<()>(Box::new(1))).is_err());
}

#[test]
fn dropping_the_last_handle_unwinds() {
    let drops = Rc::new(Cell::new(0));
    let held = Counted(drops.clone());
    let child = Greenlet::new(move |()| {
        let _held = held;
        let exit = catch(back_to_parent).unwrap_err();
        assert!(exit.is::<GreenletExit>());
        resume_unwind(Box::new("a panic in clean-up"));
    });
    child.any().switch::<(), ()>(()).unwrap();
    let second = child.clone();
    drop(child);
    assert_eq!(drops.get(), 0);
    drop(second);
    assert_eq!(drops.get(), 1);
}

#[test]
fn dropping_while_panicking_unwinds_too() {
    let drops = Rc::new(Cell::new(0));
    let held = Counted(drops.clone());
    let panicked = catch(|| {
        let child = Greenlet::new(move |()| {
            let _held = held;
            back_to_parent();
        });
        child.switch(()).unwrap();
        panic!("with a suspended greenlet");
    });
    assert!(panicked.is_err());
    assert_eq!((drops.get(), std::thread::panicking()), (1, false));
}

#[test]
fn one_that_will_not_end_is_leaked() {
    let child = Greenlet::new(|()| {
        loop {
            let _ = catch(back_to_parent);
        }
    });
    child.any().switch::<(), ()>(()).unwrap();
    let weak = child.downgrade();
    drop(child);
    assert!(weak.upgrade().is_none());
}

#[test]
fn a_destructor_cannot_switch_away_while_it_is_dropped() {
    struct Switches(AnyGreenlet, Rc<Cell<bool>>);
    impl Drop for Switches {
        fn drop(&mut self) {
            let refused = self.0.switch::<_, ()>(()).unwrap_err();
            self.1.set(matches!(refused, SwitchError::Exiting { .. }));
        }
    }
    let refused = Rc::new(Cell::new(false));
    let inner = refused.clone();
    let child = Greenlet::new(move |()| {
        let _switches = Switches(greenlet::current().parent().unwrap(), inner);
        back_to_parent();
    });
    child.switch(()).unwrap();
    drop(child);
    assert!(refused.get());
}

#[test]
fn the_last_handle_may_go_inside_the_greenlet_itself() {
    let drops = Rc::new(Cell::new(0));
    let held = Counted(drops.clone());
    let own: Rc<RefCell<Option<Greenlet>>> = Rc::default();
    let inner = own.clone();
    let child = Greenlet::new(move |()| {
        let _held = held;
        drop(inner.take());
        back_to_parent();
        unreachable!("unwound when it switched away");
    });
    *own.borrow_mut() = Some(child.clone());
    let weak = child.downgrade();
    drop(child);
    weak.switch::<_, ()>(()).unwrap();
    assert_eq!(drops.get(), 1);
}

#[test]
fn greenlets_dropped_by_one_that_is_dropped() {
    let drops = Rc::new(Cell::new(0));
    let mut inner: Option<Greenlet> = None;
    for _ in 0..50 {
        let (held, next) = (Counted(drops.clone()), inner.take());
        let child = Greenlet::new(move |()| {
            let _held = (held, next);
            back_to_parent();
        });
        child.switch(()).unwrap();
        inner = Some(child);
    }
    drop(inner);
    assert_eq!(drops.get(), 50);
}

#[test]
fn a_ping_pong_of_two_leaks_nothing() {
    let drops = Rc::new(Cell::new(0));
    {
        let second: Rc<OnceCell<WeakGreenlet>> = Rc::default();
        let (other, held) = (second.clone(), Counted(drops.clone()));
        let ping = Greenlet::new(move |()| {
            let _held = held;
            loop {
                other.get().unwrap().switch::<_, ()>(()).unwrap();
            }
        });
        let (other, held, rounds) = (ping.downgrade(), Counted(drops.clone()), Cell::new(0));
        let main = greenlet::current();
        let pong = Greenlet::new(move |()| {
            let _held = held;
            loop {
                rounds.set(rounds.get() + 1);
                if rounds.get() == 10 {
                    main.switch::<_, ()>(()).unwrap();
                }
                other.switch::<_, ()>(()).unwrap();
            }
        });
        second.set(pong.downgrade()).unwrap();
        ping.any().switch::<(), ()>(()).unwrap();
        assert_eq!(drops.get(), 0);
    }
    assert_eq!(drops.get(), 2);
}

#[test]
fn another_os_thread_has_its_own() {
    let main = greenlet::current();
    std::thread::spawn(|| {
        assert_eq!(greenlet::current().name().as_ref(), "main");
        assert_eq!(Greenlet::new(|n: i32| n + 1).switch(1).unwrap(), 2);
    })
    .join()
    .unwrap();
    assert_eq!(main, greenlet::current());
}

#[test]
fn a_long_line_of_parents_is_dropped_without_recursion() {
    /// The first of a line of `count`, each the parent of the one before and kept by that alone.
    fn line(count: usize, make: impl Fn() -> Greenlet) -> Greenlet {
        let first = make();
        let mut last = first.clone();
        for _ in 1..count {
            let parent = make();
            last.set_parent(&parent).unwrap();
            last = parent;
        }
        first
    }
    // Dead ones keep no stack, so these can be many.
    drop(line(100_000, || {
        let dead = Greenlet::new(|()| ());
        dead.kill().unwrap();
        dead
    }));

    let held = Rc::new(());
    drop(line(10_000, || {
        let held = Rc::clone(&held);
        Greenlet::new(move |()| drop(held))
    }));
    assert_eq!(Rc::strong_count(&held), 1);

    // Suspended ones are unwound from the child up, on the dropper's stack.
    let log: Rc<RefCell<Vec<usize>>> = Rc::default();
    struct Logs(usize, Rc<RefCell<Vec<usize>>>);
    impl Drop for Logs {
        fn drop(&mut self) {
            self.1.borrow_mut().push(self.0);
        }
    }
    let made = Cell::new(0);
    drop(line(1000, || {
        let held = Logs(made.replace(made.get() + 1), Rc::clone(&log));
        let child = Greenlet::new(move |()| {
            let _held = held;
            back_to_parent();
        });
        child.switch(()).unwrap();
        child
    }));
    assert!(log.borrow().iter().copied().eq(0..1000));
}

#[test]
fn parent_cycles_are_refused() {
    let a = Greenlet::new(|()| ());
    let b = Greenlet::new(|()| ());
    b.set_parent(&a).unwrap();
    assert_eq!(a.set_parent(&b), Err(ParentError::Cycle));
    assert_eq!(a.set_parent(&a), Err(ParentError::Cycle));
    assert_eq!(greenlet::current().set_parent(&a), Err(ParentError::Main));
    assert_eq!(greenlet::current().parent(), None);
    assert!(catch(switch_to_parent::<(), ()>.bind(())).is_err());
}

trait Bind<A, R> {
    fn bind(self, argument: A) -> impl FnOnce() -> R;
}

impl<A, R, F: FnOnce(A) -> R> Bind<A, R> for F {
    fn bind(self, argument: A) -> impl FnOnce() -> R {
        move || self(argument)
    }
}

#[test]
fn wrong_types_are_errors() {
    let child = Greenlet::new(|n: u8| {
        let _: String = switch_to_parent(n).unwrap();
        "end"
    });
    let refused = child.any().switch::<_, ()>("text").unwrap_err();
    assert!(refused.is_wrong_type() && refused.to_string().contains("u8"), "{refused}");
    assert_eq!(refused.into_value(), Some("text"));
    assert!(!child.is_started());
    assert_eq!(child.any().switch::<u8, u8>(1).unwrap(), 1);
    assert!(child.switch(2).unwrap_err().to_string().contains("String"));
    // Its result is not what the parent expects.
    let error = child.any().switch::<_, i64>(String::new()).unwrap_err();
    assert!(matches!(error, SwitchError::Received { .. }) && error.to_string().contains("str"));
    // To oneself.
    assert_eq!(greenlet::current().switch::<_, i32>(4).unwrap(), 4);
    assert!(greenlet::current().switch::<_, u32>(4i32).unwrap_err().is_wrong_type());
}

#[test]
fn a_trace_hook_sees_every_switch_and_may_switch() {
    let log: Rc<RefCell<Vec<String>>> = Rc::default();
    let inner = log.clone();
    let helper = Greenlet::new(|()| {
        loop {
            back_to_parent();
        }
    });
    let before = greenlet::set_trace(Some(Rc::new(move |event| {
        helper.set_parent(&greenlet::current()).unwrap();
        helper.any().switch::<(), ()>(()).unwrap();
        let kind = if event.kind == TraceKind::Switch { "switch" } else { "throw" };
        inner.borrow_mut().push(format!("{kind} {}>{}", event.from.name(), event.to.name()));
    })));
    assert!(before.is_none());
    let child = Greenlet::new(|()| drop(catch(back_to_parent)));
    child.set_name("child");
    child.switch(()).unwrap();
    child.throw::<()>(Box::new(1)).unwrap();
    assert!(greenlet::trace().is_some());
    assert!(greenlet::set_trace(None).is_some(), "installing returns the old one");
    child.kill().unwrap_err();
    let expected =
        ["switch main>child", "switch child>main", "throw main>child", "switch child>main"];
    assert_eq!(*log.borrow(), expected);
}

#[test]
fn context_values_are_copied_from_the_creator() {
    static NUMBER: ContextVar<i32> = ContextVar::new();
    static TEXT: ContextVar<String> = ContextVar::new();
    NUMBER.set(1);
    let child = Greenlet::new(|()| {
        let inherited = (NUMBER.get(), TEXT.get());
        NUMBER.set(2);
        TEXT.set("child's".into());
        back_to_parent();
        (inherited, NUMBER.get())
    });
    NUMBER.set(3);
    child.any().switch::<(), ()>(()).unwrap();
    assert_eq!((NUMBER.get(), TEXT.get()), (Some(3), None));
    assert_eq!(child.switch(()).unwrap(), ((Some(1), None), Some(2)));
    NUMBER.clear();
    assert_eq!(NUMBER.get(), None);
}

#[test]
fn states_can_be_told_apart() {
    let child = Greenlet::new(|()| back_to_parent());
    let states = |g: &AnyGreenlet| (g.is_started(), g.is_active(), g.is_dead());
    assert_eq!(states(&child), (false, false, false));
    child.switch(()).unwrap();
    assert_eq!(states(&child), (true, true, false));
    child.switch(()).unwrap();
    assert_eq!(states(&child), (true, false, true));
    assert_eq!(states(&greenlet::current()), (true, true, false));
}

#[test]
fn a_switch_out_of_a_generator_takes_the_generator_along() {
    use greenthread::generator::{Generator, Yielder};
    let child = Greenlet::new(|()| {
        let items = Generator::new(|y: &Yielder<i32>| {
            y.yield_(switch_to_parent::<_, i32>(1).unwrap());
            y.yield_(switch_to_parent::<_, i32>(2).unwrap());
        });
        items.sum::<i32>()
    });
    assert_eq!(child.switch(()).unwrap(), 1);
    assert_eq!(child.any().switch::<_, i32>(10).unwrap(), 2);
    assert_eq!(child.any().switch::<_, i32>(20).unwrap(), 30);
    // From the main greenlet's own generator.
    let mut generator = Generator::new(|y: &Yielder<i32>| {
        let child = Greenlet::new(|n: i32| n * 2);
        y.yield_(child.switch(21).unwrap());
    });
    assert_eq!(generator.next(), Some(42));
    drop(generator);
}

#[test]
fn forgetting_handles_is_sound() {
    let child = Greenlet::new(|()| back_to_parent());
    child.switch(()).unwrap();
    std::mem::forget(child.clone());
    drop(child);
    assert_eq!(Greenlet::new(|n: i32| n).switch(3).unwrap(), 3);
}

#[test]
fn a_thread_may_end_with_suspended_greenlets() {
    thread_local! {
        static KEPT: RefCell<Option<Greenlet>> = const { RefCell::new(None) };
    }
    std::thread::spawn(|| {
        KEPT.with(|_| ());
        let child = Greenlet::new(|()| back_to_parent());
        child.switch(()).unwrap();
        KEPT.set(Some(child));
    })
    .join()
    .unwrap();
}

#[test]
fn a_switch_in_a_destructor_while_unwinding() {
    struct Switches(Greenlet<i32, i32>, Rc<Cell<i32>>);
    impl Drop for Switches {
        fn drop(&mut self) {
            self.1.set(self.0.switch(1).unwrap());
        }
    }
    let got = Rc::new(Cell::new(0));
    let switches = Switches(Greenlet::new(|n: i32| n + 1), got.clone());
    let panicked = catch(move || {
        let _switches = switches;
        panic!("unwinding through a switch");
    });
    assert!(panicked.is_err());
    assert_eq!(got.get(), 2);
    // A child that panics then is an error for its parent, which is unwinding already.
    struct Panics(Rc<Cell<bool>>);
    impl Drop for Panics {
        fn drop(&mut self) {
            let child: Greenlet = Greenlet::new(|()| panic!("second"));
            self.0.set(matches!(child.switch(()), Err(SwitchError::Panicked(_))));
        }
    }
    let seen = Rc::new(Cell::new(false));
    let panics = Panics(seen.clone());
    assert!(
        catch(move || {
            let _panics = panics;
            panic!("first");
        })
        .is_err()
    );
    assert!(seen.get() && !std::thread::panicking());
}
