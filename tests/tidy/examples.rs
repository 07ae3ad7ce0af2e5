//! Whoever looks up a function finds an example of it, or is told where one is.

use super::{texts, without_tests};
use std::collections::BTreeSet;

/// A function that users may call.
struct Function {
    file: String,
    name: String,
    /// Its documentation, line by line.
    docs: Vec<String>,
    /// From `pub` to the first brace or semicolon.
    head: String,
    /// The line that begins the block of methods that it is in.
    block: String,
}

/// `pub` alone is what users reach: the lint `unreachable_pub` sees to that.
fn functions(file: &str, text: &str) -> Vec<Function> {
    let (mut functions, mut docs, mut block, mut hidden) =
        (Vec::new(), Vec::new(), String::new(), false);
    let lines: Vec<_> = without_tests(text).lines().map(str::trim_start).collect();
    for (place, line) in lines.iter().enumerate() {
        if line.starts_with("impl") {
            block = line.to_string();
        }
        let line = line.strip_prefix("pub ").map_or(String::new(), |line| {
            ["const ", "unsafe ", "async "].iter().fold(line.to_string(), |line, word| {
                line.strip_prefix(word).map_or(line.clone(), str::to_string)
            })
        });
        let rest = lines[place];
        if let (Some(named), false) = (line.strip_prefix("fn "), hidden) {
            let name = named.split(|char: char| !super::is_word(char)).next().unwrap_or_default();
            let head = lines[place..].join(" ");
            let end = head.find(['{', ';']).unwrap_or(head.len());
            functions.push(Function {
                file: file.to_string(),
                name: name.to_string(),
                docs: std::mem::take(&mut docs),
                head: head[..end].to_string(),
                block: block.clone(),
            });
        } else if let Some(doc) = rest.strip_prefix("///") {
            docs.push(doc.trim().to_string());
            continue;
        } else if rest.starts_with("#[") {
            hidden |= rest.contains("doc(hidden)");
            continue;
        }
        docs.clear();
        hidden = false;
    }
    functions
}

impl Function {
    fn has_example(&self) -> bool {
        self.docs.iter().any(|doc| doc.starts_with("```"))
    }

    /// The functions that its documentation leads to: the last words of its links.
    fn leads_to(&self) -> BTreeSet<String> {
        let docs = self.docs.join(" ");
        let links = docs.split("[`").skip(1).filter_map(|link| link.split_once("`]"));
        let last = |path: &str| path.rsplit("::").next().unwrap_or(path).replace("()", "");
        links.map(|(path, _)| last(path)).collect()
    }

    /// A look at something: takes `self` alone, cannot fail and does not wait.
    fn is_look(&self) -> bool {
        let takes = self.head.split_once('(').map_or("", |(_, rest)| rest);
        let plain = ["&self)", "self)", "this: &Self)"].iter().any(|own| takes.starts_with(own));
        let waits = self.docs.iter().any(|doc| doc.contains("uspends"));
        let waits = waits && !self.docs.iter().any(|doc| doc.contains("Does not suspend"));
        plain && self.head.contains("->") && !self.head.contains("Result<") && !waits
    }

    /// What the macro `select!` calls for the user.
    fn is_of_select(&self) -> bool {
        self.file.ends_with("/arm.rs") || self.head.contains("Arm<") || self.block.contains("Arm<")
    }
}

/// Whether an example calls the function.
fn is_called(name: &str, example: &str) -> bool {
    [".", "::"].iter().any(|before| {
        let call = format!("{before}{name}");
        let ends = |rest: &str| rest.starts_with(['(', ':', ')', ',']);
        example.match_indices(&call).any(|(place, _)| ends(&example[place + call.len()..]))
    })
}

/// The lines of all examples in a file.
fn examples_of(text: &str) -> String {
    let mut inside = false;
    let mut examples = String::new();
    for line in text.lines().map(str::trim_start).filter(|line| line.starts_with("//")) {
        inside ^= line.contains("```");
        if inside {
            examples.extend([line, "\n"]);
        }
    }
    examples
}

/// The functions without an example, unless another example of the same file calls them or their text leads to one that
/// has an example.
fn without_example(texts: &[(String, String)]) -> Vec<String> {
    let all: Vec<_> = texts.iter().flat_map(|(file, text)| functions(file, text)).collect();
    // What is below the runtime, users do not see.
    let hidden = |file: &str| super::height(file).is_some_and(|height| height < 12);
    let with: BTreeSet<_> =
        all.iter().filter(|one| one.has_example()).map(|one| one.name.clone()).collect();
    all.iter()
        .filter(|one| !one.docs.is_empty() && !one.name.is_empty() && !one.has_example())
        .filter(|one| !hidden(one.file.split('/').next().unwrap_or_default()))
        .filter(|one| !one.is_look() && !one.is_of_select())
        .filter(|one| one.leads_to().is_disjoint(&with))
        .filter(|one| {
            let (_, text) = texts.iter().find(|(file, _)| *file == one.file).expect("its file");
            !is_called(&one.name, &examples_of(text))
        })
        .map(|one| format!("src/{}: `{}` has no example, and leads to none", one.file, one.name))
        .collect()
}

#[test]
fn what_is_called_by_hand_has_an_example() {
    let wrong = without_example(&texts());
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn the_rule_of_examples_can_fail() {
    let faults = |text: &str| without_example(&[("a.rs".to_string(), text.to_string())]).len();
    let documented = "impl A {\n    /// Begins. Suspends.\n    pub fn start(&self) {\n    }\n}\n";
    assert_eq!(faults(documented), 1);
    assert_eq!(faults(&documented.replace("pub fn", "pub(crate) fn")), 0);
    assert_eq!(faults(&documented.replace("    pub", "    #[doc(hidden)]\n    pub")), 0);
    assert_eq!(
        faults(&documented.replace("    pub", "    /// ```\n    /// a();\n    /// ```\n    pub")),
        0
    );
    assert_eq!(faults(&format!("/// ```\n/// A::new().start();\n/// ```\n{documented}")), 0);
    assert_eq!(faults(&format!("/// ```\n/// A::new().starts();\n/// ```\n{documented}")), 1);
    let with = "/// Goes.\n/// ```\n/// go();\n/// ```\npub fn go() {}\n";
    let as_that = documented.replace("Begins.", "As [`go`](crate::go()).");
    assert_eq!(faults(&format!("{with}{as_that}")), 0);
    assert_eq!(faults(&format!("{}{as_that}", with.replace("```", ""))), 2);
    assert_eq!(faults("/// Its name.\npub fn name(&self) -> &str {}\n"), 0, "a look");
    assert_eq!(faults("/// Its name.\npub fn name(&self) -> io::Result<String> {}\n"), 1);
    assert_eq!(faults("pub fn undocumented() {}\n"), 0, "the compiler asks for documentation");
}
