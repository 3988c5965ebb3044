//! Tables of the results of Go's `time` package, from its documentation and tests.

use proptest::prelude::*;

use super::*;

const NS: i64 = 1;
const US: i64 = 1_000 * NS;
const MS: i64 = 1_000 * US;
const S: i64 = 1_000 * MS;
const M: i64 = 60 * S;
const H: i64 = 60 * M;

#[test]
fn parses_what_go_parses() {
    let table = [
        // Simple.
        ("0", 0),
        ("5s", 5 * S),
        ("30s", 30 * S),
        ("1478s", 1478 * S),
        // Signs.
        ("-5s", -5 * S),
        ("+5s", 5 * S),
        ("-0", 0),
        ("+0", 0),
        // Decimals.
        ("5.0s", 5 * S),
        ("5.6s", 5 * S + 600 * MS),
        ("5.s", 5 * S),
        ("1.s", S),
        (".5s", 500 * MS),
        ("-.5s", -500 * MS),
        ("1.0s", S),
        ("1.00s", S),
        ("1.004s", S + 4 * MS),
        ("1.0040s", S + 4 * MS),
        ("100.00100s", 100 * S + MS),
        // Units.
        ("10ns", 10 * NS),
        ("11us", 11 * US),
        ("12\u{b5}s", 12 * US),
        ("12\u{3bc}s", 12 * US),
        ("13ms", 13 * MS),
        ("14s", 14 * S),
        ("15m", 15 * M),
        ("16h", 16 * H),
        // Several parts.
        ("3h30m", 3 * H + 30 * M),
        ("10.5s4m", 4 * M + 10 * S + 500 * MS),
        ("-2m3.4s", -(2 * M + 3 * S + 400 * MS)),
        ("1h2m3s4ms5us6ns", H + 2 * M + 3 * S + 4 * MS + 5 * US + 6 * NS),
        ("39h9m14.425s", 39 * H + 9 * M + 14 * S + 425 * MS),
        ("1h15m30.918273645s", H + 15 * M + 30 * S + 918_273_645 * NS),
        // Large, and precise to the nanosecond where a double alone is not.
        ("52763797000ns", 52_763_797_000 * NS),
        ("0.3333333333333333333h", 20 * M),
        ("9007199254740993ns", 9_007_199_254_740_993 * NS),
        ("9223372036854775807ns", i64::MAX),
        ("9223372036854775.807us", i64::MAX),
        ("9223372036s854ms775us807ns", i64::MAX),
        ("-9223372036854775808ns", i64::MIN),
        ("-9223372036854775.808us", i64::MIN),
        ("-9223372036s854ms775us808ns", i64::MIN),
        ("-2562047h47m16.854775808s", i64::MIN),
        ("0.100000000000000000000h", 6 * M),
        ("0.830103483285477580700h", 49 * M + 48 * S + 372_539_827 * NS),
    ];
    for (text, nanoseconds) in table {
        assert_eq!(parse_go_duration(text), Ok(nanoseconds), "{text:?}");
    }
}

#[test]
fn refuses_what_go_refuses() {
    use DurationError::{Malformed, MissingUnit, OutOfRange, UnknownUnit};
    let table = [
        ("", Malformed),
        ("3", MissingUnit),
        ("-", Malformed),
        ("s", Malformed),
        (".", Malformed),
        ("-.", Malformed),
        (".s", Malformed),
        ("+.s", Malformed),
        ("1d", UnknownUnit),
        ("\u{85}\u{85}", Malformed),
        ("\u{ffff}", Malformed),
        ("hello \u{ffff} world", Malformed),
        ("++5s", Malformed),
        (" 5s", Malformed),
        ("5s ", UnknownUnit),
        ("5 s", UnknownUnit),
        ("5S", UnknownUnit),
        ("1h-5m", UnknownUnit),
        ("00", MissingUnit),
        ("0.0", MissingUnit),
        ("1e3s", UnknownUnit),
        ("1.5.5s", MissingUnit),
        ("9223372036854775810ns", OutOfRange),
        ("9223372036854775808ns", OutOfRange),
        ("-9223372036854775809ns", OutOfRange),
        ("9223372036854776us", OutOfRange),
        ("3000000h", OutOfRange),
        ("9223372036854775.808us", OutOfRange),
        ("9223372036854ms775us808ns", OutOfRange),
    ];
    for (text, error) in table {
        assert_eq!(parse_go_duration(text), Err(error), "{text:?}");
    }
}

