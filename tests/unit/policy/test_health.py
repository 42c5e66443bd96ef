"""What `oort check` says: each line of contract.md §3 with its level, its words and its numbers."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from oort.policy.health import Health, Level, LinkSeen, Seen, WatchSeen, health, unreadable
from tests.support.fakes import EVENING

NOW = EVENING
WELL = Seen(
    running=True,
    links=(LinkSeen("cloud", "online", NOW - timedelta(days=2)),),
    watches=(WatchSeen("dome", "watching"), WatchSeen("allsky", "polling")),
    safe=412,
    disk_free_bytes=10**12,
)


def ago(**by: float) -> timedelta:
    return timedelta(**by)


def link(state: str, **since: float) -> tuple[LinkSeen, ...]:
    return (LinkSeen("cloud", state, NOW - ago(**since), "because"),)


RULES = {
    "nothing": ({}, Level.OK, "all 412 files are safe"),
    "one file": ({"safe": 1}, Level.OK, "the file is safe"),
    "an empty queue": ({"safe": 0}, Level.OK, "no file waits"),
    "files on the way": ({"pending": 3}, Level.OK, "3 files on the way, 412 files safe"),
    "no daemon": ({"running": False}, Level.CRITICAL, "the daemon is not running"),
    "a key that is refused": (
        {"links": link("unauthorised", seconds=1)},
        Level.CRITICAL,
        "the server cloud refuses the key: because",
    ),
    "a file that waits for more than 6 hours": (
        {"pending": 1, "oldest_pending_at": NOW - ago(hours=6, seconds=1)},
        Level.CRITICAL,
        "a file has waited for 6 h",
    ),
    "less than 200 MB on the disk": (
        {"disk_free_bytes": 200 * 1024**2 - 1},
        Level.CRITICAL,
        "the disk of the queue has 199 MB free",
    ),
    "200 MB on the disk": (
        {"disk_free_bytes": 200 * 1024**2},
        Level.OK,
        "all 412 files are safe",
    ),
    "a disk that cannot be asked": ({"disk_free_bytes": None}, Level.OK, "all 412 files are safe"),
    "a row in Error": ({"errors": 1}, Level.WARNING, "1 file needs you"),
    "rows in Error": ({"errors": 1200}, Level.WARNING, "1,200 files need you"),
    "a link that is offline for 15 minutes": (
        {"links": link("offline", minutes=15)},
        Level.WARNING,
        "the link to cloud is offline for 15 min: because",
    ),
    "a link that is offline for less": (
        {"links": link("offline", minutes=14, seconds=59)},
        Level.OK,
        "all 412 files are safe",
    ),
    "a link of which nobody knows since when": (
        {"links": (LinkSeen("cloud", "offline"),)},
        Level.OK,
        "all 412 files are safe",
    ),
    "a file that is gone": (
        {"lost": 1},
        Level.WARNING,
        "1 file is gone or changed since yesterday",
    ),
    "a watch that is missing": (
        {"watches": (WatchSeen("dome", "missing", "/data is not there"),)},
        Level.WARNING,
        'the watch "dome" is missing: /data is not there',
    ),
    "a watch that is held": (
        {"watches": (WatchSeen("dome", "held"),)},
        Level.WARNING,
        'the watch "dome" is held',
    ),
    "a watch that is disabled": (
        {"watches": (WatchSeen("dome", "disabled"),)},
        Level.OK,
        "all 412 files are safe",
    ),
    "a pause": ({"paused": True}, Level.WARNING, "uploads are paused"),
    "a warning of the daemon": (
        {"warnings": ("config.toml:3: no such key",)},
        Level.WARNING,
        "config.toml:3: no such key",
    ),
    "a file that waits for more than an hour": (
        {"pending": 1, "oldest_pending_at": NOW - ago(hours=1, seconds=1)},
        Level.WARNING,
        "a file has waited for 1 h",
    ),
    "a file that waits for an hour": (
        {"pending": 1, "oldest_pending_at": NOW - ago(hours=1)},
        Level.OK,
        "1 file on the way, 412 files safe",
    ),
    "a file from the future": (
        {"pending": 1, "oldest_pending_at": NOW + ago(days=9)},
        Level.OK,
        "1 file on the way, 412 files safe",
    ),
}


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_has_its_level_and_its_words(rule: str) -> None:
    values, level, words = RULES[rule]

    found = health(replace(WELL, **values), NOW)

    assert (found.level, found.words) == (level, words)


def test_what_is_worst_is_said_first_and_nothing_is_left_out() -> None:
    seen = replace(
        WELL, running=False, errors=2, paused=True, oldest_pending_at=NOW - ago(hours=7), pending=5
    )

    found = health(seen, NOW)

    assert found.level is Level.CRITICAL
    assert found.words == (
        "the daemon is not running; a file has waited for 7 h; 2 files need you; uploads are paused"
    )


def test_a_link_says_nothing_while_no_daemon_runs() -> None:
    seen = replace(WELL, running=False, links=link("unauthorised", days=1))

    assert health(seen, NOW).words == "the daemon is not running"


@pytest.mark.parametrize(
    ("warn", "crit", "level"),
    [(60, 600, Level.OK), (10, 600, Level.WARNING), (10, 20, Level.CRITICAL)],
)
def test_the_ages_may_be_chosen(warn: float, crit: float, level: Level) -> None:
    seen = replace(WELL, pending=1, oldest_pending_at=NOW - ago(seconds=30))

    assert health(seen, NOW, warn_age_s=warn, crit_age_s=crit).level is level


def test_the_line_is_that_of_a_monitoring_plugin() -> None:
    seen = replace(WELL, pending=3, errors=1, oldest_pending_at=NOW - ago(seconds=90.4), lost=2)

    assert health(seen, NOW).line == (
        "OORT WARNING - 1 file needs you; 2 files are gone or changed since yesterday "
        "| pending=3 errors=1 oldest_pending_s=90 lost=2"
    )
    assert health(WELL, NOW).line == (
        "OORT OK - all 412 files are safe | pending=0 errors=0 oldest_pending_s=0 lost=0"
    )


def test_a_queue_that_cannot_be_read_is_unknown() -> None:
    assert unreadable("the queue is locked").line == "OORT UNKNOWN - the queue is locked"


def test_words_of_others_cannot_break_the_line() -> None:
    found = Health(Level.WARNING, "a | b\nc", {"pending": 1})

    assert found.line == "OORT WARNING - a / b c | pending=1"


def test_the_levels_are_the_exit_codes() -> None:
    assert [level.value for level in Level] == [0, 1, 2, 3]
