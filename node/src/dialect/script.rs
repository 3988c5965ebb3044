//! Readable scripts: cases of `testdata/*.txt`, each a title, an input and the expected result.
//!
//! ```text
//! === title
//! input
//! ---
//! expected result
//! ```
//!
//! `UPDATE_EXPECT=1` writes the actual results; a person reviews the difference. In an input,
//! `{{x*257}}` is a text 257 times, `{{p256}}` a private key in PKCS#8 PEM and `{{sec1}}` one in
//! another form, both escaped as in a JSON string.

use std::{fmt::Write, fs, path::PathBuf};

use p256::pkcs8::EncodePrivateKey;

fn folder() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "src", "dialect", "testdata"].iter().collect()
}

/// Runs the cases of every script whose name begins with `prefix`.
pub(super) fn run(prefix: &str, answer: impl Fn(&str) -> String) {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder())
        .expect("the folder of scripts")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.file_name().is_some_and(|n| n.to_string_lossy().starts_with(prefix)))
        .collect();
    paths.sort();
    assert!(!paths.is_empty(), "no script begins with {prefix}");
    for path in paths {
        let script = fs::read_to_string(&path).expect("a script");
        let came = play(&script, &answer);
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            fs::write(&path, came).expect("a script");
        } else {
            assert_eq!(came, script, "{}", path.display());
        }
    }
}

/// The script with the actual result of each input.
fn play(script: &str, answer: &impl Fn(&str) -> String) -> String {
    let (opening, cases) = script.split_once("=== ").expect("a case");
    let mut came = opening.to_owned();
    for case in cases.split("\n=== ") {
        let (title, rest) = case.split_once('\n').expect("a title");
        let (input, _) = rest.split_once("\n---").expect("an input");
        let answer = answer(&fill(input));
        write!(came, "=== {title}\n{input}\n---\n{}\n\n", answer.trim_end()).expect("a String");
    }
    came.truncate(came.trim_end().len());
    came + "\n"
}

fn fill(input: &str) -> String {
    let mut filled = String::new();
    let mut rest = input;
    while let Some((before, after)) = rest.split_once("{{") {
        let (name, behind) = after.split_once("}}").expect("the end of a placeholder");
        filled.push_str(before);
        filled.push_str(&match name {
            "p256" => pem().replace('\n', "\\n"),
            "sec1" => key().to_sec1_pem(line_ending()).expect("a key").replace('\n', "\\n"),
            _ => {
                let (text, times) = name.split_once('*').expect("text and times");
                text.repeat(times.parse().expect("a number"))
            }
        });
        rest = behind;
    }
    filled + rest
}

/// A private key in PKCS#8 PEM.
pub(super) fn pem() -> String {
    key().to_pkcs8_pem(line_ending()).expect("a key").to_string()
}

fn line_ending() -> p256::pkcs8::LineEnding {
    p256::pkcs8::LineEnding::LF
}

fn key() -> p256::SecretKey {
    p256::SecretKey::from_slice(&[7; 32]).expect("a scalar of the curve")
}
