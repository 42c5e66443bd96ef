"""`oort status` in words, from documents shaped as contract.md has them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from oort.cli import output, overview

NOW = datetime(2026, 11, 23, 6, tzinfo=UTC)
SINCE = "2026-11-23T01:14:00.000Z"
LOCAL_SINCE = output.moment(SINCE, NOW)


def document(**changes: Any) -> dict[str, Any]:
    """Return a night that went well, with changes at dotted places (`link__state`)."""
    found: dict[str, Any] = {
        "daemon": {
            "running": True,
            "pid": 4242,
            "host": "dome-pc",
            "started_at": SINCE,
            "version": "5.0.0",
            "paused": False,
            "warnings": [],
        },
        "link": {"state": "online", "since": SINCE, "reason": None, "next_attempt_at": None},
        "queue": {
            "total": 412,
            "by_status": {
                "New": 0,
                "Preparing": 0,
                "Uploading": 0,
                "Finishing": 0,
                "OK": 412,
                "Skipped": 0,
                "Error": 0,
            },
            "pending_files": 0,
            "pending_bytes": 0,
            "oldest_pending_at": None,
            "unproven": 0,
            "safe": 412,
            "gone": 0,
            "changed": 0,
            "rate_bytes_per_s": 0.0,
            "eta_s": None,
        },
        "watches": [watch()],
        "active": [],
        "attention": [],
    }
    for place, value in changes.items():
        *above, key = place.split("__")
        inner = found
        for part in above:
            inner = inner[part]
        inner[key] = value
    queue = found["queue"]
    if "queue__safe" not in changes:
        queue["safe"] = queue["by_status"]["OK"]
    return found


def watch(**changes: Any) -> dict[str, Any]:
    return {
        "name": "dome",
        "path": "/data/bad\\xff",
        "state": "watching",
        "reason": None,
        "dataset": "{folder}",
        "telescope": None,
        "portal": None,
        "by_status": {"OK": 412},
        "left_out": {"hidden": 1, "empty": 0, "excluded": 2, "outside": 0},
        "last_scan_at": SINCE,
        "missed_events": 0,
        "unreadable": [],
        **changes,
    }


def row(**changes: Any) -> dict[str, Any]:
    return {
        "id": 5,
        "path": "/data/a.fits",
        "status": "Error",
        "substatus": "name conflict",
        "error": "another file of that name is there",
        "attempts": 1,
        "next_attempt_at": None,
        **changes,
    }


WAITING = {"queue__pending_files": 3, "queue__pending_bytes": 3072, "queue__by_status__New": 3}


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, "All 412 files are safe."),
        ({"queue__by_status__OK": 1}, "The file is safe."),
        ({"queue__by_status__Skipped": 3}, "All 412 files are safe; 3 files skipped."),
        (
            {"queue__unproven": 2},
            "All 412 files are safe; 2 by name and size alone, without a hash.",
        ),
        (
            {"queue__by_status__OK": 0, "queue__by_status__Skipped": 3},
            "Nothing waits; 3 files skipped.",
        ),
        (
            {"daemon__running": False},
            "All 412 files that were seen are safe; but the daemon is not running.",
        ),
        (
            {"queue__by_status__OK": 1, "watches": [watch(state="missing")]},
            'The file that was seen is safe; but the watch "dome" is missing.',
        ),
        (
            {"watches": [watch(unreadable=["dark: Permission denied"])]},
            'All 412 files that were seen are safe; but a part of the watch "dome" cannot be read.',
        ),
        ({"queue__total": 0}, "No file has been seen yet."),
        (
            {"queue__total": 0, "watches": []},
            "No folder is watched yet: `oort watch FOLDER` adds one.",
        ),
        (WAITING, "3 files on the way (3.0 KB); 412 files safe."),
        (
            {**WAITING, "queue__eta_s": 128.3},
            "3 files on the way (3.0 KB, about 2 min 8 s left); 412 files safe.",
        ),
        (
            {**WAITING, "link__state": "offline"},
            f"3 files wait for the link, offline since {LOCAL_SINCE}; 412 files safe.",
        ),
        (
            {**WAITING, "link__state": "offline", "link__since": None},
            "3 files wait for the link; 412 files safe.",
        ),
        (
            {**WAITING, "link__state": "unauthorised"},
            "3 files wait: the server refuses the key; 412 files safe.",
        ),
        ({**WAITING, "daemon__paused": True}, "3 files wait: uploads are paused; 412 files safe."),
        (
            {**WAITING, "daemon__running": False, "queue__pending_files": 1},
            "1 file waits, and the daemon is not running; 412 files safe.",
        ),
        ({"queue__by_status__Error": 1}, "1 file needs you; 412 files safe."),
        (
            {**WAITING, "queue__by_status__Error": 2, "queue__by_status__OK": 0},
            "2 files need you; 3 files on the way.",
        ),
        (
            {"queue__by_status__Skipped": 2, "queue__gone": 1, "queue__changed": 1},
            (
                "412 files safe; but 1 file is gone and never stored, and 1 file changed after "
                "the upload (`oort uploads --status Skipped` lists them)."
            ),
        ),
        (
            {
                "queue__by_status__OK": 410,
                "queue__by_status__Skipped": 2,
                "queue__safe": 412,
            },
            "All 412 files are safe.",
        ),
    ],
)
def test_the_first_line_is_the_answer(changes: dict[str, Any], text: str) -> None:
    assert text == overview.verdict(document(**changes), NOW).text


def shown(capsys: pytest.CaptureFixture[str], **changes: Any) -> str:
    output.show(overview.render(document(**changes), NOW))
    return capsys.readouterr().out


def test_a_good_night_is_a_few_lines(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys).splitlines() == [
        "All 412 files are safe.",
        f"Daemon: running (pid 4242, dome-pc, since {LOCAL_SINCE})",
        "Link: online",
        "",
        "WATCH  STATE     ON THE WAY   OK  SKIPPED  ERROR  LEFT OUT  DATASET   FOLDER",
        "dome   watching           0  412        0      0         3  {folder}  /data/bad\\xff",
    ]


def test_what_needs_a_person_stands_with_the_command_to_type(
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = shown(
        capsys,
        queue__by_status__Error=102,
        attention=[row(), row(id=6, substatus="truncated file", error=None)],
    )

    assert "    name conflict: another file of that name is there\n" in text
    assert "    oort retry 5   or   oort skip 5\n" in text
    assert "    oort retry --force 6   or   oort skip 6\n" in text
    assert "and 100 more files: `oort uploads --status Error`\n" in text


def test_a_link_says_since_when_why_and_until_when(capsys: pytest.CaptureFixture[str]) -> None:
    link = {"state": "offline", "since": SINCE, "reason": "no route", "next_attempt_at": SINCE}
    refused = {
        "api": "local",
        "state": "unauthorised",
        "since": SINCE,
        "reason": "401",
        "next_attempt_at": SINCE,
    }

    text = shown(capsys, link=link, links=[{"api": "cloud", **link}, refused])

    assert (
        f"Link to cloud: offline since {LOCAL_SINCE}: no route; next try at {LOCAL_SINCE}\n" in text
    )
    assert f"Link to local: unauthorised since {LOCAL_SINCE}: 401; `arcsecond login`" in text
    assert f"puts it right; next try at {LOCAL_SINCE}" in text


def test_a_remedy_that_the_reason_names_is_named_once(capsys: pytest.CaptureFixture[str]) -> None:
    reason = "no key is stored for local; `arcsecond login --api local` stores one"
    text = shown(capsys, link__state="unauthorised", link__since=SINCE, link__reason=reason)

    assert text.count("`arcsecond login") == 1


def test_warnings_reasons_pauses_and_a_stopped_daemon_are_said(
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = shown(
        capsys,
        daemon__warnings=["config.toml:3: workers must be 1 to 64"],
        daemon__paused=True,
        watches=[watch(state="missing", reason="/data/dome is not there")],
    )

    assert "Warning: config.toml:3: workers must be 1 to 64\n" in text
    assert "Daemon: paused; `oort resume` goes on (pid 4242" in text
    assert "dome: /data/dome is not there\n" in text
    assert "Daemon: not running; `oort start` starts it.\n" in shown(capsys, daemon__running=False)


def test_uploads_in_hand_are_shown_with_their_progress(capsys: pytest.CaptureFixture[str]) -> None:
    active = [{"id": 9, "path": "/d/a.fits", "size": 4096, "bytes_sent": 1024, "started_at": SINCE}]

    text = shown(capsys, active=active, queue__rate_bytes_per_s=2048.0)

    assert "Speed: 2.0 KB/s\n" in text
    assert "/d/a.fits  █████░░░░░░░░░░░░░░░  1.0 KB  4.0 KB\n" in text


@pytest.mark.parametrize(("done", "total", "filled"), [(0, 0, 0), (5, 10, 10), (20, 10, 20)])
def test_a_bar_is_never_wider_than_full(done: int, total: int, filled: int) -> None:
    assert filled == overview.bar(done, total).count("█")
    assert 20 == len(overview.bar(done, total))
