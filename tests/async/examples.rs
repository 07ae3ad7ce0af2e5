//! The programs in `examples/` print what their documentation says.

use crate::prints::{self, prints_what_it_says};

#[test]
fn the_metrics_print_what_they_say() {
    prints_what_it_says("metrics", &["--check"]);
}

#[test]
fn the_script_prints_what_it_says() {
    prints_what_it_says("script", &[]);
}

#[test]
fn the_service_prints_what_it_says() {
    prints_what_it_says("service", &["--check"]);
}

#[test]
fn each_program_is_run() {
    prints::each_is_run(include_str!("examples.rs"));
}
