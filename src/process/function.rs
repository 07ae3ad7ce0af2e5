//! Functions that other processes can be told to run.
#![forbid(unsafe_code)]

use crate::sys::image::{self, Failed, Record};
use crate::thread::catch_unwind;
use crate::util::dropping::{Held, drop_quietly};
use serde::de::{DeserializeOwned, Error as _};
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::any::{Any, type_name};
use std::fmt;
use std::marker::PhantomData;

/// A function that another process of this program can be told to run: made by [`function!`](crate::process::function).
///
/// It is a small value that can be copied, kept in a `const` or `static`, and sent to other processes of the same
/// program as part of arguments.
///
/// [`Process::start`](super::Process::start) runs it in a process of its own, and a [`ProcessPool`](crate::executor::ProcessPool)
/// in one of several, by its methods or by `submit` of a [`Remote`](crate::executor::Remote), which has the arguments.
///
/// # Examples
/// The other process calls back by a function that is one of its arguments:
/// ```
/// use greenthread::process::{Function, function};
///
/// fn double(n: u32) -> u32 {
///     n * 2
/// }
/// fn describe(call: Function<u32, u32>) -> String {
///     format!("would call {}", call.name().rsplit(':').next().unwrap())
/// }
/// assert_eq!(describe(function!(double)), "would call double");
/// ```
pub struct Function<A, R> {
    record: &'static Record,
    of: PhantomData<fn(A) -> R>,
}

impl<A, R> Function<A, R> {
    #[doc(hidden)]
    pub const fn __new(_: fn(A) -> R, record: &'static Record) -> Self {
        Self { record, of: PhantomData }
    }

    /// Runs it in this process, with encoded arguments.
    pub(crate) fn run(&self, arguments: &[u8]) -> Result<Vec<u8>, Failed> {
        self.record.run(arguments)
    }

    /// The name of the function, with the modules that it is in.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.record.name()
    }
}

impl<A, R> Clone for Function<A, R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<A, R> Copy for Function<A, R> {}

impl<A, R> fmt::Debug for Function<A, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Function").field(&self.name()).finish()
    }
}

/// It is passed as its place in the program, which means something only to processes of the same build; others refuse
/// it.
impl<A, R> Serialize for Function<A, R> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let offset = image::offset_of(self.record).ok_or_else(|| {
            S::Error::custom(format_args!("the function {} is not in this program", self.name()))
        })?;
        (offset, self.name()).serialize(serializer)
    }
}

impl<'de, A, R> Deserialize<'de> for Function<A, R> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let record = record(deserializer)?;
        if record.types() != type_name::<fn(A) -> R>() {
            let (name, types) = (record.name(), record.types());
            return Err(D::Error::custom(format_args!("the function {name} is a {types}")));
        }
        Ok(Self { record, of: PhantomData })
    }
}

/// The record of a function, whatever its types.
pub(super) fn record<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<&'static Record, D::Error> {
    let (offset, name) = <(i64, String)>::deserialize(deserializer)?;
    image::record_at(offset, &name).ok_or_else(|| {
        D::Error::custom(format_args!("this program has no function {name} at that place"))
    })
}

/// What a function's record runs.
#[doc(hidden)]
pub fn __run<A: DeserializeOwned, R: Serialize>(
    arguments: &[u8],
    function: fn(A) -> R,
) -> Result<Vec<u8>, Failed> {
    // All of this runs code of the user's. If that panics, later calls in this process may see what it has left half
    // changed, as after a panic of a thread.
    let call = std::panic::AssertUnwindSafe(|| {
        let arguments = match postcard::take_from_bytes(arguments) {
            Ok((arguments, [])) => arguments,
            Ok(_) => return Err(Failed::Arguments("there is more than the arguments".into())),
            Err(error) => return Err(Failed::Arguments(error.to_string())),
        };
        let result = Held::new(function(arguments));
        let encoded = postcard::to_stdvec(&*result);
        // The result has been passed on, so a panic of its destructor is not a failure of the call.
        drop_quietly(result);
        encoded.map_err(|error| Failed::Result(error.to_string()))
    });
    catch_unwind(call).unwrap_or_else(|panic| {
        let text = message(&*panic);
        drop_quietly(panic);
        Err(Failed::Panicked(text))
    })
}

/// The names of the types of a function, as its record has them.
#[doc(hidden)]
pub fn __types<A, R>(_: fn(A) -> R) -> &'static str {
    type_name::<fn(A) -> R>()
}

fn message(panic: &(dyn Any + Send)) -> String {
    match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => (*text).to_string(),
        (_, Some(text)) => text.clone(),
        _ => "a value that is not text".to_string(),
    }
}

/// Makes a [`Function`](crate::process::Function) of a function, for other processes of this program to run.
///
/// `function!(name)` is for a function with one argument. `function!(name(a, b))` is for one with any number: its
/// arguments are passed as a tuple, so `()`, `(a,)` or `(a, b)`. The types of the arguments implement serde's
/// `DeserializeOwned`, that of the result `Serialize`. It cannot be a closure with captured values. A generic function
/// needs its types, as in `function!(sum::<u64>)`.
///
/// # Examples
/// ```
/// use greenthread::process::{Function, function};
///
/// fn square(number: u64) -> u64 {
///     number * number
/// }
/// fn add(left: u32, right: u32) -> u32 {
///     left + right
/// }
///
/// static SQUARE: Function<u64, u64> = function!(square);
/// let sum: Function<(u32, u32), u32> = function!(add(left, right));
/// assert!(SQUARE.name().ends_with("square"));
/// assert!(sum.name().ends_with("add"));
/// ```
#[doc(hidden)]
#[macro_export]
macro_rules! __process_function {
    ($($part:ident)::+ ($($argument:ident),* $(,)?)) => {
        $crate::__process_function!(@make
            ::std::concat!($("::", ::std::stringify!($part)),+),
            |($($argument,)*)| $($part)::+($($argument),*)
        )
    };
    ($function:path) => {
        $crate::__process_function!(@make ::std::concat!("::", ::std::stringify!($function)), $function)
    };
    (@make $name:expr, $function:expr) => {{
        fn run(arguments: &[u8]) -> ::std::result::Result<::std::vec::Vec<u8>, $crate::process::__Failed> {
            $crate::process::__run(arguments, $function)
        }
        fn types() -> &'static str {
            $crate::process::__types($function)
        }
        static RECORD: $crate::process::__Record = $crate::process::__Record::new(
            &RECORD,
            ::std::concat!(::std::module_path!(), $name),
            types,
            run,
        );
        $crate::process::Function::__new($function, &RECORD)
    }};
}
