//! What generators are good for, in small pieces: tasks that take turns, infinite sequences, pipelines, tree walks.
//!
//! ```text
//! round robin: work1 work2 work1 work2 work1 work2
//! create_num: [0, 1, 1, 2, 3, 5, 8, 13, 21, 34], returned Some("ok")
//! average: 10 15 20
//! even squares: [4, 16, 36]
//! in order: [1, 2, 3, 4, 5, 6, 7]
//! same fringe: true false
//! permutations: abc acb bac bca cab cba
//! tokens: 2*(3+4)-5 = 9
//! ```

use greenthread::generator::{Generator, Yielder};
use std::iter::Peekable;

/// A task that gives way after each piece of work.
fn work(name: &'static str) -> Generator<&'static str> {
    Generator::new(move |y: &Yielder<&str>| {
        loop {
            y.yield_(name);
        }
    })
}

/// The first numbers of the Fibonacci sequence, and "ok" at the end.
fn create_num(count: usize) -> Generator<u64, (), &'static str> {
    Generator::new(move |y: &Yielder<u64>| {
        y.yield_all(fibonacci().take(count));
        "ok"
    })
}

fn fibonacci() -> Generator<u64> {
    Generator::new(|y: &Yielder<u64>| {
        let (mut a, mut b) = (0, 1);
        loop {
            y.yield_(a);
            (a, b) = (b, a + b);
        }
    })
}

/// Takes a number with each `send`, yields the average so far.
fn average() -> Generator<f64, f64> {
    Generator::new(|y: &Yielder<f64, f64>| {
        let mut sum = y.yield_(0.0);
        for count in 1.. {
            sum += y.yield_(sum / f64::from(count));
        }
    })
}

/// Stages of a pipeline: each takes the items of the one before.
fn squares(numbers: impl Iterator<Item = u32> + 'static) -> Generator<u32> {
    Generator::new(move |y: &Yielder<u32>| numbers.for_each(|n| y.yield_(n * n)))
}

fn even(numbers: impl Iterator<Item = u32> + 'static) -> Generator<u32> {
    Generator::new(move |y: &Yielder<u32>| y.yield_all(numbers.filter(|n| n % 2 == 0)))
}

enum Tree {
    Leaf(u32),
    Node(Box<Tree>, Box<Tree>),
}

fn leaf(n: u32) -> Box<Tree> {
    Box::new(Tree::Leaf(n))
}

fn node(left: Box<Tree>, right: Box<Tree>) -> Box<Tree> {
    Box::new(Tree::Node(left, right))
}

/// The recursion of the walk is ordinary recursion; each leaf is yielded from its depth.
fn walk(tree: &Tree, y: &Yielder<u32>) {
    match tree {
        Tree::Leaf(n) => y.yield_(*n),
        Tree::Node(left, right) => {
            walk(left, y);
            walk(right, y);
        }
    }
}

fn leaves(tree: Box<Tree>) -> Generator<u32> {
    Generator::new(move |y: &Yielder<u32>| walk(&tree, y))
}

fn permute(letters: &mut Vec<char>, from: usize, y: &Yielder<String>) {
    if from == letters.len() {
        return y.yield_(letters.iter().collect());
    }
    for at in from..letters.len() {
        let letter = letters.remove(at);
        letters.insert(from, letter);
        permute(letters, from + 1, y);
        let letter = letters.remove(from);
        letters.insert(at, letter);
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Token {
    Number(i64),
    Sign(char),
}

/// Reads characters, yields tokens: the parser asks for the next when it needs one.
fn tokens(text: &'static str) -> Generator<Token> {
    Generator::new(move |y: &Yielder<Token>| {
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            let Some(mut number) = c.to_digit(10).map(i64::from) else {
                y.yield_(Token::Sign(c));
                continue;
            };
            while let Some(digit) = chars.peek().and_then(|c| c.to_digit(10)) {
                number = number * 10 + i64::from(digit);
                chars.next();
            }
            y.yield_(Token::Number(number));
        }
    })
}

type Tokens = Peekable<Generator<Token>>;

fn accept(tokens: &mut Tokens, sign: char) -> bool {
    tokens.next_if_eq(&Token::Sign(sign)).is_some()
}

fn sum(tokens: &mut Tokens) -> i64 {
    let mut value = product(tokens);
    loop {
        if accept(tokens, '+') {
            value += product(tokens);
        } else if accept(tokens, '-') {
            value -= product(tokens);
        } else {
            return value;
        }
    }
}

fn product(tokens: &mut Tokens) -> i64 {
    let mut value = factor(tokens);
    while accept(tokens, '*') {
        value *= factor(tokens);
    }
    value
}

fn factor(tokens: &mut Tokens) -> i64 {
    match tokens.next() {
        Some(Token::Number(number)) => number,
        Some(Token::Sign('(')) => {
            let value = sum(tokens);
            assert!(accept(tokens, ')'), "a closing parenthesis");
            value
        }
        other => panic!("expected a number, found {other:?}"),
    }
}

fn main() {
    let (mut work1, mut work2) = (work("work1"), work("work2"));
    let turns: Vec<_> = (0..3).flat_map(|_| [work1.next(), work2.next()]).flatten().collect();
    println!("round robin: {}", turns.join(" "));

    let mut numbers = create_num(10);
    let list: Vec<_> = numbers.by_ref().collect();
    println!("create_num: {list:?}, returned {:?}", numbers.return_value());

    let mut average = average();
    average.start();
    let averages: Vec<_> =
        [10.0, 20.0, 30.0].map(|n| average.send(n).unwrap().unwrap().to_string()).into();
    println!("average: {}", averages.join(" "));

    println!("even squares: {:?}", even(squares(1..)).take(3).collect::<Vec<_>>());

    let right_heavy = node(leaf(1), node(leaf(2), node(leaf(3), leaf(4))));
    let tree = node(right_heavy, node(leaf(5), node(leaf(6), leaf(7))));
    println!("in order: {:?}", leaves(tree).collect::<Vec<_>>());

    let a = || node(leaf(1), node(leaf(2), leaf(3)));
    let b = node(node(leaf(1), leaf(2)), leaf(3));
    let c = node(node(leaf(1), leaf(3)), leaf(2));
    println!("same fringe: {} {}", leaves(a()).eq(leaves(b)), leaves(a()).eq(leaves(c)));

    let permutations =
        Generator::new(|y: &Yielder<String>| permute(&mut vec!['a', 'b', 'c'], 0, y));
    println!("permutations: {}", permutations.collect::<Vec<_>>().join(" "));

    let text = "2*(3+4)-5";
    println!("tokens: {text} = {}", sum(&mut tokens(text).peekable()));
}
