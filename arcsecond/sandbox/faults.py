"""Rules that make the sandbox misbehave, and what one request gets from them.

A rule says which requests it is for (method, path, file name, how often) and what happens to them.
Several rules may meet in one request: each adds what no earlier one has set, so that "every answer
50 ms late" and "two 503s" can be in force together. A rule that names a file is asked when the
form's file name is known, the others when the request's first line is.

Nothing in the client or the daemon knows of this: what goes wrong, goes wrong on the wire.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

DROP_WHEN = ("before", "during", "after")
RENAMES = ("underscores", "suffix", "if_taken")


class RuleError(ValueError):
    """A rule that cannot be understood; says which part of it."""


@dataclass(frozen=True, slots=True)
class Instead:
    """An answer that a rule gives in place of the real one."""

    status: int
    body: Any = None
    """Text, or what becomes JSON; None is the status in words, as JSON, or a page for HTML."""
    content_type: str | None = None
    stored: bool = False
    """What was asked is done nevertheless."""
    early: bool = False
    """Given before the body is read."""


@dataclass(frozen=True, slots=True)
class Drop:
    """A reset of the connection (RST)."""

    when: str
    """`before` a byte of the body is read, `during` it, or `after` storing, the answer unsent."""
    after_bytes: int
    """How much of the body arrives before a reset `during` it."""


@dataclass(frozen=True, slots=True)
class Kill:
    """A process that gets SIGKILL."""

    pid: int
    after_bytes: int | None
    """How much of the body arrives before; None is after storing, before the answer."""


@dataclass(slots=True)
class Plan:
    """What is to happen to one request; what is None is left alone."""

    instead: Instead | None = None
    drop: Drop | None = None
    kill: Kill | None = None
    headers: Mapping[str, str] | None = None
    """Set on the answer, whichever it is."""
    close: bool | None = None
    """Close the connection after the answer, read or not."""
    delay_s: float | None = None
    """Answer this much later; what was to be stored is stored by then."""
    read_bytes_per_s: float | None = None
    """Read the body this slowly; 0 never reads it. The kernel takes some ahead all the same."""
    truncate_size: int | None = None
    """The `size` in the answer."""
    alter: Mapping[str, Any] | None = None
    """Fields of the JSON answer that read otherwise."""
    omit: tuple[str, ...] | None = None
    """Fields that the JSON answer lacks."""
    store_cut: bool | None = None
    """Store what came of a form that was cut before its closing boundary."""
    rename: str | None = None
    """Store under another name: `underscores` for blanks, with a `suffix`, or with one `if_taken`."""
    ignore_filters: bool | None = None
    """Answer a listing as if the query had no filters."""
    digits_are_pk: bool | None = None
    """Take a file name of digits in a URL for a pk."""
    lag_s: float | None = None
    """Show a data file, or a dataset in a listing, only so long after it was stored."""

    @property
    def refuses(self) -> bool:
        """Whether what was asked is not to be done."""
        return self.instead is not None and not self.instead.stored


@dataclass(slots=True)
class Rule:
    """One rule of the switchboard, as it was posted, with its counters."""

    id: int
    asked: Mapping[str, Any]
    method: str | None
    path: re.Pattern[str] | None
    file: re.Pattern[str] | None
    times: int | None
    skip: int
    actions: Mapping[str, Any]
    matched: int = 0
    applied: int = 0

    def is_for(self, method: str, path: str) -> bool:
        """Whether the request's first line is what the rule is for."""
        return (self.method is None or self.method == method) and (
            self.path is None or self.path.search(path) is not None
        )

    def add_to(self, plan: Plan) -> None:
        """Count a match and, if it is the rule's turn, add what the plan has not set yet."""
        self.matched += 1
        exhausted = self.times is not None and self.applied >= self.times
        if self.matched <= self.skip or exhausted:
            return
        free = [name for name in self.actions if getattr(plan, name) is None]
        for name in free:
            setattr(plan, name, self.actions[name])
        self.applied += bool(free)

    def as_json(self) -> dict[str, Any]:
        """Return the rule as posted, with its id and counters."""
        return {**self.asked, "id": self.id, "matched": self.matched, "applied": self.applied}


@dataclass(slots=True)
class Rules:
    """The rules in force."""

    _rules: list[Rule] = field(default_factory=list)
    _ids: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def add(self, asked: Mapping[str, Any]) -> Rule:
        """Add a rule; raises RuleError."""
        rule = parse(self.next_id(), asked)
        self._rules.append(rule)
        return rule

    def next_id(self) -> int:
        """Return a number that no rule bore before."""
        return next(self._ids)

    def remove(self, ident: int) -> bool:
        """Remove one rule; False if there is none of that id."""
        before = len(self._rules)
        self._rules = [rule for rule in self._rules if rule.id != ident]
        return len(self._rules) < before

    def clear(self) -> None:
        """Remove all rules."""
        self._rules.clear()

    def as_json(self) -> list[dict[str, Any]]:
        """Return the rules in force."""
        return [rule.as_json() for rule in self._rules]

    def plan(self, method: str, path: str) -> Plan:
        """Return what the rules that name no file do to this request."""
        plan = Plan()
        for rule in self._rules:
            if rule.file is None and rule.is_for(method, path):
                rule.add_to(plan)
        return plan

    def plan_file(self, plan: Plan, method: str, path: str, file: str) -> None:
        """Add to the plan what the rules do that name the form's file."""
        for rule in self._rules:
            if rule.file is not None and rule.is_for(method, path) and rule.file.search(file):
                rule.add_to(plan)


