//! The rules, and samples that they must find.

use std::collections::BTreeSet;

use crate::source::Files;

const LINES_MAX: usize = 600;

/// A library, and the only places whose code may name it.
const CONFINED: [(&str, &[&str]); 4] = [
    ("openraft", &["cluster/src/raft/"]),
    ("rocksdb", &["cluster/src/store/rocks.rs"]),
    (
        "hyper",
        &[
            "node/src/http/",
            "node/src/peer/",
            "client/src/call/transport.rs",
            "client/tests/sdk/fake.rs",
        ],
    ),
    (
        "hyper_util",
        &[
            "node/src/http/",
            "node/src/peer/",
            "client/src/call/transport.rs",
            "client/tests/sdk/fake.rs",
        ],
    ),
];

/// Code that takes values and returns values.
const PURE: [&str; 10] = [
    "proto/src/",
    "cluster/src/machine/",
    "cluster/src/placement/",
    "cluster/src/consistency/",
    "cluster/src/store/keys.rs",
    "node/src/dialect/",
    "node/src/auth/authorize.rs",
    "client/src/call/classify.rs",
    "client/src/call/endpoints.rs",
    "client/src/call/retry.rs",
];
/// Names that pure code never uses: paths within `std`, and crates.
const IMPURE_STD: [&str; 6] = ["fs", "net", "env", "process", "thread", "time::SystemTime"];
const IMPURE_CRATES: [&str; 4] = ["rand", "getrandom", "tokio", "futures"];

const DIALECTS: &str = "node/src/dialect/";
/// Folders there that are no dialect.
const DIALECTS_SHARED: [&str; 2] = ["testdata", "common"];
/// The one file beside the dialects that may name them.
const REGISTRY: &str = "node/src/dialect/mod.rs";

/// Rules for every text.
pub(crate) fn of_any_text(path: &str, text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    // Written apart, so that this file does not break its own rule.
    let machine_paths = [concat!("/ro", "ot/"), concat!("/ho", "me/"), concat!("/wo", "rk/")];
    for (number, line) in numbered(text) {
        if machine_paths.iter().any(|machine| line.contains(machine)) {
            wrong.push(format!("{path}:{number}: names a path of one machine"));
        }
        let to_do = concat!("TO", "DO");
        if let Some((_, after)) = line.split_once(to_do)
            && path.ends_with(".rs")
            && !(after.starts_with('(') && after.find(')').is_some_and(|end| end > 1))
        {
            wrong.push(format!("{path}:{number}: a {to_do} without an owner in parentheses"));
        }
    }
    wrong
}

/// Rules for every Rust source.
pub(crate) fn of_source(path: &str, text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    if !text.starts_with("//!") {
        wrong.push(format!("{path}: does not open with what it is for (//!)"));
    }
    let count = text.lines().count();
    if count > LINES_MAX {
        wrong.push(format!("{path}: {count} lines; {LINES_MAX} are the most"));
    }
    for (number, line) in code_lines(text) {
        let ignored = ["#[ignore", "ignore]", "ignore ="]
            .iter()
            .any(|form| line.trim_start().starts_with("#[") && line.contains(form));
        // One that needs more than this build names the target that runs it.
        if ignored && !line.contains(": make ") {
            wrong.push(format!("{path}:{number}: a test that is not run"));
        }
        for (library, places) in CONFINED {
            let at_home = places.iter().any(|place| path.starts_with(place));
            if !at_home && names(line, library) {
                wrong.push(format!("{path}:{number}: names {library}, which lives in {places:?}"));
            }
        }
    }
    wrong
}

