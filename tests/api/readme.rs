//! The README's example of a node's configuration is one that `concordatd` accepts.

use std::{fs, path::Path};

use concordat_tests::{process, wait::LIMIT};

/// The first TOML block behind the command that reads it.
fn example(readme: &str) -> &str {
    let (_, behind) = readme
        .split_once("concordatd start --config")
        .expect("the README says how to start a node: `concordatd start --config`");
    let (_, block) = behind.split_once("```toml\n").expect("a ```toml block behind that");
    block.split_once("```").expect("the end of the block").0
}

#[tokio::test]
async fn the_example_configuration_is_accepted() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the repository");
    let readme = readme.join("README.md");
    let text = fs::read_to_string(&readme).expect("there is a README.md");
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("node.toml");
    // The files that the example names are in a place of ours: the check reads them like a start.
    let place = format!("{}/", directory.path().display());
    let example = example(&text).replace("/etc/concordat/", &place);
    fs::write(&file, &example).unwrap();
    let path = file.to_str().expect("a path of text");
    let check = ["config", "check", "--config", path];
    let unchecked = process::run("concordatd", &check, &[], LIMIT).await;
    assert!(!unchecked.status.success(), "there is no keyring yet");
    let keyring = format!("{place}keyring.toml");
    let made = process::run("concordatd", &["keyring", "new", &keyring], &[], LIMIT).await;
    assert!(made.status.success());
    let checked = process::run("concordatd", &check, &[], LIMIT).await;
    let reason = String::from_utf8_lossy(&checked.stderr).into_owned();
    assert!(checked.status.success(), "{reason}");
    // And one with a key that nobody knows is not: the check checks.
    fs::write(&file, format!("{}\nno_such_setting = 1\n", example)).unwrap();
    let checked = process::run("concordatd", &check, &[], LIMIT).await;
    assert!(!checked.status.success());
    assert!(String::from_utf8_lossy(&checked.stderr).contains("no_such_setting"));
}
