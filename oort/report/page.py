"""The night as one page of HTML that needs no network: to read, to keep, to print."""

from __future__ import annotations

import os
import secrets
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import jinja2

import oort
from oort.errors import OortError
from oort.report.plot import plot_of

if TYPE_CHECKING:
    from pathlib import Path

    from oort.report.sources import Night

_MOST_LINES: Final = 200
"""So many gaps and failures are on the page; the JSON has them all."""
_KILO: Final = 1024
_UNITS: Final = ("B", "KB", "MB", "GB", "TB", "PB")
_MINUTE_S: Final = 60
_HOUR_S: Final = 3600

_FATES: Final = (
    ("safe", "Safe"),
    ("waiting", "On the way"),
    ("error", "In error"),
    ("gone", "Gone, never stored"),
    ("changed", "Changed after the upload"),
    ("ignored", "Put aside"),
)
_GROUPS: Final = (
    ("by_object", "Object"),
    ("by_filter", "Filter"),
    ("by_imagetyp", "Image type"),
    ("by_dataset", "Dataset"),
)


def render(night: Night, document: dict[str, Any]) -> str:
    """Return the page of a night, of which `document` is the JSON."""
    # Every value is escaped: names are written by cameras, headers by whoever owns one.
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("oort.report", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=_plain,
    )
    environment.filters |= {
        "size": size,
        "duration": duration,
        "moment": _moment,
        "number": lambda number: f"{number:,}",
    }
    return environment.get_template("page.html.j2").render(
        report=document,
        evening=f"{night.night.day} {night.night:%B %Y}",
        verdict=_verdict(document),
        plot=plot_of(night.ledger.seen, night.ledger.safe),
        fates=[(words, document["files"][key], key) for key, words in _FATES],
        groups=[(words, document[key]) for key, words in _GROUPS if document[key]],
        most=_MOST_LINES,
        host=night.host,
        version=oort.__version__,
        made_at=night.made_at,
    )


def write(path: Path, text: str) -> None:
    """Put a page at `path` in one step: whoever reads meanwhile sees the old one or the new one.

    Raises OortError where it cannot be written.
    """
    target = path.resolve() if path.is_symlink() else path
    aside = target.with_name(f".{target.name[:100]}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        try:
            with aside.open("x", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            aside.replace(target)
        except BaseException:
            aside.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise OortError(
            f"the page {path} cannot be written: {error.strerror or error}",
            hint="its folder must exist and be writable",
        ) from error


def _plain(value: Any) -> Any:
    """Show what is no letter as an escape: a name must not turn the line that it stands in."""
    if type(value) is not str or value.isprintable():
        return value
    return "".join(
        letter
        if letter.isprintable() or letter == "\n"
        else letter.encode("unicode_escape").decode()
        for letter in value
    )


def _verdict(document: dict[str, Any]) -> tuple[str, str, str]:
    """Return what kind of a night it is, the answer in two words, and in a sentence."""
    files = document["files"]
    total, safe = files["total"], files["safe"]
    if document["complete"]:
        if not total:
            return "complete", "Complete", "The night has no files."
        aside = f" {total - safe:,} put aside by a person." if total > safe else ""
        return "complete", "Complete", f"{_of(safe, total)} at the server.{aside}"
    if files["error"] or files["gone"] or files["changed"]:
        lost = files["error"] + files["gone"] + files["changed"]
        needs = "1 file needs" if lost == 1 else f"{lost:,} files need"
        return "lost", "Not complete", f"{_of(safe, total)} at the server; {needs} a person."
    if files["waiting"]:
        return (
            "open",
            "Not complete",
            (f"{_of(safe, total)} at the server; {files['waiting']:,} on the way."),
        )
    if not total:
        return "open", "Not known", "No file of the night was seen; there may be some."
    return "open", "Not known", f"{_of(safe, total)} at the server, of those that were seen."


def _of(safe: int, total: int) -> str:
    if safe == total:
        return "Its only file is" if total == 1 else f"All {total:,} files are"
    return f"{safe:,} of {total:,} files {'is' if safe == 1 else 'are'}"


def size(count: int) -> str:
    """Return bytes as people read them, 1024-based."""
    value, unit = float(count), 0
    while value >= _KILO and unit < len(_UNITS) - 1:
        value, unit = value / _KILO, unit + 1
    return f"{value:.0f} B" if unit == 0 else f"{value:.1f} {_UNITS[unit]}"


def duration(seconds: float | None) -> str:
    """Return seconds as people read them: `3.1 s`, `4 min 10 s`, `10 h 33 min`."""
    if seconds is None:
        return "-"
    if seconds < _MINUTE_S:
        return f"{seconds:.1f} s" if seconds else "0 s"
    whole = round(seconds)
    if whole < _HOUR_S:
        return f"{whole // _MINUTE_S} min" + (f" {whole % 60} s" if whole % 60 else "")
    rest = whole % _HOUR_S // _MINUTE_S
    return f"{whole // _HOUR_S} h" + (f" {rest} min" if rest else "")


def _moment(moment: str | datetime | None) -> str:
    """Return a moment to the minute, in UTC."""
    if moment is None:
        return "-"
    if isinstance(moment, str):
        moment = datetime.fromisoformat(moment)
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M}"