/// Rules for the part of a pure source that is no test.
pub(crate) fn of_pure_source(path: &str, text: &str) -> Vec<String> {
    if !PURE.iter().any(|pure| path.starts_with(pure)) {
        return Vec::new();
    }
    let code: String = code_lines(text).map(|(_, line)| format!("{line}\n")).collect();
    let mut wrong = Vec::new();
    for named in std_paths(&code) {
        let below = |impure: &str| named.starts_with(&format!("{impure}::"));
        if IMPURE_STD.iter().any(|impure| named == *impure || below(impure)) {
            wrong.push(format!("{path}: is pure, and names std::{named}"));
        }
    }
    for library in IMPURE_CRATES {
        if code.lines().any(|line| names(line, library)) {
            wrong.push(format!("{path}: is pure, and names {library}"));
        }
    }
    wrong
}

/// The one member of the native API's types that has a vendor's name.
const VENDORS_MEMBER: &str = "enable_in_slashid_oidc_authz_server";

/// Outside of its folder only the registry names a dialect, by its module or by the vendor's name. The
/// client speaks the native one.
pub(crate) fn of_neutral_source(path: &str, text: &str) -> Vec<String> {
    let is_neutral =
        ["node/src/", "cluster/src/", "proto/src/"].iter().any(|it| path.starts_with(it));
    if !is_neutral || path == REGISTRY {
        return Vec::new();
    }
    let mut wrong = Vec::new();
    for vendor in ["slashid", "zitadel", "jitsudo", "aisquare"] {
        let own = format!("{DIALECTS}{vendor}/");
        for (number, line) in code_lines(text).filter(|_| !path.starts_with(&own)) {
            if line.replace(VENDORS_MEMBER, "").to_lowercase().contains(vendor) {
                wrong.push(format!("{path}:{number}: names the dialect {vendor}"));
            }
        }
    }
    wrong
}

/// No dialect knows another.
pub(crate) fn of_dialects(files: &Files) -> Vec<String> {
    let dialect = |path: &str| {
        let (name, _) = path.strip_prefix(DIALECTS)?.split_once('/')?;
        (!DIALECTS_SHARED.contains(&name)).then(|| name.to_owned())
    };
    let all: BTreeSet<String> = files.text.keys().filter_map(|path| dialect(path)).collect();
    let mut wrong = Vec::new();
    for (path, text) in &files.text {
        let Some(own) = dialect(path) else { continue };
        for other in all.iter().filter(|other| **other != own) {
            for (number, line) in code_lines(text) {
                let forms =
                    ["dialect::", "super::super::"].map(|before| format!("{before}{other}"));
                if forms.iter().any(|form| line.contains(form)) {
                    wrong.push(format!("{path}:{number}: knows the dialect {other}"));
                }
            }
        }
    }
    wrong
}

/// Attributes of a module that is no part of the product.
const FOR_TESTS: [&str; 2] = ["#[cfg(test)]", "#[cfg(any(test, feature = \"testing\"))]"];

/// The files that are compiled for tests only: `#[cfg(test)] mod name;`, and all that lie in its folder.
pub(crate) fn test_modules(files: &Files) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (path, text) in &files.text {
        let Some((folder, file)) = path.rsplit_once('/') else { continue };
        let stem = file.trim_end_matches(".rs");
        let below = match stem {
            "mod" | "lib" | "main" => folder.to_owned(),
            stem => format!("{folder}/{stem}"),
        };
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        for (place, _) in lines.iter().enumerate().filter(|(_, line)| FOR_TESTS.contains(line)) {
            let mut own_path = None;
            for line in &lines[place + 1..] {
                if let Some(rest) = line.strip_prefix("#[path = \"") {
                    own_path = rest.strip_suffix("\"]");
                } else if let Some(name) = module_name(line) {
                    found.insert(match own_path {
                        Some(own) => format!("{folder}/{own}"),
                        None => format!("{below}/{name}.rs"),
                    });
                    let inside = format!("{below}/{name}/");
                    let all = files.text.keys().filter(|path| path.starts_with(&inside));
                    found.extend(all.cloned());
                    break;
                } else if !line.starts_with("#[") {
                    break;
                }
            }
        }
    }
    found
}

