"""Where is retry decided? Here, and nowhere else: an outcome in, a decision on the row out.

The table is design.md §3, "Outcome -> decision". What the same outcome means for the link is
decided in `oort.policy.link`, and for the watch in `refuses_watch` below.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol, assert_never

from oort.policy import state
from oort.policy.outcome import (
    Broken,
    Changed,
    DoubtRemains,
    FileRefused,
    FoundOther,
    FoundSame,
    Gone,
    Interrupted,
    NameReserved,
    NotAllowed,
    NotReached,
    Outcome,
    RootMissing,
    ServerBusy,
    SizeDiffers,
    Stored,
    Unauthorised,
    Unclear,
    Unreadable,
    WatchRefused,
)

if TYPE_CHECKING:
    from oort.policy.state import State

MAX_RETRY_AFTER_S: Final = 86_400.0
"""A server's `Retry-After` is obeyed up to a day (design.md §3)."""

AFTER_ERROR_S: Final = 86_400.0
"""What used up its attempts is tried again once a day."""

RESERVED_WAIT_S: Final = 5.0
"""How long a namesake waits for the file that came first, before it looks again; longer with time."""


class Jitter(Protocol):
    """The one method of `random.Random` that this needs."""

    def uniform(self, a: float, b: float, /) -> float:
        """Return a number between the two."""
        ...


@dataclass(frozen=True, slots=True)
class Limits:
    """How patient to be; times in seconds."""

    base_s: float = 5.0
    max_s: float = 1800.0
    max_attempts: int = 12


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of the row: its attempts before this one, its doubt after it."""

    attempts: int = 0
    may_be_stored: bool = False
    body_complete: bool = False
    ask_first: bool = False
    asked_complete: bool = False
    counts: bool = True
    """False while the server itself is in trouble: its failures are not the file's."""
    waited_s: float = 0.0
    """How long the file has been in the queue."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of the row."""

    state: State
    cause: str
    """One line for the history."""
    counted: bool = False
    delay_s: float | None = None
    """When to try again, from now; None: at once, or never (a final state)."""
    error: str | None = None
    """What a person reads while the row waits or has failed; None where nothing is wrong."""
    may_be_stored: bool = False
    body_complete: bool = False
    ask_first: bool = False
    asked_complete: bool = False
    cut: bool = False
    """The connection was lost in mid-upload: such rows go behind the others."""


def backoff_s(attempts: int, limits: Limits, rng: Jitter) -> float:
    """Full jitter, with the exponent bounded so that attempt 5,000 does not overflow.

    Source: "Exponential Backoff And Jitter", AWS Architecture Blog, 2015 ("Full Jitter").
    """
    ceiling = min(limits.max_s, limits.base_s * 2.0 ** min(attempts, 30))
    return rng.uniform(0.0, ceiling)


def decide(  # noqa: C901, PLR0911, PLR0912  # one arm an outcome: the table of design.md, line by line
    outcome: Outcome, facts: Facts, limits: Limits, rng: Jitter
) -> Decision:
    """Turn what happened into what comes next for the row."""
    match outcome:
        case Stored(note=note, tags_pending=tags_pending):
            cause = "stored; tags not written" if tags_pending else "stored"
            return Decision(state.DONE, f"{cause}; {note}" if note else cause, counted=True)
        case FoundSame():
            return _found_same(outcome, facts)
        case FoundOther(reason=reason, bytes_sent=sent):
            return Decision(state.NAME_CONFLICT, reason, counted=sent > 0, error=reason)
        case NameReserved():
            return _reserved(outcome, facts, limits)
        case NotReached(reason=reason):
            return _as_before(state.PENDING, reason, facts)
        case Broken():
            return _broken(outcome, facts, limits, rng)
        case ServerBusy(reason=reason, retry_after_s=asked):
            return _wait(
                reason,
                facts,
                limits,
                rng,
                asked_s=asked,
                may_be_stored=facts.may_be_stored,
                body_complete=facts.body_complete,
            )
        case Unclear(reason=reason):
            return _wait(
                reason,
                facts,
                limits,
                rng,
                may_be_stored=True,
                body_complete=facts.body_complete,
            )
        case DoubtRemains(reason=reason, asked_complete=asked_complete):
            return _doubt(
                reason, asked_complete=asked_complete, facts=facts, limits=limits, rng=rng
            )
        case SizeDiffers(kept=kept, sent=sent):
            words = f"the server kept {kept} of {sent} bytes"
            return Decision(state.NAME_CONFLICT, words, counted=True, error=words)
        case Unauthorised(reason=reason) | WatchRefused(reason=reason) | RootMissing(reason=reason):
            return _as_before(state.PENDING, reason, facts)
        case FileRefused(reason=reason):
            return Decision(state.FAILED, reason, counted=True, error=reason)
        case NotAllowed(reason=reason):
            return _as_before(state.FAILED, reason, facts)  # the server was not asked
        case Changed(reason=reason):
            return _as_before(state.SETTLING, reason, facts)
        case Gone(reason=reason):
            return Decision(state.FILE_GONE, reason, error=reason)
        case Unreadable(reason=reason):
            return _wait(
                reason,
                facts,
                limits,
                rng,
                may_be_stored=facts.may_be_stored,
                body_complete=facts.body_complete,
            )
        case Interrupted(reason=reason):
            return Decision(
                state.PENDING,
                reason,
                may_be_stored=facts.may_be_stored,
                body_complete=facts.body_complete,
                ask_first=facts.ask_first,
                asked_complete=facts.asked_complete,
            )
        case _:
            assert_never(outcome)


