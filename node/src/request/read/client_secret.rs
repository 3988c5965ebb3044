//! A client secret in plaintext, for login services whose key may read it.
//!
//! `guarded.rs` has the checks of every read of a secret. A secret must never reach a log line, a trace
//! or an error.

use std::time::Duration;

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use concordat_cluster::{
    machine::{
        locate::Located,
        registered::{self, Entry},
    },
    store::StoreError,
};
use concordat_proto::{
    id::ClientId,
    oidc::{AppleOptions, ProviderOptions},
    secret::Secret,
    time::LogTime,
};
use p256::{
    ecdsa::{Signature, SigningKey, signature::Signer},
    pkcs8::DecodePrivateKey,
};
use serde::Serialize;

use super::guarded::Guarded;
use crate::{
    api::outcome::{Answer, Outcome, Value, What},
    auth::OrgPrincipal,
    node::Node,
    request::{
        entry_view,
        unavailable::{no_key, no_private_key},
    },
    seal::{DataKey, Field},
};

/// Whom a client secret minted for Apple is for.
const APPLE_AUDIENCE: &str = "https://appleid.apple.com";

/// The client secret of a credential.
pub(super) struct ClientSecretOf<'a>(pub(super) &'a ClientId);

impl Guarded for ClientSecretOf<'_> {
    type Found = Entry;
    const WHAT: What = What::Credential;

    fn look(&self, node: &Node, at: &Located) -> Result<Option<Entry>, StoreError> {
        registered::by_client_id(node.state(), at.group, at.home.org.id, self.0)
    }

    fn audit(&self, org: &OrgPrincipal, is_current: bool) {
        let (organization, key) = (org.id(), org.key);
        tracing::info!(
            target: "audit", %organization, %key, client_id = self.0.as_str(), is_current,
            "a client secret was read"
        );
    }

    fn show(&self, node: &Node, at: &Located, entry: Entry) -> Answer {
        shown(node, at, &entry)
    }
}

fn shown(node: &Node, at: &Located, entry: &Entry) -> Answer {
    let (org, credential) = (&at.home.org, &entry.credential);
    let opened = node.sealer.data_key(org.id, &org.data_key).and_then(|key| {
        let minted = match &credential.options.specific {
            ProviderOptions::Apple(apple) => {
                let sealed_for = entry.registration.key_sealed_for.as_ref();
                open_apple(&key, sealed_for.unwrap_or(&credential.client_id), apple)?
            }
            ProviderOptions::ScopesOnly
            | ProviderOptions::Azuread { .. }
            | ProviderOptions::Okta { .. }
            | ProviderOptions::Oidc(_) => None,
        };
        Ok((entry_view::open_secret(&key, entry)?, minted))
    });
    let client_id = credential.client_id.clone();
    let (secret, expires_at) = match opened {
        Ok((secret, None)) => (secret, None),
        Ok((_, Some((private_key, apple)))) => {
            match mint(&client_id, &private_key, &apple, node.now()) {
                Some((secret, expires)) => (secret, Some(expires)),
                None => return no_private_key(),
            }
        }
        Err(error) => return no_key(error),
    };
    Outcome::Found(Value::ClientSecret { client_id, secret, expires_at }).into()
}

fn open_apple(
    key: &DataKey,
    client_id: &ClientId,
    apple: &AppleOptions,
) -> Result<Option<(Secret, AppleOptions)>, crate::seal::SealError> {
    let field = Field::PrivateKey(client_id.as_str());
    let opened = apple.private_key.as_ref().map(|sealed| key.open(sealed, field)).transpose()?;
    Ok(opened.map(|private_key| (private_key, apple.clone())))
}

#[derive(Serialize)]
struct JoseHeader<'a> {
    alg: &'static str,
    kid: &'a str,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    iat: u64,
    exp: u64,
    aud: &'static str,
    sub: &'a str,
}

/// A client secret as Apple wants it: a JWT (RFC 7519) signed with ES256 (RFC 7518, 3.4), and until
/// when it holds. None when the key cannot be used.
fn mint(
    client_id: &ClientId,
    private_key: &Secret,
    apple: &AppleOptions,
    now: LogTime,
) -> Option<(Secret, LogTime)> {
    let signing_key = SigningKey::from_pkcs8_pem(private_key.expose()).ok()?;
    let issued = Duration::from_millis(now.0).as_secs();
    let expires = issued.saturating_add(apple.secret_lifetime.as_secs());
    let claims = Claims {
        iss: &apple.team_id,
        iat: issued,
        exp: expires,
        aud: APPLE_AUDIENCE,
        sub: client_id.as_str(),
    };
    let part = |bytes: Vec<u8>| BASE64_URL_SAFE_NO_PAD.encode(bytes);
    let head = part(serde_json::to_vec(&JoseHeader { alg: "ES256", kid: &apple.key_id }).ok()?);
    let signed = format!("{head}.{}", part(serde_json::to_vec(&claims).ok()?));
    let signature: Signature = signing_key.try_sign(signed.as_bytes()).ok()?;
    let text = format!("{signed}.{}", part(signature.to_bytes().to_vec()));
    Some((Secret::new(text), LogTime(expires.saturating_mul(1000))))
}

#[cfg(test)]
mod tests {
    use p256::{
        ecdsa::{VerifyingKey, signature::Verifier},
        pkcs8::{EncodePrivateKey, LineEnding},
    };
    use serde_json::{Value, json};

    use super::*;

    fn decoded(part: &str) -> Vec<u8> {
        BASE64_URL_SAFE_NO_PAD.decode(part).expect("base64url")
    }

    #[test]
    fn a_secret_for_apple_says_what_it_must_and_is_signed() {
        let key = p256::SecretKey::from_slice(&[7; 32]).expect("a key");
        let pem = key.to_pkcs8_pem(LineEnding::LF).expect("a PEM").to_string();
        let apple = AppleOptions {
            private_key: None,
            team_id: "TEAM123456".into(),
            key_id: "KEY1234567".into(),
            secret_lifetime: Duration::from_secs(300),
        };
        let client_id = ClientId::new("com.example.web").expect("a client id");
        let now = LogTime(1_790_000_000_999);
        let minted = mint(&client_id, &Secret::new(pem), &apple, now);
        let (secret, expires) = minted.expect("a secret");
        assert_eq!(expires, LogTime(1_790_000_300_000));
        let parts: Vec<&str> = secret.expose().split('.').collect();
        let [head, claims, signature] = parts[..] else { panic!("not three parts") };
        let value = |part| serde_json::from_slice::<Value>(&decoded(part)).expect("JSON");
        assert_eq!(value(head), json!({"alg": "ES256", "kid": "KEY1234567"}));
        let expected = json!({
            "iss": "TEAM123456", "iat": 1_790_000_000, "exp": 1_790_000_300,
            "aud": APPLE_AUDIENCE, "sub": "com.example.web",
        });
        assert_eq!(value(claims), expected);
        let verifying: VerifyingKey = SigningKey::from(&key).verifying_key().to_owned();
        let signature = Signature::from_slice(&decoded(signature)).expect("64 bytes");
        let signed = format!("{head}.{claims}");
        verifying.verify(signed.as_bytes(), &signature).expect("it is signed by that key");
    }

    #[test]
    fn a_key_that_is_none_mints_nothing() {
        let apple = AppleOptions {
            private_key: None,
            team_id: "T".into(),
            key_id: "K".into(),
            secret_lifetime: Duration::from_secs(300),
        };
        let client_id = ClientId::new("a").expect("a client id");
        assert!(mint(&client_id, &Secret::new("no key".into()), &apple, LogTime(0)).is_none());
    }
}
