"""What a sighting does to the newest row of its path: every state, every phase."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final

import pytest

from oort.policy import state
from oort.policy.sighting import Action, KnownRow, Phase, Sighting, Verdict, concerns, judge
from oort.policy.version import FileVersion, RelPath

if TYPE_CHECKING:
    from oort.policy.state import State

PATH = RelPath(b"night/a.fits")
VERSION = FileVersion(PATH, 2880, 1, 7)
LONGER = FileVersion(PATH, 5760, 2, 7)
TOUCHED = FileVersion(PATH, 2880, 2, 7)

NOTHING: Final = Verdict(Action.NOTHING)
MARK: Final = Verdict(Action.MARK_CHANGED)
COMPARE: Final = Verdict(Action.COMPARE)


def insert(after: State) -> Verdict:
    return Verdict(Action.INSERT, after)


def revise(after: State) -> Verdict:
    return Verdict(Action.REVISE, after)


def move(after: State) -> Verdict:
    return Verdict(Action.MOVE, after)


CHANGED_NEW: Final = Verdict(Action.INSERT_CHANGED, state.CHANGED)
CHANGED_AGAIN: Final = Verdict(Action.REVISE_CHANGED, state.CHANGED)
SETTLES: Final = (revise(state.SETTLING), revise(state.PENDING), revise(state.TRUNCATED))
NOT_TOUCHED: Final = (NOTHING, NOTHING, NOTHING)
IN_HAND: Final = (MARK, MARK, MARK)
"""What SEEN, SETTLED and TRUNCATED do, in this order."""

PHASES: Final = (Phase.SEEN, Phase.SETTLED, Phase.TRUNCATED)


def row(now_in: State, **more: bool) -> KnownRow:
    return KnownRow(1, now_in, VERSION, **more)


KNOWN: Final[dict[str, tuple[KnownRow | None, tuple[Verdict, ...], tuple[Verdict, ...]]]] = {
    # what the queue knows: (row, the same version is seen, a longer one is seen)
    "nothing": (
        None,
        (insert(state.SETTLING), insert(state.PENDING), insert(state.TRUNCATED)),
        (insert(state.SETTLING), insert(state.PENDING), insert(state.TRUNCATED)),
    ),
    "settling": (
        row(state.SETTLING),
        (NOTHING, move(state.PENDING), move(state.TRUNCATED)),
        SETTLES,
    ),
    "pending": (row(state.PENDING), NOT_TOUCHED, SETTLES),
    "waiting": (row(state.WAITING), NOT_TOUCHED, SETTLES),
    "checking": (row(state.CHECKING), NOT_TOUCHED, IN_HAND),
    "syncing": (row(state.SYNCING), NOT_TOUCHED, IN_HAND),
    "uploading": (row(state.UPLOADING), NOT_TOUCHED, IN_HAND),
    "tagging": (row(state.TAGGING), NOT_TOUCHED, IN_HAND),
    "done": (row(state.DONE, ever_stored=True), NOT_TOUCHED, (NOTHING, CHANGED_NEW, CHANGED_NEW)),
    "already synced": (
        row(state.ALREADY_SYNCED, ever_stored=True),
        NOT_TOUCHED,
        (NOTHING, CHANGED_NEW, CHANGED_NEW),
    ),
    "already synced, unproven": (
        row(state.ALREADY_SYNCED, unproven=True, ever_stored=True),
        NOT_TOUCHED,
        (NOTHING, revise(state.PENDING), revise(state.TRUNCATED)),
    ),
    "ignored, its watch was removed": (row(state.IGNORED), SETTLES, SETTLES),
    "ignored by hand": (
        row(state.IGNORED, acknowledged=True),
        NOT_TOUCHED,
        (NOTHING, insert(state.PENDING), insert(state.TRUNCATED)),
    ),
    "a change ignored by hand": (
        row(state.IGNORED, acknowledged=True, ever_stored=True),
        NOT_TOUCHED,
        (NOTHING, CHANGED_NEW, CHANGED_NEW),
    ),
    "file gone": (row(state.FILE_GONE), SETTLES, SETTLES),
    "changed": (
        row(state.CHANGED, ever_stored=True),
        NOT_TOUCHED,
        (NOTHING, CHANGED_AGAIN, CHANGED_AGAIN),
    ),
    "error": (row(state.FAILED), NOT_TOUCHED, SETTLES),
    "name conflict": (row(state.NAME_CONFLICT), NOT_TOUCHED, SETTLES),
    "truncated": (row(state.TRUNCATED), NOT_TOUCHED, SETTLES),
}
CASES: Final = [
    pytest.param(
        known, Sighting(version, phase, "seen"), verdict, id=f"{name}, {words} {phase.name}"
    )
    for name, (known, same, other) in KNOWN.items()
    for words, version, verdicts in (("same", VERSION, same), ("longer", LONGER, other))
    for phase, verdict in zip(PHASES, verdicts, strict=True)
]


@pytest.mark.parametrize(("known", "sighting", "verdict"), CASES)
def test_what_was_seen_does_what_the_table_says(
    known: KnownRow | None, sighting: Sighting, verdict: Verdict
) -> None:
    assert judge(known, sighting) == verdict


def test_the_table_knows_every_state() -> None:
    states = {known.state for known, _, _ in KNOWN.values() if known is not None}

    assert states == set(state.TRANSITIONS)


@pytest.mark.parametrize(
    "now_in", [state.DONE, state.ALREADY_SYNCED], ids=lambda now_in: now_in.substatus
)
def test_a_stored_file_with_another_time_is_compared(now_in: State) -> None:
    known = row(now_in, ever_stored=True)

    assert judge(known, Sighting(TOUCHED, Phase.SEEN, "seen")) == NOTHING
    assert judge(known, Sighting(TOUCHED, Phase.SETTLED, "settled")) == COMPARE


def test_another_inode_is_another_version() -> None:
    copied = dataclasses.replace(VERSION, inode=8)

    assert judge(row(state.PENDING), Sighting(copied, Phase.SEEN, "seen")) == revise(state.SETTLING)


@pytest.mark.parametrize("name", KNOWN)
def test_only_a_settling_file_is_gone_without_a_worker(name: str) -> None:
    known = KNOWN[name][0]

    verdict = judge(known, Sighting(VERSION, Phase.GONE, "gone"))

    assert verdict == (move(state.FILE_GONE) if name == "settling" else NOTHING)


@pytest.mark.parametrize("name", KNOWN)
def test_a_row_follows_a_rename_while_nothing_of_it_is_at_the_server(name: str) -> None:
    known = KNOWN[name][0]
    renamed = Sighting(VERSION, Phase.RENAMED, "renamed", renamed_to=RelPath(b"b.fits"))

    follows = name in ("settling", "pending", "error", "name conflict", "truncated")
    assert judge(known, renamed) == (Verdict(Action.RENAME) if follows else NOTHING)
    if known is not None:
        assert judge(dataclasses.replace(known, tried=True), renamed) == NOTHING


@pytest.mark.parametrize("name", KNOWN)
def test_detection_looks_closer_at_whatever_a_sighting_may_move(name: str) -> None:
    """`concerns` spares detection the work; it may never spare it what `judge` would act on."""
    known = KNOWN[name][0]

    for version in (VERSION, LONGER, TOUCHED):
        for phase in PHASES:
            if judge(known, Sighting(version, phase, "seen")) != NOTHING:
                assert concerns(known, version)


@pytest.mark.parametrize(
    "name", ["pending", "uploading", "done", "already synced", "ignored by hand", "error"]
)
def test_a_known_file_that_did_not_change_costs_no_closer_look(name: str) -> None:
    assert not concerns(KNOWN[name][0], VERSION)


@pytest.mark.parametrize("name", KNOWN)
def test_every_verdict_can_be_carried_out(name: str) -> None:
    """A row moves by one step of the table, or by two through `settling`."""
    known, same, longer = KNOWN[name]
    for verdict in same + longer:
        if known is None or verdict.action not in (Action.MOVE, Action.REVISE):
            continue
        assert verdict.state is not None
        steps = state.TRANSITIONS[known.state]
        by_settling = state.SETTLING in steps and state.may_move(state.SETTLING, verdict.state)
        assert verdict.state in steps or verdict.state == known.state or by_settling
