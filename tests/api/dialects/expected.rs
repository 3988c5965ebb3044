//! What an answer must be: texts and JSON with places that differ from run to run.
//!
//! `{{any}}` is anything, `{{uuid}}` a UUID in lower case, `{{time}}` an RFC 3339 time in UTC, `{{number}}`
//! a whole number; `{{uuid:id}}` also names what came. A name alone, `{{id}}`, is what was named so. In
//! JSON a place in quotes is a string, or within one; one without quotes is a value of another kind.

use std::collections::BTreeMap;

use serde_json::Value;

/// What was captured, by name.
pub(crate) type Names = BTreeMap<String, String>;

/// Marks a place that stood without quotes.
const BARE: char = '\u{1}';

/// A text with what its places stand for.
pub(crate) fn fill(text: &str, names: &Names) -> String {
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, name, behind)) = next_place(rest) {
        filled.push_str(before);
        match (names.get(name), name.split_once('*')) {
            (Some(value), _) => filled.push_str(value),
            (None, Some((text, times))) => {
                filled.push_str(&text.repeat(times.parse().expect("a number")));
            }
            (None, None) => panic!("{name} stands for nothing"),
        }
        rest = behind;
    }
    filled + rest
}

/// Compares a body: as JSON, as text, or as nothing.
pub(crate) fn body(expected: &str, came: &str, names: &mut Names) -> Result<(), String> {
    if !expected.starts_with(['{', '[']) || expected.starts_with("{{") {
        return text(expected, came, names).map_err(|why| format!("the body: {why}"));
    }
    let quoted = with_quotes(expected);
    let expected: Value = serde_json::from_str(&quoted)
        .unwrap_or_else(|error| panic!("what is expected is no JSON: {error}: {quoted}"));
    let came: Value = serde_json::from_str(came).map_err(|_| "the body is no JSON".to_owned())?;
    json(&expected, &came, names).map_err(|why| format!("the body{why}"))
}

/// Compares a text.
pub(crate) fn text(expected: &str, came: &str, names: &mut Names) -> Result<(), String> {
    let wrong = || format!("{expected:?} expected");
    let (mut expected, mut rest) = (expected, came);
    while let Some((before, place, behind)) = next_place(expected) {
        rest = rest.strip_prefix(before).ok_or_else(wrong)?;
        // A place ends where the next literal begins.
        let literal = next_place(behind).map_or(behind, |(literal, ..)| literal);
        let end = if literal.is_empty() { Some(rest.len()) } else { rest.find(literal) };
        let (value, after) = rest.split_at(end.ok_or_else(wrong)?);
        capture(place, value, names)?;
        (expected, rest) = (behind, after);
    }
    if expected == rest { Ok(()) } else { Err(wrong()) }
}

fn json(expected: &Value, came: &Value, names: &mut Names) -> Result<(), String> {
    match (expected, came) {
        (Value::Object(expected), Value::Object(came)) => {
            if let Some(name) = came.keys().find(|name| !expected.contains_key(*name)) {
                return Err(format!(": .{name} is one too many"));
            }
            for (name, expected) in expected {
                let came = came.get(name).ok_or_else(|| format!(": .{name} is missing"))?;
                json(expected, came, names).map_err(|why| format!(".{name}{why}"))?;
            }
            Ok(())
        }
        (Value::Array(expected), Value::Array(came)) if expected.len() == came.len() => {
            let mut pairs = expected.iter().zip(came).enumerate();
            pairs.try_for_each(|(place, (expected, came))| {
                json(expected, came, names).map_err(|why| format!("[{place}]{why}"))
            })
        }
        (Value::String(expected), came) => match (expected.strip_prefix(BARE), came) {
            (Some(_), Value::String(_)) => Err(": no string expected".to_owned()),
            (Some(place), came) => {
                text(place, &came.to_string(), names).map_err(|why| format!(": {why}"))
            }
            (None, Value::String(came)) => {
                text(expected, came, names).map_err(|why| format!(": {why}"))
            }
            (None, _) => Err(format!(": {expected:?} expected")),
        },
        (expected, came) if expected == came => Ok(()),
        (expected, _) => Err(format!(": {expected} expected")),
    }
}

fn capture(place: &str, value: &str, names: &mut Names) -> Result<(), String> {
    let (kind, name) = place.split_once(':').unwrap_or((place, ""));
    let is_right = match kind {
        "any" => true,
        "uuid" => is_uuid(value),
        "time" => is_time(value),
        "number" => !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit()),
        _ => {
            let known = names.get(kind).unwrap_or_else(|| panic!("{kind} stands for nothing"));
            if known == value {
                return Ok(());
            }
            return Err(format!("{kind} is not as before: {known:?}"));
        }
    };
    if !is_right {
        return Err(format!("{value:?} is no {kind}"));
    }
    if !name.is_empty() {
        names.insert(name.to_owned(), value.to_owned());
    }
    Ok(())
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(place, byte)| match place {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
        })
}

