//! The values of arguments: their grammar, and messages that name the allowed values.

use std::{convert::Infallible, str::FromStr, time::Duration};

use clap::builder::{PossibleValuesParser, TypedValueParser};
use concordat_client::{
    ExternalProvider, ExternalType, HandleType, KeyId, LeaseTerms, OrgId, PartitionPolicy,
    Provider, Region, RequiredConsistency, ResourceName, Right, Secret, StaleSecrets, SurvivalGoal,
    WriteId,
};
use concordat_proto::{
    duration::{DURATION_FORM, parse_duration},
    id::NodeId,
    limits,
};

/// A setting of the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Setting {
    /// The survival goal of home groups.
    SurvivalGoal(SurvivalGoal),
    /// The length of leases.
    Lease(LeaseTerms),
    /// The partition policy.
    PartitionPolicy(PartitionPolicy),
}

/// What a setting may be.
fn settings() -> String {
    let goals = SurvivalGoal::ALL.map(|goal| format!("survival_goal={goal}"));
    let policies = PartitionPolicy::ALL.map(|policy| format!("partition_policy={policy}"));
    format!(
        "one of {}, {} and lease=LOCAL,REMOTE[,CLOCK_DRIFT_PERCENT] with two durations, as in \
         lease=500ms,1500ms",
        goals.join(", "),
        policies.join(", ")
    )
}

pub(crate) fn setting(text: &str) -> Result<Setting, String> {
    let known = match text.split_once('=') {
        Some(("survival_goal", goal)) => goal.parse().ok().map(Setting::SurvivalGoal),
        Some(("partition_policy", policy)) => policy.parse().ok().map(Setting::PartitionPolicy),
        Some(("lease", terms)) => return lease(terms),
        _ => None,
    };
    known.ok_or_else(settings)
}

fn lease(text: &str) -> Result<Setting, String> {
    let mut parts = text.split(',');
    let (Some(home), Some(away), drift, None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(settings());
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

/// A setting of an organization.
#[derive(Debug, Clone)]
pub(crate) enum OrgSetting {
    /// Whether a node without a valid lease may return client secrets.
    StaleSecrets(StaleSecrets),
    /// The enterprise domain. The server checks it.
    EnterpriseDomain(String),
}

pub(crate) fn org_setting(text: &str) -> Result<OrgSetting, String> {
    const STALE_SECRETS: &str = "stale-secrets";
    const DOMAIN: &str = "enterprise-domain";
    let expected = || {
        let policies = StaleSecrets::ALL.map(|value| format!("{STALE_SECRETS}={value}"));
        format!("{} or {DOMAIN}=DOMAIN", policies.join(" or "))
    };
    match text.split_once('=') {
        Some((STALE_SECRETS, value)) => {
            value.parse().map(OrgSetting::StaleSecrets).map_err(|_| expected())
        }
        Some((DOMAIN, value)) if !value.is_empty() => {
            Ok(OrgSetting::EnterpriseDomain(value.to_owned()))
        }
        Some(_) | None => Err(expected()),
    }
}

/// A person who administrates a suborganization.
pub(crate) fn admin(text: &str) -> Result<(HandleType, String), String> {
    let named = text.split_once('=').filter(|(_, value)| !value.is_empty());
    let parsed = named.and_then(|(handle, value)| Some((handle.parse().ok()?, value.to_owned())));
    parsed.ok_or_else(|| {
        let types = HandleType::ALL.map(|handle| format!("{handle}=…"));
        format!("it must be one of {}", types.join(", "))
    })
}

/// A duration, in the one grammar of all flags and settings.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).map_err(|error| format!("{error}; it must be {DURATION_FORM}"))
}

/// The timeout of a call.
pub(crate) fn timeout(text: &str) -> Result<Duration, String> {
    let (min, max) = (limits::CONSISTENCY_TIMEOUT_MIN, limits::CONSISTENCY_TIMEOUT_MAX);
    let timeout = duration(text)?;
    if (min..=max).contains(&timeout) {
        return Ok(timeout);
    }
    Err(format!("it must be from {}s to {}s", min.as_secs(), max.as_secs()))
}

pub(crate) fn consistency() -> impl TypedValueParser<Value = RequiredConsistency> {
    one_of(RequiredConsistency::ALL.map(RequiredConsistency::as_str))
}

pub(crate) fn provider() -> impl TypedValueParser<Value = Provider> {
    one_of(Provider::ALL.map(Provider::as_str))
}

pub(crate) fn external_provider() -> impl TypedValueParser<Value = ExternalProvider> {
    one_of(ExternalProvider::ALL.map(ExternalProvider::as_str))
}

pub(crate) fn external_type() -> impl TypedValueParser<Value = ExternalType> {
    one_of(ExternalType::ALL.map(ExternalType::as_str))
}

pub(crate) fn right() -> impl TypedValueParser<Value = Right> {
    one_of(Right::ALL.map(Right::as_str))
}

pub(crate) fn key_id(text: &str) -> Result<KeyId, &'static str> {
    text.parse().map_err(|_| "a key's id is a UUID, as `concordat key list` shows it")
}

pub(crate) fn resource_name(text: &str) -> Result<ResourceName, &'static str> {
    text.parse().map_err(|_| "it must be 1 to 70 bytes, without control characters")
}

fn one_of<T, const N: usize>(names: [&'static str; N]) -> impl TypedValueParser<Value = T>
where
    T: FromStr + Clone + Send + Sync + 'static,
    T::Err: std::error::Error + Send + Sync + 'static,
{
    PossibleValuesParser::new(names).try_map(|text| text.parse())
}

pub(crate) fn node_id(text: &str) -> Result<NodeId, &'static str> {
    text.parse()
        .map_err(|_| "a node id is 16 hexadecimal digits, as `concordat node list` shows it")
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
        assert_eq!(
            setting("survival_goal=region"),
            Ok(Setting::SurvivalGoal(SurvivalGoal::Region))
        );
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
        assert!(setting("survival_goal=all").unwrap_err().contains("survival_goal=region"));
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

    /// Characters that no id has were once left out of it, so that a removal named another node.
    #[test]
    fn a_wrong_node_id_is_refused_and_never_corrected() {
        assert_eq!(node_id("00000000000000ff"), Ok(NodeId(255)));
        for wrong in
            ["00_00000000000ff", "0000000000000_ff", "00000000000000ff ", "ff/../00000000ff", ""]
        {
            assert!(node_id(wrong).unwrap_err().contains("16 hexadecimal digits"), "{wrong:?}");
        }
    }
}
