//! Whether and when a call is retried, and when another endpoint is asked beside a silent one.
//! Pure: remaining time and randomness are passed in.
//!
//! # Why attempts run in parallel (hedging)
//! A node may legitimately be silent for as long as the caller waits: it answers a write when the
//! required consistency is reached, or 408. A hung node looks the same. So a silent attempt is not
//! abandoned; after a while the next endpoint is asked as well, under the same idempotency key, so
//! that the write happens at most once, and the first conclusive answer counts. Each further
//! attempt waits twice as long as the one before: when the whole cluster waits, a write is sent a
//! few times, not once to every endpoint.

use std::time::Duration;

/// Pauses of a write that nodes answer but cannot serve (an election, an overload); its deadline
/// usually ends it before.
const PAUSES_MAX: u32 = 64;
/// Pauses of a read, or of a call that reaches no node: about three seconds. A cluster that is
/// unreachable for so long is better reported than waited for.
const RETRIES_UNREACHABLE_MAX: u32 = 6;
/// The longest pause between two attempts that the client chooses by itself.
pub(crate) const BACKOFF_MAX: Duration = Duration::from_secs(2);
const BACKOFF_FIRST: Duration = Duration::from_millis(50);
/// Doublings after which the pause has reached its longest.
const DOUBLINGS_MAX: u32 = 6;

/// Silence of a read's first attempt after which the next endpoint is asked as well.
const READ_SILENCE: Duration = Duration::from_millis(500);
/// The same for calls for which the node may wait by itself. Longer than an election and a lease.
const WAIT_SILENCE: Duration = Duration::from_secs(1);
/// The first silence is at most this share of the caller's time, so that a second endpoint has most
/// of a short time.
const SILENCE_SHARE: u32 = 4;
/// The shortest such silence: a call that does not wait at all is still given time to be answered.
const SILENCE_MIN: Duration = Duration::from_millis(250);
/// How much longer a silence lasts before another region is asked for something that only the
/// caller's own can answer. With [`SILENCE_SHARE`] it is still less than the caller's time.
const CROSSING_FACTOR: u32 = 3;
/// Attempts of one call that are under way at once.
pub(crate) const IN_FLIGHT_MAX: usize = 8;

/// How one attempt ended, for the retry decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// With a conclusive answer.
    Answered,
    /// Before a byte of the request was sent: certainly not done.
    NotSent,
    /// This node certainly did nothing; another one may be able to.
    Unavailable {
        /// The pause it asks for.
        retry_after: Option<Duration>,
    },
    /// Too much was asked, wherever it is asked: certainly not done.
    Limited {
        /// The pause it asks for.
        retry_after: Option<Duration>,
    },
    /// Without a usable answer: it may have been done, or may yet be.
    Ambiguous,
    /// With an answer that is no node's (a redirect, a proxy's 401, HTML): it may have been done,
    /// but the same server would most likely answer the same again.
    Foreign,
    /// With the plain text of a route that is not known: by this node, or by something before it.
    Unrouted,
}

impl Ended {
    /// Whether the write may have been done, or may yet be.
    pub(crate) const fn may_be_done(self) -> bool {
        matches!(self, Self::Ambiguous | Self::Foreign)
    }
}

/// One attempt that is over.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attempt {
    /// The pauses that the call has made.
    pub(crate) pauses: u32,
    /// Its end.
    pub(crate) ended: Ended,
    /// Until the call's deadline.
    pub(crate) left: Duration,
    /// Doing it twice is the same as doing it once: a read, or a write with an idempotency key.
    pub(crate) idempotent: bool,
    /// It is a write, which is worth more patience.
    pub(crate) write: bool,
    /// There is an endpoint which this call has not tried yet.
    pub(crate) untried_endpoint: bool,
}

/// The next action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Try again after this pause.
    Again(Duration),
    /// Return the result to the caller.
    Stop,
}

