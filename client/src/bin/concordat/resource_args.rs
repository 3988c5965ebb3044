//! The arguments of resources beside OIDC credentials: SAML credentials, external credentials, attributes,
//! API keys.

use std::path::PathBuf;

use clap::{ArgAction, Subcommand};
use concordat_client::{ExternalProvider, ExternalType, HandleType, KeyId, ResourceName, Right};

use crate::values;

/// A write that depends on a version.
#[derive(clap::Args)]
pub(crate) struct Condition {
    /// Only if the stored version has this ETag (`credential get` shows it)
    #[arg(long, value_name = "ETAG")]
    pub(crate) if_match: Option<String>,
}

/// Verbs of SAML credentials.
#[derive(Subcommand)]
pub(crate) enum Saml {
    /// Lists SAML credentials
    List,
    /// Shows a SAML credential and its version
    Get {
        /// Its id
        #[arg(value_parser = values::resource_name)]
        id: ResourceName,
    },
    /// Creates a SAML credential
    Create(SamlSettings),
    /// Changes the given members of a SAML credential and no other
    Patch {
        /// Its id
        #[arg(value_parser = values::resource_name)]
        id: ResourceName,
        #[command(flatten)]
        members: SamlSettings,
        #[command(flatten)]
        condition: Condition,
    },
    /// Deletes a SAML credential
    Delete {
        /// Its id
        #[arg(value_parser = values::resource_name)]
        id: ResourceName,
        #[command(flatten)]
        condition: Condition,
    },
}

/// The members of a SAML credential.
#[derive(clap::Args)]
pub(crate) struct SamlSettings {
    /// The URL of the identity provider's metadata; required in a creation
    #[arg(long, value_name = "URL")]
    pub(crate) metadata_url: Option<String>,
    /// Free text
    #[arg(long)]
    pub(crate) label: Option<String>,
    /// A claim that holds an email address; at most 3
    #[arg(long = "email-claim", value_name = "NAME")]
    pub(crate) email_claims: Vec<String>,
    /// Whether the authorization server may use this credential
    #[arg(long, value_name = "BOOL", action = ArgAction::Set)]
    pub(crate) enable_in_authz_server: Option<bool>,
}

/// Verbs of external credentials.
#[derive(Subcommand)]
pub(crate) enum External {
    /// Lists external credentials, without their secret objects
    List,
    /// Shows an external credential with its secret object (needs a key with secrets:read)
    Get {
        /// Its id
        #[arg(value_parser = values::resource_name)]
        id: ResourceName,
    },
    /// Creates an external credential
    Create {
        /// Whose service
        #[arg(long, value_parser = values::external_provider())]
        provider: ExternalProvider,
        /// What the credential is made of
        #[arg(long = "type", value_parser = values::external_type())]
        credential_type: ExternalType,
        /// Free text
        #[arg(long)]
        label: Option<String>,
        /// Reads the secret JSON object from a file, or from standard input (-)
        #[arg(long, value_name = "PATH")]
        json_file: PathBuf,
    },
    /// Changes the given members of an external credential and no other
    Patch {
        /// Its id
        #[arg(value_parser = values::resource_name)]
        id: ResourceName,
        /// Free text
        #[arg(long)]
        label: Option<String>,
        /// Reads a new secret JSON object from a file, or from standard input (-)
        #[arg(long, value_name = "PATH")]
        json_file: Option<PathBuf>,
        #[command(flatten)]
        condition: Condition,
    },
    /// Deletes an external credential; one that is absent is deleted already
    Delete {
        /// Its id
        #[arg(value_parser = values::resource_name)]
        id: ResourceName,
        #[command(flatten)]
        condition: Condition,
    },
}

/// Verbs of attributes.
#[derive(Subcommand)]
pub(crate) enum Attribute {
    /// Lists the names of attributes
    List,
    /// Shows the value of an attribute
    Get {
        /// Its name, at most 70 bytes
        #[arg(value_parser = values::resource_name)]
        name: ResourceName,
    },
    /// Sets an attribute
    Set {
        /// Its name, at most 70 bytes
        #[arg(value_parser = values::resource_name)]
        name: ResourceName,
        /// Its value: JSON
        value: String,
        #[command(flatten)]
        condition: Condition,
    },
    /// Deletes an attribute
    Delete {
        /// Its name, at most 70 bytes
        #[arg(value_parser = values::resource_name)]
        name: ResourceName,
        #[command(flatten)]
        condition: Condition,
    },
}

/// Verbs of API keys.
#[derive(Subcommand)]
pub(crate) enum Key {
    /// Lists the organization's keys, without their texts
    List,
    /// Makes a key and shows it, this once
    Issue {
        /// What it may do; your own key must have these rights
        #[arg(
            long = "right",
            value_name = "RIGHT",
            required = true,
            value_parser = values::right()
        )]
        rights: Vec<Right>,
        /// Free text, at most 64 characters
        #[arg(long)]
        label: Option<String>,
        /// From when on it opens nothing: a time such as 2030-01-31T00:00:00Z [default: never]
        #[arg(long, value_name = "TIME")]
        expires_at: Option<String>,
    },
    /// Revokes a key
    Revoke {
        /// Its id
        #[arg(value_parser = values::key_id)]
        id: KeyId,
    },
    /// Replaces your own key by a new one with the same rights and shows it, this once
    Rotate,
}

/// Verbs of suborganizations.
#[derive(Subcommand)]
pub(crate) enum Suborg {
    /// Lists the organization's suborganizations
    List,
    /// Makes a suborganization and shows its API key, this once
    Create {
        /// Its name
        name: String,
        /// A person who administrates it: email_address=…, phone_number=… or username=…
        #[arg(long = "admin", value_name = "TYPE=VALUE", value_parser = values::admin)]
        admins: Vec<(HandleType, String)>,
    },
}
