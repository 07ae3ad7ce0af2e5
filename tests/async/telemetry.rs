//! Contexts of OpenTelemetry follow the green threads that have attached them, and spans are exported with their own parents.

mod runtimes;

use greenthread::opentelemetry::{attach, in_current_context};
use greenthread::tracing::{follow_green_threads, in_current_span};
use greenthread::{sleep, spawn, thread, timeout, yield_now};
use opentelemetry::Context;
use opentelemetry::trace::{SpanId, TraceContextExt as _, Tracer as _, TracerProvider as _};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider, SpanData, SpanExporter};
use runtimes::on_each;
use std::collections::HashMap;
use std::panic::resume_unwind;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tracing::info_span;
use tracing_subscriber::layer::SubscriberExt as _;

#[derive(Clone, Debug, Default)]
struct Exported(Arc<Mutex<Vec<SpanData>>>);

impl SpanExporter for Exported {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.0.lock().unwrap().extend(batch);
        Ok(())
    }
}

impl Exported {
    fn tracer(&self) -> SdkTracer {
        let provider = SdkTracerProvider::builder().with_simple_exporter(self.clone()).build();
        provider.tracer("test")
    }

    /// Each span that is called `NAME-NUMBER` is a child of the one called `root-NUMBER`, and of its trace. How many there are.
    fn check_parents(&self) -> usize {
        let spans: Vec<_> = std::mem::take(&mut *self.0.lock().unwrap());
        let number = |span: &SpanData| span.name.rsplit('-').next().unwrap().to_string();
        let (roots, children): (Vec<&SpanData>, Vec<_>) =
            spans.iter().partition(|span| span.name.starts_with("root"));
        let roots: HashMap<String, &SpanData> =
            roots.into_iter().map(|root| (number(root), root)).collect();
        assert!(roots.values().all(|root| root.parent_span_id == SpanId::INVALID));
        for child in &children {
            let root = roots[&number(child)];
            assert_eq!(child.parent_span_id, root.span_context.span_id(), "{}", child.name);
            assert_eq!(child.span_context.trace_id(), root.span_context.trace_id());
        }
        children.len()
    }
}

/// What the current context has.
fn current() -> Option<usize> {
    Context::map_current(|context| context.get::<usize>().copied())
}

fn nested(own: usize, left: usize, wait: &dyn Fn()) {
    let before = current();
    let attached = attach(Context::current_with_value(own));
    wait();
    assert_eq!(current(), Some(own));
    if left > 0 {
        nested(own + 1, left - 1, wait);
        assert_eq!(current(), Some(own));
    }
    drop(attached);
    assert_eq!(current(), before);
    wait();
    assert_eq!(current(), before);
}

#[test]
fn a_neighbours_context_is_never_current() {
    on_each(|| {
        let all: Vec<_> = (0..40)
            .map(|at| {
                spawn(move || {
                    assert_eq!(current(), None);
                    let wait = move || match at % 3 {
                        0 => yield_now(),
                        1 => sleep(Duration::from_micros(300)),
                        _ => {
                            let late = || sleep(Duration::from_secs(1000));
                            assert!(timeout(Duration::from_micros(200), late).is_err());
                        }
                    };
                    nested(100 * at, at % 5, &wait);
                    assert_eq!(current(), None);
                })
            })
            .collect();
        all.into_iter().for_each(|one| one.join().unwrap());
    });
}

#[test]
fn contexts_end_with_their_guards_and_with_their_green_thread() {
    on_each(|| {
        let own = || {
            let first = attach(Context::new().with_value(1_usize));
            let second = attach(Context::new().with_value(2_usize));
            yield_now();
            drop(first);
            yield_now();
            assert_eq!(current(), Some(2), "the other one is the latest");
            drop(second);
            yield_now();
            assert_eq!(current(), None);
            // Nobody detaches it.
            std::mem::forget(attach(Context::new().with_value(3_usize)));
            yield_now();
            assert_eq!(current(), Some(3));
        };
        let killed = spawn(|| {
            let _attached = attach(Context::new().with_value(4_usize));
            thread::park();
        });
        let panics = spawn(|| {
            let _attached = attach(Context::new().with_value(5_usize));
            yield_now();
            resume_unwind(Box::new("on purpose"));
        });
        let all: Vec<_> = (0..8).map(|_| spawn(own)).collect();
        yield_now();
        killed.kill();
        assert!(killed.join().unwrap_err().is_killed());
        assert!(panics.join().unwrap_err().is_panic());
        all.into_iter().for_each(|one| one.join().unwrap());
        (0..8).for_each(|_| spawn(|| assert_eq!(current(), None)).join().unwrap());
    });
}

#[test]
fn spans_of_green_threads_that_interleave_have_their_own_parents() {
    let exported = Exported::default();
    let tracer = exported.tracer();
    on_each(move || {
        let work = |number: usize, tracer: SdkTracer| {
            let root = tracer.start(format!("root-{number}"));
            let _attached = attach(Context::current_with_span(root));
            for _ in 0..3 {
                yield_now();
                let child = tracer.start(format!("child-{number}"));
                sleep(Duration::from_micros(100));
                drop(child);
            }
            let spawned = in_current_context(move || {
                yield_now();
                drop(tracer.start(format!("spawned-{number}")));
            });
            spawn(spawned).join().unwrap();
        };
        let all: Vec<_> = (0..20)
            .map(|number| {
                let tracer = tracer.clone();
                spawn(move || work(number, tracer))
            })
            .collect();
        all.into_iter().for_each(|one| one.join().unwrap());
        assert_eq!(exported.check_parents(), 20 * 4);
    });
}

#[test]
fn spans_of_tracing_are_exported_with_their_own_parents() {
    let exported = Exported::default();
    let layer = tracing_opentelemetry::layer().with_tracer(exported.tracer());
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layer)).unwrap();
    follow_green_threads();
    on_each(move || {
        let work = |number: usize| {
            let _root = info_span!("root", otel.name = format!("root-{number}")).entered();
            for _ in 0..3 {
                yield_now();
                let child = info_span!("child", otel.name = format!("child-{number}"));
                child.in_scope(|| sleep(Duration::from_micros(100)));
            }
            let spawned = in_current_span(move || {
                yield_now();
                drop(info_span!("spawned", otel.name = format!("spawned-{number}")));
            });
            spawn(spawned).join().unwrap();
        };
        let all: Vec<_> = (0..20).map(|number| spawn(move || work(number))).collect();
        all.into_iter().for_each(|one| one.join().unwrap());
        assert_eq!(exported.check_parents(), 20 * 4);
    });
}
