//! The messages between processes of one program: each is a length, a kind, and bytes.
#![forbid(unsafe_code)]

use std::io::{self, Read, Write};

/// How many bytes the encoded arguments of one call, or its encoded result, may have: one GiB.
pub const MAX_MESSAGE: usize = 1 << 30;

/// How many bytes precede those of a message: their number, and the kind.
const HEAD: usize = 9;

/// Sends a message whose bytes are those of all `parts`.
pub(crate) fn send(to: &mut impl Write, kind: u8, parts: &[&[u8]]) -> io::Result<()> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let mut head = Vec::with_capacity(HEAD + parts.first().map_or(0, |part| part.len()));
    head.extend((length as u64).to_le_bytes());
    head.push(kind);
    // A short message is sent by one write.
    let mut parts = parts.iter();
    for part in parts.by_ref() {
        if head.len() + part.len() > 4096 {
            to.write_all(&head)?;
            head.clear();
            to.write_all(part)?;
        } else {
            head.extend(*part);
        }
    }
    if head.is_empty() { Ok(()) } else { to.write_all(&head) }
}

/// Receives the next message; `None` at the end of the connection.
pub(crate) fn receive(from: &mut impl Read) -> io::Result<Option<(u8, Vec<u8>)>> {
    let mut head = [0; HEAD];
    let mut got = 0;
    while got < HEAD {
        match from.read(&mut head[got..]) {
            Ok(0) if got == 0 => return Ok(None),
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(more) => got += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let (length, kind) = head.split_at(8);
    let length = u64::from_le_bytes(length.try_into().unwrap_or([0xff; 8]));
    // There is room for what is sent besides the arguments or the result.
    if length > MAX_MESSAGE as u64 + 65_536 {
        let text = format!("a message that claims to have {length} bytes");
        return Err(io::Error::new(io::ErrorKind::InvalidData, text));
    }
    // Memory is only taken for bytes that have come, as the length is no more than a claim.
    let mut bytes = Vec::new();
    from.take(length).read_to_end(&mut bytes)?;
    if (bytes.len() as u64) < length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(Some((kind[0], bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_arrive_as_they_were_sent() {
        let mut wire = Vec::new();
        let long = vec![7; 100_000];
        send(&mut wire, 1, &[b"ab", b"", b"c"]).unwrap();
        send(&mut wire, 2, &[]).unwrap();
        send(&mut wire, 3, &[b"head", &long, b"tail"]).unwrap();
        let mut from = &wire[..];
        assert_eq!(receive(&mut from).unwrap(), Some((1, b"abc".to_vec())));
        assert_eq!(receive(&mut from).unwrap(), Some((2, Vec::new())));
        assert_eq!(receive(&mut from).unwrap().unwrap().1, [b"head", &long[..], b"tail"].concat());
        assert_eq!(receive(&mut from).unwrap(), None);
    }

    #[test]
    fn what_is_cut_off_or_too_long_is_an_error() {
        let mut wire = Vec::new();
        send(&mut wire, 1, &[b"abc"]).unwrap();
        for end in 1..wire.len() {
            let error = receive(&mut &wire[..end]).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        }
        let error = receive(&mut &[0xff; 20][..]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }
}
