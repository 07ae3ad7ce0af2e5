//! A server: `tiny_http`.

use crate::{join_all, on};
use greenthread::spawn;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tiny_http::{Response, Server};

/// How many requests are being answered, and how many were at most.
#[derive(Default)]
struct UnderWay {
    now: AtomicUsize,
    most: AtomicUsize,
}

#[test]
fn tiny_http_answers_many_at_the_same_time_on_one_worker() {
    for workers in [1, 2] {
        on(workers, || {
            let server = Arc::new(Server::http("127.0.0.1:0").unwrap());
            let port = server.server_addr().to_ip().unwrap().port();
            let own = Arc::clone(&server);
            let under_way = Arc::new(UnderWay::default());
            let counted = Arc::clone(&under_way);
            let accepts = spawn(move || {
                let mut answers = Vec::new();
                while let Ok(request) = own.recv() {
                    let counted = Arc::clone(&counted);
                    answers.push(spawn(move || {
                        let now = counted.now.fetch_add(1, Ordering::SeqCst) + 1;
                        counted.most.fetch_max(now, Ordering::SeqCst);
                        std::thread::sleep(Duration::from_millis(50));
                        counted.now.fetch_sub(1, Ordering::SeqCst);
                        let text = format!("you asked for {}", request.url());
                        request.respond(Response::from_string(text)).unwrap();
                    }));
                }
                join_all(answers).len()
            });
            let asks = (0..100).map(|number| {
                spawn(move || {
                    let url = format!("http://127.0.0.1:{port}/{number}");
                    let body = ureq::get(url).call().unwrap().body_mut().read_to_string().unwrap();
                    assert_eq!(body, format!("you asked for /{number}"));
                })
            });
            join_all(asks.collect::<Vec<_>>());
            // By a message to itself, so that the green thread that waits in `recv` ends.
            server.unblock();
            assert_eq!(accepts.join().unwrap(), 100);
            // How many come in at once is up to its own threads, which now and then leave one waiting behind another.
            let most = under_way.most.load(Ordering::SeqCst);
            assert!(most > 10, "{most} at most");
        });
    }
}
