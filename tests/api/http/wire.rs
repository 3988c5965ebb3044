//! HTTP as it is on the wire: scripts of request bytes and the answers that must come, `testdata/*.txt`.
//!
//! ```text
//! What the file is about.
//!
//! === a case
//! GET /livez HTTP/1.1
//! Host: concordat
//! Connection: close
//!
//! ---
//! what came until the connection was closed
//! ```
//!
//! A file is a scenario with an organization of its own; its cases follow each other, each on its own
//! connection. All of a case is sent before anything is read, as clients do that do not look for an
//! early answer. Lines end with CR LF, the last line of a body with nothing. In a request
//! `{{x*300}}` is a text 300 times, `{{hex 00ff}}` these bytes, `{{org}}`, `{{key}}` and `{{operator}}`
//! who asks, `{{etag}}` the last version that was answered, `{{length}}` the bytes behind the first empty
//! line. In an answer `date` is left out, headers are sorted, and what differs from run to run is
//! masked. `UPDATE_EXPECT=1` writes what came; the difference is for a person to read.

use std::{fmt::Write, fs, path::PathBuf};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::world::{Caller, caller, demo};

/// Sends a case and reads until the node has closed the connection.
async fn exchange(url: &str, request: &[u8]) -> Vec<u8> {
    let address = url.trim_start_matches("http://");
    let work = async {
        let mut stream = TcpStream::connect(address).await.expect("a node");
        stream.write_all(request).await.expect("the node reads it all");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.expect("an answer, and an orderly end");
        answer
    };
    timeout(concordat_tests::wait::LIMIT, work).await.expect("the connection is closed in time")
}

/// The caller, and the last answer.
struct Player {
    caller: Caller,
    operator: String,
    etag: String,
}

impl Player {
    async fn play(&mut self, script: &str) -> String {
        let (opening, cases) = script.split_once("=== ").expect("a case");
        let mut came = opening.to_owned();
        for case in cases.split("\n=== ") {
            let (title, rest) = case.split_once('\n').expect("a title");
            let (input, _) = rest.split_once("\n---").expect("a request");
            let answer = exchange(&self.caller.urls[0], &self.request(input)).await;
            let answer = String::from_utf8(answer).expect("answers are text");
            if let Some((_, after)) = answer.split_once("\r\netag: ") {
                self.etag = after.split("\r\n").next().expect("a value").to_owned();
            }
            let answer = shown(&answer);
            write!(came, "=== {title}\n{input}\n---\n{}\n\n", answer.trim_end()).expect("a String");
        }
        came.truncate(came.trim_end().len());
        came + "\n"
    }

    fn request(&self, input: &str) -> Vec<u8> {
        let mut text = input.replace('\n', "\r\n");
        if text.ends_with("\r\n") {
            text.push_str("\r\n");
        }
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let length = self.fill(body, 0).len();
        [self.fill(head, length), self.fill(&text[head.len()..], length)].concat()
    }

    fn fill(&self, text: &str, length: usize) -> Vec<u8> {
        let mut filled = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            let (name, behind) = after.split_once("}}").expect("the end of a placeholder");
            filled.extend(before.bytes());
            match name {
                "org" => filled.extend(self.caller.org.id.bytes()),
                "key" => filled.extend(self.caller.org.api_key.bytes()),
                "operator" => filled.extend(self.operator.bytes()),
                "etag" => filled.extend(self.etag.bytes()),
                "length" => filled.extend(length.to_string().bytes()),
                _ => match name.split_once(['*', ' ']) {
                    Some(("hex", digits)) => filled.extend(bytes(digits)),
                    Some((text, times)) => {
                        filled.extend(text.repeat(times.parse().expect("a number")).bytes());
                    }
                    None => panic!("{name} stands for nothing"),
                },
            }
            rest = behind;
        }
        filled.extend(rest.bytes());
        filled
    }
}

