//! Copies a folder with everything in it, many files at once, then compares every byte.
//!
//!     cargo run --release --example copier -- FROM TO
//!     cargo run --release --example copier -- --check
//!
//! Disks block OS threads: `greenthread::fs` sees to it that the green threads wait for them, and not the workers.

mod shared {
    pub mod scratch;
    pub mod usage;
}

use greenthread::fs::{self, File};
use greenthread::os::unix::fs::symlink;
use greenthread::spawn;
use greenthread::sync::{Arc, Semaphore, mpsc};
use shared::scratch::Scratch;
use shared::usage;
use std::io::{self, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const USAGE: &str = "copier FROM TO | --check";

/// Files under way at once.
const AT_ONCE: usize = 64;
const CHUNK: usize = 256 * 1024;

/// What is to be done, relative to the folders.
#[derive(Default)]
struct Plan {
    folders: Vec<PathBuf>,
    files: Vec<(PathBuf, u64)>,
    links: Vec<PathBuf>,
}

impl Plan {
    /// Reads a folder and what is below it; links are not followed.
    fn read(root: &Path) -> io::Result<Self> {
        let mut plan = Self { folders: vec![PathBuf::new()], ..Self::default() };
        let mut at = 0;
        while at < plan.folders.len() {
            let folder = plan.folders[at].clone();
            at += 1;
            for entry in fs::read_dir(root.join(&folder))? {
                let entry = entry?;
                let path = folder.join(entry.file_name());
                let kind = entry.file_type()?;
                if kind.is_dir() {
                    plan.folders.push(path);
                } else if kind.is_file() {
                    plan.files.push((path, entry.metadata()?.len()));
                } else if kind.is_symlink() {
                    plan.links.push(path);
                } else {
                    let what = format!("{} is no file, folder or link", path.display());
                    return Err(io::Error::other(what));
                }
            }
        }
        Ok(plan)
    }
}

/// Copies a file in pieces, and tells of each.
fn copy(from: &Path, to: &Path, progress: &mpsc::Sender<u64>) -> io::Result<()> {
    let (mut from, mut to) = (File::open(from)?, File::create(to)?);
    to.set_permissions(from.metadata()?.permissions())?;
    let mut chunk = vec![0; CHUNK];
    loop {
        let got = from.read(&mut chunk)?;
        if got == 0 {
            return Ok(());
        }
        to.write_all(&chunk[..got])?;
        let _ = progress.send(got as u64);
    }
}

fn is_same(one: &Path, other: &Path) -> io::Result<bool> {
    let (mut one, mut other) = (File::open(one)?, File::open(other)?);
    if one.metadata()?.len() != other.metadata()?.len() {
        return Ok(false);
    }
    let (mut left, mut right) = (vec![0; CHUNK], vec![0; CHUNK]);
    loop {
        let got = one.read(&mut left)?;
        other.read_exact(&mut right[..got])?;
        if got == 0 || left[..got] != right[..got] {
            return Ok(got == 0);
        }
    }
}

/// Runs `work` for every file, so many at once, and returns the first failure with the file's name.
fn for_each(
    files: &[(PathBuf, u64)],
    work: impl Fn(&Path) -> io::Result<()> + Send + Sync + 'static,
) -> io::Result<()> {
    let (work, permits) = (Arc::new(work), Arc::new(Semaphore::new(AT_ONCE)));
    let mut running = Vec::with_capacity(files.len());
    for (path, _) in files {
        let permit = permits.acquire_owned();
        let (path, work) = (path.clone(), Arc::clone(&work));
        running.push(spawn(move || {
            let result = work(&path);
            drop(permit);
            result.map_err(|error| {
                io::Error::new(error.kind(), format!("{}: {error}", path.display()))
            })
        }));
    }
    running.into_iter().try_for_each(|file| file.join().map_err(io::Error::other)?)
}

/// Shows how much of `total` has come, until nobody copies any more.
fn show(total: u64, events: &mpsc::Receiver<u64>) {
    let (mut done, mut drawn) = (0, Instant::now());
    let terminal = io::stderr().is_terminal();
    let draw = |done: u64| {
        let percent = (done * 100).checked_div(total).unwrap_or(100);
        let bar = "#".repeat((percent * 2 / 5) as usize);
        eprint!("{}[{bar:<40}] {percent:>3} %", if terminal { "\r" } else { "" });
    };
    for bytes in events {
        done += bytes;
        if terminal && drawn.elapsed() > Duration::from_millis(50) {
            draw(done);
            drawn = Instant::now();
        }
    }
    draw(done);
    eprintln!();
}

fn copy_folder(from: &Path, to: &Path) -> io::Result<()> {
    let begin = Instant::now();
    let plan = Plan::read(from)?;
    if to.starts_with(from) {
        return Err(io::Error::other("a folder cannot be copied into itself"));
    }
    for folder in &plan.folders {
        fs::create_dir(to.join(folder))?;
    }
    for link in &plan.links {
        symlink(fs::read_link(from.join(link))?, to.join(link))?;
    }
    let total = plan.files.iter().map(|(_, size)| size).sum();
    let (sender, receiver) = mpsc::channel();
    let progress = spawn(move || show(total, &receiver));
    let (root, target) = (from.to_owned(), to.to_owned());
    for_each(&plan.files, move |path| copy(&root.join(path), &target.join(path), &sender))?;
    progress.join().map_err(io::Error::other)?;
    let (root, target) = (from.to_owned(), to.to_owned());
    for_each(&plan.files, move |path| match is_same(&root.join(path), &target.join(path))? {
        true => Ok(()),
        false => Err(io::Error::other("the copy differs")),
    })?;
    println!(
        "{} files and {} folders, {total} bytes, copied and compared in {:.2} s",
        plan.files.len(),
        plan.folders.len(),
        begin.elapsed().as_secs_f64()
    );
    Ok(())
}

fn check() -> io::Result<()> {
    let scratch = Scratch::new("copier")?;
    let (from, to) = (scratch.path().join("from"), scratch.path().join("to"));
    for i in 0..300usize {
        let folder = from.join(format!("{}/{}", i % 7, i % 3));
        fs::create_dir_all(&folder)?;
        let data: Vec<u8> = (0..i * i * 2).map(|at| ((at * i) >> 3) as u8).collect();
        fs::write(folder.join(format!("file {i}")), data)?;
    }
    symlink("0/0/file 0", from.join("link"))?;
    copy_folder(&from, &to)?;
    // The check does not believe the program.
    let (there, here) = (Plan::read(&from)?, Plan::read(&to)?);
    let sorted = |mut plan: Plan| {
        plan.files.sort();
        plan.folders.sort();
        (plan.files, plan.folders, plan.links)
    };
    let (there, here) = (sorted(there), sorted(here));
    assert!(there == here && here.0.len() == 300);
    for (file, _) in &here.0 {
        assert!(fs::read(from.join(file))? == fs::read(to.join(file))?);
    }
    assert_eq!(fs::read_link(to.join("link"))?, Path::new("0/0/file 0"));
    assert!(copy_folder(&from, &to).is_err(), "the target is there already");
    assert!(copy_folder(&from, &from.join("inside")).is_err());
    println!("OK");
    Ok(())
}

fn main() -> io::Result<()> {
    let arguments = usage::arguments_os(USAGE, &["--check"]);
    match arguments.as_slice() {
        [check_it] if check_it == "--check" => greenthread::run(check),
        [from, to] => {
            let (from, to) = (PathBuf::from(from), PathBuf::from(to));
            greenthread::run(move || copy_folder(&from, &to))
        }
        _ => usage::usage(USAGE),
    }
}
