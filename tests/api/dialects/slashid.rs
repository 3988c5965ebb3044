//! The native API beside its OIDC credentials, by scripts.

use super::run;

const DIALECT: &str = "slashid";

#[tokio::test]
async fn saml_credentials_live() {
    run(DIALECT, "saml.txt").await;
}

#[tokio::test]
async fn external_credentials_live() {
    run(DIALECT, "external.txt").await;
}

#[tokio::test]
async fn attributes_live() {
    run(DIALECT, "attributes.txt").await;
}

#[tokio::test]
async fn api_keys_live() {
    run(DIALECT, "keys.txt").await;
}
