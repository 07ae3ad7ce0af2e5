//! Programs about processes, line by line as Python's tutorials of `multiprocessing` have them.
//!
//!     cargo run --features processes --example tutorial_processes
//!
//! Times and process ids are left out, and what runs for ever there ends after a few rounds. Where a tutorial's program leaves
//! it to a pause, or to chance, who prints first, one process waits for another here, and the order is the usual one. Pools are
//! in `tutorial_process_pools`.
//!
//! [What it prints](printed/tutorial_processes.txt) is compared.

use greenthread::net::UdpSocket;
use greenthread::process::shared::{Event, Lock, PipeEnd, Queue, pipe};
use greenthread::process::{self, Process, function};
use greenthread::sleep;
use std::collections::BTreeMap;
use std::error::Error;
use std::os::unix::process::parent_id;
use std::sync::Mutex;
use std::time::Duration;

type Result<T = (), E = Box<dyn Error + Send + Sync>> = std::result::Result<T, E>;
type Program = fn() -> Result;

/// What each process has for itself.
static NUMS: Mutex<Vec<u32>> = Mutex::new(Vec::new());

/// `time.sleep(1)`, which decides nothing here.
fn pause() {
    sleep(Duration::from_millis(1));
}

fn my_function(x: u32) {
    let name = process::current_name();
    println!("Process {name} is running with argument {x}");
}

fn hello_to(name: String) {
    pause();
    println!("hello {name}");
}

/// `Process(target=my_function, args=(42,))`, and `current_process().name`
fn an_argument() -> Result {
    let process = Process::builder().name("Process-1");
    process.start(function!(my_function), 42)?.join()?;
    Ok(Process::start(function!(hello_to), "Zhang San".to_string())?.join()?)
}

fn hello_of(name: String) {
    pause();
    println!("hello {name} true");
}

/// `class MyProcess(Process)`, five times; they are alive while they print.
fn five_of_a_kind() -> Result {
    let mut process_list = Vec::new();
    for _ in 0..5 {
        let builder = Process::builder().name("process");
        process_list.push(builder.start(function!(hello_of), "process".to_string())?);
    }
    for process in process_list {
        process.join()?;
    }
    println!("the processes have ended");
    Ok(())
}

fn hello_after(main_has_printed: Event) {
    main_has_printed.wait().unwrap();
    println!("hello");
}

/// A process takes longer to start than a thread: the main one prints first.
fn who_is_first() -> Result {
    let printed = Event::new()?;
    let process = Process::start(function!(hello_after), printed.clone())?;
    println!("main thread/main process");
    printed.set()?;
    Ok(process.join()?)
}

fn print_ids(main: u32, main_has_printed: Event, lock: Lock) {
    main_has_printed.wait().unwrap();
    let _guard = lock.lock().unwrap();
    println!("child process, an id of its own: {}", process::id() != main);
    println!("main process, its parent: {}", parent_id() == main);
}

/// `os.getpid()` and `os.getppid()` in two children.
fn ids_of_two() -> Result {
    let (printed, lock) = (Event::new()?, Lock::new()?);
    let mut both = Vec::new();
    for _ in 0..2 {
        let arguments = (process::id(), printed.clone(), lock.clone());
        both.push(Process::start(function!(print_ids(main, printed, lock)), arguments)?);
    }
    println!("==main");
    printed.set()?;
    both.into_iter().try_for_each(Process::join)?;
    Ok(())
}

fn print_parent(main: u32) {
    for _ in 0..3 {
        println!("in the child process, whose parent is the main one: {}", parent_id() == main);
        pause();
    }
}

/// `while True: print(os.getpid(), os.getppid())`
fn parent_of_a_loop() -> Result {
    println!("main process");
    Ok(Process::start(function!(print_parent), process::id())?.join()?)
}

fn print_own_id(main: u32) {
    println!("the child process is running, with an id of its own: {}", process::id() != main);
    println!("the child process is about to end...");
}

/// The id in the parent and in the child.
fn id_in_both() -> Result {
    println!("the parent process");
    Ok(Process::start(function!(print_own_id), process::id())?.join()?)
}

fn work1(main: u32, printed: Event, other_has_printed: Event) {
    let name = process::current_name();
    println!("the child process's object: {name}");
    println!("the child process's id is its own: {}", process::id() != main);
    println!("the child process's name: {name}");
    println!("child process 1 runs");
    println!("if nothing of it follows, it has been ended early");
    printed.set().unwrap();
    other_has_printed.wait().unwrap();
    println!("the child process has run for 2 seconds");
}

