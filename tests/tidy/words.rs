//! Words that must not come back: names that users once saw, the private idiom of earlier texts,
//! British spellings, and old names of types and functions.
//!
//! Comments, string literals and identifiers of a Rust source are told apart by its tokens. Names of
//! identifiers are checked in the product only, since the name of a test is a sentence.
//! Must never change a file.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

use crate::{graph::PRODUCT, rules, source::Files};

/// Names of flags, settings, JSON members, metrics and headers that were renamed (`CHANGELOG.md`).
const OLD_USER_NAMES: [&str; 27] = [
    "region seat",
    "region found",
    "region keep",
    "region divergence",
    "--fenced",
    "--without",
    "--back",
    "--keep",
    "survive=",
    "when_isolated",
    "home_ms",
    "away_ms",
    "would_succeed",
    "heard_ms_ago",
    "header_time_s_max",
    "body_time_s_max",
    "drain_s_max",
    "snapshot_every",
    "log_keep",
    "concordat_danger_*",
    "concordat_region_reading_age_seconds",
    "concordat_write_would_succeed",
    "concordat_waiters",
    "concordat_request_seconds",
    "concordat-key-lifetime",
    "danger set",
    "danger sets",
];

/// Words and phrases that leave the actor or the action unnamed, with what to write.
const IDIOM: [(&str, &str); 24] = [
    ("told", "name the sender and the message: reported, notified, answered"),
    ("untold", "name the message that is missing"),
    ("whoever", "name the actor"),
    ("whosoever", "name the actor"),
    ("somebody", "name the actor: a node, a client, an operator"),
    ("nobody", "name the actor: no node, no client"),
    ("everybody", "name the actors: every node, all clients"),
    ("anybody", "name the actor: any node, any client"),
    ("goes on", "continues"),
    ("go on", "continue"),
    ("gone on", "continued"),
    ("went on", "continued"),
    ("stood still", "was paused"),
    ("stands still", "is paused"),
    ("so many", "this many, a number"),
    ("in the clear", "in plaintext"),
    ("at one stroke", "atomically"),
    ("by level", "level-triggered"),
    ("heir", "successor"),
    ("heirs", "successors"),
    ("what is told", "name the message"),
    ("as it were", "leave it out"),
    ("see above", "say it"),
    ("at first hand", "directly"),
];

/// Beginnings of words in British spelling.
const BRITISH: [&str; 26] = [
    "organis*",
    "authoris*",
    "behaviour*",
    "colour*",
    "favour*",
    "honour*",
    "neighbour*",
    "recognis*",
    "initialis*",
    "serialis*",
    "deserialis*",
    "realis*",
    "normalis*",
    "synchronis*",
    "optimise*",
    "optimisation*",
    "utilis*",
    "centre*",
    "licence*",
    "judgement*",
    "modelled",
    "modelling",
    "travelled",
    "labelled",
    "signalled",
    "whilst",
];

/// Old names of types, functions and modules of the product.
const OLD_IDENTIFIERS: &[&str] = &[
    "ADOPT_PART_BYTES_MAX",
    "ADOPT_PART_ITEMS_MAX",
    "AdoptBeforeFence",
    "AdoptBegin",
    "AdoptEnd",
    "AdoptPart",
    "Adoption",
    "AdoptionDropped",
    "Adoptions",
    "AdoptsBeforeDangerSetIsEmpty",
    "AwayRecord",
    "Belonging",
    "Blame",
    "Chance",
    "Cleared",
    "Danger",
    "DangerCost",
    "DangerIgnored",
    "DangerSet",
    "DangerStats",
    "Doors",
    "FixDangerSet",
    "FounderStands",
    "HEARD_WINDOW",
    "Halt",
    "Heir",
    "Isolation",
    "JudgedByNobody",
    "LEASH",
    "Mend",
    "Nine",
    "NineOptions",
    "Nobody",
    "NodeGone",
    "NodeStanding",
    "NotGone",
    "NoteIsolation",
    "Obstacle",
    "PastHome",
    "ReachedByNobody",
    "RegionDanger",
    "RegionStanding",
    "ReplicaDanger",
    "Retime",
    "Retimed",
    "Ruling",
    "SEAT",
    "SURVIVE_REGION_REGIONS_MIN",
    "Seat",
    "SeatOfOthers",
    "SeatedThere",
    "Seats",
    "SeenHistory",
    "SetIsolation",
    "SetSeat",
    "SetSurvive",
    "ShownHistory",
    "SimWeather",
    "SlottedReader",
    "SlottedStore",
    "SpareNotCleared",
    "Standing",
    "StillMoving",
    "Stroke",
    "Survive",
    "Trouble",
    "Turnstile",
    "V1Adoption",
    "V1AwayRecord",
    "V1Belonging",
    "V1DangerSet",
    "V1Isolation",
    "V1PastHome",
    "V1RegionDanger",
    "V1ReplicaDanger",
    "V1Survive",
    "V1WhenIsolated",
    "WatchedReader",
    "WatchedStore",
    "Weather",
    "WhenIsolated",
    "adopt_begin",
    "adopt_end",
    "adopt_part",
    "be_told",
    "check_adoption",
    "check_belonging",
    "clear_spare",
    "close_gone",
    "danger_left",
    "danger_set",
    "failover_obstacle",
    "founding_obstacle",
    "get_spare",
    "gone_or",
    "has_heir",
    "heard_ms_ago",
    "heir_here",
    "is_handed_over",
    "is_same_stay",
    "is_seat",
    "node_obstacle",
    "node_standing",
    "note_isolation",
    "of_absence",
    "region_obstacle",
    "region_standing",
    "require_seat",
    "says_no",
    "seat_of",
    "seated_here",
    "set_isolation",
    "set_seat",
    "set_survive",
    "system_seats",
    "write_spare",
];

