//! The scripts of the dialect of identity providers with an admin and a management service.

use super::{Player, run};
use crate::credentials::apple;

#[tokio::test]
async fn the_published_example_is_taken() {
    run("zitadel", "seed_004.txt").await;
}

#[tokio::test]
async fn generic_providers() {
    run("zitadel", "generic.txt").await;
}

#[tokio::test]
async fn older_configurations() {
    run("zitadel", "legacy_admin.txt").await;
    run("zitadel", "legacy_management.txt").await;
}

#[tokio::test]
async fn searches() {
    run("zitadel", "search.txt").await;
}

#[tokio::test]
async fn keys_and_organizations() {
    run("zitadel", "keys.txt").await;
}

#[tokio::test]
async fn what_one_api_writes_the_other_reads() {
    run("zitadel", "cross.txt").await;
}

/// Apple's credentials need a key, which no script has.
#[tokio::test]
async fn no_private_key_is_shown() {
    let mut player = Player::new("apple").await;
    let key = serde_json::to_string(&apple::private_key()).expect("JSON");
    player.names.insert("pem".to_owned(), key.trim_matches('"').to_owned());
    for case in super::text("zitadel", "apple.txt").split("\n=== ").skip(1) {
        let (title, case) = case.split_once('\n').expect("a title");
        player.play(case).await.unwrap_or_else(|wrong| panic!("{title}: {wrong}"));
    }
}
