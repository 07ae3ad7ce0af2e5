//! A work queue for more than one machine, on Redis Streams: any number of worker processes, each with thousands of green
//! threads, and no job is lost when one of them dies.
//!
//!     cargo run -p greenthread-patched --example work_queue -- work URL NAME [JOBS AT ONCE]
//!     cargo run -p greenthread-patched --example work_queue -- give URL JOBS
//!     cargo run -p greenthread-patched --example work_queue -- --check
//!
//! With `--check` it starts a server and three workers, gives 3000 jobs and kills a worker that has some; it prints
//!
//! ```text
//! 3000 jobs are given to 3 workers
//! one worker is killed while it has jobs
//! the others have claimed them: true
//! 3000 jobs have 3000 results, all of them right; 0 are pending
//! ```
//!
//! A job that is handed out stays pending at the server until it is acknowledged, together with its result, in one transaction.
//! A worker says every now and then that it still has its jobs; what nobody has spoken of for [`CLAIM_AFTER`] is claimed by
//! another one. A job may so be done twice, never less than once; its result is kept under its own number, and so once.
//!
//! All of this is the synchronous crate `redis` and std: waiting for jobs, for the server and for locks suspends only the green
//! thread.

#[path = "shared/redis_server.rs"]
mod redis_server;

use greenthread::sync::Semaphore;
use redis::streams::{
    StreamAutoClaimOptions, StreamAutoClaimReply, StreamClaimOptions, StreamId, StreamReadOptions,
    StreamReadReply,
};
use redis::{Client, Commands, Connection, RedisResult};
use std::collections::HashSet;
use std::env;
use std::error::Error;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const JOBS: &str = "jobs";
const GROUP: &str = "workers";
const RESULTS: &str = "results";
/// How often each job that has been taken from another worker was, by the name of the one who took it.
const CLAIMS: &str = "claims";
/// What no worker has spoken of for so long was a dead one's.
const CLAIM_AFTER: Duration = Duration::from_millis(1500);
/// How often a worker speaks of the jobs that it has.
const SPEAK_EVERY: Duration = Duration::from_millis(400);
/// How many jobs are asked for at a time.
const BATCH: usize = 200;

type Failure = Box<dyn Error + Send + Sync>;

/// One worker process.
struct Worker {
    client: Client,
    name: String,
    /// For what takes no time at the server. Held over each question and its answer, which suspends who wants it too.
    line: Mutex<Connection>,
    /// What this process has and has not done yet.
    has: Mutex<HashSet<String>>,
    /// How many more it may take.
    room: Semaphore,
}

impl Worker {
    fn new(url: &str, name: &str, at_once: usize) -> Result<Arc<Self>, Failure> {
        let client = Client::open(url)?;
        let mut line = client.get_connection()?;
        // The first worker makes the group; the others are told that it is there.
        let made: RedisResult<()> = line.xgroup_create_mkstream(JOBS, GROUP, "0");
        if let Err(error) = made
            && error.code() != Some("BUSYGROUP")
        {
            return Err(error.into());
        }
        Ok(Arc::new(Self {
            client,
            name: name.to_string(),
            line: Mutex::new(line),
            has: Mutex::default(),
            room: Semaphore::new(at_once),
        }))
    }

    /// Takes jobs for as long as the process lives, each for a green thread of its own.
    fn run(self: &Arc<Self>) -> Result<(), Failure> {
        let speaker = Arc::clone(self);
        greenthread::spawn(move || speaker.speak());
        let claimer = Arc::clone(self);
        greenthread::spawn(move || claimer.claim());
        // This one waits at the server, so it has a connection of its own.
        let mut line = self.client.get_connection()?;
        let options =
            StreamReadOptions::default().group(GROUP, &self.name).count(BATCH).block(1000);
        loop {
            // No more than this process has room for: the others are to have theirs.
            drop(self.room.acquire());
            let reply: Option<StreamReadReply> = line.xread_options(&[JOBS], &[">"], &options)?;
            for job in reply.into_iter().flat_map(|reply| reply.keys).flat_map(|key| key.ids) {
                self.begin(job);
            }
        }
    }

    /// Does a job in a green thread of its own, as soon as there is room.
    fn begin(self: &Arc<Self>, job: StreamId) {
        if !self.has.lock().unwrap().insert(job.id.clone()) {
            return;
        }
        let worker = Arc::clone(self);
        greenthread::spawn(move || {
            let _room = worker.room.acquire();
            let result = job.get("number").map(square);
            if let Some((number, square)) = result
                && let Err(error) = worker.finish(&job.id, number, square)
            {
                // It stays pending; somebody claims it.
                eprintln!("{}: job {}: {error}", worker.name, job.id);
            }
            worker.has.lock().unwrap().remove(&job.id);
        });
    }

    /// The result and the acknowledgement: both, or none.
    fn finish(&self, id: &str, number: u64, square: u64) -> RedisResult<()> {
        let mut both = redis::pipe();
        both.atomic().hset(RESULTS, number, square).ignore().xack(JOBS, GROUP, &[id]).ignore();
        both.query(&mut *self.line.lock().unwrap())
    }