/// Where one of these words is right, by the end of the path, and why.
const EXCEPTIONS: [(&str, &str, &str); 4] = [
    ("tests/tidy/words.rs", "", "the list itself"),
    ("CHANGELOG.md", "", "it documents the renames"),
    ("proto/src/command.rs", "region.seat", "a name in answers of both releases"),
    ("cluster/src/planted/bug.rs", "", "names of bugs are keys of tests/sim/planted.tsv"),
];

/// Sources whose doc comments are shown as help.
const HELP: [&str; 4] = [
    "client/src/bin/concordat/args.rs",
    "node/src/cli.rs",
    "node/src/boot/config.rs",
    "node/src/demo/args.rs",
];

/// A word that must not be there.
#[derive(Debug, PartialEq, Eq)]
struct Hit {
    line: usize,
    word: String,
    advice: String,
}

/// The forbidden words of all files.
pub(crate) fn wrong(files: &Files) -> Vec<String> {
    let test_modules = rules::test_modules(files);
    let mut wrong = Vec::new();
    for (path, text) in &files.text {
        let hits = if path.ends_with(".rs") {
            let is_product = PRODUCT.iter().any(|root| path.starts_with(root))
                && !test_modules.contains(path.as_str());
            of_source(text, is_product, HELP.contains(&path.as_str()))
        } else if is_document(path) {
            of_document(text)
        } else {
            continue;
        };
        let hits = hits.into_iter().filter(|hit| !is_excepted(path, &hit.word));
        wrong.extend(hits.map(|hit| format!("{path}:{}: {}: {}", hit.line, hit.word, hit.advice)));
    }
    wrong
}

fn is_document(path: &str) -> bool {
    let is_top = !path.contains('/') || path.starts_with("docs/");
    is_top && (path.ends_with(".md") || path.ends_with(".yml") || path == "Makefile")
}

fn is_excepted(path: &str, word: &str) -> bool {
    let fits = |(file, excepted, _): &(&str, &str, &str)| {
        path.ends_with(file) && (excepted.is_empty() || *excepted == word)
    };
    EXCEPTIONS.iter().any(fits)
}

/// A document: old names everywhere, idiom outside of code.
fn of_document(text: &str) -> Vec<Hit> {
    let mut hits = Vec::new();
    for (place, line) in text.lines().enumerate() {
        hits.extend(of_text(place + 1, line, true));
    }
    hits
}

/// A source: its comments; and of the product its strings and identifiers.
fn of_source(text: &str, is_product: bool, is_help: bool) -> Vec<Hit> {
    let mut hits = Vec::new();
    for (line, comment) in comments(text) {
        hits.extend(of_text(line, &comment, is_help));
    }
    if is_product {
        let tokens = rules::without_tests(text).parse().expect("Rust");
        walk(tokens, &mut |line, word| match word {
            Word::Text(text) => hits.extend(of_text(line, &text, true)),
            Word::Name(name) => hits.extend(of_name(line, &name)),
        });
    }
    hits
}

fn of_text(line: usize, text: &str, is_shown: bool) -> Vec<Hit> {
    let hit = |word: &str, advice: &str| Hit { line, word: word.into(), advice: advice.into() };
    let prose = without_code(text);
    let idiom = IDIOM.iter().filter(|(word, _)| contains(&prose, word));
    let mut hits: Vec<Hit> = idiom.map(|(word, advice)| hit(word, advice)).collect();
    let british = BRITISH.iter().filter(|word| contains(&prose, word));
    hits.extend(british.map(|word| hit(word, "use the American spelling")));
    if is_shown {
        let old = OLD_USER_NAMES.iter().filter(|word| contains(text, word));
        hits.extend(old.map(|word| hit(word, "was renamed, see CHANGELOG.md")));
    }
    hits
}

fn of_name(line: usize, name: &str) -> Option<Hit> {
    let is_old = OLD_IDENTIFIERS.contains(&name);
    let advice = "was renamed, see docs/glossary.md".to_owned();
    is_old.then(|| Hit { line, word: name.to_owned(), advice })
}

