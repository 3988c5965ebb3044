//! The repository checks itself: rules of layout and language that no compiler and no lint knows.
//!
//! Each rule is a function from a file's path and text to its problems, so that it can be tested
//! with bad samples as well as the repository.
#![cfg(test)]

mod documents;
mod graph;
mod rules;
mod sizes;
mod source;
mod words;

use std::{collections::BTreeMap, path::Path};

use source::{Files, TOP_FOLDERS_HIDDEN};

fn repository() -> Files {
    let mut folders = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    Files::read(folders.find(|folder| folder.join("Cargo.lock").exists()).expect("the repository"))
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

#[test]
fn no_file_imports_what_imports_it() {
    let files = repository();
    let test_modules = rules::test_modules(&files);
    let mut wrong = Vec::new();
    for root in graph::PRODUCT.iter().chain(&graph::OTHERS) {
        let graph = graph::of_crate(&files, root, &test_modules);
        for cycle in graph::cycles(&graph) {
            wrong.push(format!("{} files: {cycle:#?}", cycle.len()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A page that a newcomer reads to its end.
const README_LINES_MAX: usize = 150;

#[test]
fn what_documents_name_is_there() {
    let files = repository();
    let lines = files.text.get("README.md").expect("README.md").lines().count();
    assert!(lines <= README_LINES_MAX, "README has {lines} lines, of at most {README_LINES_MAX}");
    let wrong = documents::wrong(&files);
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// One language for users, code and documents: the terms of the field and of `docs/glossary.md`.
#[test]
fn no_old_word_has_come_back() {
    let wrong = words::wrong(&repository());
    assert!(wrong.is_empty(), "{} words\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn no_folder_has_more_files_than_one_can_look_over() {
    let files = repository();
    let folders = sizes::folders(&files);
    let large = folders.iter().filter(|(_, count)| **count > sizes::FOLDER_FILES_MAX);
    let wrong: Vec<String> =
        large.map(|(folder, count)| format!("{folder}: {count} source files")).collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn no_function_is_longer_than_a_page() {
    let files = repository();
    let mut wrong = Vec::new();
    for (path, text) in files.text.iter().filter(|(path, _)| path.ends_with(".rs")) {
        let functions = sizes::functions(text);
        for long in functions.iter().filter(|found| found.lines > sizes::FUNCTION_LINES_MAX) {
            wrong.push(format!("{path}:{}: {} has {} lines", long.line, long.name, long.lines));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// Prints the sizes that are compared with other code bases:
/// `cargo test -p concordat-tidy -- --nocapture the_sizes`.
#[test]
fn the_sizes_are_printed() {
    let files = repository();
    let product = sizes::Row::of_product(&files, &graph::PRODUCT);
    let all = sizes::Row::of_all(&files);
    println!("product: {product} | {}", between_files(&files, &graph::PRODUCT));
    let crates = [&graph::PRODUCT[..], &graph::OTHERS].concat();
    println!("all: {all} | {}", between_files(&files, &crates));
}

/// The largest folder below some crates, and the largest cycle of imports within one of them.
fn between_files(files: &Files, crates: &[&str]) -> String {
    let test_modules = rules::test_modules(files);
    let folders = sizes::folders(files);
    let of_crates = |folder: &str| crates.iter().any(|root| format!("{folder}/").starts_with(root));
    let folders = folders.iter().filter(|(folder, _)| of_crates(folder));
    let (folder, count) = folders.max_by_key(|(_, count)| **count).expect("a folder");
    let graphs: Vec<_> =
        crates.iter().map(|root| graph::of_crate(files, root, &test_modules)).collect();
    let cycles = graphs.iter().flat_map(graph::cycles);
    let cycle = cycles.map(|cycle| cycle.len()).max().unwrap_or(0);
    format!("largest folder {count} {folder} | largest import cycle {cycle}")
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
