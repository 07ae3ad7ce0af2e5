//! Numbers as text, for a signal handler, which must not allocate.
#![forbid(unsafe_code)]

/// The decimal digits of a number.
pub(crate) fn write_decimal(mut number: u64, out: &mut dyn FnMut(&[u8])) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            return out(&digits[at..]);
        }
    }
}

#[cfg(test)]
#[test]
fn it_writes_what_format_does() {
    for number in [0, 7, 10, 1_234_567_890, u64::MAX] {
        let mut text = Vec::new();
        write_decimal(number, &mut |piece| text.extend_from_slice(piece));
        assert_eq!(text, number.to_string().as_bytes());
    }
}
