//! A test kit: what every [`PeerTransport`] must do, as one suite that each implementation runs.
//!
//! Nothing outside tests may use it. A crate with a transport gives a [`Fixture`] and calls
//! [`transport_contract!`](crate::transport_contract); each case becomes a test of that crate.
//! What only one transport has (delays, cuts, bytes on a port) is tested beside it.

mod cases;
mod streams;
mod subject;

pub use self::{cases::*, streams::*, subject::*};

use std::{fmt, sync::Arc};

use concordat_proto::region::Region;
use futures::future::BoxFuture;

use super::transport::{PeerService, PeerTransport};

/// One transport on the network under test.
pub struct Endpoint {
    /// To send with.
    pub transport: Arc<dyn PeerTransport>,
    /// Where peers find it.
    pub address: String,
    /// Where it is.
    pub region: Region,
    /// Makes it leave as a killed process does.
    pub stop: Box<dyn Fn() + Send + Sync>,
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint").field("address", &self.address).finish_non_exhaustive()
    }
}

/// Makes endpoints of one network.
pub trait Fixture: Sync {
    /// Starts an endpoint without a name: at the address, which a stopped one may have had, or at
    /// any that is free.
    fn start<'a>(
        &'a self,
        address: Option<&'a str>,
        service: Arc<dyn PeerService>,
    ) -> BoxFuture<'a, Endpoint>;
}

/// Turns every case of the contract into a `#[tokio::test]` on the fixture given.
#[macro_export]
macro_rules! transport_contract {
    ($fixture:expr) => {
        $crate::transport_contract! { @each $fixture;
            requests_are_answered_in_parallel,
            channels_do_not_hold_one_another_up,
            request_without_an_answer_times_out,
            node_outside_the_book_is_unknown,
            address_without_a_listener_is_unreachable,
            endpoint_without_a_name_can_only_join,
            node_of_another_cluster_is_unreachable,
            address_of_another_node_is_unreachable,
            restarted_peer_is_found_again,
            peer_that_leaves_the_book_is_cut_off,
            peer_that_is_looked_for_elsewhere_is_still_heard,
            notices_arrive_in_order,
            requests_up_to_the_limit_pass_and_no_larger,
            frames_arrive_whole_and_in_order,
            frames_up_to_the_limit_pass,
            oversized_frame_breaks_its_stream_only,
            stalled_reader_holds_nobody_up,
            sender_waits_for_a_stalled_reader,
            clean_end_is_told_from_a_break,
            reader_that_leaves_stops_the_sender,
            many_short_streams_leave_nothing_behind,
        }
    };
    (@each $fixture:expr; $($case:ident),* $(,)?) => {
        $(
            #[tokio::test]
            async fn $case() {
                $crate::raft::transport_contract::$case(&$fixture).await;
            }
        )*
    };
}
