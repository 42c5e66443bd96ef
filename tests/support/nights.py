"""The morning after a bad night: has everything ended, is it there once, does anything need a person?"""

from __future__ import annotations

from collections import Counter
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from tests.support.wait import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.campaign import Cameras
    from tests.support.daemon import Home
    from tests.support.sandbox import Sandbox

DRAINED_WITHIN_S: Final = 150.0
"""Of a machine that does other things too; alone it takes about ten seconds."""


def drained(home: Home, count: int, story: Callable[[], str]) -> list[dict[str, Any]]:
    """Wait until every file has ended; return the rows."""
    rows: list[dict[str, Any]] = []

    def ended() -> bool:
        rows[:] = home.json("uploads", "--limit", "0")
        return len(rows) >= count and not _open(rows)

    wait_until(
        ended,
        timeout_s=DRAINED_WITHIN_S,
        every_s=1.0,
        what=lambda: f"{len(rows)} of {count}: {_open(rows)[:10]}\n{story()}\n{home.told()}",
    )
    return rows


def _open(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row for row in rows if row["status"] not in ("OK", "Skipped", "Error")]


def needs_nobody(rows: list[dict[str, Any]], cameras: Cameras, *, settle_s: float) -> None:
    """See that every row is safe; a header rewritten too late is the camera's own fault."""
    late = {
        path.decode("utf-8", "backslashreplace")
        for path, written in cameras.written.items()
        if written.stood_s > settle_s / 2
    }
    unsafe = [
        (row["path"], row["substatus"], row["error"])
        for row in rows
        if row["status"] != "OK" and row["substatus"] != "already synced"
    ]
    assert [
        row for row in unsafe if row[:2] not in {(at, "changed after upload") for at in late}
    ] == []


def all_there_once(sandbox: Sandbox, cameras: Cameras) -> None:
    """See that the server has each file once, nothing else, and no dataset twice."""
    stored = Counter(file["sha256"] for file in sandbox.files())
    assert stored.total() == len(cameras.written), _differences(cameras, sandbox)
    for path, written in cameras.written.items():
        assert sum(stored[version] for version in written.versions) == 1, (path, sandbox.files())
    found = sandbox.get("/datasets/?page_size=1000").json()
    datasets = Counter(
        dataset["name"] for dataset in (found["results"] if isinstance(found, dict) else found)
    )
    assert set(datasets.values()) == {1}, datasets


def sent_whole_once(sandbox: Sandbox, *, kills: int) -> None:
    """See that what the server has taken is not sent to its end again: a lost answer is asked for.

    What it turned down has to come again. So may, once a kill, a body whose last bytes the kernel
    still had in hand when its sender died: the next one asks, and is right that it is not there.
    """
    taken = Counter(
        (one["dataset"], one["file"])
        for one in sandbox.uploads()
        if one["body_complete"] and (one["stored"] or one["status"] == HTTPStatus.BAD_REQUEST)
    )
    again = {name for name, count in taken.items() if count > 1}
    assert taken.total() - len(taken) <= kills, [
        one for one in sandbox.uploads() if (one["dataset"], one["file"]) in again
    ]


def _differences(cameras: Cameras, sandbox: Sandbox) -> object:
    wanted = {sha256 for written in cameras.written.values() for sha256 in written.versions}
    files = sandbox.files()
    there = Counter(file["sha256"] for file in files)
    return (
        [path for path, written in cameras.written.items() if not written.versions & set(there)],
        [file for file in files if there[file["sha256"]] > 1 or file["sha256"] not in wanted],
    )
