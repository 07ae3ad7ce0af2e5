//! Programs about queues: a producer and a consumer, the last first, the smallest first, and waiting for several things.
//!
//!     cargo run --example queues
//!
//! On a current-thread runtime the order is the same each time:
//! ```text
//! producer and consumer: put 0, put 1, got 0, got 1, put 2, put 3, got 2, got 3
//! first in first out: a b c
//! last in first out: c b a
//! smallest first: (-2, "mail") (1, "fire") (9, "dust")
//! a full queue: refuses d, and is empty after a b c
//! limits in time: 3 of 3 places taken, full; no place came in time; all got; no item came in time
//! join: 3 jobs done by 2 workers
//! select: 2 from the left, 1 from the right, then the timer
//! several queues: urgent 1, urgent 2, normal 3
//! ```

use greenthread::queue::{LifoQueue, PriorityQueue, Queue, TryGetError, TryPutError};
use greenthread::sync::{Arc, Mutex, mpmc};
use greenthread::{Runtime, select, select_biased, spawn};
use std::time::Duration;

/// The queue has room for two, so they take turns.
fn producer_and_consumer() {
    let (queue, log) = (Arc::new(Queue::with_capacity(2)), Arc::new(Mutex::new(Vec::new())));
    let producer = {
        let (queue, log) = (Arc::clone(&queue), Arc::clone(&log));
        spawn(move || {
            for i in 0..4 {
                queue.put(i).unwrap();
                log.lock().unwrap().push(format!("put {i}"));
            }
            queue.shutdown();
        })
    };
    for i in queue.iter() {
        log.lock().unwrap().push(format!("got {i}"));
    }
    producer.join().unwrap();
    println!("producer and consumer: {}", log.lock().unwrap().join(", "));
}

fn orders() {
    let letters = ["a", "b", "c"];
    let queue = Queue::new();
    let stack = LifoQueue::new();
    for letter in letters {
        queue.put(letter).unwrap();
        stack.put(letter).unwrap();
    }
    queue.shutdown();
    stack.shutdown();
    println!("first in first out: {}", queue.iter().collect::<Vec<_>>().join(" "));
    println!("last in first out: {}", stack.iter().collect::<Vec<_>>().join(" "));
    let ranked = PriorityQueue::new();
    for item in [(9, "dust"), (1, "fire"), (-2, "mail")] {
        ranked.put(item).unwrap();
    }
    ranked.shutdown();
    let items: Vec<_> = ranked.iter().map(|item| format!("{item:?}")).collect();
    println!("smallest first: {}", items.join(" "));
    let full = Queue::with_capacity(3);
    letters.into_iter().for_each(|letter| full.try_put(letter).unwrap());
    let refused = full.try_put("d").unwrap_err().into_inner();
    let got: Vec<_> = std::iter::from_fn(|| full.try_get().ok()).collect();
    println!("a full queue: refuses {refused}, and is empty after {}", got.join(" "));
}

/// `Queue(3)`: `put(item, timeout=2)` raises `Full`, `get(timeout=2)` raises `Empty`.
fn limits() {
    const SHORT: Duration = Duration::from_millis(10);
    let queue = Queue::with_capacity(3);
    (0..3).for_each(|item| queue.put(item).unwrap());
    let (taken, full) = (queue.len(), if queue.is_full() { "full" } else { "not full" });
    let put = match queue.put_timeout(3, SHORT) {
        Err(TryPutError::Full(_)) => "no place came in time",
        other => panic!("{other:?}"),
    };
    (0..3).for_each(|item| assert_eq!(queue.try_get(), Ok(item)));
    let got = match queue.get_timeout(SHORT) {
        Err(TryGetError::Empty) => "no item came in time",
        other => panic!("{other:?}"),
    };
    println!("limits in time: {taken} of 3 places taken, {full}; {put}; all got; {got}");
}

fn join() {
    let (queue, done) = (Arc::new(Queue::new()), Arc::new(Mutex::new(0)));
    for _ in 0..2 {
        let (queue, done) = (Arc::clone(&queue), Arc::clone(&done));
        spawn(move || {
            for _job in queue.iter() {
                *done.lock().unwrap() += 1;
                queue.task_done().unwrap();
            }
        });
    }
    for job in ["sweep", "wash", "cook"] {
        queue.put(job).unwrap();
    }
    queue.join();
    queue.shutdown();
    println!("join: {} jobs done by 2 workers", done.lock().unwrap());
}

fn several() {
    let ((left_sender, mut left), (right_sender, right)) = (mpmc::bounded(0), mpmc::unbounded());
    spawn(move || (0..2).for_each(|i| left_sender.send(i).unwrap()));
    right_sender.send("item").unwrap();
    let timer = mpmc::after(Duration::from_millis(200));
    let (mut from_left, mut from_right, mut over) = (0, 0, false);
    while !over {
        select! {
            recv(left) -> item => match item {
                Ok(_) => from_left += 1,
                // All senders are gone: an arm that is never ready again.
                Err(_) => left = mpmc::never(),
            },
            recv(right) -> item => from_right += usize::from(item.is_ok()),
            recv(timer) -> _ => over = true,
        }
    }
    println!("select: {from_left} from the left, {from_right} from the right, then the timer");
}

/// `while True: for q in queues: if not q.empty(): ...`, without asking again and again. Where several have an item, the first is served.
fn several_queues() {
    let (urgent, normal) = (Queue::new(), Queue::new());
    normal.put(3).unwrap();
    urgent.put(1).unwrap();
    urgent.put(2).unwrap();
    let mut got = Vec::new();
    while got.len() < 3 {
        select_biased! {
            get(urgent) -> item => got.push(format!("urgent {}", item.unwrap())),
            get(normal) -> item => got.push(format!("normal {}", item.unwrap())),
        }
    }
    println!("several queues: {}", got.join(", "));
}

fn main() -> std::io::Result<()> {
    let runtime = Runtime::builder().build_current_thread()?;
    let main = runtime.run(|| {
        producer_and_consumer();
        orders();
        limits();
        join();
        several();
        several_queues();
    });
    main.map_err(Into::into)
}
