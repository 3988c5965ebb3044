//! Contract 2: the headers of the required consistency. A write with wrong headers is not executed.

use concordat_tests::http::Request;
use serde_json::json;

use crate::world::{
    Caller, OIDC, assert_failure, assert_marked, assert_success, assert_written, caller, draft, one,
};

const REQUIRED: &str = "SlashID-Required-Consistency";
const TIMEOUT: &str = "SlashID-Required-Consistency-Timeout";

/// One of each kind of write.
fn writes(caller: &Caller) -> [Request; 3] {
    [
        caller.post(&draft("new")),
        caller.patch("kept", &json!({"label": "changed"})),
        caller.delete("kept"),
    ]
}

#[tokio::test]
async fn a_wrong_level_is_400() {
    let caller = caller("levels").await;
    caller.create(&draft("kept")).await;
    for wrong in ["", "LOCAL_REGION", "All_Regions", "local", "all", "quorum", "local_region,", "1"]
    {
        for request in writes(&caller) {
            caller.refuses(&request.header(REQUIRED, wrong), 400, REQUIRED).await;
        }
    }
    for request in writes(&caller) {
        let twice = request.header(REQUIRED, "local_region").header(REQUIRED, "all_regions");
        caller.refuses(&twice, 400, REQUIRED).await;
    }
    let same = caller.patch("kept", &json!({"label": "said twice"}));
    let same = same.header(REQUIRED, "all_regions").header(REQUIRED, "all_regions");
    assert_eq!(assert_written(&caller.send(&same).await, 200)["required"], "all_regions");
}

#[tokio::test]
async fn a_wrong_timeout_is_400() {
    let caller = caller("timeouts").await;
    caller.create(&draft("kept")).await;
    let wrong = [
        "",
        "0",
        "121",
        "-1",
        "+5",
        "1.5",
        "5s",
        "x",
        "1e1",
        "5 5",
        "0x10",
        "99999999999999999999",
    ];
    for (place, wrong) in wrong.into_iter().enumerate() {
        let request = writes(&caller)[place % 3].clone();
        caller.refuses(&request.header(TIMEOUT, wrong), 400, TIMEOUT).await;
    }
    let [_, patch, _] = writes(&caller);
    let twice = patch.clone().header(TIMEOUT, "5").header(TIMEOUT, "6");
    caller.refuses(&twice, 400, TIMEOUT).await;
    for right in ["1", "120"] {
        assert_written(&caller.send(&patch.clone().header(TIMEOUT, right)).await, 200);
    }
}

#[tokio::test]
async fn a_misspelt_header_is_400() {
    let caller = caller("misspelt").await;
    caller.create(&draft("kept")).await;
    for misspelt in [
        "SlashID-Required-Consistancy",
        "SlashID-Required-Consistency-Time-Out",
        "SlashID-Required-Timeout",
    ] {
        for request in writes(&caller) {
            caller
                .refuses(&request.header(misspelt, "all_regions"), 400, "SlashID-Required-")
                .await;
        }
    }
}

#[tokio::test]
async fn both_levels_are_reached_and_the_default_is_local() {
    let caller = caller("both levels").await;
    let plain = assert_written(&caller.create(&draft("a")).await, 201);
    assert_eq!((&plain["required"], &plain["achieved"]), (&json!("local_region"), &json!(true)));
    let request =
        caller.patch("a", &json!({"label": "everywhere"})).header(REQUIRED, "all_regions");
    let answer = assert_written(&caller.send(&request).await, 200);
    assert_eq!((&answer["required"], &answer["achieved"]), (&json!("all_regions"), &json!(true)));
    for region in 0..3 {
        let seen = caller.get_at(region, "a").await;
        assert_eq!(assert_success(&seen, 200)["result"]["label"], "everywhere");
        assert_marked(&seen);
    }
    // From another region, "local" is that region.
    let request = caller.patch("a", &json!({"label": "from afar"}));
    assert_written(&request.send(&caller.urls[2]).await, 200);
    let seen = caller.get_at(2, "a").await;
    assert_eq!(assert_success(&seen, 200)["result"]["label"], "from afar");
}

#[tokio::test]
async fn reads_ignore_them() {
    let caller = caller("reads").await;
    caller.create(&draft("kept")).await;
    for target in [OIDC.to_owned(), one("kept")] {
        let request = caller.request("GET", &target).header(REQUIRED, "what").header(TIMEOUT, "-1");
        assert_success(&caller.send(&request).await, 200);
    }
    // But the timeout counts where a read waits.
    let waits = caller.request("GET", OIDC).header("Concordat-At-Least", "what");
    let told = assert_failure(&caller.send(&waits).await, 400);
    assert!(told.contains("Concordat-At-Least"), "{told}");
}
