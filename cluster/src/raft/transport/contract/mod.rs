//! A test kit: the contract of every [`PeerTransport`], as one suite that each implementation runs.
//!
//! Nothing outside tests may use it. A crate with a transport implements a [`Fixture`] and calls
//! [`transport_contract!`](crate::transport_contract); each case becomes a test of that crate.
//! Properties of only one transport (delays, cuts, bytes on a port) are tested beside it.

mod cases;
mod fixture;
mod streams;
mod subject;

pub use self::{cases::*, fixture::*, streams::*, subject::*};

/// Turns every case of the contract into a `#[tokio::test]` on the fixture given.
#[macro_export]
macro_rules! transport_contract {
    ($fixture:expr) => {
        $crate::transport_contract! { @each $fixture;
            requests_are_answered_in_parallel,
            channels_do_not_hold_one_another_up,
            writes_that_wait_hold_no_vote_up,
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
