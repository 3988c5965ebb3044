//! Durations in Go's format: `time.ParseDuration` and `Duration.String`, bit for bit.
//!
//! Why our own: clients send what their Go program accepts, and compare the value that they read
//! back with the text that their Go program prints. The arithmetic, including the floating point of
//! fractions, is Go's; the tests are tables of Go's own results.
//!
//! [`parse_duration`] is the grammar of flags and settings: the same texts, and a bare number of
//! seconds.

use std::time::Duration;

/// A text that Go would not take for a duration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// Not of the form `[-+]?([0-9]*(\.[0-9]*)?unit)+`, or nothing at all.
    #[error("not a duration")]
    Malformed,
    /// A number without a unit.
    #[error("missing unit in duration")]
    MissingUnit,
    /// None of `ns us µs μs ms s m h`.
    #[error("unknown unit in duration")]
    UnknownUnit,
    /// Beyond 64 bits of nanoseconds.
    #[error("duration out of range")]
    OutOfRange,
}

/// The accepted forms of a duration, for error messages.
pub const DURATION_FORM: &str =
    "a duration: a number of seconds, or a number with a unit, as in 1500ms, 60s, 2m or 1h30m";

/// A duration of a flag or a setting: whole seconds in decimal digits (`60`), or numbers with units as
/// Go has them (`60s`, `1500ms`, `1h30m`). Never negative.
///
/// # Errors
/// For anything else; [`DURATION_FORM`] says what is wanted.
pub fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    let text = text.trim();
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        let seconds: u32 = text.parse().map_err(|_| DurationError::OutOfRange)?;
        return Ok(Duration::from_secs(seconds.into()));
    }
    let nanoseconds = parse_go_duration(text)?;
    u64::try_from(nanoseconds).map(Duration::from_nanos).map_err(|_| DurationError::OutOfRange)
}

const SIGN_BIT: u64 = 1 << 63;
const MICROSECOND: u64 = 1_000;
const MILLISECOND: u64 = 1_000_000;
const SECOND: u64 = 1_000_000_000;

/// The nanoseconds of a duration's text.
///
/// # Errors
/// Where Go's `time.ParseDuration` has one.
pub fn parse_go_duration(text: &str) -> Result<i64, DurationError> {
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(DurationError::Malformed);
    }
    let mut sum: u64 = 0;
    while !rest.is_empty() {
        let (part, after) = take_part(rest)?;
        rest = after;
        // Go lets two halves of 2^64 wrap around to nothing, so we do.
        sum = sum.wrapping_add(part);
        if sum > SIGN_BIT {
            return Err(DurationError::OutOfRange);
        }
    }
    if negative {
        Ok(sum.cast_signed().wrapping_neg())
    } else {
        i64::try_from(sum).map_err(|_| DurationError::OutOfRange)
    }
}

/// One number with its unit, in nanoseconds, and what follows.
fn take_part(text: &str) -> Result<(u64, &str), DurationError> {
    let (digits, rest) = take_while(text, |b| b.is_ascii_digit());
    let whole = integer(digits)?;
    let (fraction, rest) = match rest.strip_prefix('.') {
        Some(rest) => take_while(rest, |b| b.is_ascii_digit()),
        None => ("", rest),
    };
    if digits.is_empty() && fraction.is_empty() {
        return Err(DurationError::Malformed);
    }
    let (unit, rest) = take_while(rest, |b| b != b'.' && !b.is_ascii_digit());
    let unit = unit_nanoseconds(unit)?;
    if whole > SIGN_BIT / unit {
        return Err(DurationError::OutOfRange);
    }
    let part = whole * unit + fraction_nanoseconds(fraction, unit);
    if part > SIGN_BIT {
        return Err(DurationError::OutOfRange);
    }
    Ok((part, rest))
}

fn take_while(text: &str, belongs: impl Fn(u8) -> bool) -> (&str, &str) {
    // Ends at an ASCII byte or at the end, so never within a character.
    text.split_at(text.bytes().position(|b| !belongs(b)).unwrap_or(text.len()))
}

fn integer(digits: &str) -> Result<u64, DurationError> {
    let mut value: u64 = 0;
    for digit in digits.bytes().map(|b| u64::from(b - b'0')) {
        if value > SIGN_BIT / 10 {
            return Err(DurationError::OutOfRange);
        }
        value = value * 10 + digit;
        if value > SIGN_BIT {
            return Err(DurationError::OutOfRange);
        }
    }
    Ok(value)
}

/// The nanoseconds of a fraction's digits. Digits that no longer fit are dropped.
#[expect(clippy::cast_possible_truncation, reason = "Go truncates as well")]
#[expect(clippy::cast_sign_loss, reason = "neither factor is negative")]
fn fraction_nanoseconds(digits: &str, unit: u64) -> u64 {
    let (mut value, mut scale) = (0_u64, 1_f64);
    for digit in digits.bytes().map(|b| u64::from(b - b'0')) {
        if value > (SIGN_BIT - 1) / 10 {
            break;
        }
        let longer = value * 10 + digit;
        if longer > SIGN_BIT {
            break;
        }
        value = longer;
        scale *= 10.0;
    }
    (value as f64 * (unit as f64 / scale)) as u64
}

fn unit_nanoseconds(unit: &str) -> Result<u64, DurationError> {
    match unit {
        "" => Err(DurationError::MissingUnit),
        "ns" => Ok(1),
        "us" | "\u{b5}s" | "\u{3bc}s" => Ok(MICROSECOND),
        "ms" => Ok(MILLISECOND),
        "s" => Ok(SECOND),
        "m" => Ok(60 * SECOND),
        "h" => Ok(3_600 * SECOND),
        _ => Err(DurationError::UnknownUnit),
    }
}

/// The text of a duration, in Go's canonical form: `24h0m0s`, `1.5ms`, `0s`.
#[must_use]
pub fn format_go_duration(nanoseconds: i64) -> String {
    let sign = if nanoseconds < 0 { "-" } else { "" };
    match nanoseconds.unsigned_abs() {
        0 => "0s".to_owned(),
        ns @ 1..MICROSECOND => format!("{sign}{ns}ns"),
        ns @ MICROSECOND..MILLISECOND => format!("{sign}{}\u{b5}s", decimal(ns, MICROSECOND)),
        ns @ MILLISECOND..SECOND => format!("{sign}{}ms", decimal(ns, MILLISECOND)),
        ns => {
            let seconds = decimal(ns % (60 * SECOND), SECOND);
            match (ns / SECOND / 3_600, ns / SECOND / 60 % 60) {
                (0, 0) => format!("{sign}{seconds}s"),
                (0, minutes) => format!("{sign}{minutes}m{seconds}s"),
                (hours, minutes) => format!("{sign}{hours}h{minutes}m{seconds}s"),
            }
        }
    }
}

/// `value / unit` as a decimal number without trailing zeros.
fn decimal(value: u64, unit: u64) -> String {
    let (whole, fraction) = (value / unit, value % unit);
    if fraction == 0 {
        return whole.to_string();
    }
    let width = usize::try_from(unit.ilog10()).expect("a unit has at most nine zeros");
    format!("{whole}.{fraction:0width$}").trim_end_matches('0').to_owned()
}

#[cfg(test)]
#[path = "duration_test.rs"]
mod tests;
