"""A night as a ledger: what is counted as what."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from oort.policy import state
from oort.policy.ledger import Entry, Fate, fate_of, ledger_of, quantile, seconds_of, why_failed

SEEN = datetime(2026, 11, 22, 21, 30, tzinfo=UTC)
NOON_NS = int(datetime(2026, 11, 22, 12, tzinfo=UTC).timestamp()) * 10**9


def entry(name: str = "a.fits", now_in: state.State = state.DONE, **more: Any) -> Entry:
    known: dict[str, Any] = {
        "watch": "dome",
        "folder": "/data/dome",
        "name": name,
        "size": 2880,
        "mtime_ns": NOON_NS,
        "inode": abs(hash(name)),
        "state": now_in,
        "error": None,
        "acknowledged": False,
        "unproven": False,
        "dataset": None,
        "header": {},
        "seen_at": SEEN,
        "ended_at": None,
    }
    return Entry(**known | more)


def test_every_state_has_its_fate() -> None:
    assert {one: fate_of(one) for one in state.TRANSITIONS} == {
        state.SETTLING: Fate.WAITING,
        state.PENDING: Fate.WAITING,
        state.WAITING: Fate.WAITING,
        state.CHECKING: Fate.WAITING,
        state.SYNCING: Fate.WAITING,
        state.UPLOADING: Fate.WAITING,
        state.TAGGING: Fate.WAITING,
        state.DONE: Fate.SAFE,
        state.ALREADY_SYNCED: Fate.SAFE,
        state.IGNORED: Fate.IGNORED,
        state.FILE_GONE: Fate.GONE,
        state.CHANGED: Fate.CHANGED,
        state.FAILED: Fate.ERROR,
        state.NAME_CONFLICT: Fate.ERROR,
        state.TRUNCATED: Fate.ERROR,
    }


def test_the_counts_add_up() -> None:
    ledger = ledger_of(entry(f"{n}.fits", one) for n, one in enumerate(state.TRANSITIONS))

    assert ledger.total == len(state.TRANSITIONS) == sum(ledger.files.values())
    assert ledger.bytes_total == 2880 * len(state.TRANSITIONS)
    assert ledger.bytes_safe == 2880 * 2
    assert not ledger.all_is_safe


@pytest.mark.parametrize("bad", set(state.TRANSITIONS) - state.SAFE)
def test_one_file_that_is_not_safe_is_enough(bad: state.State) -> None:
    assert ledger_of([entry("a")]).all_is_safe
    assert not ledger_of([entry("a"), entry("b", bad)]).all_is_safe


def test_what_a_person_put_aside_is_no_obstacle() -> None:
    ledger = ledger_of([entry("a"), entry("b", state.IGNORED, acknowledged=True)])

    assert ledger.all_is_safe
    assert (1, 1) == (ledger.files[Fate.IGNORED], ledger.files[Fate.SAFE])


def test_a_file_under_its_new_name_is_counted_once() -> None:
    old = entry("old", state.IGNORED, inode=7)

    assert 1 == ledger_of([old, entry("new", inode=7)]).total
    assert 1 == ledger_of([entry("new", inode=7), old]).total
    assert 2 == ledger_of([old, entry("new", inode=8)]).total
    assert 1 == ledger_of([old, entry("new", inode=8)]).unacknowledged


def test_unproven_files_are_safe_and_counted_again_unless_it_is_strict() -> None:
    files = [entry("a"), entry("b", state.ALREADY_SYNCED, unproven=True)]

    plain, strict = ledger_of(files), ledger_of(files, strict=True)

    assert (2, 2, 1) == (plain.total, plain.files[Fate.SAFE], plain.unproven)
    assert (2, 1, 1) == (strict.total, strict.files[Fate.SAFE], strict.unproven)
    assert (5760, 2880) == (plain.bytes_safe, strict.bytes_safe)
    assert plain.all_is_safe
    assert not strict.all_is_safe


@pytest.mark.parametrize(
    ("imagetyp", "counts"),
    [
        (None, True),
        ("", True),
        ("LIGHT", True),
        ("Light Frame", True),
        (" light", True),
        ("object", True),
        ("SCIENCE", True),
        ("Flat Field", False),
        ("Dark Frame", False),
        ("BIAS", False),
        ("skylight", False),
    ],
)
def test_the_exposure_is_that_of_the_light_frames(imagetyp: str | None, counts: bool) -> None:
    header = {"EXPTIME": "300.5"} | ({"IMAGETYP": imagetyp} if imagetyp is not None else {})

    assert (300.5 if counts else 0.0) == ledger_of([entry(header=header)]).exposure_s


def test_the_exposure_of_a_file_that_changed_is_counted_once() -> None:
    header = {"EXPTIME": "60"}

    assert (
        60
        == ledger_of([entry(header=header), entry(now_in=state.CHANGED, header=header)]).exposure_s
    )


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("300", 300.0),
        (" 1.5E1 ", 15.0),
        ("3.0D2", 300.0),
        ("-1", 0.0),
        ("nan", 0.0),
        ("inf", 0.0),
        ("a while", 0.0),
        ("", 0.0),
        (None, 0.0),
    ],
)
def test_an_exposure_time_is_read_as_it_is_written(written: str | None, seconds: float) -> None:
    assert seconds == seconds_of(written)


def test_time_to_cloud_is_that_of_what_was_sent() -> None:
    after = SEEN + timedelta(seconds=3.5)

    ledger = ledger_of(
        [
            entry("sent", ended_at=after),
            entry("there before", state.ALREADY_SYNCED, ended_at=after),
            entry("failed", state.FAILED, ended_at=after),
            entry("set back", ended_at=SEEN - timedelta(hours=1)),
        ]
    )

    assert [0.0, 3.5] == sorted(ledger.to_cloud_s)
    assert 3 == len(ledger.safe)
    assert 4 == len(ledger.seen)


def test_first_and_last_are_by_what_the_headers_say() -> None:
    ledger = ledger_of(
        [
            entry("a", header={"DATE-OBS": "2026-11-22T23:00:00"}),
            entry("b", header={"DATE-OBS": "2026-11-23T04:00:00"}),
            entry("c", header={"DATE-OBS": "2026-11-23T01:00:00"}),
        ]
    )

    assert datetime(2026, 11, 22, 23, tzinfo=UTC) == ledger.first_at
    assert datetime(2026, 11, 23, 4, tzinfo=UTC) == ledger.last_at


def test_what_a_header_does_not_say_is_counted_nowhere() -> None:
    header = {"OBJECT": "M31", "FILTER": "R", "IMAGETYP": "LIGHT"}

    ledger = ledger_of([entry("a", header=header, dataset="M31"), entry("b")])

    assert [{"R": 1}, {"LIGHT": 1}, {"M31": 1}, {"M31": 1}] == [
        dict(one)
        for one in (ledger.by_filter, ledger.by_imagetyp, ledger.by_object, ledger.by_dataset)
    ]


def test_what_is_not_safe_has_its_reason() -> None:
    ledger = ledger_of(
        [
            entry("a", state.FAILED, error="422: no such file"),
            entry("b", state.CHANGED),
            entry("c", state.FILE_GONE),
            entry("d", state.PENDING),
        ]
    )

    assert [
        ("/data/dome/a", "422: no such file"),
        ("/data/dome/b", "it changed after the upload; the server keeps the earlier version"),
        ("/data/dome/c", "it vanished before it was stored"),
    ] == [(one.path, why_failed(one)) for one in ledger.failures]


@pytest.mark.parametrize(
    ("values", "part", "found"),
    [
        ([], 0.95, None),
        ([7.0], 0.95, 7.0),
        ([float(n) for n in range(1, 101)], 0.95, 95.0),
        ([float(n) for n in range(1, 21)], 0.95, 19.0),
        ([1.0, 2.0], 0.5, 1.0),
    ],
)
def test_a_quantile_is_one_of_the_values(
    values: list[float], part: float, found: float | None
) -> None:
    assert found == quantile(values, part)