/// Decides. `entropy` spreads the pauses of many clients.
pub(crate) fn decide(attempt: &Attempt, entropy: u64) -> Decision {
    let own = backoff(attempt.pauses, entropy);
    let pause = match attempt.ended {
        Ended::Answered => return Decision::Stop,
        Ended::Ambiguous | Ended::Foreign if !attempt.idempotent => return Decision::Stop,
        Ended::NotSent
        | Ended::Ambiguous
        | Ended::Foreign
        | Ended::Unrouted
        | Ended::Unavailable { .. }
            if attempt.untried_endpoint =>
        {
            return if attempt.left.is_zero() {
                Decision::Stop
            } else {
                Decision::Again(Duration::ZERO)
            };
        }
        Ended::Unrouted => return Decision::Stop,
        Ended::NotSent | Ended::Ambiguous | Ended::Foreign => own,
        // Asked to wait longer than there is time for, the call stops at once, below.
        Ended::Unavailable { retry_after } | Ended::Limited { retry_after } => {
            own.max(retry_after.unwrap_or_default())
        }
    };
    let patient = attempt.write && !matches!(attempt.ended, Ended::NotSent | Ended::Foreign);
    let pauses_max = if patient { PAUSES_MAX } else { RETRIES_UNREACHABLE_MAX };
    let again = attempt.pauses < pauses_max && pause < attempt.left;
    if again { Decision::Again(pause) } else { Decision::Stop }
}

/// The silent attempts of a call.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Silent {
    /// The caller's timeout.
    pub(crate) timeout: Duration,
    /// How often this call has asked another endpoint because of a silence.
    pub(crate) hedges: u32,
    /// The node may wait by itself before it answers.
    pub(crate) waits: bool,
    /// The next endpoint is in another region, which answers for itself and not for this one.
    pub(crate) crossing: bool,
}

/// After how long a silence the next endpoint is asked as well.
pub(crate) fn silence_max(silent: &Silent) -> Duration {
    let first = if silent.waits { WAIT_SILENCE } else { READ_SILENCE };
    let first = first.min((silent.timeout / SILENCE_SHARE).max(SILENCE_MIN));
    let doubled = first.saturating_mul(1 << silent.hedges.min(DOUBLINGS_MAX));
    if silent.crossing { doubled.saturating_mul(CROSSING_FACTOR) } else { doubled }
}

