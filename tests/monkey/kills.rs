//! Kills and timeouts: they end patched calls by errors, never by an unwind through code that was not made for it.

use crate::{on, until_waits_exceed, waits};
use greenthread::{spawn, timeout};
use std::io::Read;
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::time::Duration;

#[test]
fn a_killed_read_fails_and_the_green_thread_unwinds_at_its_next_wait() {
    on(1, || {
        let (mut a, _peer) = UnixStream::pair().unwrap();
        let before = waits("recv");
        let reader = spawn(move || {
            let error = a.read(&mut [0; 1]).unwrap_err();
            assert_eq!(error.raw_os_error(), Some(libc::ECANCELED));
            greenthread::sleep(Duration::from_secs(100));
        });
        until_waits_exceed("recv", before);
        reader.kill();
        assert!(reader.join().unwrap_err().is_killed());
    });
}

#[test]
fn a_killed_sleep_of_std_ends_as_if_its_time_were_over() {
    on(1, || {
        let before = waits("clock_nanosleep");
        let sleeper = spawn(|| {
            std::thread::sleep(Duration::from_secs(100));
            greenthread::thread::park();
        });
        until_waits_exceed("clock_nanosleep", before);
        sleeper.kill();
        assert!(sleeper.join().unwrap_err().is_killed());
    });
}

#[test]
fn a_timeout_strikes_a_patched_call() {
    on(1, || {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let result = timeout(Duration::from_millis(5), || {
            let error = listener.accept().unwrap_err();
            assert_eq!(error.raw_os_error(), Some(libc::ECANCELED));
            greenthread::yield_now();
        });
        assert!(result.is_err());
    });
}

#[test]
fn a_loop_that_skips_the_errors_of_a_kill_does_not_starve_its_neighbours() {
    on(1, || {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let before = waits("accept4");
        let stubborn = spawn(move || listener.incoming().filter(Result::is_err).take(30).count());
        until_waits_exceed("accept4", before);
        stubborn.kill();
        std::thread::sleep(Duration::from_millis(2));
        assert_eq!(stubborn.join().unwrap(), 30);
    });
}
