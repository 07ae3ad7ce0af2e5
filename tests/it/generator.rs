//! Generators: each sentence of the semantics, and attempts to break them from safe code.

#![expect(clippy::forget_non_drop, reason = "forgetting is what is tested")]

use greenthread::generator::{self, Generator, SendError, Yielder};
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Counts its drops.
struct Counted(Rc<Cell<u32>>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.set(self.0.get() + 1);
    }
}

fn counter() -> Rc<Cell<u32>> {
    Rc::default()
}

fn catch<T>(f: impl FnOnce() -> T) -> std::thread::Result<T> {
    catch_unwind(AssertUnwindSafe(f))
}

#[test]
fn is_a_fused_iterator_with_a_return_value() {
    fn fused<T: std::iter::FusedIterator>(_: &T) {}
    let mut generator = Generator::new(|y: &Yielder<i32>| {
        y.yield_(1);
        y.yield_(2);
        "ok"
    });
    fused(&generator);
    assert_eq!((generator.is_started(), generator.return_value()), (false, None));
    assert_eq!(generator.by_ref().map(|n| n * 10).collect::<Vec<_>>(), [10, 20]);
    assert_eq!((generator.next(), generator.next()), (None, None));
    assert_eq!(generator.return_value(), Some(&"ok"));
    assert!(generator.is_finished());
    assert_eq!(generator.into_return_value(), Some("ok"));
}

#[test]
fn works_with_adaptors() {
    let naturals = || {
        Generator::new(|y: &Yielder<u32>| {
            for n in 0.. {
                y.yield_(n);
            }
        })
    };
    let zipped: Vec<_> = naturals().skip(1).step_by(2).zip(naturals()).take(2).collect();
    assert_eq!(zipped, [(1, 0), (3, 1)]);
    let mut peekable = naturals().peekable();
    assert_eq!((peekable.peek().copied(), peekable.next()), (Some(0), Some(0)));
    let mut sum = 0;
    for n in naturals().chain(0..1).take_while(|n| *n < 4) {
        sum += n;
    }
    assert_eq!(sum, 6);
}

#[test]
fn send_before_the_start_is_refused() {
    let mut generator = Generator::new(|y: &Yielder<String, String>| {
        let mut got = y.yield_("ready".into());
        while got != "end" {
            got = y.yield_(format!("got {got}"));
        }
    });
    let refused = generator.send("early".into()).unwrap_err();
    assert_eq!(refused, SendError::NotStarted("early".to_string()));
    assert_eq!(refused.into_inner(), "early");
    assert_eq!(generator.start().as_deref(), Some("ready"));
    assert_eq!(generator.send("a".into()), Ok(Some("got a".into())));
    assert_eq!(generator.send("end".into()), Ok(None));
    assert_eq!(generator.send("late".into()), Err(SendError::Finished("late".into())));
    assert!(catch(|| generator.start()).is_err());
}

#[test]
fn next_sends_the_default() {
    let mut generator = Generator::new(|y: &Yielder<Option<i32>, Option<i32>>| {
        let mut last = None;
        loop {
            last = y.yield_(last);
        }
    });
    assert_eq!(generator.next(), Some(None));
    assert_eq!(generator.send(Some(5)), Ok(Some(Some(5))));
    assert_eq!(generator.next(), Some(None));
}

#[test]
fn throw_raises_inside() {
    let drops = counter();
    let held = Counted(drops.clone());
    let mut generator = Generator::new(move |y: &Yielder<i32>| {
        let _held = held;
        let caught = catch(|| y.yield_(1)).unwrap_err();
        y.yield_(*caught.downcast::<i32>().unwrap());
    });
    assert_eq!(generator.next(), Some(1));
    assert_eq!(generator.throw(Box::new(42)), Some(42));
    let payload = catch(|| generator.throw(Box::new("out"))).unwrap_err();
    assert_eq!(payload.downcast_ref(), Some(&"out"));
    assert_eq!((drops.get(), generator.next(), generator.is_finished()), (1, None, true));
    let payload = catch(|| generator.throw(Box::new(7))).unwrap_err();
    assert_eq!(payload.downcast_ref(), Some(&7));
}

#[test]
fn throw_before_the_start_ends_it() {
    let ran = counter();
    let inner = Counted(ran.clone());
    let mut generator = Generator::new(move |y: &Yielder<i32>| {
        y.yield_(1);
        std::mem::forget(inner);
    });
    assert!(catch(|| generator.throw(Box::new(0))).is_err());
    assert_eq!((generator.next(), ran.get()), (None, 1));
}

