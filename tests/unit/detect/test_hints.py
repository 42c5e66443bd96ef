"""The bounded queue between the observer and the intake."""

from __future__ import annotations

from oort.detect.hints import Hint, HintKind, HintQueue


class Woken:
    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> None:
        self.times += 1


def test_hints_of_one_path_are_one_hint() -> None:
    woken = Woken()
    hints = HintQueue(woken)
    hints.put(b"/r/a", HintKind.CREATED)
    hints.put(b"/r/b", HintKind.CREATED)
    hints.put(b"/r/a", HintKind.CLOSED, moved_from=b"/r/a.new")
    hints.put(b"/r/a", HintKind.CREATED)

    assert hints.take(10) == [
        Hint(b"/r/a", HintKind.CREATED | HintKind.CLOSED, b"/r/a.new"),
        Hint(b"/r/b", HintKind.CREATED),
    ]
    assert hints.take(10) == []
    assert woken.times == 4


def test_hints_are_taken_in_portions_in_order() -> None:
    hints = HintQueue(Woken())
    for n in range(5):
        hints.put(b"%d" % n, HintKind.CREATED)

    assert [hint.path for hint in hints.take(2)] == [b"0", b"1"]
    assert [hint.path for hint in hints.take(9)] == [b"2", b"3", b"4"]


def test_what_does_not_fit_is_told_once() -> None:
    hints = HintQueue(Woken(), paths_most=2)
    for n in range(4):
        hints.put(b"%d" % n, HintKind.CREATED)
    hints.put(b"0", HintKind.CLOSED)

    assert hints.take_loss() == "more events than can be kept"
    assert hints.take_loss() is None
    assert len(hints) == 2


def test_a_loss_is_told_and_forgotten_with_the_rest() -> None:
    woken = Woken()
    hints = HintQueue(woken)
    hints.put(b"a", HintKind.CREATED)
    hints.lose("overflow")
    assert woken.times == 2
    hints.clear()

    assert (hints.take(1), hints.take_loss()) == ([], None)
