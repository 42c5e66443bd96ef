"""Which names below a watched folder are sent, and by which rule the others are left out. Pure.

Every answer comes with the rule in words, because `oort status PATH` shows it to somebody who
wonders where a file has gone. Links and other watches are a matter of the disk, not of names:
`oort.detect.bounds` asks those questions and gives the answers of this page.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

ALWAYS_EXCLUDED: Final = (
    "*.tmp",
    "*.part",
    "*.partial",
    "*~",
    "*.crdownload",
    ".nfs*",
    "*.swp",
)
"""What programs leave behind while they write; no `include` brings it back."""

_ENDS = tuple(pattern[1:].encode() for pattern in ALWAYS_EXCLUDED if pattern.startswith("*"))
_BEGINS = tuple(pattern[:-1].encode() for pattern in ALWAYS_EXCLUDED if pattern.endswith("*"))
_LEFT_OUT = (b".", *_BEGINS)
"""How a name begins that is hidden or temporary."""
_GROUP_NAME: Final = re.compile(r"\(\?P<\w+>")


class Verdict(StrEnum):
    """What becomes of a name; all but `KEPT` get no row in the queue."""

    KEPT = "kept"
    HIDDEN = "hidden"
    EMPTY = "empty"
    EXCLUDED = "excluded"
    OUTSIDE = "outside"


class Judgement(NamedTuple):
    """A verdict with the rule that gave it, in words ("excluded by `*.tmp`"); no rule where kept."""

    verdict: Verdict
    rule: str = ""


KEPT: Final = Judgement(Verdict.KEPT)
EMPTY: Final = Judgement(Verdict.EMPTY, "the file is empty")
OUTSIDE: Final = Judgement(Verdict.OUTSIDE, "a link that leads outside the watched folder")


class Rules:
    """The rules of one watch: hidden names, temporary names, its `include` and `exclude`.

    Patterns are those of gitignore. `exclude` wins over `include`; where `include` is given, only
    what it matches is kept. Raises ValueError for a pattern that is none (`pattern_error` tells).
    """

    def __init__(self, include: Sequence[str] = (), exclude: Sequence[str] = ()) -> None:
        self.include = tuple(include)
        self.exclude = tuple(exclude)
        self._include = _Patterns(self.include) if self.include else None
        self._exclude = _Patterns(self.exclude) if self.exclude else None

    def keeps_by_name(self, name: bytes) -> bool:
        """Say quickly whether a file of this name is kept wherever it lies; False: ask for each path."""
        return not (
            self._include or self._exclude or name.startswith(_LEFT_OUT) or name.endswith(_ENDS)
        )

    def judge_name(self, rel_path: bytes) -> Judgement:
        """Say what becomes of the file of this path: each of its folders is asked first."""
        folder = self.judge_folder(rel_path[: max(rel_path.rfind(b"/"), 0)])
        return folder if folder.verdict is not Verdict.KEPT else self.judge_file_entry(rel_path)

    def judge_folder(self, rel_path: bytes) -> Judgement:
        """Say whether a walk may enter this folder (`KEPT`); `b""` is the watched folder itself.

        As with gitignore, what lies in a folder that is left out cannot be brought back.
        """
        at = 0
        while rel_path and at != -1:
            at = rel_path.find(b"/", at + 1)
            judgement = self.judge_folder_entry(rel_path if at == -1 else rel_path[:at])
            if judgement.verdict is not Verdict.KEPT:
                return judgement
        return KEPT

    def judge_file_entry(self, rel_path: bytes) -> Judgement:
        """Say what becomes of a file whose folders are known to be kept."""
        judgement = _judge_component(rel_path)
        if judgement.verdict is not Verdict.KEPT or not (self._include or self._exclude):
            return judgement
        text = _matchable(rel_path)
        if self._exclude is not None and (pattern := self._exclude.that_matches(text)):
            return Judgement(Verdict.EXCLUDED, f"excluded by `{pattern}`")
        if self._include is not None and not self._include.match(text):
            listed = ", ".join(f"`{pattern}`" for pattern in self.include)
            return Judgement(Verdict.EXCLUDED, f"not included by {listed}")
        return KEPT

    def judge_folder_entry(self, rel_path: bytes) -> Judgement:
        """Say whether a walk may enter a folder whose own folders are known to be kept."""
        judgement = _judge_component(rel_path)
        if judgement.verdict is not Verdict.KEPT or self._exclude is None:
            return judgement
        pattern = self._exclude.that_matches(_matchable(rel_path) + "/")
        return Judgement(Verdict.EXCLUDED, f"excluded by `{pattern}`") if pattern else KEPT


def judge_size(size: int) -> Judgement:
    """Say whether a file of that many bytes is sent."""
    return KEPT if size else EMPTY


def pattern_error(pattern: str) -> str | None:
    """Say what is wrong with an include or exclude pattern; None where it is good."""
    try:
        _Patterns((pattern,))
    except ValueError as error:
        return str(error)
    return None


def _judge_component(rel_path: bytes) -> Judgement:
    """Judge the last component by the rules that no setting changes."""
    name = rel_path[rel_path.rfind(b"/") + 1 :]
    if name.startswith(b"."):
        return Judgement(Verdict.HIDDEN, f"hidden: `{_shown(name)}` starts with a dot")
    if name.endswith(_ENDS) or name.startswith(_BEGINS):
        pattern = next(
            pattern
            for pattern in ALWAYS_EXCLUDED
            if name.endswith(pattern[1:].encode()) or name.startswith(pattern[:-1].encode())
        )
        return Judgement(Verdict.EXCLUDED, f"always excluded by `{pattern}`")
    return KEPT


def _shown(name: bytes) -> str:
    return name.decode("utf-8", "backslashreplace")


def _matchable(rel_path: bytes) -> str:
    """Return the path as text to match patterns against.

    A byte that is no UTF-8 becomes one character, and a newline a character that no name can have,
    because `$` of a regular expression matches before a newline at the end.
    """
    return rel_path.decode("utf-8", "surrogateescape").replace("\n", "\udc0a")


class _Patterns:
    """Patterns of gitignore. Raises ValueError for one that is none."""

    def __init__(self, patterns: tuple[str, ...]) -> None:
        from pathspec import GitIgnoreSpec  # most watches have no patterns, and it takes its time

        self._patterns = patterns
        lines = [pattern.replace("\n", "\udc0a") for pattern in patterns]
        # "simple" by name: the other backends, where somebody has installed them, refuse surrogates.
        self._spec = GitIgnoreSpec.from_lines(lines, backend="simple")
        compiled = [one for one in self._spec.patterns if one.include is not None]
        self._negates = not all(one.include for one in compiled)
        # One expression for "does any of them say anything of it?": most names concern none.
        sources = [_GROUP_NAME.sub("(?:", one.regex.pattern) for one in compiled if one.regex]
        self._any = re.compile("|".join(f"(?:{source})" for source in sources) or "(?!)")

    def match(self, text: str) -> bool:
        """Tell whether a path is matched; the last pattern that says anything of it decides."""
        if self._any.search(text) is None:
            return False
        return not self._negates or self.that_matches(text) is not None

    def that_matches(self, text: str) -> str | None:
        """Return the pattern that matches a path."""
        if self._any.search(text) is None:
            return None
        result = self._spec.check_file(text, separators=())
        if not result.include or result.index is None:
            return None
        return self._patterns[result.index]
