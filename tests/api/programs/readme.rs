//! The programs accept the commands in README and the documents: the example of a node's
//! configuration, the example of a keyring, and every command line with its flags.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use concordat_tests::{process, wait::LIMIT};

const PROGRAMS: [&str; 2] = ["concordat", "concordatd"];
/// Fewer than this, and the documents were not found or not read.
const COMMANDS_MIN: usize = 25;

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the repository")
}

fn document(name: &str) -> String {
    fs::read_to_string(repository().join(name)).expect(name)
}

/// The first TOML block behind these words.
fn example<'a>(text: &'a str, words: &str) -> &'a str {
    let (_, behind) = text.split_once(words).expect(words);
    let (_, block) = behind.split_once("```toml\n").expect("a ```toml block behind that");
    block.split_once("```").expect("the end of the block").0
}

fn owned_alone(file: &Path, text: &str) {
    fs::write(file, text).expect("a file");
    fs::set_permissions(file, fs::Permissions::from_mode(0o600)).expect("its owner's alone");
}

#[tokio::test]
async fn the_example_configuration_is_accepted() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("node.toml");
    // The files that the example names are in a place of ours: the check reads them like a start.
    let place = format!("{}/", directory.path().display());
    let operations = document("docs/operations.md");
    let node = example(&operations, "concordatd start --config").replace("/etc/concordat/", &place);
    fs::write(&file, &node).unwrap();
    let path = file.to_str().expect("a path of text");
    let check = ["config", "check", "--config", path];
    let unchecked = process::run("concordatd", &check, &[], LIMIT).await;
    assert!(!unchecked.status.success(), "there is no keyring yet");
    let keyring = format!("{place}keyring.toml");
    let made = process::run("concordatd", &["keyring", "new", &keyring], &[], LIMIT).await;
    assert!(made.status.success());
    let checked = process::run("concordatd", &check, &[], LIMIT).await;
    let reason = String::from_utf8_lossy(&checked.stderr).into_owned();
    assert!(checked.status.success(), "{reason}");
    // A keyring as the documents show one is a keyring too, once it has real keys.
    let formats = document("docs/formats.md");
    let shown = example(&formats, "The keyring file").replace('…', &format!("{}=", "A".repeat(43)));
    owned_alone(&PathBuf::from(&keyring), &shown);
    let checked = process::run("concordatd", &check, &[], LIMIT).await;
    let reason = String::from_utf8_lossy(&checked.stderr).into_owned();
    assert!(checked.status.success(), "{reason}");
    // And one with an unknown key is not: the check works.
    fs::write(&file, format!("{node}\nno_such_setting = 1\n")).unwrap();
    let checked = process::run("concordatd", &check, &[], LIMIT).await;
    assert!(!checked.status.success());
    assert!(String::from_utf8_lossy(&checked.stderr).contains("no_such_setting"));
}

/// The command lines of our programs in a document's code, each from the program's name on.
fn commands(text: &str) -> Vec<Vec<&str>> {
    let mut found = Vec::new();
    // Three backticks or one: the text between two of them is code.
    for line in text.split('`').skip(1).step_by(2).flat_map(str::lines) {
        let words: Vec<&str> = line.split_whitespace().collect();
        if let Some(at) = words.iter().position(|word| PROGRAMS.contains(word)) {
            found.push(words[at..].to_vec());
        }
    }
    found
}

/// The programs' own help, asked for once.
#[derive(Default)]
struct Helps(BTreeMap<Vec<String>, String>);

impl Helps {
    async fn of(&mut self, words: &[&str]) -> String {
        let key: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        if let Some(known) = self.0.get(&key) {
            return known.clone();
        }
        let arguments: Vec<&str> = words[1..].iter().copied().chain(["--help"]).collect();
        let asked = process::run(words[0], &arguments, &[], LIMIT).await;
        assert!(asked.status.success(), "{words:?} --help");
        let text = String::from_utf8_lossy(&asked.stdout).into_owned();
        self.0.insert(key, text.clone());
        text
    }
}

/// The names of the subcommands in a help text.
fn subcommands(help: &str) -> BTreeSet<&str> {
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let listed = lines.take_while(|line| line.starts_with("  "));
    listed.filter_map(|line| line.split_whitespace().next()).collect()
}

/// The part of a command line that the program does not know.
async fn unknown(helps: &mut Helps, command: &[&str]) -> Option<String> {
    let (mut depth, mut help) = (1, helps.of(&command[..1]).await);
    while let Some(word) = command.get(depth) {
        let known = subcommands(&help);
        if !known.contains(word) {
            let is_word = word.chars().all(|c| c.is_ascii_lowercase() || c == '-');
            if !known.is_empty() && is_word && !word.starts_with('-') {
                return Some((*word).to_owned());
            }
            break;
        }
        depth += 1;
        help = helps.of(&command[..depth]).await;
    }
    let parts: BTreeSet<&str> =
        help.split(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_').collect();
    for word in &command[depth..] {
        let is_flag = word.starts_with("--") && word.len() > 2;
        let name = word.split('=').next().unwrap_or_default();
        if (is_flag || word.contains('=')) && !parts.contains(name) {
            return Some((*word).to_owned());
        }
    }
    None
}

#[tokio::test]
async fn every_command_line_in_the_documents_is_one_that_the_programs_know() {
    let mut helps = Helps::default();
    let (mut count, mut wrong) = (0, Vec::new());
    let folder = fs::read_dir(repository().join("docs")).expect("docs");
    let names = folder.map(|entry| entry.expect("an entry").file_name());
    let documents = names.map(|name| format!("docs/{}", name.to_string_lossy()));
    for name in documents.chain(["README.md".to_owned(), "CONTRIBUTING.md".to_owned()]) {
        let text = document(&name);
        for command in commands(&text) {
            count += 1;
            if let Some(word) = unknown(&mut helps, &command).await {
                wrong.push(format!("{name}: {}: {word}", command.join(" ")));
            }
        }
    }
    assert!(count >= COMMANDS_MIN, "only {count} commands");
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    // The check checks.
    for bad in [&["concordat", "region", "leave"][..], &["concordatd", "start", "--no-such-flag"]] {
        assert!(unknown(&mut helps, bad).await.is_some(), "{bad:?}");
    }
}
