//! Functions in processes of their own, as Python's `multiprocessing`: this same program, started again.
//!
//!     cargo run --release --features processes --example processes
//!
//! ```text
//! process Process-1 is running with argument 42
//! process Process-2 is running with argument 你好 张三
//! five processes: 0 1 2 3 4, pids all different: true
//! (11, 22, 33) and name test: 66 test
//! there nums=[11, 22, 0, 1, 2], there nums=[11, 22, 0, 1, 2], here nums=[11, 22]
//! the downloader has put [1, 2, 3, 4, 5], the analyser doubled it: [2, 4, 6, 8, 10]
//! through a pipe: 你好 -> 消息收到 (2 characters)
//! four processes with a lock: 400; words: a 2, b 2, c 1
//! exit codes: returned 0, panicked 101, exit(3) 3, killed -9
//! result of a panic: the function panicked: on purpose
//! all who are daemons end with this one
//! ```

use greenthread::process::shared::{Counter, Lock, Map, PipeEnd, Queue, pipe};
use greenthread::process::{self, CallError, Process, function};
use greenthread::sleep;
use std::io;
use std::sync::Mutex;
use std::time::Duration;

/// What each process has for itself.
static NUMS: Mutex<Vec<u32>> = Mutex::new(Vec::new());

fn nums() -> Vec<u32> {
    let mut nums = NUMS.lock().expect("nobody panics with it");
    if nums.is_empty() {
        nums.extend([11, 22]);
    }
    nums.clone()
}

fn run_with(argument: String) {
    let name = process::current_name();
    println!("process {name} is running with argument {argument}");
}

fn number_and_pid(number: u32) -> (u32, u32) {
    (number, process::id())
}

fn sum_and_name(numbers: (u32, u32, u32), name: String) -> String {
    format!("{} {name}", numbers.0 + numbers.1 + numbers.2)
}

/// Changes what is in this process, and in no other.
fn append_three() -> Vec<u32> {
    nums();
    for number in 0..3 {
        NUMS.lock().expect("nobody panics with it").push(number);
    }
    nums()
}

fn download(into: Queue<u32>) {
    for number in 1..=5 {
        into.put(&number).expect("the queue is open");
    }
    into.close().expect("the parent is there");
}

fn analyse(from: Queue<u32>) -> Vec<u32> {
    from.iter().map(|number| number * 2).collect()
}

fn answer(end: PipeEnd<String, String>) -> io::Result<()> {
    while let Some(text) = end.recv()? {
        end.send(&format!("消息收到 ({} characters)", text.chars().count()))?;
    }
    Ok(())
}

/// `io::Result` is no value for another process.
fn answer_all(end: PipeEnd<String, String>) {
    if let Err(error) = answer(end) {
        eprintln!("{error}");
    }
}

/// Without the lock the sum would be wrong.
fn increment(lock: Lock, counter: Counter) {
    for _ in 0..100 {
        let _guard = lock.lock().expect("nobody dies with it");
        let value = counter.get().expect("the parent is there");
        counter.set(value + 1).expect("the parent is there");
    }
}

fn count_words(text: String, lock: Lock, into: Map<String, u32>) {
    for word in text.split(' ').map(String::from) {
        let _guard = lock.lock().expect("nobody dies with it");
        let before = into.get(&word).expect("the parent is there").unwrap_or(0);
        into.insert(&word, &(before + 1)).expect("the parent is there");
    }
}

fn nothing() {}

fn fail() {
    // The report of a panic would be in the way here.
    std::panic::set_hook(Box::new(|_| {}));
    panic!("on purpose");
}

fn exit_with_three() {
    process::exit(3);
}

fn sleep_long() {
    sleep(Duration::from_secs(100));
}

fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    process::init();
    greenthread::run(|| {
        for (name, argument) in [("Process-1", "42"), ("Process-2", "你好 张三")] {
            let builder = Process::builder().name(name);
            builder.start(function!(run_with), argument.to_string())?.join()?;
        }

        let mut all = Vec::new();
        for number in 0..5 {
            all.push(Process::start(function!(number_and_pid), number)?);
        }
        let mut pids = Vec::new();
        let mut numbers = Vec::new();
        for one in all {
            let pid = one.pid();
            let (number, own) = one.join()?;
            assert_eq!(pid, own);
            numbers.push(number.to_string());
            pids.push(pid);
        }
        pids.sort_unstable();
        pids.dedup();
        let different = pids.len() == 5 && !pids.contains(&process::id());
        println!("five processes: {}, pids all different: {different}", numbers.join(" "));

        let arguments = ((11, 22, 33), "test".to_string());
        let sum = Process::start(function!(sum_and_name(numbers, name)), arguments)?.join()?;
        println!("(11, 22, 33) and name test: {sum}");

        let there = |_| Process::start(function!(append_three()), ())?.join();
        let (first, second) = (there(1)?, there(2)?);
        println!("there nums={first:?}, there nums={second:?}, here nums={:?}", nums());

        let queue = Queue::new(2)?;
        let downloader = Process::start(function!(download), queue.clone())?;
        let analysed = Process::start(function!(analyse), queue)?.join()?;
        downloader.join()?;
        let put: Vec<_> = analysed.iter().map(|number| number / 2).collect();
        println!("the downloader has put {put:?}, the analyser doubled it: {analysed:?}");

        let (here, there) = pipe::<String, String>()?;
        let partner = Process::start(function!(answer_all), there)?;
        here.send(&"你好".to_string())?;
        println!("through a pipe: 你好 -> {}", here.recv()?.unwrap_or_default());
        drop(here);
        partner.join()?;

        let (lock, counter, words) = (Lock::new()?, Counter::new(0)?, Map::new()?);
        let mut all = Vec::new();
        for _ in 0..4 {
            let arguments = (lock.clone(), counter.clone());
            all.push(Process::start(function!(increment(lock, counter)), arguments)?);
        }
        for text in ["a b", "b c a"] {
            let arguments = (text.to_string(), lock.clone(), words.clone());
            all.push(Process::start(function!(count_words(text, lock, into)), arguments)?);
        }
        all.into_iter().try_for_each(Process::join)?;
        let items = words.items()?;
        let words: Vec<_> = items.iter().map(|(word, count)| format!("{word} {count}")).collect();
        println!("four processes with a lock: {}; words: {}", counter.get()?, words.join(", "));

        let ended = |process: &Process<()>| {
            process.join_timeout(Duration::from_secs(60));
            process.exitcode().unwrap_or(i32::MIN)
        };
        let killed = Process::start(function!(sleep_long()), ())?;
        assert!(killed.is_alive() && killed.exitcode().is_none());
        killed.kill()?;
        let panicked = Process::start(function!(fail()), ())?;
        println!(
            "exit codes: returned {}, panicked {}, exit(3) {}, killed {}",
            ended(&Process::start(function!(nothing()), ())?),
            ended(&panicked),
            ended(&Process::start(function!(exit_with_three()), ())?),
            ended(&killed),
        );
        match panicked.join() {
            Err(error @ CallError::Panicked(_)) => println!("result of a panic: {error}"),
            other => println!("unexpected: {other:?}"),
        }

        let daemon = Process::builder().daemon(true);
        let daemon = daemon.start(function!(sleep_long()), ())?;
        assert!(daemon.is_daemon() && daemon.is_alive());
        println!("all who are daemons end with this one");
        Ok(())
    })
}
