"""The text of an INI file, edited line by line: what is not touched stays as it was written.

It reads what Python's `configparser` reads, by the same rules (a test holds them against each
other), but keeps comments, blank lines, spelling and order when an entry is changed.
No section lends its entries to others, nothing is interpolated, and of an entry that is written
twice the last one counts. Names of entries are found in any case.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise

_HEADER = re.compile(r"\[(?P<name>.+)\]")
_ENTRY = re.compile(r"(?P<name>.*?)\s*(?P<delimiter>[=:])\s*(?P<value>.*)$")
_COMMENTS = ("#", ";")


class NoIniError(ValueError):
    """A line is neither a section, an entry nor a comment; its words stay out, it may hold a key."""

    def __init__(self, line: int) -> None:
        super().__init__(f"line {line} is no INI")
        self.line = line


@dataclass(slots=True)
class _Entry:
    """An entry: the first of its lines, the line behind its last, and what it says."""

    section: str
    name: str
    begin: int
    end: int
    values: list[str]


class IniText:
    """An INI file as text; raises NoIniError for a text that is none."""

    def __init__(self, text: str) -> None:
        self._lines = text.split("\n")
        self._headers: list[tuple[int, str]] = []
        self._entries: list[_Entry] = []
        self._index()

    def __str__(self) -> str:
        return "\n".join(self._lines)

    def sections(self) -> list[str]:
        """Return the names of the sections, in order, each once."""
        return list(dict.fromkeys(name for _, name in self._headers))

    def entries(self, section: str) -> list[str]:
        """Return the names of a section's entries, in order."""
        return [one.name for one in self._entries if one.section == section]

    def get(self, section: str, entry: str) -> str | None:
        """Return the value of an entry without surrounding blanks, None where it has none."""
        found = self._find(section, entry)
        return "\n".join(found[-1].values).strip() or None if found else None

    def set(self, section: str, entry: str, value: str) -> None:
        """Give an entry a value of one line, in its place, or at the end of its section."""
        if found := self._find(section, entry):
            old = found[-1]
            line = self._lines[old.begin]
            name_and_delimiter = line[: line.index(_delimiter(line)) + 1]
            self._lines[old.begin : old.end] = [f"{name_and_delimiter} {value}"]
        else:
            if section not in self.sections():
                self._append([f"[{section}]"])
            begin, end = self._blocks(section)[-1]
            # As deep as what stands before it, or it would continue that one's value.
            last = max((e.begin for e in self._entries if begin < e.begin < end), default=begin)
            self._lines.insert(end, f"{_indentation(self._lines[last])}{entry} = {value}")
            self._set_apart(end + 1)
            if end + 1 == len(self._lines):
                self._lines.append("")
        self._index()

    def remove(self, section: str, entry: str) -> bool:
        """Remove an entry; tell whether it was there."""
        found = self._find(section, entry)
        for old in reversed(found):
            del self._lines[old.begin : old.end]
        self._index()
        return bool(found)

    def remove_section(self, section: str) -> None:
        """Remove a section; comments behind its last entry stay, they may be about the next one."""
        for begin, end in reversed(self._blocks(section)):
            blank = end < len(self._lines) - 1 and not self._lines[end].strip()
            del self._lines[begin : end + blank]
            self._set_apart(begin)
        self._index()

    def _append(self, lines: list[str]) -> None:
        while self._lines and not self._lines[-1].strip():
            self._lines.pop()
        self._lines += [*([""] if self._lines else []), *lines, ""]
        self._index()

    def _set_apart(self, number: int) -> None:
        """See that the next header from a line on begins that line, so that it continues no value."""
        for at, line in enumerate(self._lines[number:], number):
            if line.strip() and not line.strip().startswith(_COMMENTS):
                self._lines[at] = line.lstrip()
                return

    def _find(self, section: str, entry: str) -> list[_Entry]:
        return [
            one
            for one in self._entries
            if one.section == section and one.name.lower() == entry.lower()
        ]

    def _blocks(self, section: str) -> list[tuple[int, int]]:
        """Return where the section's headers are, each with the line behind its last entry."""
        blocks = []
        edges = [*self._headers, (len(self._lines), "")]
        for (begin, name), (following, _) in pairwise(edges):
            if name == section:
                ends = [one.end for one in self._entries if begin < one.begin < following]
                blocks.append((begin, max([begin + 1, *ends])))
        return blocks

    def _index(self) -> None:
        self._headers, self._entries = [], []
        section: str | None = None
        entry: _Entry | None = None
        depth = 0
        for number, line in enumerate(self._lines):
            words = line.strip()
            if words.startswith(_COMMENTS):
                continue
            if not words:
                if entry is not None:
                    entry.values.append("")
                continue
            indent = len(_indentation(line))
            if entry is not None and indent > depth:  # the value goes on
                entry.values.append(words)
                entry.end = number + 1
                continue
            depth = indent
            if header := _HEADER.match(words):
                section, entry = header["name"], None
                self._headers.append((number, section))
                continue
            found = _ENTRY.match(words)
            if section is None or found is None or not found["name"]:
                raise NoIniError(number + 1)
            entry = _Entry(section, found["name"], number, number + 1, [found["value"]])
            self._entries.append(entry)


def _indentation(line: str) -> str:
    return line[: len(line) - len(line.lstrip())]


def _delimiter(line: str) -> str:
    return "=" if ":" not in line or -1 < line.find("=") < line.find(":") else ":"
