//! Private keys in requests: one is accepted in every form that RFC 7468 allows a parser to accept, and
//! stored in the one form that it prescribes for generators.
//!
//! An error message says what is wrong with a text, and never repeats any of it.

use base64::{Engine, prelude::BASE64_STANDARD};
use concordat_proto::{limits, secret::Secret};
use p256::pkcs8::DecodePrivateKey;

use crate::dialect::common::mask::is_mask;

/// Byte order mark: some editors begin a file with it.
const BOM: char = '\u{feff}';
/// Characters of a line between the two markers (RFC 7468, 2).
const LINE_CHARS: usize = 64;
const BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const END: &str = "-----END PRIVATE KEY-----";
/// The beginning of every form of a key.
const ANY_BEGIN: &str = "-----BEGIN ";

/// A P-256 private key in PKCS#8, as PEM with lines of 64 characters.
///
/// # Errors
/// The problem, as it follows "… in PKCS#8 PEM: ".
pub(super) fn private_key(given: &Secret) -> Result<Secret, &'static str> {
    let text = given.expose();
    if text.len() > limits::PRIVATE_KEY_BYTES_MAX {
        return Err(TOO_LONG);
    }
    let text = text.strip_prefix(BOM).unwrap_or(text);
    if text.trim().is_empty() {
        return Err("it is empty");
    }
    if is_mask(text) {
        return Err("it is the mask of a hidden key, but no key is stored here");
    }
    let der = Secret::new(body(text)?);
    let bytes = BASE64_STANDARD.decode(der.expose());
    let bytes = bytes
        .map(zeroize::Zeroizing::new)
        .map_err(|_| "what is between its BEGIN and END lines is not base64")?;
    p256::SecretKey::from_pkcs8_der(&bytes).map_err(
        |_| "what is between its BEGIN and END lines is no PKCS#8 key of the curve P-256",
    )?;
    Ok(Secret::new(written(der.expose())))
}

const TOO_LONG: &str = "it has more than 8192 bytes";
const _: () = assert!(limits::PRIVATE_KEY_BYTES_MAX == 8192, "as the message says");

/// The base64 between the markers, without white space.
fn body(text: &str) -> Result<String, &'static str> {
    let Some((_, behind)) = text.split_once(BEGIN) else {
        return Err(other_form(text));
    };
    let Some((body, after)) = behind.split_once(END) else {
        return Err("its END line is missing");
    };
    if body.contains("\\n") || body.contains("\\r") {
        return Err("it has a backslash and a letter where its lines end; send line breaks");
    }
    if after.contains(ANY_BEGIN) {
        return Err("something else follows its END line; send the key alone");
    }
    Ok(body.chars().filter(|c| !c.is_ascii_whitespace()).collect())
}

/// The form of a text that is no PKCS#8 key in PEM.
fn other_form(text: &str) -> &'static str {
    let has = |label: &str| text.contains(&format!("{ANY_BEGIN}{label}-----"));
    if has("EC PRIVATE KEY") {
        "it is in the form SEC 1; `openssl pkcs8 -topk8 -nocrypt` makes PKCS#8 of it"
    } else if has("ENCRYPTED PRIVATE KEY") {
        "it is encrypted; send it without its passphrase"
    } else if has("PUBLIC KEY") || has("CERTIFICATE") {
        "it is public; the private key begins with a line -----BEGIN PRIVATE KEY-----"
    } else {
        "its line -----BEGIN PRIVATE KEY----- is missing"
    }
}

fn written(body: &str) -> String {
    let mut pem = String::with_capacity(body.len() + body.len() / LINE_CHARS + 60);
    pem.push_str(BEGIN);
    for (place, char) in body.chars().enumerate() {
        if place % LINE_CHARS == 0 {
            pem.push('\n');
        }
        pem.push(char);
    }
    pem.push('\n');
    pem.push_str(END);
    pem.push('\n');
    pem
}

#[cfg(test)]
mod tests {
    use p256::pkcs8::{EncodePrivateKey, LineEnding};
    use proptest::prelude::*;

    use super::*;

    fn pem() -> String {
        let key = p256::SecretKey::from_slice(&[7; 32]).expect("a scalar of the curve");
        key.to_pkcs8_pem(LineEnding::LF).expect("a PEM").to_string()
    }

    fn given(text: &str) -> Result<String, &'static str> {
        private_key(&Secret::new(text.to_owned())).map(|key| key.expose().to_owned())
    }

    #[test]
    fn a_key_is_taken_in_every_form_that_files_have_it_in() {
        let pem = pem();
        let lines: Vec<&str> = pem.lines().collect();
        let (begin, end) = (lines[0], lines[lines.len() - 1]);
        let body = lines[1..lines.len() - 1].concat();
        let wide = |width: usize| {
            let chunks = body.as_bytes().chunks(width).map(|it| std::str::from_utf8(it).unwrap());
            chunks.collect::<Vec<_>>().join("\n")
        };
        for form in [
            pem.clone(),
            pem.trim_end().to_owned(),
            format!("{pem}\n"),
            format!("{pem}\n\n \n"),
            format!("\n\n{pem}"),
            format!("\u{feff}{pem}"),
            pem.replace('\n', "\r\n"),
            pem.replace('\n', "\r"),
            format!("{begin}\n{body}\n{end}"),
            format!("{begin}\n{}\n{end}\n", wide(76)),
            format!("{begin}\n{}\n{end}\n", wide(20)),
            format!("{begin}\n\n{}\n\n{end}\n", wide(64)),
            format!("{begin}  \n  {}\t\n{end} \n", wide(64)),
            format!("Bag Attributes\n    friendlyName: a key\n{pem}"),
        ] {
            assert_eq!(given(&form).as_deref(), Ok(pem.as_str()), "{form:?}");
        }
    }

    #[test]
    fn what_is_no_key_is_told_why() {
        let pem = pem();
        let sec1 = pem.replace("PRIVATE", "EC PRIVATE");
        for (wrong, why) in [
            (String::new(), "empty"),
            (" \n".into(), "empty"),
            ("[redacted]".into(), "mask"),
            ("•••••".into(), "mask"),
            ("no key".into(), "BEGIN"),
            (sec1, "SEC 1"),
            (pem.replace("PRIVATE", "ENCRYPTED PRIVATE"), "encrypted"),
            (pem.replace("PRIVATE", "PUBLIC"), "BEGIN"),
            (pem.replace("PRIVATE KEY", "PUBLIC KEY"), "public"),
            (pem[..pem.len() / 2].to_owned(), "END"),
            (pem.trim_end().replace('\n', "\\n"), "backslash"),
            (pem.replacen("MIG", "M!G", 1), "base64"),
            (pem.replacen("MIG", "MIH", 1), "P-256"),
            (format!("{pem}{pem}"), "follows"),
            (format!("{pem}{}", "\n".repeat(9000)), "8192"),
        ] {
            let told = given(&wrong).expect_err(&wrong);
            assert!(told.contains(why), "{wrong:?}: {told:?}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics_or_is_repeated(text in "(-----BEGIN PRIVATE KEY-----)?\\PC{0,80}(-----END PRIVATE KEY-----)?") {
            if let Err(told) = given(&text) {
                prop_assert!(text.len() < 8 || !told.contains(&text));
            }
        }
    }
}
