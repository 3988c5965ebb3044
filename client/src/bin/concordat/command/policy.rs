//! `concordat policy …`

use std::{fs, io, path::Path};

use concordat_client::{Client, PolicyTest, PolicyVerdict, Read};
use serde_json::json;

use crate::{
    failure::Failure,
    invocation::Course,
    policy_args::{Policy, Trial},
    print::{self, Shown, printable},
};

pub(super) async fn run(client: &Client, verb: Policy, course: &Course) -> Result<Shown, Failure> {
    let sets = client.policies();
    match verb {
        Policy::Get { own, default, schema } => {
            let read = if own { sets.own().await? } else { sets.cluster_wide().await? };
            Ok(shown(read, default, schema))
        }
        Policy::Put { file, own: false, condition } => {
            let mut write = sets.set_cluster_wide(text(&file)?);
            if let Some(etag) = condition.if_match {
                write = write.if_match(etag);
            }
            let written = write.idempotency_key(course.key()).send().await?;
            course.on_done(written.write_id);
            Ok(print::written(&written))
        }
        Policy::Put { file, own: true, condition } => {
            let mut write = sets.set_own(text(&file)?);
            if let Some(etag) = condition.if_match {
                write = write.if_match(etag);
            }
            let written = write.idempotency_key(course.key()).send().await?;
            course.on_done(written.write_id);
            Ok(print::written(&written))
        }
        Policy::Test(trial) => Ok(verdict(&sets.test(&request(*trial)?).await?)),
    }
}

/// A set as it is, so that it can be changed and put again.
fn shown(read: Read<concordat_client::Policies>, default: bool, schema: bool) -> Shown {
    let text = match (&read.value.default_policies, &read.value.schema) {
        (Some(text), _) if default => text,
        (_, Some(text)) if schema => text,
        _ => &read.value.policies,
    };
    let end = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    let text = format!("{text}{end}");
    let json = json!({ "policies": read.value, "etag": read.etag, "freshness": read.freshness });
    Shown::read(json, text, &read.freshness)
}

fn request(trial: Trial) -> Result<PolicyTest, Failure> {
    let file = |path: Option<std::path::PathBuf>| path.map(|path| text(&path)).transpose();
    Ok(PolicyTest {
        operation: trial.operation,
        organization_id: trial.organization,
        rights: Some(trial.rights).filter(|rights| !rights.is_empty()),
        credential_id: trial.credential,
        credential_kind: trial.kind,
        region: trial.region,
        required_consistency: trial.required,
        source_address: trial.source,
        time: trial.time,
        policies: file(trial.policies)?,
        organization_policies: file(trial.own_policies)?,
    })
}

fn verdict(verdict: &PolicyVerdict) -> Shown {
    let mut lines = vec![if verdict.allowed { "allowed" } else { "denied" }.to_owned()];
    for policy in &verdict.determining {
        lines.push(format!("by      {} {}", printable(&policy.set), printable(&policy.id)));
    }
    for notice in &verdict.notices {
        lines.push(format!("notice  {}", printable(notice)));
    }
    for error in &verdict.errors {
        lines.push(format!("error   {}", printable(error)));
    }
    Shown::new(json!(verdict), lines.join("\n") + "\n")
}

fn text(path: &Path) -> Result<String, Failure> {
    let text = if path == Path::new("-") {
        io::read_to_string(io::stdin().lock())
    } else {
        fs::read_to_string(path)
    };
    text.map_err(|error| Failure::usage(format!("{}: {error}", path.display())))
}
