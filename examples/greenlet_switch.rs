//! Two greenlets take turns by switching to each other.
//!
//! ```text
//! test1: 12
//! test2: 56
//! test1: 34
//! back in main; test2 is still waiting: true
//! ```

use greenthread::greenlet::{Greenlet, WeakGreenlet};
use std::cell::OnceCell;
use std::rc::Rc;

fn main() {
    // Each refers to the other, so weakly: a handle would keep the two alive for ever.
    let second: Rc<OnceCell<WeakGreenlet>> = Rc::default();

    let test1 = Greenlet::new({
        let second = Rc::clone(&second);
        move |()| {
            println!("test1: 12");
            let test2 = second.get().expect("set below");
            test2.switch::<_, ()>(()).expect("test2 is waiting");
            println!("test1: 34");
        }
    });
    let test2 = Greenlet::new({
        let test1 = test1.downgrade();
        move |()| {
            println!("test2: 56");
            test1.switch::<_, ()>(()).expect("test1 is waiting");
            println!("never printed: nobody switches back");
        }
    });
    second.set(test2.downgrade()).expect("set once");

    test1.switch(()).expect("test1 is new");
    println!("back in main; test2 is still waiting: {}", test2.is_active());
}
