//! How this command was called: to suggest how to continue, and to know the output format before
//! the arguments are parsed. Never shows a secret.

use std::{
    ffi::OsString,
    sync::{Mutex, PoisonError},
};

use clap::{CommandFactory, FromArgMatches};
use concordat_client::WriteId;

use crate::{
    args::{Args, Output},
    environment::environment,
};

/// Flags whose values are secrets.
const SECRET_FLAGS: [&str; 3] = ["--client-secret", "--api-key", "--operator-key"];
const KEY_FLAG: &str = "--idempotency-key";
/// In the place of a secret.
const HIDDEN: &str = "...";

/// The arguments, without the program's name.
pub(crate) struct Invocation {
    words: Vec<OsString>,
}

impl Invocation {
    pub(crate) fn new(words: impl IntoIterator<Item = OsString>) -> Self {
        Self { words: words.into_iter().skip(1).collect() }
    }

    /// The arguments. An environment variable that is empty counts as unset.
    pub(crate) fn parse(&self) -> Result<Args, clap::Error> {
        let is_empty =
            |name: &std::ffi::OsStr| name.to_str().is_some_and(|name| environment(name).is_none());
        let command = Args::command().mut_args(|arg| {
            if arg.get_env().is_some_and(is_empty) { arg.env(None::<&'static str>) } else { arg }
        });
        let program = OsString::from("concordat");
        let matches = command.try_get_matches_from(std::iter::once(&program).chain(&self.words))?;
        Args::from_arg_matches(&matches)
    }

    /// The output format, as far as it can be seen in arguments that do not parse.
    pub(crate) fn output(&self) -> Output {
        let words: Vec<_> = self.words.iter().filter_map(|word| word.to_str()).collect();
        let after = words.windows(2).any(|pair| matches!(pair, ["-o" | "--output", "json"]));
        let within =
            words.iter().any(|word| matches!(*word, "-ojson" | "-o=json" | "--output=json"));
        if after || within { Output::Json } else { Output::Table }
    }

    /// The same command again.
    pub(crate) fn again(&self) -> String {
        let mut line = String::from("concordat");
        let mut hide_next = false;
        for word in &self.words {
            let word = word.to_string_lossy();
            let shown = match word.split_once('=') {
                _ if std::mem::take(&mut hide_next) => HIDDEN.to_owned(),
                Some((flag, _)) if SECRET_FLAGS.contains(&flag) => format!("{flag}={HIDDEN}"),
                _ => {
                    hide_next = SECRET_FLAGS.contains(&&*word);
                    quoted(&word)
                }
            };
            line.push(' ');
            line.push_str(&shown);
        }
        line
    }

    /// The same command again, as the repeat of the same write.
    pub(crate) fn again_with(&self, key: &str) -> String {
        let has_key = self.words.iter().any(|word| word.to_string_lossy().starts_with(KEY_FLAG));
        let again = self.again();
        if has_key { again } else { format!("{again} {KEY_FLAG} {}", quoted(key)) }
    }
}

/// An argument, quoted for a shell.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_@%+=:,./-".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", crate::print::printable(word).replace('\'', r"'\''"))
    }
}

/// The write that a command makes, for the case that the command is cut short.
pub(crate) struct Course {
    key: String,
    is_keyed: bool,
    is_write: bool,
    done: Mutex<Option<WriteId>>,
    begun: Mutex<Option<String>>,
}

impl Course {
    pub(crate) fn of(args: &Args) -> Self {
        let given = args.global.idempotency_key.clone();
        Self {
            key: given.unwrap_or_else(|| uuid::Uuid::new_v4().to_string()),
            is_keyed: args.command.is_keyed_write(),
            is_write: args.command.is_write(),
            done: Mutex::default(),
            begun: Mutex::default(),
        }
    }

    /// The key for the one write of this command.
    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    /// The key, if the command makes a write that has one.
    pub(crate) fn key_of_write(&self) -> Option<&str> {
        self.is_keyed.then_some(&*self.key)
    }

    pub(crate) const fn is_write(&self) -> bool {
        self.is_write
    }

    /// The write was answered; the rest only waits.
    pub(crate) fn on_done(&self, write_id: WriteId) {
        *self.done.lock().unwrap_or_else(PoisonError::into_inner) = Some(write_id);
    }

    /// The operation has begun, and continues by itself.
    pub(crate) fn on_begun(&self, what: String) {
        *self.begun.lock().unwrap_or_else(PoisonError::into_inner) = Some(what);
    }

    pub(crate) fn begun(&self) -> Option<String> {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn done(&self) -> Option<WriteId> {
        *self.done.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn invocation(words: &[&str]) -> Invocation {
        Invocation::new(words.iter().map(OsString::from))
    }

    #[test]
    fn a_command_is_shown_without_secrets() {
        let words =
            ["concordat", "--api-key=hunter2", "credential", "patch", "a b", "--label", "it's"];
        let called = invocation(&[&words[..], &["--client-secret", "hunter2"]].concat());
        let again = called.again_with("k 1");
        assert_eq!(
            again,
            r"concordat --api-key=... credential patch 'a b' --label 'it'\''s' --client-secret ... --idempotency-key 'k 1'"
        );
        let keyed =
            invocation(&["concordat", "credential", "delete", "a", "--idempotency-key", "k"]);
        assert_eq!(keyed.again_with("k"), "concordat credential delete a --idempotency-key k");
    }

    #[test]
    fn json_is_wanted_before_anything_is_understood() {
        for words in [&["-o", "json"][..], &["--output", "json"], &["--output=json"], &["-ojson"]] {
            let words = [&["concordat", "frobnicate"], words].concat();
            assert!(invocation(&words).output() == Output::Json, "{words:?}");
        }
        assert!(invocation(&["concordat", "frobnicate"]).output() == Output::Table);
    }
}
