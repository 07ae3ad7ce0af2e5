//! Functions by their place in the program, so that another process of the same program can be told to run one.
//!
//! Such a function has a [`Record`], a static that lies in the read-only part of the program. Its distance from another
//! static, the anchor, is the same in each process, wherever the system has loaded the program. A distance that came
//! from elsewhere is not trusted: it must lead to a place that has the mark of a record, its own address, and the
//! expected name.

use std::ffi::{c_int, c_void};
use std::ops::Range;
use std::sync::OnceLock;
use std::{fmt, io, ptr, slice};

/// Why a function gave no result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failed {
    /// Its arguments could not be decoded.
    Arguments(String),
    /// It panicked.
    Panicked(String),
    /// Its result could not be encoded.
    Result(String),
}

/// A function whose arguments and result are bytes.
pub(crate) type BytesFunction = fn(&[u8]) -> Result<Vec<u8>, Failed>;

/// The first words of a record. No other static begins with these and its own address.
const MARK: [u64; 2] = [0x6772_6565_6e74_6872, 0x9c1f_53d7_2ab4_e806];

/// The type of what each record refers to: a static that is visible nowhere else, so that nothing else looks like a
/// record.
#[derive(Debug)]
struct Keeper(#[expect(dead_code, reason = "it is there for its address")] u8);

static KEEPER: Keeper = Keeper(0);

/// A function that other processes may be told to run, as the program keeps it.
#[repr(C)]
pub struct Record {
    mark: [u64; 2],
    /// The address of [`KEEPER`], which no code elsewhere can name.
    keeper: &'static Keeper,
    own: &'static Self,
    name: &'static str,
    types: fn() -> &'static str,
    run: BytesFunction,
}

impl Record {
    /// The record of a function; `own` is the static that it becomes.
    pub const fn new(
        own: &'static Self,
        name: &'static str,
        types: fn() -> &'static str,
        run: BytesFunction,
    ) -> Self {
        Self { mark: MARK, keeper: &KEEPER, own, name, types, run }
    }

    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    pub(crate) fn types(&self) -> &'static str {
        (self.types)()
    }

    pub(crate) fn run(&self, arguments: &[u8]) -> Result<Vec<u8>, Failed> {
        (self.run)(arguments)
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record").field("name", &self.name).finish_non_exhaustive()
    }
}

static ANCHOR: Record = Record::new(&ANCHOR, "", || "", |_| Ok(Vec::new()));

/// The program, or the shared library, that this library is part of.
#[derive(Debug, Default)]
struct Image {
    /// Whether the anchor is in it.
    found: bool,
    /// The parts that nothing writes to while the program runs.
    constant: Vec<Range<usize>>,
    build_id: Vec<u8>,
}

fn image() -> &'static Image {
    static IMAGE: OnceLock<Image> = OnceLock::new();
    IMAGE.get_or_init(|| {
        let mut image = Image::default();
        // SAFETY: `look_at` has the signature that is asked for, and gets the pointer that it expects.
        unsafe { libc::dl_iterate_phdr(Some(look_at), (&raw mut image).cast()) };
        image
    })
}

/// Notes the image if it is the one with the anchor.
unsafe extern "C" fn look_at(
    info: *mut libc::dl_phdr_info,
    _: libc::size_t,
    into: *mut c_void,
) -> c_int {
    // SAFETY: the C library passes a valid description, whose program headers stay while the image is loaded, and the pointer
    // that it was given by `image`.
    let (info, into) = unsafe { (&*info, &mut *into.cast::<Image>()) };
    // SAFETY: as above.
    let headers = unsafe { slice::from_raw_parts(info.dlpi_phdr, info.dlpi_phnum.into()) };
    let range = |header: &libc::Elf64_Phdr| {
        let start = (info.dlpi_addr as usize).wrapping_add(header.p_vaddr as usize);
        start..start.wrapping_add(header.p_memsz as usize)
    };
    let anchor = ptr::from_ref(&ANCHOR).addr();
    let loaded = || headers.iter().filter(|header| header.p_type == libc::PT_LOAD);
    if !loaded().any(|header| range(header).contains(&anchor)) {
        return 0;
    }
    into.found = true;
    let constant = |flags: u32| flags & (libc::PF_R | libc::PF_W) == libc::PF_R;
    into.constant = loaded().filter(|header| constant(header.p_flags)).map(range).collect();
    into.constant
        .extend(headers.iter().filter(|header| header.p_type == libc::PT_GNU_RELRO).map(range));
    for header in headers.iter().filter(|header| header.p_type == libc::PT_NOTE) {
        let notes = range(header);
        if !loaded().any(|header| {
            let loaded = range(header);
            loaded.start <= notes.start && notes.end <= loaded.end && constant(header.p_flags)
        }) {
            continue;
        }
        // SAFETY: loaded with the image, and constant.
        let notes = unsafe {
            slice::from_raw_parts(ptr::with_exposed_provenance::<u8>(notes.start), notes.len())
        };
        if let Some(id) = build_id(notes) {
            into.build_id = id.to_vec();
        }
    }
    1
}

/// The identity of the program that the linker has written into its notes, if it has.
fn build_id(mut notes: &[u8]) -> Option<&[u8]> {
    const NT_GNU_BUILD_ID: u32 = 3;
    loop {
        let (head, rest) = notes.split_at_checked(12)?;
        let word = |at: usize| u32::from_ne_bytes(head[at..at + 4].try_into().unwrap_or_default());
        let (name, description) = (word(0) as usize, word(4) as usize);
        let (padded, rest) = rest.split_at_checked(name.next_multiple_of(4))?;
        let id = rest.get(..description)?;
        if word(8) == NT_GNU_BUILD_ID && padded.starts_with(b"GNU\0") {
            return Some(id);
        }
        notes = rest.get(description.next_multiple_of(4)..)?;
    }
}

