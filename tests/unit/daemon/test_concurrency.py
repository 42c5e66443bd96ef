from __future__ import annotations

import pytest

from oort.daemon.concurrency import meaning_of
from oort.policy.outcome import Broken, NotReached, Outcome, ServerBusy, Stored, Unclear
from oort.remote import Tried


@pytest.mark.parametrize(
    ("outcome", "meaning"),
    [
        (Stored("1", "a.fits", "0" * 64, 2880, 201), Tried.DONE),
        (ServerBusy("too many requests", 429), Tried.OVERLOADED),
        (ServerBusy("no room", 503), Tried.OVERLOADED),
        (ServerBusy("bad gateway", 502), Tried.OTHER),
        (NotReached("refused"), Tried.LOST),
        (Broken("reset", 10, body_complete=False, link_proven=True), Tried.LOST),
        (Unclear("no proof", 200), Tried.OTHER),
    ],
)
def test_only_what_is_about_the_number_counts_for_it(outcome: Outcome, meaning: Tried) -> None:
    assert meaning_of(outcome) == meaning
