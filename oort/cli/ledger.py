"""The night report in words: the verdict first, then sums, what was taken, and what is wrong.

Everything here turns the document of `oort.report` (contract.md §3) into something to read at 80
columns; nothing is asked or counted here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from oort.cli import output
from oort.cli.overview import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from rich.console import Group, RenderableType

Document = dict[str, Any]

_MOST: Final = 20
"""So many lines of one kind are shown; the JSON has them all."""
_MOST_NAMES: Final = 8
_BAR: Final = 24
_FATES: Final = {
    "waiting": "on the way",
    "error": "in error",
    "gone": "gone and never stored",
    "changed": "changed after the upload",
    "ignored": "ignored",
}
_GROUPS: Final = (
    ("OBJECT", "by_object"),
    ("FILTER", "by_filter"),
    ("TYPE", "by_imagetyp"),
    ("DATASET", "by_dataset"),
)


def verdict(document: Document) -> Verdict:
    """Return the first line: the answer to "is that night safe?"."""
    files = document["files"]
    named = f"The night of {document['night']}"
    total, safe = files["total"], files["safe"]
    if document["complete"]:
        if not total:
            return Verdict(f"{named} is complete: it has no files.", "bold")
        if safe == total:
            what = "its only file is" if total == 1 else f"all {output.count(total, 'file')} are"
            return Verdict(f"{named} is complete: {what} safe.", "green")
        aside = total - safe
        return Verdict(
            f"{named} is complete: {safe:,} of {output.count(total, 'file')} are safe, "
            f"{aside:,} put aside by a person.",
            "green",
        )
    is_lost = files["error"] or files["gone"] or files["changed"]
    wrong = [f"{files[fate]:,} {words}" for fate, words in _FATES.items() if files[fate]]
    if safe == total and total:
        text = f"{named} is not known to be complete, though {_all(total)} safe."
    elif not total:
        text = f"{named} has no files, and is not known to be complete."
    else:
        text = f"{named} is not complete: {safe:,} of {output.count(total, 'file')} safe" + (
            f"; {', '.join(wrong)}." if wrong else "."
        )
    return Verdict(text, "red" if is_lost else "yellow")


def _all(total: int) -> str:
    return "its only file is" if total == 1 else f"all {output.count(total, 'file')} seen are"


def render(document: Document) -> Group:
    """Return the whole report for rich."""
    from rich.console import Group
    from rich.text import Text

    first = verdict(document)
    parts: list[RenderableType] = [Text(first.text, style=first.style)]
    parts += [Text(f"Unknown: {_words(one)}", style="yellow") for one in document["unknown"]]
    parts += [Text(f"Warning: {_words(one)}", style="yellow") for one in document["warnings"]]
    parts += [Text(), *_sums(document)]
    parts += _taken(document)
    parts += _gaps(document["gaps"])
    parts += _failures(document["failures"])
    return Group(*parts)


def _sums(document: Document) -> Iterable[RenderableType]:
    from rich.table import Table
    from rich.text import Text

    files, volume = document["files"], document["bytes"]
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold")
    grid.add_column()
    grid.add_row("NIGHT", f"{_moment(document['starts_at'])} to {_moment(document['ends_at'])} UTC")
    if document["first_at"]:
        grid.add_row(
            "FRAMES", f"{_moment(document['first_at'])} to {_moment(document['last_at'])} UTC"
        )
    grid.add_row("FILES", Text(_counts(files)))
    grid.add_row("VOLUME", f"{output.size(volume['total'])}, {output.size(volume['safe'])} safe")
    grid.add_row("EXPOSURE", f"{output.duration(document['exposure_s'])} of light frames")
    times = document["time_to_cloud_s"]
    if times["max"] is not None:
        grid.add_row(
            "TO CLOUD",
            f"median {_seconds(times['median'])}, 95 % within {_seconds(times['p95'])}, "
            f"longest {_seconds(times['max'])}",
        )
    return [grid]


def _counts(files: Mapping[str, int]) -> str:
    words = [f"{files['total']:,}", f"{files['safe']:,} safe"]
    if files["unproven"]:
        words[-1] += f" ({files['unproven']:,} by name and size alone)"
    words += [f"{files[fate]:,} {said}" for fate, said in _FATES.items() if files[fate]]
    return ", ".join(words)


def _taken(document: Document) -> list[RenderableType]:
    """Return what was taken: counts by object, filter, type and dataset, with bars."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold", show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold", max_width=36)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(no_wrap=True, style="dim")
    for heading, key in _GROUPS:
        sums = document[key]
        most = max(sums.values(), default=0)
        for n, (name, count) in enumerate(list(sums.items())[:_MOST_NAMES]):
            bar = "▪" * max(1, round(_BAR * count / most))
            table.add_row("" if n else heading, Text(_words(name)), f"{count:,}", bar)
        if len(sums) > _MOST_NAMES:
            rest = list(sums.values())[_MOST_NAMES:]
            table.add_row("", f"and {len(rest):,} more", f"{sum(rest):,}", "")
    return [Text(), table] if table.row_count else []


def _gaps(gaps: list[Document]) -> list[RenderableType]:
    from rich.text import Text

    if not gaps:
        return []
    missing = sum(gap["missing"] for gap in gaps)
    numbers = output.count(missing, "number is", "numbers are")
    parts: list[RenderableType] = [Text(), Text(f"GAPS: {numbers} missing", style="bold")]
    for gap in gaps[:_MOST]:
        count = f"{gap['missing']:,} missing between"
        parts.append(Text(f"  {count} {_words(gap['after'])} and {_words(gap['before'])}"))
        parts.append(Text(f"    in {_words(gap['folder'])}", style="dim"))
    return parts + _more(len(gaps))


def _failures(failures: list[Document]) -> list[RenderableType]:
    from rich.text import Text

    if not failures:
        return []
    parts: list[RenderableType] = [Text(), Text("NOT SAFE", style="bold")]
    for one in failures[:_MOST]:
        parts.append(Text(f"  {_words(one['path'])}"))
        why = f": {_words(one['error'])}" if one["error"] else ""
        parts.append(Text(f"    {one['substatus']}{why}", style="red"))
    return parts + _more(len(failures))


def _more(count: int) -> list[RenderableType]:
    from rich.text import Text

    if count <= _MOST:
        return []
    return [Text(f"  and {count - _MOST:,} more: `oort report --json` has them all")]


def _words(text: str) -> str:
    return output.words(text)


def _moment(text: str | None) -> str:
    """Return a moment of the document to the second, as it is there: in UTC."""
    return "?" if text is None else text[:19].replace("T", " ")


def _seconds(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 10 else output.duration(seconds)  # noqa: PLR2004  # tenths of so few matter
