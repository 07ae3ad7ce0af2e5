//! Bytes, datagrams, descriptors and what is done elsewhere.

use super::{strike, there};
use crate::support::{OnDrop, Random};
use greenthread::io::{Read, Write, pipe};
use greenthread::net::{TcpListener, TcpStream};
use greenthread::os::unix::net::{UnixDatagram, UnixStream};
use greenthread::{blocking, spawn};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

const SHORT: Duration = Duration::from_millis(20);

/// All that is left in a stream without an end.
fn rest(mut stream: &UnixStream) -> Vec<u8> {
    let mut buffer = [0; 64];
    stream.set_nonblocking(true).unwrap();
    let read = stream.read(&mut buffer).unwrap_or(0);
    buffer[..read].to_vec()
}

pub(super) fn bytes(random: &mut Random) {
    let (near, mut far) = UnixStream::pair().unwrap();
    let near = Arc::new(near);
    let own = Arc::clone(&near);
    let got = strike(
        random,
        move || {
            let mut buffer = [0; 8];
            let read = (&*own).read(&mut buffer).unwrap();
            buffer[..read].to_vec()
        },
        || far.write_all(b"abcd").unwrap(),
    );
    let mut all = got.unwrap_or_default();
    all.extend(rest(&near));
    assert_eq!(all, b"abcd");
    let (near, far) = UnixDatagram::pair().unwrap();
    let near = Arc::new(near);
    let own = Arc::clone(&near);
    let receives = |socket: &UnixDatagram| {
        let mut buffer = [0; 8];
        let read = socket.recv(&mut buffer).ok()?;
        Some(buffer[..read].to_vec())
    };
    let got = strike(
        random,
        move || receives(&own),
        || {
            far.send(b"whole").unwrap();
        },
    );
    near.set_nonblocking(true).unwrap();
    let left = receives(&near);
    assert_eq!(got.flatten().or(left).unwrap(), b"whole");
}

pub(super) fn messages(random: &mut Random) {
    // A message with a descriptor: its other end is closed when the descriptor is, and not before.
    let (near, far) = UnixStream::pair().unwrap();
    let (mut reader, writer) = pipe().unwrap();
    let near = Arc::new(near);
    let own = Arc::clone(&near);
    let receives = |socket: &UnixStream| {
        let (mut buffer, mut fds) = ([0; 8], Vec::new());
        let read = socket.recv_fds(&mut buffer, &mut fds).ok()?;
        (read > 0).then(|| (buffer[..read].to_vec(), fds))
    };
    let got = strike(
        random,
        move || receives(&own),
        || {
            far.send_fds(b"one", &[writer.as_fd()]).unwrap();
            drop(writer);
        },
    );
    near.set_nonblocking(true).unwrap();
    let left = receives(&near);
    let (text, fds) = got.flatten().or(left).unwrap();
    assert_eq!((&*text, fds.len()), (&b"one"[..], 1));
    drop(fds);
    assert_eq!(reader.read(&mut [0; 8]).unwrap(), 0, "nobody else has one");
    // A connection.
    let listener = Arc::new(TcpListener::bind("127.0.0.1:0").unwrap());
    let (own, address) = (Arc::clone(&listener), listener.local_addr().unwrap());
    let mut client = None;
    let got = strike(
        random,
        move || own.accept().unwrap().0,
        || {
            client = Some(TcpStream::connect(address).unwrap());
        },
    );
    let mut accepted = got.unwrap_or_else(|| listener.accept().unwrap().0);
    client.unwrap().write_all(b"x").unwrap();
    assert_eq!(accepted.read(&mut [0; 8]).unwrap(), 1);
}

pub(super) fn written(random: &mut Random) {
    let (mut reader, mut writer) = pipe().unwrap();
    // Full.
    let mut total = 0;
    let sends = Arc::new(AtomicU32::new(0));
    let told = Arc::clone(&sends);
    let fills = spawn(move || {
        let full = greenthread::timeout(SHORT, || {
            loop {
                let written = writer.write(&[1; 4096]).unwrap();
                told.fetch_add(written as u32, Ordering::SeqCst);
            }
        });
        assert!(full.is_err());
        writer
    });
    let mut writer = fills.join().unwrap();
    let before = sends.load(Ordering::SeqCst) as usize;
    let wrote = strike(
        random,
        move || writer.write(&[1; 4096]).unwrap(),
        || {
            let mut buffer = [0; 8192];
            total += reader.read(&mut buffer).unwrap();
        },
    );
    // The writer is gone, so there is an end; nothing is there that was not told of.
    let mut left = Vec::new();
    reader.read_to_end(&mut left).unwrap();
    assert_eq!(total + left.len(), before + wrote.unwrap_or(0));
}

pub(super) fn operations(random: &mut Random) {
    let (begun, ended) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let (begins, ends) = (Arc::clone(&begun), Arc::clone(&ended));
    let operation = move || {
        begins.fetch_add(1, Ordering::SeqCst);
        std::thread::sleep(Duration::from_micros(50));
        // Its result, which is dropped wherever it ends up.
        OnDrop(move || {
            ends.fetch_add(1, Ordering::SeqCst);
        })
    };
    strike(random, move || drop(blocking(operation)), || ());
    let (begun, ended) = (|| begun.load(Ordering::SeqCst), || ended.load(Ordering::SeqCst));
    there(|| (begun() == ended()).then_some(()));
    // A file's contents and its position agree, whatever was interrupted.
    let mut path = std::env::temp_dir();
    path.push(format!("greenthread-interrupted-{}-{}", std::process::id(), random.below(u64::MAX)));
    let _removed = OnDrop({
        let path = path.clone();
        move || drop(std::fs::remove_file(&path))
    });
    let file = Arc::new(greenthread::fs::File::create(&path).unwrap());
    let own = Arc::clone(&file);
    let wrote = strike(random, move || (&*own).write(b"12345678").unwrap(), || ());
    let written = greenthread::fs::read(&path).unwrap().len();
    assert!(written == 8 || (written == 0 && wrote.is_none()));
    (&*file).write_all(b"90").unwrap();
    assert_eq!(greenthread::fs::read(&path).unwrap().len(), written + 2);
}
