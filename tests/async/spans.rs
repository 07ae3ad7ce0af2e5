//! Spans of `tracing` follow the green threads that have entered them.

mod runtimes;

use greenthread::generator::{Generator, Yielder};
use greenthread::sync::{Event, Mutex, mpsc};
use greenthread::tracing::{follow_green_threads, in_current_span};
use greenthread::{Builder, scope, sleep, spawn, timeout, yield_now};
use std::cell::RefCell;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Once};
use std::time::Duration;
use tracing::{Span, Subscriber, info_span, span};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;

/// Spans that were exited on another OS thread than they were entered on, or not in the reverse order.
static OUT_OF_ORDER: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static ENTERED: RefCell<Vec<span::Id>> = const { RefCell::new(Vec::new()) };
}

struct InOrder;

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for InOrder {
    fn on_enter(&self, id: &span::Id, _: Context<'_, S>) {
        ENTERED.with_borrow_mut(|entered| entered.push(id.clone()));
    }

    fn on_exit(&self, id: &span::Id, _: Context<'_, S>) {
        if ENTERED.with_borrow_mut(Vec::pop).as_ref() != Some(id) {
            OUT_OF_ORDER.fetch_add(1, Ordering::SeqCst);
        }
    }
}

/// Runs `body` as the `main` of runtimes of several kinds, one after the other.
fn on_each(body: impl Fn() + Clone + Send + 'static) {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let subscriber = tracing_subscriber::registry().with(InOrder);
        tracing::subscriber::set_global_default(subscriber).unwrap();
        follow_green_threads();
        follow_green_threads();
    });
    runtimes::on_each(body);
    assert_eq!(OUT_OF_ORDER.load(Ordering::SeqCst), 0);
}

fn is_current(span: &Span) -> bool {
    Span::current().id() == span.id()
}

/// Enters spans inside one another, `left` more, and waits inside and outside of each.
fn nested(left: usize, lock: &Mutex<usize>, wait: &dyn Fn()) {
    let before = Span::current();
    let span = info_span!("nested", left);
    let entered = span.enter();
    assert!(is_current(&span));
    wait();
    assert!(is_current(&span));
    {
        let mut held = lock.lock().unwrap();
        yield_now();
        *held += 1;
        assert!(is_current(&span));
    }
    if left > 0 {
        nested(left - 1, lock, wait);
        assert!(is_current(&span));
    }
    // The same once more.
    let again = span.enter();
    yield_now();
    drop(again);
    assert!(is_current(&span));
    drop(entered);
    yield_now();
    assert!(is_current(&before));
}

#[test]
fn a_neighbours_span_is_never_current() {
    on_each(|| {
        let lock = Arc::new(Mutex::new(0));
        let all: Vec<_> = (0..40)
            .map(|at| {
                let lock = Arc::clone(&lock);
                spawn(move || {
                    assert!(Span::current().is_none());
                    let (sender, receiver) = mpsc::sync_channel(0);
                    let echo = spawn(move || {
                        assert!(Span::current().is_none(), "it is passed on only where asked");
                        while sender.send(()).is_ok() {}
                    });
                    let wait = move || match at % 4 {
                        0 => yield_now(),
                        1 => sleep(Duration::from_micros(300)),
                        2 => receiver.recv().unwrap(),
                        _ => {
                            let late = || sleep(Duration::from_secs(1000));
                            assert!(timeout(Duration::from_micros(200), late).is_err());
                        }
                    };
                    nested(at % 5, &lock, &wait);
                    assert!(Span::current().is_none());
                    drop(wait);
                    echo.join().unwrap();
                })
            })
            .collect();
        all.into_iter().for_each(|one| one.join().unwrap());
        assert_eq!(*lock.lock().unwrap(), (0..40).map(|at| at % 5 + 1).sum::<usize>());
    });
}

