//! What the store knows of a credential beside its OIDC settings: its identity, its times, and the
//! settings that not every dialect has; and the changes that dialects make of both (contract,
//! dialects, second round).
//!
//! A [`Registration`] is a record of its own, so that credentials keep the bytes that they had before
//! there were any. A credential without one is from before feature level 3, or was not changed since:
//! [`Registration::of_earlier`] is what every replica takes for it. Nothing here decides.

use std::{fmt, str::FromStr};

use crate::{
    base::{
        id::{ClientId, GroupId, IdError, OrgId, WriteId},
        log::LogIndex,
        schema::text_schema,
        secret::Sealed,
        text::text_serde,
        time::LogTime,
    },
    limits,
};

use super::oidc::ClaimMapping;

/// Numbers have this many bits: a JSON number holds them exactly (RFC 8259, 6).
const NUMBER_BITS: u32 = 53;
/// Bits of a number for the index of the entry that gave it.
const INDEX_BITS: u32 = 40;
/// Groups below this can give numbers.
const GROUPS: u32 = 1 << (NUMBER_BITS - 1 - INDEX_BITS);
/// The least number that is derived from an id.
const FIRST_DERIVED: u64 = 1 << (NUMBER_BITS - 1);

/// The number of an organization or of a credential: below 2^53, unique in the cluster, given once and
/// kept through moves. Dialects show it as a number or as its decimal
/// text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Number(pub u64);

impl Number {
    /// The number that an entry of a group gives: no two entries give the same one. A group or an index
    /// too large for it gives one that is derived from the write's id.
    #[must_use]
    pub fn given_by(group: GroupId, index: LogIndex, write: WriteId) -> Self {
        let fits = group.0 < GROUPS && index.0 < 1 << INDEX_BITS;
        if !fits {
            return Self::derived(write.to_bytes());
        }
        Self(u64::from(group.0) << INDEX_BITS | index.0)
    }

    /// The number of what was made before numbers were given: from the random end of its id. In one
    /// organization with 10,000 credentials two have the same one with a probability of 10^-8.
    #[must_use]
    pub fn derived(id: [u8; 16]) -> Self {
        let [.., a, b, c, d, e, f, g] = id;
        let random = u64::from_be_bytes([0, a, b, c, d, e, f, g]);
        Self(FIRST_DERIVED | random & (FIRST_DERIVED - 1))
    }

    /// Whether no entry gave it.
    #[must_use]
    pub const fn is_derived(self) -> bool {
        self.0 >= FIRST_DERIVED
    }

    /// Whether it has no more than 53 bits.
    #[must_use]
    pub const fn is_valid(self) -> bool {
        self.0 < 1 << NUMBER_BITS
    }
}

/// The record of a credential beside its OIDC settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// The write that created it: its id, which it keeps when its client id changes.
    pub id: WriteId,
    /// Its number.
    pub number: Number,
    /// When it was created.
    pub created_at: LogTime,
    /// When it was changed last.
    pub changed_at: LogTime,
    /// The organization's sequence at that change.
    pub sequence: u64,
    /// Where it was made.
    pub owner: Owner,
    /// Whether it is in use.
    pub state: CredentialState,
    /// The client id for which the stored client secret was sealed, where that is another one than the
    /// present one: sealed bytes open only for the client id that they were sealed for.
    pub secret_sealed_for: Option<ClientId>,
    /// The same of Apple's private key.
    pub key_sealed_for: Option<ClientId>,
    /// How users are made and linked.
    pub provisioning: Provisioning,
    /// How its button looks.
    pub styling: Styling,
    /// Whether unknown users are registered (the older form of `provisioning`).
    pub auto_register: bool,
}

