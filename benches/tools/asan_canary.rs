//! Reads freed memory from inside a generator, so that a sanitizer run can be seen to work. Does nothing without one, or an
//! argument.

use greenthread::generator::{Generator, Yielder};

fn main() {
    if !cfg!(greenthread_sanitizer) && std::env::args().nth(1).is_none() {
        return;
    }
    let mut generator = Generator::new(|y: &Yielder<u8>| {
        let freed = {
            let boxed = Box::new(7u8);
            std::ptr::from_ref(&*boxed)
        };
        // SAFETY: none: the use after free is the point, and only who looks for it gets here.
        y.yield_(unsafe { freed.read_volatile() });
    });
    println!("{:?}", generator.next());
}