#[test]
fn close_unwinds_and_is_idempotent() {
    let drops = counter();
    let held = Counted(drops.clone());
    let mut generator = Generator::new(move |y: &Yielder<i32>| {
        let _held = held;
        y.yield_(1);
        unreachable!();
    });
    generator.next();
    assert_eq!((generator.close(), drops.get()), (Ok(()), 1));
    assert_eq!((generator.close(), generator.next()), (Ok(()), None));
    let mut unstarted = Generator::new(|y: &Yielder<i32>| y.yield_(1));
    assert_eq!((unstarted.close(), unstarted.next()), (Ok(()), None));
}

#[test]
fn a_body_may_return_a_value_when_closed() {
    let mut generator = Generator::new(|y: &Yielder<i32>| catch(|| y.yield_(1)).is_err());
    generator.next();
    generator.close().unwrap();
    assert_eq!(generator.return_value(), Some(&true));
}

#[test]
fn swallowing_a_close_is_an_error_not_a_hang() {
    let stubborn = || {
        Generator::new(|y: &Yielder<i32>| {
            loop {
                let _ = catch(|| y.yield_(1));
            }
        })
    };
    let mut generator = stubborn();
    generator.next();
    assert!(generator.close().is_err());
    assert_eq!((generator.close(), generator.next()), (Ok(()), None));
    let mut dropped = stubborn();
    dropped.next();
    drop(dropped);
}

#[test]
fn dropping_unwinds_and_swallows_a_panic_in_clean_up() {
    let drops = counter();
    let held = Counted(drops.clone());
    let mut generator = Generator::new(move |y: &Yielder<i32>| {
        let _held = held;
        if catch(|| y.yield_(1)).is_err() {
            std::panic::resume_unwind(Box::new("in clean-up"));
        }
    });
    generator.next();
    drop(generator);
    assert_eq!(drops.get(), 1);

    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            std::panic::resume_unwind(Box::new("captured bomb"));
        }
    }
    let bomb = Bomb;
    drop(Generator::new(move |y: &Yielder<i32>| {
        let _bomb = &bomb;
        y.yield_(1);
    }));
    struct PayloadBomb;
    impl Drop for PayloadBomb {
        fn drop(&mut self) {
            std::panic::resume_unwind(Box::new(Bomb));
        }
    }
    let mut generator = Generator::new(|y: &Yielder<i32>| {
        let _ = catch(|| y.yield_(1));
        std::panic::resume_unwind(Box::new(PayloadBomb));
    });
    generator.next();
    drop(generator);
}

#[test]
fn dropping_while_panicking_unwinds_too() {
    let drops = counter();
    let held = Counted(drops.clone());
    let payload = catch(|| {
        let mut generator = Generator::new(move |y: &Yielder<i32>| {
            let _held = held;
            y.yield_(1);
        });
        generator.next();
        panic!("with a half-run generator");
    });
    assert!(payload.is_err());
    assert_eq!(drops.get(), 1);
    assert!(!std::thread::panicking());
}

/// A generator whose body panicked and yields from a destructor meanwhile.
fn yielding_while_unwinding(held: Counted) -> Generator<i32> {
    struct YieldsOnDrop<'a, 'b>(&'a Yielder<'b, i32>);
    impl Drop for YieldsOnDrop<'_, '_> {
        fn drop(&mut self) {
            self.0.yield_(1);
        }
    }
    let mut generator = Generator::new(move |y: &Yielder<i32>| {
        let _held = held;
        let _yields = YieldsOnDrop(y);
        std::panic::resume_unwind(Box::new("first"));
    });
    assert_eq!(generator.next(), Some(1));
    assert!(!std::thread::panicking(), "the body's unwind is its own");
    generator
}

#[test]
fn one_that_yielded_while_unwinding_is_resumed_or_leaked() {
    let drops = counter();
    let mut resumed = yielding_while_unwinding(Counted(drops.clone()));
    assert_eq!(catch(|| resumed.next()).unwrap_err().downcast_ref(), Some(&"first"));
    assert_eq!((drops.get(), std::thread::panicking()), (1, false));
    // Raising a close there would abort the process.
    let drops = counter();
    let mut leaked = yielding_while_unwinding(Counted(drops.clone()));
    assert!(leaked.close().is_err());
    assert_eq!((leaked.next(), drops.get(), std::thread::panicking()), (None, 0, false));
}

#[test]
fn a_panic_surfaces_at_next_and_exhausts() {
    let mut generator = Generator::new(|y: &Yielder<i32>| {
        y.yield_(1);
        std::panic::resume_unwind(Box::new("broken"));
    });
    assert_eq!(generator.next(), Some(1));
    let payload = catch(|| generator.next()).unwrap_err();
    assert_eq!(payload.downcast_ref(), Some(&"broken"));
    assert_eq!((generator.next(), generator.is_finished()), (None, true));
}

