//! Stack sizes. What ends the process or exhausts it is in `tests/process`.

use crate::support::workers;
use greenthread::{Builder, Runtime, spawn, yield_now};

/// Uses about `kib` KiB of stack, suspending at the bottom.
#[inline(never)]
fn dig(kib: usize) -> usize {
    let block = std::hint::black_box([1u8; 512]);
    if kib <= 1 {
        yield_now();
        return usize::from(block[0]);
    }
    // In a debug build a frame holds the block several times: half a KiB of it is a KiB at least.
    dig(kib - 1) + usize::from(block[511])
}

#[test]
fn deep_recursion_within_the_size() {
    let large = Builder::new().stack_size(64 << 20).spawn(|| dig(16 << 10)).unwrap();
    assert_eq!(large.join().unwrap(), 16 << 10);
    assert_eq!(spawn(|| dig(48)).join().unwrap(), 48);
    let runtime = Runtime::builder().workers(1).stack_size(8 << 20).build().unwrap();
    assert_eq!(runtime.run(|| dig(2 << 10)).unwrap(), 2 << 10);
}

#[test]
fn tiny_sizes_are_raised() {
    let handle = Builder::new().stack_size(1).spawn(|| format!("{:?}", [1.5; 3])).unwrap();
    assert_eq!(handle.join().unwrap(), "[1.5, 1.5, 1.5]");
}

#[test]
fn sizes_side_by_side() {
    let handles: Vec<_> = (0..200)
        .map(|i| {
            let builder = Builder::new().stack_size([32, 100, 256, 1000][i % 4] << 10);
            builder.spawn(move || dig([4, 20, 60, 250][i % 4])).unwrap()
        })
        .collect();
    for (i, handle) in handles.into_iter().enumerate() {
        assert_eq!(handle.join().unwrap(), [4, 20, 60, 250][i % 4]);
    }
}

#[test]
fn a_terabyte_each_until_there_is_none_left() {
    // 47 bits of addresses hold 128 of them at most.
    let runtime = workers(1);
    let handles = runtime.run(|| {
        let go = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let spawn_one = |_| {
            let go = std::sync::Arc::clone(&go);
            let body =
                move || crate::support::until(|| go.load(std::sync::atomic::Ordering::SeqCst));
            Builder::new().stack_size(1 << 40).spawn(body).unwrap()
        };
        let handles: Vec<_> = (0..160).map(spawn_one).collect();
        crate::support::until(|| handles.iter().any(greenthread::JoinHandle::is_finished));
        go.store(true, std::sync::atomic::Ordering::SeqCst);
        handles.into_iter().map(greenthread::JoinHandle::join).collect::<Vec<_>>()
    });
    let (good, bad): (Vec<_>, Vec<_>) = handles.unwrap().into_iter().partition(Result::is_ok);
    assert!(good.len() > 10, "{} fit", good.len());
    for error in bad.into_iter().filter_map(Result::err) {
        let error = error.io_error().expect("no memory is an io error");
        assert_eq!(error.kind(), std::io::ErrorKind::OutOfMemory);
        assert!(error.to_string().contains("vm.max_map_count"), "{error}");
    }
    assert_eq!(runtime.spawn(|| 1).join().unwrap(), 1);
}