/// Between half and the whole of a pause that doubles every time.
fn backoff(pauses: u32, entropy: u64) -> Duration {
    let doublings = pauses.min(DOUBLINGS_MAX);
    let whole = BACKOFF_FIRST.saturating_mul(1 << doublings).min(BACKOFF_MAX);
    let half = whole / 2;
    let span_us = u64::try_from(half.as_micros()).expect("a pause of seconds fits").max(1);
    half + Duration::from_micros(entropy % (span_us + 1))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn attempt(ended: Ended) -> Attempt {
        Attempt {
            pauses: 0,
            ended,
            left: Duration::from_secs(30),
            idempotent: true,
            write: true,
            untried_endpoint: false,
        }
    }

    fn any_ended() -> impl Strategy<Value = Ended> {
        let pause = proptest::option::of((0_u64..200).prop_map(Duration::from_secs));
        prop_oneof![
            Just(Ended::Answered),
            Just(Ended::NotSent),
            pause.clone().prop_map(|retry_after| Ended::Unavailable { retry_after }),
            pause.prop_map(|retry_after| Ended::Limited { retry_after }),
            Just(Ended::Ambiguous),
            Just(Ended::Foreign),
            Just(Ended::Unrouted),
        ]
    }

    #[test]
    fn an_untried_endpoint_is_tried_at_once() {
        let retry_after = Some(Duration::from_secs(5));
        for ended in [
            Ended::NotSent,
            Ended::Ambiguous,
            Ended::Foreign,
            Ended::Unrouted,
            Ended::Unavailable { retry_after },
        ] {
            let elsewhere = Attempt { untried_endpoint: true, ..attempt(ended) };
            assert_eq!(decide(&elsewhere, 7), Decision::Again(Duration::ZERO), "{ended:?}");
        }
        let limited = Attempt { untried_endpoint: true, ..attempt(Ended::Limited { retry_after }) };
        assert_eq!(decide(&limited, 7), Decision::Again(Duration::from_secs(5)));
    }

    #[test]
    fn what_may_have_been_done_is_repeated_only_if_that_is_harmless() {
        for ended in [Ended::Ambiguous, Ended::Foreign] {
            let once = Attempt { idempotent: false, untried_endpoint: true, ..attempt(ended) };
            assert_eq!(decide(&once, 0), Decision::Stop);
        }
        let unsent = Attempt { idempotent: false, ..attempt(Ended::NotSent) };
        assert!(matches!(decide(&unsent, 0), Decision::Again(_)));
    }

    #[test]
    fn a_pause_beyond_the_deadline_stops() {
        let ended = Ended::Unavailable { retry_after: Some(Duration::from_secs(30)) };
        assert_eq!(decide(&attempt(ended), 0), Decision::Stop);
    }

    #[test]
    fn patience_is_for_writes_that_somebody_answers() {
        let late =
            |ended, write| Attempt { pauses: RETRIES_UNREACHABLE_MAX, write, ..attempt(ended) };
        let unavailable = Ended::Unavailable { retry_after: None };
        assert!(matches!(decide(&late(unavailable, true), 0), Decision::Again(_)));
        assert_eq!(decide(&late(unavailable, false), 0), Decision::Stop);
        assert_eq!(decide(&late(Ended::NotSent, true), 0), Decision::Stop);
        assert_eq!(decide(&late(Ended::Foreign, true), 0), Decision::Stop);
        assert_eq!(decide(&attempt(Ended::Unrouted), 0), Decision::Stop);
    }

    fn silent(timeout_s: u64, hedges: u32) -> Silent {
        let timeout = Duration::from_secs(timeout_s);
        Silent { timeout, hedges, waits: true, crossing: false }
    }

    #[test]
    fn each_further_endpoint_is_asked_after_twice_the_silence() {
        let after = |silent| silence_max(&silent);
        assert_eq!(after(silent(30, 0)), WAIT_SILENCE);
        assert_eq!(after(silent(30, 1)), WAIT_SILENCE * 2);
        assert_eq!(after(Silent { waits: false, ..silent(30, 0) }), READ_SILENCE);
        assert_eq!(after(silent(1, 0)), Duration::from_millis(250));
        assert_eq!(after(silent(0, 0)), SILENCE_MIN, "a receipt as it is now");
        let crossing = Silent { crossing: true, ..silent(30, 0) };
        assert_eq!(after(crossing), WAIT_SILENCE * 3);
    }

    /// Every node is silent because every node waits, as for a region that is cut off.
    #[test]
    fn a_write_that_all_wait_for_is_sent_a_few_times() {
        for (timeout_s, attempts_max) in [(1, 3), (5, 3), (30, 5), (120, 7)] {
            let timeout = Duration::from_secs(timeout_s);
            let (mut at, mut hedges) = (Duration::ZERO, 0);
            while at < timeout {
                at += silence_max(&silent(timeout_s, hedges));
                hedges += 1;
            }
            assert!(hedges <= attempts_max, "{hedges} attempts in {timeout_s} s");
        }
    }

    proptest! {
        #[test]
        fn every_call_ends(
            pauses in 0_u32..100,
            ended in any_ended(),
            left_ms in 0_u64..130_000,
            (idempotent, write, untried_endpoint) in any::<(bool, bool, bool)>(),
            entropy: u64,
        ) {
            let left = Duration::from_millis(left_ms);
            let attempt = Attempt { pauses, ended, left, idempotent, write, untried_endpoint };
            match decide(&attempt, entropy) {
                Decision::Stop => {}
                Decision::Again(pause) => {
                    // An attempt without a pause goes to an endpoint that was not tried yet, so
                    // there are no more of them than endpoints.
                    prop_assert!(pauses < PAUSES_MAX || untried_endpoint);
                    prop_assert!(!pause.is_zero() || untried_endpoint);
                    prop_assert!(pause < left);
                    prop_assert!(ended != Ended::Answered);
                    prop_assert!(idempotent || !ended.may_be_done());
                    if let Ended::Limited { retry_after: Some(asked) } = ended {
                        prop_assert!(pause >= asked);
                    }
                }
            }
        }

        #[test]
        fn a_second_endpoint_has_time_left(
            timeout_ms in 1_000_u64..=120_000,
            (waits, crossing) in any::<(bool, bool)>(),
        ) {
            let timeout = Duration::from_millis(timeout_ms);
            let after = silence_max(&Silent { timeout, hedges: 0, waits, crossing });
            prop_assert!(!after.is_zero() && after <= timeout * 3 / 4);
        }

        #[test]
        fn backoff_is_bounded(pauses in 0_u32..100, entropy: u64) {
            let pause = backoff(pauses, entropy);
            prop_assert!(pause >= BACKOFF_FIRST / 2);
            prop_assert!(pause <= BACKOFF_MAX);
        }
    }
}
