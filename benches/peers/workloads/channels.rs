//! Messages: to another green thread and back, over two channels of capacity one; and from four senders to four receivers over one of
//! capacity 1024.

use super::{Peer, Size, green, may, may_spawn, os_spawn, tokio, tokio_here};
use std::hint::black_box;

// may has no bounded channel: its own here never holds more than one message.
pub(super) const PING_PONG: &[Peer] = &[
    ("greenthread", |size| {
        green(size.workers, move || {
            ping_pong!(size.n, greenthread::sync::mpsc::sync_channel(1), greenthread::spawn);
        });
    }),
    ("may", |size| {
        may(size.workers, move || ping_pong!(size.n, may::sync::mpsc::channel(), may_spawn));
    }),
    ("tokio", |size| tokio(size.workers, tasks(size.n))),
    ("tokio, current thread", |size| tokio_here(tasks(size.n))),
    ("OS threads", |size| ping_pong!(size.n, std::sync::mpsc::sync_channel(1), os_spawn)),
    ("OS threads, crossbeam", |size| {
        ping_pong!(size.n, crossbeam_channel::bounded(1), os_spawn);
    }),
    ("OS threads, flume", |size| ping_pong!(size.n, flume::bounded(1), os_spawn)),
];

pub(super) const MANY_TO_MANY: &[Peer] = &[
    ("greenthread", greenthread),
    ("OS threads, crossbeam", |size| {
        many_to_many!(size.n, crossbeam_channel::bounded(1024), os_spawn);
    }),
    ("OS threads, flume", |size| many_to_many!(size.n, flume::bounded(1024), os_spawn)),
];

macro_rules! ping_pong {
    ($n:expr, $channel:expr, $spawn:path) => {{
        let n: u64 = $n;
        let ((to, there), (back, here)) = ($channel, $channel);
        let other = $spawn(move || {
            for _ in 0..n {
                back.send(there.recv().unwrap() + 1).unwrap();
            }
        });
        for i in 0..n {
            to.send(i).unwrap();
            assert_eq!(here.recv().unwrap(), i + 1);
        }
        other.join().unwrap();
    }};
}
use ping_pong;

macro_rules! many_to_many {
    ($n:expr, $channel:expr, $spawn:path) => {{
        let n: u64 = $n;
        let (sender, receiver) = $channel;
        let mut handles = Vec::new();
        for _ in 0..4 {
            let (sender, receiver) = (sender.clone(), receiver.clone());
            handles.push($spawn(move || (0..n / 4).for_each(|i| sender.send(i).unwrap())));
            handles.push($spawn(move || {
                (0..n / 4).for_each(|_| _ = black_box(receiver.recv().unwrap()));
            }));
        }
        handles.into_iter().for_each(|handle| handle.join().unwrap());
    }};
}
use many_to_many;

fn greenthread(size: Size) {
    green(size.workers, move || {
        many_to_many!(size.n, greenthread::sync::mpmc::bounded(1024), greenthread::spawn);
    });
}

async fn tasks(n: u64) {
    let (to, mut there) = tokio::sync::mpsc::channel(1);
    let (back, mut here) = tokio::sync::mpsc::channel(1);
    let other = tokio::spawn(async move {
        for _ in 0..n {
            back.send(there.recv().await.unwrap() + 1).await.unwrap();
        }
    });
    for i in 0..n {
        to.send(i).await.unwrap();
        assert_eq!(here.recv().await.unwrap(), i + 1);
    }
    other.await.unwrap();
}