/// RFC 3339 in UTC, to the second or with a fraction of 1 to 9 digits.
fn is_time(text: &str) -> bool {
    let is_like = |text: &str, form: &str| {
        text.len() == form.len()
            && text.bytes().zip(form.bytes()).all(|(byte, form)| match form {
                b'0' => byte.is_ascii_digit(),
                _ => byte == form,
            })
    };
    let Some(text) = text.strip_suffix('Z') else { return false };
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let is_fraction = fraction.bytes().all(|b| b.is_ascii_digit());
    is_like(seconds, "0000-00-00T00:00:00") && is_fraction && (1..=9).contains(&fraction.len())
}

/// The first place of a text: what is before it, its name, what is behind it.
fn next_place(text: &str) -> Option<(&str, &str, &str)> {
    let (before, behind) = text.split_once("{{")?;
    let (name, behind) = behind.split_once("}}")?;
    // `{{` may also be the beginning of two objects.
    let is_name = !name.is_empty() && !name.contains(['"', '{', '}', '\n']);
    is_name.then_some((before, name, behind))
}

/// JSON whose places without quotes have them, and the mark.
fn with_quotes(text: &str) -> String {
    let mut quoted = String::new();
    let mut rest = text;
    let mut is_string = false;
    while let Some(char) = rest.chars().next() {
        if !is_string && let Some(("", name, behind)) = next_place(rest) {
            quoted.push_str(&format!("\"\\u0001{{{{{name}}}}}\""));
            rest = behind;
            continue;
        }
        let length = if char == '\\' {
            1 + rest[1..].chars().next().map_or(0, char::len_utf8)
        } else {
            char.len_utf8()
        };
        is_string ^= char == '"';
        quoted.push_str(&rest[..length]);
        rest = &rest[length..];
    }
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names {
        Names::from([("key".to_owned(), "k1".to_owned())])
    }

    #[test]
    fn requests_are_filled() {
        assert_eq!(
            fill("a {{key}}, {{ab*2}}, {\"a\":{\"b\":1}}", &names()),
            "a k1, abab, {\"a\":{\"b\":1}}"
        );
    }

    #[test]
    fn texts_have_places() {
        let mut names = names();
        let id = "0192f0c1-0000-7000-8000-0123456789ab";
        text("\"{{uuid:id}}\"", &format!("\"{id}\""), &mut names).unwrap();
        text("id {{id}}, {{any}} of {{key}}", &format!("id {id}, all of k1"), &mut names).unwrap();
        text("", "", &mut names).unwrap();
        for (expected, came) in [
            ("", "x"),
            ("x", ""),
            ("{{uuid}}", &id.to_uppercase()),
            ("{{id}}", "0192"),
            ("{{number}}", ""),
            ("{{number}}", "-1"),
            ("{{any}}!", "x"),
            ("{{time}}", "2026-01-01 00:00:00Z"),
            ("{{time}}", "2026-01-01T00:00:00"),
            ("{{time}}", "2026-01-01T00:00:00.Z"),
        ] {
            assert!(text(expected, came, &mut names).is_err(), "{expected} is not {came}");
        }
        text("{{time}} {{time:t}}", "2026-01-01T00:00:00Z 2026-01-01T00:00:00.123Z", &mut names)
            .unwrap();
        assert_eq!(names["t"], "2026-01-01T00:00:00.123Z");
    }

    #[test]
    fn json_has_places_in_and_without_quotes() {
        let mut names = names();
        let mut is_right = |expected: &str, came: &str| body(expected, came, &mut names).is_ok();
        assert!(is_right("{\"n\":{{number:n}},\"t\":\"{{n}}\"}", "{\"t\":\"7\",\"n\":7}"));
        assert!(is_right("[{{n}},{{any}},{{any}},\"{{any}}\"]", "[7,{\"x\":[1]},null,\"\"]"));
        assert!(is_right("{\"a\":{\"b\":\"\\\"{{key}}\\\"\"}}", "{\"a\":{\"b\":\"\\\"k1\\\"\"}}"));
        assert!(is_right("{\"a\":{\"b\":{}}}", "{\"a\":{\"b\":{}}}"));
        for (expected, came) in [
            ("{\"n\":{{number}}}", "{\"n\":\"7\"}"),
            ("{\"n\":\"{{number}}\"}", "{\"n\":7}"),
            ("{\"n\":{{n}}}", "{\"n\":8}"),
            ("{\"n\":1}", "{\"n\":1,\"m\":2}"),
            ("{\"n\":1,\"m\":null}", "{\"n\":1}"),
            ("[1,2]", "[2,1]"),
            ("[1]", "[1,2]"),
            ("{}", ""),
            ("\"x\"", "x"),
            ("", "{}"),
        ] {
            assert!(!is_right(expected, came), "{expected} is not {came}");
        }
    }
}
