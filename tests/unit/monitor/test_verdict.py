"""The first line of the page: what needs somebody before what waits, and that before safety."""

from __future__ import annotations

from typing import Any

import pytest

from oort.monitor.verdict import unreadable, verdict
from oort.policy.state import Status


def page(*, night: dict[str, Any] | None = None, **queue: Any) -> dict[str, Any]:
    """Return a page on which all is well: 412 files of tonight, all safe."""
    by_status = dict.fromkeys((status.value for status in Status), 0)
    return {
        "status": {
            "daemon": {"running": True, "paused": False, "warnings": []},
            "link": {"state": "online", "since": None, "reason": None},
            "queue": {
                "total": 412,
                "safe": 412,
                "pending_files": 0,
                "gone": 0,
                "changed": 0,
                "unproven": 0,
                "by_status": by_status | queue.pop("by_status", {}),
                **queue,
            },
            "watches": [{"name": "dome", "state": "watching"}],
        },
        "night": {
            "night": "2026-11-22",
            "is_tonight": True,
            "seen": 412,
            "safe": 412,
            "skipped": 0,
            **(night or {}),
        },
    }


def said(shown: dict[str, Any], **changes: dict[str, Any]) -> tuple[str, str]:
    for part, values in changes.items():
        shown["status"][part] |= values
    found = verdict(shown)
    return found["tone"], found["text"]


OFFLINE = {"state": "offline", "since": "2026-11-22T21:30:00.000Z"}
ERROR = {"by_status": {"Error": 1}}


def test_all_files_of_tonight_are_safe() -> None:
    assert said(page()) == ("good", "All 412 files of tonight are safe")
    assert said(page(night={"safe": 1})) == ("good", "The file of tonight is safe")
    assert said(page(night={"safe": 1412})) == ("good", "All 1,412 files of tonight are safe")


def test_a_night_that_is_over_is_named() -> None:
    shown = page(night={"is_tonight": False})

    assert said(shown) == ("good", "All 412 files of the night of {night} are safe")
    assert verdict(shown)["night"] == "2026-11-22"


def test_files_without_a_night_are_safe_too() -> None:
    assert said(page(night={"safe": 0})) == ("good", "All 412 files are safe")


@pytest.mark.parametrize(
    ("queue", "changes", "tone", "text"),
    [
        ({"pending_files": 3}, {}, "busy", "3 files on the way"),
        (ERROR, {}, "bad", "1 file needs you"),
        ({"by_status": {"Error": 3}}, {}, "bad", "3 files need you"),
        (ERROR, {"daemon": {"running": False}}, "bad", "1 file needs you"),
        ({"gone": 1}, {}, "warn", "1 file is gone or changed"),
        ({"gone": 1, "changed": 1, "pending_files": 3}, {}, "warn", "2 files are gone or changed"),
        ({}, {"daemon": {"running": False}}, "bad", "The daemon is not running"),
        (
            {"pending_files": 3},
            {"daemon": {"running": False}, "link": OFFLINE},
            "bad",
            "3 files wait, and the daemon is not running",
        ),
        (
            {"pending_files": 1},
            {"link": OFFLINE},
            "warn",
            "1 file waits for the link, offline since {at}",
        ),
        ({}, {"link": OFFLINE}, "warn", "The link is offline since {at}"),
        ({}, {"link": {"state": "offline"}}, "warn", "The link is offline"),
        (
            {"pending_files": 3},
            {"link": {"state": "unauthorised"}},
            "bad",
            "The server refuses the key",
        ),
        (
            {"pending_files": 3},
            {"daemon": {"paused": True}},
            "warn",
            "3 files wait: uploads are paused",
        ),
        ({}, {"daemon": {"paused": True}}, "warn", "Uploads are paused"),
    ],
)
def test_what_is_wrong_comes_first(
    queue: dict[str, Any], changes: dict[str, Any], tone: str, text: str
) -> None:
    assert said(page(**queue), **changes) == (tone, text)


@pytest.mark.parametrize("state", ["missing", "held"])
def test_a_watch_that_cannot_go_on_is_named(state: str) -> None:
    shown = page(pending_files=2)
    shown["status"]["watches"][0]["state"] = state

    assert said(shown) == ("warn", f"The watch “dome” is {state}")


def test_an_empty_queue_is_quiet() -> None:
    assert said(page(total=0, safe=0)) == ("quiet", "No file has been seen yet")
    shown = page(total=0, safe=0)
    shown["status"]["watches"] = []
    assert said(shown) == ("quiet", "No folder is watched yet")


def test_a_queue_of_files_that_are_left_out_is_quiet() -> None:
    assert said(page(total=3, safe=0, night={"safe": 0})) == ("quiet", "Nothing waits")


def test_the_detail_says_what_the_verdict_leaves_out() -> None:
    assert verdict(page())["detail"] == ""
    assert verdict(page(pending_files=3, safe=409))["detail"] == "409 files safe"
    shown = page(safe=5000, unproven=2, night={"skipped": 4})
    assert (
        verdict(shown)["detail"]
        == "5,000 files of all nights are safe, 2 by name and size alone, 4 left out"
    )


def test_a_queue_that_cannot_be_read_is_said_with_its_reason() -> None:
    found = unreadable("the queue is locked")

    assert (found["tone"], found["detail"]) == ("bad", "the queue is locked")