    /// Says again and again that the jobs that this process has are not lost.
    fn speak(&self) -> RedisResult<()> {
        loop {
            std::thread::sleep(SPEAK_EVERY);
            let ids: Vec<String> = self.has.lock().unwrap().iter().cloned().collect();
            if ids.is_empty() {
                continue;
            }
            // Claiming what is one's own only says that it is; one that is acknowledged meanwhile is left out by the server.
            let options = StreamClaimOptions::default().with_justid();
            let mut line = self.line.lock().unwrap();
            let _: Vec<String> = line.xclaim_options(JOBS, GROUP, &self.name, 0, &ids, options)?;
        }
    }

    /// Takes what belongs to workers that have not spoken for too long.
    fn claim(self: &Arc<Self>) -> RedisResult<()> {
        let idle = CLAIM_AFTER.as_millis() as u64;
        let mut from = "0-0".to_string();
        loop {
            std::thread::sleep(SPEAK_EVERY);
            let options = StreamAutoClaimOptions::default().count(BATCH);
            let mut line = self.line.lock().unwrap();
            let reply: StreamAutoClaimReply =
                line.xautoclaim_options(JOBS, GROUP, &self.name, idle, &from, options)?;
            if !reply.claimed.is_empty() {
                let _: u64 = line.hincr(CLAIMS, &self.name, reply.claimed.len())?;
            }
            drop(line);
            from = reply.next_stream_id;
            reply.claimed.into_iter().for_each(|job| self.begin(job));
        }
    }
}

/// The work. A real one would ask a server, say; this one waits like that.
fn square(number: u64) -> (u64, u64) {
    std::thread::sleep(Duration::from_millis(100 + number % 7 * 50));
    (number, number * number)
}

fn give(url: &str, jobs: u64) -> Result<(), Failure> {
    let mut line = Client::open(url)?.get_connection()?;
    let mut all = redis::pipe();
    for number in 0..jobs {
        all.xadd(JOBS, "*", &[("number", number)]).ignore();
    }
    Ok(all.query(&mut line)?)
}

/// Ended with this.
struct WorkerProcess(Child);

impl Drop for WorkerProcess {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Sends a signal by the program that is there for it.
fn signal(process: &WorkerProcess, signal: &str) -> Result<(), Failure> {
    Command::new("kill").args([signal, &process.0.id().to_string()]).status()?;
    Ok(())
}

fn check() -> Result<(), Failure> {
    const GIVEN: u64 = 3000;
    let server = redis_server::Server::start()?;
    let mut line = Client::open(server.url.as_str())?.get_connection()?;
    let start = |number: usize| -> Result<WorkerProcess, Failure> {
        let mut command = Command::new(env::current_exe()?);
        command.args(["work", &server.url, &format!("worker {number}"), "1000"]);
        Ok(WorkerProcess(command.stdin(Stdio::null()).spawn()?))
    };
    let workers = [start(0)?, start(1)?, start(2)?];
    give(&server.url, GIVEN)?;
    println!("{GIVEN} jobs are given to {} workers", workers.len());

    // Stopped, it gets no further; if it has jobs then, it dies with them.
    loop {
        std::thread::sleep(Duration::from_millis(20));
        signal(&workers[2], "-STOP")?;
        let state: RedisResult<redis::streams::StreamPendingReply> = line.xpending(JOBS, GROUP);
        let has = state.ok().is_some_and(|state| match state {
            redis::streams::StreamPendingReply::Data(data) => {
                data.consumers.iter().any(|one| one.name == "worker 2" && one.pending > 0)
            }
            _ => false,
        });
        if has {
            signal(&workers[2], "-KILL")?;
            break;
        }
        signal(&workers[2], "-CONT")?;
    }
    println!("one worker is killed while it has jobs");

    let mut results: u64 = 0;
    for _ in 0..600 {
        results = line.hlen(RESULTS)?;
        let pending: redis::streams::StreamPendingReply = line.xpending(JOBS, GROUP)?;
        if results == GIVEN && pending.count() == 0 {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let claims: Vec<(String, u64)> = line.hgetall(CLAIMS)?;
    println!("the others have claimed them: {}", claims.iter().any(|(_, count)| *count > 0));
    let right: Vec<(u64, u64)> = line.hgetall(RESULTS)?;
    let all_right = right.iter().all(|(number, square)| number * number == *square);
    let pending: redis::streams::StreamPendingReply = line.xpending(JOBS, GROUP)?;
    let word = if all_right { "all of them right" } else { "some of them wrong" };
    println!("{GIVEN} jobs have {results} results, {word}; {} are pending", pending.count());
    Ok(())
}

fn main() -> Result<(), Failure> {
    // SAFETY: nothing here is of the kinds that `patch_all` names.
    unsafe { greenthread::monkey::patch_all() };
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["--check"] => check(),
        ["give", url, jobs] => give(url, jobs.parse()?),
        ["work", url, name, ref rest @ ..] => {
            let at_once = rest.first().map_or(Ok(1000), |word| word.parse())?;
            let worker = Worker::new(url, name, at_once)?;
            // One OS thread is enough for thousands of jobs that wait.
            greenthread::Runtime::builder().workers(1).build()?.run(move || worker.run())?
        }
        _ => Err("usage: work_queue --check | give URL JOBS | work URL NAME [JOBS AT ONCE]".into()),
    }
}
