//! Plain iterators: when the state between two items is a few fields, no stack is needed.
//!
//! ```text
//! zs ls ww
//! [0, 1, 1, 2, 3, 5, 8, 13]
//! ```

/// A list of one's own that `for` can walk.
#[derive(Default)]
struct Students {
    names: Vec<String>,
}

impl Students {
    fn add(&mut self, name: &str) {
        self.names.push(name.to_string());
    }

    fn iter(&self) -> StudentsIter<'_> {
        StudentsIter { students: self, at: 0 }
    }
}

/// Where a walk over [`Students`] is.
struct StudentsIter<'a> {
    students: &'a Students,
    at: usize,
}

impl<'a> Iterator for StudentsIter<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let name = self.students.names.get(self.at)?;
        self.at += 1;
        Some(name)
    }
}

impl<'a> IntoIterator for &'a Students {
    type Item = &'a str;
    type IntoIter = StudentsIter<'a>;

    fn into_iter(self) -> StudentsIter<'a> {
        self.iter()
    }
}

/// The first `left` Fibonacci numbers.
struct Fibonacci {
    left: usize,
    a: u64,
    b: u64,
}

impl Iterator for Fibonacci {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        self.left = self.left.checked_sub(1)?;
        let current = self.a;
        (self.a, self.b) = (self.b, self.a + self.b);
        Some(current)
    }
}

fn main() {
    let mut students = Students::default();
    for name in ["zs", "ls", "ww"] {
        students.add(name);
    }
    let mut names = Vec::new();
    for name in &students {
        names.push(name);
    }
    println!("{}", names.join(" "));
    println!("{:?}", Fibonacci { left: 8, a: 0, b: 1 }.collect::<Vec<_>>());
}
