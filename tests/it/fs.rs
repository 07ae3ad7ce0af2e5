//! Files: what std documents of them, on ours.

use crate::support::{everywhere, on_all_runtimes, until, within_limit};
use greenthread::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use greenthread::io::{ErrorKind, IoSlice, IoSliceMut, Read, Seek, SeekFrom, Write};
use greenthread::os::unix::fs::{
    DirBuilderExt, DirEntryExt, FileExt, MetadataExt, OpenOptionsExt, PermissionsExt, chown,
    fchown, lchown, symlink,
};
use greenthread::{Runtime, sleep, spawn, timeout, yield_now};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, IntoRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

/// A directory of its own for each test; gone at its end.
struct TempDir(PathBuf);

impl TempDir {
    fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path =
            std::env::temp_dir().join(format!("greenthread-fs-{}-{number}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn make_fifo(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

macro_rules! cases {
    ($(fn $name:ident() $body:block)*) => {
        $(#[test] fn $name() { everywhere(|| $body) })*
    };
}

cases! {
    fn write_read_and_seek() {
        let dir = TempDir::new();
        let path = dir.path("file");
        assert_eq!(File::open(&path).unwrap_err().kind(), ErrorKind::NotFound);
        let mut file = File::create(&path).unwrap();
        assert_eq!(file.write(b"hello").unwrap(), 5);
        let pieces = [IoSlice::new(b" wor"), IoSlice::new(b""), IoSlice::new(b"ld")];
        assert_eq!(file.write_vectored(&pieces).unwrap(), 6);
        file.flush().unwrap();
        file.sync_data().unwrap();
        assert!(file.read(&mut [0]).is_err(), "it is for writing");
        assert_eq!(File::create_new(&path).unwrap_err().kind(), ErrorKind::AlreadyExists);

        let mut file = File::open(&path).unwrap();
        assert!(file.write(b"x").is_err(), "it is for reading");
        let mut text = [0; 5];
        file.read_exact(&mut text).unwrap();
        assert_eq!(&text, b"hello");
        assert_eq!(file.stream_position().unwrap(), 5);
        let (mut one, mut rest) = ([0; 2], [0; 20]);
        let mut pieces = [IoSliceMut::new(&mut one), IoSliceMut::new(&mut rest)];
        assert_eq!(file.read_vectored(&mut pieces).unwrap(), 6);
        assert_eq!((&one, &rest[..4]), (b" w", &b"orld"[..]));
        assert_eq!(file.read(&mut text).unwrap(), 0);
        assert_eq!(file.seek(SeekFrom::End(-5)).unwrap(), 6);
        let mut rest = String::from("the ");
        file.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "the world");
        file.rewind().unwrap();
        let mut all = Vec::new();
        (&file).read_to_end(&mut all).unwrap();
        assert_eq!(all, b"hello world");
        assert!(file.seek(SeekFrom::Current(-100)).is_err());
    }

    fn at_offsets() {
        let dir = TempDir::new();
        let file = File::create_new(dir.path("file")).unwrap();
        file.write_all_at(b"0123456789", 5).unwrap();
        let mut piece = [0; 4];
        file.read_exact_at(&mut piece, 7).unwrap();
        assert_eq!(&piece, b"2345");
        assert_eq!(file.read_at(&mut piece, 13).unwrap(), 2);
        assert_eq!(file.read_at(&mut piece, 100).unwrap(), 0);
        assert_eq!((&file).stream_position().unwrap(), 0);
    }

    fn large_files() {
        let dir = TempDir::new();
        let data: Vec<u8> = (0..5 << 20).map(|i: u32| (i % 253) as u8).collect();
        let mut file = File::create(dir.path("large")).unwrap();
        file.write_all(&data).unwrap();
        let halves = data.split_at(3 << 20);
        let mut written = 0;
        let mut second = File::create(dir.path("second")).unwrap();
        while written < data.len() {
            let (a, b) = (&halves.0[written.min(halves.0.len())..], &halves.1[written.saturating_sub(halves.0.len())..]);
            written += second.write_vectored(&[IoSlice::new(a), IoSlice::new(b)]).unwrap();
        }
        for name in ["large", "second"] {
            assert!(fs::read(dir.path(name)).unwrap() == data);
            let mut all = Vec::new();
            File::open(dir.path(name)).unwrap().read_to_end(&mut all).unwrap();
            assert!(all == data);
        }
        // Copied by std's function, through its buffer.
        let mut from = File::open(dir.path("large")).unwrap();
        let mut to = File::create(dir.path("third")).unwrap();
        assert_eq!(greenthread::io::copy(&mut from, &mut to).unwrap(), 5 << 20);
        assert!(std::fs::read(dir.path("third")).unwrap() == data);
    }

    fn whole_files() {
        let dir = TempDir::new();
        let (a, b) = (dir.path("a"), dir.path("b"));
        fs::write(&a, "text").unwrap();
        assert_eq!(fs::read(&a).unwrap(), b"text");
        assert_eq!(fs::read_to_string(&a).unwrap(), "text");
        assert_eq!(fs::copy(&a, &b).unwrap(), 4);
        fs::write(&b, [0xff]).unwrap();
        assert_eq!(fs::read_to_string(&b).unwrap_err().kind(), ErrorKind::InvalidData);
        assert!(fs::exists(&b).unwrap());
        fs::rename(&b, dir.path("c")).unwrap();
        assert!(!fs::exists(&b).unwrap());
        fs::hard_link(&a, &b).unwrap();
        assert_eq!(fs::metadata(&a).unwrap().nlink(), 2);
        fs::remove_file(&b).unwrap();
        symlink("a", &b).unwrap();
        assert_eq!(fs::read_link(&b).unwrap(), Path::new("a"));
        assert!(fs::symlink_metadata(&b).unwrap().is_symlink() && fs::metadata(&b).unwrap().is_file());
        assert_eq!(fs::canonicalize(&b).unwrap(), std::fs::canonicalize(&a).unwrap());
        let mut permissions = fs::metadata(&a).unwrap().permissions();
        permissions.set_mode(0o400);
        fs::set_permissions(&a, permissions).unwrap();
        assert_eq!(fs::metadata(&a).unwrap().mode() & 0o777, 0o400);
        chown(&a, None, None).unwrap();
        lchown(&b, None, None).unwrap();
        let file = File::open(&a).unwrap();
        let (uid, gid) = (file.metadata().unwrap().uid(), file.metadata().unwrap().gid());
        fchown(&file, Some(uid), Some(gid)).unwrap();
        assert_eq!((file.metadata().unwrap().uid(), file.metadata().unwrap().gid()), (uid, gid));
        assert_eq!(fs::remove_dir(&a).unwrap_err().kind(), ErrorKind::NotADirectory);
        assert_eq!(fs::read("a\0b").unwrap_err().kind(), ErrorKind::InvalidInput);
    }

    fn directories_are_made_listed_and_removed() {
        let dir = TempDir::new();
        let deep = dir.path("x/y/z");
        assert_eq!(fs::create_dir(&deep).unwrap_err().kind(), ErrorKind::NotFound);
        fs::create_dir_all(&deep).unwrap();
        fs::create_dir_all(&deep).unwrap();
        assert_eq!(fs::create_dir(&deep).unwrap_err().kind(), ErrorKind::AlreadyExists);
        DirBuilder::new().mode(0o700).create(dir.path("private")).unwrap();
        assert_eq!(fs::metadata(dir.path("private")).unwrap().mode() & 0o777, 0o700);
        DirBuilder::new().recursive(true).create(&deep).unwrap();
        // More than are read at once; exactly as many; none.
        for count in [300, 128, 0] {
            for i in 0..count { fs::write(deep.join(format!("{i}")), "").unwrap() }
            let mut numbers: Vec<usize> = fs::read_dir(&deep).unwrap().map(|entry| {
                let entry = entry.unwrap();
                assert!(entry.file_type().unwrap().is_file() && entry.metadata().unwrap().is_file());
                assert_eq!((entry.path(), entry.ino()), (deep.join(entry.file_name()), entry.metadata().unwrap().ino()));
                entry.file_name().to_str().unwrap().parse().unwrap()
            }).collect();
            numbers.sort_unstable();
            assert_eq!(numbers, (0..count).collect::<Vec<_>>());
            if count > 0 {
                assert_eq!(fs::remove_dir(&deep).unwrap_err().kind(), ErrorKind::DirectoryNotEmpty);
            }
            fs::remove_dir_all(dir.path("x")).unwrap();
            fs::create_dir_all(&deep).unwrap();
        }
        fs::remove_dir(&deep).unwrap();
        assert_eq!(fs::read_dir(&deep).unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(File::open(&dir.0).unwrap().read(&mut [0]).unwrap_err().kind(), ErrorKind::IsADirectory);
    }

    fn options_of_opening() {
        let dir = TempDir::new();
        let path = dir.path("file");
        assert_eq!(OpenOptions::new().open(&path).unwrap_err().kind(), ErrorKind::InvalidInput);
        assert_eq!(File::options().write(true).open(&path).unwrap_err().kind(), ErrorKind::NotFound);
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        for _ in 0..2 {
            OpenOptions::new().append(true).open(&path).unwrap().write_all(b"ab").unwrap();
        }
        let mut both = OpenOptions::new().read(true).write(true).custom_flags(libc::O_NOFOLLOW).open(&path).unwrap();
        let mut text = String::new();
        both.read_to_string(&mut text).unwrap();
        assert_eq!(text, "abab");
        OpenOptions::new().write(true).truncate(true).open(&path).unwrap();
        assert_eq!(both.metadata().unwrap().len(), 0);
        assert!(OpenOptions::new().write(true).create_new(true).open(&path).is_err());
    }

    fn lengths_times_permissions_and_clones() {
        let dir = TempDir::new();
        let file = File::create_new(dir.path("file")).unwrap();
        file.set_len(10).unwrap();
        assert_eq!(file.metadata().unwrap().len(), 10);
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        file.set_modified(time).unwrap();
        assert_eq!(file.metadata().unwrap().modified().unwrap(), time);
        let later = time + Duration::from_secs(5);
        file.set_times(fs::FileTimes::new().set_accessed(later)).unwrap();
        assert_eq!(file.metadata().unwrap().accessed().unwrap(), later);
        let mut permissions = file.metadata().unwrap().permissions();
        permissions.set_readonly(true);
        file.set_permissions(permissions).unwrap();
        assert!(file.metadata().unwrap().permissions().readonly());
        let mut clone = file.try_clone().unwrap();
        clone.write_all(b"12345").unwrap();
        assert_eq!((&file).stream_position().unwrap(), 5, "the position is shared");
        file.sync_all().unwrap();
    }

    fn locks_of_files_exclude_one_another() {
        let dir = TempDir::new();
        let path = dir.path("file");
        let first = File::create_new(&path).unwrap();
        let second = File::open(&path).unwrap();
        first.lock().unwrap();
        assert!(matches!(second.try_lock(), Err(TryLockError::WouldBlock)));
        assert!(matches!(second.try_lock_shared(), Err(TryLockError::WouldBlock)));
        let waiter = spawn(move || {
            second.lock_shared().unwrap();
            second
        });
        sleep(Duration::from_millis(2));
        assert!(!waiter.is_finished());
        first.unlock().unwrap();
        let second = waiter.join().unwrap();
        first.try_lock_shared().unwrap();
        assert!(matches!(first.try_lock(), Err(TryLockError::WouldBlock)));
        drop(second);
        first.lock().unwrap();
    }

    fn to_and_from_std() {
        let dir = TempDir::new();
        let path = dir.path("file");
        let mut file = File::from(std::fs::File::create(&path).unwrap());
        file.write_all(b"one ").unwrap();
        let mut std = std::fs::File::from(file);
        std.write_all(b"two ").unwrap();
        let file = File::from(OwnedFd::from(std));
        assert!(format!("{file:?}").contains("file"));
        assert_eq!(file.as_raw_fd(), file.as_fd().as_raw_fd());
        // SAFETY: `into_raw_fd` has just given the descriptor up.
        let file = unsafe { File::from_raw_fd(file.into_raw_fd()) };
        let mut child = Command::new("echo").arg("three").stdout(Stdio::from(file)).spawn().unwrap();
        assert!(child.wait().unwrap().success());
        assert_eq!(fs::read_to_string(&path).unwrap(), "one two three\n");
        // What the system's cache does not serve.
        let stat = fs::read_to_string("/proc/self/stat").unwrap();
        let mut text = String::new();
        File::open("/proc/self/stat").unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text.split(' ').next(), stat.split(' ').next());
        let mut zeros = [1; 100];
        File::open("/dev/zero").unwrap().read_exact(&mut zeros).unwrap();
        assert_eq!(zeros, [0; 100]);
    }

    fn fifos_pass_on_what_is_written() {
        let dir = TempDir::new();
        let path = dir.path("fifo");
        make_fifo(&path);
        let to = path.clone();
        let writer = spawn(move || {
            let mut file = OpenOptions::new().write(true).open(to).unwrap();
            file.write_all(&[7; 300_000]).unwrap();
            sleep(Duration::from_millis(2));
            let sent = file.write_vectored(&[IoSlice::new(b"en"), IoSlice::new(b"d")]).unwrap();
            assert_eq!(sent, 3);
        });
        let mut all = Vec::new();
        File::open(&path).unwrap().read_to_end(&mut all).unwrap();
        writer.join().unwrap();
        assert_eq!((all.len(), &all[300_000..]), (300_003, &b"end"[..]));
        // Functions suspend their caller only as well: each of these waits for another.
        let second = dir.path("second");
        make_fifo(&second);
        let (from, to) = (path.clone(), second.clone());
        let relay = spawn(move || fs::write(to, fs::read(from).unwrap()).unwrap());
        let reader = spawn(move || fs::read(second).unwrap());
        fs::write(&path, vec![7; 300_000]).unwrap();
        relay.join().unwrap();
        assert_eq!(reader.join().unwrap(), vec![7; 300_000]);
    }

    fn fifos_that_were_opened_not_to_wait() {
        let dir = TempDir::new();
        let path = dir.path("fifo");
        make_fifo(&path);
        let mut options = OpenOptions::new();
        options.custom_flags(libc::O_NONBLOCK);
        let mut reader = options.clone().read(true).open(&path).unwrap();
        assert_eq!(reader.read(&mut [0]).unwrap(), 0, "nobody writes");
        let mut writer = options.write(true).open(&path).unwrap();
        assert_eq!(reader.read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
        let mut sent = 0;
        let full = loop {
            match writer.write(&[5; 10_000]) {
                Ok(some) => sent += some,
                Err(error) => break error.kind(),
            }
        };
        assert_eq!(full, ErrorKind::WouldBlock);
        drop(writer);
        // A child that another test starts has the end for writing too, until it executes its program.
        let mut read = Vec::new();
        while let Err(error) = reader.read_to_end(&mut read) {
            assert_eq!(error.kind(), ErrorKind::WouldBlock);
            sleep(Duration::from_millis(1));
        }
        assert_eq!(read.len(), sent);
    }
}

/// Opening a FIFO and reading it take as long as they like: others run meanwhile, and a kill ends the wait.
#[test]
fn what_never_comes_holds_up_nobody() {
    within_limit(|| {
        let dir = TempDir::new();
        let path = dir.path("fifo");
        make_fifo(&path);
        let writer_path = path.clone();
        Runtime::new_current_thread()
            .unwrap()
            .run_local(move || {
                let opening = path.clone();
                let opening = spawn(move || drop(File::open(opening).unwrap()));
                let unopened = path.clone();
                let reading = spawn(move || {
                    let mut file =
                        OpenOptions::new().read(true).write(true).open(unopened).unwrap();
                    file.read(&mut [0]).map(drop)
                });
                let ran = Arc::new(AtomicUsize::new(0));
                let count = Arc::clone(&ran);
                let neighbour = spawn(move || {
                    for _ in 0..5 {
                        sleep(Duration::from_millis(1));
                        count.fetch_add(1, Ordering::SeqCst);
                    }
                });
                until(|| ran.load(Ordering::SeqCst) == 5);
                neighbour.join().unwrap();
                assert!(!reading.is_finished());
                reading.kill();
                assert!(reading.join().unwrap_err().is_killed());
                opening.kill();
                let _ = opening.join();
                let second = path.with_file_name("second");
                make_fifo(&second);
                let stuck = spawn(move || drop(File::open(second).unwrap()));
                sleep(Duration::from_millis(5));
                stuck.kill();
                assert!(stuck.join().unwrap_err().is_killed());
            })
            .unwrap();
        // The pool's threads that opened go their way.
        drop(OpenOptions::new().read(true).write(true).open(&writer_path).unwrap());
        drop(OpenOptions::new().read(true).write(true).open(writer_path.with_file_name("second")));
    });
}

/// More than there are threads for files, each opened in its own way. Files go on meanwhile, and so do the other ends.
#[test]
fn fifos_that_nobody_opens_take_no_place_from_others() {
    on_all_runtimes(|| {
        let dir = TempDir::new();
        let paths: Vec<_> = (0..100).map(|at| dir.path(&at.to_string())).collect();
        paths.iter().for_each(|path| make_fifo(path));
        let open: Vec<_> = paths
            .iter()
            .cloned()
            .enumerate()
            .map(|(at, path)| {
                spawn(move || match at % 5 {
                    0 => File::open(path).map(drop),
                    1 => OpenOptions::new().write(true).open(path).map(drop),
                    2 => fs::read(path).map(drop),
                    3 => fs::write(path, "text"),
                    _ => fs::copy("/proc/self/comm", path).map(drop),
                })
            })
            .collect();
        assert!(!fs::read_to_string("/proc/self/comm").unwrap().is_empty());
        assert!(File::open("/proc/self/comm").unwrap().metadata().unwrap().is_file());
        sleep(Duration::from_millis(20));
        assert!(open.iter().all(|one| !one.is_finished()));
        // A kill or a timeout ends each of them.
        for (at, (one, path)) in open.into_iter().zip(paths).enumerate() {
            if at % 2 == 0 {
                one.kill();
                assert!(one.join().unwrap_err().is_killed());
                assert!(timeout(Duration::from_millis(1), || File::open(path)).is_err());
                continue;
            }
            // The other end, opened like any other file, ends the rest.
            match at % 5 {
                0 => drop(OpenOptions::new().write(true).open(path).unwrap()),
                2 => fs::write(path, "text").unwrap(),
                _ => drop(fs::read(path).unwrap()),
            }
            one.join().unwrap().unwrap();
        }
    });
}

/// Who is killed while it looks for the other end has opened nothing, and does not do so later.
#[test]
fn an_opening_of_a_fifo_that_was_killed_does_not_go_on() {
    on_all_runtimes(|| {
        let dir = TempDir::new();
        for at in 0..200 {
            let path = dir.path(&at.to_string());
            make_fifo(&path);
            let own = path.clone();
            let opening = spawn(move || OpenOptions::new().write(true).open(own).map(drop));
            (0..at % 20).for_each(|_| yield_now());
            opening.kill();
            assert!(opening.join().unwrap_err().is_killed());
            // A pool's thread that went on would find a reader now.
            let reader = timeout(Duration::from_millis(1), || File::open(path));
            assert!(reader.is_err(), "somebody has opened it");
        }
    });
}

/// A timeout strikes after the operation, whose outcome is seen.
#[test]
fn reads_and_writes_are_shielded() {
    within_limit(|| {
        Runtime::new_current_thread()
            .unwrap()
            .run_local(|| {
                let dir = TempDir::new();
                let mut file = File::create_new(dir.path("file")).unwrap();
                let sent = std::cell::Cell::new(0);
                let outcome = greenthread::timeout(Duration::from_millis(20), || {
                    loop {
                        file.write_all(&[5; 1000]).unwrap();
                        sent.set(sent.get() + 1000);
                    }
                });
                let Err(_) = outcome;
                assert_eq!(file.metadata().unwrap().len(), sent.get());
                assert_eq!(file.stream_position().unwrap(), sent.get());
                // A directory whose reading was cut short still has all its entries.
                let mut entries = fs::read_dir(&dir.0).unwrap();
                assert!(greenthread::timeout(Duration::ZERO, || entries.next()).is_err());
                assert_eq!(entries.next().unwrap().unwrap().file_name(), "file");
                // A killed one stops as well, and does not go on with files for ever.
                let endless = spawn(move || -> () {
                    loop {
                        file.metadata().unwrap();
                    }
                });
                sleep(Duration::from_millis(1));
                endless.kill();
                assert!(endless.join().unwrap_err().is_killed());
            })
            .unwrap();
    });
}

/// Reading what is in the cache waits for nothing, but gives way now and then: not with something in hand.
#[test]
fn a_timeout_takes_nothing_along_that_was_read() {
    on_all_runtimes(|| {
        let dir = TempDir::new();
        let path = dir.path("file");
        std::fs::write(&path, vec![7; 1 << 20]).unwrap();
        let mut file = File::open(&path).unwrap();
        for _ in 0..5 {
            let read = std::cell::Cell::new(file.stream_position().unwrap());
            let cut_off = greenthread::timeout(Duration::from_millis(2), || {
                loop {
                    read.set(read.get() + file.read(&mut [0; 3]).unwrap() as u64);
                }
            });
            let Err(_) = cut_off;
            assert_eq!(file.stream_position().unwrap(), read.get());
        }
    });
}