fn module_name(line: &str) -> Option<&str> {
    let line = line.strip_prefix("pub(crate) ").unwrap_or(line);
    let line = line.strip_prefix("pub ").unwrap_or(line);
    line.strip_prefix("mod ")?.strip_suffix(';')
}

/// The text up to `#[cfg(test)] mod tests { … }` at its end.
pub(crate) fn without_tests(text: &str) -> &str {
    let module = text.match_indices("#[cfg(test)]\nmod ");
    let inline = module.filter(|(at, _)| {
        let line = text[*at..].lines().nth(1).unwrap_or_default();
        line.ends_with('{')
    });
    inline.map(|(at, _)| &text[..at]).next().unwrap_or(text)
}

fn numbered(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(place, line)| (place + 1, line))
}

/// Lines without comments and double-quoted text.
fn code_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    numbered(text).map(|(number, line)| {
        let comment = line.trim_start().starts_with("//");
        (number, if comment { "" } else { line.split(" // ").next().unwrap_or(line) })
    })
}

/// Whether a line of code names a crate: `name::` as a whole word, outside of quotes.
fn names(line: &str, library: &str) -> bool {
    line.match_indices(&format!("{library}::")).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let whole = !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '-');
        let quotes = line[..at].matches('"').count();
        whole && quotes.is_multiple_of(2)
    }) || line.trim().starts_with(&format!("use {library};"))
}

/// The paths after `std::`, with groups expanded one level deep.
fn std_paths(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("std::") {
        let rest = &code[at + "std::".len()..];
        match rest.strip_prefix('{') {
            Some(group) => found.extend(group_items(group)),
            None => found.push(path_prefix(rest)),
        }
    }
    found
}

fn path_prefix(text: &str) -> String {
    let end = text.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':'));
    text[..end.unwrap_or(text.len())].trim_end_matches(':').to_owned()
}

/// `a, b::{c, d}, e` up to the closing brace, as `a`, `b::c`, `b::d`, `e`.
fn group_items(group: &str) -> Vec<String> {
    let (mut items, mut outer, mut item) = (Vec::new(), Vec::new(), String::new());
    for c in group.chars() {
        match c {
            '{' => outer.push(std::mem::take(&mut item)),
            ',' | '}' => {
                let whole = format!("{}{}", outer.concat(), item.trim());
                if !item.trim().is_empty() {
                    items.push(whole);
                }
                item.clear();
                if c == '}' && outer.pop().is_none() {
                    break;
                }
            }
            c if c.is_whitespace() => {}
            c => item.push(c),
        }
    }
    items
}

mod tests {
    use super::*;

    #[test]
    fn bad_texts_are_found() {
        for bad in [
            concat!("see /ro", "ot/x"),
            concat!("// TO", "DO: later"),
            concat!("// TO", "DO() later"),
        ] {
            assert_eq!(of_any_text("a.rs", bad).len(), 1, "{bad}");
        }
        for good in ["see /etc/x", concat!("// TO", "DO(ann): later")] {
            assert!(of_any_text("a.rs", good).is_empty(), "{good}");
        }
    }

    #[test]
    fn bad_sources_are_found() {
        let long = "//! x\n".repeat(LINES_MAX + 1);
        for (path, bad) in [
            ("node/src/a.rs", "// no\n"),
            ("node/src/a.rs", long.as_str()),
            ("node/src/a.rs", concat!("//! x\n#[igno", "re]\n")),
            ("node/src/a.rs", concat!("//! x\n#[igno", "re = \"slow\"]\n")),
            ("node/src/a.rs", concat!("//! x\nuse openraft", "::Raft;\n")),
            ("cluster/src/store/memory.rs", concat!("//! x\nlet x = rocksdb", "::DB::open();\n")),
            ("client/src/client.rs", concat!("//! x\nuse hyper_util", "::rt;\n")),
            ("node/src/request/serve.rs", concat!("//! x\nuse hyper", "::body::Incoming;\n")),
        ] {
            assert_eq!(of_source(path, bad).len(), 1, "{path}: {bad}");
        }
        for (path, good) in [
            ("cluster/src/raft/group.rs", concat!("//! x\nuse openraft", "::Raft;\n")),
            ("node/src/a.rs", concat!("//! x\n// as openraft", "::Raft does\n")),
            ("node/src/a.rs", concat!("//! x\nlet x = \"openraft", "::engine=info\";\n")),
            ("node/src/a.rs", concat!("//! x\nuse my_hyper", "::x;\n")),
            ("tests/faults/a.rs", concat!("//! x\n#[igno", "re = \"long: make soak\"]\n")),
        ] {
            assert!(of_source(path, good).is_empty(), "{path}: {good}");
        }
    }

