"""Bytes at a place: the little that a structure check needs of a file."""

from __future__ import annotations

import os
from typing import Protocol


class Source(Protocol):
    """Something of known length that can be read anywhere."""

    size: int

    def read_at(self, offset: int, length: int) -> bytes:
        """Return up to `length` bytes from `offset` on; fewer only where the content ends."""
        ...


class FileSource:
    """An open file, read without moving its position where the system can do that."""

    def __init__(self, fd: int, size: int) -> None:
        self._fd = fd
        self.size = size

    def read_at(self, offset: int, length: int) -> bytes:
        """Return up to `length` bytes from `offset` on; fewer only where the file ends."""
        content = self._read_once(offset, length)
        while content and len(content) < length:
            more = self._read_once(offset + len(content), length - len(content))
            if not more:
                break
            content += more
        return content

    def _read_once(self, offset: int, length: int) -> bytes:
        if hasattr(os, "pread"):
            return os.pread(self._fd, length, offset)
        os.lseek(self._fd, offset, os.SEEK_SET)  # Windows; a descriptor has one reader
        return os.read(self._fd, length)


class MemorySource:
    """Bytes in memory, for the beginning of a decompressed file."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self.size = len(content)

    def read_at(self, offset: int, length: int) -> bytes:
        """Return up to `length` bytes from `offset` on."""
        return self._content[offset : offset + length]
