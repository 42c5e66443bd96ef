"""The first line of the page: is everything safe? What needs somebody comes before what waits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

Document = dict[str, Any]

_BAD: Final = "bad"
_WARN: Final = "warn"
_BUSY: Final = "busy"
_GOOD: Final = "good"
_QUIET: Final = "quiet"


def verdict(page: Document) -> Document:
    """Return `tone`, `text` and `detail` for the document of `oort.status.page`.

    `{at}` and `{night}` in a text stand for the moment `at` and the date `night`: whoever looks
    sees them in the way and the time zone that are his.
    """
    tone, text, at = next(_answers(page))
    return {
        "tone": tone,
        "text": text,
        "at": at,
        "night": page["night"]["night"],
        "detail": _detail(page),
    }


def unreadable(reason: str) -> Document:
    """Return the verdict where the queue cannot be read."""
    return {
        "tone": _BAD,
        "text": "The queue cannot be read",
        "at": None,
        "night": None,
        "detail": reason,
    }


def _answers(page: Document) -> Iterator[tuple[str, str, str | None]]:
    """Yield what can be said, what matters most first; the last one always holds."""
    status = page["status"]
    queue, link, daemon = status["queue"], status["link"], status["daemon"]
    failed, waiting = queue["by_status"]["Error"], queue["pending_files"]
    lost = queue["gone"] + queue["changed"]
    wait = f"{_files(waiting)} {_verb(waiting, 'waits', 'wait')}"
    if failed:
        yield _BAD, f"{_files(failed)} {_verb(failed, 'needs', 'need')} you", None
    if lost:
        yield _WARN, f"{_files(lost)} {_verb(lost, 'is', 'are')} gone or changed", None
    if not daemon["running"]:
        waits = f"{wait}, and the daemon is not running"
        yield _BAD, waits if waiting else "The daemon is not running", None
    elif link["state"] == "unauthorised":
        yield _BAD, "The server refuses the key", None
    elif link["state"] == "offline":
        since = ", offline since {at}" if link["since"] else ""
        yield _WARN, (f"{wait} for the link{since}" if waiting else _offline(link)), link["since"]
    elif daemon["paused"]:
        yield _WARN, f"{wait}: uploads are paused" if waiting else "Uploads are paused", None
    for watch in status["watches"]:
        if watch["state"] in ("missing", "held"):
            yield _WARN, f"The watch “{watch['name']}” is {watch['state']}", None
    if waiting:
        yield _BUSY, f"{_files(waiting)} on the way", None
    yield _at_rest(page)


def _offline(link: Document) -> str:
    return "The link is offline since {at}" if link["since"] else "The link is offline"


def _at_rest(page: Document) -> tuple[str, str, str | None]:
    """Return what can be said where nothing waits and nothing failed."""
    status, night = page["status"], page["night"]
    if not status["queue"]["total"]:
        watched = "No file has been seen yet"
        return _QUIET, watched if status["watches"] else "No folder is watched yet", None
    if night["safe"]:
        of = "of tonight" if night["is_tonight"] else "of the night of {night}"
        return _GOOD, _all_safe(night["safe"], of), None
    if status["queue"]["safe"]:
        return _GOOD, _all_safe(status["queue"]["safe"]), None
    return _QUIET, "Nothing waits", None


def _all_safe(count: int, of: str = "") -> str:
    files = "The file" if count == 1 else f"All {count:,} files"
    return " ".join(word for word in (files, of, _verb(count, "is", "are"), "safe") if word)


def _detail(page: Document) -> str:
    """Return what the verdict leaves out: how much is safe, what is known by name and size alone."""
    queue = page["status"]["queue"]
    parts = []
    if queue["pending_files"] or queue["by_status"]["Error"] or queue["gone"] + queue["changed"]:
        parts.append(f"{_files(queue['safe'])} safe" if queue["safe"] else "None is safe yet")
    elif queue["safe"] > page["night"]["safe"] > 0:
        parts.append(f"{_files(queue['safe'])} of all nights are safe")
    if queue["unproven"]:
        parts.append(f"{queue['unproven']:,} by name and size alone")
    if page["night"]["skipped"]:
        parts.append(f"{page['night']['skipped']:,} left out")
    return ", ".join(parts)


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count:,} files"


def _verb(count: int, one: str, many: str) -> str:
    return one if count == 1 else many
