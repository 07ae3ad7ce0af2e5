//! TLS by OpenSSL (`native-tls`) and by rustls over blocking streams of std: their calls of `read` and `write` suspend in the middle of
//! it.

use crate::{join_all, on};
use greenthread::spawn;
use native_tls::{Identity, TlsAcceptor, TlsConnector};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, StreamOwned,
};
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

/// A certificate and its key, which has signed it, as texts.
fn certificate_and_key() -> (Vec<u8>, Vec<u8>) {
    static MADE: OnceLock<(Vec<u8>, Vec<u8>)> = OnceLock::new();
    let make = || {
        let folder = std::env::temp_dir().join(format!("greenthread-tls-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let (key, certificate) = (folder.join("key"), folder.join("certificate"));
        let made = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"])
            .args(["-nodes", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"])
            .args(["-addext", "basicConstraints=critical,CA:FALSE", "-days", "2", "-keyout"])
            .arg(&key)
            .arg("-out")
            .arg(&certificate)
            .output()
            .expect("this test needs openssl");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let read = |path| std::fs::read(path).unwrap();
        let both = (read(&certificate), read(&key));
        std::fs::remove_dir_all(&folder).unwrap();
        both
    };
    MADE.get_or_init(make).clone()
}

/// Asks for an echo, in pieces that several records carry.
fn ask(stream: &mut (impl Read + Write), number: usize) -> io::Result<()> {
    let message: Vec<u8> = (0..40_000).map(|at| (at * 7 + number) as u8).collect();
    for turn in 1..4 {
        let part = &message[..message.len() / turn];
        stream.write_all(&(part.len() as u32).to_be_bytes())?;
        stream.write_all(part)?;
        stream.flush()?;
        let mut back = vec![0; part.len()];
        stream.read_exact(&mut back)?;
        assert!(back == part, "{number} got what another one sent");
    }
    Ok(())
}

fn answer(stream: &mut (impl Read + Write)) -> io::Result<()> {
    loop {
        let mut len = [0; 4];
        if stream.read(&mut len[..1])? == 0 {
            return Ok(());
        }
        stream.read_exact(&mut len[1..])?;
        let mut message = vec![0; u32::from_be_bytes(len) as usize];
        stream.read_exact(&mut message)?;
        stream.write_all(&message)?;
        stream.flush()?;
    }
}

/// How a library serves and asks over a connection.
#[derive(Clone)]
struct Library {
    serves: Arc<dyn Fn(TcpStream) -> io::Result<()> + Send + Sync>,
    asks: Arc<dyn Fn(TcpStream, usize) -> io::Result<()> + Send + Sync>,
}

fn openssl() -> Library {
    let (certificate, key) = certificate_and_key();
    let acceptor = TlsAcceptor::new(Identity::from_pkcs8(&certificate, &key).unwrap()).unwrap();
    let connector = TlsConnector::builder().danger_accept_invalid_certs(true).build().unwrap();
    Library {
        serves: Arc::new(move |stream| {
            answer(&mut acceptor.accept(stream).map_err(io::Error::other)?)
        }),
        asks: Arc::new(move |stream, number| {
            let mut stream = connector.connect("localhost", stream).map_err(io::Error::other)?;
            ask(&mut stream, number)?;
            stream.shutdown()
        }),
    }
}

fn of_rustls() -> Library {
    let (certificate, key) = certificate_and_key();
    let certificate = CertificateDer::from_pem_slice(&certificate).unwrap();
    let key = PrivateKeyDer::from_pem_slice(&key).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).unwrap();
    let serves = ServerConfig::builder().with_no_client_auth();
    let serves = Arc::new(serves.with_single_cert(vec![certificate], key).unwrap());
    let asks = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let asks = Arc::new(asks);
    Library {
        serves: Arc::new(move |stream| {
            let connection = ServerConnection::new(Arc::clone(&serves)).unwrap();
            answer(&mut StreamOwned::new(connection, stream))
        }),
        asks: Arc::new(move |stream, number| {
            let name = "localhost".try_into().unwrap();
            let connection = ClientConnection::new(Arc::clone(&asks), name).unwrap();
            let mut stream = StreamOwned::new(connection, stream);
            ask(&mut stream, number)?;
            stream.conn.send_close_notify();
            stream.flush()
        }),
    }
}

/// Many talk on few workers, while others speak another protocol, go away in the middle or are killed.
fn talks_for_many(library: &Library) {
    const GOOD: usize = 30;
    for workers in [1, 2, 4] {
        let library = library.clone();
        on(workers, move || {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap();
            let answered = Arc::new(AtomicUsize::new(0));
            let (counted, serves) = (Arc::clone(&answered), library.serves);
            let server = spawn(move || {
                while let Ok((stream, _)) = listener.accept() {
                    let (serves, counted) = (Arc::clone(&serves), Arc::clone(&counted));
                    spawn(move || {
                        if serves(stream).is_ok() {
                            counted.fetch_add(1, Ordering::SeqCst);
                        }
                    });
                }
            });
            let asks = |number| {
                let asks = Arc::clone(&library.asks);
                spawn(move || asks(TcpStream::connect(address)?, number))
            };
            let good: Vec<_> = (0..GOOD).map(asks).collect();
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
            let killed: Vec<_> = (0..10).map(asks).collect();
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

/// OpenSSL's list of errors is the OS thread's.
#[test]
fn openssl_talks_for_many_on_one_worker_while_others_fail_and_are_killed() {
    talks_for_many(&openssl());
}

#[test]
fn rustls_talks_for_many_on_one_worker_while_others_fail_and_are_killed() {
    talks_for_many(&of_rustls());
}
