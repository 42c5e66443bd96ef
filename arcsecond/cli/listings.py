"""How each resource is listed: what identifies an object, and the columns that follow it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from arcsecond.cli import output

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


def _as_it_is(value: Any) -> object:
    return value


@dataclass(frozen=True, slots=True)
class Column:
    """A field as a table shows it."""

    field: str
    title: str = ""
    shown: Callable[[Any], object] = _as_it_is
    right: bool = False
    whole: bool = False
    """Gives way last where a line is too narrow: half a time is none."""
    wide: bool = False
    """Shown only where a line has room for it, or where nobody has to read it."""


@dataclass(frozen=True, slots=True)
class Listing:
    """How a resource is shown: what identifies an object, and the columns that follow it."""

    words: str
    columns: tuple[Column, ...]
    identifiers: tuple[str, ...] = ("uuid",)
    """The first of them that an object has is its identifier."""
    needs_portal: bool = False


def _by_name(value: Any) -> object:
    """Return an object that is shown in place by its name, where it has one."""
    if isinstance(value, dict):
        return value.get("name") or value.get("username") or value.get("uuid") or value
    return value


def _moment(value: Any) -> object:
    """Return a time to the minute; what is a date alone, or no time, stays as it is."""
    try:
        moment = datetime.fromisoformat(value)
        if "T" not in value or moment.tzinfo is None:
            return value
        return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M}"
    except (TypeError, ValueError, OverflowError):
        return value


def _bytes(value: Any) -> object:
    return output.volume(value) if isinstance(value, int | float) else value


def _seconds(value: Any) -> object:
    return f"{value:g} s" if isinstance(value, int | float) else value


NAME = Column("name", shown=_by_name)
SIZE = Column("size", shown=_bytes, right=True)
START = Column("start", "START (UTC)", shown=_moment, whole=True)
DURATION = Column("duration", shown=_seconds, right=True)
CHANGED = Column("last_update", "CHANGED (UTC)", shown=_moment, wide=True, whole=True)
TELESCOPE = Column("telescope", shown=_by_name)

LISTINGS = {
    "allskycameras": Listing("all-sky cameras", (NAME,)),
    "calibrations": Listing("calibrations", (Column("type"), NAME, START, DURATION)),
    "datafiles": Listing(
        "data files", (NAME, SIZE, Column("dataset", shown=_by_name)), ("pk", "id", "name")
    ),
    "datapackages": Listing("data packages", (NAME, SIZE, CHANGED)),
    "datasets": Listing(
        "datasets",
        (
            NAME,
            Column("data_files_count", "FILES", shown=_by_name, right=True),
            Column("data_files_volume", "VOLUME", shown=_bytes, right=True),
            CHANGED,
        ),
    ),
    "members": Listing(
        "members of a portal",
        (Column("username"), Column("first_name"), Column("last_name"), Column("role")),
        ("pk", "id"),
        needs_portal=True,
    ),
    "nightlogs": Listing("night logs", (Column("date", whole=True), TELESCOPE)),
    "observations": Listing(
        "observations", (Column("target_name", "TARGET"), NAME, START, DURATION)
    ),
    "observingsites": Listing("observing sites", (NAME, Column("IAUCode", "IAU CODE"))),
    "organisations": Listing("organisations", (NAME,), ("subdomain",)),
    "profiles": Listing("profiles", (Column("first_name"), Column("last_name")), ("username",)),
    "targetlists": Listing("target lists", (NAME, CHANGED)),
    "targets": Listing("targets", (NAME, Column("type")), ("pk", "id", "uuid")),
    "telescopes": Listing("telescopes", (NAME, Column("alias"))),
}

_ROOM_FOR_MORE = 100
"""Columns of a line from which on the wide ones are shown too."""
_ENOUGH = 1000
"""Objects that settle the columns and their widths; a page has fewer, as servers go."""
_MISSING = "-"


class Rows:
    """Prints objects as a table; its columns are those of which the first objects have anything.

    The first are those of the first page, or as many of them as make a table: a listing may be one
    page of any length. Those that follow are printed as they come.
    """

    def __init__(self, listing: Listing) -> None:
        self._listing = listing
        self._columns: list[Column] = []
        self._table: output.Table | None = None
        self._first: list[Mapping[str, Any]] = []

    @property
    def are_none(self) -> bool:
        """Whether nothing was printed."""
        return self._table is None

    def add(self, one: Mapping[str, Any]) -> None:
        """Print one more, or keep it until there are enough of them to settle the columns."""
        if self._table is not None:
            self._table.add([self._row(one)])
            return
        self._first.append(one)
        if len(self._first) == _ENOUGH:
            self.end_page()

    def end_page(self) -> None:
        """Print what was kept."""
        if not self._first:
            return
        first, self._first = self._first, []
        columns = self._columns = _columns(self._listing, first)
        self._table = output.Table(
            [self._listing.identifiers[0].upper(), *(_title(column) for column in columns)],
            right=[number for number, c in enumerate(columns, 1) if c.right],
            whole=[number for number, c in enumerate(columns, 1) if c.whole],
        )
        self._table.add(self._row(one) for one in first)

    def _row(self, one: Mapping[str, Any]) -> tuple[object, ...]:
        shown = (_shown(column, one) for column in self._columns)
        return (_identifier_of(self._listing, one), *shown)


def for_people(listing: Listing, one: Mapping[str, Any]) -> dict[str, Any]:
    """Return an object with its identifier first, and numbers of bytes also as people read them."""
    volumes = {column.field for column in listing.columns if column.shown is _bytes}
    identifiers = {name: one[name] for name in listing.identifiers if name in one}
    return {
        name: f"{value} ({_bytes(value)})" if name in volumes and isinstance(value, int) else value
        for name, value in (identifiers | dict(one)).items()
    }


def _columns(listing: Listing, page: Sequence[Mapping[str, Any]]) -> list[Column]:
    width = output.line_width()
    has_room = width is None or width >= _ROOM_FOR_MORE
    return [
        column
        for column in listing.columns
        if (has_room or not column.wide)
        and any(one.get(column.field) not in (None, "") for one in page)
    ]


def _title(column: Column) -> str:
    return column.title or column.field.replace("_", " ").upper()


def _shown(column: Column, one: Mapping[str, Any]) -> object:
    value = one.get(column.field)
    return _MISSING if value in (None, "") else column.shown(value)


def _identifier_of(listing: Listing, one: Mapping[str, Any]) -> object:
    return next((one[n] for n in listing.identifiers if one.get(n) is not None), _MISSING)
