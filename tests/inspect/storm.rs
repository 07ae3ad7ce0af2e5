//! Looking disturbs nobody.

use crate::on_each;
use greenthread::inspect::dump;
use greenthread::sync::mpsc;
use greenthread::{sleep, spawn, timeout, yield_now};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// Items that go round, timeouts, sleeps, kills and ends, with a dump after the other beside them.
#[test]
fn nothing_is_lost_or_woken_while_others_look() {
    on_each(|| {
        let over = Arc::new(AtomicBool::new(false));
        let own = Arc::clone(&over);
        let looker = std::thread::spawn(move || {
            let mut looks = 0;
            while !own.load(Ordering::SeqCst) {
                looks += usize::from(!dump().threads.is_empty());
            }
            looks
        });
        let ended = Arc::new(AtomicUsize::new(0));
        let rounds: Vec<_> = (0..100)
            .map(|at| {
                let ended = Arc::clone(&ended);
                spawn(move || {
                    let (sender, receiver) = mpsc::sync_channel(at % 3);
                    let source = spawn(move || (0..50).for_each(|item| sender.send(item).unwrap()));
                    let mut sum = 0;
                    while let Ok(item) = receiver.recv() {
                        sum += item;
                        match item % 7 {
                            0 => yield_now(),
                            1 => sleep(Duration::from_micros(200)),
                            2 => {
                                _ = timeout(Duration::from_micros(100), || {
                                    sleep(Duration::from_secs(1000))
                                })
                            }
                            3 => {
                                let child = spawn(|| sleep(Duration::from_secs(1000)));
                                child.kill();
                                assert!(child.join().unwrap_err().is_killed());
                            }
                            _ => {}
                        }
                    }
                    source.join().unwrap();
                    assert_eq!(sum, 49 * 50 / 2);
                    ended.fetch_add(1, Ordering::SeqCst);
                })
            })
            .collect();
        rounds.into_iter().for_each(|it| it.join().unwrap());
        assert_eq!(ended.load(Ordering::SeqCst), 100);
        over.store(true, Ordering::SeqCst);
        // It may be the looks of a few only: names are looked up at the first.
        looker.join().unwrap();
    });
}
