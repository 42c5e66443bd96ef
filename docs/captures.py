"""What `oort status` shows in a terminal, drawn by its own code from nights made for the page."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from io import StringIO
from typing import TYPE_CHECKING, Any, Final

from rich.console import Console

from oort.cli import explain, overview

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Group

NOW: Final = datetime(2026, 11, 29, 5, 0, tzinfo=UTC)
WIDTHS: Final = (80, 120)

_IMAGES: Final = "/data/observatory/dome 1/raw"
_NONE: Final = dict.fromkeys(
    ("New", "Preparing", "Uploading", "Finishing", "OK", "Skipped", "Error"), 0
)

PAGE: Final = """\
# The five-second answer

Generated from `oort/cli/overview.py` and `docs/captures.py` by `make docs`; do not edit.

`oort status` says first whether all is safe, then what it knows of daemon, link, watches and uploads in hand, and last what needs a person, with the command to type.
`oort status --live` goes on showing it; `oort status FOLDER` counts one folder; `oort status FILE` explains one file.

{nights}
## One file

```
$ oort status "{file}"
{explained}
```
"""


def page() -> str:
    """Return `status.md`."""
    with _in_utc():
        nights = "\n".join(
            f"## {title}\n\n"
            + "\n".join(
                f"At {width} columns:\n\n```\n{_drawn(document, width)}\n```\n" for width in WIDTHS
            )
            for title, document in _nights().items()
        )
        file = _file()
        explained = "\n".join(explain.of_file(file, NOW))
    return PAGE.format(nights=nights, file=file["path"], explained=explained)


def _drawn(document: dict[str, Any], width: int) -> str:
    shown: Group = overview.render(document, NOW)
    console = Console(
        file=StringIO(),
        width=width,
        force_terminal=True,
        color_system=None,
        markup=False,
        highlight=False,
        emoji=False,
    )
    with console.capture() as capture:
        console.print(shown)
    return "\n".join(line.rstrip() for line in capture.get().splitlines())


@contextmanager
def _in_utc() -> Iterator[None]:
    """Show times as a computer in UTC does, wherever the page is made."""
    before = os.environ.get("TZ")
    os.environ["TZ"] = "UTC"
    time.tzset()
    try:
        yield
    finally:
        if before is None:
            del os.environ["TZ"]
        else:
            os.environ["TZ"] = before
        time.tzset()


def _watch(name: str, path: str, **other: Any) -> dict[str, Any]:
    counts = {key: other.pop(key) for key in list(other) if key in _NONE}
    return {
        "name": name,
        "path": path,
        "state": "watching",
        "reason": None,
        "dataset": "{night}/{object}",
        "by_status": _NONE | counts,
        "left_out": {"hidden": 0, "empty": 0, "excluded": 2, "outside": 0},
        "unreadable": [],
        **other,
    }


def _watches(**dome: int) -> list[dict[str, Any]]:
    return [
        _watch("dome 1", _IMAGES, **dome),
        _watch("allsky", "/mnt/nas/allsky", dataset="allsky {night}", state="polling", OK=32),
    ]


def _document(**other: Any) -> dict[str, Any]:
    queue = {
        "total": 412,
        "by_status": _NONE | {"OK": 412},
        "pending_files": 0,
        "pending_bytes": 0,
        "unproven": 0,
        "safe": 412,
        "gone": 0,
        "changed": 0,
        "rate_bytes_per_s": 0.0,
        "eta_s": None,
    }
    return {
        "daemon": {
            "running": True,
            "pid": 4242,
            "host": "dome-pc",
            "started_at": "2026-11-20T18:00:00.000Z",
            "paused": False,
            "warnings": [],
        },
        "link": {"state": "online", "since": None, "reason": None, "next_attempt_at": None},
        "queue": queue | other.pop("queue", {}),
        "watches": _watches(OK=380),
        "active": [],
        "attention": [],
        **other,
    }


def _nights() -> dict[str, dict[str, Any]]:
    return {
        "All is safe": _document(),
        "Files on the way": _document(
            queue={
                "by_status": _NONE | {"New": 3, "Uploading": 2, "OK": 407},
                "pending_files": 5,
                "pending_bytes": 134_553_600,
                "safe": 407,
                "rate_bytes_per_s": 1_048_576.0,
                "eta_s": 128.3,
            },
            watches=_watches(New=3, Uploading=2, OK=375),
            active=[
                {
                    "path": f"{_IMAGES}/2026-11-28/M31/L/{name}",
                    "size": 33_554_432,
                    "bytes_sent": sent,
                }
                for name, sent in (("M31_L_0231.fits", 27_262_976), ("M31_L_0232.fits", 4_194_304))
            ],
        ),
        "The link is down": _document(
            link={
                "state": "offline",
                "since": "2026-11-29T02:14:07.000Z",
                "reason": "api.arcsecond.io could not be reached: no route to the host",
                "next_attempt_at": "2026-11-29T05:00:41.000Z",
            },
            queue={
                "by_status": _NONE | {"New": 61, "OK": 351},
                "pending_files": 61,
                "pending_bytes": 2_046_820_352,
                "safe": 351,
            },
            watches=_watches(New=61, OK=319),
        ),
        "A file needs somebody, and a share is away": _document(
            queue={
                "by_status": _NONE | {"OK": 411, "Error": 1},
                "safe": 411,
            },
            watches=[
                _watch("dome 1", _IMAGES, OK=379, Error=1),
                _watch(
                    "allsky",
                    "/mnt/nas/allsky",
                    dataset="allsky {night}",
                    state="missing",
                    reason="/mnt/nas/allsky is not there",
                    OK=32,
                ),
            ],
            attention=[
                {
                    "id": 397,
                    "path": f"{_IMAGES}/2026-11-28/M31/L/M31_L_0207.fits",
                    "substatus": "truncated file",
                    "error": "its headers announce 33,554,432 bytes, it has 12,000,000: it is still "
                    "being written, or the disk was full",
                }
            ],
        ),
    }


def _file() -> dict[str, Any]:
    def step(at: str, status: str, substatus: str, cause: str) -> dict[str, str]:
        return {
            "at": f"2026-11-29T{at}Z",
            "status": status,
            "substatus": substatus,
            "cause": cause,
        }

    return {
        "id": 397,
        "watch": "dome 1",
        "path": f"{_IMAGES}/2026-11-28/M31/L/M31_L_0230.fits",
        "size": 33_554_432,
        "status": "New",
        "substatus": "waiting to retry",
        "attempts": 1,
        "error": "api.arcsecond.io: 503 Service Unavailable",
        "dataset": "2026-11-28/M31",
        "remote_id": None,
        "sha256": None,
        "next_attempt_at": "2026-11-29T05:00:12.000Z",
        "unproven": False,
        "history": [
            step("04:58:31.204", "New", "settling...", "an event named it"),
            step("04:58:32.011", "New", "pending", "quiet, and whole by its FITS headers"),
            step("04:58:32.060", "Uploading", "uploading...", "claimed"),
            step("04:58:51.377", "New", "waiting to retry", "503 Service Unavailable"),
        ],
    }
