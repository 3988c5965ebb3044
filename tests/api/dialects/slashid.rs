//! The native API beside its OIDC credentials, by scripts.

use tokio::sync::Mutex;

use super::{Player, run};

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

/// Held by a test that sets the cluster-wide policies: there is one cluster.
static CLUSTER_WIDE: Mutex<()> = Mutex::const_new(());

#[tokio::test]
async fn api_keys_live() {
    run(DIALECT, "keys.txt").await;
}

#[tokio::test]
async fn a_key_without_a_right_is_refused_in_every_dialect() {
    run(DIALECT, "rights.txt").await;
}

#[tokio::test]
async fn credentials_of_any_openid_provider_live() {
    run(DIALECT, "generic.txt").await;
}

#[tokio::test]
async fn bindings_name_a_credential() {
    run(DIALECT, "bindings.txt").await;
}

#[tokio::test]
async fn organizations_are_made_with_a_domain() {
    run(DIALECT, "organizations.txt").await;
}

#[tokio::test]
async fn suborganizations_live_and_end() {
    run(DIALECT, "suborganizations.txt").await;
}

#[tokio::test]
async fn policies_decide_in_every_dialect() {
    let _alone = CLUSTER_WIDE.lock().await;
    run(DIALECT, "policies.txt").await;
}

#[tokio::test]
async fn operators_act_for_organizations_where_policies_permit_it() {
    let _alone = CLUSTER_WIDE.lock().await;
    run(DIALECT, "operators.txt").await;
}

/// Writes while sets change: each is authorized again where it has to be. One that met too many changes is
/// 503, and a repeat does it.
#[tokio::test]
async fn a_write_of_changing_policies_is_authorized_again() {
    let _alone = CLUSTER_WIDE.lock().await;
    let player = Player::new("changing policies").await;
    let set = |text: &str| {
        format!(
            "PUT /v1/policies\nslashid-api-key: {{{{operator}}}}\n\n{{\"policies\": \"{text}\"}}"
        )
    };
    let own = |text: &str| {
        format!(
            "PUT /organizations/policies\nslashid-orgid: {{{{org}}}}\nslashid-api-key: {{{{key}}}}\n\n\
             {{\"policies\": \"{text}\"}}"
        )
    };
    let write = "@1 PUT /organizations/attributes/a\nslashid-orgid: {{org}}\n\
                 slashid-api-key: {{key}}\n\n{\"value\": 1}";
    let change = async {
        for _ in 0..10 {
            for text in ["forbid (principal, action, resource == Credential::\\\"none\\\");", ""] {
                assert_eq!(player.send(&set(text)).await.status, 200);
                assert_eq!(player.send(&own(text)).await.status, 200);
            }
        }
    };
    let write = async {
        for _ in 0..60 {
            let mut answer = player.send(write).await;
            // This ends: the changes do.
            while answer.status == 503 && answer.text().contains("nothing was stored") {
                answer = player.send(write).await;
            }
            assert_eq!(answer.status, 200, "{answer:?}");
        }
    };
    tokio::join!(change, write);
}
