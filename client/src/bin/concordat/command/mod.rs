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
    print::Shown,
};

/// Runs the command.
pub(crate) async fn run(client: &Client, args: Args) -> Result<Shown, Failure> {
    match args.noun {
        Noun::Status => status::show(client).await,
        Noun::Credential(verb) => credential::run(client, *verb).await,
        Noun::Write(verb) => {
            write::run(client, verb, args.global.consistency, args.global.timeout).await
        }
        Noun::Org(verb) => org::run(client, verb).await,
        Noun::Node(verb) => member::node(client, verb).await,
        Noun::Region(verb) => member::region(client, verb).await,
        Noun::Cluster(Cluster::Set { setting }) => member::set(client, setting).await,
    }
}