#[test]
fn kills_and_panics_exit_the_spans_that_they_unwind() {
    on_each(|| {
        let killed: Vec<_> = (0..10)
            .map(|at| {
                spawn(move || {
                    let span = info_span!("killed", at);
                    let _entered = span.enter();
                    struct Waits<'a>(&'a Span);
                    impl Drop for Waits<'_> {
                        fn drop(&mut self) {
                            yield_now();
                            assert!(is_current(self.0), "also in a destructor");
                        }
                    }
                    let _waits = Waits(&span);
                    info_span!("inside").in_scope(|| sleep(Duration::from_secs(1000)));
                })
            })
            .collect();
        let panicked: Vec<_> = (0..10)
            .map(|at| {
                let body = move || {
                    let _entered = info_span!("panics", at).entered();
                    yield_now();
                    resume_unwind(Box::new(at));
                };
                spawn(body)
            })
            .collect();
        let beside = spawn(|| {
            for _ in 0..50 {
                assert!(Span::current().is_none());
                yield_now();
            }
        });
        for one in killed {
            yield_now();
            one.kill();
            let error = one.join().unwrap_err();
            assert!(error.is_killed(), "{error}");
            assert!(Span::current().is_none());
        }
        panicked.into_iter().for_each(|one| assert!(one.join().unwrap_err().is_panic()));
        beside.join().unwrap();
    });
}

#[test]
fn children_are_in_the_span_where_asked() {
    on_each(|| {
        let span = info_span!("parent").entered();
        let id = span.id();
        let child = spawn(in_current_span(|| {
            yield_now();
            let own = Span::current().id();
            spawn(in_current_span(|| Span::current().id()))
                .join()
                .unwrap()
                .filter(|_| own.is_some())
        }));
        assert_eq!(child.join().unwrap(), id);
        assert_eq!(spawn(|| Span::current().id()).join().unwrap(), None);
        assert_eq!(Span::current().id(), id);
        scope(|scope| {
            let children: Vec<_> = (0..10)
                .map(|_| {
                    scope.spawn(in_current_span(|| {
                        sleep(Duration::from_micros(100));
                        assert_eq!(Span::current().id(), id);
                        let inner = info_span!("inner").entered();
                        yield_now();
                        assert_eq!(Span::current().id(), inner.id());
                    }))
                })
                .collect();
            children.into_iter().for_each(|child| child.join().unwrap());
        });
        assert_eq!(Span::current().id(), id);
        drop(span);
        assert!(Span::current().is_none());
    });
}

#[test]
fn spans_follow_when_a_generator_inside_waits() {
    on_each(|| {
        let all: Vec<_> = (0..10)
            .map(|at| {
                spawn(move || {
                    let outer = info_span!("outer", at);
                    let _entered = outer.enter();
                    let mut items = Generator::new(move |yielder: &Yielder<'_, i32>| {
                        for item in 0..5 {
                            let span = info_span!("item", item);
                            span.in_scope(|| {
                                yield_now();
                                sleep(Duration::from_micros(100));
                                assert!(is_current(&span));
                            });
                            yielder.yield_(item);
                        }
                    });
                    assert_eq!(items.by_ref().sum::<i32>(), 10);
                    assert!(is_current(&outer));
                })
            })
            .collect();
        all.into_iter().for_each(|one| one.join().unwrap());
    });
}

/// A subscriber is code of others, which may wait: it blocks its worker then, and no green thread is suspended in the middle of being
/// suspended.
#[test]
fn a_hook_is_on_no_green_thread() {
    struct Hook;
    static CALLED: AtomicUsize = AtomicUsize::new(0);
    impl greenthread::thread::SwitchHook for Hook {
        fn suspend(&self, others_run: &mut dyn FnMut()) {
            greenthread::yield_now();
            greenthread::sleep(Duration::from_micros(1));
            others_run();
            others_run();
            greenthread::sleep(Duration::from_micros(1));
            CALLED.fetch_add(1, Ordering::SeqCst);
        }
    }
    greenthread::thread::add_switch_hook(Box::new(Hook));
    on_each(|| {
        let before = CALLED.load(Ordering::SeqCst);
        let event = Arc::new(Event::new());
        let own = Arc::clone(&event);
        let waits = Builder::new().spawn(move || own.wait()).unwrap();
        (0..20).for_each(|_| yield_now());
        event.set();
        waits.join().unwrap();
        assert!(CALLED.load(Ordering::SeqCst) >= before + 20);
    });
}
