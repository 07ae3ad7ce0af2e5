//! TLS by OpenSSL (`native-tls`) over blocking streams of std: its calls of `read` and `write` suspend in the middle of it.

use crate::{join_all, on};
use greenthread::spawn;
use native_tls::{Identity, TlsAcceptor, TlsConnector};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A key with a certificate that it has signed itself.
fn identity() -> Identity {
    let folder = std::env::temp_dir().join(format!("greenthread-tls-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let (key, certificate) = (folder.join("key"), folder.join("certificate"));
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"])
        .args(["-subj", "/CN=localhost", "-days", "2", "-keyout"])
        .arg(&key)
        .arg("-out")
        .arg(&certificate)
        .output()
        .expect("this test needs openssl");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let read = |path| std::fs::read(path).unwrap();
    let identity = Identity::from_pkcs8(&read(&certificate), &read(&key)).unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    identity
}

/// Asks for an echo, in pieces that several records carry.
fn ask(address: SocketAddr, number: usize) -> std::io::Result<()> {
    let connector = TlsConnector::builder().danger_accept_invalid_certs(true).build().unwrap();
    let stream = TcpStream::connect(address)?;
    let mut stream = connector.connect("localhost", stream).map_err(std::io::Error::other)?;
    let message: Vec<u8> = (0..40_000).map(|at| (at * 7 + number) as u8).collect();
    for turn in 1..4 {
        let part = &message[..message.len() / turn];
        stream.write_all(&(part.len() as u32).to_be_bytes())?;
        stream.write_all(part)?;
        let mut back = vec![0; part.len()];
        stream.read_exact(&mut back)?;
        assert!(back == part, "{number} got what another one sent");
    }
    stream.shutdown()
}

fn answer(acceptor: &TlsAcceptor, stream: TcpStream) -> std::io::Result<()> {
    let mut stream = acceptor.accept(stream).map_err(std::io::Error::other)?;
    loop {
        let mut len = [0; 4];
        if stream.read(&mut len[..1])? == 0 {
            return Ok(());
        }
        stream.read_exact(&mut len[1..])?;
        let mut message = vec![0; u32::from_be_bytes(len) as usize];
        stream.read_exact(&mut message)?;
        stream.write_all(&message)?;
    }
}

#[test]
fn openssl_talks_for_many_on_one_worker_while_others_fail_and_are_killed() {
    const GOOD: usize = 30;
    let acceptor = Arc::new(TlsAcceptor::new(identity()).unwrap());
    for workers in [1, 2, 4] {
        let acceptor = Arc::clone(&acceptor);
        on(workers, move || {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap();
            let answered = Arc::new(AtomicUsize::new(0));
            let counted = Arc::clone(&answered);
            let server = spawn(move || {
                while let Ok((stream, _)) = listener.accept() {
                    let (acceptor, counted) = (Arc::clone(&acceptor), Arc::clone(&counted));
                    spawn(move || {
                        if answer(&acceptor, stream).is_ok() {
                            counted.fetch_add(1, Ordering::SeqCst);
                        }
                    });
                }
            });
            let good: Vec<_> =
                (0..GOOD).map(|number| spawn(move || ask(address, number))).collect();
            // These speak another protocol, or go away in the middle: OpenSSL's list of errors is the OS thread's.
            let bad = (0..10).map(|number| {
                spawn(move || {
                    let mut stream = TcpStream::connect(address).unwrap();
                    if number % 2 == 0 {
                        stream.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
                        let _ = stream.read_to_end(&mut Vec::new());
                    }
                })
            });
            let bad: Vec<_> = bad.collect();
            let killed: Vec<_> =
                (0..10).map(|number| spawn(move || ask(address, number))).collect();
            for (turn, one) in killed.iter().enumerate() {
                std::thread::sleep(std::time::Duration::from_micros(turn as u64 * 300));
                one.kill();
            }
            for one in join_all(good) {
                one.unwrap();
            }
            join_all(bad);
            for one in killed {
                let _ = one.join();
            }
            // The servers of the good ones end with their connections.
            while answered.load(Ordering::SeqCst) < GOOD {
                greenthread::yield_now();
            }
            server.kill();
            server.join().unwrap();
        });
    }
}
