//! The bytes of registrations, of an organization's profile, and of the changes that dialects make.

use super::{
    mirror::{Mirror, Text, V1Id, mirror_enum, mirror_struct},
    oidc::{V1ClaimMapping, V1Sealed, check_url},
};
use crate::{
    limits,
    records::{
        registration::{
            AutoLinking, Binding, CredentialChange, CredentialState, CredentialTarget,
            GenericChange, Number, OrgProfile, Owner, Provisioning, Registration,
            RegistrationStamp, Styling,
        },
        scopes,
    },
    wire::error::{WireError, ensure},
};

mirror_struct! {
    V1Registration for Registration {
        id: V1Id,
        number: u64,
        created_at: u64,
        changed_at: u64,
        sequence: u64,
        owner: V1Owner,
        state: V1CredentialState,
        secret_sealed_for: Option<Text>,
        key_sealed_for: Option<Text>,
        provisioning: V1Provisioning,
        styling: V1Styling,
        auto_register: bool,
    }
    V1RegistrationStamp for RegistrationStamp {
        number: u64,
        created_at: u64,
        changed_at: u64,
        sequence: u64,
    }
    V1Provisioning for Provisioning {
        is_linking_allowed: bool,
        is_creation_allowed: bool,
        is_auto_creation: bool,
        is_auto_update: bool,
        auto_linking: V1AutoLinking,
    }
    V1OrgProfile for OrgProfile, check check_profile {
        number: u64,
        sequence: u64,
        bindings: Vec<(Text, u64)>,
        parent: Option<V1Id>,
    }
    V1CredentialChange for CredentialChange, check check_change {
        client_id: Option<Text>,
        client_secret: Option<V1Sealed>,
        label: Option<Option<Text>>,
        scopes: Option<Vec<Text>>,
        issuer: Option<Text>,
        generic: V1GenericChange,
        state: Option<V1CredentialState>,
        provisioning: Option<V1Provisioning>,
        styling: Option<V1Styling>,
        auto_register: Option<bool>,
        oidc_only: bool,
        refuse_unchanged: bool,
    }
    V1GenericChange for GenericChange {
        use_pkce: Option<bool>,
        is_id_token_mapping: Option<bool>,
        display_name_mapping: Option<V1ClaimMapping>,
        username_mapping: Option<V1ClaimMapping>,
        discovery_url: Option<Option<Text>>,
        authorization_endpoint: Option<Option<Text>>,
        token_endpoint: Option<Option<Text>>,
        userinfo_endpoint: Option<Option<Text>>,
    }
}

mirror_enum! {
    V1Owner for Owner { Organization, System }
    V1CredentialState for CredentialState { Active, Inactive }
    V1Styling for Styling { Unspecified, Google }
    V1AutoLinking for AutoLinking { Unspecified, Username, Email }
    V1CredentialTarget for CredentialTarget {
        New(owner: V1Owner),
        Number(number: u64),
        Bound(binding: Text),
    }
}

impl Mirror<u64> for Number {
    fn freeze(&self) -> u64 {
        self.0
    }
    fn thaw(frozen: u64) -> Result<Self, WireError> {
        ensure(Self(frozen).is_valid(), "number")?;
        Ok(Self(frozen))
    }
}

impl Mirror<Text> for Binding {
    fn freeze(&self) -> Text {
        self.as_str().to_owned().freeze()
    }
    fn thaw(frozen: Text) -> Result<Self, WireError> {
        Ok(Self::new(String::thaw(frozen)?)?)
    }
}

fn check_profile(profile: &OrgProfile) -> Result<(), WireError> {
    ensure(profile.bindings.len() <= limits::BINDINGS_MAX, "number of bindings")
}

fn check_change(change: &CredentialChange) -> Result<(), WireError> {
    let label = change.label.as_ref().and_then(Option::as_deref);
    let fits = label.is_none_or(|text| text.chars().count() <= limits::LABEL_CHARS_MAX);
    ensure(fits, "label")?;
    let given = change.scopes.as_deref().unwrap_or_default();
    ensure(given.len() <= limits::SCOPES_MAX, "number of scopes")?;
    ensure(given.iter().all(|scope| scopes::is_scope(scope)), "scope")?;
    let generic = &change.generic;
    let urls = [
        &generic.discovery_url,
        &generic.authorization_endpoint,
        &generic.token_endpoint,
        &generic.userinfo_endpoint,
    ];
    let urls = urls.into_iter().flatten().flatten();
    urls.chain(&change.issuer).try_for_each(|url| check_url(url))
}