/// Whether a text has a phrase as whole words; one that ends with `*` is the beginning of a word.
fn contains(text: &str, phrase: &str) -> bool {
    let text = text.to_lowercase();
    let (phrase, is_beginning) =
        phrase.strip_suffix('*').map_or((phrase, false), |begin| (begin, true));
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(phrase).any(|(at, _)| {
        let begins_with_word = phrase.starts_with(is_word);
        let ends_with_word = phrase.ends_with(is_word) && !is_beginning;
        let (before, after) = (&text[..at], &text[at + phrase.len()..]);
        let is_inner = begins_with_word && before.ends_with(is_word);
        let continues = ends_with_word && after.starts_with(is_word);
        !is_inner && !continues
    })
}

/// A text without its parts between backticks.
fn without_code(text: &str) -> String {
    text.split('`').step_by(2).collect::<Vec<_>>().join("`")
}

/// Comments of whole lines, those that follow each other as one, with the line that each begins at.
fn comments(text: &str) -> Vec<(usize, String)> {
    let mut found: Vec<(usize, String)> = Vec::new();
    let mut is_open = false;
    for (place, line) in text.lines().enumerate() {
        let Some(comment) = line.trim_start().strip_prefix("//") else {
            is_open = false;
            continue;
        };
        let comment = comment.trim_start_matches(['/', '!']).trim();
        match found.last_mut() {
            Some((_, all)) if is_open => {
                all.push(' ');
                all.push_str(comment);
            }
            _ => found.push((place + 1, comment.to_owned())),
        }
        is_open = true;
    }
    found
}

enum Word {
    Text(String),
    Name(String),
}

/// Calls `see` with every identifier and every string literal, doc comments and attributes left out.
fn walk(tokens: TokenStream, see: &mut impl FnMut(usize, Word)) {
    let mut is_attribute = false;
    for token in tokens {
        let line = token.span().start().line;
        match token {
            TokenTree::Group(group) if is_attribute && is_doc(&group) => {}
            TokenTree::Group(group) => walk(group.stream(), see),
            TokenTree::Ident(name) => see(line, Word::Name(name.to_string())),
            TokenTree::Literal(literal) => {
                let text = literal.to_string();
                if text.contains('"') {
                    see(line, Word::Text(text));
                }
            }
            TokenTree::Punct(mark) => {
                is_attribute = mark.as_char() == '#' || (is_attribute && mark.as_char() == '!');
                continue;
            }
        }
        is_attribute = false;
    }
}

/// `[doc = "…"]`, which is what a doc comment is read as.
fn is_doc(group: &Group) -> bool {
    let first = group.stream().into_iter().next();
    let is_named = matches!(first, Some(TokenTree::Ident(name)) if name == "doc");
    group.delimiter() == Delimiter::Bracket && is_named
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(hits: Vec<Hit>) -> Vec<(usize, String)> {
        hits.into_iter().map(|hit| (hit.line, hit.word)).collect()
    }

    fn expected(words: &[(usize, &str)]) -> Vec<(usize, String)> {
        words.iter().map(|(line, word)| (*line, (*word).to_owned())).collect()
    }

    #[test]
    fn words_are_found_in_comments_and_strings() {
        let source = "//! Whoever leads\n//! goes\n//! on.\n\n/// It uses `told`.\nfn told() {\n    \
                      // The behaviour.\n    print(\"nobody saw --fenced\");\n}\n";
        let all =
            [(1, "whoever"), (1, "goes on"), (7, "behaviour*"), (8, "nobody"), (8, "--fenced")];
        assert_eq!(words(of_source(source, true, false)), expected(&all));
        let in_a_test = of_source(source, false, false);
        assert_eq!(words(in_a_test), expected(&all[..3]), "strings of tests are free");
    }

    #[test]
    fn help_texts_have_no_old_names() {
        let source = "/// Sets drain_s_max\nstruct A;\n";
        assert_eq!(words(of_source(source, true, true)), expected(&[(1, "drain_s_max")]));
        assert_eq!(words(of_source(source, true, false)), []);
    }

    #[test]
    fn documents_have_no_old_names_even_in_code() {
        let document = "Run `concordat region seat us`.\n`told` is code; a stranger is told.\n\
                        concordat_danger_lost_seconds\n";
        let found = [(1, "region seat"), (2, "told"), (3, "concordat_danger_*")];
        assert_eq!(words(of_document(document)), expected(&found));
    }

    #[test]
    fn whole_words_only() {
        assert!(contains("It is told.", "told") && !contains("It is untold.", "told"));
        assert!(contains("Organisation", "organis*") && !contains("reorganise", "organis*"));
        assert!(contains("x --back", "--back") && !contains("--background", "--back"));
    }

    #[test]
    fn doc_comments_are_no_strings() {
        let source = "/// A `danger set`.\n#[doc = \"--keep\"]\nfn f() { g(r#\"--keep\"#) }\n";
        assert_eq!(words(of_source(source, true, false)), expected(&[(3, "--keep")]));
    }

    #[test]
    fn what_is_excepted_is_excepted_by_file_and_word() {
        assert!(is_excepted("CHANGELOG.md", "told"));
        assert!(is_excepted("proto/src/command.rs", "region.seat"));
        assert!(!is_excepted("proto/src/command.rs", "told"));
    }
}
