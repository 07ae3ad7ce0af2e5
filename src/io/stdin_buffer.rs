//! The buffer of standard input.
//!
//! std's `BufReader` gives out the bytes that it has while it waits for the rest of a line; if an unwind ends that
//! wait, they are lost. This one keeps what belongs together until all of it has come.
#![forbid(unsafe_code)]

use std::io::{self, Read};

/// How many bytes are read at once.
const CHUNK: usize = 8 * 1024;
/// When the buffer is empty, memory beyond this is given back.
const KEPT: usize = 16 * CHUNK;

#[derive(Debug)]
pub(super) struct Buffer<R> {
    from: R,
    chunk: Box<[u8]>,
    /// What was read; the first `consumed` bytes have been given out.
    bytes: Vec<u8>,
    consumed: usize,
}

impl<R: Read> Buffer<R> {
    pub(super) fn new(from: R) -> Self {
        Self { from, chunk: vec![0; CHUNK].into(), bytes: Vec::new(), consumed: 0 }
    }

    fn unread(&self) -> &[u8] {
        &self.bytes[self.consumed..]
    }

    /// Reads more, and appends it to what is there; 0 is the end. However the wait ends, what was there stays.
    fn more(&mut self) -> io::Result<usize> {
        self.bytes.drain(..self.consumed);
        self.consumed = 0;
        if self.bytes.is_empty() {
            self.bytes.shrink_to(KEPT);
        }
        loop {
            match self.from.read(&mut self.chunk) {
                Ok(got) => {
                    self.bytes.extend_from_slice(&self.chunk[..got]);
                    return Ok(got);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    pub(super) fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.unread().is_empty() {
            self.more()?;
        }
        Ok(self.unread())
    }

    pub(super) fn consume(&mut self, amount: usize) {
        self.consumed = (self.consumed + amount).min(self.bytes.len());
    }

    pub(super) fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.unread().is_empty() && buf.len() >= CHUNK {
            return self.from.read(buf);
        }
        let got = self.fill_buf()?.read(buf)?;
        self.consume(got);
        Ok(got)
    }

    /// Moves the first `count` bytes into `buf`.
    fn take(&mut self, count: usize, buf: &mut Vec<u8>) -> usize {
        buf.extend_from_slice(&self.unread()[..count]);
        self.consume(count);
        count
    }

    pub(super) fn read_until(&mut self, end: u8, buf: &mut Vec<u8>) -> io::Result<usize> {
        let mut searched = 0;
        loop {
            let unread = self.unread();
            if let Some(at) = unread[searched..].iter().position(|byte| *byte == end) {
                return Ok(self.take(searched + at + 1, buf));
            }
            searched = unread.len();
            if self.more()? == 0 {
                return Ok(self.take(searched, buf));
            }
        }
    }

    pub(super) fn read_line(&mut self, buf: &mut String) -> io::Result<usize> {
        let mut line = Vec::new();
        self.read_until(b'\n', &mut line)?;
        append(line, buf)
    }

    pub(super) fn read_to_end(&mut self, buf: &mut Vec<u8>) -> io::Result<usize> {
        let mut total = 0;
        loop {
            total += self.take(self.unread().len(), buf);
            if self.more()? == 0 {
                return Ok(total);
            }
        }
    }

    pub(super) fn read_to_string(&mut self, buf: &mut String) -> io::Result<usize> {
        while self.more()? > 0 {}
        let mut all = Vec::new();
        self.take(self.unread().len(), &mut all);
        append(all, buf)
    }

    pub(super) fn read_exact(&mut self, buf: &mut [u8]) -> io::Result<()> {
        while self.unread().len() < buf.len() {
            if self.more()? == 0 {
                // How much a read that fails like this has taken is not promised, as in std: here it is all.
                self.consumed = self.bytes.len();
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        buf.copy_from_slice(&self.unread()[..buf.len()]);
        self.consume(buf.len());
        Ok(())
    }
}

fn append(text: Vec<u8>, buf: &mut String) -> io::Result<usize> {
    let invalid = |_| io::Error::new(io::ErrorKind::InvalidData, "standard input is not UTF-8");
    let text = String::from_utf8(text).map_err(invalid)?;
    buf.push_str(&text);
    Ok(text.len())
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::{Buffer, CHUNK};
    use std::io::{self, Read};
    use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

    /// A reader that unwinds before each piece, and gives that piece at the next read.
    struct Halting {
        pieces: Vec<Vec<u8>>,
        halts: bool,
    }

    impl Read for Halting {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            self.halts = !self.halts;
            if self.halts {
                resume_unwind(Box::new("interrupted"));
            }
            if self.pieces.is_empty() {
                return Ok(0);
            }
            let piece = self.pieces.remove(0);
            buf[..piece.len()].copy_from_slice(&piece);
            Ok(piece.len())
        }
    }

    fn of(pieces: &[&[u8]]) -> Buffer<Halting> {
        let pieces = pieces.iter().map(|piece| piece.to_vec()).collect();
        Buffer::new(Halting { pieces, halts: false })
    }

    /// Repeats `read` until it is not interrupted any more, and returns its result.
    fn until_done<T>(mut read: impl FnMut() -> io::Result<T>) -> io::Result<T> {
        loop {
            if let Ok(result) = catch_unwind(AssertUnwindSafe(&mut read)) {
                return result;
            }
        }
    }

    #[test]
    fn an_interruption_takes_no_part_along() {
        let long = vec![b'x'; CHUNK];
        let mut buffer = of(&[b"ab", b"c\nde", b"f\n", &long, &long, b"\nrest", b" of it"]);
        let mut line = String::new();
        until_done(|| buffer.read_line(&mut line)).unwrap();
        until_done(|| buffer.read_line(&mut line)).unwrap();
        assert_eq!(line, "abc\ndef\n");
        assert_eq!(
            until_done(|| buffer.read_until(b'\n', &mut Vec::new())).unwrap(),
            2 * CHUNK + 1
        );
        let mut four = [0; 6];
        until_done(|| buffer.read_exact(&mut four)).unwrap();
        assert_eq!(&four, b"rest o");
        let mut rest = String::new();
        until_done(|| buffer.read_to_string(&mut rest)).unwrap();
        assert_eq!(rest, "f it");
        assert_eq!(until_done(|| buffer.read_line(&mut rest)).unwrap(), 0);
    }

    #[test]
    fn what_is_no_text_and_what_is_too_short_are_errors() {
        let mut buffer = of(&[b"\xff\nab"]);
        let mut line = String::new();
        let error = until_done(|| buffer.read_line(&mut line)).unwrap_err();
        assert_eq!((error.kind(), line.as_str()), (io::ErrorKind::InvalidData, ""));
        let error = until_done(|| buffer.read_exact(&mut [0; 3])).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        let mut all = Vec::new();
        assert_eq!(until_done(|| buffer.read_to_end(&mut all)).unwrap(), 0);
    }
}
