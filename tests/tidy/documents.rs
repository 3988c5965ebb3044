//! Names in documents must exist: files, links, targets of make, metrics and variables. And every
//! operation of the API must be in its document.
//!
//! `tests/api/programs/readme.rs` checks that the programs accept the command lines. Must never
//! change a document.

use crate::source::Files;

/// The ends of file names.
const FILES: [&str; 6] = [".rs", ".md", ".tsv", ".yml", ".toml", ".hex"];
/// The beginnings of paths in the repository.
const ROOTS: [&str; 6] = ["client/", "cluster/", "docs/", "node/", "proto/", "tests/"];

fn is_document(path: &str) -> bool {
    path.ends_with(".md") && (!path.contains('/') || path.starts_with("docs/"))
}

/// The problems of all documents.
pub(crate) fn wrong(files: &Files) -> Vec<String> {
    let documents = files.text.iter().filter(|(path, _)| is_document(path));
    // Names in the changelog existed once.
    let living = documents.filter(|(path, _)| *path != "CHANGELOG.md");
    let named = living.flat_map(|(path, text)| of_document(files, path, text));
    named.chain(missing_operations(files)).collect()
}

/// Operations of the table that the API's document leaves out.
fn missing_operations(files: &Files) -> Vec<String> {
    let text = |path| files.text.get(path).map(String::as_str).unwrap_or_default();
    let (table, document) = (text("node/src/api/operation.rs"), text("docs/http-api.md"));
    let rows = table.lines().filter(|line| line.contains("(Operation::"));
    let names = rows.filter_map(|row| row.split('"').nth(1));
    let missing = names.filter(|name| !document.contains(&format!("| `{name}` |")));
    missing.map(|name| format!("docs/http-api.md leaves {name} out")).collect()
}

fn of_document(files: &Files, path: &str, text: &str) -> Vec<String> {
    let missing_files = file_names(text).filter(|name| !has_file(files, name));
    let missing_links = links(text).filter(|link| !has_link(files, path, link));
    let missing_targets = targets(text).filter(|target| !has_target(files, target));
    let missing_words = words(text).filter(|word| !has_word(files, word));
    let all = missing_files.chain(missing_links).chain(missing_targets).chain(missing_words);
    all.map(|name| format!("{path} names {name}, which is not there")).collect()
}

/// Code in a line of text, between two backticks.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// Files and folders of the repository that a document names. One with a placeholder in capitals is a
/// pattern.
fn file_names(text: &str) -> impl Iterator<Item = &str> {
    let is_name = |word: &&str| {
        let is_file = word.contains('/') && FILES.iter().any(|end| word.ends_with(end));
        (is_file || ROOTS.iter().any(|root| word.starts_with(root)))
            && word.chars().all(|c| c.is_ascii_lowercase() || "/_.-0123456789".contains(c))
            && !word.starts_with('/')
    };
    code(text).filter(is_name)
}

/// A file by its path or by the end of it, a folder by its path.
fn has_file(files: &Files, name: &str) -> bool {
    let (end, folder) = (format!("/{name}"), format!("{}/", name.trim_end_matches('/')));
    files.text.keys().any(|path| path == name || path.ends_with(&end) || path.starts_with(&folder))
}

/// The targets of links, without those that leave the repository.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let links = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    links.filter(|link| !link.contains("://") && !link.starts_with('#'))
}

fn has_link(files: &Files, path: &str, link: &str) -> bool {
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let file = link.split('#').next().unwrap_or_default();
    let full = match file.strip_prefix("../") {
        Some(above) => above.to_owned(),
        None if folder.is_empty() => file.to_owned(),
        None => format!("{folder}/{file}"),
    };
    files.text.contains_key(&full)
}

/// Targets of `make …`, in code.
fn targets(text: &str) -> impl Iterator<Item = &str> {
    let calls = text.split(['`', '\n']).filter_map(|part| part.strip_prefix("make "));
    calls.filter_map(|call| call.split_whitespace().next())
}

fn has_target(files: &Files, target: &str) -> bool {
    let rule = format!("{target}:");
    files.text["Makefile"].lines().any(|line| line.starts_with(&rule))
}

/// Metrics and variables of the environment.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let parts = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let is_name = |word: &&str| {
        (word.starts_with("concordat_") || word.starts_with("CONCORDAT_")) && !word.ends_with('_')
    };
    parts.filter(is_name)
}

/// In the product, or where it is run from.
fn has_word(files: &Files, word: &str) -> bool {
    let is_product = |path: &str| {
        ["node/", "client/", "cluster/", "proto/"].iter().any(|root| path.starts_with(root))
            || ["Makefile", "docker-compose.yml"].contains(&path)
    };
    files.text.iter().any(|(path, text)| is_product(path) && text.contains(word))
}

#[test]
fn what_is_not_there_is_found() {
    let document = "see `node/src/gone.rs`, `log/mod.rs`, `node/gone`, `node/src` and [that](other.md), [this](here.md#a);\n\
                    `make gone ARGS=1` or\nmake there\n`concordat_gone_total`, `concordat_there`, \
                    CONCORDAT_GONE, CONCORDAT_THERE, `proto/src/NAME.rs`, <https://example.org/x.md>";
    let files = Files::of(&[
        ("docs/here.md", document),
        ("cluster/src/log/mod.rs", ""),
        ("Makefile", "there: ## A target\n"),
        ("node/src/main.rs", "concordat_there CONCORDAT_THERE"),
    ]);
    let found = wrong(&files);
    let expected = [
        "node/src/gone.rs",
        "node/gone",
        "other.md",
        "gone",
        "concordat_gone_total",
        "CONCORDAT_GONE",
    ];
    let expected = expected.map(|name| format!("docs/here.md names {name}, which is not there"));
    assert_eq!(found, expected);
}

#[test]
fn an_operation_that_is_not_described_is_found() {
    let table =
        "    read(Operation::One, \"one\", READ),\n    write(Operation::Two, \"two\", WRITE),\n";
    let files = Files::of(&[
        ("node/src/api/operation.rs", table),
        ("docs/http-api.md", "| `one` | `GET /one` |\n"),
        ("Makefile", ""),
    ]);
    assert_eq!(wrong(&files), ["docs/http-api.md leaves two out"]);
}