#[test]
fn yield_from_delegates_items_sends_throws_and_close() {
    let log: Rc<RefCell<Vec<String>>> = Rc::default();
    let inner_log = log.clone();
    let inner = Generator::new(move |y: &Yielder<i32, i32>| {
        let got = y.yield_(1);
        inner_log.borrow_mut().push(format!("sent {got}"));
        let thrown = catch(|| y.yield_(2)).unwrap_err();
        inner_log.borrow_mut().push(format!("thrown {}", thrown.downcast::<&str>().unwrap()));
        y.yield_(3);
        "inner result"
    });
    let mut outer = Generator::new(move |y: &Yielder<i32, i32>| {
        let result = y.yield_from(inner).unwrap();
        y.yield_(result.len() as i32);
    });
    assert_eq!(outer.next(), Some(1));
    assert_eq!(outer.send(5), Ok(Some(2)));
    assert_eq!(outer.throw(Box::new("x")), Some(3));
    assert_eq!(outer.next(), Some(12));
    assert_eq!(outer.next(), None);
    assert_eq!(*log.borrow(), ["sent 5", "thrown x"]);

    let drops = counter();
    let held = Counted(drops.clone());
    let mut outer = Generator::new(move |y: &Yielder<i32>| {
        y.yield_from(Generator::new(move |y: &Yielder<i32>| {
            let _held = held;
            y.yield_(1);
        }));
    });
    outer.next();
    assert_eq!((outer.close(), drops.get()), (Ok(()), 1));
}

#[test]
fn a_scoped_generator_is_over_when_its_scope_is() {
    let text = String::from("abc");
    let drops = counter();
    let body = |y: &Yielder<char>| {
        let _held = Counted(drops.clone());
        y.yield_all(text.chars());
    };
    assert_eq!(generator::scope(body, |mut chars| chars.next()), Some('a'));
    assert_eq!(drops.get(), 1);
    let panicked = catch(|| {
        generator::scope(body, |mut words| {
            words.next();
            std::panic::resume_unwind(Box::new("consumer"));
        })
    });
    assert_eq!(panicked.unwrap_err().downcast_ref(), Some(&"consumer"));
    assert_eq!(drops.get(), 2);
    let collected: String = generator::scope(body, |chars| chars.collect());
    assert_eq!((collected.as_str(), drops.get()), ("abc", 3));
    // Never started: the body is only dropped.
    generator::scope(body, |chars| std::mem::forget(chars));
    assert_eq!(drops.get(), 3);
}

#[test]
fn a_scoped_generator_can_be_thrown_into_and_closed() {
    let text = String::from("ab");
    let drops = counter();
    let body = |y: &Yielder<char>| {
        let _held = Counted(drops.clone());
        if catch(|| y.yield_all(text.chars())).is_err() {
            y.yield_('!');
        }
    };
    generator::scope(body, |mut chars| {
        assert_eq!((chars.next(), chars.throw(Box::new(1))), (Some('a'), Some('!')));
        assert_eq!(catch(|| chars.throw(Box::new(2))).unwrap_err().downcast_ref(), Some(&2));
        assert!(chars.is_finished());
        assert_eq!(drops.get(), 1);
        assert_eq!((chars.next(), chars.close()), (None, Ok(())));
        assert_eq!(catch(|| chars.throw(Box::new(3))).unwrap_err().downcast_ref(), Some(&3));
    });
    let unwound = |y: &Yielder<char>| {
        let _held = Counted(drops.clone());
        y.yield_all(text.chars());
    };
    generator::scope(unwound, |mut chars| {
        chars.next();
        assert_eq!((chars.close(), drops.get()), (Ok(()), 2));
        assert_eq!((chars.close(), chars.next()), (Ok(()), None));
        assert!(matches!(chars.send(()), Err(SendError::Finished(()))));
    });
    // One that has not begun never does.
    generator::scope(unwound, |mut chars| {
        assert_eq!((chars.close(), chars.next()), (Ok(()), None));
    });
    generator::scope(unwound, |mut chars| {
        assert_eq!(catch(|| chars.throw(Box::new(4))).unwrap_err().downcast_ref(), Some(&4));
        assert_eq!((chars.next(), drops.get()), (None, 2));
    });
    // It catches the close; the end of the scope closes it again, and then it ends.
    generator::scope(body, |mut chars| {
        chars.next();
        assert!(chars.close().is_err());
        assert_eq!((chars.next(), drops.get()), (None, 2));
    });
    assert_eq!(drops.get(), 3);
}

