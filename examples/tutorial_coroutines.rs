//! Programs of the tutorials of asyncio, generators, greenlet and gevent, line by line as these have them.
//!
//!     cargo run --example tutorial_coroutines
//!
//! What runs for ever there ends after a few rounds. A second is a hundred turns.
//!
//! [What it prints](printed/tutorial_coroutines.txt) is compared.

#[path = "shared/turns.rs"]
mod turns;

use greenthread::generator::{Generator, Yielder};
use greenthread::greenlet::{Greenlet, WeakGreenlet};
use greenthread::{Builder, spawn};
use std::cell::{Cell, OnceCell};
use std::io;
use std::rc::Rc;
use turns::{join_all, my_name, program, sleep, start};

fn starting_and_completed() {
    println!("Starting");
    sleep(2.0);
    println!("Completed");
}

/// `loop.run_until_complete(..)`, again and again.
fn run_until_complete() {
    starting_and_completed();
    starting_and_completed();
}

fn task(number: u32, seconds: f64) -> String {
    println!("Task {number} started");
    sleep(seconds);
    println!("Task {number} completed");
    format!("Result from Task {number}")
}

/// `await asyncio.gather(task1(), task2(), task3())`
fn gather() {
    let tasks = [(1, 2.0), (2, 1.0), (3, 3.0)];
    greenthread::join_all(tasks.map(|(number, seconds)| spawn(move || task(number, seconds))));
}

/// `result_1, result_2 = await asyncio.gather(task_1, task_2)`
fn results_in_order() {
    let tasks = [spawn(|| task(1, 2.0)), spawn(|| task(2, 1.0))];
    let [first, second] = tasks.map(|task| task.join().unwrap());
    println!("Result from Task 1: {first}");
    println!("Result from Task 2: {second}");
}

/// `response = await others()`
fn a_call() {
    println!("the function begins");
    let others = || {
        println!("start");
        sleep(2.0);
        println!("end");
        "a value"
    };
    println!("the request has ended, with {}", others());
}

/// `done, pending = loop.run_until_complete(asyncio.wait(task_list))`
fn modules() {
    let module = |name: &'static str, seconds| {
        spawn(move || {
            println!("start module_{name}");
            sleep(seconds);
            println!("end module_{name}");
            format!("module_{name} has ended")
        })
    };
    let tasks = [module("a", 2.0), module("b", 1.0)];
    let (done, pending) = greenthread::thread::wait(tasks, usize::MAX);
    println!("{} pending", pending.len());
    done.into_iter().for_each(|task| println!("{}", task.join().unwrap()));
}

/// `say_after(1, 'hello')`, then `say_after(2, 'world')`; then both at once, which takes a second less.
fn say_after() {
    fn say_after(seconds: f64, what: &str) {
        sleep(seconds);
        println!("{what}");
    }
    println!("started");
    say_after(1.0, "hello");
    say_after(2.0, "world");
    println!("finished");
    println!("started");
    let tasks = [spawn(|| say_after(1.0, "hello")), spawn(|| say_after(2.0, "world"))];
    join_all(tasks);
    println!("finished");
}

/// `loop.time()` against an end, a line each second; the tutorial's prints the date.
fn display_date() {
    for second in 0..5 {
        println!("{second} s");
        sleep(1.0);
    }
}

/// `print(await nested())`, and a task of it. What is only made does not run.
fn nested() {
    let nested = || {
        println!("Ting");
        42
    };
    let made = Builder::new().start_paused().spawn(nested).expect("there is room for it");
    println!("made");
    made.start();
    println!("{}", made.join().unwrap());
}

/// `print("hello")`, a second, `print("world!")`
fn hello_world() {
    println!("hello");
    sleep(1.0);
    println!("world!");
}

/// `isinstance(it, Iterable)`, which a compiler answers: what is none is refused.
fn is_iterable<T: IntoIterator>(_: &T) -> bool {
    true
}

/// `class Students` with `__iter__` and `__next__`
fn students() {
    #[derive(Default)]
    struct Students {
        names: Vec<&'static str>,
        current: usize,
    }

    impl Iterator for Students {
        type Item = &'static str;

        fn next(&mut self) -> Option<&'static str> {
            self.current += 1;
            self.names.get(self.current - 1).copied()
        }
    }

    let mut students = Students::default();
    students.names.extend(["zs", "ls", "ww"]);
    println!("{}", is_iterable(&students));
    students.for_each(|name| println!("{name}"));
}

