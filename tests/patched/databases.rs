//! Databases: `redis`, synchronous, SQLite by `rusqlite`, and PostgreSQL by `postgres`, which has an async runtime inside.

use crate::children::in_child_with;
use crate::server::{Server, free_port};
use crate::support::many_descriptors;
use crate::{join_all, on, waits};
use greenthread::{monkey, spawn};
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

/// A connection, once the server takes anybody in.
fn postgres(port: u16) -> postgres::Client {
    let config = format!("host=127.0.0.1 port={port} user=tester dbname=postgres");
    let end = Instant::now() + crate::LIMIT / 2;
    loop {
        match postgres::Client::connect(&config, postgres::NoTls) {
            Ok(client) => return client,
            Err(error) => assert!(Instant::now() < end, "{error}"),
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The runtime that is inside of each client waits by `epoll_wait`, which `patch_all` leaves alone.
#[test]
#[ignore = "needs PostgreSQL"]
fn postgres_blocks_its_worker_for_each_query_and_works() {
    let port = free_port();
    let _server = Server::postgres(port);
    for workers in [1, 2, 4] {
        on(workers, move || {
            let table = format!("counts{workers}");
            postgres(port).batch_execute(&format!("CREATE TABLE {table} (count INT)")).unwrap();
            let adders = (0..12i32).map(|number| {
                let table = table.clone();
                spawn(move || {
                    let mut client = postgres(port);
                    for turn in 0..5 {
                        let value = number * 5 + turn;
                        let insert = format!("INSERT INTO {table} VALUES ($1)");
                        assert_eq!(client.execute(&insert, &[&value]).unwrap(), 1);
                        std::thread::sleep(Duration::from_micros(200));
                        let row = client.query_one("SELECT $1::INT + 1", &[&value]).unwrap();
                        assert_eq!(row.get::<_, i32>(0), value + 1);
                    }
                    assert!(client.query("SELECT * FROM nowhere", &[]).is_err());
                })
            });
            let adders: Vec<_> = adders.collect();
            let killed = (0..4).map(|_| {
                spawn(move || {
                    let mut client = postgres(port);
                    loop {
                        let _ = client.query("SELECT pg_sleep(0.001)", &[]);
                        greenthread::yield_now();
                    }
                })
            });
            let killed: Vec<_> = killed.collect();
            join_all(adders);
            for one in killed {
                one.kill();
                assert!(one.join().unwrap_err().is_killed());
            }
            let sum = format!("SELECT sum(count) FROM {table}");
            let row = postgres(port).query_one(&sum, &[]).unwrap();
            assert_eq!(row.get::<_, i64>(0), 1770);
        });
    }

    // A transaction that a neighbour is to end: nobody else runs, and that is told.
    let text = port.to_string();
    let environment = [("GREENTHREAD_WATCHDOG_MS", "300"), ("GREENTHREAD_TEST_PORT", &text)];
    let test = "databases::a_transaction_of_a_neighbours_is_waited_for_and_told_of";
    let outcome = in_child_with(&[], &environment, test, || unreachable!());
    outcome.hangs_and_tells("sleeps in the system call epoll_wait");
    let environment = [("GREENTHREAD_TEST_PORT", text.as_str())];
    let test = "databases::a_second_client_panics_where_epoll_is_patched_too";
    in_child_with(&[], &environment, test, || unreachable!()).works();
}

/// Run by the test above, with a server.
#[test]
#[ignore = "a part of another test"]
fn a_second_client_panics_where_epoll_is_patched_too() {
    let Ok(port) = std::env::var("GREENTHREAD_TEST_PORT") else { return };
    let port = port.parse().unwrap();
    // SAFETY: as for `patch_all`.
    unsafe { monkey::patch(monkey::Patch::Epoll) };
    on(1, move || {
        let mut first = postgres(port);
        let before = waits("epoll_wait");
        let first = spawn(move || first.execute("SELECT pg_sleep(0.3)", &[]).is_ok());
        while waits("epoll_wait") == before {
            greenthread::yield_now();
        }
        let second = spawn(move || drop(postgres(port)));
        assert!(second.join().unwrap_err().is_panic());
        // Event loops do not know of kills, and go on.
        first.kill();
        assert!(first.join().unwrap_or_else(|error| error.is_killed()));
    });
}

/// Run by the test above, with a server.
#[test]
#[ignore = "a part of another test"]
fn a_transaction_of_a_neighbours_is_waited_for_and_told_of() {
    let Ok(port) = std::env::var("GREENTHREAD_TEST_PORT") else { return };
    let port = port.parse().unwrap();
    on(1, move || {
        let create = "CREATE TABLE locked (count INT); INSERT INTO locked VALUES (0)";
        postgres(port).batch_execute(create).unwrap();
        let change = move |held: Duration| {
            let mut client = postgres(port);
            let mut transaction = client.transaction().unwrap();
            transaction.execute("UPDATE locked SET count = count + 1", &[]).unwrap();
            std::thread::sleep(held);
            transaction.commit().unwrap();
        };
        let holder = spawn(move || change(Duration::from_secs(1)));
        let wants = spawn(move || change(Duration::ZERO));
        // One that could run, and is kept from it.
        let runs = spawn(|| {
            loop {
                greenthread::yield_now();
            }
        });
        join_all([holder, wants]);
        runs.kill();
    });
}
