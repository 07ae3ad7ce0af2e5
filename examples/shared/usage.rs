//! What a program says where it is not used as it can be.
#![allow(dead_code, unreachable_pub)]

use std::ffi::OsString;

/// Says in one line how the program is used, and ends it with exit code 2.
pub fn usage(text: &str) -> ! {
    eprintln!("usage: {text}");
    std::process::exit(2)
}

/// As [`arguments`], for a program whose arguments are paths.
pub fn arguments_os(text: &str, options: &[&str]) -> Vec<OsString> {
    let given: Vec<OsString> = std::env::args_os().skip(1).collect();
    for argument in given.iter().filter(|argument| argument.as_encoded_bytes().starts_with(b"-")) {
        if argument == "--help" || argument == "-h" {
            println!("usage: {text}");
            std::process::exit(0)
        }
        if !options.iter().any(|option| argument == option) {
            usage(&format!("{text} (there is no option {})", argument.display()));
        }
    }
    given
}

/// What the program was given. Where it is asked for help, or is given an option that it does not know, it ends here.
pub fn arguments(text: &str, options: &[&str]) -> Vec<String> {
    let given = arguments_os(text, options).into_iter().map(OsString::into_string);
    given.collect::<Result<_, _>>().unwrap_or_else(|_| usage(text))
}

/// Whether a program that has no other arguments is to check itself.
pub fn is_check(text: &str) -> bool {
    match arguments(text, &["--check"]).as_slice() {
        [] => false,
        [check_it] if check_it == "--check" => true,
        _ => usage(text),
    }
}
