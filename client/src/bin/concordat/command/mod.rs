//! One file a noun; each turns arguments into calls and answers into something shown.

mod credential;
mod member;
mod options;
mod org;
mod status;
mod write;

use concordat_client::Client;

use crate::{
    args::{Args, Cluster, Noun},
    failure::Failure,
    invocation::Course,
    print::Shown,
};

/// Runs the command.
pub(crate) async fn run(client: &Client, args: Args, course: &Course) -> Result<Shown, Failure> {
    match args.noun {
        Noun::Status => status::show(client).await,
        Noun::Credential(verb) => credential::run(client, *verb, course).await,
        Noun::Write(verb) => {
            write::run(client, verb, args.global.consistency, args.global.timeout).await
        }
        Noun::Org(verb) => org::run(client, verb, course).await,
        Noun::Node(verb) => member::node(client, verb, course).await,
        Noun::Region(verb) => member::region(client, verb, course).await,
        Noun::Cluster(Cluster::Set { setting }) => member::set(client, setting, course).await,
    }
}
