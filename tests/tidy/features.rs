//! Why two features at a time are enough for `.ci/features`: what code is there, depends on two of them at most. Code that more features
//! decide about could miss something in a set of three that no pair shows.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use super::texts;

type Features = BTreeSet<String>;

/// The features that stand in a `cfg`.
fn named(line: &str) -> Features {
    let parts: Vec<_> = line.split("feature = \"").skip(1).collect();
    parts.iter().filter_map(|part| part.split('"').next()).map(String::from).collect()
}

/// What each feature switches on beside itself, by `Cargo.toml`.
fn implied() -> BTreeMap<String, Features> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let manifest = fs::read_to_string(path).expect("the manifest can be read");
    let section = manifest.split("[features]").nth(1).expect("it has features");
    let lines = section.lines().take_while(|line| !line.starts_with("[dep"));
    let pairs = lines.filter(|line| !line.starts_with('#')).filter_map(|line| {
        let (feature, others) = line.split_once(" = ")?;
        let others = others.split('"').skip(1).step_by(2).map(String::from).collect();
        Some((feature.to_owned(), others))
    });
    pairs.collect()
}

/// The file that has the `mod` line of this one, and the module's name.
fn parent(file: &str) -> Option<(String, String)> {
    let path = Path::new(file.strip_suffix("/mod.rs").unwrap_or(file)).with_extension("");
    let name = path.file_name()?.to_str()?.to_owned();
    let folder = path.parent()?.to_str()?;
    let holder = if folder.is_empty() { "lib.rs".into() } else { format!("{folder}/mod.rs") };
    (file != "lib.rs").then_some((holder, name))
}

/// The features that decide whether each module of this file is there.
fn modules(text: &str) -> BTreeMap<String, Features> {
    let mut found = BTreeMap::new();
    let mut decides = Features::new();
    for line in text.lines().map(str::trim_start) {
        if line.starts_with("#[cfg(") {
            decides.extend(named(line));
        } else if !line.starts_with("#[") && !line.starts_with("//") {
            let declared = line.split("mod ").nth(1).and_then(|rest| rest.strip_suffix(';'));
            if let Some(module) = declared {
                found.insert(module.to_owned(), decides.clone());
            }
            decides.clear();
        }
    }
    found
}

/// Each file with the features that decide whether it is there, its folders' included.
fn needed(texts: &[(String, String)]) -> BTreeMap<String, Features> {
    let declared: BTreeMap<_, _> = texts.iter().map(|(file, text)| (file, modules(text))).collect();
    let of = |file: &String| {
        let mut needs = Features::new();
        let mut next = parent(file);
        while let Some((holder, module)) = next {
            if let Some(more) = declared.get(&holder).and_then(|modules| modules.get(&module)) {
                needs.extend(more.iter().cloned());
            }
            next = parent(&holder);
        }
        needs
    };
    texts.iter().map(|(file, _)| (file.clone(), of(file))).collect()
}

/// What code of these files depends on more than two features, none of which comes with another.
fn beyond_two(texts: &[(String, String)], implied: &BTreeMap<String, Features>) -> Vec<String> {
    let needed = needed(texts);
    let mut wrong = Vec::new();
    for (file, text) in texts {
        let asks = text.lines().filter(|line| line.contains("cfg") && line.contains("feature ="));
        let asked: BTreeSet<_> = asks.map(named).chain([Features::new()]).collect();
        for own in asked {
            let all: Features = own.union(&needed[file]).cloned().collect();
            let comes_along = |feature: &String| {
                all.iter()
                    .any(|other| implied.get(other).is_some_and(|with| with.contains(feature)))
            };
            if all.iter().filter(|feature| !comes_along(feature)).count() > 2 {
                wrong.push(format!("src/{file}: {all:?}"));
            }
        }
    }
    wrong
}

#[test]
fn no_code_depends_on_more_than_two_features() {
    let wrong = beyond_two(&texts(), &implied());
    assert!(wrong.is_empty(), "`.ci/features` tries two at a time only:\n{}", wrong.join("\n"));
}

#[test]
fn the_rule_of_two_features_can_fail() {
    let file = |name: &str, text: &str| (name.to_owned(), text.to_owned());
    let top = file("lib.rs", "#[cfg(feature = \"a\")]\npub mod one;\nmod other;");
    let middle = file("one/mod.rs", "/// It.\n#[cfg(feature = \"b\")]\nmod two;");
    let inner = |text: &str| file("one/two.rs", text);
    let both = "#[cfg(all(feature = \"b\", feature = \"c\"))]\nuse c::d;";
    let beyond = |implied: &BTreeMap<_, _>, text: &str| {
        beyond_two(&[top.clone(), middle.clone(), inner(text)], implied).len()
    };
    assert_eq!(beyond(&BTreeMap::new(), both), 1);
    assert_eq!(beyond(&BTreeMap::new(), "fn f() {}"), 0);
    let comes_along = BTreeMap::from([("c".to_owned(), Features::from(["a".to_owned()]))]);
    assert_eq!(beyond(&comes_along, both), 0);
    assert!(implied()["console"].contains("inspect"), "{:?}", implied());
}
