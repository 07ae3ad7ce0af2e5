//! nginx, PostgreSQL and redis, each a real one of our own, and sqlite; through the async crates that are used for them.

use crate::server::{Server, free_port};
use crate::{LIMIT, everywhere, join_all};
use futures::TryStreamExt as _;
use greenthread::future::{self, FutureExt as _, in_tokio};
use greenthread::{spawn, timeout};
use redis::AsyncCommands as _;
use sqlx::{Connection as _, Row as _};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Where the server of the test that runs is: cases are plain functions.
struct Port(OnceLock<u16>);

impl Port {
    fn get(&self) -> u16 {
        *self.0.get_or_init(free_port)
    }
}

#[test]
#[ignore = "needs nginx"]
fn reqwest_fetches_from_nginx() {
    static PORT: Port = Port(OnceLock::new());
    let _nginx = Server::nginx(PORT.get());
    everywhere(|| {
        let client = reqwest::Client::new();
        let url = format!("http://127.0.0.1:{}", PORT.get());
        let fetches = (0..20).map(|_| {
            let (client, url) = (client.clone(), url.clone());
            spawn(move || {
                let answer = client.get(format!("{url}/big")).send().wait().unwrap();
                let body = answer.error_for_status().unwrap().bytes().wait().unwrap();
                assert!(body.len() == 3_000_000 && body.iter().all(|byte| *byte == 7));
            })
        });
        join_all(fetches.collect::<Vec<_>>());
        let storm = (0..40).map(|i| {
            let (client, url) = (client.clone(), url.clone());
            spawn(move || {
                let fetch = || {
                    let answer = client.get(format!("{url}/big")).send().wait().unwrap();
                    answer.bytes().wait().unwrap().len()
                };
                for round in 0..5 {
                    let wait = Duration::from_micros((i * 97 + round * 611) % 3000);
                    let got = timeout(wait, fetch);
                    assert!(got.is_err() || got.is_ok_and(|got| got == 3_000_000));
                }
            })
        });
        let storm: Vec<_> = storm.collect();
        storm.iter().step_by(3).for_each(|handle| handle.kill());
        for handle in storm {
            assert!(handle.join().map_or_else(|error| error.is_killed(), |()| true));
        }
        let missing = client.get(format!("{url}/none")).send().wait().unwrap();
        assert_eq!(missing.status(), 404);
    });
}

static POSTGRES: Port = Port(OnceLock::new());

#[test]
#[ignore = "needs PostgreSQL"]
fn sqlx_and_tokio_postgres_query_postgresql() {
    let _server = Server::postgres(POSTGRES.get());
    let url = format!("postgres://tester@127.0.0.1:{}/postgres", POSTGRES.get());
    // It listens before it takes anybody in.
    let end = Instant::now() + LIMIT;
    while sqlx::PgConnection::connect(&url).wait().is_err() {
        assert!(Instant::now() < end, "PostgreSQL takes nobody in");
    }
    everywhere(|| {
        let url = format!("postgres://tester@127.0.0.1:{}/postgres", POSTGRES.get());
        let options = sqlx::postgres::PgPoolOptions::new().max_connections(5);
        let pool = options.connect(&url).wait().unwrap();
        let queries = (0..40).map(|i| {
            let pool = pool.clone();
            spawn(move || {
                let query = sqlx::query("SELECT $1 * 2, pg_sleep(0.002)").bind(i);
                assert_eq!(query.fetch_one(&pool).wait().unwrap().get::<i32, _>(0), i * 2);
            })
        });
        join_all(queries.collect::<Vec<_>>());
        // One that is cut off leaves the pool in order.
        let slow = || sqlx::query("SELECT pg_sleep(0.3)").execute(&pool).wait();
        assert!(timeout(Duration::from_millis(20), slow).is_err());
        let storm = (0..40).map(|i| {
            let pool = pool.clone();
            spawn(move || {
                for round in 0..8 {
                    let query = sqlx::query("SELECT $1 + 1, pg_sleep(0.0005)").bind(i);
                    let wait = Duration::from_micros((i as u64 * 97 + round * 1117) % 4000);
                    let got = timeout(wait, || query.fetch_one(&pool).wait().unwrap());
                    assert!(got.is_err() || got.is_ok_and(|row| row.get::<i32, _>(0) == i + 1));
                }
            })
        });
        let storm: Vec<_> = storm.collect();
        // Some are killed in the middle of a query, or while they wait for a connection.
        storm.iter().step_by(3).for_each(|handle| handle.kill());
        for handle in storm {
            assert!(handle.join().map_or_else(|error| error.is_killed(), |()| true));
        }
        let rows = sqlx::query("SELECT generate_series(1, 1000)").fetch(&pool);
        let rows = future::iter(rows.map_ok(|row| i64::from(row.get::<i32, _>(0))));
        assert_eq!(rows.map(Result::unwrap).sum::<i64>(), 500_500);
        // What the pool has given out goes back in the context.
        in_tokio(|| {
            for _ in 0..3 {
                let mut lent = pool.acquire().wait().unwrap();
                let query = sqlx::query("SELECT 5").fetch_one(&mut *lent);
                assert_eq!(query.wait().unwrap().get::<i32, _>(0), 5);
            }
        });
        pool.close().wait();

        let config = format!("host=127.0.0.1 port={} user=tester dbname=postgres", POSTGRES.get());
        let (client, connection) =
            tokio_postgres::connect(&config, tokio_postgres::NoTls).wait().unwrap();
        let connection = future::spawn(connection);
        let row = client.query_one("SELECT $1::text || ' and more'", &[&"this"]).wait().unwrap();
        assert_eq!(row.get::<_, String>(0), "this and more");
        drop(client);
        connection.join().unwrap().unwrap();
    });
    // Over our own connection.
    let stream = greenthread::net::TcpStream::connect(("127.0.0.1", POSTGRES.get())).unwrap();
    let mut config = tokio_postgres::Config::new();
    config.user("tester").dbname("postgres");
    let (client, connection) =
        config.connect_raw(future::AsyncIo::new(stream), tokio_postgres::NoTls).wait().unwrap();
    let connection = future::spawn(connection);
    assert_eq!(client.query_one("SELECT 7", &[]).wait().unwrap().get::<_, i32>(0), 7);
    drop(client);
    connection.join().unwrap().unwrap();
}

