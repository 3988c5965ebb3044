//! Random writes through all regions, checked by the naive model: none lost, none applied twice, no
//! resurrection, and every region reads the same.

use concordat_tests::{
    model::{Answer, Model, Write, WriteAction},
    rng::{Rng, seed},
};
use serde_json::json;

use crate::world::{Caller, assert_success, caller, draft};

const WRITES: usize = 120;
const IDS: [&str; 4] = ["a", "b", "c", "d"];

fn choose(rng: &mut Rng, model: &Model, id: &str, number: usize) -> Write {
    let label = format!("label {number}");
    let action = match rng.below(10) {
        0..3 => WriteAction::Create { label },
        3..8 => WriteAction::Patch { label },
        _ => WriteAction::Delete,
    };
    let conditional = action != WriteAction::Create { label: format!("label {number}") };
    let if_match = match rng.below(4) {
        0 if conditional => model.version(id),
        1 if conditional => Some("\"0193a1b2-0000-7000-8000-000000000009\"".to_owned()),
        _ => None,
    };
    Write { action, if_match }
}

/// Sends the write through a region; its status and write id.
async fn carry_out(caller: &Caller, region: usize, id: &str, write: &Write) -> (u16, String) {
    let request = match &write.action {
        WriteAction::Create { label } => {
            let mut body = draft(id);
            body["label"] = json!(label);
            caller.post(&body)
        }
        WriteAction::Patch { label } => caller.patch(id, &json!({"label": label})),
        WriteAction::Delete => caller.delete(id),
    };
    let request = match &write.if_match {
        Some(version) => request.header("If-Match", version),
        None => request,
    };
    let request = request.header("SlashID-Required-Consistency", "all_regions");
    let answer = request.send(&caller.urls[region]).await;
    (answer.status, answer.header("concordat-write-id").unwrap_or_default().to_owned())
}

async fn check(caller: &Caller, region: usize, id: &str, model: &mut Model) {
    let answer = caller.get_at(region, id).await;
    let read = match answer.status {
        404 => model.read(id, None),
        _ => {
            let body = assert_success(&answer, 200);
            let label = body["result"]["label"].as_str().expect("a label");
            model.read(id, Some((label, answer.header("etag").expect("a version"))))
        }
    };
    read.unwrap_or_else(|violation| panic!("in region {region}: {violation}"));
}

#[tokio::test]
async fn random_writes_do_what_the_model_says() {
    let seed = seed();
    println!("CONCORDAT_SEED={seed}");
    let mut rng = Rng::new(seed);
    let caller = caller("random").await;
    let mut model = Model::default();
    let mut pick = |below: usize| usize::try_from(rng.below(below as u64)).expect("below a usize");
    for number in 0..WRITES {
        let (id, region) = (IDS[pick(IDS.len())], pick(3));
        let mut own = Rng::new(seed.wrapping_add(number as u64));
        let write = choose(&mut own, &model, id, number);
        let (status, write_id) = carry_out(&caller, region, id, &write).await;
        let version = format!("\"{write_id}\"");
        let judged = model.wrote(id, &write, Answer::Status(status), Some(&version));
        judged.unwrap_or_else(|violation| panic!("write {number}: {violation}"));
        check(&caller, pick(3), id, &mut model).await;
    }
    for region in 0..3 {
        for id in IDS {
            check(&caller, region, id, &mut model).await;
        }
    }
    let listed = caller.list().await;
    let listed: Vec<&str> = listed.iter().filter_map(|it| it["client_id"].as_str()).collect();
    assert_eq!(listed, model.existing());
}