impl Registration {
    /// The registration of a credential that has no record of one: from its version, which names the
    /// write that made it and has that write's time (RFC 9562, 5.7).
    #[must_use]
    pub fn of_earlier(version: WriteId) -> Self {
        let bytes = version.to_bytes();
        let [a, b, c, d, e, f, ..] = bytes;
        let time = LogTime(u64::from_be_bytes([0, 0, a, b, c, d, e, f]));
        Self {
            id: version,
            number: Number::derived(bytes),
            created_at: time,
            changed_at: time,
            sequence: 0,
            owner: Owner::Organization,
            state: CredentialState::Active,
            secret_sealed_for: None,
            key_sealed_for: None,
            provisioning: Provisioning::default(),
            styling: Styling::Unspecified,
            auto_register: false,
        }
    }

    /// What an answer says of it.
    #[must_use]
    pub const fn stamp(&self) -> RegistrationStamp {
        RegistrationStamp {
            number: self.number,
            created_at: self.created_at,
            changed_at: self.changed_at,
            sequence: self.sequence,
        }
    }
}

/// What a write's answer says of the credential that it made or changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RegistrationStamp {
    /// Its number.
    pub number: Number,
    /// When it was created.
    pub created_at: LogTime,
    /// When it was changed last.
    pub changed_at: LogTime,
    /// The organization's sequence at that change.
    pub sequence: u64,
}

/// Where a credential was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Owner {
    /// By the organization for itself.
    #[default]
    Organization,
    /// For the whole instance, by a dialect that has one.
    System,
}

/// Whether a credential is in use.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum CredentialState {
    /// In use.
    #[default]
    Active,
    /// Set aside. Its settings and its secret stay readable: the login service decides.
    Inactive,
}

/// How a credential's button looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Styling {
    /// None was chosen.
    #[default]
    Unspecified,
    /// Google's.
    Google,
}

/// How users of a provider are made and linked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Provisioning {
    /// A user may link an existing account.
    pub is_linking_allowed: bool,
    /// A user may make an account.
    pub is_creation_allowed: bool,
    /// An account is made without asking.
    pub is_auto_creation: bool,
    /// An account's data follow the provider's.
    pub is_auto_update: bool,
    /// By what an existing account is found.
    pub auto_linking: AutoLinking,
}

/// By what an existing account is found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum AutoLinking {
    /// It is not looked for.
    #[default]
    Unspecified,
    /// By the user name.
    Username,
    /// By the email address.
    Email,
}

/// What an organization's group counts and remembers for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrgProfile {
    /// Its number.
    pub number: Number,
    /// The number of its writes so far, since there is this record.
    pub sequence: u64,
    /// The credentials that dialects of one credential are bound to: at most
    /// [`crate::limits::BINDINGS_MAX`], each name once.
    pub bindings: Vec<(Binding, Number)>,
    /// The organization that a suborganization belongs to.
    pub parent: Option<OrgId>,
}

impl OrgProfile {
    /// The profile of an organization that has no record of one.
    #[must_use]
    pub fn of_earlier(org: OrgId) -> Self {
        let number = Number::derived(org.to_bytes());
        Self { number, sequence: 0, bindings: Vec::new(), parent: None }
    }

    /// The credential that a dialect is bound to.
    #[must_use]
    pub fn bound(&self, binding: &Binding) -> Option<Number> {
        self.bindings.iter().find(|(name, _)| name == binding).map(|(_, number)| *number)
    }

    /// Binds a dialect to a credential, in place of an earlier one; false where there are too many
    /// bindings.
    #[must_use]
    pub fn bind(&mut self, binding: &Binding, number: Number) -> bool {
        if let Some((_, bound)) = self.bindings.iter_mut().find(|(name, _)| name == binding) {
            *bound = number;
            return true;
        }
        if self.bindings.len() >= limits::BINDINGS_MAX {
            return false;
        }
        self.bindings.push((binding.clone(), number));
        true
    }

    /// Unbinds what is bound to a credential.
    pub fn unbind(&mut self, number: Number) {
        self.bindings.retain(|(_, bound)| *bound != number);
    }
}

/// The name of a dialect that knows one credential of an organization: 1 to 32 of `a`-`z`, `0`-`9` and
/// `-`. The core knows no dialect.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Binding(String);

