"""The tables of the performance page are those of the results that are kept."""

from __future__ import annotations

from benchmarks import page, results
from benchmarks.drivers import DRIVERS


def test_the_tables_are_what_was_measured() -> None:
    text = page.PAGE.read_text(encoding="utf-8")
    kept = results.in_order(results.read(), DRIVERS)

    assert page.with_tables(text, kept) == text, "run `make bench`, or `python -m benchmarks.page`"
