//! Other programs: started, talked to, waited for, ended, while everything else runs on.
//!
//!     cargo run --release --example programs
//!
//! ```text
//! echo says: hello
//! sorted by another: apple, banana, cherry
//! a calculator as a partner: 6*7 = 42, 2^10 = 1024
//! a megabyte each from standard output and standard error
//! three sleepers of 0.3 s took less than 0.8 s
//! too slow: nothing after 20 ms; it ended by signal 15
//! deaf to SIGTERM: it ended by signal 9
//! three who wait for one: 7 7 7
//! missing: cannot start `no-such-program`: No such file or directory (os error 2)
//! ```

use greenthread::os::unix::process::ExitStatusExt;
use greenthread::process::{ChildStdout, Command, Stdio};
use greenthread::spawn;
use std::io::{self, BufRead, BufReader, Write};
use std::time::{Duration, Instant};

fn sh(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    command
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8_lossy(&bytes).trim().to_string()
}

/// A shell's pipe: the output of one is the input of the next.
fn sorted() -> io::Result<String> {
    let mut list = sh("printf 'cherry\\napple\\nbanana\\n'").stdout(Stdio::piped()).spawn()?;
    let input: Stdio = list.stdout.take().map_or(Stdio::null(), Stdio::from);
    let output = Command::new("sort").stdin(input).output()?;
    list.wait()?;
    Ok(text(output.stdout).replace('\n', ", "))
}

/// Questions to a program that stays, and its answers.
fn partner() -> io::Result<String> {
    // A calculator that every shell has.
    let script = "while read -r base sign more; do case $sign in \
                  '*') echo $((base * more));; '^') n=1; while [ $more -gt 0 ]; do \
                  n=$((n * base)); more=$((more - 1)); done; echo $n;; esac; done";
    let mut child = sh(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let missing = || io::Error::other("it was asked for");
    let mut question = child.stdin.take().ok_or_else(missing)?;
    let mut answers = BufReader::new(child.stdout.take().ok_or_else(missing)?);
    let mut ask = |base: u32, sign: char, more: u32| -> io::Result<String> {
        writeln!(question, "{base} {sign} {more}")?;
        let mut answer = String::new();
        answers.read_line(&mut answer)?;
        Ok(format!("{base}{sign}{more} = {}", answer.trim()))
    };
    let said = format!("{}, {}", ask(6, '*', 7)?, ask(2, '^', 10)?);
    drop(question);
    child.wait()?;
    Ok(said)
}

fn first_line(from: Option<ChildStdout>) -> io::Result<String> {
    let mut line = String::new();
    if let Some(from) = from {
        BufReader::new(from).read_line(&mut line)?;
    }
    Ok(line)
}

fn main() -> io::Result<()> {
    greenthread::run(|| {
        println!("echo says: {}", text(Command::new("echo").arg("hello").output()?.stdout));
        println!("sorted by another: {}", sorted()?);
        println!("a calculator as a partner: {}", partner()?);

        let both = sh("head -c 1000000 /dev/zero >&2; head -c 1000000 /dev/zero").output()?;
        assert_eq!((both.stdout.len(), both.stderr.len()), (1_000_000, 1_000_000));
        println!("a megabyte each from standard output and standard error");

        let begin = Instant::now();
        let sleepers: Vec<_> =
            (0..3).map(|_| spawn(|| Command::new("sleep").arg("0.3").status())).collect();
        for sleeper in sleepers {
            assert!(sleeper.join().map_err(io::Error::other)??.success());
        }
        if begin.elapsed() < Duration::from_millis(800) {
            println!("three sleepers of 0.3 s took less than 0.8 s");
        }

        let mut slow = Command::new("sleep").arg("100").spawn()?;
        assert_eq!(slow.wait_timeout(Duration::from_millis(20))?, None);
        let signal = slow.terminate(Duration::from_secs(10))?.signal().unwrap_or(0);
        println!("too slow: nothing after 20 ms; it ended by signal {signal}");

        let mut deaf =
            sh("trap '' TERM; echo ready; exec sleep 100").stdout(Stdio::piped()).spawn()?;
        assert_eq!(first_line(deaf.stdout.take())?, "ready\n");
        let signal = deaf.terminate(Duration::from_millis(50))?.signal().unwrap_or(0);
        println!("deaf to SIGTERM: it ended by signal {signal}");

        let shared = sh("sleep 0.1; exit 7").spawn()?;
        let waiters: Vec<_> = (0..3)
            .map(|_| {
                let handle = shared.handle();
                spawn(move || handle.wait())
            })
            .collect();
        let mut codes = Vec::new();
        for waiter in waiters {
            let status = waiter.join().map_err(io::Error::other)??;
            codes.push(status.code().unwrap_or(-1).to_string());
        }
        println!("three who wait for one: {}", codes.join(" "));

        if let Err(error) = Command::new("no-such-program").spawn() {
            println!("missing: {error}");
        }
        Ok(())
    })
}
