//! The programs as people and scripts run them: `concordatd` with its settings, the demo and its tour, the
//! command line and the SDK.

mod command_line;
mod examples;
mod hung_endpoint;
mod readme;
mod restart;
mod settings;
mod tour;
mod unread_log;
