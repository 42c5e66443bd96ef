"""Whatever went wrong before: when the trouble is over, everything flows again, and each row ends."""

from __future__ import annotations

import random
from typing import get_args

from hypothesis import given, settings
from hypothesis import strategies as st

from oort.daemon.gate import Gate
from oort.policy import state
from oort.policy.outcome import (
    Broken,
    NotReached,
    Outcome,
    ServerBusy,
    Stored,
    Unclear,
    Unreadable,
)
from oort.policy.retry import AFTER_ERROR_S, Facts, Limits, decide
from tests.support.fakes import FakeClock

STORED = Stored("1", "a.fits", "0" * 64, 1, 201)
LONGEST_RETRY_AFTER_S = 600.0
WATCHES = {"dome": "cloud", "guide": "cloud", "sky": "institute"}

outcomes = st.one_of(
    *(st.from_type(kind) for kind in get_args(Outcome) if kind is not ServerBusy),
    st.builds(
        ServerBusy,
        reason=st.sampled_from(["503", "429"]),
        http_status=st.just(503),
        retry_after_s=st.none() | st.floats(0, LONGEST_RETRY_AFTER_S),
    ),
)
troubles = st.lists(
    st.tuples(st.sampled_from(sorted(WATCHES)), outcomes, st.integers(1, 40), st.floats(0, 30)),
    max_size=60,
)


@settings(max_examples=150)
@given(troubles, st.integers(0, 2**32))
def test_when_the_trouble_is_over_every_watch_flows_again(
    attempts: list[tuple[str, Outcome, int, float]], seed: int
) -> None:
    clock = FakeClock()
    gate = Gate(clock, random.Random(seed), on_change=lambda: None)
    for watch, outcome, upload_id, seconds in attempts:
        clock.advance(seconds)
        gate.after_attempt(watch, WATCHES[watch], upload_id, outcome)
    longest_s = max(gate.max_s, LONGEST_RETRY_AFTER_S)

    waited_s = 0
    while not all(gate.allowance(watch, api).free for watch, api in WATCHES.items()):
        assert waited_s <= 2 * longest_s + 10, "it stays held although the server is well"
        clock.advance(1)
        waited_s += 1
        for api, _ in gate.due_probes():
            gate.answered(api)
        for watch, api in WATCHES.items():
            if gate.allowance(watch, api).trial:
                gate.begin_trial(watch, api, 99)
                gate.after_attempt(watch, api, 99, STORED)


@given(troubles, st.integers(0, 2**32))
def test_there_is_never_more_than_one_trial_of_a_link_at_a_time(
    attempts: list[tuple[str, Outcome, int, float]], seed: int
) -> None:
    clock = FakeClock()
    gate = Gate(clock, random.Random(seed), on_change=lambda: None)
    for watch, outcome, upload_id, seconds in attempts:
        clock.advance(seconds)
        gate.after_attempt(watch, WATCHES[watch], upload_id, outcome)
        on_trial = [
            name for name, api in WATCHES.items() if api == "cloud" and not gate.link(api).is_online
        ]
        trials = 0
        for name in on_trial:
            if gate.allowance(name, "cloud").trial:
                gate.begin_trial(name, "cloud", 1)
                trials += 1
        assert trials <= 1
        gate.end_trial(1)


_passing = st.sampled_from(
    [
        ServerBusy("503", 503),
        Unclear("204", 204),
        Unreadable("EACCES"),
        Broken("reset", 1, body_complete=False, link_proven=True),
    ]
)
_uncounted = st.sampled_from(
    [NotReached("refused"), Broken("reset", 1, body_complete=True, link_proven=False)]
)


@given(
    st.lists(st.tuples(_passing, st.booleans()), max_size=40),
    st.lists(_uncounted, max_size=40),
    st.integers(1, 20),
)
def test_a_row_ends_after_so_many_counted_attempts_and_no_outage_hurries_that(
    failures: list[tuple[Outcome, bool]], outages: list[Outcome], max_attempts: int
) -> None:
    rng, limits = random.Random(1), Limits(max_attempts=max_attempts)
    attempts = 0
    for outcome, counts in failures:
        for outage in outages:
            assert decide(outage, Facts(attempts), limits, rng).state == state.PENDING
        decision = decide(outcome, Facts(attempts, counts=counts), limits, rng)
        attempts += decision.counted
        has_ended = decision.state == state.FAILED
        assert has_ended == (counts and attempts >= max_attempts)
        if has_ended:
            assert decision.delay_s == AFTER_ERROR_S

    decision = decide(STORED, Facts(attempts), limits, rng)
    assert decision.state == state.DONE
    assert decision.counted
