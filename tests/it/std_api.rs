//! One list of functions, methods and traits, compiled once with std and once with this crate: what is in it has the same
//! name, place and signature in both. It is what std has as of Rust 1.89, but for what is deprecated.
//!
//! A function with the signature that stands here is also one with it for every caller: each line assigns it to a pointer of
//! that type.

macro_rules! surface {
    ($root:ident) => {
        use std::ffi::OsString;
        use std::fmt::{Debug, Display};
        use std::fs::{FileTimes, FileType, Metadata, Permissions, TryLockError as FileLockError};
        use std::hash::Hash;
        use std::io::{self, BufRead, Read, Seek, Write};
        use std::iter::FusedIterator;
        use std::net::{Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr};
        use std::ops::{Deref, DerefMut};
        use std::os::fd::{AsFd, AsRawFd, FromRawFd, IntoRawFd, OwnedFd};
        use std::os::unix::fs::{DirBuilderExt, DirEntryExt, FileExt, OpenOptionsExt};
        use std::path::{Path, PathBuf};
        use std::process::Stdio;
        use std::sync::mpsc::{RecvError, RecvTimeoutError, SendError, TryRecvError, TrySendError};
        use std::sync::{LockResult, TryLockResult};
        use std::time::{Duration, SystemTime};
        use $root::fs::{self, DirBuilder, DirEntry, File, OpenOptions, ReadDir};
        use $root::io::{
            PipeReader, PipeWriter, Stderr, StderrLock, Stdin, StdinLock, Stdout, StdoutLock,
        };
        use $root::net::{self, TcpListener, TcpStream, ToSocketAddrs, UdpSocket};
        use $root::os::linux::net::TcpStreamExt;
        use $root::os::unix::net::{self as unix, UnixDatagram, UnixListener, UnixStream};
        use $root::sync::mpsc::{self, Receiver, Sender, SyncSender};
        use $root::sync::{
            Barrier, BarrierWaitResult, Condvar, LazyLock, Mutex, MutexGuard, Once, OnceLock,
            OnceState, RwLock, RwLockReadGuard, RwLockWriteGuard, WaitTimeoutResult,
        };
        use $root::thread::{self, Builder, JoinHandle, Scope, ScopedJoinHandle, Thread, ThreadId};

        type Set<S, T> = fn(&S, T) -> io::Result<()>;
        type Get<S, T> = fn(&S) -> io::Result<T>;

        fn owned<
            T: Debug + AsFd + AsRawFd + IntoRawFd + FromRawFd + From<OwnedFd> + Into<OwnedFd>,
        >() {
        }
        fn stream<T: Read + Write>()
        where
            for<'a> &'a T: Read + Write,
        {
        }

        pub(super) fn tcp_sockets() {
            owned::<TcpStream>();
            owned::<TcpListener>();
            stream::<TcpStream>();
            let _: fn(&'static str) -> io::Result<TcpStream> = TcpStream::connect;
            let _: fn(&SocketAddr, Duration) -> io::Result<TcpStream> = TcpStream::connect_timeout;
            let _: Get<TcpStream, SocketAddr> = TcpStream::peer_addr;
            let _: Get<TcpStream, SocketAddr> = TcpStream::local_addr;
            let _: Set<TcpStream, Shutdown> = TcpStream::shutdown;
            let _: Get<TcpStream, TcpStream> = TcpStream::try_clone;
            let _: Set<TcpStream, Option<Duration>> = TcpStream::set_read_timeout;
            let _: Set<TcpStream, Option<Duration>> = TcpStream::set_write_timeout;
            let _: Get<TcpStream, Option<Duration>> = TcpStream::read_timeout;
            let _: Get<TcpStream, Option<Duration>> = TcpStream::write_timeout;
            let _: fn(&TcpStream, &mut [u8]) -> io::Result<usize> = TcpStream::peek;
            let _: Set<TcpStream, bool> = TcpStream::set_nodelay;
            let _: Get<TcpStream, bool> = TcpStream::nodelay;
            let _: Set<TcpStream, u32> = TcpStream::set_ttl;
            let _: Get<TcpStream, u32> = TcpStream::ttl;
            let _: Get<TcpStream, Option<io::Error>> = TcpStream::take_error;
            let _: Set<TcpStream, bool> = TcpStream::set_nonblocking;
            let _: Set<TcpStream, bool> = <TcpStream as TcpStreamExt>::set_quickack;
            let _: Get<TcpStream, bool> = <TcpStream as TcpStreamExt>::quickack;

            let _: fn(&'static [SocketAddr]) -> io::Result<TcpListener> = TcpListener::bind;
            let _: Get<TcpListener, SocketAddr> = TcpListener::local_addr;
            let _: Get<TcpListener, TcpListener> = TcpListener::try_clone;
            let _: Get<TcpListener, (TcpStream, SocketAddr)> = TcpListener::accept;
            let _: fn(&TcpListener) -> net::Incoming<'_> = TcpListener::incoming;
            let _: Set<TcpListener, u32> = TcpListener::set_ttl;
            let _: Get<TcpListener, u32> = TcpListener::ttl;
            let _: Get<TcpListener, Option<io::Error>> = TcpListener::take_error;
            let _: Set<TcpListener, bool> = TcpListener::set_nonblocking;
            fn incoming<T: Debug + Iterator<Item = io::Result<TcpStream>> + FusedIterator>() {}
            incoming::<net::Incoming<'static>>();
        }

        pub(super) fn udp_sockets() {
            type Multicast4 = fn(&UdpSocket, &Ipv4Addr, &Ipv4Addr) -> io::Result<()>;
            type Multicast6 = fn(&UdpSocket, &Ipv6Addr, u32) -> io::Result<()>;
            type From = fn(&UdpSocket, &mut [u8]) -> io::Result<(usize, SocketAddr)>;
            owned::<UdpSocket>();
            let _: fn((&'static str, u16)) -> io::Result<UdpSocket> = UdpSocket::bind;
            let _: From = UdpSocket::recv_from;
            let _: From = UdpSocket::peek_from;
            let _: fn(&UdpSocket, &[u8], String) -> io::Result<usize> = UdpSocket::send_to;
            let _: Get<UdpSocket, SocketAddr> = UdpSocket::peer_addr;
            let _: Get<UdpSocket, SocketAddr> = UdpSocket::local_addr;
            let _: Get<UdpSocket, UdpSocket> = UdpSocket::try_clone;
            let _: Set<UdpSocket, Option<Duration>> = UdpSocket::set_read_timeout;
            let _: Set<UdpSocket, Option<Duration>> = UdpSocket::set_write_timeout;
            let _: Get<UdpSocket, Option<Duration>> = UdpSocket::read_timeout;
            let _: Get<UdpSocket, Option<Duration>> = UdpSocket::write_timeout;
            let _: Set<UdpSocket, bool> = UdpSocket::set_broadcast;
            let _: Get<UdpSocket, bool> = UdpSocket::broadcast;
            let _: Set<UdpSocket, bool> = UdpSocket::set_multicast_loop_v4;
            let _: Get<UdpSocket, bool> = UdpSocket::multicast_loop_v4;
            let _: Set<UdpSocket, u32> = UdpSocket::set_multicast_ttl_v4;
            let _: Get<UdpSocket, u32> = UdpSocket::multicast_ttl_v4;
            let _: Set<UdpSocket, bool> = UdpSocket::set_multicast_loop_v6;
            let _: Get<UdpSocket, bool> = UdpSocket::multicast_loop_v6;
            let _: Set<UdpSocket, u32> = UdpSocket::set_ttl;
            let _: Get<UdpSocket, u32> = UdpSocket::ttl;
            let _: Multicast4 = UdpSocket::join_multicast_v4;
            let _: Multicast6 = UdpSocket::join_multicast_v6;
            let _: Multicast4 = UdpSocket::leave_multicast_v4;
            let _: Multicast6 = UdpSocket::leave_multicast_v6;
            let _: Get<UdpSocket, Option<io::Error>> = UdpSocket::take_error;
            let _: Set<UdpSocket, SocketAddr> = UdpSocket::connect;
            let _: fn(&UdpSocket, &[u8]) -> io::Result<usize> = UdpSocket::send;
            let _: fn(&UdpSocket, &mut [u8]) -> io::Result<usize> = UdpSocket::recv;
            let _: fn(&UdpSocket, &mut [u8]) -> io::Result<usize> = UdpSocket::peek;
            let _: Set<UdpSocket, bool> = UdpSocket::set_nonblocking;
        }

        pub(super) fn addresses() {
            fn addresses<T: ToSocketAddrs + ?Sized>() {}
            addresses::<SocketAddr>();
            addresses::<std::net::SocketAddrV4>();
            addresses::<std::net::SocketAddrV6>();
            addresses::<(std::net::IpAddr, u16)>();
            addresses::<(Ipv4Addr, u16)>();
            addresses::<(Ipv6Addr, u16)>();
            addresses::<(&str, u16)>();
            addresses::<(String, u16)>();
            addresses::<str>();
            addresses::<String>();
            addresses::<&[SocketAddr]>();
            addresses::<&String>();
        }

        pub(super) fn unix_sockets() {
            use unix::SocketAddr;
            owned::<UnixStream>();
            owned::<UnixListener>();
            owned::<UnixDatagram>();
            stream::<UnixStream>();
            let _: fn(&'static str) -> io::Result<UnixStream> = UnixStream::connect;
            let _: fn(&SocketAddr) -> io::Result<UnixStream> = UnixStream::connect_addr;
            let _: fn() -> io::Result<(UnixStream, UnixStream)> = UnixStream::pair;
            let _: Get<UnixStream, UnixStream> = UnixStream::try_clone;
            let _: Get<UnixStream, SocketAddr> = UnixStream::local_addr;
            let _: Get<UnixStream, SocketAddr> = UnixStream::peer_addr;
            let _: Set<UnixStream, Option<Duration>> = UnixStream::set_read_timeout;
            let _: Set<UnixStream, Option<Duration>> = UnixStream::set_write_timeout;
            let _: Get<UnixStream, Option<Duration>> = UnixStream::read_timeout;
            let _: Get<UnixStream, Option<Duration>> = UnixStream::write_timeout;
            let _: Set<UnixStream, bool> = UnixStream::set_nonblocking;
            let _: Get<UnixStream, Option<io::Error>> = UnixStream::take_error;
            let _: Set<UnixStream, Shutdown> = UnixStream::shutdown;

            let _: fn(PathBuf) -> io::Result<UnixListener> = UnixListener::bind;
            let _: fn(&SocketAddr) -> io::Result<UnixListener> = UnixListener::bind_addr;
            let _: Get<UnixListener, (UnixStream, SocketAddr)> = UnixListener::accept;
            let _: Get<UnixListener, UnixListener> = UnixListener::try_clone;
            let _: Get<UnixListener, SocketAddr> = UnixListener::local_addr;
            let _: Set<UnixListener, bool> = UnixListener::set_nonblocking;
            let _: Get<UnixListener, Option<io::Error>> = UnixListener::take_error;
            let _: fn(&UnixListener) -> unix::Incoming<'_> = UnixListener::incoming;
            fn incoming<T: Debug + IntoIterator<Item = io::Result<UnixStream>>>() {}
            incoming::<&UnixListener>();
            incoming::<unix::Incoming<'static>>();

            let _: fn(&'static Path) -> io::Result<UnixDatagram> = UnixDatagram::bind;
            let _: fn(&SocketAddr) -> io::Result<UnixDatagram> = UnixDatagram::bind_addr;
            let _: fn() -> io::Result<UnixDatagram> = UnixDatagram::unbound;
            let _: fn() -> io::Result<(UnixDatagram, UnixDatagram)> = UnixDatagram::pair;
            let _: Set<UnixDatagram, &'static str> = UnixDatagram::connect;
            let _: fn(&UnixDatagram, &SocketAddr) -> io::Result<()> = UnixDatagram::connect_addr;
            let _: Get<UnixDatagram, UnixDatagram> = UnixDatagram::try_clone;
            let _: Get<UnixDatagram, SocketAddr> = UnixDatagram::local_addr;
            let _: Get<UnixDatagram, SocketAddr> = UnixDatagram::peer_addr;
            let _: fn(&UnixDatagram, &mut [u8]) -> io::Result<(usize, SocketAddr)> =
                UnixDatagram::recv_from;
            let _: fn(&UnixDatagram, &mut [u8]) -> io::Result<usize> = UnixDatagram::recv;
            let _: fn(&UnixDatagram, &[u8], &'static str) -> io::Result<usize> =
                UnixDatagram::send_to;
            let _: fn(&UnixDatagram, &[u8], &SocketAddr) -> io::Result<usize> =
                UnixDatagram::send_to_addr;
            let _: fn(&UnixDatagram, &[u8]) -> io::Result<usize> = UnixDatagram::send;
            let _: Set<UnixDatagram, Option<Duration>> = UnixDatagram::set_read_timeout;
            let _: Set<UnixDatagram, Option<Duration>> = UnixDatagram::set_write_timeout;
            let _: Get<UnixDatagram, Option<Duration>> = UnixDatagram::read_timeout;
            let _: Get<UnixDatagram, Option<Duration>> = UnixDatagram::write_timeout;
            let _: Set<UnixDatagram, bool> = UnixDatagram::set_nonblocking;
            let _: Get<UnixDatagram, Option<io::Error>> = UnixDatagram::take_error;
            let _: Set<UnixDatagram, Shutdown> = UnixDatagram::shutdown;
        }

        pub(super) fn locks() {
            const _: Mutex<u8> = Mutex::new(0);
            const _: RwLock<u8> = RwLock::new(0);
            const _: Condvar = Condvar::new();
            const _: Once = Once::new();
            const _: OnceLock<u8> = OnceLock::new();
            const _: LazyLock<u8> = LazyLock::new(|| 0);
            const _: Barrier = Barrier::new(0);
            fn made<T: Default + From<u8> + Debug>() {}
            made::<Mutex<u8>>();
            made::<RwLock<u8>>();
            made::<OnceLock<u8>>();
            fn unsized_too(mutex: &Mutex<[u8]>, lock: &RwLock<[u8]>) {
                let (_a, _b) = (mutex.lock(), lock.read());
            }
            let _: fn(&Mutex<[u8]>, &RwLock<[u8]>) = unsized_too;

            let _: fn(&Mutex<u8>) -> LockResult<MutexGuard<'_, u8>> = Mutex::lock;
            let _: fn(&Mutex<u8>) -> TryLockResult<MutexGuard<'_, u8>> = Mutex::try_lock;
            let _: fn(&Mutex<u8>) -> bool = Mutex::is_poisoned;
            let _: fn(&Mutex<u8>) = Mutex::clear_poison;
            let _: fn(Mutex<u8>) -> LockResult<u8> = Mutex::into_inner;
            let _: fn(&mut Mutex<u8>) -> LockResult<&mut u8> = Mutex::get_mut;

            let _: fn(&RwLock<u8>) -> LockResult<RwLockReadGuard<'_, u8>> = RwLock::read;
            let _: fn(&RwLock<u8>) -> TryLockResult<RwLockReadGuard<'_, u8>> = RwLock::try_read;
            let _: fn(&RwLock<u8>) -> LockResult<RwLockWriteGuard<'_, u8>> = RwLock::write;
            let _: fn(&RwLock<u8>) -> TryLockResult<RwLockWriteGuard<'_, u8>> = RwLock::try_write;
            let _: fn(&RwLock<u8>) -> bool = RwLock::is_poisoned;
            let _: fn(&RwLock<u8>) = RwLock::clear_poison;
            let _: fn(RwLock<u8>) -> LockResult<u8> = RwLock::into_inner;
            let _: fn(&mut RwLock<u8>) -> LockResult<&mut u8> = RwLock::get_mut;

            fn guard<T: Deref<Target = u8> + Debug + Display>() {}
            fn guard_mut<T: DerefMut<Target = u8> + Debug + Display>() {}
            guard_mut::<MutexGuard<'static, u8>>();
            guard::<RwLockReadGuard<'static, u8>>();
            guard_mut::<RwLockWriteGuard<'static, u8>>();

            type Waited<'a> = LockResult<(MutexGuard<'a, u8>, WaitTimeoutResult)>;
            type While = fn(&mut u8) -> bool;
            fn condvar<T: Default + Debug>() {}
            condvar::<Condvar>();
            let _: for<'a> fn(&Condvar, MutexGuard<'a, u8>) -> LockResult<MutexGuard<'a, u8>> =
                Condvar::wait;
            let _: for<'a> fn(
                &Condvar,
                MutexGuard<'a, u8>,
                While,
            ) -> LockResult<MutexGuard<'a, u8>> = Condvar::wait_while;
            let _: for<'a> fn(&Condvar, MutexGuard<'a, u8>, Duration) -> Waited<'a> =
                Condvar::wait_timeout;
            let _: for<'a> fn(&Condvar, MutexGuard<'a, u8>, Duration, While) -> Waited<'a> =
                Condvar::wait_timeout_while;
            let _: fn(&Condvar) = Condvar::notify_one;
            let _: fn(&Condvar) = Condvar::notify_all;
            let _: fn(&WaitTimeoutResult) -> bool = WaitTimeoutResult::timed_out;
            fn result<T: Debug + PartialEq + Eq + Copy>() {}
            result::<WaitTimeoutResult>();

            let _: fn(&Once, fn()) = Once::call_once;
            let _: fn(&Once, fn(&OnceState)) = Once::call_once_force;
            let _: fn(&Once) -> bool = Once::is_completed;
            let _: fn(&Once) = Once::wait;
            let _: fn(&Once) = Once::wait_force;
            let _: fn(&OnceState) -> bool = OnceState::is_poisoned;

            let _: fn(&OnceLock<u8>) -> Option<&u8> = OnceLock::get;
            let _: fn(&mut OnceLock<u8>) -> Option<&mut u8> = OnceLock::get_mut;
            let _: fn(&OnceLock<u8>) -> &u8 = OnceLock::wait;
            let _: fn(&OnceLock<u8>, u8) -> Result<(), u8> = OnceLock::set;
            let _: for<'a> fn(&'a OnceLock<u8>, fn() -> u8) -> &'a u8 = OnceLock::get_or_init;
            let _: fn(OnceLock<u8>) -> Option<u8> = OnceLock::into_inner;
            let _: fn(&mut OnceLock<u8>) -> Option<u8> = OnceLock::take;
            fn once_lock<T: Clone + Eq>() {}
            once_lock::<OnceLock<u8>>();

            let _: fn(&LazyLock<u8>) -> &u8 = LazyLock::force;
            fn lazy<T: Deref<Target = u8> + Debug + Default>() {}
            lazy::<LazyLock<u8>>();

            let _: fn(&Barrier) -> BarrierWaitResult = Barrier::wait;
            let _: fn(&BarrierWaitResult) -> bool = BarrierWaitResult::is_leader;
            fn shown<T: Debug>() {}
            shown::<(Once, OnceState, Barrier, BarrierWaitResult)>();
        }

        pub(super) fn channels() {
            fn end<T: Clone + Debug>() {}
            end::<Sender<u8>>();
            end::<SyncSender<u8>>();
            let _: fn() -> (Sender<u8>, Receiver<u8>) = mpsc::channel;
            let _: fn(usize) -> (SyncSender<u8>, Receiver<u8>) = mpsc::sync_channel;
            let _: fn(&Sender<u8>, u8) -> Result<(), SendError<u8>> = Sender::send;
            let _: fn(&SyncSender<u8>, u8) -> Result<(), SendError<u8>> = SyncSender::send;
            let _: fn(&SyncSender<u8>, u8) -> Result<(), TrySendError<u8>> = SyncSender::try_send;
            let _: fn(&Receiver<u8>) -> Result<u8, TryRecvError> = Receiver::try_recv;
            let _: fn(&Receiver<u8>) -> Result<u8, RecvError> = Receiver::recv;
            let _: fn(&Receiver<u8>, Duration) -> Result<u8, RecvTimeoutError> =
                Receiver::recv_timeout;
            let _: fn(&Receiver<u8>) -> mpsc::Iter<'_, u8> = Receiver::iter;
            let _: fn(&Receiver<u8>) -> mpsc::TryIter<'_, u8> = Receiver::try_iter;
            fn items<T: Debug + IntoIterator<Item = u8>>() {}
            items::<Receiver<u8>>();
            items::<&'static Receiver<u8>>();
            items::<mpsc::Iter<'static, u8>>();
            items::<mpsc::TryIter<'static, u8>>();
            items::<mpsc::IntoIter<u8>>();
        }

        pub(super) fn threads() {
            let _: fn() -> Builder = Builder::new;
            let _: fn(Builder, String) -> Builder = Builder::name;
            let _: fn(Builder, usize) -> Builder = Builder::stack_size;
            let _: fn(Builder, fn() -> u8) -> io::Result<JoinHandle<u8>> = Builder::spawn;
            let _: fn(fn() -> u8) -> JoinHandle<u8> = thread::spawn;
            let _: fn(JoinHandle<u8>) -> thread::Result<u8> = JoinHandle::join;
            let _: fn(&JoinHandle<u8>) -> &Thread = JoinHandle::thread;
            let _: fn(&JoinHandle<u8>) -> bool = JoinHandle::is_finished;
            fn scoped<'scope, 'env: 'scope>() {
                let _: fn(
                    Builder,
                    &'scope Scope<'scope, 'env>,
                    fn() -> u8,
                ) -> io::Result<ScopedJoinHandle<'scope, u8>> = Builder::spawn_scoped;
                let _: fn(&'scope Scope<'scope, 'env>, fn() -> u8) -> ScopedJoinHandle<'scope, u8> =
                    Scope::spawn;
                let _: fn(fn(&Scope<'_, 'env>) -> u8) -> u8 = thread::scope;
            }
            scoped();
            let _: fn(ScopedJoinHandle<'static, u8>) -> thread::Result<u8> = ScopedJoinHandle::join;
            let _: for<'a> fn(&'a ScopedJoinHandle<'static, u8>) -> &'a Thread =
                ScopedJoinHandle::thread;
            let _: fn(&ScopedJoinHandle<'static, u8>) -> bool = ScopedJoinHandle::is_finished;
            let _: fn(&Thread) = Thread::unpark;
            let _: fn(&Thread) -> ThreadId = Thread::id;
            let _: fn(&Thread) -> Option<&str> = Thread::name;
            let _: fn() -> Thread = thread::current;
            let _: fn() = thread::park;
            let _: fn(Duration) = thread::park_timeout;
            let _: fn(Duration) = thread::sleep;
            let _: fn() = thread::yield_now;
            let _: fn() -> bool = thread::panicking;
            let _: fn() -> io::Result<std::num::NonZeroUsize> = thread::available_parallelism;
            fn thread<T: Clone + Debug>() {}
            thread::<Thread>();
            fn id<T: Copy + Debug + Eq + Hash>() {}
            id::<ThreadId>();
            fn shown<T: Debug>() {}
            shown::<(Builder, JoinHandle<u8>, ScopedJoinHandle<'static, u8>)>();
            shown::<Scope<'static, 'static>>();
        }

        pub(super) fn files() {
            owned::<File>();
            stream::<File>();
            fn file<T: Seek + FileExt + Into<Stdio>>()
            where
                for<'a> &'a T: Seek,
            {
            }
            file::<File>();
            let _: fn(&'static str) -> io::Result<File> = File::open;
            let _: fn(&'static str) -> io::Result<File> = File::create;
            let _: fn(&'static str) -> io::Result<File> = File::create_new;
            let _: fn() -> OpenOptions = File::options;
            let _: Get<File, ()> = File::sync_all;
            let _: Get<File, ()> = File::sync_data;
            let _: Get<File, ()> = File::lock;
            let _: Get<File, ()> = File::lock_shared;
            let _: fn(&File) -> Result<(), FileLockError> = File::try_lock;
            let _: fn(&File) -> Result<(), FileLockError> = File::try_lock_shared;
            let _: Get<File, ()> = File::unlock;
            let _: Set<File, u64> = File::set_len;
            let _: Get<File, Metadata> = File::metadata;
            let _: Get<File, File> = File::try_clone;
            let _: Set<File, Permissions> = File::set_permissions;
            let _: Set<File, FileTimes> = File::set_times;
            let _: Set<File, SystemTime> = File::set_modified;

            type Option = fn(&mut OpenOptions, bool) -> &mut OpenOptions;
            let _: fn() -> OpenOptions = OpenOptions::new;
            let _: [Option; 6] = [
                OpenOptions::read,
                OpenOptions::write,
                OpenOptions::append,
                OpenOptions::truncate,
                OpenOptions::create,
                OpenOptions::create_new,
            ];
            let _: fn(&OpenOptions, &'static str) -> io::Result<File> = OpenOptions::open;
            fn options<T: Clone + Debug + OpenOptionsExt>() {}
            options::<OpenOptions>();

            let _: fn() -> DirBuilder = DirBuilder::new;
            let _: fn(&mut DirBuilder, bool) -> &mut DirBuilder = DirBuilder::recursive;
            let _: Set<DirBuilder, &'static str> = DirBuilder::create;
            let _: fn(&DirEntry) -> PathBuf = DirEntry::path;
            let _: Get<DirEntry, Metadata> = DirEntry::metadata;
            let _: Get<DirEntry, FileType> = DirEntry::file_type;
            let _: fn(&DirEntry) -> OsString = DirEntry::file_name;
            fn directory<D: Iterator<Item = io::Result<E>> + Debug, E: DirEntryExt + Debug>() {}
            directory::<ReadDir, DirEntry>();
            fn builder<T: DirBuilderExt + Debug>() {}
            builder::<DirBuilder>();

            type OfPath<T> = fn(&'static str) -> io::Result<T>;
            type OfPaths<T> = fn(&'static str, &'static str) -> io::Result<T>;
            let _: [OfPath<PathBuf>; 2] = [fs::canonicalize, fs::read_link];
            let _: [OfPaths<()>; 3] = [fs::hard_link, fs::rename, fs::write];
            let _: [OfPath<()>; 5] = [
                fs::create_dir,
                fs::create_dir_all,
                fs::remove_dir,
                fs::remove_dir_all,
                fs::remove_file,
            ];
            let _: [OfPath<Metadata>; 2] = [fs::metadata, fs::symlink_metadata];
            let _: OfPaths<u64> = fs::copy;
            let _: OfPath<bool> = fs::exists;
            let _: OfPath<Vec<u8>> = fs::read;
            let _: OfPath<String> = fs::read_to_string;
            let _: OfPath<ReadDir> = fs::read_dir;
            let _: fn(&'static str, Permissions) -> io::Result<()> = fs::set_permissions;
            let _: OfPaths<()> = $root::os::unix::fs::symlink;
            type Owner = std::option::Option<u32>;
            type Chown<F> = fn(F, Owner, Owner) -> io::Result<()>;
            let _: [Chown<&'static str>; 2] =
                [$root::os::unix::fs::chown, $root::os::unix::fs::lchown];
            let _: Chown<File> = $root::os::unix::fs::fchown;
            let _: OfPath<()> = $root::os::unix::fs::chroot;
        }

        pub(super) fn processes() {
            use std::ffi::{OsStr, OsString};
            use std::process::{CommandArgs, CommandEnvs};
            use $root::os::unix::process::{CommandExt, ExitStatusExt, parent_id};
            use $root::process::{self, Child, ChildStderr, ChildStdin, ChildStdout, Command};
            use $root::process::{ExitCode, ExitStatus, Output, Stdio as OwnStdio};

            type Change<T> = fn(&mut Command, T) -> &mut Command;
            let _: fn(&'static str) -> Command = Command::new;
            let _: Change<&'static str> = Command::arg;
            let _: Change<Vec<OsString>> = Command::args;
            let _: for<'a> fn(&'a mut Command, &'static str, OsString) -> &'a mut Command =
                Command::env;
            let _: Change<Vec<(String, String)>> = Command::envs;
            let _: Change<&'static str> = Command::env_remove;
            let _: fn(&mut Command) -> &mut Command = Command::env_clear;
            let _: Change<PathBuf> = Command::current_dir;
            let _: Change<OwnStdio> = Command::stdin;
            let _: Change<ChildStdout> = Command::stdin;
            let _: Change<PipeWriter> = Command::stdout;
            let _: Change<File> = Command::stderr;
            let _: fn(&mut Command) -> io::Result<Child> = Command::spawn;
            let _: fn(&mut Command) -> io::Result<Output> = Command::output;
            let _: fn(&mut Command) -> io::Result<ExitStatus> = Command::status;
            let _: fn(&Command) -> &OsStr = Command::get_program;
            let _: fn(&Command) -> CommandArgs<'_> = Command::get_args;
            let _: fn(&Command) -> CommandEnvs<'_> = Command::get_envs;
            let _: fn(&Command) -> Option<&Path> = Command::get_current_dir;
            let _: fn(&Child) -> u32 = Child::id;
            let _: fn(&mut Child) -> io::Result<()> = Child::kill;
            let _: fn(&mut Child) -> io::Result<ExitStatus> = Child::wait;
            let _: fn(&mut Child) -> io::Result<Option<ExitStatus>> = Child::try_wait;
            let _: fn(Child) -> io::Result<Output> = Child::wait_with_output;
            let _ = |mut child: Child| -> (Option<ChildStdin>, Option<ChildStdout>, Option<ChildStderr>) {
                (child.stdin.take(), child.stdout.take(), child.stderr.take())
            };
            fn pipe<T: Debug + AsFd + AsRawFd + IntoRawFd + From<OwnedFd> + Into<OwnedFd> + Into<OwnStdio>>() {}
            pipe::<ChildStdin>();
            pipe::<ChildStdout>();
            pipe::<ChildStderr>();
            fn writes<T: Write>()
            where
                for<'a> &'a T: Write,
            {
            }
            writes::<ChildStdin>();
            fn reads<T: Read>() {}
            reads::<ChildStdout>();
            reads::<ChildStderr>();
            fn plain<T: Debug + Send + Sync>() {}
            plain::<Command>();
            plain::<Child>();
            let _: Change<u32> = CommandExt::uid;
            let _: Change<u32> = CommandExt::gid;
            let _: unsafe fn(&mut Command, fn() -> io::Result<()>) -> &mut Command =
                CommandExt::pre_exec;
            let _: fn(&mut Command) -> io::Error = CommandExt::exec;
            let _: Change<&'static str> = CommandExt::arg0;
            let _: Change<i32> = CommandExt::process_group;
            let _: fn(i32) -> ExitStatus = ExitStatusExt::from_raw;
            let _: fn(&ExitStatus) -> Option<i32> = ExitStatusExt::signal;
            let _: fn() -> u32 = parent_id;
            let _: fn() -> u32 = process::id;
            let _: fn() -> ! = process::abort;
            let _: fn(i32) -> ! = process::exit;
            let _ = ExitCode::SUCCESS;
        }

        pub(super) fn standard_streams_and_pipes() {
            use $root::io::{copy, empty, pipe, sink, stderr, stdin, stdout};
            owned::<PipeReader>();
            owned::<PipeWriter>();
            fn reader<T: Read + Into<Stdio>>()
            where
                for<'a> &'a T: Read,
            {
            }
            fn writer<T: Write + Into<Stdio>>()
            where
                for<'a> &'a T: Write,
            {
            }
            reader::<PipeReader>();
            writer::<PipeWriter>();
            let _: fn() -> io::Result<(PipeReader, PipeWriter)> = pipe;
            let _: Get<PipeReader, PipeReader> = PipeReader::try_clone;
            let _: Get<PipeWriter, PipeWriter> = PipeWriter::try_clone;

            let _: fn() -> Stdin = stdin;
            let _: fn(&Stdin) -> StdinLock<'static> = Stdin::lock;
            let _: fn(&Stdin, &mut String) -> io::Result<usize> = Stdin::read_line;
            let _: fn(Stdin) -> io::Lines<StdinLock<'static>> = Stdin::lines;
            fn input<T: Read + AsFd + AsRawFd + Debug, L: BufRead + AsFd + AsRawFd + Debug>()
            where
                for<'a> &'a T: Read,
            {
            }
            input::<Stdin, StdinLock<'static>>();
            fn output<
                T: Write + AsFd + AsRawFd + Debug + Into<Stdio>,
                L: Write + AsFd + AsRawFd + Debug,
            >()
            where
                for<'a> &'a T: Write,
            {
            }
            output::<Stdout, StdoutLock<'static>>();
            output::<Stderr, StderrLock<'static>>();
            let _: fn() -> Stdout = stdout;
            let _: fn() -> Stderr = stderr;
            let _: fn(&Stdout) -> StdoutLock<'static> = Stdout::lock;
            let _: fn(&Stderr) -> StderrLock<'static> = Stderr::lock;
            // What is no source of waits is std's own.
            let _: fn(&mut io::Empty, &mut io::Sink) -> io::Result<u64> = copy;
            let _: (io::Empty, io::Sink) = (empty(), sink());
        }
    };
}

mod ours {
    surface!(greenthread);

    /// What std got after the oldest compiler that this crate supports.
    pub(super) fn newer() {
        let _: fn(RwLockWriteGuard<'static, u8>) -> RwLockReadGuard<'static, u8> =
            RwLockWriteGuard::downgrade;
        let _: fn(&LazyLock<u8>) -> Option<&u8> = LazyLock::get;
        let _: fn(&mut LazyLock<u8>) -> Option<&mut u8> = LazyLock::get_mut;
        let _: fn(&mut LazyLock<u8>) -> &mut u8 = LazyLock::force_mut;
        fn lazy<T: DerefMut<Target = u8>>() {}
        lazy::<LazyLock<u8>>();
    }
}

mod theirs {
    surface!(std);
}

/// That it compiles is the test.
#[test]
fn the_same_with_stds_names_and_with_ours() {
    let lists: [[fn(); 9]; 2] = [
        [
            ours::tcp_sockets,
            ours::udp_sockets,
            ours::addresses,
            ours::unix_sockets,
            ours::locks,
            ours::channels,
            ours::threads,
            ours::files,
            ours::processes,
        ],
        [
            theirs::tcp_sockets,
            theirs::udp_sockets,
            theirs::addresses,
            theirs::unix_sockets,
            theirs::locks,
            theirs::channels,
            theirs::threads,
            theirs::files,
            theirs::processes,
        ],
    ];
    lists.iter().flatten().for_each(|list| list());
    ours::standard_streams_and_pipes();
    theirs::standard_streams_and_pipes();
    ours::newer();
}
