//! What the macro makes of an arm of [`select!`](crate::select) that is not valid: a call of a function that is named
//! after the arm, so that the compiler points at the fault. For another word there is no such function, and the ones
//! here have bounds that nothing satisfies. So none of them is ever called.
#![forbid(unsafe_code)]
#![allow(missing_docs, reason = "nobody is to use them")]

macro_rules! arms {
    ($($name:ident $form:literal)*) => {
        $(pub fn $name(_first: impl $name::Whole) -> ! {
            unreachable!()
        }

        mod $name {
            #[diagnostic::on_unimplemented(message = $form, label = "an arm of `select!`")]
            pub trait Whole {}
        })*
    };
}

arms! {
    recv "this arm is not whole: it is `recv(receiver) -> result => ..`"
    send "this arm is not whole: it is `send(sender, item) -> result => ..`"
    send_from "this arm is not whole: it is `send_from(sender, option) -> result => ..`"
    get "this arm is not whole: it is `get(queue) -> result => ..`"
    put "this arm is not whole: it is `put(queue, item) -> result => ..`"
    put_from "this arm is not whole: it is `put_from(queue, option) -> result => ..`"
    event "this arm is too long: it is `event(event) => ..`"
    join "this arm is too long: it is `join(handle) => ..`"
    future "this arm is not whole: it is `future(future) -> output => ..`"
    default "this arm is too long: it is `default => ..` or `default(duration) => ..`"
}
