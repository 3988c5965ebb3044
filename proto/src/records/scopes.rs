//! Scopes: those that are always requested, and the resulting list (contract 4).

use crate::{limits, records::oidc::Provider};

/// The scopes that are always requested of a provider; also the default.
#[must_use]
pub const fn always_requested(provider: Provider) -> &'static [&'static str] {
    match provider {
        Provider::Google | Provider::Line | Provider::Okta => &["openid", "email", "profile"],
        Provider::Github => &["read:user", "user:email"],
        Provider::Bitbucket => &["account"],
        Provider::Gitlab => &["read_user"],
        Provider::Facebook => &["email", "public_profile"],
        Provider::Azuread => &["openid", "email", "profile", "User.Read"],
        Provider::Apple => &["openid", "email", "name"],
        Provider::Oidc => &[],
    }
}

/// The always-requested scopes, then the given ones; each once, case-sensitive, in this order.
#[must_use]
pub fn effective_scopes(provider: Provider, given: &[String]) -> Vec<String> {
    let mut scopes: Vec<String> = Vec::with_capacity(given.len() + 4);
    let always = always_requested(provider).iter().copied();
    for scope in always.chain(given.iter().map(String::as_str)) {
        if !scopes.iter().any(|present| present == scope) {
            scopes.push(scope.to_owned());
        }
    }
    scopes
}

/// Whether a text can be a scope: 1..=256 characters without white space or control characters.
#[must_use]
pub fn is_scope(text: &str) -> bool {
    (1..=limits::SCOPE_CHARS_MAX).contains(&text.chars().count())
        && !text.chars().any(|c| c.is_whitespace() || c.is_control())
}

const _: () = {
    let mut at = 0;
    while at < Provider::ALL.len() {
        let always = always_requested(Provider::ALL[at]).len();
        assert!(always + limits::SCOPES_MAX <= limits::EFFECTIVE_SCOPES_MAX, "all scopes fit");
        at += 1;
    }
};

#[cfg(test)]
mod tests {
    use super::*;

    fn effective(provider: Provider, given: &[&str]) -> Vec<String> {
        let given: Vec<String> = given.iter().map(|&scope| scope.to_owned()).collect();
        effective_scopes(provider, &given)
    }

    #[test]
    fn always_requested_first_then_given_each_once() {
        assert_eq!(effective(Provider::Bitbucket, &[]), ["account"]);
        assert_eq!(
            effective(Provider::Google, &["calendar", "email", "calendar", "Email"]),
            ["openid", "email", "profile", "calendar", "Email"]
        );
        assert_eq!(
            effective(Provider::Azuread, &["User.Read", "user.read"]),
            ["openid", "email", "profile", "User.Read", "user.read"]
        );
    }

    #[test]
    fn scopes_hold_no_white_space() {
        for bad in ["", " ", "a b", "a\t", "a\u{a0}b", "a\0", &"x".repeat(257)] {
            assert!(!is_scope(bad), "{bad:?}");
        }
        for good in ["read:user", "https://www.googleapis.com/auth/calendar", &"ü".repeat(256)] {
            assert!(is_scope(good), "{good:?}");
        }
    }
}
