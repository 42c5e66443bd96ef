"""Which observing night does a file belong to: noon to noon, named by the date of its evening.

Headers are written by cameras, so nothing here raises on nonsense: what means nothing is passed
over, and the file's own mtime is the last word.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import tzinfo

HEADER_KEYS: Final = ("DATE-OBS", "TIME-OBS", "UT", "DATE-BEG", "MJD-OBS")
"""What `moment_of` looks at, for whoever reads the header."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MJD_ZERO: Final = datetime(1858, 11, 17, tzinfo=UTC)
_HALF_DAY: Final = timedelta(hours=12)
# Second 60 is a leap second, hour 24 is nonsense.
_CLOCK: Final = r"([01]?\d|2[0-3]):([0-5]?\d)(?::((?:[0-5]?\d|60)(?:\.\d*)?))?"
_ISO: Final = re.compile(rf"(\d{{4}})-(\d{{1,2}})-(\d{{1,2}})(?:[T ]+{_CLOCK}Z?)?", re.ASCII)
_OLD: Final = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{2})", re.ASCII)
_TIME_ALONE: Final = re.compile(rf"{_CLOCK}Z?", re.ASCII)


def night_of(moment: datetime, longitude_deg: float | None, tz: tzinfo | None = None) -> date:
    """Return the date of the evening of the night that `moment` (aware) belongs to.

    Local mean solar time by `longitude_deg` (east positive) where it is known, else the time
    zone `tz`, None being the machine's own.
    """
    try:
        return (_local(moment, longitude_deg, tz) - _HALF_DAY).date()
    except OverflowError:  # the first and last day that the calendar knows
        return moment.date()


def bounds_of(
    night: date, longitude_deg: float | None, tz: tzinfo | None = None
) -> tuple[datetime, datetime]:
    """Return when a night begins and ends, in UTC: each moment from the one to the other is its own.

    By `longitude_deg` or `tz`, as in `night_of`.
    """
    return _noon(night, longitude_deg, tz), _noon(_day_after(night), longitude_deg, tz)


def _day_after(day: date) -> date:
    return day + timedelta(days=1) if day < date.max else day


def _noon(day: date, longitude_deg: float | None, tz: tzinfo | None) -> datetime:
    """Return the noon of a day in UTC."""
    noon = datetime.combine(day, time(12))
    longitude = _longitude(longitude_deg)
    try:
        if longitude is not None:
            return noon.replace(tzinfo=UTC) - timedelta(hours=longitude / 15)
        return noon.replace(tzinfo=tz).astimezone(UTC)
    except (OverflowError, OSError, ValueError):  # the C library knows no such year
        return noon.replace(tzinfo=UTC)


def moment_of(header: Mapping[str, str], mtime_ns: int) -> datetime:
    """Return the moment (UTC) of a file, by what its header says, else by its mtime.

    A date that stands alone is the weakest word: a complete DATE-BEG or MJD-OBS is taken before
    it, and so is an mtime of the same day.
    """
    written = _from_mtime(mtime_ns)
    if not header:
        return written
    moment = _from_iso(header.get("DATE-OBS", ""))
    if moment is not None:
        return moment
    day = _date_of(header.get("DATE-OBS", ""))
    moment = (
        _from_parts(day, header)
        or _from_iso(header.get("DATE-BEG", ""))
        or _from_mjd(header.get("MJD-OBS", ""))
    )
    if moment is not None:
        return moment
    day = day or _date_of(header.get("DATE-BEG", ""))
    if day is None or day == written.date():
        return written
    return datetime.combine(day, time(), UTC)


def _longitude(longitude_deg: float | None) -> float | None:
    """Return a usable longitude between -180 and 180, None where there is none."""
    if longitude_deg is None or not math.isfinite(longitude_deg):
        return None
    return (longitude_deg + 180) % 360 - 180


def _local(moment: datetime, longitude_deg: float | None, tz: tzinfo | None) -> datetime:
    longitude = _longitude(longitude_deg)
    if longitude is not None:
        return moment.astimezone(UTC).replace(tzinfo=None) + timedelta(hours=longitude / 15)
    try:
        return moment.astimezone(tz).replace(tzinfo=None)
    except (OSError, ValueError):  # the C library knows no such year
        return moment.astimezone(UTC).replace(tzinfo=None)


def _from_mtime(mtime_ns: int) -> datetime:
    try:
        return _EPOCH + timedelta(microseconds=mtime_ns // 1000)
    except OverflowError:
        return _EPOCH


def _date_of(text: str) -> date | None:
    """Return the date of `YYYY-MM-DD…` or of `DD/MM/YY`, which is 19YY (FITS, before 2000)."""
    text = text.strip()
    if match := _ISO.fullmatch(text):
        return _date(match[1], match[2], match[3])
    if match := _OLD.fullmatch(text):
        return _date(f"19{match[3]}", match[2], match[1])
    return None


def _date(year: str, month: str, day: str) -> date | None:
    try:
        return date(int(year), int(month), int(day))
    except ValueError:
        return None


def _at(day: date, hours: str, minutes: str, seconds: str | None) -> datetime | None:
    of_day = timedelta(hours=int(hours), minutes=int(minutes), seconds=float(seconds or 0))
    try:
        return datetime.combine(day, time(), UTC) + of_day
    except OverflowError:
        return None


def _from_iso(text: str) -> datetime | None:
    """Return the moment of a date with its time."""
    match = _ISO.fullmatch(text.strip())
    if match is None or match[4] is None:
        return None
    day = _date(match[1], match[2], match[3])
    return None if day is None else _at(day, match[4], match[5], match[6])


def _from_parts(day: date | None, header: Mapping[str, str]) -> datetime | None:
    """Return the moment of a date that has its time in another keyword."""
    for key in ("TIME-OBS", "UT") if day else ():
        match = _TIME_ALONE.fullmatch(header.get(key, "").strip())
        if day and match and (moment := _at(day, match[1], match[2], match[3])):
            return moment
    return None


def _from_mjd(text: str) -> datetime | None:
    try:
        return _MJD_ZERO + timedelta(days=float(text.strip().upper().replace("D", "E")))
    except (ValueError, OverflowError):
        return None
