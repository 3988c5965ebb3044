//! The repository checks itself: rules of layout that no compiler and no lint knows.
//!
//! Each rule is a function from a file's path and text to what is wrong with it, so that it can be
//! shown bad samples as well as the repository.
#![cfg(test)]

mod graph;
mod rules;
mod source;

use std::{collections::BTreeMap, path::Path};

use source::{Files, TOP_FOLDERS_HIDDEN};

fn repository() -> Files {
    Files::read(Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the repository"))
}

#[test]
fn every_file_keeps_the_rules() {
    let files = repository();
    assert!(files.text.len() > 100, "the repository was not found: {:?}", files.text.keys());
    let mut wrong = Vec::new();
    let test_modules = rules::test_modules(&files);
    for (path, text) in &files.text {
        wrong.extend(rules::of_any_text(path, text));
        if path.ends_with(".rs") {
            wrong.extend(rules::of_source(path, text));
            if !test_modules.contains(path.as_str()) {
                wrong.extend(rules::of_pure_source(path, rules::without_tests(text)));
                wrong.extend(rules::of_neutral_source(path, rules::without_tests(text)));
            }
        }
    }
    wrong.extend(rules::of_dialects(&files));
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// Cycles that are still there, by a file of theirs and the number of files: they may only shrink.
const CYCLES_LEFT: [(&str, usize); 11] = [
    ("client/src/client.rs", 16),
    ("cluster/src/consistency/model/lease.rs", 2),
    ("cluster/src/consistency/progress.rs", 2),
    ("cluster/src/log/writer.rs", 6),
    ("cluster/src/placement/plan.rs", 3),
    ("cluster/src/raft/groups.rs", 33),
    ("cluster/src/raft/in_process/hub.rs", 2),
    ("cluster/src/raft/transport_contract.rs", 4),
    ("proto/src/command.rs", 3),
    ("proto/src/wire/codec.rs", 3),
    ("proto/src/wire/command.rs", 2),
];

#[test]
fn no_file_imports_what_imports_it() {
    let files = repository();
    let test_modules = rules::test_modules(&files);
    let mut wrong = Vec::new();
    for root in graph::CRATES {
        let graph = graph::of_crate(&files, root, &test_modules);
        for cycle in graph::cycles(&graph) {
            let left = CYCLES_LEFT.iter().find(|(file, _)| cycle.contains(file));
            if left.is_none_or(|(_, size)| cycle.len() > *size) {
                wrong.push(format!("{} files: {cycle:#?}", cycle.len()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_readme_names_every_folder() {
    let files = repository();
    let readme = files.text.get("README.md").expect("README.md");
    let mut folders: BTreeMap<&str, usize> = BTreeMap::new();
    for (folder, _) in files.text.keys().filter_map(|path| path.split_once('/')) {
        *folders.entry(folder).or_default() += 1;
    }
    for folder in folders.keys().filter(|name| !TOP_FOLDERS_HIDDEN.contains(&name.chars().next())) {
        assert!(readme.contains(&format!("| `{folder}` |")), "README's map does not name {folder}");
    }
}

/// The promise's table names tests that are there: a row whose test was renamed or dropped holds nothing.
#[test]
fn every_test_that_the_promise_names_is_there() {
    let files = repository();
    let table = files.text.get("docs/promise.md").expect("docs/promise.md");
    let names = table.split('`').filter(|word| !word.contains(' ') && word.contains("::"));
    let mut missing = Vec::new();
    let mut count = 0;
    for name in names {
        count += 1;
        let (module, test) = name.rsplit_once("::").expect("a module and a function");
        let file = format!("/{}.rs", module.replace("::", "/"));
        let is_there = files
            .text
            .iter()
            .any(|(path, text)| path.ends_with(&file) && text.contains(&format!("fn {test}(")));
        if !is_there {
            missing.push(name);
        }
    }
    assert!(count > 30, "only {count} tests are named");
    assert!(missing.is_empty(), "docs/promise.md names what is not there: {missing:#?}");
}