    #[test]
    fn impurity_is_found() {
        let path = "cluster/src/machine/a.rs";
        for bad in [
            "use std::fs;",
            "use std::{fmt, fs, time::Duration};",
            "use std::{\n    time::{Duration, SystemTime},\n};",
            "let x = std::env::var(\"X\");",
            concat!("use tok", "io::time::sleep;"),
            concat!("let x = ra", "nd::random();"),
        ] {
            assert_eq!(of_pure_source(path, bad).len(), 1, "{bad}");
            assert!(of_pure_source("node/src/a.rs", bad).is_empty(), "{bad}");
        }
        for good in ["use std::{fmt, time::Duration};", "// std::fs", "use std::net_like::x;"] {
            assert!(of_pure_source(path, good).is_empty(), "{good}");
        }
    }

    #[test]
    fn dialects_that_know_each_other_are_found() {
        let files = Files::of(&[
            ("node/src/dialect/one/parse.rs", "use crate::dialect::two::parse;"),
            ("node/src/dialect/two/parse.rs", "use crate::dialect::two::render;"),
            ("node/src/dialect/two/render.rs", "use super::super::one;"),
        ]);
        let wrong = of_dialects(&files);
        assert_eq!(wrong.len(), 2, "{wrong:?}");
    }

    #[test]
    fn code_that_names_a_dialect_is_found() {
        let line = "let name = \"SlashID-OrgID\";";
        assert_eq!(of_neutral_source("node/src/request/serve.rs", line).len(), 1);
        assert_eq!(of_neutral_source("node/src/dialect/zitadel/mod.rs", line).len(), 1);
        assert_eq!(of_neutral_source("proto/src/header.rs", line).len(), 1);
        let member = "#[serde(rename = \"enable_in_slashid_oidc_authz_server\")]";
        assert!(of_neutral_source("proto/src/api/credential.rs", member).is_empty());
        for allowed in ["node/src/dialect/slashid/mod.rs", REGISTRY, "client/src/call/header.rs"] {
            assert!(of_neutral_source(allowed, line).is_empty(), "{allowed}");
        }
        assert!(of_neutral_source("node/src/a.rs", "// as SlashID does").is_empty());
    }

    #[test]
    fn tests_are_told_from_code() {
        let files = Files::of(&[
            ("a/src/lib.rs", "#[cfg(test)]\nmod script;\nmod real;\n"),
            ("a/src/real.rs", "#[cfg(test)]\n#[path = \"real_test.rs\"]\nmod tests;\n"),
            ("a/src/deep.rs", "#[cfg(test)]\nmod inner;\n"),
            ("a/src/deep/inner/more.rs", ""),
        ]);
        let expected = [
            "a/src/deep/inner.rs",
            "a/src/deep/inner/more.rs",
            "a/src/real_test.rs",
            "a/src/script.rs",
        ];
        assert!(test_modules(&files).iter().eq(expected));
        let text = "code\n#[cfg(test)]\nmod a;\nmore\n#[cfg(test)]\nmod tests {\nuse std::fs;\n}\n";
        assert_eq!(without_tests(text), "code\n#[cfg(test)]\nmod a;\nmore\n");
    }
}