def parse(ident: int, asked: Mapping[str, Any]) -> Rule:
    """Return the rule that was asked for; raises RuleError for what it does not know."""
    for name, value in asked.items():
        if name not in _CHECKS:
            raise RuleError(f"unknown: {name}; known: {', '.join(_CHECKS)}, refuse")
        check, words = _CHECKS[name]
        if not check(value):
            raise RuleError(f"{name}: {words}")
    for name, owners in _NEEDED.items():
        if name in asked and not any(asked.get(owner) is not None for owner in owners):
            raise RuleError(f"{name} goes with {' or '.join(owners)}")
    actions = _actions(asked)
    if not actions:
        raise RuleError("the rule does nothing")
    return Rule(
        id=ident,
        asked=dict(asked),
        method=str(asked["method"]).upper() if "method" in asked else None,
        path=re.compile(asked["path"]) if "path" in asked else None,
        file=re.compile(asked["file"]) if "file" in asked else None,
        times=asked.get("times"),
        skip=asked.get("skip", 0),
        actions=actions,
    )


def _actions(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a Plan that a rule sets."""
    actions = {name: asked[name] for name in _PLAIN if name in asked}
    if "omit" in asked:
        actions["omit"] = tuple(asked["omit"])
    if "status" in asked:
        actions["instead"] = Instead(**{n: asked[n] for n in _OF_STATUS if n in asked})
    after_bytes = asked.get("after_bytes", 0)
    if asked.get("drop"):
        actions["drop"] = Drop(asked.get("when", "before"), max(1, after_bytes))
    if "kill_pid" in asked:
        stored = asked.get("when") == "after"
        actions["kill"] = Kill(asked["kill_pid"], None if stored else after_bytes)
    return actions


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0


def _is_bool(value: Any) -> bool:
    return isinstance(value, bool)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_regex(value: Any) -> bool:
    try:
        re.compile(value)
    except (re.error, TypeError):
        return False
    return True


def _is_status(value: Any) -> bool:
    lowest, highest = 200, 599
    return _is_int(value) and lowest <= value <= highest


def _is_texts_by_name(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(text, str) for text in value.values())


_Check = tuple["Callable[[Any], bool]", str]
_INT: _Check = (_is_int, "a whole number, 0 or more")
_NUMBER: _Check = (_is_number, "a number, 0 or more")
_BOOL: _Check = (_is_bool, "true or false")
_TEXT: _Check = (_is_text, "a text")
_REGEX: _Check = (_is_regex, "a regular expression")

_CHECKS: dict[str, _Check] = {
    "method": _TEXT,
    "path": _REGEX,
    "file": _REGEX,
    "times": _INT,
    "skip": _INT,
    "status": (_is_status, "an HTTP status from 200 to 599"),
    "body": (lambda value: isinstance(value, str | dict | list), "a text, an object or a list"),
    "content_type": _TEXT,
    "headers": (_is_texts_by_name, "an object of texts"),
    "stored": _BOOL,
    "early": _BOOL,
    "close": _BOOL,
    "drop": _BOOL,
    "when": (lambda value: value in DROP_WHEN, " or ".join(DROP_WHEN)),
    "after_bytes": _INT,
    "kill_pid": _INT,
    "delay_s": _NUMBER,
    "read_bytes_per_s": _NUMBER,
    "truncate_size": _INT,
    "alter": (lambda value: isinstance(value, dict), "an object"),
    "omit": (
        lambda value: isinstance(value, list) and all(isinstance(name, str) for name in value),
        "a list of field names",
    ),
    "store_cut": _BOOL,
    "rename": (lambda value: value in RENAMES, " or ".join(RENAMES)),
    "ignore_filters": _BOOL,
    "digits_are_pk": _BOOL,
    "lag_s": _NUMBER,
}

_OF_STATUS = ("status", "body", "content_type", "stored", "early")
_NEEDED = {
    **dict.fromkeys(_OF_STATUS[1:], ("status",)),
    "when": ("drop", "kill_pid"),
    "after_bytes": ("drop", "kill_pid"),
}
_PLAIN = (
    "headers",
    "close",
    "delay_s",
    "read_bytes_per_s",
    "truncate_size",
    "alter",
    "store_cut",
    "rename",
    "ignore_filters",
    "digits_are_pk",
    "lag_s",
)

RULE_KEYS = tuple(_CHECKS)
"""All that a rule may say."""