impl Binding {
    /// Checks and wraps.
    ///
    /// # Errors
    /// When the text cannot be such a name.
    pub fn new(text: impl Into<String>) -> Result<Self, IdError> {
        let text = text.into();
        let is_name = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if !(1..=32).contains(&text.len()) || !text.bytes().all(is_name) {
            return Err(IdError { kind: "binding" });
        }
        Ok(Self(text))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Binding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Binding {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        Self::new(text)
    }
}

text_serde!(Binding);
text_schema!(Binding, { "pattern": "^[a-z0-9-]{1,32}$" });

/// Whether a text can be an enterprise domain: a DNS name (RFC 1035, 2.3.1) of at least two labels,
/// in lower case.
#[must_use]
pub fn is_domain(text: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    text.len() <= 253 && text.contains('.') && text.split('.').all(is_label)
}

/// The credential that a change is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CredentialTarget {
    /// A new one of provider `oidc`.
    New(Owner),
    /// The one of this number.
    Number(Number),
    /// The one that a dialect is bound to; a change makes it where there is none.
    Bound(Binding),
}

impl CredentialTarget {
    /// The same, unless it is a new one.
    #[must_use]
    pub const fn existing(&self) -> Option<&Self> {
        match self {
            Self::New(_) => None,
            Self::Number(_) | Self::Bound(_) => Some(self),
        }
    }
}

/// A change in the terms of all dialects: what is present is set, what is absent is left as it is. A
/// dialect whose update replaces everything gives every member that it has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CredentialChange {
    /// A new client id. The credential keeps its id and its number.
    pub client_id: Option<ClientId>,
    /// A new secret, sealed for the client id that the credential has after the change.
    pub client_secret: Option<Sealed>,
    /// A new name, or none.
    pub label: Option<Option<String>>,
    /// The given scopes. Those that are always requested of the provider are added.
    pub scopes: Option<Vec<String>>,
    /// A new issuer. One that the provider fixes cannot be changed.
    pub issuer: Option<String>,
    /// Settings that only credentials of provider `oidc` have.
    pub generic: GenericChange,
    /// Whether it is in use.
    pub state: Option<CredentialState>,
    /// How users are made and linked.
    pub provisioning: Option<Provisioning>,
    /// How its button looks.
    pub styling: Option<Styling>,
    /// Whether unknown users are registered.
    pub auto_register: Option<bool>,
    /// Only a credential that is shown as one of OpenID Connect has it: of provider `oidc` or `okta`.
    pub oidc_only: bool,
    /// Refuse it where it would change nothing. A secret is always a change.
    pub refuse_unchanged: bool,
}

/// A change of what only credentials of provider `oidc` have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "as in GenericOptions; the inner None removes a URL")]
pub struct GenericChange {
    pub use_pkce: Option<bool>,
    pub is_id_token_mapping: Option<bool>,
    pub display_name_mapping: Option<ClaimMapping>,
    pub username_mapping: Option<ClaimMapping>,
    pub discovery_url: Option<Option<String>>,
    pub authorization_endpoint: Option<Option<String>>,
    pub token_endpoint: Option<Option<String>>,
    pub userinfo_endpoint: Option<Option<String>>,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_are_unique_and_fit_a_json_number(
            one in (0_u32..4096, 1_u64..1 << 40),
            two in (0_u32..4096, 1_u64..1 << 40),
            id: [u8; 16],
        ) {
            let of = |(group, index): (u32, u64)| {
                Number::given_by(GroupId(group), LogIndex(index), WriteId::from_bytes(id))
            };
            prop_assert_eq!(of(one) == of(two), one == two);
            prop_assert!(of(one).is_valid() && !of(one).is_derived());
            let derived = Number::derived(id);
            prop_assert!(derived.is_valid() && derived.is_derived());
        }

        #[test]
        fn numbers_beyond_the_bounds_are_derived(group: u32, index: u64, id: [u8; 16]) {
            let write = WriteId::from_bytes(id);
            let number = Number::given_by(GroupId(group), LogIndex(index), write);
            prop_assert!(number.is_valid());
            let fits = group < 4096 && index < 1 << 40;
            prop_assert_eq!(number.is_derived(), !fits);
        }
    }
}
