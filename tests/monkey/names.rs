//! A name server that does not answer.

use crate::children::in_child_with;
use crate::on;
use greenthread::spawn;
use std::net::{ToSocketAddrs, UdpSocket};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Makes the interface of the machine itself work, in a namespace of its own.
fn bring_up_loopback() {
    // SAFETY: a request with a name and flags, which both calls only read and fill.
    unsafe {
        let socket = libc::socket(libc::AF_INET, libc::SOCK_DGRAM, 0);
        let mut request: libc::ifreq = std::mem::zeroed();
        request.ifr_name[..2].copy_from_slice(&[b'l' as libc::c_char, b'o' as libc::c_char]);
        request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
        assert_eq!(libc::ioctl(socket, libc::SIOCSIFFLAGS, &request), 0);
        libc::close(socket);
    }
}

/// A program in a namespace of its own, where the name server is on the machine itself.
const NAMESPACE: [&str; 5] = [
    "unshare",
    "-rmn",
    "sh",
    "-c",
    r#"echo 'nameserver 127.0.0.1
options timeout:1 attempts:1' >"${TMPDIR:-/tmp}/greenthread-resolv.$$" || exit 1
mount --bind "${TMPDIR:-/tmp}/greenthread-resolv.$$" /etc/resolv.conf || exit 1
rm "${TMPDIR:-/tmp}/greenthread-resolv.$$"
exec "$0" "$@""#,
];

#[test]
fn a_name_server_that_does_not_answer_holds_only_who_asks() {
    let can = Command::new(NAMESPACE[0]).args(["-rmn", "true"]).status();
    if !can.is_ok_and(|status| status.success()) {
        eprintln!("not tested: this system gives no namespaces");
        return;
    }
    let test = "names::a_name_server_that_does_not_answer_holds_only_who_asks";
    let outcome = in_child_with(&NAMESPACE, &[], test, || {
        bring_up_loopback();
        let server = UdpSocket::bind("127.0.0.1:53").unwrap();
        on(1, move || {
            let over = Arc::new(AtomicBool::new(false));
            let asks: Vec<_> = (0..3)
                .map(|number| {
                    let over = Arc::clone(&over);
                    spawn(move || {
                        let failed =
                            (format!("host{number}.example"), 80).to_socket_addrs().is_err();
                        over.store(true, Ordering::SeqCst);
                        failed
                    })
                })
                .collect();
            // The worker has time for others: for the server itself, which gets the questions and keeps silent.
            let mut question = [0; 512];
            assert!(server.recv(&mut question).unwrap() > 12);
            std::thread::sleep(Duration::from_millis(50));
            assert!(!over.load(Ordering::SeqCst), "they still wait for an answer");
            for ask in asks {
                assert!(ask.join().unwrap());
            }
        });
    });
    outcome.works();
}
