//! Searches for secrets where they must not be: plain, in hex, and in base64 at any of the three
//! offsets of an encoder within a longer text.
//!
//! A canary has no repetitions, so that no compression hides it: unrepeated bytes are kept
//! literally.

use std::{
    fs,
    path::{Path, PathBuf},
};

use base64::{
    Engine,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};

use crate::cluster::process;

/// A secret, and its encodings.
#[derive(Debug)]
pub struct Canary {
    name: String,
    forms: Vec<Vec<u8>>,
}

impl Canary {
    /// Findings use `name`.
    ///
    /// # Panics
    /// When the secret is too short to be distinguished from chance.
    #[must_use]
    pub fn new(name: &str, secret: &[u8]) -> Self {
        assert!(secret.len() >= 16, "{name} is too short");
        let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
        let mut forms = vec![secret.to_vec(), hex.to_uppercase().into_bytes(), hex.into_bytes()];
        for skipped in 0..3 {
            // Whole groups of three: bytes before and behind do not change these.
            let inner = &secret[skipped..];
            let inner = &inner[..inner.len() / 3 * 3];
            forms.push(STANDARD_NO_PAD.encode(inner).into_bytes());
            forms.push(URL_SAFE_NO_PAD.encode(inner).into_bytes());
        }
        forms.sort();
        forms.dedup();
        Self { name: name.to_owned(), forms }
    }
}

/// Many canaries, looked for at once.
#[derive(Debug)]
pub struct Search {
    canaries: Vec<Canary>,
    /// Whether an encoding begins with these two bytes: rarely, so nearly all positions are
    /// skipped.
    beginnings: Vec<bool>,
}

impl Search {
    /// For these.
    #[must_use]
    pub fn new(canaries: Vec<Canary>) -> Self {
        let mut beginnings = vec![false; 1 << 16];
        for form in canaries.iter().flat_map(|canary| &canary.forms) {
            beginnings[pair(form[0], form[1])] = true;
        }
        Self { canaries, beginnings }
    }

    /// The names of the secrets in these bytes.
    #[must_use]
    pub fn in_bytes(&self, bytes: &[u8]) -> Vec<String> {
        let mut found = Vec::new();
        for (place, two) in bytes.windows(2).enumerate() {
            if !self.beginnings[pair(two[0], two[1])] {
                continue;
            }
            for canary in &self.canaries {
                if canary.forms.iter().any(|form| bytes[place..].starts_with(form)) {
                    found.push(canary.name.clone());
                }
            }
        }
        found.sort();
        found.dedup();
        found
    }

    /// The secrets in the files of a directory and below, except skipped ones; and the number of
    /// files and bytes that were read.
    ///
    /// # Panics
    /// When a directory cannot be read.
    #[must_use]
    pub fn in_directory(&self, directory: &Path, leave_out: &[&str]) -> (Vec<String>, usize, u64) {
        let (mut findings, mut count, mut length) = (Vec::new(), 0, 0);
        for path in files(directory) {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if leave_out.contains(&name.as_str()) {
                continue;
            }
            let bytes = process::bytes(&path);
            count += 1;
            length += bytes.len() as u64;
            for canary in self.in_bytes(&bytes) {
                findings.push(format!("{canary} is in {}", path.display()));
            }
        }
        (findings, count, length)
    }
}

fn pair(first: u8, second: u8) -> usize {
    usize::from(first) << 8 | usize::from(second)
}

/// All files below a directory.
///
/// # Panics
/// When a directory cannot be read.
#[must_use]
pub fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let entries = fs::read_dir(directory).unwrap_or_else(|error| panic!("{directory:?}: {error}"));
    for entry in entries {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "kX9-q_2Lw7Zr4TbN0mVc";

    fn finds(bytes: &[u8]) -> bool {
        !Search::new(vec![Canary::new("it", SECRET.as_bytes())]).in_bytes(bytes).is_empty()
    }

    #[test]
    fn a_secret_is_found_in_every_form_and_place() {
        for before in ["", "a", "ab", "abc", "abcd"] {
            let text = format!("{before}{SECRET}xyz");
            assert!(finds(text.as_bytes()));
            assert!(finds(STANDARD_NO_PAD.encode(&text).as_bytes()));
            assert!(finds(URL_SAFE_NO_PAD.encode(&text).as_bytes()));
            let hex: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
            assert!(finds(hex.as_bytes()));
            assert!(finds(hex.to_uppercase().as_bytes()));
        }
        assert!(!finds(&SECRET.as_bytes()[..SECRET.len() - 1]));
        assert!(!finds(b""));
    }

    #[test]
    fn files_are_looked_through() {
        let directory = tempfile::tempdir().unwrap();
        let below = directory.path().join("a/b");
        fs::create_dir_all(&below).unwrap();
        fs::write(below.join("log"), [b"\0\0", SECRET.as_bytes()].concat()).unwrap();
        fs::write(below.join("other"), b"nothing").unwrap();
        let search = Search::new(vec![Canary::new("it", SECRET.as_bytes())]);
        let (findings, count, length) = search.in_directory(directory.path(), &[]);
        assert_eq!((findings.len(), count, length), (1, 2, 29));
        assert!(search.in_directory(directory.path(), &["log"]).0.is_empty());
    }
}
