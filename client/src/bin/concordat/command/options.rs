//! The flags of a provider's options.

use concordat_client::{GenericOptions, OidcOptions, Provider};
use concordat_proto::duration::format_go_duration;

use crate::{args::Members, config, failure::Failure};

/// The options that the flags ask for; `None` when they ask for none.
pub(super) fn of(
    provider: Option<Provider>,
    flags: &Members,
) -> Result<Option<OidcOptions>, Failure> {
    let owners = [
        (flags.tenant.is_some(), "--tenant", Provider::Azuread),
        (flags.organization_url.is_some(), "--organization-url", Provider::Okta),
        (flags.issuer.is_some(), "--issuer", Provider::Oidc),
        (flags.apple_team_id.is_some(), "--apple-team-id", Provider::Apple),
    ];
    let mut provider = provider;
    for (_, flag, owner) in owners.into_iter().filter(|(given, _, _)| *given) {
        if *provider.get_or_insert(owner) != owner {
            return Err(Failure::usage(format!("{flag} is an option of {owner} only")));
        }
    }
    let specific = owners.iter().any(|(given, _, _)| *given);
    if !specific && flags.scopes.is_empty() {
        return Ok(None);
    }
    let provider = provider.ok_or_else(|| Failure::usage("--scope needs --provider"))?;
    let mut options = base(provider, flags)?;
    if !flags.scopes.is_empty() {
        options = options.scopes(flags.scopes.iter().cloned());
    }
    Ok(Some(options))
}

fn base(provider: Provider, flags: &Members) -> Result<OidcOptions, Failure> {
    if let Some(tenant) = &flags.tenant {
        return Ok(OidcOptions::azuread(tenant));
    }
    if let Some(url) = &flags.organization_url {
        return Ok(OidcOptions::okta(url));
    }
    if let Some(issuer) = &flags.issuer {
        return Ok(OidcOptions::generic(GenericOptions {
            issuer: issuer.clone(),
            use_pkce: flags.use_pkce,
            discovery_url: flags.discovery_url.clone(),
            ..GenericOptions::default()
        }));
    }
    let (Some(team_id), Some(key_id)) = (&flags.apple_team_id, &flags.apple_key_id) else {
        return Ok(OidcOptions::new(provider));
    };
    let private_key = flags.apple_private_key_file.as_deref().map(config::read_secret);
    let mut options = OidcOptions::apple(team_id, key_id, private_key.transpose()?);
    if let Some(lifetime) = flags.apple_secret_lifetime {
        let nanoseconds = i64::try_from(lifetime.as_nanos()).unwrap_or(i64::MAX);
        options = options.secret_lifetime(format_go_duration(nanoseconds));
    }
    Ok(options)
}
