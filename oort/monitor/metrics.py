"""`/metrics`: the numbers of the queue in the text format of Prometheus. Pure.

The names are contract.md §3. No label has a file's name, and each has few values. The counters are
those that the daemon keeps in its notes (`oort.daemon.tally`), so that no restart takes them back.
Format: prometheus.io/docs/instrumenting/exposition_formats, version 0.0.4.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, get_args

from oort.policy.outcome import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

_UP: Final = frozenset({"watching", "polling", "scanning"})
_OUTCOMES: Final = tuple(outcome.__name__ for outcome in get_args(Outcome))
_WORD: Final = re.compile(r"(?<!^)(?=[A-Z])")

Sample = tuple[str, "Mapping[str, str]", float]
"""What comes after the name of its family, the labels, the value."""


def metrics(page: Mapping[str, Any], now: datetime) -> str:
    """Return every metric of one look (`oort.status.page`)."""
    return "".join(_families(page, now))


def _families(page: Mapping[str, Any], now: datetime) -> Iterator[str]:
    status, totals = page["status"], page["totals"]
    queue, daemon = status["queue"], status["daemon"]
    yield _family(
        "oort_up", "gauge", "Whether the daemon runs.", [("", {}, float(daemon["running"]))]
    )
    yield _family(
        "oort_link_up",
        "gauge",
        "Whether the link to an API server is online, as the daemon told last.",
        [
            ("", {"api": link["api"]}, float(daemon["running"] and link["state"] == "online"))
            for link in page["links"]
        ],
    )
    yield _family(
        "oort_files",
        "gauge",
        "Files in the queue, by status.",
        [("", {"status": name}, count) for name, count in queue["by_status"].items()],
    )
    yield _family(
        "oort_pending_bytes",
        "gauge",
        "Bytes of the files that are on their way.",
        [("", {}, queue["pending_bytes"])],
    )
    yield _family(
        "oort_oldest_pending_seconds",
        "gauge",
        "How long the oldest waiting file has waited; 0 where none waits.",
        [("", {}, _age_s(queue["oldest_pending_at"], now))],
    )
    yield _family(
        "oort_uploaded_files_total",
        "counter",
        "Files stored by this queue.",
        [("", {}, totals.get("files", 0))],
    )
    yield _family(
        "oort_uploaded_bytes_total",
        "counter",
        "Bytes of the files stored by this queue.",
        [("", {}, totals.get("bytes", 0))],
    )
    yield _family(
        "oort_attempts_total",
        "counter",
        "Attempts at an upload, by what came of them.",
        list(_attempts(totals.get("attempts", {}))),
    )
    yield _family(
        "oort_upload_seconds",
        "histogram",
        "How long a stored file took, from a worker's hand to its record on the disk.",
        list(_seconds(totals.get("seconds"))),
    )
    yield _family(
        "oort_watch_up",
        "gauge",
        "Whether a watched folder is there and its files may be sent.",
        [
            ("", {"watch": watch["name"]}, float(watch["state"] in _UP))
            for watch in status["watches"]
            if watch["state"] != "disabled"
        ],
    )
    missed = totals.get("missed_events", {})
    yield _family(
        "oort_missed_events_total",
        "counter",
        "Files of a watch that a scan found and no event had announced.",
        [
            ("", {"watch": watch["name"]}, missed.get(watch["name"], 0))
            for watch in status["watches"]
        ],
    )
    yield _family(
        "oort_last_success_timestamp_seconds",
        "gauge",
        "When a file was stored last, in seconds since 1970; 0 where none ever was.",
        [("", {}, totals.get("last_success_at") or 0)],
    )


def _attempts(counted: Mapping[str, int]) -> Iterator[Sample]:
    """Yield every outcome there is, also those that never came: a rate needs a first value."""
    for outcome in _OUTCOMES:
        label = _WORD.sub("_", outcome).lower()
        yield "", {"outcome": label}, counted.get(outcome, 0)


def _seconds(seconds: Mapping[str, Any] | None) -> Iterator[Sample]:
    told = seconds or {"bounds": [], "within": [], "count": 0, "sum": 0.0}
    for bound, within in zip(told["bounds"], told["within"], strict=True):
        yield "_bucket", {"le": _number(bound)}, within
    yield "_bucket", {"le": "+Inf"}, told["count"]
    yield "_sum", {}, told["sum"]
    yield "_count", {}, told["count"]


def _age_s(since: str | None, now: datetime) -> float:
    if since is None:
        return 0.0
    return max(0.0, round((now - datetime.fromisoformat(since)).total_seconds(), 3))


def _family(name: str, kind: str, words: str, samples: Iterable[Sample]) -> str:
    lines = [f"# HELP {name} {words}", f"# TYPE {name} {kind}"]
    lines += [f"{name}{rest}{_labels(labels)} {_number(value)}" for rest, labels, value in samples]
    return "\n".join(lines) + "\n"


def _labels(labels: Mapping[str, str]) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items()) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else repr(float(value))
