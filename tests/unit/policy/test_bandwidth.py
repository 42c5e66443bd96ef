"""What `bwlimit` means."""

from __future__ import annotations

from datetime import time

import pytest

from oort.policy import bandwidth


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("off", None),
        ("OFF", None),
        ("512k", 512 * 1024),
        ("2M", 2 * 1024**2),
        ("1.5M", 1.5 * 1024**2),
        ("1g", 1024**3),
        ("100", 100),
        ("100b", 100),
    ],
)
def test_a_rate_is_counted_in_1024(text: str, rate: float | None) -> None:
    assert rate == bandwidth.parse(text).rate_at(time(3, 0))


@pytest.mark.parametrize(
    ("now", "rate"),
    [
        (time(0, 0), 512 * 1024),
        (time(5, 29, 59), 512 * 1024),
        (time(5, 30), 0.0),
        (time(7, 59), 0.0),
        (time(8, 0), None),
        (time(18, 59, 59, 999999), None),
        (time(19, 0), 512 * 1024),
    ],
)
def test_a_timetable_holds_from_entry_to_entry_and_over_midnight(
    now: time, rate: float | None
) -> None:
    table = bandwidth.parse("08:00,off 19:00,512k  05:30,pause")

    assert rate == table.rate_at(now)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "0",
        "-1",
        "0.0001",
        "fast",
        "1T",
        "1e3",
        "nan",
        "inf",
        "pause",
        "512k 1M",
        "08:00",
        "08:00,",
        ",512k",
        "24:00,off",
        "08:60,off",
        "08:00,off 8:00,1M",
        "08:00,1M,2M",
        "٨:00,off",
    ],
)
def test_what_means_nothing_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be"):
        bandwidth.parse(text)
