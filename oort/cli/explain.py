"""`oort status PATH` in words: what happened to a file, what comes next, which command changes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from oort.cli import output

if TYPE_CHECKING:
    from datetime import datetime

Document = dict[str, Any]

_NEXT: Final = {
    "pending": "It is sent as soon as a worker is free.",
    "settling...": "It is sent once it no longer changes and its format says that it is whole.",
    "waiting to retry": "It is tried again{at}.",
    "held": "It goes on as soon as that is over{next}.",
    "checking remote file...": "The server is being asked whether it has the file.",
    "syncing dataset...": "Its dataset is being found or created; then it is sent.",
    "uploading...": "It is being sent.",
    "tagging...": "It is stored; its tags are being written.",
    "done": "Nothing: it is stored and confirmed.",
    "already synced": "Nothing: the server had it before.",
    "ignored": "Nothing: it is left out.",
    "skipped (hidden file)": "Nothing: hidden files are never sent.",
    "skipped (empty file)": "It is sent once something is in it.",
    "file gone": "If it comes back, it is sent. It was not at the server.",
    "changed after upload": (
        "Nothing by itself: the server keeps the earlier version. "
        "Rename the file to have this one sent too."
    ),
    "error": "It is tried again{at}.",
    "name conflict": "Nothing, until somebody decides.",
    "truncated file": "It is sent if it grows to what its header announces.",
}
"""What comes next, by substatus; `{at}` is the time of the next attempt."""

_CARRIED_BY_THE_DAEMON: Final = (
    *("pending", "settling...", "waiting to retry", "held"),
    *("checking remote file...", "syncing dataset...", "uploading...", "tagging..."),
)
"""What goes on only while the daemon runs."""

_STORED: Final = ("done", "already synced")

_COMMANDS: Final = {
    "pending": ("retry", "skip"),
    "waiting to retry": ("retry", "skip"),
    "held": ("skip",),
    "settling...": ("skip",),
    "ignored": ("retry",),
    "file gone": ("skip",),
    "changed after upload": ("retry", "skip"),
    "error": ("retry", "skip"),
    "name conflict": ("retry", "skip"),
    "truncated file": ("retry --force", "skip"),
}
"""The commands that change something, by substatus."""

_MEANING: Final = {
    "retry": "sends it now",
    "retry --force": "sends it as it is",
    "skip": "leaves it out for good",
}

_RULES: Final = "`oort watch FOLDER` changes the rules: --include, --exclude, --follow-symlinks."

_ACKNOWLEDGED: Final = ("file gone", "changed after upload")


def of_file(document: Document, now: datetime, *, running: bool = True) -> list[str]:
    """Return the lines that explain one file; `running`: there is a daemon to carry it on."""
    lines = [
        output.words(document["path"]),
        f"{document['status']}: {document['substatus']}",
    ]
    if document["error"]:
        lines.append(f"  {document['error']}")
    lines += ["", *_facts(document)]
    if document["history"]:
        lines += ["", "What happened:", *(_step(step, now) for step in document["history"])]
    lines += ["", "What comes next:", f"  {_next(document, now, running=running)}"]
    lines += [f"  {line}" for line in _commands(document)]
    return lines


def of_folder(document: Document) -> list[str]:
    """Return the lines that sum up one folder."""
    by_status = {status: number for status, number in document["by_status"].items() if number}
    counts = ", ".join(f"{status} {number:,}" for status, number in by_status.items())
    pending = document["pending_files"]
    on_the_way = "nothing is on the way"
    if pending:
        on_the_way = (
            f"{output.count(pending, 'file')} on the way ({output.size(document['pending_bytes'])})"
        )
    return [
        output.words(document["path"]),
        f"Watch: {document['watch']}",
        f"Files: {counts or 'none yet'}; {on_the_way}",
    ]


def _facts(document: Document) -> list[str]:
    facts = {
        "Size": output.size(document["size"]),
        "Watch": document["watch"],
        "Dataset": document["dataset"],
        "At the server as": document["remote_id"],
        "SHA-256": document["sha256"],
        "Attempts": document["attempts"] or None,
    }
    lines = [f"{name}: {value}" for name, value in facts.items() if value is not None]
    if document["unproven"]:
        lines.append("Unproven: only name and size say that the server's file is this one.")
    return lines


def _step(step: Document, now: datetime) -> str:
    return (
        f"  {output.moment(step['at'], now)}  {step['status']} {step['substatus']}  {step['cause']}"
    )


def _next(document: Document, now: datetime, *, running: bool) -> str:
    substatus, at = document["substatus"], document["next_attempt_at"]
    words = _NEXT.get(substatus, "Nothing is known of that.")
    if substatus in _STORED and document["error"]:
        return "The next scan compares it; what was stored stays as it is."
    if not running and substatus in _CARRIED_BY_THE_DAEMON:
        return "Nothing: the daemon is not running; `oort start` goes on with it."
    if substatus == "error" and at is None:
        return "Nothing, until somebody decides."
    if at is None:
        return words.format(at="", next="")
    wait = (output.parse_moment(at) - now).total_seconds()
    soon = f" (in {output.duration(wait)})" if wait > 0 else ""
    when = f" at {output.moment(at, now)}{soon}"
    return words.format(at=when, next=f"; the next try is{when}")


def _commands(document: Document) -> list[str]:
    if document["id"] is None:
        return [_RULES] if document["substatus"] == "ignored" else []
    lines = []
    for command in _COMMANDS.get(document["substatus"], ()):
        meaning = _MEANING[command]
        if command == "retry" and document["substatus"] == "changed after upload":
            meaning = "sends it where its dataset has no file of that name"
        elif command == "skip" and document["substatus"] in _ACKNOWLEDGED:
            meaning = "acknowledges that, so that reports no longer name it"
        lines.append(f"`oort {command} {document['id']}` {meaning}.")
    return lines