fn work2(main: u32, printed: Event) {
    println!("child process 2 has an id of its own: {}", process::id() != main);
    println!("child process 2's parent is the main one: {}", parent_id() == main);
    printed.set().unwrap();
}

/// `current_process()`, its id, its name, and `os.getppid()`
fn current_process() -> Result {
    println!("this is the main process");
    println!("haha");
    let (first, second) = (Event::new()?, Event::new()?);
    let arguments = (process::id(), first.clone(), second.clone());
    let builder = Process::builder().name("Process-1");
    let p1 = builder.start(function!(work1(main, printed, other)), arguments)?;
    first.wait()?;
    let p2 = Process::start(function!(work2(main, printed)), (process::id(), second))?;
    p2.join()?;
    Ok(p1.join()?)
}

fn test(numbers: (u32, u32, u32), args: (u32, u32), kwargs: BTreeMap<String, String>) {
    println!("{}\n{}\n{}", numbers.0, numbers.1, numbers.2);
    println!("{args:?}");
    println!("{kwargs:?}");
}

/// `args=(11, 22, 33, 44, 55), kwargs={'name': 'test'}`
fn arguments() -> Result {
    let kwargs = BTreeMap::from([("name".to_string(), "test".to_string())]);
    let arguments = ((11, 22, 33), (44, 55), kwargs);
    Ok(Process::start(function!(test(numbers, args, kwargs)), arguments)?.join()?)
}

fn run_proc(args: Vec<u32>, kwargs: BTreeMap<String, u32>, main_has_printed: Event) {
    main_has_printed.wait().unwrap();
    let mut result: u32 = args.iter().sum();
    for (name, value) in kwargs {
        println!("the value of {name} is: {value}");
        result += value;
    }
    println!("the result is:  {result}");
}

/// `args=(1, 2, 3, 4, 5, 7), kwargs={'m': 20, 'n': 100}`
fn a_sum() -> Result {
    let printed = Event::new()?;
    let kwargs = BTreeMap::from([("m".to_string(), 20), ("n".to_string(), 100)]);
    let arguments = (vec![1, 2, 3, 4, 5, 7], kwargs, printed.clone());
    let builder = Process::builder().name("Process-1");
    let process = builder.start(function!(run_proc(args, kwargs, printed)), arguments)?;
    println!("{}", process.name());
    printed.set()?;
    Ok(process.join()?)
}

fn append_44() {
    let mut nums = NUMS.lock().unwrap();
    nums.extend([11, 22, 33]);
    nums.push(44);
    println!("in process 1 nums={nums:?}");
}

/// Each of two processes has a list of its own.
fn two_lists() -> Result {
    let both =
        [Process::start(function!(append_44()), ())?, Process::start(function!(append_44()), ())?];
    both.into_iter().try_for_each(Process::join)?;
    Ok(())
}

fn append_three() {
    let mut nums = vec![11, 22];
    println!("in process1 nums={nums:?}");
    for i in 0..3 {
        nums.push(i);
        pause();
        println!("in process1 nums={nums:?}");
    }
    NUMS.lock().unwrap().extend(nums);
}

fn print_nums() {
    let mut nums = NUMS.lock().unwrap();
    nums.extend([11, 22]);
    println!("in process2 nums={nums:?}");
}

/// What one has changed, the next does not see.
fn no_shared_globals() -> Result {
    Process::start(function!(append_three()), ())?.join()?;
    Ok(Process::start(function!(print_nums()), ())?.join()?)
}

fn print_2(turns: PipeEnd<(), ()>) {
    while turns.recv().unwrap().is_some() {
        println!("----2----");
        turns.send(&()).unwrap();
    }
}

/// `while True: print("----1----")` beside another that prints the other line.
fn two_loops() -> Result {
    let (turns, there) = pipe::<(), ()>()?;
    let process = Process::start(function!(print_2), there)?;
    for _ in 0..3 {
        println!("----1----");
        turns.send(&())?;
        turns.recv()?;
    }
    drop(turns);
    Ok(process.join()?)
}

fn five_seconds() {
    println!("this is when the child process begins");
    println!("begins");
    pause();
    println!("2 seconds have passed");
    println!("?");
    pause();
    println!("4 seconds have passed");
    pause();
    println!("5 seconds have passed");
    println!("has ended");
}

