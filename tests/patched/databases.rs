//! Databases: `redis`, synchronous, and SQLite by `rusqlite`.

use crate::server::{Server, free_port};
use crate::support::many_descriptors;
use crate::{join_all, on, waits};
use greenthread::spawn;
use redis::{Commands as _, ConnectionLike as _};
use rusqlite::{Connection, TransactionBehavior};
use std::time::{Duration, Instant};

/// How many of its clients a server says that it keeps waiting.
fn blocked(connection: &mut redis::Connection) -> usize {
    let info: String = redis::cmd("INFO").arg("clients").query(connection).unwrap();
    let line = info.lines().find_map(|line| line.strip_prefix("blocked_clients:"));
    line.unwrap().trim().parse().unwrap()
}

#[test]
#[ignore = "needs redis-server"]
fn a_thousand_blocking_pops_of_redis_wait_on_one_worker() {
    const POPS: usize = 1000;
    many_descriptors();
    let port = free_port();
    let _server = Server::redis(port);
    let url = format!("redis://127.0.0.1:{port}/");
    for workers in [1, 2] {
        let client = redis::Client::open(url.as_str()).unwrap();
        on(workers, move || {
            let mut own = client.get_connection().unwrap();
            let pops = (0..POPS).map(|number| {
                let client = client.clone();
                spawn(move || {
                    let mut connection = client.get_connection().unwrap();
                    let key = format!("queue {number}");
                    let popped: [String; 2] = connection.blpop(&key, 60.0).unwrap();
                    assert_eq!(popped, [key, format!("value {number}")]);
                    assert!(connection.is_open());
                })
            });
            let pops: Vec<_> = pops.collect();
            // The server itself says that all of them wait at the same time.
            let end = Instant::now() + crate::LIMIT / 2;
            while blocked(&mut own) < POPS {
                assert!(Instant::now() < end, "only {} wait", blocked(&mut own));
                std::thread::sleep(Duration::from_millis(10));
            }
            for number in 0..POPS {
                let _: usize =
                    own.rpush(format!("queue {number}"), format!("value {number}")).unwrap();
            }
            join_all(pops);
        });
    }
}

#[test]
fn sqlite_waits_for_a_neighbours_transaction() {
    for workers in [1, 2] {
        on(workers, || {
            let folder =
                std::env::temp_dir().join(format!("greenthread-sqlite-{}", std::process::id()));
            std::fs::create_dir(&folder).unwrap();
            let file = folder.join("database");
            let open = {
                let file = file.clone();
                move || {
                    let connection = Connection::open(&file).unwrap();
                    connection.busy_timeout(crate::LIMIT).unwrap();
                    connection
                }
            };
            open()
                .execute_batch("CREATE TABLE counts (count INTEGER); INSERT INTO counts VALUES (0)")
                .unwrap();
            let sleeps = || waits("usleep") + waits("nanosleep") + waits("clock_nanosleep");
            let before = sleeps();
            let adders = (0..10).map(|_| {
                let open = open.clone();
                spawn(move || {
                    let mut connection = open();
                    for _ in 0..3 {
                        let change = connection
                            .transaction_with_behavior(TransactionBehavior::Immediate)
                            .unwrap();
                        let count: i64 = change
                            .query_row("SELECT count FROM counts", [], |row| row.get(0))
                            .unwrap();
                        // Suspended inside the transaction; SQLite makes the others wait by sleeps.
                        std::thread::sleep(Duration::from_millis(1));
                        change.execute("UPDATE counts SET count = ?1", [count + 1]).unwrap();
                        change.commit().unwrap();
                    }
                })
            });
            join_all(adders.collect::<Vec<_>>());
            let count: i64 =
                open().query_row("SELECT count FROM counts", [], |row| row.get(0)).unwrap();
            assert_eq!(count, 30);
            assert!(sleeps() > before + 30, "others waited");
            std::fs::remove_dir_all(&folder).unwrap();
        });
    }
}