#[test]
fn prints_what_go_prints() {
    let table = [
        ("0s", 0),
        ("1ns", NS),
        ("1.1\u{b5}s", 1100 * NS),
        ("1\u{b5}s", US),
        ("2.2ms", 2200 * US),
        ("100ms", 100 * MS),
        ("3.3s", 3300 * MS),
        ("4m5s", 4 * M + 5 * S),
        ("4m5.001s", 4 * M + 5001 * MS),
        ("5h6m7.001s", 5 * H + 6 * M + 7001 * MS),
        ("8m0.000000001s", 8 * M + NS),
        ("1h0m0s", H),
        ("1h30m0s", H + 30 * M),
        ("24h0m0s", 24 * H),
        ("720h0m0s", 720 * H),
        ("4382h30m0s", 15_777_000 * S),
        ("1h15m30.918273645s", H + 15 * M + 30 * S + 918_273_645 * NS),
        ("2562047h47m16.854775807s", i64::MAX),
        ("-2562047h47m16.854775808s", i64::MIN),
        ("-1ns", -NS),
    ];
    for (text, nanoseconds) in table {
        assert_eq!(format_go_duration(nanoseconds), text);
    }
}

#[test]
fn canonical_forms() {
    for (given, canonical) in [
        ("24h", "24h0m0s"),
        ("1.5h", "1h30m0s"),
        ("90m", "1h30m0s"),
        ("100ms", "100ms"),
        ("1us", "1\u{b5}s"),
        ("1\u{3bc}s", "1\u{b5}s"),
        ("300s", "5m0s"),
        ("0.5ms", "500\u{b5}s"),
        ("-.5s", "-500ms"),
    ] {
        assert_eq!(parse_go_duration(given).map(format_go_duration).as_deref(), Ok(canonical));
    }
}

#[test]
fn two_halves_of_everything_wrap_as_in_go() {
    assert_eq!(parse_go_duration("9223372036854775808ns9223372036854775808ns"), Ok(0));
}

proptest! {
    #[test]
    fn what_is_printed_is_parsed(nanoseconds: i64) {
        prop_assert_eq!(parse_go_duration(&format_go_duration(nanoseconds)), Ok(nanoseconds));
    }

    #[test]
    fn small_ones_too(nanoseconds in -10_000_000_000_i64..10_000_000_000) {
        prop_assert_eq!(parse_go_duration(&format_go_duration(nanoseconds)), Ok(nanoseconds));
    }

    #[test]
    fn nothing_panics(text in "[-+]?[0-9.nuµμmsh ]{0,40}|\\PC{0,20}") {
        let _ = parse_go_duration(&text);
    }
}

#[test]
fn a_setting_is_seconds_or_has_a_unit() {
    for (text, ms) in [
        ("60", 60_000),
        ("0", 0),
        ("60s", 60_000),
        ("1500ms", 1_500),
        ("2m", 120_000),
        ("1h30m", 5_400_000),
        (" 5s ", 5_000),
        ("1.5s", 1_500),
    ] {
        assert_eq!(parse_duration(text), Ok(Duration::from_millis(ms)), "{text:?}");
    }
    for text in ["", "s", "1.5", "-5s", "-5", "5 s", "5sec", "1d", "99999999999", "1e3", "x"] {
        assert!(parse_duration(text).is_err(), "{text:?}");
    }
}
