//! The import graph of each crate: which source file names which other, and where that is circular.
//!
//! Read from `use` declarations and from paths in code that begin with `crate`, `self` or `super`.
//! Code that is compiled for tests only is left out, as are other crates.

use std::collections::{BTreeMap, BTreeSet};

use syn::{
    Attribute, Item, ItemMod, ItemUse, UseTree,
    visit::{self, Visit},
};

use crate::source::Files;

/// The crates of the product, by the folder of their sources.
pub(crate) const PRODUCT: [&str; 4] = ["proto/src/", "cluster/src/", "node/src/", "client/src/"];
/// The CLI's binary, and the crates of tests.
pub(crate) const OTHERS: [&str; 9] = [
    "client/src/bin/concordat/",
    "tests/harness/",
    "tests/api/",
    "tests/bench/",
    "tests/faults/",
    "tests/sim/runner/",
    "tests/sim/seed/",
    "tests/storage/",
    "tests/tidy/",
];

/// The imports of each file, by path from the repository's root.
pub(crate) type Graph = BTreeMap<String, BTreeSet<String>>;

/// The graph of a crate.
pub(crate) fn of_crate(files: &Files, root: &str, test_modules: &BTreeSet<String>) -> Graph {
    let is_product = |path: &&String| {
        path.starts_with(root)
            && path.ends_with(".rs")
            && !path.starts_with(&format!("{root}bin/"))
            && !test_modules.contains(path.as_str())
    };
    let paths: Vec<&String> = files.text.keys().filter(is_product).collect();
    let modules: BTreeMap<Vec<String>, &str> =
        paths.iter().map(|path| (module_of(path, root), path.as_str())).collect();
    let mut graph = Graph::new();
    for path in &paths {
        let file = syn::parse_file(&files.text[path.as_str()]).expect("Rust");
        let mut finder = Finder::new(module_of(path, root));
        finder.visit_file(&file);
        let is_child = |named: &&Vec<String>| modules.contains_key(&named[..finder.depth() + 1]);
        let relative = finder.relative.iter().filter(is_child);
        let named = finder.found.iter().chain(relative);
        let named = named.filter_map(|named| file_of(&modules, named));
        let others = named.filter(|other| *other != path.as_str()).map(str::to_owned);
        graph.insert((*path).clone(), others.collect());
    }
    graph
}

/// `root/a/mod.rs` and `root/a.rs` are the module `a`.
fn module_of(path: &str, root: &str) -> Vec<String> {
    let stem = path[root.len()..].trim_end_matches(".rs");
    let mut parts: Vec<String> = stem.split('/').map(str::to_owned).collect();
    if matches!(parts.last().map(String::as_str), Some("mod" | "lib" | "main")) {
        parts.pop();
    }
    parts
}

/// The file of the innermost module that a path leads through. The crate's root is no module that a
/// file depends on: it only declares them.
fn file_of<'a>(modules: &BTreeMap<Vec<String>, &'a str>, named: &[String]) -> Option<&'a str> {
    let lengths = (1..=named.len()).rev();
    lengths.filter_map(|length| modules.get(&named[..length])).copied().next()
}

struct Finder {
    /// The module of the code that is looked at.
    at: Vec<String>,
    /// Paths from the crate's root.
    found: BTreeSet<Vec<String>>,
    /// The same of paths that begin with a name: of a module of this one, or of anything else.
    relative: BTreeSet<Vec<String>>,
}

impl Finder {
    fn new(at: Vec<String>) -> Self {
        Self { at, found: BTreeSet::new(), relative: BTreeSet::new() }
    }

    /// The depth of the file's module.
    fn depth(&self) -> usize {
        self.at.len()
    }

    fn add(&mut self, segments: &[String]) {
        let (mut from, mut rest) = match segments.first().map(String::as_str) {
            Some("crate") => (Vec::new(), &segments[1..]),
            Some("self") => (self.at.clone(), &segments[1..]),
            Some("super") => (self.at.clone(), segments),
            _ => {
                self.relative.insert([&self.at, segments].concat());
                return;
            }
        };
        while let Some((first, after)) = rest.split_first()
            && first == "super"
        {
            from.pop();
            rest = after;
        }
        from.extend(rest.iter().cloned());
        self.found.insert(from);
    }

