//! One file per noun; each converts arguments to calls and answers to output.

mod credential;
mod key;
mod member;
mod options;
mod org;
mod policy;
mod resource;
mod status;
mod suborg;
mod write;

use concordat_client::Client;

use crate::{
    args::{Args, Cluster, Command},
    failure::Failure,
    invocation::Course,
    print::Shown,
};

/// Runs the command.
pub(crate) async fn run(client: &Client, args: Args, course: &Course) -> Result<Shown, Failure> {
    match args.command {
        Command::Status => status::show(client).await,
        Command::Credential(verb) => credential::run(client, *verb, course).await,
        Command::Saml(verb) => resource::saml(client, verb, course).await,
        Command::External(verb) => resource::external(client, verb, course).await,
        Command::Attribute(verb) => resource::attribute(client, verb, course).await,
        Command::Key(verb) => key::run(client, verb, course).await,
        Command::Suborg(verb) => suborg::run(client, verb, course).await,
        Command::Policy(verb) => policy::run(client, verb, course).await,
        Command::Write(verb) => {
            write::run(client, verb, args.global.consistency, args.global.timeout).await
        }
        Command::Org(verb) => org::run(client, verb, course).await,
        Command::Node(verb) => member::node(client, verb, course).await,
        Command::Region(verb) => member::region(client, verb, course).await,
        Command::Cluster(Cluster::Set { setting }) => member::set(client, setting, course).await,
    }
}
