//! Which file uses which: the folders inside of `runtime/` stand on one another, and no circle leads through files of different folders.

use super::{code_of, is_word, sources};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// The folders inside of `runtime/` with their heights; files of `runtime/` itself are above all of them.
const SPINE: &[(&str, u32)] = &[
    ("runtime/ambient", 0),
    ("runtime/task", 1),
    ("runtime/lane", 2),
    ("runtime/wait", 3),
    ("runtime/blocking", 4),
    ("runtime/hub", 4),
    ("runtime/observe", 5),
    ("runtime", 6),
];

/// Uses that stand against these rules and are to go, one after the other: the file, and what it uses.
const STANDING: &[(&str, &str)] = &[];

/// The path of a module in `src`, without `crate`; the root is empty.
pub(super) type Module = Vec<String>;

struct Sources {
    files: HashMap<Module, String>,
    /// For each module the names that it passes on, and whose they are.
    passed_on: HashMap<Module, HashMap<String, Module>>,
}

fn module_of(file: &str) -> Module {
    let stem = file.trim_end_matches(".rs");
    let stem = stem.strip_suffix("/mod").unwrap_or(stem);
    if stem == "lib" { Vec::new() } else { stem.split('/').map(str::to_string).collect() }
}

fn folder_of(file: &str) -> &str {
    file.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// The paths that a tree of `use` stands for, each with the name by which it is known then.
pub(super) fn leaves(tree: &str, before: &[String], out: &mut Vec<(Module, String)>) {
    let (head, group) = match tree.split_once('{') {
        Some((head, rest)) => (head, Some(&rest[..rest.rfind('}').unwrap_or(rest.len())])),
        None => (tree, None),
    };
    let (head, alias) = match head.split_once(" as ") {
        Some((head, alias)) => (head, Some(alias.trim().to_string())),
        None => (head, None),
    };
    let mut path = before.to_vec();
    path.extend(
        head.split("::").map(str::trim).filter(|part| !part.is_empty()).map(str::to_string),
    );
    let Some(group) = group else {
        if path.last().is_some_and(|last| last == "self") && !before.is_empty() {
            path.pop();
        }
        let name = alias.or_else(|| path.last().cloned()).unwrap_or_default();
        out.push((path, name));
        return;
    };
    let (mut depth, mut start) = (0, 0);
    for (at, char) in group.char_indices().chain([(group.len(), ',')]) {
        match char {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                let part = group[start..at].trim();
                if !part.is_empty() {
                    leaves(part, &path, out);
                }
                start = at + 1;
            }
            _ => {}
        }
    }
}

/// The trees of all `use`s in the code, with whether they pass on what they name; and the code without them.
pub(super) fn split_uses(code: &str) -> (Vec<(bool, String)>, String) {
    let (mut uses, mut rest, mut left) = (Vec::new(), String::new(), code);
    while let Some(at) = left.find("use ") {
        let (before, after) = left.split_at(at);
        if before.ends_with(is_word) {
            rest.push_str(&left[..at + 4]);
            left = &left[at + 4..];
            continue;
        }
        let end = after.find(';').unwrap_or(after.len());
        let line = before.rsplit(['\n', ';', '{', '}']).next().unwrap_or("").trim_start();
        uses.push((line.starts_with("pub"), after[4..end].to_string()));
        rest.push_str(before);
        left = &after[end..];
    }
    rest.push_str(left);
    (uses, rest)
}

/// The paths in code that begin with `crate`, `super` or `self`.
fn inline_paths(code: &str) -> Vec<Module> {
    let mut paths = Vec::new();
    for root in ["crate::", "super::", "self::"] {
        for (at, _) in code.match_indices(root) {
            let before = &code[..at];
            let is_visibility = before.ends_with("(in ");
            if before.ends_with(is_word) || before.ends_with(['$', ':']) || is_visibility {
                continue;
            }
            let end =
                code[at..].find(|char| !is_word(char) && char != ':').unwrap_or(code.len() - at);
            let path = code[at..at + end].split("::").filter(|part| !part.is_empty());
            paths.push(path.map(str::to_string).collect());
        }
    }
    paths
}