#[test]
#[ignore = "needs redis-server"]
fn redis_is_spoken_to_by_its_async_client() {
    static PORT: Port = Port(OnceLock::new());
    let _redis = Server::redis(PORT.get());
    everywhere(|| {
        let client = redis::Client::open(format!("redis://127.0.0.1:{}/", PORT.get())).unwrap();
        let connection = client.get_multiplexed_async_connection().wait().unwrap();
        let () = connection.clone().del(&["count", "whole"]).wait().unwrap();
        let users = (0..50).map(|i| {
            let mut connection = connection.clone();
            spawn(move || {
                let () = connection.set(format!("key {i}"), i).wait().unwrap();
                let () = connection.incr("count", 1).wait().unwrap();
                assert_eq!(connection.get::<_, i32>(format!("key {i}")).wait().unwrap(), i);
            })
        });
        join_all(users.collect::<Vec<_>>());
        assert_eq!(connection.clone().get::<_, i32>("count").wait().unwrap(), 50);
        // Who is cut off half way takes no answer of another one's along.
        let storm = (0..60).map(|i| {
            let mut connection = connection.clone();
            spawn(move || {
                let key = format!("own {i}");
                for round in 0..10 {
                    let wait = Duration::from_micros((i * 37 + round * 61) % 300);
                    let cut_off = timeout(wait, || {
                        let () = connection.set(&key, -1).wait().unwrap();
                        let () = connection.incr("count", 1).wait().unwrap();
                    });
                    let () = connection.set(&key, round).wait().unwrap();
                    assert_eq!(connection.get::<_, u64>(&key).wait().unwrap(), round);
                    if cut_off.is_ok() {
                        let () = connection.incr("whole", 1).wait().unwrap();
                    }
                }
            })
        });
        let storm: Vec<_> = storm.collect();
        storm.iter().step_by(3).for_each(|handle| handle.kill());
        for handle in storm {
            assert!(handle.join().map_or_else(|error| error.is_killed(), |()| true));
        }
        let mut connection = connection;
        let whole = connection.get::<_, Option<i32>>("whole").wait().unwrap().unwrap_or(0);
        let counted = connection.get::<_, i32>("count").wait().unwrap();
        assert!((50 + whole..=50 + 600).contains(&counted), "{counted}, {whole}");
    });
}

#[test]
fn sqlx_works_on_sqlite() {
    everywhere(|| {
        let mut database = sqlx::SqliteConnection::connect("sqlite::memory:").wait().unwrap();
        let make = sqlx::query("CREATE TABLE numbers (number INTEGER)");
        make.execute(&mut database).wait().unwrap();
        for number in 1..=10 {
            let insert = sqlx::query("INSERT INTO numbers VALUES (?)").bind(number);
            insert.execute(&mut database).wait().unwrap();
        }
        let sum = sqlx::query("SELECT sum(number) FROM numbers").fetch_one(&mut database);
        assert_eq!(sum.wait().unwrap().get::<i64, _>(0), 55);
        database.close().wait().unwrap();
    });
}