/// `p.join()`, and `p.name` afterwards.
fn join_and_name() -> Result {
    println!("this is when the main process begins");
    let process = Process::builder().name("test").start(function!(five_seconds()), ())?;
    let name = process.name().to_string();
    process.join()?;
    println!("the main process goes on");
    println!("{name}");
    Ok(())
}

fn download_from_web(q: Queue<u32>) {
    (1..=5).for_each(|i| q.put(&i).unwrap());
    println!("the downloader has downloaded and put its data into the queue");
    q.close().unwrap();
}

fn analysis_data(q: Queue<u32>) {
    println!("{:?}", q.iter().collect::<Vec<_>>());
}

/// `multiprocessing.Queue` between a downloader and an analyser, which learns by `close` that nothing more comes.
fn downloader_and_analyser() -> Result {
    let q = Queue::new(8)?;
    let p1 = Process::start(function!(download_from_web), q.clone())?;
    let p2 = Process::start(function!(analysis_data), q)?;
    p1.join()?;
    Ok(p2.join()?)
}

fn write_queue(queue: Queue<u32>) {
    for i in 0..10 {
        if queue.try_put(&i).is_err() {
            break;
        }
        println!("this is write number {i}:  {i}");
    }
}

fn read_queue(queue: Queue<u32>) {
    for i in 0..10 {
        if queue.is_empty().unwrap() {
            break;
        }
        println!("this is read number {i}:  {}", queue.get().unwrap().unwrap());
    }
}

/// One writes until it is full, then another reads until it is empty.
fn until_full_and_until_empty() -> Result {
    let queue = Queue::new(5)?;
    Process::start(function!(write_queue), queue.clone())?.join()?;
    Ok(Process::start(function!(read_queue), queue)?.join()?)
}

fn send_msg(ports: Queue<u16>, lock: Lock) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = ports.get().unwrap().unwrap();
    let _guard = lock.lock().unwrap();
    socket.send_to("hello".as_bytes(), ("127.0.0.1", port)).unwrap();
    println!("the message has been sent\n");
}

fn recv_msg(ports: Queue<u16>, lock: Lock) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    ports.put(&socket.local_addr().unwrap().port()).unwrap();
    let mut data = [0; 1024];
    let (length, from) = socket.recv_from(&mut data).unwrap();
    let _guard = lock.lock().unwrap();
    println!("received: {} from: {}", String::from_utf8_lossy(&data[..length]), from.ip());
}

/// A datagram from one process to another; their ports are any that are free.
fn a_message() -> Result {
    let arguments = (Queue::new(1)?, Lock::new()?);
    let send = Process::start(function!(send_msg(ports, lock)), arguments.clone())?;
    let recv = Process::start(function!(recv_msg(ports, lock)), arguments)?;
    send.join()?;
    Ok(recv.join()?)
}

fn foo(main_has_printed: Event, printed: Event) {
    main_has_printed.wait().unwrap();
    println!("123");
    printed.set().unwrap();
    sleep(Duration::from_secs(1000));
    println!("end123");
}

fn bar(foo_has_printed: Event) {
    foo_has_printed.wait().unwrap();
    println!("456");
    pause();
    println!("end456");
}

/// `p1.daemon = True`: it ends with the program.
fn a_daemon() -> Result {
    let (main, first) = (Event::new()?, Event::new()?);
    let p1 = Process::builder().daemon(true);
    let _p1 = p1.start(function!(foo(main_has_printed, printed)), (main.clone(), first.clone()))?;
    let p2 = Process::start(function!(bar), first)?;
    println!("====main");
    main.set()?;
    Ok(p2.join()?)
}

fn main() -> Result {
    process::init();
    greenthread::run(|| {
        let programs: [(&str, Program); 17] = [
            ("an argument", an_argument),
            ("five of a kind", five_of_a_kind),
            ("who is first", who_is_first),
            ("ids of two", ids_of_two),
            ("the parent of a loop", parent_of_a_loop),
            ("the id in both", id_in_both),
            ("the current process", current_process),
            ("arguments", arguments),
            ("a sum", a_sum),
            ("two lists", two_lists),
            ("no shared globals", no_shared_globals),
            ("two loops", two_loops),
            ("join, and a name", join_and_name),
            ("a downloader and an analyser", downloader_and_analyser),
            ("until it is full, and until it is empty", until_full_and_until_empty),
            ("a message", a_message),
            ("a daemon", a_daemon),
        ];
        for (title, program) in programs {
            println!("# {title}");
            program()?;
        }
        Ok(())
    })
}