impl Sources {
    fn new(sources: &[(String, String)]) -> Self {
        let files: HashMap<_, _> =
            sources.iter().map(|(file, _)| (module_of(file), file.clone())).collect();
        let mut all = Self { files, passed_on: HashMap::new() };
        for (file, code) in sources {
            let module = module_of(file);
            let mut names = HashMap::new();
            for (_, tree) in split_uses(code).0.iter().filter(|(passes_on, _)| *passes_on) {
                let mut paths = Vec::new();
                leaves(tree, &[], &mut paths);
                for (path, name) in paths {
                    names.extend(all.absolute(&module, &path).map(|path| (name, path)));
                }
            }
            all.passed_on.insert(module, names);
        }
        all
    }

    /// The path from the root of the crate, if it is one inside of the crate.
    fn absolute(&self, from: &[String], path: &[String]) -> Option<Module> {
        let mut at = from.to_vec();
        let mut rest = path;
        match rest.first()?.as_str() {
            "crate" => {
                at.clear();
                rest = &rest[1..];
            }
            "self" => rest = &rest[1..],
            "super" => {}
            // A module that this one declares, if it is one.
            first => {
                let mut child = at.clone();
                child.push(first.to_string());
                if !self.files.contains_key(&child) {
                    return None;
                }
            }
        }
        while rest.first().is_some_and(|part| part == "super") {
            at.pop()?;
            rest = &rest[1..];
        }
        at.extend_from_slice(rest);
        Some(at)
    }

    /// The file that has what a path names, through whatever passes it on.
    fn file_of(&self, path: &[String]) -> Option<&str> {
        let mut path = path.to_vec();
        for _ in 0..8 {
            let known =
                (0..=path.len()).rev().find(|&len| self.files.contains_key(&path[..len]))?;
            let module = &path[..known];
            let next = path.get(known).and_then(|name| self.passed_on.get(module)?.get(name));
            match next {
                Some(target) => {
                    let rest = path[known + 1..].to_vec();
                    path = target.iter().cloned().chain(rest).collect();
                }
                None => return Some(&self.files[module]),
            }
        }
        None
    }

    /// The other files that a file uses. What it only passes on is not counted: that is used by whoever takes it from there.
    fn used_by(&self, file: &str, code: &str) -> BTreeSet<String> {
        let module = module_of(file);
        let (uses, rest) = split_uses(code);
        let mut paths = inline_paths(&rest);
        for (_, tree) in
            uses.iter().filter(|(passes_on, _)| !passes_on || !file.ends_with("mod.rs"))
        {
            let mut all = Vec::new();
            leaves(tree, &[], &mut all);
            paths.extend(all.into_iter().map(|(path, _)| path));
        }
        let absolute = paths.iter().filter_map(|path| self.absolute(&module, path));
        let files: BTreeSet<String> =
            absolute.filter_map(|path| self.file_of(&path).map(str::to_string)).collect();
        files.into_iter().filter(|used| used != file && used != "lib.rs").collect()
    }
}

type Graph = BTreeMap<String, BTreeSet<String>>;

fn graph(sources: &[(String, String)]) -> Graph {
    let all = Sources::new(sources);
    let own = sources.iter().filter(|(file, _)| file != "lib.rs");
    own.map(|(file, code)| (file.clone(), all.used_by(file, code))).collect()
}

fn reachable<'a>(graph: &'a Graph, from: &'a str) -> HashSet<&'a str> {
    let (mut seen, mut left) = (HashSet::new(), vec![from]);
    while let Some(file) = left.pop() {
        for used in graph.get(file).into_iter().flatten() {
            if seen.insert(used.as_str()) {
                left.push(used);
            }
        }
    }
    seen
}

