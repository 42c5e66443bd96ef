"""The table of all checks, and how they are run: at once, each on its own, none without an end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from oort.doctor import account, events, folders, home, night, running, storage
from oort.doctor.findings import Answer, Finding, warning
from oort.doctor.patience import Asked, TooSlowError
from oort.policy.naming import words

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from oort.doctor.case import Case
    from oort.doctor.findings import Answers

PATIENCE_S: Final = 20.0
"""What is asked of a disk or a server has shorter limits of its own; this one is for what hangs."""


@dataclass(frozen=True, slots=True)
class Check:
    """One check of a home."""

    name: str
    """API, with what follows it: `watch dome`."""
    look: Callable[[Case], Answers]

    def tasks(self, _case: Case) -> list[tuple[str, Callable[[Case], Answers]]]:
        """Return what is to be asked, with the names that the findings have."""
        return [(self.name, self.look)]


@dataclass(frozen=True, slots=True)
class CheckOfEach:
    """One check of each watch, or of each server; its name is followed by theirs."""

    name: str
    look: Callable[[Case, str], Answers]
    subjects: Callable[[Case], Sequence[str]]

    def tasks(self, case: Case) -> list[tuple[str, Callable[[Case], Answers]]]:
        """Return what is to be asked, with the names that the findings have."""

        def of(subject: str) -> Callable[[Case], Answers]:
            return lambda asked: self.look(asked, subject)

        return [(f"{self.name} {subject}", of(subject)) for subject in self.subjects(case)]


def _servers(case: Case) -> list[str]:
    return case.apis()


def _watches(case: Case) -> list[str]:
    return [watch.name for watch in case.settings.watches]


def _enabled(case: Case) -> list[str]:
    return [watch.name for watch in case.watches]


CHECKS: Final[tuple[Check | CheckOfEach, ...]] = (
    Check("config", home.config),
    Check("user", home.user),
    Check("permissions", home.permissions),
    Check("disk", storage.disk),
    Check("database", storage.database),
    Check("backups", storage.backups),
    Check("daemon", running.daemon),
    Check("service", running.service),
    Check("limits", running.limits),
    Check("events", events.events),
    Check("keys", account.keys),
    CheckOfEach("server", account.server, _servers),
    CheckOfEach("key", account.key, _servers),
    Check("clock", account.clock),
    CheckOfEach("watch", folders.watch, _watches),
    CheckOfEach("target", account.target, _enabled),
    Check("night", night.night),
)
"""In the order of the findings: from this machine to the server, then each watch."""


def examine(case: Case, *, on_error: Callable[[Exception], None] | None = None) -> list[Finding]:
    """Run all checks; one that fails, or does not come to an end, is a finding itself.

    `on_error` gets what no check should raise.
    """
    asked = [
        (name, Asked(_complete(look, case), f"doctor-{name}"))
        for check in CHECKS
        for name, look in check.tasks(case)
    ]
    until = case.clock.monotonic() + PATIENCE_S
    findings: list[Finding] = []
    for name, question in asked:
        try:
            answers = question.answer(until - case.clock.monotonic())
        except TooSlowError:
            text = f"this check did not come to an end within {PATIENCE_S:g} s"
            answers = [warning(text, "oort doctor -v")]
        except Exception as error:  # noqa: BLE001  # the other checks must be told all the same
            if on_error is not None:
                on_error(error)
            text = f"this check could not be made: {_in_words(error)}"
            answers = [warning(text, "oort doctor --debug")]
        findings += [
            Finding(words(name), one.state, words(one.text), one.remedy) for one in answers
        ]
    return findings


def _complete(look: Callable[[Case], Answers], case: Case) -> Callable[[], list[Answer]]:
    return lambda: list(look(case))


def _in_words(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename or 'this system'}: {error.strerror}"
    return " ".join(f"{type(error).__name__}: {error}".split())
