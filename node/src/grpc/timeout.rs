//! `grpc-timeout`: how long a caller waits, up to eight digits and a unit.

use std::time::Duration;

use http::HeaderMap;

use crate::api::outcome::Malformed;

const NAME: &str = "grpc-timeout";
const DIGITS_MAX: usize = 8;

/// The time that a call gives; nothing where it gives none.
///
/// # Errors
/// When the header is ill-formed or given twice.
pub(crate) fn of(headers: &HeaderMap) -> Result<Option<Duration>, Malformed> {
    let mut values = headers.get_all(NAME).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let parsed = value.to_str().ok().and_then(parse).filter(|_| values.next().is_none());
    let expected = "grpc-timeout must be up to eight digits and one of H, M, S, m, u and n";
    parsed.map(Some).ok_or_else(|| Malformed::Syntax(expected.to_owned()))
}

fn parse(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let is_number = (1..=DIGITS_MAX).contains(&digits.len())
        && digits.bytes().all(|byte| byte.is_ascii_digit());
    let number: u64 = digits.parse().ok().filter(|_| is_number)?;
    match unit {
        "H" => Some(Duration::from_secs(number * 3600)),
        "M" => Some(Duration::from_secs(number * 60)),
        "S" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_millis(number)),
        "u" => Some(Duration::from_micros(number)),
        "n" => Some(Duration::from_nanos(number)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn digits_and_a_unit() {
        for (text, time) in [
            ("1H", Duration::from_secs(3600)),
            ("2M", Duration::from_secs(120)),
            ("007S", Duration::from_secs(7)),
            ("1500m", Duration::from_millis(1500)),
            ("99999999u", Duration::from_micros(99_999_999)),
            ("0n", Duration::ZERO),
            ("99999999H", Duration::from_secs(359_999_996_400)),
        ] {
            assert_eq!(parse(text), Some(time), "{text}");
        }
        for bad in
            ["", "S", "1", "1s", "1h", "+1S", "-1S", "1.5S", " 1S", "1 S", "123456789m", "1ü"]
        {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn it_is_given_once() {
        let mut headers = HeaderMap::new();
        assert_eq!(of(&headers), Ok(None));
        headers.insert(NAME, HeaderValue::from_static("2S"));
        assert_eq!(of(&headers), Ok(Some(Duration::from_secs(2))));
        headers.append(NAME, HeaderValue::from_static("2S"));
        assert!(of(&headers).is_err());
    }
}
