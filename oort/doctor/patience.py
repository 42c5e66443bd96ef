"""A question with a time limit, and a thing that is found out once for all who ask."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

T = TypeVar("T")


class TooSlowError(Exception):
    """No answer came in time."""

    def __init__(self, patience_s: float) -> None:
        super().__init__(f"no answer within {patience_s:g} s")


class Asked(Generic[T]):
    """A question that is being answered in a thread of its own, which is left behind if it hangs.

    A thread that waits for a dead disk cannot be ended; it does not keep the process from ending.
    """

    def __init__(self, question: Callable[[], T], name: str) -> None:
        self._question = question
        self._answers: list[T] = []
        self._errors: list[Exception] = []
        self._thread = threading.Thread(target=self._ask, name=name, daemon=True)
        self._thread.start()

    def _ask(self) -> None:
        try:
            self._answers.append(self._question())
        except Exception as error:  # noqa: BLE001  # whoever waits gets it
            self._errors.append(error)

    def answer(self, patience_s: float) -> T:
        """Wait for the answer; raises what the question raised, and TooSlowError."""
        self._thread.join(max(0.0, patience_s))
        if self._errors:
            raise self._errors[0]
        if not self._answers:
            raise TooSlowError(patience_s)
        return self._answers[0]


def in_time(question: Callable[[], T], *, patience_s: float, name: str = "doctor-asks") -> T:
    """Return the answer of a question; raises TooSlowError where none came in time."""
    return Asked(question, name).answer(patience_s)


class Once(Generic[T]):
    """Answers by key, each question asked once; who comes meanwhile waits for the same answer."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asked: dict[Hashable, Asked[T]] = {}

    def get(self, key: Hashable, question: Callable[[], T], *, patience_s: float) -> T:
        """Return the answer for a key; raises as `Asked.answer`."""
        with self._lock:
            asked = self._asked.get(key)
            if asked is None:
                asked = self._asked[key] = Asked(question, f"doctor-asks-{key}")
        return asked.answer(patience_s)