    fn add_tree(&mut self, before: &mut Vec<String>, tree: &UseTree) {
        match tree {
            UseTree::Path(path) => {
                before.push(path.ident.to_string());
                self.add_tree(before, &path.tree);
                before.pop();
            }
            UseTree::Name(name) => {
                before.push(name.ident.to_string());
                self.add(before);
                before.pop();
            }
            UseTree::Rename(name) => {
                before.push(name.ident.to_string());
                self.add(before);
                before.pop();
            }
            UseTree::Glob(_) => self.add(before),
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.add_tree(before, tree);
                }
            }
        }
    }
}

fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute.parse_args::<syn::Path>().is_ok_and(|path| path.is_ident("test"))
    })
}

impl<'ast> Visit<'ast> for Finder {
    fn visit_item(&mut self, item: &'ast Item) {
        #[expect(clippy::wildcard_enum_match_arm, reason = "what else is an item holds no imports")]
        let attributes = match item {
            Item::Mod(item) => &item.attrs,
            Item::Use(item) => &item.attrs,
            Item::Fn(item) => &item.attrs,
            Item::Impl(item) => &item.attrs,
            _ => return visit::visit_item(self, item),
        };
        if !is_test(attributes) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_mod(&mut self, module: &'ast ItemMod) {
        self.at.push(module.ident.to_string());
        visit::visit_item_mod(self, module);
        self.at.pop();
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        self.add_tree(&mut Vec::new(), &item.tree);
    }

    /// `pub(in crate::a)` imports nothing.
    fn visit_visibility(&mut self, _: &'ast syn::Visibility) {}

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Vec<String> =
            path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if segments.len() > 1 {
            self.add(&segments);
        }
        visit::visit_path(self, path);
    }
}

/// The cycles: sets of files each of which leads to every other, largest first.
pub(crate) fn cycles(graph: &Graph) -> Vec<BTreeSet<&str>> {
    let reach: BTreeMap<&str, BTreeSet<&str>> =
        graph.keys().map(|file| (file.as_str(), reached(graph, file))).collect();
    let mut found: BTreeSet<BTreeSet<&str>> = BTreeSet::new();
    for (file, reached) in reach.iter().filter(|(file, reached)| reached.contains(*file)) {
        let back = reached.iter().filter(|other| reach[*other].contains(file));
        found.insert(back.copied().collect());
    }
    let mut found: Vec<_> = found.into_iter().collect();
    found.sort_by_key(|cycle| std::cmp::Reverse(cycle.len()));
    found
}

/// All that a file leads to, itself only if it leads back to itself.
fn reached<'a>(graph: &'a Graph, from: &str) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut next: Vec<&str> = graph[from].iter().map(String::as_str).collect();
    while let Some(file) = next.pop() {
        if reached.insert(file) {
            next.extend(graph[file].iter().map(String::as_str));
        }
    }
    reached
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cycle_is_found_and_a_test_makes_none() {
        let files = Files::of(&[
            ("node/src/lib.rs", "mod a;\nmod b;\nmod c;\npub use a::x;"),
            ("node/src/a/mod.rs", "mod inner;\nuse inner::y;\nuse crate::{b, c::z};"),
            ("node/src/a/inner.rs", "pub fn y() { super::super::b::w() }"),
            ("node/src/b.rs", "use super::a::inner::y;"),
            ("node/src/c.rs", "#[cfg(test)]\nmod tests {\n    use crate::a::x;\n}"),
        ]);
        let graph = of_crate(&files, "node/src/", &BTreeSet::new());
        let found = cycles(&graph);
        assert_eq!(found, [BTreeSet::from(["node/src/a/inner.rs", "node/src/b.rs"])]);
        assert!(graph["node/src/a/mod.rs"].contains("node/src/c.rs"));
    }
}