#[test]
fn forgetting_one_that_holds_a_thread_scope_is_sound() {
    let mut numbers = vec![1, 2, 3];
    let ended = AtomicBool::new(false);
    let go = AtomicBool::new(false);
    let total = std::sync::atomic::AtomicU32::new(0);
    generator::scope(
        |y: &Yielder<()>| {
            struct LetGo<'a>(&'a AtomicBool);
            impl Drop for LetGo<'_> {
                fn drop(&mut self) {
                    self.0.store(true, Ordering::Release);
                }
            }
            std::thread::scope(|s| {
                s.spawn(|| {
                    while !go.load(Ordering::Acquire) {
                        std::thread::yield_now();
                    }
                    numbers.push(4);
                    total.store(numbers.iter().sum(), Ordering::Relaxed);
                    ended.store(true, Ordering::Release);
                });
                let _let_go = LetGo(&go);
                y.yield_(());
            });
        },
        |mut generator| {
            generator.next();
            std::mem::forget(generator);
        },
    );
    assert!(ended.load(Ordering::Acquire), "the thread that borrows was joined first");
    assert_eq!(total.into_inner(), 10);
    assert_eq!(numbers, [1, 2, 3, 4]);
}

#[test]
fn forgetting_one_is_sound() {
    let drops = counter();
    let held = Counted(drops.clone());
    let mut generator = Generator::new(move |y: &Yielder<i32>| {
        let _held = held;
        y.yield_(1);
    });
    generator.next();
    std::mem::forget(generator);
    assert_eq!(drops.get(), 0);
    assert_eq!(Generator::new(|y: &Yielder<i32>| y.yield_(2)).next(), Some(2));
}

#[test]
fn yielding_from_inside_another_generator_is_refused() {
    let items: Vec<i32> = Generator::new(|y: &Yielder<i32>| {
        let refused = generator::scope(
            |_: &Yielder<i32>| catch(|| y.yield_(1)).is_err(),
            |mut inner| {
                inner.next();
                inner.take_return_value()
            },
        );
        assert_eq!(refused, Some(true));
        y.yield_(2);
    })
    .collect();
    assert_eq!(items, [2]);
}

#[test]
fn a_generator_may_hold_and_drop_others() {
    let drops = counter();
    let held = Counted(drops.clone());
    let mut inner = Generator::new(move |y: &Yielder<i32>| {
        let _held = held;
        y.yield_(1);
        y.yield_(2);
    });
    inner.next();
    let mut outer = Generator::new(move |y: &Yielder<i32>| y.yield_all(inner));
    assert_eq!(outer.next(), Some(2));
    drop(outer);
    assert_eq!(drops.get(), 1);
}

fn chain(depth: u32) -> Generator<u32, (), u32> {
    Generator::new(move |y: &Yielder<u32>| {
        if depth == 0 {
            y.yield_(7);
            return 0;
        }
        y.yield_from(chain(depth - 1)).unwrap() + 1
    })
}

#[test]
fn ten_thousand_nested_generators() {
    let mut generator = chain(10_000);
    assert_eq!((generator.next(), generator.next()), (Some(7), None));
    assert_eq!(generator.return_value(), Some(&10_000));
    let mut closed = chain(10_000);
    assert_eq!(closed.next(), Some(7));
    closed.close().unwrap();
}

#[test]
fn a_thread_may_end_with_a_generator_in_a_thread_local() {
    thread_local! {
        static KEPT: RefCell<Option<Generator<i32>>> = const { RefCell::new(None) };
    }
    std::thread::spawn(|| {
        let mut generator = Generator::new(|y: &Yielder<i32>| y.yield_all(0..));
        generator.next();
        KEPT.set(Some(generator));
    })
    .join()
    .unwrap();
}

/// One payload only goes on; the other is dropped while nothing unwinds.
#[test]
fn a_scope_whose_parts_both_panic_with_payloads_that_panic() {
    struct Spiteful(&'static str);
    impl Drop for Spiteful {
        fn drop(&mut self) {
            panic!("when dropped: {}", self.0);
        }
    }
    for consumer_panics in [true, false] {
        let result = catch_unwind(AssertUnwindSafe(|| {
            generator::scope(
                |y: &Yielder<u8>| {
                    let _ended = catch_unwind(AssertUnwindSafe(|| y.yield_(1)));
                    std::panic::panic_any(Spiteful("the body's"));
                },
                |mut numbers| {
                    assert_eq!(numbers.next(), Some(1));
                    if consumer_panics {
                        std::panic::panic_any(Spiteful("the consumer's"));
                    }
                    Spiteful("the value")
                },
            )
        }));
        let payload = result.map(std::mem::forget).unwrap_err().downcast::<Spiteful>().unwrap();
        assert_eq!(payload.0, if consumer_panics { "the consumer's" } else { "the body's" });
        std::mem::forget(payload);
    }
}
