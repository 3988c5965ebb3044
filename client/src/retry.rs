//! Whether a call is tried again, and after how long. Pure: time left and chance are handed in.

use std::time::Duration;

/// Pauses of a write that nodes answer but cannot serve (an election, an overload); its deadline
/// usually ends it before.
const PAUSES_MAX: u32 = 64;
/// Pauses of a read, or of what finds nobody to talk to: about three seconds. Who cannot be
/// reached for so long is better reported than waited for.
const PAUSES_FEW: u32 = 6;
/// The longest pause between two attempts that the client chooses by itself.
pub(crate) const BACKOFF_MAX: Duration = Duration::from_secs(2);
const BACKOFF_FIRST: Duration = Duration::from_millis(50);
/// Doublings after which the pause has reached its longest.
const DOUBLINGS_MAX: u32 = 6;

/// How one attempt ended, as far as doing it again is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// With an answer that settles the call, whatever it says.
    Answered,
    /// Before a byte of the request was sent: certainly not done.
    NotSent,
    /// This node says that it certainly did nothing; another one may be able to.
    Unavailable {
        /// The pause it asks for.
        retry_after: Option<Duration>,
    },
    /// Too much was asked, wherever it is asked: certainly not done.
    Limited {
        /// The pause it asks for.
        retry_after: Option<Duration>,
    },
    /// Without an answer that says anything: it may have been done, or may yet be.
    MaybeDone,
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

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Try again after this pause.
    Again(Duration),
    /// Tell the caller how it stands.
    Stop,
}

/// Decides. `entropy` spreads the pauses of many clients.
pub(crate) fn decide(attempt: &Attempt, entropy: u64) -> Decision {
    let own = backoff(attempt.pauses, entropy);
    let pause = match attempt.ended {
        Ended::Answered => return Decision::Stop,
        Ended::MaybeDone if !attempt.idempotent => return Decision::Stop,
        Ended::NotSent | Ended::MaybeDone | Ended::Unavailable { .. }
            if attempt.untried_endpoint =>
        {
            return if attempt.left.is_zero() {
                Decision::Stop
            } else {
                Decision::Again(Duration::ZERO)
            };
        }
        Ended::NotSent | Ended::MaybeDone => own,
        // Asked to wait longer than there is time for, the call stops at once, below.
        Ended::Unavailable { retry_after } | Ended::Limited { retry_after } => {
            own.max(retry_after.unwrap_or_default())
        }
    };
    let patient = attempt.write && attempt.ended != Ended::NotSent;
    let pauses_max = if patient { PAUSES_MAX } else { PAUSES_FEW };
    let again = attempt.pauses < pauses_max && pause < attempt.left;
    if again { Decision::Again(pause) } else { Decision::Stop }
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
            Just(Ended::MaybeDone),
        ]
    }

    #[test]
    fn an_untried_endpoint_is_tried_at_once() {
        let retry_after = Some(Duration::from_secs(5));
        for ended in [Ended::NotSent, Ended::MaybeDone, Ended::Unavailable { retry_after }] {
            let elsewhere = Attempt { untried_endpoint: true, ..attempt(ended) };
            assert_eq!(decide(&elsewhere, 7), Decision::Again(Duration::ZERO), "{ended:?}");
        }
        let limited = Attempt { untried_endpoint: true, ..attempt(Ended::Limited { retry_after }) };
        assert_eq!(decide(&limited, 7), Decision::Again(Duration::from_secs(5)));
    }

    #[test]
    fn what_may_have_been_done_is_repeated_only_if_that_is_harmless() {
        let once = Attempt { idempotent: false, ..attempt(Ended::MaybeDone) };
        assert_eq!(decide(&once, 0), Decision::Stop);
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
        let late = |ended, write| Attempt { pauses: PAUSES_FEW, write, ..attempt(ended) };
        let unavailable = Ended::Unavailable { retry_after: None };
        assert!(matches!(decide(&late(unavailable, true), 0), Decision::Again(_)));
        assert_eq!(decide(&late(unavailable, false), 0), Decision::Stop);
        assert_eq!(decide(&late(Ended::NotSent, true), 0), Decision::Stop);
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
                    // An attempt without a pause goes to an endpoint not tried yet: so many
                    // there are, and no more.
                    prop_assert!(pauses < PAUSES_MAX || untried_endpoint);
                    prop_assert!(!pause.is_zero() || untried_endpoint);
                    prop_assert!(pause < left);
                    prop_assert!(ended != Ended::Answered);
                    prop_assert!(idempotent || ended != Ended::MaybeDone);
                    if let Ended::Limited { retry_after: Some(asked) } = ended {
                        prop_assert!(pause >= asked);
                    }
                }
            }
        }

        #[test]
        fn backoff_is_bounded(pauses in 0_u32..100, entropy: u64) {
            let pause = backoff(pauses, entropy);
            prop_assert!(pause >= BACKOFF_FIRST / 2);
            prop_assert!(pause <= BACKOFF_MAX);
        }
    }
}
