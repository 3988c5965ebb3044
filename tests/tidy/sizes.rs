//! Sizes of files, functions and folders, as numbers that can be compared from one release to the
//! next.
//!
//! A function is counted from the first line of its signature to its closing brace. Macro
//! expansions are not counted.

use std::{collections::BTreeMap, fmt};

use syn::{
    Block, ImplItemFn, ItemFn, Signature, TraitItemFn,
    visit::{self, Visit},
};

use crate::{rules, source::Files};

/// Lines that a function may have.
pub(crate) const FUNCTION_LINES_MAX: usize = 70;
/// Source files that a folder may have, those of tests beside their subject (`*_test.rs`) not counted.
pub(crate) const FOLDER_FILES_MAX: usize = 15;

/// A function of a file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Function {
    pub(crate) name: String,
    /// Where its signature begins.
    pub(crate) line: usize,
    pub(crate) lines: usize,
}

/// All functions of a source, those within functions and those of tests too.
pub(crate) fn functions(text: &str) -> Vec<Function> {
    let mut finder = Finder::default();
    finder.visit_file(&syn::parse_file(text).expect("Rust"));
    finder.found
}

#[derive(Default)]
struct Finder {
    found: Vec<Function>,
}

impl Finder {
    fn add(&mut self, signature: &Signature, body: &Block) {
        let line = signature.fn_token.span.start().line;
        let lines = body.brace_token.span.close().end().line + 1 - line;
        self.found.push(Function { name: signature.ident.to_string(), line, lines });
    }
}

impl<'ast> Visit<'ast> for Finder {
    fn visit_item_fn(&mut self, item: &'ast ItemFn) {
        self.add(&item.sig, &item.block);
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast ImplItemFn) {
        self.add(&item.sig, &item.block);
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast TraitItemFn) {
        if let Some(body) = &item.default {
            self.add(&item.sig, body);
        }
        visit::visit_trait_item_fn(self, item);
    }
}

/// How many source files each folder has.
pub(crate) fn folders(files: &Files) -> BTreeMap<&str, usize> {
    let mut folders = BTreeMap::new();
    for path in files.text.keys() {
        if path.ends_with(".rs") && !path.ends_with("_test.rs") {
            let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
            *folders.entry(folder).or_default() += 1;
        }
    }
    folders
}

/// The sizes of some sources, in one row.
#[derive(Debug)]
pub(crate) struct Row {
    files: Vec<usize>,
    functions: Vec<usize>,
    comments: usize,
    /// Calls of `unwrap` and `expect`.
    unwraps: usize,
}

impl Row {
    /// Of all sources, tests too.
    pub(crate) fn of_all(files: &Files) -> Self {
        let sources = files.text.iter().filter(|(path, _)| path.ends_with(".rs"));
        Self::of_texts(sources.map(|(_, text)| text.as_str()))
    }

    /// Of what is not compiled for tests only, below some folders.
    pub(crate) fn of_product(files: &Files, roots: &[&str]) -> Self {
        let test_modules = rules::test_modules(files);
        let sources = files.text.iter().filter(|(path, _)| {
            path.ends_with(".rs")
                && roots.iter().any(|root| path.starts_with(root))
                && !test_modules.contains(path.as_str())
        });
        Self::of_texts(sources.map(|(_, text)| rules::without_tests(text)))
    }

    fn of_texts<'a>(texts: impl Iterator<Item = &'a str>) -> Self {
        let mut row = Self { files: Vec::new(), functions: Vec::new(), comments: 0, unwraps: 0 };
        for text in texts {
            row.files.push(text.lines().count());
            let is_comment = |line: &&str| line.trim_start().starts_with("//");
            row.comments += text.lines().filter(is_comment).count();
            let code = text.lines().filter(|line| !is_comment(line));
            let unwraps =
                |line: &str| line.matches(".unwrap()").count() + line.matches(".expect(").count();
            row.unwraps += code.map(unwraps).sum::<usize>();
            row.functions.extend(functions(text).iter().map(|function| function.lines));
        }
        row.files.sort_unstable();
        row.functions.sort_unstable();
        row
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let spread = |sizes: &[usize]| {
            let at = |percent: usize| sizes.get((sizes.len() * percent).div_ceil(100).max(1) - 1);
            [50, 90, 100].map(|percent| at(percent).copied().unwrap_or(0).to_string()).join(" · ")
        };
        let lines: usize = self.files.iter().sum();
        let long = self.functions.iter().filter(|lines| **lines > FUNCTION_LINES_MAX).count();
        write!(
            f,
            "{} files | lines/file med · p90 · max {} | {} functions | lines/fn med · p90 · max {} | fns > \
             {FUNCTION_LINES_MAX}: {long} | comments {} % | unwrap+expect {:.1} /kloc",
            self.files.len(),
            spread(&self.files),
            self.functions.len(),
            spread(&self.functions),
            (100 * self.comments).checked_div(lines).unwrap_or(0),
            1000.0 * self.unwraps as f64 / lines as f64,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_is_counted_from_its_signature_to_its_brace() {
        let text = "/// Says.\n#[must_use]\npub fn a(\n    x: u8,\n) {\n    fn b() {}\n}\n\nimpl A {\n    \
                    fn c() {\n    }\n}\ntrait T {\n    fn d() {}\n    fn e();\n}\n";
        let found: Vec<_> =
            functions(text).into_iter().map(|f| (f.name, f.line, f.lines)).collect();
        let expected = [("a", 3, 5), ("b", 6, 1), ("c", 10, 2), ("d", 14, 1)];
        assert_eq!(found, expected.map(|(name, line, lines)| (name.to_owned(), line, lines)));
    }

    #[test]
    fn tests_beside_their_subject_fill_no_folder() {
        let files = Files::of(&[("a/b.rs", ""), ("a/b_test.rs", ""), ("a/c.md", ""), ("d.rs", "")]);
        assert_eq!(folders(&files), BTreeMap::from([("a", 1), ("", 1)]));
    }

    #[test]
    fn a_row_has_the_median_and_the_ends() {
        let texts = ["fn a() {}\n", "//! x\nfn b() {\n}\n", "//! x\n//! x\n//! x\n//! x\n"];
        let row = Row::of_texts(texts.into_iter()).to_string();
        assert!(row.contains("3 files | lines/file med · p90 · max 3 · 4 · 4"), "{row}");
        assert!(row.contains("2 functions | lines/fn med · p90 · max 1 · 2 · 2"), "{row}");
        assert!(row.contains("comments 62 % | unwrap+expect 0.0 /kloc"), "{row}");
    }
}
