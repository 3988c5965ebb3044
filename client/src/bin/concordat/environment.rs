//! Environment variables that clap does not know, read as all of this program reads them: an empty one
//! counts as unset. Never sets one, and never shows a value.

use concordat_client::Secret;

/// A variable that is set and not empty.
#[expect(
    clippy::disallowed_methods,
    reason = "names that clap does not know: XDG and the caller's"
)]
pub(crate) fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// A secret of a variable, without the last line's end; nothing where that leaves nothing.
pub(crate) fn environment_secret(name: &str) -> Option<Secret> {
    let mut text = environment(name)?;
    take_line_end(&mut text);
    (!text.is_empty()).then(|| Secret::new(text))
}

/// Removes the last line break: an editor or a shell adds it, and no user means it.
pub(crate) fn take_line_end(text: &mut String) {
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
}
