//! The values of arguments: their grammar, and messages that name what is allowed.

use std::{convert::Infallible, str::FromStr, time::Duration};

use clap::builder::{PossibleValuesParser, TypedValueParser};
use concordat_client::{
    LeaseTerms, OrgId, Provider, Region, RequiredConsistency, Secret, StaleSecrets, Survive,
    WhenIsolated, WriteId,
};
use concordat_proto::{
    duration::{DURATION_FORM, parse_duration},
    id::NodeId,
    limits,
};

/// A setting of the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Setting {
    /// What home groups must outlive.
    Survive(Survive),
    /// How long leases are.
    Lease(LeaseTerms),
    /// What leaders do that are cut off.
    Isolation(WhenIsolated),
}

const SETTINGS: &str = "one of survive=node, survive=region, when_isolated=serve, \
                        when_isolated=fence and lease=HOME,AWAY[,CLOCK_DRIFT_PERCENT] with two \
                        durations, as in lease=500ms,1500ms";

pub(crate) fn setting(text: &str) -> Result<Setting, String> {
    match text.split_once('=') {
        Some(("survive", "node")) => Ok(Setting::Survive(Survive::Node)),
        Some(("survive", "region")) => Ok(Setting::Survive(Survive::Region)),
        Some(("when_isolated", "serve")) => Ok(Setting::Isolation(WhenIsolated::Serve)),
        Some(("when_isolated", "fence")) => Ok(Setting::Isolation(WhenIsolated::Fence)),
        Some(("lease", terms)) => lease(terms),
        _ => Err(SETTINGS.to_owned()),
    }
}

fn lease(text: &str) -> Result<Setting, String> {
    let mut parts = text.split(',');
    let (Some(home), Some(away), drift, None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(SETTINGS.to_owned());
    };
    let length = |text: &str| {
        let (min, max) = (limits::LEASE_MIN, limits::LEASE_MAX);
        let length = duration(text)?;
        // Lengths were bare milliseconds once: what looks like these is refused here.
        if (min..=max).contains(&length) {
            return Ok(length);
        }
        let (min, max) = (min.as_millis(), max.as_millis());
        Err(format!("a lease is from {min}ms to {max}ms; write the unit, as in 500ms"))
    };
    let (least, most) = (limits::CLOCK_DRIFT_PERCENT_MIN, limits::CLOCK_DRIFT_PERCENT_MAX);
    let drift_percent = match drift {
        None => LeaseTerms::DEFAULT.drift_percent,
        Some(text) => text
            .parse()
            .ok()
            .filter(|percent| (least..=most).contains(percent))
            .ok_or_else(|| format!("the drift of clocks is {least} to {most} (per cent)"))?,
    };
    Ok(Setting::Lease(LeaseTerms { home: length(home)?, away: length(away)?, drift_percent }))
}

pub(crate) fn stale_secrets(text: &str) -> Result<StaleSecrets, &'static str> {
    match text {
        "stale-secrets=serve" => Ok(StaleSecrets::Serve),
        "stale-secrets=refuse" => Ok(StaleSecrets::Refuse),
        _ => Err("stale-secrets=serve or stale-secrets=refuse"),
    }
}

/// A duration, in the one grammar of all flags and settings.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).map_err(|error| format!("{error}; it must be {DURATION_FORM}"))
}

/// How long a call waits.
pub(crate) fn timeout(text: &str) -> Result<Duration, String> {
    let (min, max) = (limits::CONSISTENCY_TIMEOUT_MIN, limits::CONSISTENCY_TIMEOUT_MAX);
    let timeout = duration(text)?;
    if (min..=max).contains(&timeout) {
        return Ok(timeout);
    }
    Err(format!("it must be from {}s to {}s", min.as_secs(), max.as_secs()))
}

pub(crate) fn consistency() -> impl TypedValueParser<Value = RequiredConsistency> {
    one_of([RequiredConsistency::LocalRegion, RequiredConsistency::AllRegions].map(|l| l.as_str()))
}

pub(crate) fn provider() -> impl TypedValueParser<Value = Provider> {
    one_of(Provider::ALL.map(Provider::as_str))
}

fn one_of<T, const N: usize>(names: [&'static str; N]) -> impl TypedValueParser<Value = T>
where
    T: FromStr + Clone + Send + Sync + 'static,
    T::Err: std::error::Error + Send + Sync + 'static,
{
    PossibleValuesParser::new(names).try_map(|text| text.parse())
}

pub(crate) fn node_id(text: &str) -> Result<String, &'static str> {
    let id = text.parse::<NodeId>().map(|id| id.to_string());
    id.map_err(|_| "a node id is 16 hexadecimal digits, as `concordat node list` shows it")
}

pub(crate) fn org_id(text: &str) -> Result<OrgId, &'static str> {
    text.parse().map_err(|_| "an organization's id is a UUID, as `concordat org list` shows it")
}

pub(crate) fn write_id(text: &str) -> Result<WriteId, &'static str> {
    text.parse().map_err(|_| "a write id is a UUID, as the answer to the write shows it")
}

pub(crate) fn region(text: &str) -> Result<Region, String> {
    Region::new(text).map_err(|_| {
        let max = limits::REGION_BYTES_MAX;
        format!(
            "a region's name is 1 to {max} characters of a-z, 0-9 and -, and begins with a letter"
        )
    })
}

pub(crate) fn secret(text: &str) -> Result<Secret, Infallible> {
    Ok(Secret::new(text.to_owned()))
}

/// A key, without the line's end that a variable may have got from a file.
pub(crate) fn key(text: &str) -> Result<Secret, Infallible> {
    let text = text.strip_suffix('\n').unwrap_or(text);
    secret(text.strip_suffix('\r').unwrap_or(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_of_the_cluster() {
        let terms = |home, away, drift_percent| {
            let [home, away] = [home, away].map(Duration::from_millis);
            Ok(Setting::Lease(LeaseTerms { home, away, drift_percent }))
        };
        let drift = LeaseTerms::DEFAULT.drift_percent;
        assert_eq!(setting("lease=500ms,1.5s"), terms(500, 1500, drift));
        assert_eq!(setting("lease=1,2s,3"), terms(1000, 2000, 3));
        assert_eq!(setting("survive=region"), Ok(Setting::Survive(Survive::Region)));
        for wrong in [
            "lease=500,1500",
            "lease=500ms",
            "lease=1s,2s,0",
            "lease=1s,2s,3,4",
            "lease=",
            "x=y",
            "",
        ] {
            assert!(setting(wrong).is_err(), "{wrong:?}");
        }
        assert!(setting("survive=all").unwrap_err().contains("survive=region"));
        assert!(setting("lease=500,1500").unwrap_err().contains("500ms"));
    }

    #[test]
    fn refusals_name_what_is_allowed() {
        assert!(timeout("0").unwrap_err().contains("1s to 120s"));
        assert!(timeout("soon").unwrap_err().contains("1500ms"));
        assert!(region("US").unwrap_err().contains("a-z"));
        assert!(node_id("170").unwrap_err().contains("16 hexadecimal digits"));
        assert_eq!(timeout("90s"), timeout("1m30s"));
    }
}
