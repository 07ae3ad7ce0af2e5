//! A thousand green threads of one OS thread, each of which waits for a list of its own by the synchronous crate `redis`.
//!
//!     cargo run -p greenthread-patched --example redis_pops
//!
//! It starts a server of its own, and prints
//!
//! ```text
//! 1000 green threads wait for redis
//! 1000 values have come to those who waited for them
//! ```

#[path = "shared/redis_server.rs"]
mod redis_server;

use redis::{Client, Commands, RedisResult};
use std::error::Error;
use std::time::Duration;

const WAITERS: usize = 1000;

/// Waits for a value, as `BLPOP` does: at the server.
fn pop(client: &Client, key: &str) -> RedisResult<String> {
    let mut connection = client.get_connection()?;
    let [_key, value]: [String; 2] = connection.blpop(key, 0.0)?;
    Ok(value)
}

fn blocked(connection: &mut redis::Connection) -> RedisResult<usize> {
    let info: String = redis::cmd("INFO").arg("clients").query(connection)?;
    let count = info.lines().find_map(|line| line.strip_prefix("blocked_clients:"));
    Ok(count.and_then(|count| count.trim().parse().ok()).unwrap_or(0))
}

fn pops() -> Result<(), Box<dyn Error + Send + Sync>> {
    let server = redis_server::Server::start()?;
    let client = Client::open(server.url.as_str())?;
    let waiters: Vec<_> = (0..WAITERS)
        .map(|number| {
            let client = client.clone();
            greenthread::spawn(move || pop(&client, &format!("list {number}")))
        })
        .collect();
    let mut own = client.get_connection()?;
    while blocked(&mut own)? < WAITERS {
        std::thread::sleep(Duration::from_millis(10));
    }
    println!("{WAITERS} green threads wait for redis");
    for number in 0..WAITERS {
        own.rpush::<_, _, ()>(format!("list {number}"), number)?;
    }
    let mut right = 0;
    for (number, waiter) in waiters.into_iter().enumerate() {
        right += usize::from(waiter.join()?? == number.to_string());
    }
    println!("{right} values have come to those who waited for them");
    Ok(())
}

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    // SAFETY: nothing here is of the kinds that `patch_all` names.
    unsafe { greenthread::monkey::patch_all() };
    greenthread::Runtime::builder().workers(1).build()?.run(pops)?
}
