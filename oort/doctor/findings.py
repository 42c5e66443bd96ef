"""What a check answers, and what the doctor makes of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """How bad it is. The words are API (contract.md §3)."""

    OK = "ok"
    WARNING = "warning"
    """Oort works, and not as well as it could, or not for long."""
    PROBLEM = "problem"
    """Something is not sent, or not safe, until it is mended."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What one look showed, in one line; `remedy` is the command that mends it."""

    state: State
    text: str
    remedy: str | None = None


Answers = Iterable[Answer]


@dataclass(frozen=True, slots=True)
class Finding:
    """An answer with the name of its check, as `oort doctor` shows it."""

    check: str
    state: State
    text: str
    remedy: str | None

    def document(self) -> dict[str, str | None]:
        """Return it as the JSON output has it."""
        return {
            "check": self.check,
            "state": self.state.value,
            "text": self.text,
            "remedy": self.remedy,
        }


def ok(text: str) -> Answer:
    """Return that all is well, and what was looked at."""
    return Answer(State.OK, text)


def warning(text: str, remedy: str) -> Answer:
    """Return what should be mended some day."""
    return Answer(State.WARNING, text, remedy)


def problem(text: str, remedy: str) -> Answer:
    """Return what must be mended now."""
    return Answer(State.PROBLEM, text, remedy)
