//! Monkey patching: unmodified blocking code suspends only its green thread. As gevent's `monkey` module.
//!
//! With the feature `monkey`, this library contains functions that are named as those of the C library (`recv`, `poll`,
//! `nanosleep`, ...), and the linker gives these to the whole program: to std, to other crates, to C libraries. Until
//! [`patch_all`] is called, they only call the C library's own. From then on, when a green thread calls one that would
//! block, it suspends that green thread, and the worker runs others. On plain OS threads nothing ever changes.
//!
//! ```no_run
//! use std::io::{Read, Write};
//!
//! // SAFETY: this program does nothing that the Safety section of `patch_all` forbids.
//! unsafe { greenthread::monkey::patch_all() };
//! let ask = |host: &'static str| move || -> std::io::Result<usize> {
//!     // All of this is std's.
//!     let mut stream = std::net::TcpStream::connect((host, 80))?;
//!     write!(stream, "GET / HTTP/1.0\r\nHost: {host}\r\n\r\n")?;
//!     stream.read_to_end(&mut Vec::new())
//! };
//! let sizes = greenthread::join_all([greenthread::spawn(ask("a.example")), greenthread::spawn(ask("b.example"))]);
//! # drop(sizes);
//! ```
//!
//! Only a final binary should enable the feature: it changes the whole process, so that is not for a library to decide.
//! [`report`] tells how the patched functions are used, and which of them still block.
//!
//! # What works, and what does not
//! Each row names a test that shows it, of `tests/monkey` or, where crates, C libraries and servers of others are used, of
//! `tests/patched`.
//!
//! | called by unmodified code on a green thread | after patching | test |
//! |---|---|---|
//! | std's `TcpStream`, `TcpListener`, `UdpSocket` and those of Unix: `recv`, `send` and their families, `read`, `write`, `readv`, `writev`, `accept` | suspend | `a_thousand_clients_of_an_echo_server_on_one_worker`, `datagrams_and_unix_sockets` |
//! | `accept` by a number that becomes another listener meanwhile | never blocks | `a_number_that_becomes_another_listener_while_it_is_accepted_from_holds_nobody` |
//! | `accept` from a listener that OS threads or other processes accept from as well | suspends. If one of those takes the connection that was just seen, blocks the worker until the next one comes; reported after five seconds | `a_listener_that_an_os_thread_accepts_from_too_gives_each_connection_to_one` |
//! | `connect`, `connect_timeout` | suspend; `O_NONBLOCK` is set for the length of one system call | `a_connection_that_gets_no_answer_times_out_and_holds_nobody` |
//! | `SO_RCVTIMEO`, `SO_SNDTIMEO` | work as they always do; one that another process, or a system call made past the C library, sets on a socket that is in use holds from the wait after next, or a tenth of a second later | `timeouts_of_std_work`, `a_listener_with_a_limit_in_time_gives_up`, `a_limit_that_is_set_between_two_waits_holds_for_the_second`, `a_limit_longer_than_a_glance_is_not_forgotten` |
//! | `MSG_WAITALL`, `MSG_DONTWAIT`, `MSG_ERRQUEUE`, `MSG_OOB` | the same | `all_of_a_message_is_waited_for_where_that_is_asked`, `what_the_kernel_never_waits_for_is_not_waited_for` |
//! | descriptors that the caller has made non-blocking | never suspend | `timeouts_of_std_work`, `what_is_made_non_blocking_between_two_waits_does_not_wait` |
//! | pipes, FIFOs that are open, `eventfd`s and other descriptors that can be polled; `splice`, `sendfile` | suspend | `pipes_of_std_suspend`, `fifos_suspend_once_they_are_open`, `a_read_of_an_eventfd_suspends`, `files_and_copies_work_as_ever` |
//! | `close`, `dup2` of a descriptor that others wait for | those waits end with `EBADF`, those of `poll` with `POLLNVAL`, even if the number is used again at once or a child has a duplicate | `closing_ends_the_waits_even_if_the_number_is_used_again`, `a_copy_in_a_child_does_not_keep_a_closed_number_registered`, `who_waits_in_any_manner_is_told_that_the_number_is_closed`, `whoever_waits_for_a_number_is_told_though_it_is_used_again_at_once`, `a_number_that_is_closed_while_a_wait_begins_ends_it` |
//! | a number that was closed by a call of the C library's own (`fclose`) or past it | means what it is used for next; its first wait may take a tenth of a second longer | `a_number_that_is_closed_behind_the_librarys_back_means_what_it_is_used_for_next`, `bytes_that_nothing_announces_are_found` |
//! | `poll`, `ppoll`, `select`, `pselect` | suspend; with a signal mask they block | `poll_and_select_wait_for_several`, `select_takes_sets_beyond_the_size_that_the_c_library_knows` |
//! | `epoll_wait`, `epoll_pwait` | suspend after [`patch`] of [`Patch::Epoll`], which `patch_all` leaves out | `an_event_loop_suspends_where_that_is_asked_for` |
//! | `std::thread::sleep`, `sleep`, `usleep`, `nanosleep`, `clock_nanosleep` | suspend | `sleeps_of_std_and_of_c_pass_side_by_side` |
//! | `getaddrinfo` (`ToSocketAddrs`), `getnameinfo`, `gethostbyname_r` and its kind | run on a pool of OS threads; those that answer in memory of the C library's own, such as `gethostbyname`, block | `a_name_server_that_does_not_answer_holds_only_who_asks` |
//! | std's `Mutex`, `RwLock`, `Condvar`, `Once`, `OnceLock`, `LazyLock`, `Barrier` | suspend, between green threads of one worker and of several, beside OS threads, and if they were held before patching | `a_mutex_held_over_a_wait_suspends_who_wants_it`, `readers_and_writers`, `a_condition_is_waited_for_and_times_out`, `what_is_made_once_is_made_once`, `a_barrier_of_std_gathers_green_threads`, `a_lock_that_is_made_held_and_waited_for_before_patching_works_after_it`, `a_wake_up_is_not_lost_on_a_worker_that_waits_in_the_kernel`, `a_wake_up_is_not_lost_to_a_green_thread_that_was_given_up` |
//! | `std::process::Command`, `waitpid`, `waitid`, `wait4`; `fork` and `exec` | suspend; a forked child has no green threads, and blocks | `children_are_waited_for_side_by_side`, `a_green_thread_forks_and_its_child_executes_a_program`, `a_forked_child_calls_what_is_patched_and_blocks` |
//! | `fork` with a handler of `pthread_atfork` that takes a lock which a suspended neighbour holds | suspends, if it is one of std's; a foreign mutex blocks the worker, and no child comes of it. Reported after five seconds. `Command` runs no such handlers, unless it has a `pre_exec` | `a_fork_waits_for_a_lock_that_a_suspended_neighbour_holds`, `a_fork_that_wants_a_foreign_mutex_of_a_suspended_neighbour_is_told_of` |
//! | `std::thread::JoinHandle::join` | suspends | `os_threads_are_joined_while_others_run` |
//! | a library in C, also one that is loaded later and a fortified one | suspends by all of these | `a_library_in_c_that_is_loaded_later_suspends_as_well`, `a_fortified_call_that_would_write_past_its_buffer_ends_the_process` |
//! | the crates `ureq`, `tiny_http`, `tungstenite`, `redis`, `curl` (libcurl), `rusqlite` (SQLite), `native-tls` (OpenSSL), `rustls` | suspend | `ureq_has_a_hundred_requests_under_way_on_one_worker`, `tiny_http_answers_many_at_the_same_time_on_one_worker`, `tungstenite_serves_and_asks_on_one_worker`, `a_thousand_blocking_pops_of_redis_wait_on_one_worker`, `libcurl_has_a_hundred_requests_under_way_on_one_worker`, `sqlite_waits_for_a_neighbours_transaction`, `openssl_talks_for_many_on_one_worker_while_others_fail_and_are_killed`, `rustls_talks_for_many_on_one_worker_while_others_fail_and_are_killed` |
//! | waiting by std's locks for OS threads of others: the crates `threadpool`, `notify`, `ctrlc` | suspends | `a_pool_of_threads_is_waited_for_while_others_run`, `changes_of_files_are_waited_for_while_others_run`, `an_interrupt_reaches_a_green_thread_by_a_handler_of_another_crate` |
//! | blocking crates with an async runtime inside: `postgres`, `reqwest::blocking` | block the worker by `epoll_wait`. Reported after five seconds. With [`Patch::Epoll`] the second one on a worker panics, as the runtime belongs to the OS thread | `postgres_blocks_its_worker_for_each_query_and_works` |
//! | `println!` and standard input, output and error | block: the descriptors 0 to 2 are shared with other programs | `standard_output_is_held_over_a_wait_while_others_print` |
//! | regular files | block as long as the disk takes; [`fs`](crate::fs) does not | `files_and_copies_work_as_ever` |
//! | signal handlers | block in all of these, as one may have interrupted anything; they wake no green thread that waits for a lock of std's. A signal ends no wait: there is no `EINTR` | `a_handler_that_calls_what_is_patched_is_not_left_in_the_middle`, `a_signal_that_interrupts_the_worker_ends_no_wait` |
//! | destructors, at an end, a kill or a panic | suspend. No kill ends what one waits for while its green thread unwinds | `destructors_sleep_and_wait_at_ends_kills_panics_and_in_thread_locals`, `destructors_of_an_unwind_wait_for_neighbours` |
//! | exit handlers, panic hooks, and destructors of thread-locals | block | `a_green_thread_ends_the_process_while_others_wait`, `destructors_sleep_and_wait_at_ends_kills_panics_and_in_thread_locals` |
//! | `std::thread::yield_now` | yields the OS thread: spin locks call it while they are half taken. Use [`yield_now`](crate::yield_now) | `locks_of_parking_lots_that_are_not_held_over_a_wait_work` |
//! | `std::thread::park`, and what is made of it: `std::sync::mpsc`, `std::thread::scope`, crossbeam-channel, flume | block the worker: their state belongs to the OS thread. Reported after a second | `park_of_std_blocks_its_worker_and_tells`, `a_channel_of_std_blocks_its_worker_and_tells`, `a_scope_of_std_waits_for_its_threads`, `a_crossbeam_channel_blocks_its_worker_and_tells`, `a_channel_of_flume_blocks_its_worker_and_tells` |
//! | parking_lot's locks, where they are contended | block the worker: a node of theirs lies in a thread-local. Reported after a second | `a_lock_of_parking_lots_held_over_a_wait_blocks_its_worker_and_tells` |
//! | crates that wait by a parker of their own in a thread-local, as event-listener does, and so async-lock and async-channel where they block | one green thread of a worker may wait so at a time, a second one panics; their async forms suspend | `a_crate_that_waits_by_a_parker_in_a_thread_local_panics_at_the_second_wait`, `such_a_crate_works_in_blocking_and_as_async` |
//! | rayon | on one green thread of a worker works, on several must not be called: they share a lock in a thread-local by which it waits for its pool (see Safety of [`patch_all`]). In [`blocking`](crate::blocking()) it works for all | `rayon_computes_for_many_green_threads_of_one_worker` |
//! | a lock of std's that lies in a thread-local, such as that of rayon | blocks the worker: neighbours would take it for their own. Reported after a second | `a_job_of_rayons_that_waits_for_a_neighbour_blocks_the_worker_and_tells` |
//! | `pthread_mutex_lock` and other waits inside the C library, `FILE *`, system calls made past it (rustix's default, Go) | block the worker. Reported after five seconds, as of [every worker that is held up](crate::Runtime) | `a_foreign_mutex_that_a_neighbour_holds_is_told_of`, `a_foreign_mutex_is_told_of_with_its_place`, `a_raw_system_call_is_told_of_with_its_place`, `a_call_inside_the_c_library_is_told_of_with_its_place`, `a_file_of_c_that_reads_a_pipe_blocks_its_worker_and_ends_all_the_same` |
//! | `futex` in other forms than std's: for some bits, with a relative time or one of the real clock | blocks the worker. Wake-ups by bits, `FUTEX_REQUEUE`, `FUTEX_CMP_REQUEUE` and `FUTEX_WAKE_OP` wake the green threads that wait in std's form, those that would be moved at once and for nothing, as a futex may | `a_wake_up_by_bits_wakes_green_threads_and_of_os_threads_those_who_wait_for_them`, `a_green_thread_that_waits_for_bits_blocks_its_worker_until_one_of_them_comes`, `waiters_that_are_moved_to_another_word_are_woken_there_or_at_once`, `two_words_are_woken_by_one_operation`, `the_times_of_all_forms_are_what_the_kernel_takes_them_for` |
//! | opening a FIFO, `flock`, `fcntl` locks | block the worker. Reported after five seconds | `opening_a_fifo_waits_for_the_other_end`, `a_fifo_that_a_neighbour_is_to_open_is_told_of`, `locks_of_files_are_waited_for`, `a_lock_of_a_file_that_a_neighbour_holds_is_told_of` |
//! | `pause`, `sigwait` | block the worker: signals are of the OS thread or of the process | `signals_are_waited_for` |
//! | `pthread_cancel` of an OS thread | works after patching; before it, and of a worker, these calls are no cancellation points, and a `close` that lingers goes on | `an_os_thread_is_cancelled_in_a_patched_call` |
//! | `longjmp` | works on the stack of one green thread, also if that is suspended in between; over a patched call that has not returned, or out of a signal handler, it must not be: see Safety of [`patch_all`] | `longjmp_stays_on_the_stack_of_its_green_thread` |
//! | a program that links this and patches nothing | behaves as without it | `what_is_linked_and_never_patched_blocks_and_counts_nothing`, `an_allocator_that_reads_files_starts_and_works_on_green_threads` |
//!
//! # Kills and timeouts
//! Nothing unwinds through code that is not made for it, such as C. If a kill or a [`timeout`](crate::timeout())
//! strikes while a patched call waits, the call fails with `ECANCELED`. There are three exceptions: a sleep ends as if
//! its time were over, `epoll_wait` returns `EINTR`, since event loops end their program at other errors, and a wait
//! for a lock of std's goes on. The green thread unwinds at its next wait in a function of this library.
//!
//! So a loop that skips errors, such as `for stream in listener.incoming().flatten()`, outlives a kill: each call in it
//! fails, and the loop goes on. To keep it from disturbing others, each such call takes a millisecond after some turns,
//! and later up to a second. The loop is reported once, by name, and the end of its runtime does not wait for it. Better,
//! end the loop at an error.

// Invariant: a patched call suspends only where `is_on` says so: on a green thread that is in no panic hook and does
// not end the process. Everywhere else it is the C library's.

#[cfg(not(all(
    target_os = "linux",
    target_env = "gnu",
    any(target_arch = "x86_64", target_arch = "aarch64"),
)))]
compile_error!(
    "the feature `monkey` stands in for functions of glibc and works on Linux with glibc only, on x86_64 and aarch64"
);

mod bound;
mod close;
mod connection;
mod epoll;
mod file;
mod futex;
mod hook;
mod identity;
mod known_descriptor;
mod names;
pub mod original;
mod patch;
mod pieces;
mod poll;
mod poll_limit;
mod process;
mod report;
mod select;
mod signal;
mod socket;
mod table;
mod time;
mod wait;

pub use patch::{
    Patch, is_patched, patch, patch_all, patch_dns, patch_futex, patch_poll, patch_process,
    patch_socket, patch_time,
};
pub use report::{Report, Used, report};

pub(crate) use patch::{is_worker, suspends_here};