fn bytes(digits: &str) -> impl Iterator<Item = u8> {
    digits.as_bytes().chunks(2).map(|pair| {
        let pair = std::str::from_utf8(pair).expect("digits");
        u8::from_str_radix(pair, 16).expect("two hexadecimal digits")
    })
}

/// The answers of a connection.
fn shown(answers: &str) -> String {
    let mut shown = String::new();
    let mut rest = answers;
    while let Some((head, behind)) = rest.split_once("\r\n\r\n") {
        let mut lines = head.split("\r\n");
        let status = lines.next().expect("a status line");
        let mut headers: Vec<&str> = lines.filter(|line| !line.starts_with("date: ")).collect();
        headers.sort_unstable();
        let length = headers.iter().find_map(|line| line.strip_prefix("content-length: "));
        let length = length.map_or(0, |length| length.parse().expect("a length"));
        // HEAD has a length and no body.
        let body = behind.get(..length).filter(|body| !body.starts_with("HTTP/1."));
        let body = body.unwrap_or_default();
        let masked = mask(body);
        let head = format!("{status}\n{}\n", headers.join("\n"));
        let head = if masked == body { head } else { without_length(&head, length) };
        writeln!(shown, "{}\n{masked}", mask(&head)).expect("a String");
        rest = &behind[body.len()..];
    }
    // A text that is no answer is shown unchanged.
    shown + rest
}

fn without_length(head: &str, length: usize) -> String {
    head.replace(&format!("content-length: {length}\n"), "content-length: <length>\n")
}

/// Masks parts that differ from run to run; on a busy machine also whether an answer is stale.
/// Other tests check receipts.
fn mask(text: &str) -> String {
    let text = mask_ids(text);
    let text = mask_between(&text, "concordat-position: ", "\n", "<position>");
    let text = mask_between(&text, "concordat-read: ", "\n", "<mark>");
    mask_between(&text, "\"consistency\":", "]}", "<receipt>").replace("<receipt>]}", "<receipt>")
}

fn mask_between(text: &str, before: &str, after: &str, mask: &str) -> String {
    let mut masked = String::new();
    let mut rest = text;
    while let Some((ahead, behind)) = rest.split_once(before) {
        let end = behind.find(after).unwrap_or(behind.len());
        masked.push_str(ahead);
        masked.push_str(before);
        masked.push_str(mask);
        rest = &behind[end..];
    }
    masked + rest
}

/// UUIDs: write ids and versions.
fn mask_ids(text: &str) -> String {
    let is_uuid = |text: &str| uuid::Uuid::try_parse(text).is_ok();
    let mut masked = String::new();
    let mut place = 0;
    while let Some(character) = text[place..].chars().next() {
        if text.get(place..place + 36).is_some_and(is_uuid) {
            masked.push_str("<uuid>");
            place += 36;
        } else {
            masked.push(character);
            place += character.len_utf8();
        }
    }
    masked
}

/// Plays a file.
async fn run(name: &str) {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("api").join("testdata");
    let path = folder.join(format!("{name}.txt"));
    let script = fs::read_to_string(&path).expect("a script");
    let (caller, operator) = (caller(name).await, demo().await.operator_key.clone());
    let came = Player { caller, operator, etag: String::new() }.play(&script).await;
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(&path, came).expect("a script");
    } else {
        assert_eq!(came, script, "{}", path.display());
    }
}

#[tokio::test]
async fn head_has_what_get_has() {
    run("head").await;
}

#[tokio::test]
async fn what_is_no_request_is_refused_in_the_envelope() {
    run("framing").await;
}

#[tokio::test]
async fn contents_that_are_not_taken() {
    run("contents").await;
}

#[tokio::test]
async fn refusals_of_large_bodies_are_seen() {
    run("large").await;
}

#[tokio::test]
async fn conditions_count_on_reads_and_writes() {
    run("conditions").await;
}

#[tokio::test]
async fn names_and_their_spellings() {
    run("names").await;
}