def _found_same(outcome: FoundSame, facts: Facts) -> Decision:
    """The server has it: from an attempt of ours (OK), or from before us (already synced)."""
    # Without a hash nothing proves that it is ours, and an OK row has one.
    ours = outcome.ours and outcome.sha256 is not None
    words = "the server has it" if ours else "the same file was there before us"
    if outcome.unproven:
        words += ", unproven"
    if outcome.note:
        words += f"; {outcome.note}"
    counted = outcome.bytes_sent > 0 or (ours and facts.attempts == 0)
    return Decision(state.DONE if ours else state.ALREADY_SYNCED, words, counted=counted)


def _reserved(outcome: NameReserved, facts: Facts, limits: Limits) -> Decision:
    """The first of two namesakes has the name; the second is the same, another, or must wait."""
    if outcome.verdict is None:
        words = f"waits for {outcome.by}, which has the same name in the same dataset"
        return Decision(
            state.WAITING,
            words,
            delay_s=max(RESERVED_WAIT_S, min(limits.max_s, facts.waited_s / 4)),
            error=words,
            may_be_stored=facts.may_be_stored,
            body_complete=facts.body_complete,
            ask_first=facts.ask_first,
        )
    if outcome.is_same:
        words = f"the same content as {outcome.by}"
        return Decision(state.ALREADY_SYNCED, f"{words}, unproven" if outcome.unproven else words)
    if outcome.is_earlier:
        words = (
            "the server keeps its earlier version, which is not replaced; "
            "rename the file to have this one sent too"
        )
        return _as_before(state.NAME_CONFLICT, words, facts)
    words = (
        f"{outcome.by} has the same name in the same dataset and other content; "
        "give each folder its own dataset: `oort watch FOLDER -d '{folder}'`"
    )
    return _as_before(state.NAME_CONFLICT, words, facts)


def _broken(outcome: Broken, facts: Facts, limits: Limits, rng: Jitter) -> Decision:
    """No answer came, after bytes went out: counted only where the link is proven."""
    if not outcome.link_proven:
        return Decision(
            state.PENDING,
            outcome.reason,
            error=outcome.reason,
            may_be_stored=facts.may_be_stored,
            body_complete=facts.body_complete,
            ask_first=facts.ask_first,
            asked_complete=facts.asked_complete,
            cut=True,
        )
    return _wait(
        outcome.reason,
        facts,
        limits,
        rng,
        may_be_stored=facts.may_be_stored,
        body_complete=facts.body_complete,
        cut=True,
    )


def _doubt(
    reason: str, *, asked_complete: bool, facts: Facts, limits: Limits, rng: Jitter
) -> Decision:
    """Nothing was sent; the server is asked again after a while."""
    delay = limits.base_s if asked_complete else max(limits.base_s, backoff_s(2, limits, rng))
    return Decision(
        state.WAITING,
        reason,
        delay_s=delay,
        error=reason,
        may_be_stored=facts.may_be_stored,
        body_complete=facts.body_complete,
        ask_first=facts.ask_first,
        asked_complete=asked_complete,
    )


def _as_before(after: State, reason: str, facts: Facts) -> Decision:
    """The row was not at fault: it goes back as it was, and nothing is counted."""
    return Decision(
        after,
        reason,
        error=None if after == state.SETTLING else reason,
        may_be_stored=facts.may_be_stored,
        body_complete=facts.body_complete,
        ask_first=facts.ask_first,
        asked_complete=facts.asked_complete,
    )


def _wait(
    reason: str,
    facts: Facts,
    limits: Limits,
    rng: Jitter,
    *,
    may_be_stored: bool,
    body_complete: bool,
    asked_s: float | None = None,
    cut: bool = False,
) -> Decision:
    """A passing failure: wait with jitter, or as the server asked; in the end Error, daily."""
    spent = facts.counts and facts.attempts + 1 >= limits.max_attempts
    after = state.FAILED if spent else state.WAITING
    if asked_s is not None and asked_s > 0:  # `Retry-After: 0` is no wish, and no reason to hurry
        delay = min(asked_s, MAX_RETRY_AFTER_S)
    else:
        delay = backoff_s(facts.attempts, limits, rng)
    return Decision(
        after,
        reason,
        counted=facts.counts,
        delay_s=max(delay, AFTER_ERROR_S) if spent else delay,
        error=reason,
        may_be_stored=may_be_stored,
        body_complete=body_complete,
        ask_first=facts.ask_first,
        asked_complete=facts.asked_complete,
        cut=cut,
    )
