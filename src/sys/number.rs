//! The numbers by which the system names errors and signals, and bounds that it keeps: as the C library has them.
#![forbid(unsafe_code)]

/// Opening waits for nobody.
pub(crate) use libc::O_NONBLOCK;
/// What is written to a pipe at once is not mixed with what others write, up to this many bytes; and a pipe that is ready has room
/// for them.
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
