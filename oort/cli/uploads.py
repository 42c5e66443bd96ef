"""`oort uploads`: the rows of the queue, newest change first."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import click

from oort.cli import completion, options, output
from oort.policy.state import Status

if TYPE_CHECKING:
    from collections.abc import Iterable

_AGE: Final = re.compile(r"(\d{1,9})([smhdw])", re.ASCII)
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


class Since(click.ParamType[datetime]):
    """A moment: ISO 8601 (without an offset: local time), or an age as `90m`, `2h`, `3d`."""

    name = "time"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """Return the moment; exit 2 where it is none."""
        from oort.clock import SystemClock

        text = str(value).strip()
        try:
            if match := _AGE.fullmatch(text):
                age = timedelta(seconds=int(match[1]) * _SECONDS[match[2]])
                return SystemClock().now() - age
            return datetime.fromisoformat(text).astimezone()
        except (ValueError, OverflowError, OSError):
            self.fail(f"{text!r} is neither ISO 8601 nor an age as 90m, 2h or 3d", param, ctx)


class Night(click.ParamType[str]):
    """The date of an evening, `YYYY-MM-DD`."""

    name = "date"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        """Return the date as it was given; exit 2 where it is none."""
        try:
            return date.fromisoformat(str(value)).isoformat()
        except ValueError:
            self.fail(f"{value!r} is no date as 2026-11-22", param, ctx)


@click.command(short_help="List files and what became of them.")
@click.option(
    "--status",
    type=click.Choice([status.value for status in Status], case_sensitive=False),
    help="Only files in this status.",
)
@click.option(
    "--watch",
    metavar="N",
    shell_complete=completion.watches,
    help="Only files of this watch.",
)
@click.option("--night", type=Night(), help="Only files of the night of this evening.")
@click.option("--since", type=Since(), help="Only what changed since: ISO 8601, or an age as 2h.")
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    default=100,
    show_default=True,
    metavar="N",
    help="At most so many; 0 is all.",
)
@options.as_json
def uploads(*, limit: int, as_json: bool, **chosen: Any) -> None:
    """List files and what became of them, newest change first."""
    from oort import status as source

    here = options.here(last_good=True)
    rows = source.uploads(here.locations, here.settings, limit=limit, **chosen)
    if as_json:
        output.document(rows)
    elif rows:
        _show(rows)
        if limit and len(rows) == limit:
            output.complain(f"The newest {limit}; --limit 0 shows all.")
    else:
        output.line("There is no such file in the queue.")


def _show(rows: Iterable[dict[str, Any]]) -> None:
    from oort.clock import SystemClock

    now = SystemClock().now()
    output.table(
        ("ID>", "STATUS", "SIZE>", "TRIES>", "SINCE", "FILE", "REASON"),
        [
            (
                str(row["id"]),
                f"{row['status']} {row['substatus']}",
                output.size(row["size"]),
                str(row["attempts"]),
                output.moment(row["ended_at"] or row["started_at"] or row["created_at"], now),
                output.words(row["path"]),
                row["error"] or "",
            )
            for row in rows
        ],
    )
