//! The numbers by which the system names errors and signals, and bounds that it guarantees, as the C library has them.
#![forbid(unsafe_code)]

/// A flag with which opening waits for nobody.
pub(crate) use libc::O_NONBLOCK;
/// So many bytes that are written to a pipe at once are not mixed with what others write; and a pipe that is ready has
/// room for them.
pub(crate) use libc::PIPE_BUF;
/// Errors, as [`raw_os_error`](std::io::Error::raw_os_error) gives them.
pub(crate) use libc::{
    EACCES, EAGAIN, EBADF, ECHILD, ECONNABORTED, ECONNREFUSED, ECONNRESET, EHOSTDOWN, EHOSTUNREACH,
    EINPROGRESS, EINTR, EINVAL, ENETDOWN, ENETUNREACH, ENOENT, ENOEXEC, ENONET, ENOPROTOOPT,
    ENOTCONN, ENOTDIR, ENOTSOCK, ENXIO, EOPNOTSUPP, EPERM, EPIPE, EPROTO, ESRCH, ETIMEDOUT,
};
/// Signals.
pub(crate) use libc::{
    SIGABRT, SIGALRM, SIGCHLD, SIGCONT, SIGHUP, SIGINT, SIGKILL, SIGPIPE, SIGQUIT, SIGSTOP,
    SIGTERM, SIGTSTP, SIGUSR1, SIGUSR2, SIGWINCH,
};