/// The uses between files of different folders that are part of a circle.
fn circles(graph: &Graph) -> Vec<String> {
    let reach: HashMap<&str, HashSet<&str>> =
        graph.keys().map(|file| (file.as_str(), reachable(graph, file))).collect();
    let mut wrong = Vec::new();
    for (file, used) in graph.iter().flat_map(|(file, used)| used.iter().map(move |to| (file, to)))
    {
        let comes_back =
            reach.get(used.as_str()).is_some_and(|reach| reach.contains(file.as_str()));
        if comes_back && folder_of(file) != folder_of(used) {
            wrong.push(format!("src/{file} uses src/{used}, which leads back to it"));
        }
    }
    wrong
}

fn height(file: &str) -> Option<u32> {
    let folder = folder_of(file);
    let inside = |(name, _): &&(&str, u32)| {
        folder == *name || (*name != "runtime" && folder.starts_with(&format!("{name}/")))
    };
    SPINE.iter().find(inside).map(|(_, height)| *height)
}

/// The uses inside of `runtime/` of something higher.
fn upward(graph: &Graph) -> Vec<String> {
    let mut wrong = Vec::new();
    for (file, used) in graph.iter().flat_map(|(file, used)| used.iter().map(move |to| (file, to)))
    {
        if file.starts_with("runtime/") && height(file).is_none() {
            wrong.push(format!(
                "src/{file}: its folder has no height in SPINE of tests/tidy/graph.rs"
            ));
        }
        if let (Some(own), Some(other)) = (height(file), height(used))
            && other > own
        {
            wrong.push(format!("src/{file} uses src/{used}, which is above it"));
        }
    }
    wrong
}

#[test]
fn no_circle_leads_through_several_folders_and_the_runtime_stands_on_a_spine() {
    let mut graph = graph(&sources());
    for (file, used) in STANDING {
        let stands = graph.get_mut(*file).is_some_and(|all| all.remove(*used));
        assert!(stands, "an exception that nothing needs: {file} uses {used}");
    }
    let mut wrong = upward(&graph);
    wrong.extend(circles(&graph));
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn the_rules_of_the_graph_can_fail() {
    let of = |files: &[(&str, &str)]| {
        let files: Vec<_> =
            files.iter().map(|(file, text)| (file.to_string(), code_of(text))).collect();
        graph(&files)
    };
    let circle = of(&[
        ("net/mod.rs", "mod tcp; pub(crate) use tcp::Tcp;"),
        ("net/tcp.rs", "use crate::io::{self, handle::Handle};"),
        ("io/mod.rs", "mod handle; pub(crate) use handle::{Handle, Other as Renamed};"),
        ("io/handle.rs", "fn f() { crate::net::Tcp::new() }"),
    ]);
    assert_eq!(circle["net/tcp.rs"].iter().collect::<Vec<_>>(), ["io/handle.rs", "io/mod.rs"]);
    assert_eq!(circles(&circle).len(), 2);
    let inside = of(&[("net/a.rs", "use super::b::B;"), ("net/b.rs", "use super::a::A;")]);
    assert_eq!(circles(&inside).len(), 0, "files of one folder may use one another");
    let spine = of(&[
        ("runtime/mod.rs", "mod hub; pub(crate) use hub::scheduler;"),
        ("runtime/hub/mod.rs", "pub(crate) mod scheduler;"),
        ("runtime/hub/scheduler.rs", "use crate::runtime::task::Task;"),
        ("runtime/task/mod.rs", "mod task; pub use task::Task;"),
        (
            "runtime/task/task.rs",
            "// crate::runtime::hub\nuse crate::runtime::scheduler::Scheduler;",
        ),
        ("runtime/other/a.rs", "use crate::runtime::task;"),
    ]);
    assert_eq!(upward(&spine).len(), 2);
    assert_eq!(circles(&spine).len(), 2);
}
