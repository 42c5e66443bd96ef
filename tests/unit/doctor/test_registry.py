"""Each check stands alone: one that fails or hangs is a finding itself, and hides no other."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from oort.doctor import registry
from oort.doctor.case import Case
from oort.doctor.findings import Finding, State, ok
from oort.doctor.patience import Once, TooSlowError
from oort.doctor.registry import Check, CheckOfEach, examine
from oort.locations import Locations

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from oort.doctor.findings import Answers


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return Case(Locations(tmp_path, tmp_path))


def well(_case: Case) -> Answers:
    yield ok("well")


def failing(_case: Case) -> Answers:
    yield ok("the first half")
    raise ZeroDivisionError("by zero")


@pytest.fixture
def hanging() -> Iterator[Check]:
    """Give a check that waits for a disk which is away, until the test is over."""
    gone = threading.Event()

    def hangs(_case: Case) -> Answers:
        gone.wait(60)
        return []

    yield Check("share", hangs)
    gone.set()


def test_a_check_that_fails_is_told_and_the_others_too(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "CHECKS", (Check("bad", failing), Check("good", well)))
    errors: list[Exception] = []

    found = examine(case, on_error=errors.append)

    assert found == [
        Finding(
            "bad",
            State.WARNING,
            "this check could not be made: ZeroDivisionError: by zero",
            "oort doctor --debug",
        ),
        Finding("good", State.OK, "well", None),
    ]
    assert isinstance(errors[0], ZeroDivisionError)


def test_a_check_that_hangs_is_left_behind(
    case: Case, hanging: Check, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "PATIENCE_S", 0.2)
    monkeypatch.setattr(registry, "CHECKS", (hanging, Check("good", well)))

    late, good = examine(case)

    assert (late.check, late.state) == ("share", State.WARNING)
    assert "did not come to an end within 0.2 s" in late.text
    assert (good.check, good.state) == ("good", State.OK)


def test_a_check_of_each_names_its_subjects(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    each = CheckOfEach("watch", lambda _case, name: [ok(name)], lambda _case: ["a", "b c"])
    monkeypatch.setattr(registry, "CHECKS", (each,))

    assert [(one.check, one.text) for one in examine(case)] == [
        ("watch a", "a"),
        ("watch b c", "b c"),
    ]


def test_what_several_ask_is_found_out_once() -> None:
    asked: list[str] = []
    once: Once[int] = Once()

    def question() -> int:
        asked.append("x")
        return 7

    assert [once.get("key", question, patience_s=30) for _ in range(3)] == [7, 7, 7]
    assert asked == ["x"]


def test_nobody_waits_longer_than_said() -> None:
    never = threading.Event()

    with pytest.raises(TooSlowError, match=r"no answer within 0\.1 s"):
        Once[bool]().get("key", lambda: never.wait(60), patience_s=0.1)
    never.set()
