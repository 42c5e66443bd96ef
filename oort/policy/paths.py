"""Which names below a watched folder are sent, and by which rule the others are left out. Pure.

Every answer comes with the rule in words, because `oort status PATH` shows it to somebody who
wonders where a file has gone. Links and other watches are a matter of the disk, not of names:
`oort.detect.bounds` asks those questions and gives the answers of this page.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

from pathspec import GitIgnoreSpec

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
        self._include = _compile(self.include)
        self._exclude = _compile(self.exclude)

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
        if self._exclude is not None and (pattern := _match(self._exclude, self.exclude, text)):
            return Judgement(Verdict.EXCLUDED, f"excluded by `{pattern}`")
        if self._include is not None and not _match(self._include, self.include, text):
            listed = ", ".join(f"`{pattern}`" for pattern in self.include)
            return Judgement(Verdict.EXCLUDED, f"not included by {listed}")
        return KEPT

    def judge_folder_entry(self, rel_path: bytes) -> Judgement:
        """Say whether a walk may enter a folder whose own folders are known to be kept."""
        judgement = _judge_component(rel_path)
        if judgement.verdict is not Verdict.KEPT or self._exclude is None:
            return judgement
        pattern = _match(self._exclude, self.exclude, _matchable(rel_path) + "/")
        return Judgement(Verdict.EXCLUDED, f"excluded by `{pattern}`") if pattern else KEPT


def judge_size(size: int) -> Judgement:
    """Say whether a file of that many bytes is sent."""
    return KEPT if size else EMPTY


def pattern_error(pattern: str) -> str | None:
    """Say what is wrong with an include or exclude pattern; None where it is good."""
    try:
        _compile((pattern,))
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


def _compile(patterns: tuple[str, ...]) -> GitIgnoreSpec | None:
    # "simple" by name: the other backends, where somebody has installed them, refuse surrogates.
    lines = [pattern.replace("\n", "\udc0a") for pattern in patterns]
    return GitIgnoreSpec.from_lines(lines, backend="simple") if lines else None


def _match(spec: GitIgnoreSpec, patterns: tuple[str, ...], text: str) -> str | None:
    """Return the pattern that matches `text`; the last one that says anything of it decides."""
    result = spec.check_file(text, separators=())
    if not result.include or result.index is None:
        return None
    return patterns[result.index]