/// Bytes that tell this program from every other, and from other builds of itself.
pub(crate) fn identity() -> io::Result<Vec<u8>> {
    use std::os::unix::fs::MetadataExt;
    let id = &image().build_id;
    if !id.is_empty() {
        return Ok(id.clone());
    }
    // Where the linker has written none, the file stands for it: which one it is, and how old.
    let file = super::disk::metadata("/proc/self/exe".as_ref())?;
    let words =
        [file.dev(), file.ino(), file.size(), file.mtime() as u64, file.mtime_nsec() as u64];
    Ok(words.iter().flat_map(|word| word.to_ne_bytes()).collect())
}

fn is_constant(range: &Range<usize>) -> bool {
    let inside =
        |constant: &Range<usize>| constant.start <= range.start && range.end <= constant.end;
    range.start < range.end && image().constant.iter().any(inside)
}

fn range_at(address: usize) -> Range<usize> {
    address..address.wrapping_add(size_of::<Record>())
}

/// The place of the record, for other processes of this program. `None` if others could not find it there: it is not in
/// the same image as this library, or lies where something may write.
pub(crate) fn offset_of(record: &'static Record) -> Option<i64> {
    let address = ptr::from_ref(record).expose_provenance();
    is_constant(&range_at(address))
        .then(|| address.wrapping_sub(ptr::from_ref(&ANCHOR).addr()) as i64)
}

/// The record at an offset that [`offset_of`] returned, in this process or another one of the same program. `None` if
/// no record of that name is there.
pub(crate) fn record_at(offset: i64, name: &str) -> Option<&'static Record> {
    let address = ptr::from_ref(&ANCHOR).addr().wrapping_add(offset as usize);
    if !address.is_multiple_of(align_of::<Record>()) || !is_constant(&range_at(address)) {
        return None;
    }
    let record = ptr::with_exposed_provenance::<Record>(address);
    // SAFETY: all of it is in memory that is loaded, constant while the program runs, and aligned; integers of any value are
    // valid. What begins with the mark, the keeper's address and its own is a record: no safe code makes another static into
    // which the linker writes the keeper's address, as that and `Record`'s fields are private.
    let record = unsafe {
        let mark = (&raw const (*record).mark).read();
        let keeper = (&raw const (*record).keeper).cast::<usize>().read();
        let own = (&raw const (*record).own).cast::<usize>().read();
        if mark != MARK || keeper != ptr::from_ref(&KEEPER).addr() || own != address {
            return None;
        }
        &*record
    };
    (record.name == name).then_some(record)
}

#[cfg(test)]
mod tests {
    use super::*;

    static ECHO: Record = Record::new(&ECHO, "echo", || "", |bytes| Ok(bytes.to_vec()));
    /// A record that names another record as itself.
    static FALSE: Record = Record::new(&ECHO, "false", || "", |_| Ok(Vec::new()));

    /// What safe code elsewhere could write that looks like a record.
    #[repr(C)]
    struct Lookalike {
        mark: [u64; 2],
        keeper: &'static u8,
        own: &'static Self,
        name: [usize; 2],
    }

    static LOOKALIKE: Lookalike =
        Lookalike { mark: MARK, keeper: &0, own: &LOOKALIKE, name: [1, usize::MAX] };

    #[test]
    fn what_only_looks_like_a_record_is_none() {
        let lookalike = ptr::from_ref(&LOOKALIKE).addr();
        let offset = lookalike.wrapping_sub(ptr::from_ref(&ANCHOR).addr()) as i64;
        assert!(record_at(offset, "").is_none());
        assert_eq!((LOOKALIKE.own.mark, *LOOKALIKE.keeper), (MARK, 0));
        assert_eq!(LOOKALIKE.name, [1, usize::MAX]);
    }

    #[test]
    fn a_record_is_found_by_its_offset_and_name() {
        assert!(image().found);
        let offset = offset_of(&ECHO).expect("it is in this program");
        let found = record_at(offset, "echo").expect("it is there");
        assert_eq!(found.run(b"bytes"), Ok(b"bytes".to_vec()));
        assert!(record_at(offset, "other").is_none());
        assert_eq!(identity().unwrap(), identity().unwrap());
    }

    #[test]
    fn no_other_offset_leads_to_a_record() {
        let offset = offset_of(&ECHO).unwrap();
        for near in -4096..4096 {
            let found = record_at(offset + near, "echo").is_some();
            assert_eq!(found, near == 0, "{near}");
        }
        for far in [i64::MIN, i64::MAX, -1 << 40, 1 << 40, 8, -8] {
            assert!(record_at(far, "echo").is_none());
        }
        assert!(record_at(offset_of(&FALSE).unwrap(), "false").is_none());
    }

    #[test]
    fn what_is_not_in_the_program_has_no_offset() {
        let leaked = Box::leak(Box::new(Record::new(&ECHO, "leaked", || "", |_| Ok(Vec::new()))));
        assert_eq!(offset_of(leaked), None);
    }

    #[test]
    fn notes_are_read_or_refused() {
        let mut notes = Vec::new();
        for word in [4u32, 3, 1] {
            notes.extend(word.to_ne_bytes());
        }
        notes.extend(b"GNU\0abc\0");
        for word in [4u32, 2, 3] {
            notes.extend(word.to_ne_bytes());
        }
        notes.extend(b"GNU\0id");
        assert_eq!(build_id(&notes), Some(&b"id"[..]));
        for end in 0..notes.len() {
            assert_eq!(build_id(&notes[..end]), None);
        }
        assert_eq!(build_id(&[0xff; 64]), None);
    }
}
