//! The dialect of one OpenID provider per tenant: its scripts, and the sample of its documentation.

use super::{Player, run, text};

const DIALECT: &str = "jitsudo";

#[tokio::test]
async fn a_configuration_lives() {
    run(DIALECT, "life.txt").await;
}

#[tokio::test]
async fn what_is_wrong_is_refused() {
    run(DIALECT, "errors.txt").await;
}

#[tokio::test]
async fn dialects_read_what_others_write() {
    run(DIALECT, "cross.txt").await;
}

/// The options of a `curl` command, in order: what is in single quotes, or one word.
fn options(command: &str) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    for option in command.split(" --").skip(1) {
        let (name, value) = option.split_once(' ').expect("an option with a value");
        let value = match value.strip_prefix('\'') {
            Some(quoted) => quoted.split('\'').next(),
            None => value.split_whitespace().next(),
        };
        found.push((name, value.expect("a value")));
    }
    found
}

/// The sample as a case's request, with the tenant and its key for what stands there.
fn sample(tenant: &str) -> String {
    let command = text(DIALECT, "sample_curl.txt");
    let (mut first, mut headers, mut body) = (String::new(), String::new(), String::new());
    for (name, value) in options(&command) {
        match name {
            "request" => first = value.to_owned(),
            "url" => first += &value.replace("https://example.com", " "),
            "header" => headers += &format!("{value}\n"),
            "data" => value.clone_into(&mut body),
            _ => panic!("--{name} is not known"),
        }
    }
    let headers = headers.replace("<X-API-Key>", "{{key}}");
    let headers = headers.replace("2489E9AD-2EE2-8E00-8EC9-32D5F69181C0", tenant);
    format!("{first}\n{headers}\n{body}")
}

#[tokio::test]
async fn the_documented_sample_is_taken() {
    let mut player = Player::new("the sample of curl").await;
    let tenant = player.names["org"].to_uppercase();
    let expected = "200\n\n{\"id\": \"{{uuid}}\", \"issuer_url\": \"example\", \"client_id\": \
                    \"example\", \"scopes\": [\"example\"], \"created_at\": \"{{time}}\", \
                    \"updated_at\": \"{{time}}\"}";
    player.play(&format!("{}\n---\n{expected}", sample(&tenant))).await.unwrap();
}
