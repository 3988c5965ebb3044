//! The further dialects, by scripts: requests and the answers that must come, `<dialect>/*.txt`.
//!
//! ```text
//! What the file is about.
//!
//! === a case
//! @1 PUT /v1/oidc-config
//! x-api-key: {{key}}
//!
//! {"issuer_url": "https://idp.example"}
//! ---
//! 200
//! etag: "{{uuid:version}}"
//! -concordat-consistency
//!
//! {"id": "{{uuid:id}}", "size": {{number}}}
//! ```
//!
//! A file is a scenario with an organization of its own, and its cases follow each other. `@1` sends to
//! the second region's node, nothing to the home region's. A body is said to be JSON unless
//! `content-type` is given; `-content-type` says nothing of it. In a request `{{org}}` and `{{key}}` are the
//! organization and its key, `{{other_org}}` and `{{other_key}}` another one's, `{{operator}}` is an
//! operator's key, `{{x*300}}` a text 300 times, any other name what an earlier answer had there. What
//! an answer may have is in [`expected`]. Listed headers are compared, `-name` must be absent; a body
//! that is empty, JSON or text must be so.

mod aisquare;
mod expected;
mod jitsudo;
mod slashid;
mod zitadel;

use std::{fs, path::PathBuf};

use concordat_tests::http::{Request, Response};

use self::expected::Names;
use crate::world::{caller, demo};

/// The folder of a dialect's scripts.
fn folder(dialect: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "api", "dialects", dialect].iter().collect()
}

/// The text of a file of a dialect.
pub(crate) fn text(dialect: &str, file: &str) -> String {
    let path = folder(dialect).join(file);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Plays a script, and panics with all cases that failed.
pub(crate) async fn run(dialect: &str, file: &str) {
    let mut player = Player::new(file).await;
    let script = text(dialect, file);
    let cases: Vec<&str> = script.split("\n=== ").skip(1).collect();
    assert!(!cases.is_empty(), "{dialect}/{file} has no case");
    let mut failures = Vec::new();
    for case in cases {
        let (title, rest) = case.split_once('\n').expect("a title");
        if let Err(failure) = player.play(rest).await {
            let failure = format!("{dialect}/{file}: {title}: {failure}");
            // At once: a later case may need what this one should have captured, and panic.
            println!("{failure}");
            failures.push(failure);
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

/// Who sends the cases, and what was captured so far.
pub(crate) struct Player {
    urls: Vec<String>,
    pub(crate) names: Names,
}

impl Player {
    /// With a new organization, and another one.
    pub(crate) async fn new(name: &str) -> Self {
        let (own, other) = (caller(name).await, caller("another one").await);
        let names = [
            ("org", own.org.id),
            ("key", own.org.api_key),
            ("other_org", other.org.id),
            ("other_key", other.org.api_key),
            ("operator", demo().await.operator_key.clone()),
        ];
        let names = names.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Self { urls: own.urls, names }
    }

    /// Sends a case's request and compares the answer.
    pub(crate) async fn play(&mut self, case: &str) -> Result<(), String> {
        let (request, expectation) = case.split_once("\n---\n").expect("a request and an answer");
        let answer = self.send(request).await;
        let compared = compare(expectation, &answer, &mut self.names);
        compared.map_err(|wrong| format!("{wrong}\n  came: {answer:?}"))
    }

    /// Sends a request in the form of the scripts.
    pub(crate) async fn send(&self, text: &str) -> Response {
        let text = expected::fill(text, &self.names);
        let (head, body) = parts(&text);
        let mut lines = head.lines();
        let mut words = lines.next().expect("a request line").split(' ').peekable();
        let region = words.next_if(|word| word.starts_with('@'));
        let region = region.map_or(0, |word| word[1..].parse::<usize>().expect("a region"));
        let (method, target) = (words.next().expect("a method"), words.next().expect("a target"));
        let mut request = Request::new(method, target);
        if !body.is_empty() {
            request = request.json_text(body);
        }
        for line in lines {
            request = match (line.strip_prefix('-'), line.split_once(':')) {
                (Some(name), _) => request.without(name),
                (None, Some((name, value))) if name.eq_ignore_ascii_case("content-type") => {
                    request.with(name, value.trim())
                }
                (None, Some((name, value))) => request.header(name, value.trim()),
                (None, None) => panic!("{line:?} is no header"),
            };
        }
        request.send(&self.urls[region]).await
    }
}

/// The head and the body of a request or an answer.
fn parts(text: &str) -> (&str, &str) {
    let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
    (head.trim_end(), body.trim_end_matches('\n'))
}

fn compare(expectation: &str, answer: &Response, names: &mut Names) -> Result<(), String> {
    let (head, body) = parts(expectation);
    let mut lines = head.lines();
    let status = lines.next().expect("a status");
    if status != answer.status.to_string() {
        return Err(format!("the status must be {status}"));
    }
    for line in lines {
        match (line.strip_prefix('-'), line.split_once(':')) {
            (Some(name), _) if answer.header(name).is_some() => {
                return Err(format!("{name} must be absent"));
            }
            (Some(_), _) => {}
            (None, Some((name, value))) => {
                let came = answer.header(name).ok_or_else(|| format!("{name} is absent"))?;
                expected::text(value.trim(), came, names)
                    .map_err(|why| format!("{name}: {why}"))?;
            }
            (None, None) => panic!("{line:?} is no header"),
        }
    }
    expected::body(body, &answer.text(), names)
}