/// `class MyClass` with `__iter__` only; `iter(li)`, and `next` until there is nothing.
fn iterators() {
    struct MyClass;

    impl IntoIterator for MyClass {
        type Item = u32;
        type IntoIter = std::iter::Empty<u32>;

        fn into_iter(self) -> Self::IntoIter {
            std::iter::empty()
        }
    }

    println!("{}", is_iterable(&MyClass));
    let mut numbers = [11, 22, 33, 44, 55].into_iter();
    numbers.by_ref().for_each(|number| println!("{number}"));
    println!("{:?}", numbers.next());
}

/// A generator with a value at its end.
fn create_num() {
    let mut numbers = Generator::<u32, (), &str>::new(|y| {
        let (mut a, mut b) = (0, 1);
        for _ in 0..10 {
            y.yield_(a);
            (a, b) = (b, a + b);
        }
        "ok"
    });
    numbers.by_ref().for_each(|number| println!("{number}"));
    println!("{}", numbers.return_value().expect("it has ended"));
}

/// `for i in fibonacci(100): print(i)`
fn fibonacci() {
    let numbers = Generator::<u128>::new(|y| {
        let (mut a, mut b) = (0, 1);
        for _ in 0..100 {
            y.yield_(a);
            (a, b) = (b, a + b);
        }
    });
    numbers.for_each(|number| println!("{number}"));
}

/// `temp = yield i`, and `c.send("python")`
fn send() {
    let mut numbers = Generator::<u32, &str>::new(|y: &Yielder<u32, &str>| {
        for i in 0..3 {
            println!("{}", y.yield_(i));
        }
    });
    println!("{:?}", numbers.start());
    println!("{:?}", numbers.send("python"));
    println!("{:?}", numbers.send("haha"));
}

fn work(name: &'static str) -> Generator<()> {
    Generator::new(move |y: &Yielder<()>| {
        loop {
            println!("{name}");
            y.yield_(());
        }
    })
}

/// `while True: next(t1); next(t2)`
fn tasks_by_yield() {
    let (mut first, mut second) = (work("1"), work("2"));
    for _ in 0..2 {
        first.next();
        second.next();
    }
}

/// The same under other names.
fn work1_and_work2() {
    let (mut first, mut second) = (work("----work1---"), work("----work2---"));
    for _ in 0..2 {
        first.next();
        second.next();
    }
}

/// `g2.switch()` in one, `g1.switch()` in the other.
fn greenlets() {
    let rounds = Rc::new(Cell::new(0));
    let other: Rc<OnceCell<WeakGreenlet>> = Rc::default();
    let first = Greenlet::new({
        let (other, rounds) = (Rc::clone(&other), Rc::clone(&rounds));
        move |()| {
            while rounds.replace(rounds.get() + 1) < 2 {
                println!("1");
                other.get().expect("set below").switch::<_, ()>(()).expect("it waits");
            }
        }
    });
    let second = Greenlet::new({
        let first = first.downgrade();
        move |()| {
            loop {
                println!("2");
                first.switch::<_, ()>(()).expect("it waits");
            }
        }
    });
    other.set(second.downgrade()).expect("set once");
    first.switch(()).expect("it is new");
}

/// `gevent.spawn(f1, 5)`, `gevent.spawn(f1, 3)`, with a sleep after each line.
fn two_of_gevent() {
    let f1 = |n| {
        move || {
            for i in 0..n {
                println!("<Greenlet: {}> {i}", my_name());
                sleep(1.0);
            }
        }
    };
    join_all([start("f1(5)", f1(5)), start("f1(3)", f1(3))]);
}

fn main() -> io::Result<()> {
    program("run until complete", run_until_complete)?;
    program("gather", gather)?;
    program("results in order", results_in_order)?;
    program("a call", a_call)?;
    program("two modules", modules)?;
    program("say_after", say_after)?;
    program("a line each second", display_date)?;
    program("nested", nested)?;
    program("hello, world", hello_world)?;
    program("students", students)?;
    program("iterators", iterators)?;
    program("create_num", create_num)?;
    program("a hundred of Fibonacci's", fibonacci)?;
    program("send", send)?;
    program("two tasks by yield", tasks_by_yield)?;
    program("work1 and work2", work1_and_work2)?;
    program("two greenlets", greenlets)?;
    program("two of gevent's", two_of_gevent)
}
