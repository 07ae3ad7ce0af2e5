//! The programs in `examples/` print what their documentation says.

use crate::prints::{self, prints_what_it_says};

#[test]
fn the_crawler_prints_what_it_says() {
    prints_what_it_says("crawler", &[]);
}

#[test]
fn the_web_server_prints_what_it_says() {
    prints_what_it_says("web_server", &["--check"]);
}

#[test]
fn the_web_sockets_print_what_they_say() {
    prints_what_it_says("web_sockets", &[]);
}

#[test]
#[ignore = "needs redis-server"]
fn the_thousand_pops_print_what_they_say() {
    prints_what_it_says("redis_pops", &[]);
}

#[test]
#[ignore = "needs redis-server"]
fn the_work_queue_loses_nothing_when_a_worker_dies() {
    prints_what_it_says("work_queue", &["--check"]);
}

#[test]
fn each_program_is_run() {
    prints::each_is_run(include_str!("examples.rs"));
}
