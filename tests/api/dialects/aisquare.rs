//! The dialect of one OpenID provider per enterprise: its scripts, and the sample of its documentation.

use concordat_tests::http::Request;

use super::{Player, run, text};
use crate::world::demo;

const DIALECT: &str = "aisquare";

#[tokio::test]
async fn a_configuration_lives() {
    run(DIALECT, "life.txt").await;
}

#[tokio::test]
async fn what_is_wrong_is_refused() {
    run(DIALECT, "errors.txt").await;
}

/// What a line of the sample assigns to a variable.
fn assigned<'a>(program: &'a str, variable: &str) -> &'a str {
    let before = format!("{variable} = ");
    let line = program.lines().find_map(|line| line.strip_prefix(&before));
    line.unwrap_or_else(|| panic!("{variable} is assigned nowhere"))
}

/// The sample as a case's request, with a key, which the documentation leaves out.
fn sample() -> String {
    let program = text(DIALECT, "sample_python.txt");
    let url: String = serde_json::from_str(assigned(&program, "url")).expect("a string");
    let path = url.strip_prefix("https://api.example.com").expect("its address");
    let call = assigned(&program, "response").strip_prefix("requests.").expect("a call");
    let (method, _) = call.split_once('(').expect("a method");
    let headers: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(assigned(&program, "headers")).expect("an object");
    let headers = headers
        .iter()
        .map(|(name, value)| format!("{name}: {}\n", value.as_str().expect("a header's value")));
    let (headers, method) = (headers.collect::<String>(), method.to_uppercase());
    let body = assigned(&program, "payload");
    format!("{method} {path}\n{headers}authorization: Bearer {{{{key}}}}\n\n{body}")
}

#[tokio::test]
async fn the_documented_sample_is_taken() {
    let mut player = Player::new("the sample of Python").await;
    let claim = "POST /api/v1/enterprises/claim/\nauthorization: Bearer {{key}}\n\n\
                 {\"domain\": \"sample.example\"}\n---\n201\n\n\
                 {\"id\": {{number:domain}}, \"domain\": \"sample.example\"}";
    player.play(claim).await.unwrap();
    let expected = "200\n\n{\"id\": {{number}}, \"enterprise_domain\": {{domain}}, \"client_id\": \
                    \"enterprise-app-123\", \"client_secret_masked\": \"********\", \
                    \"discovery_url\": null, \"authorization_endpoint\": null, \
                    \"token_endpoint\": null, \"userinfo_endpoint\": null, \"created_at\": \
                    \"{{time}}\", \"updated_at\": \"{{time}}\"}";
    player.play(&format!("{}\n---\n{expected}", sample())).await.unwrap();
}

/// So that the sample works in a demo with nothing but its key.
#[tokio::test]
async fn the_demos_organization_has_a_domain() {
    let demo = demo().await;
    let key = format!("Bearer {}", demo.org.api_key);
    let get = Request::new("GET", "/api/v1/enterprises/oidc/config/");
    let answer = get.header("authorization", &key).send(demo.url(0, 0)).await;
    let expected = "{\"detail\":\"OIDC configuration not found\"}".to_owned();
    assert_eq!((answer.status, answer.text()), (404, expected));
}
